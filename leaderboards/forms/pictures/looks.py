"""How pictures look: colours on light and dark paper, and fonts that hold every character that is drawn."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from xreason.leaderboards.forms import format as _format

#: Okabe and Ito's colours ("Color Universal Design", 2008), told apart by the colour-blind and on light and dark paper alike.
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
#: So that more rows than colours are told apart, and colours are not needed where ink is black.
MARKERS = "osD^vPX*"
#: Ink on the cells of a heat map, which are the same on light and dark paper.
INK_ON_PALE, INK_ON_DEEP = "#020202", "#fdfdfd"
_LONGEST_NAME = 20
_FONT = "DejaVu Sans"


@dataclass(frozen=True)
class Paper:
    """What is drawn on: each colour's role to the colour."""

    paper: str
    ink: str
    soft: str  #: of what is said by the way
    rules: str


LIGHT = Paper("#ffffff", "#1c1d1f", "#5a5e65", "#d8dbe0")
DARK = Paper("#14171b", "#e8eaed", "#a6adb7", "#3b4149")


def dark_style() -> str:
    """Returns CSS that turns an SVG drawn on light paper dark where the reader's screen is."""
    # not below `svg`: what a marker is drawn by stands, for a selector, in a tree of its own
    pairs = zip(vars(LIGHT).values(), vars(DARK).values(), strict=True)
    rules = [f'[{what}="{light}"]{{{what}:{dark}}}' for light, dark in pairs for what in ("fill", "stroke")]
    return f"@media screen and (prefers-color-scheme:dark){{{''.join(rules)}}}"


@contextmanager
def drawn_on(paper: Paper, names: Iterable[str]) -> Iterator[None]:
    """Sets matplotlib up to draw on a paper, with fonts for the characters of names."""
    import matplotlib as mpl

    style: dict[Any, Any] = {
        "font.family": [_FONT, *_fonts("".join(sorted(set("".join(names)))))[0]],
        "font.size": 10,
        # names may hold dollar signs
        "text.parse_math": False,
        "text.color": paper.ink,
        "figure.facecolor": paper.paper,
        "axes.facecolor": "none",
        "axes.edgecolor": paper.soft,
        "axes.labelcolor": paper.soft,
        "axes.labelsize": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "grid.color": paper.rules,
        "grid.linewidth": 0.8,
        "xtick.color": paper.soft,
        "ytick.color": paper.soft,
        "xtick.labelcolor": paper.ink,
        "ytick.labelcolor": paper.ink,
        "xtick.labelsize": 9,
        "ytick.labelsize": 9,
        "legend.frameon": False,
        "legend.fontsize": 9,
        "svg.fonttype": "none",
        "svg.hashsalt": "xreason",
        "pdf.fonttype": 42,
    }
    with mpl.rc_context(style):
        yield


def drawable(name: str, instead: str, *, any_script: bool) -> str:
    """Returns a name short enough to draw, or `instead` where a font for its script is needed and not installed."""
    line = _format.one_line(name)
    if not any_script and _fonts("".join(sorted(set(line))))[1]:
        return instead
    return line if len(line) <= _LONGEST_NAME else f"{line[: _LONGEST_NAME - 1]}…"


@lru_cache
def _fonts(characters: str) -> tuple[tuple[str, ...], str]:
    """Returns the installed fonts that hold what DejaVu lacks of these characters, and the characters that none of them holds."""
    from matplotlib import font_manager

    families: list[str] = []
    missing = characters
    ours = font_manager.findfont(_FONT)
    others = [(entry.name, entry.fname) for entry in font_manager.fontManager.ttflist if not entry.name.startswith("Last Resort")]
    for family, path in [(_FONT, ours), *sorted(others)]:
        if not missing:
            break
        font = font_manager.get_font(path)
        left = "".join(character for character in missing if not font.get_char_index(ord(character)))
        if left != missing and family != _FONT:
            families.append(family)
        missing = left
    return tuple(dict.fromkeys(families)), missing
