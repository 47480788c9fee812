import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from xreason.leaderboards.board import build_board
from xreason.leaderboards.forms.latex import boards_latex, escape
from xreason.leaderboards.records import Record

Make = Any
HOSTILE = '\\input{/etc/passwd} 100% $x^2$ a_b & c # {d} ~ <e> | "f" \\end{tabular} \u202eright'
DOCUMENT = """\\documentclass{article}
\\usepackage[T1]{fontenc}
\\usepackage[margin=1cm,landscape]{geometry}
\\usepackage{booktabs,array}
\\begin{document}
%s
\\end{document}
"""


def test_table_1_and_the_languages_are_tables_of_booktabs(comparison: list[Record], average: tuple[str, ...]) -> None:
    tex = boards_latex([build_board(comparison, "mgsm", average_languages=average)])
    assert tex.count("\\begin{table}") == tex.count("\\end{table}") == tex.count("\\toprule") == 2
    rows = [line for line in tex.splitlines() if line.endswith("\\\\")]
    assert [line.split(" & ")[1] for line in rows[1:5]] == ["base", "slam", "two-stage", "full"]
    assert re.search(r"slam & \\textbf\{\d+\.\d\} \{\\scriptsize ", tex)
    assert "$-$18.8 {\\scriptsize " in tex
    assert "-18.8" not in tex


def test_text_from_records_is_literal_and_a_long_name_folds(make: Make) -> None:
    tex = boards_latex(
        [build_board([make(HOSTILE, {"en": 0.5}), make("x" * 10_000, {"en": 0.4})], "mgsm", average_languages=("en",))]
    )
    assert "\\input{" not in tex
    assert "\u202e" not in tex
    assert tex.count("\\end{tabular}") == 2
    assert "p{0.3\\linewidth}" in tex
    assert max(map(len, re.findall(r"x+", tex))) == 20
    assert escape("a_b 5%") == "a\\_b 5\\%"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex here")
def test_tex_compiles_it(make: Make, tmp_path: Path) -> None:
    records = [
        make("base", {"en": 0.6, "sw": 0.2}),
        make(HOSTILE, {"en": 0.5, "sw": 0.3}),
        make("x" * 10_000, {"en": 0.4, "sw": 0.1}),
    ]
    tex = boards_latex([build_board(records, "mgsm", average_languages=("en", "sw"))])
    (tmp_path / "page.tex").write_text(DOCUMENT % tex, encoding="utf-8")
    command = ["pdflatex", "-no-shell-escape", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "page.pdf").stat().st_size > 1000
