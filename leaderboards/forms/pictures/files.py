"""Pictures as files and as parts of a page; the same board gives the same bytes.

    xreason board runs/pocket --pictures pictures

writes pictures/pocket-gains.svg, .pdf, .png and -dark.png, and so on for each picture that the board has something to show in.
"""

import html
import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from xreason.leaderboards.board import Board
from xreason.leaderboards.forms import format as _format
from xreason.leaderboards.forms.pictures.drawings import MOST_ROWS, PICTURES, Picture, canvas_for
from xreason.leaderboards.forms.pictures.looks import DARK, LIGHT, Paper, dark_style, drawn_on

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DOTS_PER_INCH = 200
# SVG's own attributes are shown under any content security policy, which forbids those named style
_STYLE = re.compile(r' style="([^"]*)"')
_FONT = re.compile(r"(?:(?P<weight>bold|\d{3}) )?(?P<size>[\d.]+px) .*")
_NAMED = re.compile(r'( id="|url\(#|href="#)')


def pictures_of(board: Board) -> list[Picture]:
    """Returns the pictures that a board has something to show in; all but that of losses are of accuracies."""
    shown = _first(board)
    return [picture for picture in PICTURES if picture.shows(shown) and (picture.name == "losses" or not board.measure)]


def svg_of(picture: Picture, board: Board) -> str:
    """Returns a picture as an SVG element for an HTML page: drawn on light paper, without a background, text as text.

    It runs nothing, loads nothing and needs no style of its own; `looks.dark_style` turns it dark. The ids in it are its own.
    """
    with _drawn(picture, board, LIGHT, any_script=True) as figure:
        return _plain_svg(_bytes(figure, "svg", transparent=True).decode(), picture, board)


def write_pictures(boards: Sequence[Board], directory: Path) -> list[Path]:
    """Writes all pictures of boards into a folder, SUITE-NAME.svg, .pdf, .png, and on dark paper -dark.png; returns their paths.

    Raises:
        OSError: the folder cannot be made or written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for board in boards:
        for picture in pictures_of(board):
            name = f"{re.sub(r'[^A-Za-z0-9_.-]', '_', board.suite)}-{picture.name}"
            content = {".svg": _svg_file(picture, board)}
            for paper, endings in ((LIGHT, (".pdf", ".png")), (DARK, ("-dark.png",))):
                with _drawn(picture, board, paper, any_script=False) as figure:
                    content |= {ending: _bytes(figure, ending[-3:]) for ending in endings}
            for ending, each in content.items():
                written.append(directory / f"{name}{ending}")
                written[-1].write_bytes(each)
    return written


def _svg_file(picture: Picture, board: Board) -> bytes:
    with _drawn(picture, board, LIGHT, any_script=True) as figure:
        svg = _plain_svg(_bytes(figure, "svg").decode(), picture, board)
    style = f'<style>{dark_style()}text{{font-family:"DejaVu Sans",sans-serif}}</style>'
    return ('<?xml version="1.0" encoding="utf-8"?>\n' + svg.replace(">", f">{style}", 1)).encode()


@contextmanager
def _drawn(picture: Picture, board: Board, paper: Paper, *, any_script: bool) -> Iterator["Figure"]:
    from matplotlib.figure import Figure

    shown = _first(board)
    names, part = [row.name for row in shown.rows], f", the first {MOST_ROWS} of {len(board.rows)}"
    title = f"{_format.one_line(board.suite)}: {picture.title}{part if shown is not board else ''}"
    # a reader's own fonts write the text of an SVG, whatever is installed here
    with drawn_on(paper, names), warnings.catch_warnings(action="ignore"):
        figure = Figure(layout="constrained")
        canvas = canvas_for(figure, shown, paper, any_script=any_script)
        figure.suptitle(title, x=0.01, ha="left", fontsize=10.5, fontweight="bold")
        picture.draw(canvas, shown)
        yield figure


def _first(board: Board) -> Board:
    """Returns a board's first rows, as many as a picture tells apart; the board itself where it has no more."""
    if len(board.rows) <= MOST_ROWS:
        return board
    rows = board.rows[:MOST_ROWS]
    names = {row.name for row in rows}
    pairs = tuple(pair for pair in board.pairs if pair.first in names and pair.second in names)
    return board.model_copy(update={"rows": rows, "pairs": pairs})


def _bytes(figure: "Figure", form: str, *, transparent: bool = False) -> bytes:
    # no dates and no versions: what is drawn alone decides the bytes
    unsaid = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}
    unsaid["pdf"] = {"CreationDate": None, "Creator": None, "Producer": None}
    if form == "svg" and (layout := figure.get_layout_engine()) is not None:
        from matplotlib.backends.backend_svg import FigureCanvasSVG

        # laid out here, for savefig would draw everything a second time to do it
        FigureCanvasSVG(figure)
        layout.execute(figure)
        figure.set_layout_engine(None)
    into = io.BytesIO()
    figure.savefig(into, format=form, dpi=_DOTS_PER_INCH if form == "png" else 72, metadata=unsaid[form], transparent=transparent)
    return into.getvalue()


def _plain_svg(text: str, picture: Picture, board: Board) -> str:
    """Returns an SVG of matplotlib's as an element for HTML, its style as attributes and its ids its own."""
    svg = text[text.index("<svg") :].strip()
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = _STYLE.sub(lambda found: _attributes(found[1]), svg)
    referred = set(re.findall(r'(?:url\(#|href="#)([^")]+)', svg))
    svg = re.sub(r' id="([^"]+)"', lambda found: found[0] if found[1] in referred else "", svg)
    own = re.sub(r"[^A-Za-z0-9]", "-", f"{board.suite}-{picture.name}-")
    svg = _NAMED.sub(lambda found: found[1] + own, svg)
    words = html.escape(f"{_format.one_line(board.suite)}: {picture.title}. {picture.words}")
    width, height = re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)[0]
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{words}" stroke-linejoin="round">'
    svg = head + svg.partition(">")[2].replace("xlink:href", "href").replace("rotate(-0 ", "rotate(0 ")
    return re.sub(r"\n\s*", "\n", svg)


def _attributes(style: str) -> str:
    """Returns CSS declarations as attributes; of a font its size and weight, for its family is the page's to choose."""
    told = dict(part.strip().split(": ", 1) for part in html.unescape(style).split(";") if ": " in part)
    told.pop("font-family", None)
    if font := _FONT.fullmatch(told.pop("font", "")):
        told |= {"font-size": font["size"]} | ({"font-weight": font["weight"]} if font["weight"] else {})
    return "".join(f' {name}="{html.escape(value)}"' for name, value in told.items())
