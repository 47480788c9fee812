"""The board as tables in the terminal, which keep to 100 columns with eleven languages; an interval stands under its value."""

from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from xreason.leaderboards.board import Board, Row
from xreason.leaderboards.forms import format as _format
from xreason.leaderboards.forms.published import published_tables
from xreason.leaderboards.statistics.intervals import Difference, Interval

_NAME_WIDTH = 16
# in a terminal too narrow for the table, numbers may break, but a row must keep its name
_NAME_LEAST = 9
_MOST_PAIRS = 10
_RANKING = ("#", "model", "mean", "other\nlanguages", "gain over\nbase", "English\nvs base", "tuned", "training\ntime")


def board_table(board: Board) -> Group:
    """Draws a board: ranking, accuracies by language, samples and responses, notes, and lines on how to read them."""
    tables = [_ranking(board), *_pairs(board), _languages(board), *_samplings(board)]
    tables += [] if board.measure else [_responses(board)]
    notes = [Text(line, style="yellow") for line in (*_format.caution_lines(board), *_format.note_lines(board.notes))]
    return Group(*tables, *published_tables(board), *notes, Text(_legend(board), style="dim"))


def _table(title: str, headings: Sequence[str]) -> Table:
    """An empty table, of numbers but for names and labels. Texts, not strings: these would be read as markup."""
    table = Table(title=Text(title, style="bold"), title_justify="left", box=box.SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    for heading in headings:
        if heading == "model":
            table.add_column(heading, min_width=_NAME_LEAST, max_width=_NAME_WIDTH, overflow="fold")
        else:
            table.add_column(Text(heading), justify="left" if heading == "responses" else "right", no_wrap=True)
    return table


def _ranking(board: Board) -> Table:
    table = _table(_format.one_line(board.suite), _RANKING)
    for row in board.rows:
        table.add_row(
            str(row.rank or ""),
            _name(row),
            _value(_format.interval(row.mean), "bold"),
            _value(_format.interval(row.mean_without_english)),
            _difference(row.gain),
            _difference(row.english, _format.english_verdict(board, row).replace(" points", "")),
            _stacked(*_format.tuned(row)),
            _stacked(*_format.training_time(row)),
        )
    return table


def _pairs(board: Board) -> list[Table]:
    pairs = _format.pairs(board)
    if not pairs:
        return []
    table = _table("difference of means, the first row minus the second", ("model", "model", "difference", "p (Holm)"))
    for pair in pairs[:_MOST_PAIRS]:
        table.add_row(_format.one_line(pair.first), _format.one_line(pair.second), *_judged(pair.difference))
    if more := len(pairs[_MOST_PAIRS:]):
        table.caption = f"and {more} more, see --markdown and --json"
    return [table]


def _languages(board: Board) -> Table:
    title = f"accuracy by {_format.READINGS[board.reading]}, below it by {_format.READINGS[board.other_reading]}"
    table = _table(board.measure or title, ("model", "mean", *_format.language_headings(board)))

    def accuracies(mean: Interval, languages: Mapping[str, Interval]) -> list[Text]:
        return [_value(_format.compact_interval(accuracy)) for accuracy in (mean, *map(languages.get, board.languages))]

    for row in board.rows:
        table.add_row(_name(row), *accuracies(row.mean, row.languages))
        if board.measure:
            continue
        other = Text(f"  {board.other_reading}", style="dim")
        table.add_row(other, *accuracies(row.mean_by_other_reading, row.languages_by_other_reading))
    return table


def _samplings(board: Board) -> list[Table]:
    tables = []
    for title, sampled in _format.samplings(board).items():
        table = _table(title, ("model", *sampled[0][1]))
        for row, columns in sampled:
            table.add_row(_name(row), *(_value(_format.compact_interval(estimate)) for estimate in columns.values()))
        tables.append(table)
    return tables


def _responses(board: Board) -> Table:
    headings = ("model", "responses", "mean", *_format.language_headings(board))
    table = _table("how the responses look: shares in percent", headings)
    for row in board.rows:
        cells = _format.response_cells([row.mean_responses, *map(row.responses.get, board.languages)])
        table.add_row(_name(row), Text("\n".join(cells), style="dim"), *map("\n".join, zip(*cells.values(), strict=True)))
    return table


def _name(row: Row) -> Text:
    seeds = f"{len(row.seeds)} seeds" if len(row.seeds) > 1 else ""
    return _stacked(_format.one_line(row.name), seeds, "italic" if row.rank is None else "")


def _stacked(above: str, below: str, style: str = "") -> Text:
    return Text(above, style=style).append(f"\n{below}" if below else "", style="not bold dim")


def _value(written: str, style: str = "", word: str = "") -> Text:
    """A value, with a word beside it, above its interval."""
    value, _, spread = written.partition(" ")
    return _stacked(f"{value} {word}".rstrip(), spread, style)


def _difference(difference: Difference | None, word: str = "") -> Text | str:
    if difference is None:
        return ""
    colour = "green" if difference.value > 0 else "red"
    return _value(_format.interval(difference), f"bold {colour}" if difference.marked else "", word)


def _judged(difference: Difference) -> list[Text | str]:
    return [_difference(difference), _format.chance(difference.p_adjusted)]


def _legend(board: Board) -> str:
    if board.measure:
        return " ".join(_format.statements(board))
    styles = dict.fromkeys(style.words for style in board.styles)
    return (
        f"{' '.join(_format.statements(board))} Asked: {_format.one_line('; '.join(styles))}. {_format.LEGEND} "
        f"{_format.responses_legend(source.identifier for source in board.provenance)} {_format.NOTES_LEGEND}"
    )
