"""The board as a table in the terminal: what a comparison prints when it is done.

A board enters, a `rich` renderable leaves. It keeps to 100 columns with eleven languages by using several tables: the ranking, the
accuracy in each language by both readings, what several samples tell, and how the responses look. An interval stands under its
value.
"""

from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from xreason.leaderboards.board import Board, Row
from xreason.leaderboards.forms import format as _format
from xreason.leaderboards.statistics.intervals import Difference, Interval

_NAME_WIDTH = 16
# in a terminal too narrow for the table, numbers may break, but a row must keep its name
_NAME_LEAST = 9


def board_table(board: Board) -> Group:
    """Draws a board.

    Args:
        board: what to draw.

    Returns:
        The ranking, the accuracies by language, samples and responses, notes, and lines on how to read them, to be printed by a
        rich console.
    """
    notes = [Text(line, style="yellow") for line in _format.note_lines(board.notes)]
    tables = [_ranking(board), _languages(board), *_samplings(board), _responses(board)]
    return Group(*tables, *notes, Text(_legend(board), style="dim"))


def _table(title: str) -> Table:
    return Table(title=Text(title, style="bold"), title_justify="left", box=box.SIMPLE_HEAD, collapse_padding=True, pad_edge=False)


def _ranking(board: Board) -> Table:
    table = _table(_format.one_line(board.suite))
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("model", min_width=_NAME_LEAST, max_width=_NAME_WIDTH, overflow="fold")
    for heading in ("mean", "other\nlanguages", "gain over\nbase", "English\nvs base", "tuned", "training\ntime"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in board.rows:
        table.add_row(
            str(row.rank or ""),
            _name(row),
            _stacked(_format.interval(row.mean), "bold"),
            _stacked(_format.interval(row.others)),
            _difference(row.gain),
            _english(row),
            _tuned(row),
            _format.duration(row.seconds) if row.trainings else "",
        )
    return table


def _languages(board: Board) -> Table:
    table = _language_table(
        board, f"accuracy by {_format.READINGS[board.reading]}, below it by {_format.READINGS[board.other_reading]}"
    )
    for row in board.rows:
        table.add_row(_name(row), *_accuracies(board, row.mean, row.languages))
        table.add_row(Text(f"  {board.other_reading}", style="dim"), *_accuracies(board, row.other_mean, row.other_languages))
    return table


def _responses(board: Board) -> Table:
    table = _language_table(board, "how the responses look: shares in percent", "responses")
    labels = Text("\n".join(label for label, _ in _format.RESPONSE_SHARES), style="dim")
    for row in board.rows:
        shares = [row.mean_responses, *(row.responses[code] for code in board.languages)]
        written = ["\n".join(_format.whole_percent(read(each)) for _, read in _format.RESPONSE_SHARES) for each in shares]
        table.add_row(_name(row), labels, *written)
    return table


def _language_table(board: Board, title: str, *labels: str) -> Table:
    table = _table(title)
    table.add_column("model", min_width=_NAME_LEAST, max_width=_NAME_WIDTH, overflow="fold")
    for label in labels:
        table.add_column(label, no_wrap=True)
    for heading in ("mean", *board.languages):
        table.add_column(Text(_format.one_line(heading)), justify="right", no_wrap=True)
    return table


def _samplings(board: Board) -> list[Table]:
    """One table for each way of sampling on the board."""
    sampled = dict.fromkeys(row.style.sampling for row in board.rows if row.sampling)
    return [_sampling(sampling, [row for row in board.rows if row.style.sampling == sampling]) for sampling in sampled]


def _sampling(title: str, rows: Sequence[Row]) -> Table:
    table = _table(title)
    table.add_column("model", min_width=_NAME_LEAST, max_width=_NAME_WIDTH, overflow="fold")
    columns = {row.name: row.sampling.columns() for row in rows if row.sampling}
    for heading in next(iter(columns.values())):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(_name(row), *(_stacked(_format.compact_interval(estimate)) for estimate in columns[row.name].values()))
    return table


def _name(row: Row) -> Text:
    # A Text, not a string: a method's name is anybody's, and strings are read as markup.
    name = Text(_format.one_line(row.name), style="" if row.trainings else "italic")
    return name.append(f"\n{len(row.seeds)} seeds", style="dim") if len(row.seeds) > 1 else name


def _stacked(written: str, style: str = "") -> Text:
    value, _, spread = written.partition(" ")
    return Text(value, style=style).append(f"\n{spread}" if spread else "", style="not bold dim")


def _accuracies(board: Board, mean: Interval, languages: Mapping[str, Interval]) -> list[Text]:
    return [_stacked(_format.compact_interval(accuracy)) for accuracy in (mean, *(languages[code] for code in board.languages))]


def _difference(difference: Difference | None) -> Text:
    if difference is None:
        return Text("")
    colour = "green" if difference.value > 0 else "red"
    return _stacked(_format.interval(difference), f"bold {colour}" if difference.significant else "")


def _english(row: Row) -> Text:
    if row.english is None:
        return Text("")
    written = _format.interval(row.english).replace(" ", f" {row.english_verdict}\n", 1)
    value, _, spread = written.partition("\n")
    style = {"lost": "bold red", "gained": "bold green"}.get(str(row.english_verdict), "")
    return Text(value, style=style).append(f"\n{spread}", style="not bold dim")


def _tuned(row: Row) -> Text:
    if not row.trainings:
        return Text("")
    return Text(_format.share(row.tuned_share)).append(f"\n{_format.count(row.tuned_parameters)}", style="dim")


def _legend(board: Board) -> str:
    averaged = ", ".join(_format.one_line(code) for code in board.average_languages)
    asked = "; ".join(
        dict.fromkeys(_format.one_line(f"{style.written_shots} {style.prompt}, {style.decoding}") for style in board.styles)
    )
    return (
        f"Accuracy in percent, asked: {asked}. Ranks, gain and English go by {_format.READINGS[board.reading]}. Mean over "
        f"{averaged}; other languages and the gain are without English. Intervals are 95 %, over questions and seeds; ± by "
        "language or sample is the wider side. A method shares the rank of the one above where their difference may be chance. "
        "English is lost or gained where its difference from the base excludes 0, else kept. "
        f"{_format.responses_legend(source.identifier for source in board.provenance)} {_format.NOTES_LEGEND}"
    )
