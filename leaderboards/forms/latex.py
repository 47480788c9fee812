r"""Table 1 and the languages of a comparison in LaTeX, by booktabs, `leaderboard.tex`; the same boards give the same bytes.

To be read by \input. Tables fit the text of an article of 10 points: an interval stands under its value, and languages beyond
eleven in a second block.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby, pairwise

from xreason.leaderboards.board import Board
from xreason.leaderboards.forms import format as _format
from xreason.leaderboards.forms.cells import (
    MOST_COLUMNS,
    SIDE,
    Cell,
    Table,
    blocks,
    language_table,
    misses_table,
    subset_table,
    tables_one,
)

_SPECIAL = {
    **{character: f"\\{character}" for character in "{}$&#_%"},
    "\\": "\\textbackslash{}",
    "^": "\\textasciicircum{}",
    "~": "\\textasciitilde{}",
    "<": "\\textless{}",
    ">": "\\textgreater{}",
    "|": "\\textbar{}",
    '"': "\\char34{}",
}
#: Two of these beside each other become another sign.
_LIGATED = "-,'`<>!?\""
#: What numbers are written with.
_SIGNS = {"±": "$\\pm$", "≥": "$\\geq$", "–": "--", "-": "$-$"}
#: Beside ASCII and letters of it with an accent, what every font of pdfTeX has.
_LETTERS = "ßÆæØøŁłŒœ–—‘’“”"
_OGONEK = "\u0328"

#: A name of more characters than the first folds; a word of more may break after any so many.
_LONGEST_NAME, _FOLD = 13, 6
_MOST_LANGUAGES = 11
_SEEDS = re.compile(r" \((\d+) seeds\)$")

_HEAD = r"""% Needs \usepackage{booktabs,array}. Compiles with pdflatex, lualatex and xelatex. Of other scripts than Latin
% pdflatex prints the code points; lualatex and xelatex draw them where \usepackage{fontspec} and \setmainfont name a font that
% has them.
\providecommand\xreasonunder[2]{\begin{tabular}[t]{@{}r@{}}#1\\[-0.4ex]\scriptsize #2\end{tabular}}
\ifdefined\Umathchar\providecommand\xreasonscript[2]{#1}\else\providecommand\xreasonscript[2]{{\scriptsize #2}}\fi"""


def boards_latex(boards: Sequence[Board]) -> str:
    r"""Returns boards, one a suite, as LaTeX tables to be read by \input; text from records is escaped.

    The document needs the packages booktabs and array, and for names in scripts of their own a TeX and a font that have them.
    """
    heads = [f"% Written by xreason of {_commits(boards)}.\n{_HEAD}"]
    one = [_table(replace(each, legend=(*each.legend, SIDE)), [each]) for each in tables_one(boards)]
    languages = [_table(each, blocks(each, _MOST_LANGUAGES)) for each in map(language_table, boards)]
    subsets = [_table(each, blocks(each, MOST_COLUMNS - 1)) for each in map(subset_table, boards) if each]
    misses = [_table(each, [each]) for each in map(misses_table, boards) if each]
    return "\n\n".join([*heads, *one, *languages, *subsets, *misses]) + "\n"


def escape(text: str) -> str:
    """Returns text from elsewhere as LaTeX prints it literally, on one line; a long word may break anywhere."""
    return " ".join(map(_word, _format.one_line(text).split()))


def _word(word: str) -> str:
    if len(word) <= _LONGEST_NAME:
        return _literal(word)
    parts = [word[start : start + _FOLD] for start in range(0, len(word), _FOLD)]
    return "\\hspace{0pt}".join(map(_literal, parts))


def _literal(text: str) -> str:
    parts = []
    for simple, run in groupby(text, _is_simple):
        characters = "".join(run)
        codes = " ".join(f"U+{ord(character):04X}" for character in characters)
        parts.append(_plain(characters) if simple else f"\\xreasonscript{{{characters}}}{{{codes}}}")
    return "".join(parts)


def _plain(text: str) -> str:
    apart = (before in _LIGATED and after in _LIGATED for before, after in pairwise(f" {text}"))
    return "".join("{}" * each + _SPECIAL.get(character, character) for each, character in zip(apart, text, strict=True))


def _is_simple(character: str) -> bool:
    """Whether pdfTeX draws it in every text font."""
    if character.isascii() or character in _LETTERS:
        return True
    apart = unicodedata.normalize("NFD", character)
    return character <= "\u017f" and apart[0].isascii() and len(apart) == 2 and apart[1] != _OGONEK


def _commits(boards: Sequence[Board]) -> str:
    return _format.one_line(", ".join(sorted({source.commit for board in boards for source in board.provenance})))


def _table(table: Table, parts: Sequence[Table]) -> str:
    """One float of the blocks that a table is drawn in."""
    label = "".join(f"-{word}" for word in re.findall(r"[a-z0-9]+", table.title.lower()))
    lines = [
        "\\begin{table}",
        f"\\caption{{{escape(table.title)}. {' '.join(map(_said, table.legend))}}}",
        f"\\label{{tab:xreason{label}}}",
        "\\centering\\footnotesize",
        *(f"\\smallskip\n\n{_tabular(part)}\n" for part in parts),
        "\\end{table}",
    ]
    return "\n".join(lines)


def _tabular(table: Table) -> str:
    names = table.headings.index("model")
    long = any(len(row[names].text) > _LONGEST_NAME for row in table.rows)
    sides = ["r"] * len(table.headings)
    # beside eleven languages of "100.0" there is no more room
    gap, share = ("2pt", 0.16) if len(sides) > MOST_COLUMNS else ("3pt", 0.2)
    sides[names] = f">{{\\raggedright\\arraybackslash}}p{{{share}\\linewidth}}" if long else "l"
    lines = [
        f"\\setlength{{\\tabcolsep}}{{{gap}}}%",
        f"\\begin{{tabular}}{{@{{}}{''.join(sides)}@{{}}}}",
        "\\toprule",
        " & ".join(map(_heading, table.headings)) + " \\\\",
        "\\midrule",
        # the gap is said: TeX would take a name in brackets for it
        *(" & ".join(map(_cell, row)) + " \\\\[3pt]" for row in table.rows),
        "\\bottomrule",
        "\\end{tabular}",
    ]
    return "\n".join(lines)


def _heading(text: str) -> str:
    first, _, second = escape(text).partition(" ")
    return f"\\shortstack[r]{{{first}\\\\{second}}}" if second else first


def _said(sentence: str) -> str:
    """A sentence of ours: its signs are TeX's."""
    words = {"†": "$^\\dagger$", "±": "$\\pm$", " %": "~\\%"}
    return "".join(words.get(part, _literal(part)) for part in re.split("([†±]| %)", _format.one_line(sentence)))


def _cell(cell: Cell) -> str:
    if not isinstance(cell.value, float | int):
        return _SEEDS.sub(r" (\1~seeds)", escape(cell.text)) if cell.text != _format.NOTHING else "--"
    text = _number(cell.text)
    if cell.best:
        text = f"\\textbf{{{text}}}"
    text += "$^\\dagger$" if cell.dagger else ""
    below = " ".join(filter(None, (_number(cell.side), escape(cell.word.replace(" points", "")))))
    return f"\\xreasonunder{{{text}}}{{{below}}}" if below else text


def _number(text: str) -> str:
    return "".join(_SIGNS.get(character, _SPECIAL.get(character, character)) for character in text)
