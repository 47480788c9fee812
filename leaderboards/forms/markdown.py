"""The board as a page that GitHub and a paper can print, and as JSON for programs.

Boards of one comparison enter, one a suite; `leaderboard.md` and `leaderboard.json` leave. The same boards give the same bytes.
"""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from xreason.leaderboards.board import Board, BoardError, Row
from xreason.leaderboards.files import write_whole
from xreason.leaderboards.forms import format as _format
from xreason.leaderboards.forms.stages import stage_cells
from xreason.leaderboards.records import StageCost, Training

_SPECIAL = re.compile(r"([\\`*_{}\[\]#~!|$])")
_STAGE_HEADINGS = (
    "stage",
    "corpus",
    "rows",
    "languages",
    "tuned",
    "epochs / steps",
    "learning rate",
    "tokens/s",
    "time",
    "peak memory",
)
_BEGIN, _END = "<!-- board -->", "<!-- /board -->"
_LEGEND = (
    "Accuracy in percent with 95 % intervals, from a bootstrap over questions (the same in every language and for every model) and "
    "seeds; ± in a language's column is the wider side. A method shares the rank of the one above where their difference may be "
    "chance. The gain is that of the mean without English. Bold differences exclude 0. English is lost "
    "or gained where its difference from the base excludes 0, else kept. The papers' reading takes the last number of a response, "
    "without its sign, and 0 where there is none; the strict reading takes the answer that the response states, as its language "
    f"writes numbers, and no number is no answer. {_format.NOTES_LEGEND}"
)


def board_markdown(boards: Sequence[Board]) -> str:
    """Writes boards as one GitHub markdown page.

    Args:
        boards: one a suite, in the order to print them.

    Returns:
        The page: for each suite its tables, where its readings disagree, and its provenance; then what each stage trained on. Text
        from records is escaped.
    """
    models = _joined(provenance.model for board in boards for provenance in board.provenance)
    parts = [f"# Leaderboard: {models}", _LEGEND]
    for board in boards:
        parts += _suite_parts(board)
    stages = _stage_lines(boards)
    if stages:
        parts += ["## What each stage trained on", _table(("method", "seed", *_STAGE_HEADINGS), "lrllrllrrrrr", stages)]
    return "\n\n".join(parts) + "\n"


def _suite_parts(board: Board) -> list[str]:
    notes = "\n".join(f"- {escape(line)}" for line in _format.note_lines(board.notes))
    legend = _format.responses_legend(source.identifier for source in board.provenance)
    return [
        f"## {escape(board.suite)}",
        _score_table(board),
        *([notes] if notes else []),
        _provenance_line(board),
        f"### By {_format.READINGS[board.other_reading]}",
        _other_table(board),
        *_sampling_parts(board),
        "### How the responses look",
        f"Shares in percent. {escape(legend)}",
        _response_table(board),
    ]


def write_board(boards: Sequence[Board], directory: Path) -> tuple[Path, Path]:
    """Writes leaderboard.md and leaderboard.json, each whole or not at all.

    Args:
        boards: one a suite, in the order to print them.
        directory: where to; made where it is missing.

    Returns:
        The paths of the page and of the JSON file. The latter is `{"format": 2, "boards": [Board.as_dict(), ...]}`.

    Raises:
        OSError: the directory cannot be made or written.
    """
    page, data = directory / "leaderboard.md", directory / "leaderboard.json"
    content = {"format": 2, "boards": [board.as_dict() for board in boards]}
    write_whole(page, board_markdown(boards))
    write_whole(data, json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1) + "\n")
    return page, data


def insert_board(boards: Sequence[Board], page: Path) -> None:
    """Puts the boards into a markdown file, between its lines `<!-- board -->` and `<!-- /board -->`; the rest stays as it is.

    Raises:
        BoardError: the file has no such two lines.
        OSError: the file cannot be read or written.
    """
    before, begin, rest = page.read_text(encoding="utf-8").partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise BoardError(f"{page} does not say where the board goes; add the lines {_BEGIN} and {_END} to it.")
    # one heading deeper than a page of its own
    text = re.sub(r"^#", "##", board_markdown(boards), flags=re.MULTILINE)
    write_whole(page, f"{before}{begin}\n\n{text}\n{end}{after}")


def escape(text: str) -> str:
    """Returns text from elsewhere as GitHub shows it literally, on one line: no markup, no HTML, no new table cell."""
    literal = _format.one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\1", literal)


def _joined(texts: Iterable[str]) -> str:
    return ", ".join(escape(text) for text in dict.fromkeys(texts))


def _table(headings: Sequence[str], alignment: str, lines: Iterable[Sequence[str]]) -> str:
    rules = ["---:" if side == "r" else "---" for side in alignment]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (headings, rules, *lines))


def _score_table(board: Board) -> str:
    headings = [
        "rank",
        "model",
        *(escape(code) for code in board.languages),
        _mean_heading(board),
        f"{board.other_reading}: {_mean_heading(board)}",
        "mean without English",
        "gain over base",
        "English against base",
        "tuned",
        "training time",
    ]
    alignment = "rl" + "r" * (len(headings) - 2)
    return _table(headings, alignment, [_score_line(row, board) for row in board.rows])


def _score_line(row: Row, board: Board) -> list[str]:
    return [
        str(row.rank or ""),
        _name(row),
        *(_format.compact_interval(row.languages[code]) for code in board.languages),
        _format.interval(row.mean),
        _format.interval(row.other_mean),
        _format.interval(row.others),
        _gain(row),
        _english(row),
        f"{_format.share(row.tuned_share)} ({_format.count(row.tuned_parameters)})" if row.trainings else "",
        _format.duration(row.seconds) if row.trainings else "",
    ]


def _mean_heading(board: Board) -> str:
    return f"mean of {len(board.average_languages)}"


def _name(row: Row) -> str:
    return escape(row.name) + (f" ({len(row.seeds)} seeds)" if len(row.seeds) > 1 else "")


def _other_table(board: Board) -> str:
    headings = ["model", *(escape(code) for code in board.languages), _mean_heading(board)]
    lines = [
        [
            _name(row),
            *(_format.compact_interval(row.other_languages[code]) for code in board.languages),
            _format.interval(row.other_mean),
        ]
        for row in board.rows
    ]
    return _table(headings, "l" + "r" * (len(headings) - 1), lines)


def _sampling_parts(board: Board) -> list[str]:
    """A heading and a table for each way of sampling on the board."""
    parts = []
    for title in dict.fromkeys(row.style.sampling for row in board.rows if row.sampling):
        sampled = [(row, row.sampling.columns()) for row in board.rows if row.sampling and row.style.sampling == title]
        headings = ["model", *sampled[0][1]]
        lines = [[_name(row), *map(_format.interval, columns.values())] for row, columns in sampled]
        parts += [f"### {title.capitalize()}", _table(headings, "l" + "r" * (len(headings) - 1), lines)]
    return parts


def _response_table(board: Board) -> str:
    headings = ["model", "responses", *(escape(code) for code in board.languages), _mean_heading(board)]
    lines = []
    for row in board.rows:
        shares = [*(row.responses[code] for code in board.languages), row.mean_responses]
        lines += [
            [_name(row), label, *(escape(_format.whole_percent(read(each))) for each in shares)]
            for label, read in _format.RESPONSE_SHARES
        ]
    return _table(headings, "ll" + "r" * (len(headings) - 2), lines)


def _gain(row: Row) -> str:
    if row.gain is None:
        return ""
    written = _format.interval(row.gain)
    return f"**{written}**" if row.gain.significant else written


def _english(row: Row) -> str:
    if row.english is None:
        return ""
    written = f"{row.english_verdict}: {_format.interval(row.english)}"
    return f"**{written}**" if row.english.significant else written


def _stage_lines(boards: Sequence[Board]) -> list[list[str]]:
    trained: list[tuple[str, int, Training]] = []
    for board in boards:
        for row in board.rows:
            for seed, training in zip(row.seeds, row.trainings, strict=False):
                # The same training stands on the board of every suite.
                if (row.method, seed, training) not in trained:
                    trained.append((row.method, seed, training))
    return [_stage_line(method, seed, stage) for method, seed, training in trained for stage in training.stages]


def _stage_line(method: str, seed: int, stage: StageCost) -> list[str]:
    cells = stage_cells(stage)
    return [escape(method), str(seed), *(escape(cells[heading]) for heading in _STAGE_HEADINGS)]


def _provenance_line(board: Board) -> str:
    sources = board.provenance
    limits = _joined("all questions" if source.limit is None else f"first {source.limit} questions" for source in sources)
    tokens = _joined(str(source.max_new_tokens.get(board.suite, "?")) for source in sources)
    prompts = _joined(f"{style.written_shots} {style.prompt} ({style.prompt_hash})" for style in board.styles)
    decodings = _joined(style.decoding for style in board.styles)
    suite_versions = _joined(source.suite_versions.get(board.suite, "?") for source in sources)
    versions = _joined(f"{package} {version}" for source in sources for package, version in sorted(source.versions.items()))
    dates = sorted(source.date for source in sources)
    facts = {
        "Model": _joined(f"{source.model} ({source.model_hash[:12]})" for source in sources),
        "data": f"{_joined(source.data.get(board.suite, '?') for source in sources)}, {limits}, version {suite_versions}",
        "mean over": escape(", ".join(board.average_languages)),
        "prompt": prompts,
        "decoding": f"{decodings}, at most {tokens} new tokens",
        "ranked by": _format.READINGS[board.reading],
        "language identifier": _joined(source.identifier or "none" for source in sources),
        "commit": _joined(source.commit for source in sources),
        "machine": _joined(source.machine for source in sources),
        "date": escape(" to ".join(dict.fromkeys((dates[0], dates[-1])))),
        "versions": versions,
    }
    return "; ".join(f"{name}: {fact}" for name, fact in facts.items()) + "."
