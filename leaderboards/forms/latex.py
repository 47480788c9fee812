"""Table 1 and the languages of a comparison in LaTeX, by booktabs, `leaderboard.tex`; the same boards give the same bytes."""

import re
from collections.abc import Sequence

from xreason.leaderboards.board import Board
from xreason.leaderboards.forms import format as _format
from xreason.leaderboards.forms.cells import Cell, Table, language_table, tables_one

_SPECIAL = {
    **{character: f"\\{character}" for character in "{}$&#_%"},
    "\\": "\\textbackslash{}",
    "^": "\\textasciicircum{}",
    "~": "\\textasciitilde{}",
    "<": "\\textless{}",
    ">": "\\textgreater{}",
    "|": "\\textbar{}",
    '"': "\\textquotedbl{}",
}
#: What numbers are written with.
_SIGNS = {"±": "$\\pm$", "≥": "$\\geq$", "–": "--", "-": "$-$"}

#: A name that is longer than this folds, after any so many characters.
_LONGEST_NAME, _FOLD = 40, 20


def boards_latex(boards: Sequence[Board]) -> str:
    r"""Returns boards, one a suite, as LaTeX tables to be read by \input; text from records is escaped.

    The document needs the packages booktabs and array, and for names in scripts of their own a font that has them.
    """
    heads = ["% needs \\usepackage{booktabs,array}; written by xreason of " + _commits(boards)]
    one = [_table(each, f"tab:xreason{_label(each)}") for each in tables_one(boards)]
    languages = [_table(each, f"tab:xreason{_label(each)}") for each in map(language_table, boards)]
    return "\n\n".join([*heads, *one, *languages]) + "\n"


def escape(text: str) -> str:
    """Returns text from elsewhere as LaTeX prints it literally, on one line; a long one may break anywhere."""
    line = _format.one_line(text)
    parts = [line] if len(line) <= _LONGEST_NAME else [line[start : start + _FOLD] for start in range(0, len(line), _FOLD)]
    return "\\hspace{0pt}".join(map(_literal, parts))


def _literal(text: str) -> str:
    return "".join(_SPECIAL.get(character, character) for character in text)


def _commits(boards: Sequence[Board]) -> str:
    return _format.one_line(", ".join(sorted({source.commit for board in boards for source in board.provenance})))


def _label(table: Table) -> str:
    return "".join(f"-{word}" for word in re.findall(r"[a-z0-9]+", table.title.lower()))


def _table(table: Table, label: str) -> str:
    name = table.headings.index("model")
    long = any(len(row[name].text) > _LONGEST_NAME for row in table.rows)
    sides = ["r"] * len(table.headings)
    sides[name] = ">{\\raggedright\\arraybackslash}p{0.3\\linewidth}" if long else "l"
    lines = [
        "\\begin{table}",
        "\\centering\\small",
        f"\\caption{{{escape(table.title)}. {' '.join(map(_said, table.legend))}}}",
        f"\\label{{{label}}}",
        f"\\begin{{tabular}}{{{''.join(sides)}}}",
        "\\toprule",
        " & ".join(map(escape, table.headings)) + " \\\\",
        "\\midrule",
        *(" & ".join(map(_cell, row)) + " \\\\" for row in table.rows),
        "\\bottomrule",
        "\\end{tabular}",
        "\\end{table}",
    ]
    return "\n".join(lines)


def _said(sentence: str) -> str:
    """A sentence of ours: its signs are TeX's."""
    return _literal(_format.one_line(sentence)).replace("†", "$^\\dagger$").replace("±", "$\\pm$")


def _cell(cell: Cell) -> str:
    if not isinstance(cell.value, float | int):
        return escape(cell.text) if cell.text != _format.NOTHING else "--"
    text = _number(cell.text)
    if cell.best:
        text = f"\\textbf{{{text}}}"
    text += "$^\\dagger$" if cell.dagger else ""
    spread = f" {{\\scriptsize {_number(cell.spread)}}}" if cell.spread else ""
    return f"{text}{spread}" + (f" {{\\scriptsize {escape(cell.word)}}}" if cell.word else "")


def _number(text: str) -> str:
    return "".join(_SIGNS.get(character, _SPECIAL.get(character, character)) for character in text)
