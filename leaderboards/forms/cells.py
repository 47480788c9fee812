"""What stands in the tables of a board: one list of cells, which every form writes with a pen of its own.

Table 1 holds all suites side by side and has at most eight columns; the second table holds the languages of one suite. What a row
says beyond these is in `row_cells`, for forms that print it all; what a form folds has a table of its own.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from xreason.leaderboards.board import Board
from xreason.leaderboards.forms import format as _format
from xreason.leaderboards.rows import Row
from xreason.leaderboards.statistics.intervals import Difference, Interval

#: Columns of Table 1, and how many of them may be suites.
MOST_COLUMNS, _MOST_SUITES = 8, 5
#: Headings of columns that hold names.
NAMES = ("model", "first", "second")
#: What a pen says that prints `Cell.side`.
SIDE = "±: the wider side of the interval."
#: Beside rank, model and suites; the last are left out first.
_BY_WORTH = ("gain", "cost of use", "English", "training time", "tuned")
#: What became of answers that are not right: field of Misses to its heading.
_MISSES = {"cut_off_thinking": "thinking cut off", "cut_off_answering": "answer cut off", "wrong": "wrong"}
#: Of what a row says, what stands where there is room.
_MEANS = (
    *("rank", "mean", "mean in language", "mean in language with thinking", *_MISSES.values(), "mean without English"),
    *("gain", "p of gain (Holm)", "English", "tuned"),
    *("training time", "response tokens", "thinking tokens", "cost of use"),
)
#: What headings beyond those of Table 1 say.
_OF_MEANS = {
    "mean in language": "In language: right, and in the question's language.",
    "mean in language with thinking": "With thinking: where neither the answer nor its thinking is in another language.",
    "thinking cut off": "Not right: thinking cut off, at its budget or with the response; the answer cut off; or else wrong.",
    "cost of use": "Cost of use: tokens that a question takes, all its responses and its translation, and models in use.",
    "response tokens": "Response tokens: of one response, thinking among them.",
}


@dataclass(frozen=True)
class Cell:
    """What one cell says, to people and to programs; its text is plain, for the pen to escape."""

    text: str = ""
    spread: str = ""  #: the interval of a value: "±2.1", "[73.9, 78.0]"; of a time, its devices; of a share, its number
    word: str = ""  #: what a difference is called: "lost"
    value: float | int | str | None = None  #: in percent or points where it is an accuracy or a share; times in seconds
    low: float | None = None  #: of its 95 % interval; likewise `high`
    high: float | None = None
    best: bool = False  #: whether no row of its column has more
    dagger: bool = False  #: whether it is significant by Holm's correction and rests on no single training

    @property
    def side(self) -> str:
        """Its spread for narrow columns: of an interval the wider side, as printed."""
        if self.low is None or self.high is None or not isinstance(self.value, float):
            return self.spread
        value, low, high = (round(part, 1) for part in (self.value, self.low, self.high))
        return f"±{max(value - low, high - value):.1f}"


@dataclass(frozen=True)
class Table:
    """Cells by row and column, all rows as long as the headings."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    legend: tuple[str, ...] = ()  #: what a column says, one short sentence for each that needs one

    @property
    def word_columns(self) -> frozenset[int]:
        """The columns that hold words, which stand at the left and are sorted as words."""
        return frozenset(column for row in self.rows for column, cell in enumerate(row) if isinstance(cell.value, str))


def tables_one(boards: Sequence[Board]) -> list[Table]:
    """Returns Table 1 of boards, one a suite, of the same comparison: for each five suites one.

    Rank, gain, English and the cost of use are of the first suite, which their headings name where there are several; the cost
    stands only where a row is a model and a way of asking it. Where the columns would be more than eight, the tuned share is left
    out first, then the time, English, the cost. A suite that lm-eval measures otherwise than by 0 or 1 has only the tuned share and
    the time, and none of its values is best.
    """
    return [_table_one(boards[start : start + _MOST_SUITES]) for start in range(0, len(boards), _MOST_SUITES)]


def language_table(board: Board, *, by_other_reading: bool = False) -> Table:
    """Returns the accuracy in every language of a board, by the reading that ranks or by the other one."""
    codes = tuple(_format.language_headings(board))
    found = [(row, row.languages_by_other_reading if by_other_reading else row.languages) for row in board.rows]
    lines = [[name_cell(row), *(_narrow(languages.get(code)) for code in board.languages)] for row, languages in found]
    said = f", by {_format.READINGS[board.other_reading]}" if by_other_reading else ""
    legend = [f"{_format.measure(board)}{said}, ± the wider side of its 95 % interval."]
    if board.partial_languages:
        legend.append("*: not all rows were scored in it, and no mean counts it.")
    rows = _with_best(lines, () if board.measure else range(1, len(codes) + 1))
    title = f"{board.suite}{f': {board.measure}' if board.measure else ''}{said or ', by language'}"
    return Table(title, ("model", *codes), rows, tuple(legend))


def subset_table(board: Board) -> Table | None:
    """Returns the means over groups of languages and levels of questions, and gains over the base; None where there are none."""
    if not board.subsets:
        return None
    names = [each.name for each in board.subsets]
    gained = [name for name in names if any(name in row.subset_gains for row in board.rows)]
    lines = [
        [name_cell(row), *(_narrow(row.subsets[name]) for name in names), *(_gain(row.subset_gains.get(name)) for name in gained)]
        for row in board.rows
    ]
    legend = [f"{_format.measure(board)}, ± the wider side of its 95 % interval.", _format.subsets(board)]
    if gained:
        legend.append(
            "Gain: less the base's; †: significant by Holm's correction over all gains here, and not of a single training."
        )
    kinds = " and ".join(dict.fromkeys(each.kind for each in board.subsets))
    rows = _with_best(lines, () if board.measure else range(1, len(names) + 1))
    return Table(f"{board.suite}, by {kinds}", ("model", *names, *(f"gain {name}" for name in gained)), rows, tuple(legend))


def subset_pairs_table(board: Board, *, every: bool = False) -> Table | None:
    """Returns all ranked rows against each other by the mean of each subset; None as `pairs_table`."""
    if not every and not _format.pairs(board):
        return None
    rows = tuple(
        (_named(each.first), _named(each.second), _named(of.name), _gain(each.difference), _chance(each.difference))
        for of in board.subsets
        for each in of.pairs
    )
    headings = ("first", "second", "by", "first minus second", "p (Holm)")
    return Table(f"{board.suite}: differences by subset", headings, rows) if rows else None


def blocks(table: Table, most: int) -> list[Table]:
    """Returns a table that begins with names as several, each with the names and at most so many of the other columns."""
    columns = len(table.headings) - 1
    wide = -(-columns // max(1, -(-columns // most)))  # as many in each, or one more
    return [
        replace(
            table,
            headings=(table.headings[0], *table.headings[start : start + wide]),
            rows=tuple((row[0], *row[start : start + wide]) for row in table.rows),
        )
        for start in range(1, columns + 1, wide)
    ]


def means_table(board: Board) -> Table:
    """Returns what rows say in one line beyond Table 1: both readings, in language, without English, gains and cost."""
    lines = [row_cells(board, row) for row in board.rows]
    means = [heading for heading in lines[0] if heading in _MEANS or heading.startswith("mean by ")]
    means = [heading for heading in means if any(cells[heading].value is not None for cells in lines)]
    legend = tuple(sentence for heading, sentence in _OF_MEANS.items() if heading in means)
    rows = tuple((cells["model"], *map(cells.__getitem__, means)) for cells in lines)
    return Table(f"{board.suite}: means, gains and cost", ("model", *means), rows, legend)


def pairs_table(board: Board, *, every: bool = False) -> Table | None:
    """Returns all ranked rows against each other, or these only where gains do not tell it of all that are ranked; else None."""
    pairs = board.pairs if every else _format.pairs(board)
    rows = tuple((_named(each.first), _named(each.second), _gain(each.difference), _chance(each.difference)) for each in pairs)
    headings = ("first", "second", "first minus second", "p (Holm)")
    return Table(f"{board.suite}: differences of means", headings, rows) if rows else None


def response_table(board: Board) -> Table:
    """Returns how responses look, a line a row and share, in percent."""
    rows = []
    for row in board.rows:
        shown = [row.mean_responses, *map(row.responses.get, board.languages)]
        for words, texts in _format.response_cells(shown).items():
            shares = [getattr(each, words.replace(" ", "_"), None) for each in shown]
            cells = [Cell(text, value=None if share is None else 100 * share) for text, share in zip(texts, shares, strict=True)]
            rows.append((name_cell(row), _named(words), *cells))
    headings = ("model", "responses", "mean", *_format.language_headings(board))
    legend = ("Shares in percent.", _format.responses_legend(source.identifier for source in board.provenance))
    return Table(f"{board.suite}: how the responses look", headings, tuple(rows), legend)


def sampling_tables(board: Board) -> list[Table]:
    """Returns a table for each way of sampling."""
    return [
        Table(
            f"{board.suite}: {title}",
            ("model", *sampled[0][1]),
            tuple((name_cell(row), *map(_accuracy, columns.values())) for row, columns in sampled),
        )
        for title, sampled in _format.samplings(board).items()
    ]


def row_cells(board: Board, row: Row) -> dict[str, Cell]:
    """Returns all that a row says in one line: heading to cell, the same headings for every row of a board.

    Of a suite that lm-eval measures otherwise than by 0 or 1, values are lm-eval's own, and nothing stands where nothing is told.
    """
    verdict, languages = _format.english_verdict(board, row), {code: _accuracy(row.languages.get(code)) for code in board.languages}
    return {
        "suite": Cell(board.suite, value=board.suite),
        **({"measure": Cell(board.measure, value=board.measure)} if board.measure else {}),
        "rank": Cell(str(row.rank or ""), value=row.rank),
        "model": name_cell(row),
        "base": Cell(row.model, value=row.model),
        "seeds": Cell(str(len(row.seeds)), value=len(row.seeds)),
        "mean": _accuracy(row.mean),
        f"mean by {_format.READINGS[board.other_reading]}": Cell() if board.measure else _accuracy(row.mean_by_other_reading),
        "mean in language": _accuracy(row.mean_in_language),
        **(_of_thinking(row) if any(each.mean_misses for each in board.rows) else {}),
        "mean without English": _accuracy(row.mean_without_english),
        "gain": _gain(row.gain),
        "p of gain (Holm)": _chance(row.gain),
        "English": Cell() if row.english is None else replace(_accuracy(row.english), word=verdict),
        "English is": Cell(verdict, value=verdict or None),
        "tuned": _tuned(row),
        "training time": _time(row),
        "response tokens": _tokens(row.mean_tokens),
        "thinking tokens": _tokens(row.mean_thinking_tokens),
        **(_of_use(row) if any(each.models_in_use for each in board.rows) else {}),
        **{each.name: _accuracy(row.subsets[each.name]) for each in board.subsets},
        **{f"gain {each.name}": _gain(row.subset_gains.get(each.name)) for each in board.subsets},
        **languages,
    }


def misses_table(board: Board) -> Table | None:
    """Returns what became of the questions, where thinking is told apart in a row; else None."""
    lines = [row_cells(board, row) for row in board.rows]
    headings = ("mean", *_MISSES.values(), "mean in language", "mean in language with thinking")
    if headings[1] not in lines[0]:
        return None
    rows = tuple((cells["model"], *(replace(cells[heading], spread="") for heading in headings)) for cells in lines)
    legend = tuple(_OF_MEANS[heading] for heading in ("thinking cut off", "mean in language", "mean in language with thinking"))
    return Table(f"{board.suite}: what became of the questions", ("model", "right", *headings[1:]), rows, legend)


def _of_thinking(row: Row) -> dict[str, Cell]:
    told = {heading: _accuracy(getattr(row.mean_misses, name, None)) for name, heading in _MISSES.items()}
    return {"mean in language with thinking": _accuracy(row.mean_in_language_thinking), **told}


def name_cell(row: Row) -> Cell:
    """Returns what a row is called, with its seeds where there are several."""
    name = row.name + (f" ({len(row.seeds)} seeds)" if len(row.seeds) > 1 else "")
    return Cell(name, value=row.name)


def _named(name: str) -> Cell:
    return Cell(name, value=name)


def _table_one(boards: Sequence[Board]) -> Table:
    first = boards[0]
    of = f" ({first.suite})" if len(boards) > 1 else ""
    absent = {"gain", "English"} if first.measure else set[str]()
    absent |= set() if any(row.models_in_use for row in first.rows) else {"cost of use"}
    told = [each for each in _BY_WORTH if each not in absent][: MOST_COLUMNS - 2 - len(boards)]
    after = [heading for heading in ("gain", "English", "cost of use", "tuned", "training time") if heading in told]
    # what lm-eval measures itself is not ranked
    ranked = [] if first.measure else ["rank"]
    by_name = [{row.name: row_cells(board, row) for row in board.rows} for board in boards]
    lines = []
    for name in dict.fromkeys(name for rows in by_name for name in rows):
        own = next(rows[name] for rows in by_name if name in rows)
        of_first = by_name[0].get(name, {})
        # what a training took is the same on every board, ranks and differences are the first one's
        costs = {"tuned": replace(own["tuned"], spread=""), "training time": own["training time"]}
        means = [rows[name]["mean"] if name in rows else Cell(_format.NOTHING) for rows in by_name]
        ends = [costs.get(heading) or of_first.get(heading, Cell()) for heading in after]
        lines.append([*(of_first.get(heading, Cell()) for heading in ranked), own["model"], *means, *ends])
    named = {each: f"{each}{of}" for each in ("rank", "gain", "English", "cost of use")}
    suites = [board.suite for board in boards]
    headings = [*map(named.__getitem__, ranked), "model", *suites, *(named.get(heading, heading) for heading in after)]
    best = [len(ranked) + 1 + place for place, board in enumerate(boards) if not board.measure]
    return Table(" and ".join(suites), tuple(headings), _with_best(lines, best), tuple(_legend(boards, after)))


def _legend(boards: Sequence[Board], columns: Sequence[str]) -> Iterator[str]:
    first, judged = boards[0], [board for board in boards if not board.measure]
    over: dict[str, list[str]] = {}
    for board in judged:
        over.setdefault(f"over {', '.join(board.average_languages)}", []).append(board.suite)
    means = [codes if len(over) == 1 else f"of {' and '.join(suites)} {codes}" for codes, suites in over.items()]
    by = _format.READINGS[first.reading]
    if judged:
        yield f"Accuracy in percent with its 95 % interval: the mean {'; '.join(means)}, by {by}; best in bold."
    if not first.measure:
        yield "Rank: one more than the rows that are significantly better by this mean."
    yield from (_format.of_lm_eval(board) for board in boards if board.measure)
    said = {
        "gain": "Gain: this mean less the base's; †: significant by Holm's correction, and not resting on a single training.",
        "English": f"English: less the base's; within: surely no more than {first.english_margin:g} points off.",
        "cost of use": _OF_MEANS["cost of use"],
        "tuned": "Tuned: the share of parameters that any stage may change.",
        "training time": "Training time: of one seed, all devices together.",
    }
    yield from (said[column] for column in columns)


def _with_best(lines: Sequence[Sequence[Cell]], columns: Sequence[int]) -> tuple[tuple[Cell, ...], ...]:
    """Marks the highest value of each of these columns, where there is one that is not everybody's."""
    rows = [list(line) for line in lines]
    for column in columns:
        values = [cell.value for cell in (row[column] for row in rows) if isinstance(cell.value, float)]
        if len(set(values)) > 1:
            for row in rows:
                row[column] = replace(row[column], best=row[column].value == max(values))
    return tuple(map(tuple, rows))


def _accuracy(estimate: Interval | None) -> Cell:
    if estimate is None:
        return Cell(_format.NOTHING)
    text, _, spread = _format.interval(estimate).partition(" ")
    return Cell(text, spread, value=100 * estimate.value, low=100 * estimate.low, high=100 * estimate.high)


def _narrow(estimate: Interval | None) -> Cell:
    return replace(_accuracy(estimate), spread=_format.compact_interval(estimate).partition(" ")[2])


def _gain(difference: Difference | None) -> Cell:
    return Cell() if difference is None else replace(_accuracy(difference), dagger=difference.marked)


def _chance(difference: Difference | None) -> Cell:
    p = difference.p_adjusted if difference else None
    return Cell("" if difference is None else _format.chance(p), value=p)


def _tokens(mean: float | None) -> Cell:
    return Cell(_format.NOTHING) if mean is None else Cell(_format.count(round(mean)), value=mean)


def _of_use(row: Row) -> dict[str, Cell]:
    count = row.models_in_use or 1
    models = f"{count} model{'s' * (count > 1)}"
    tokens = _format.NOTHING if row.tokens_in_use is None else _format.count(round(row.tokens_in_use))
    cost = Cell(f"{tokens} tokens", models, value=row.tokens_in_use)
    return {"cost of use": cost, "models in use": Cell(str(count), value=count)}


def _tuned(row: Row) -> Cell:
    text, parameters = _format.tuned(row)
    return Cell(text, f"({parameters})" if parameters else "", value=None if row.tuned_share is None else 100 * row.tuned_share)


def _time(row: Row) -> Cell:
    text, devices = _format.training_time(row)
    value = row.training_seconds if row.device_seconds is None else row.device_seconds
    return Cell(text, f"({devices})" if devices else "", value=value)


def headings_of(boards: Sequence[Board]) -> list[str]:
    """Returns the headings of `row_cells` of all boards together, each once, languages last."""
    found: Mapping[str, None] = dict.fromkeys(
        heading for board in boards for row in board.rows for heading in row_cells(board, row)
    )
    codes = {code for board in boards for code in board.languages}
    return [*(heading for heading in found if heading not in codes), *(heading for heading in found if heading in codes)]
