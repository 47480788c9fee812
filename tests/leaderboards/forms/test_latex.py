import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.leaderboards.conftest import stage
from xreason.leaderboards.board import build_board
from xreason.leaderboards.forms.latex import boards_latex, escape
from xreason.leaderboards.records import Record

Make = Any
HOSTILE = '\\input{/etc/passwd} 100% $x^2$ a_b & c # {d} ~ <e> | "f" \\end{tabular} \u202eright'
DOCUMENT = """\\documentclass{article}
\\usepackage{booktabs,array}
\\begin{document}
%s
\\end{document}
"""


def test_table_1_and_the_languages_are_tables_of_booktabs(comparison: list[Record], average: tuple[str, ...]) -> None:
    tex = boards_latex([build_board(comparison, "mgsm", average_languages=average)])
    assert tex.count("\\begin{table}") == tex.count("\\end{table}") == tex.count("\\toprule") == 2
    rows = [line for line in tex.splitlines() if line.endswith("\\\\[3pt]")]
    assert [line.split(" & ")[1] for line in rows[:4]] == ["base", "slam", "two-stage", "full"]
    assert re.search(r"slam & \\xreasonunder\{\\textbf\{\d+\.\d\}\}\{\$\\pm\$\d", tex)
    assert "\\xreasonunder{$-$18.8}{$\\pm$" in tex
    assert "-18.8" not in tex
    assert "†" not in tex
    assert "±" not in tex


def test_text_from_records_is_literal_and_a_long_name_folds(make: Make) -> None:
    tex = boards_latex(
        [build_board([make(HOSTILE, {"en": 0.5}), make("x" * 10_000, {"en": 0.4})], "mgsm", average_languages=("en",))]
    )
    assert "\\input{" not in tex
    assert "\u202e" not in tex
    assert tex.count("\\end{tabular}") == 3  # two tables, and the macro of a cell
    assert "p{0.2\\linewidth}" in tex
    assert max(map(len, re.findall(r"x+", tex))) == 6
    assert escape("a_b 5%") == "a\\_b 5\\%"
    assert escape("-- `` ?`") == "-{}- `{}` ?{}`"


def test_what_pdftex_cannot_draw_is_printed_as_its_code_points() -> None:
    assert escape("Łódź é 模型一 ا") == ("Łódź é \\xreasonscript{模型一}{U+6A21 U+578B U+4E00} \\xreasonscript{ا}{U+0627}")


def test_languages_beyond_eleven_are_a_second_block_of_the_same_table(make: Make) -> None:
    codes = tuple(f"{one}{other}" for one in "abc" for other in "vwxyz")
    tex = boards_latex([build_board([make("slam", dict.fromkeys(codes, 0.5))], "mgsm", average_languages=codes)])
    assert tex.count("\\begin{table}") == 2
    heads = [line.split(" & ")[1:] for line in tex.splitlines() if line.startswith("model & ")]
    assert [len(head) for head in heads] == [8, 7]
    assert tuple(code.removesuffix(" \\\\") for head in heads for code in head) == codes


def test_a_name_in_brackets_is_no_argument_of_the_line_above(make: Make) -> None:
    records = [make(name, {"en": 0.5, "sw": 0.2}) for name in ("[3cm]", "* x")]
    tex = boards_latex([build_board(records, "mgsm", average_languages=("en", "sw"))])
    lines = tex.splitlines()
    before = [lines[place - 1] for place, line in enumerate(lines) if line.startswith(("[3cm]", "* x"))]
    assert len(before) == 2
    assert all(line.endswith(("\\\\[3pt]", "\\midrule")) for line in before)


NO_TEX = next((f"{needed} is not installed" for needed in ("pdflatex", "kpsewhich") if shutil.which(needed) is None), "")
if not NO_TEX and subprocess.run(["kpsewhich", "booktabs.sty"], capture_output=True, check=False).returncode:
    NO_TEX = "TeX's package booktabs is not installed"
HOSTILE_NAMES = (
    HOSTILE,
    "x" * 10_000,
    ":smile: https://example.com/a_b?c=d&e#f</script><b>x</b> `` -- ?` !` <<a>> ^^4d",
    "模型一 ضعيف हिन्दी ภาษาไทย 👍",
    "".join(chr(code) for code in range(0xA1, 0x180)),
    "[3cm] *",
    "* x",
)


def typeset(folder: Path, tex: str) -> str:
    """Compiles it in an article of 10 points as LaTeX has it, and returns what TeX said."""
    (folder / "page.tex").write_text(DOCUMENT % tex, encoding="utf-8")
    command = ["pdflatex", "-no-shell-escape", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", check=False, timeout=60)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (folder / "page.pdf").stat().st_size > 1000
    return done.stdout


@pytest.mark.skipif(bool(NO_TEX), reason=NO_TEX)
def test_tex_compiles_whatever_a_name_holds(make: Make, tmp_path: Path) -> None:
    records = [make("base", {"en": 0.6, "sw": 0.2})] + [make(name, {"en": 0.5, "sw": 0.3}, questions=250) for name in HOSTILE_NAMES]
    typeset(tmp_path, boards_latex([build_board(records, "mgsm", average_languages=("en", "sw"))]))


@pytest.mark.skipif(bool(NO_TEX), reason=NO_TEX)
def test_tables_fit_the_text_even_where_numbers_are_at_their_widest(make: Make, average: tuple[str, ...], tmp_path: Path) -> None:
    codes = (*average, "te")
    named = (("base", 0.0), ("mathoctopus", 1.0), ("english-sft (native-cot, 8-shot)", 1.0))
    long = (stage(share=1.0, seconds=359_999.0),)
    records = [
        make(name, dict.fromkeys(codes, accuracy), seed=seed, questions=8, suites=("mgsm", "msvamp"), stages=long)
        for name, accuracy in named
        for seed in range(1 if name == "base" else 3)
    ]
    # one board says that English is within a margin, the other that it is not settled
    for margin in (60, 3):
        boards = [build_board(records, suite, average_languages=average, english_margin=margin) for suite in ("mgsm", "msvamp")]
        assert "Overfull" not in typeset(tmp_path, boards_latex(boards))
