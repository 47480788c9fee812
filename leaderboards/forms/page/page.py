"""The boards of a comparison as one file that any browser opens, `leaderboard.html`; the same boards give the same bytes.

    xreason board runs/pocket --out board && open board/leaderboard.html

It works from a disk, loads nothing from the net, and needs JavaScript only to sort tables and to show samples, which are kept in
parts beside it (see `xreason.leaderboards.forms.page.samples`). Its content security policy lets nothing else run: whatever names,
questions and responses hold is text.
"""

import base64
import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xreason.leaderboards.board import Board
from xreason.leaderboards.files import write_whole
from xreason.leaderboards.forms import cells
from xreason.leaderboards.forms import format as _format
from xreason.leaderboards.forms.page.samples import MOST_EMBEDDED, Part, Samples, packed, write_part
from xreason.leaderboards.forms.pictures.files import pictures_of, svg_of
from xreason.leaderboards.forms.pictures.looks import dark_style
from xreason.leaderboards.forms.provenance import provenance_facts
from xreason.leaderboards.forms.published import published_table
from xreason.leaderboards.forms.training.stages import stage_table

if TYPE_CHECKING:
    from jinja2 import Template

PAGE_FILE = "leaderboard.html"
_HERE = Path(__file__).parent
_SCRIPTS = ("vendor/sortable.min.js", "vendor/sortable.a11y.min.js", "script.js")
#: More characters than this of a name are folded.
_LONGEST_NAME = 60


def board_page(
    boards: Sequence[Board],
    command: str = "",
    samples: Sequence[Part] = (),
    *,
    embedded: Collection[str] = (),
    left_out: Sequence[str] = (),
    live: bool = False,
) -> str:
    """Returns boards, one a suite, as an HTML page.

    Args:
        boards: at least one.
        command: what made it, "" where that is not told.
        samples: those that a reader can choose; of those that stand beside the page, what is packed may be empty.
        embedded: the keys of those that are in the page itself.
        left_out: what to say of those that are in neither.
        live: whether it is served, and asks for a newer one.
    """
    scripts, style = (
        [_asset(name) for name in (*_SCRIPTS, *(["live.js"] if live else []))],
        _asset("style.css") + dark_style(),
    )
    policy = {
        "default-src": "'none'",
        # what these scripts load themselves may run too: the samples beside the page
        "script-src": " ".join([*map(_hash, scripts), "'strict-dynamic'"]),
        "style-src": _hash(style),
        "img-src": "data:",
        **({"connect-src": "'self'"} if live else {}),
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return _template().render(
        policy="; ".join(f"{name} {value}" for name, value in policy.items()),
        scripts=scripts,
        style=style,
        models=[*dict.fromkeys(source.model for board in boards for source in board.provenance)],
        date=max((source.date for board in boards for source in board.provenance), default="")[:10],
        tables_one=cells.tables_one(boards),
        boards=[_told(board, first=board is boards[0]) for board in boards],
        stages=stage_table(boards),
        samples=samples,
        embedded={part.key: part.packed for part in samples if part.key in embedded},
        left_out=left_out,
        command=command,
        longest_name=_LONGEST_NAME,
    )


def write_page(
    boards: Sequence[Board],
    directory: Path,
    *,
    command: str = "",
    samples: Iterable[Samples] = (),
    single_file: bool = False,
    live: bool = False,
    most_embedded: int = MOST_EMBEDDED,
) -> Path:
    """Writes leaderboard.html, and samples/ beside it, each file whole or not at all; returns the page's path.

    Args:
        boards: at least one.
        directory: where they go; made where it is missing.
        command: what made the page, "" where that is not told.
        samples: what models said; read one after another, so that they need not all fit into memory.
        single_file: whether samples stand in the page itself, as many as fit, and none beside it.
        live: whether it is served, and asks for a newer one.
        most_embedded: how many bytes that is.

    Raises:
        OSError: the directory cannot be made or written.
    """
    parts, left_out, room = [], [], most_embedded
    for part in map(packed, samples):
        if not single_file:
            write_part(part, directory)
            parts.append(replace(part, packed=""))
        elif len(part.packed) <= room:
            parts.append(part)
            room -= len(part.packed)
        else:
            left_out.append(f"{part.suite} in {part.language}")
    embedded = {part.key for part in parts if part.packed}
    page = board_page(boards, command, parts, embedded=embedded, left_out=left_out, live=live)
    write_whole(directory / PAGE_FILE, page)
    return directory / PAGE_FILE


def _told(board: Board, *, first: bool) -> dict[str, Any]:
    """Returns what the template says of a board."""
    # the same trainings stand on the board of every suite
    pictures = [picture for picture in pictures_of(board) if first or picture.name != "losses"]
    return {
        "suite": _format.one_line(board.suite),
        "pictures": {picture.name: (picture, svg_of(picture, board)) for picture in pictures},
        "notes": [*_format.caution_lines(board), *_format.note_lines(board.notes)],
        "languages": cells.language_table(board),
        "by_other_reading": None if board.measure else cells.language_table(board, by_other_reading=True),
        "means": cells.means_table(board),
        "subsets": cells.subset_table(board),
        "subset_pairs": cells.subset_pairs_table(board, every=True),
        "samplings": cells.sampling_tables(board),
        "pairs": cells.pairs_table(board, every=True),
        "responses": None if board.measure else cells.response_table(board),
        "published": published_table(board),
        "facts": provenance_facts(board),
        "asked": "; ".join(dict.fromkeys(style.words for style in board.styles)),
        "claims": " ".join(_format.claims(board)),
        "questions": sum(board.questions.values()),
    }


@cache
def _asset(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def _template() -> "Template":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["line"] = _format.one_line
    return environment.get_template("template.html")
