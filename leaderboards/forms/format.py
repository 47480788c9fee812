"""How numbers are written, so that every form of a board says the same digits, and what all forms say in the same words."""

from collections.abc import Iterable, Mapping, Sequence

from rich.filesize import pick_unit_and_suffix

from xreason.leaderboards.board import Board
from xreason.leaderboards.records import Reading, ResponseShares
from xreason.leaderboards.rows import Family, Note, Pair, Row
from xreason.leaderboards.statistics.intervals import Difference, Interval

#: What stands where there is no number.
NOTHING = "–"

#: What the readings are called where people read.
READINGS: Mapping[Reading, str] = {"paper": "the papers' reading", "strict": "the strict reading", "metamath": "MetaMath's reading"}

#: A share that only those whose thinking is told apart have.
_THINKING = "thinking_in_language"

#: When the readings are said to disagree, see `xreason.leaderboards.board.build_board`.
NOTES_LEGEND = (
    "A line on strict against paper stands where their difference over the same responses is significant and larger than half the "
    "accuracy's own interval."
)


def one_line(text: str) -> str:
    """Text from elsewhere on one line, without control characters that could move a terminal's cursor."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


def percent(fraction: float, *, sign: bool = False) -> str:
    """A fraction in percent with one decimal: 0.7604 is "76.0", with a sign "+76.0"."""
    # Adding 0.0 turns the -0.0 that small losses round to into 0.0.
    return format(round(100 * fraction, 1) + 0.0, "+.1f" if sign else ".1f")


def interval(estimate: Interval | None) -> str:
    """A value in percent with its interval: "76.0 ±2.1", or "76.0 [73.9, 78.0]" where the sides differ as printed."""
    if estimate is None:
        return NOTHING
    sign = isinstance(estimate, Difference)
    value, low, high = (percent(part, sign=sign) for part in (estimate.value, estimate.low, estimate.high))
    below, above = round(float(value) - float(low), 1), round(float(high) - float(value), 1)
    return f"{value} ±{above:.1f}" if below == above else f"{value} [{low}, {high}]"


def compact_interval(estimate: Interval | None) -> str:
    """A value in percent with the wider side of its interval, for narrow columns: "76.0 ±2.1"."""
    if estimate is None:
        return NOTHING
    value, low, high = (float(percent(part)) for part in (estimate.value, estimate.low, estimate.high))
    return f"{value:.1f} ±{max(value - low, high - value):.1f}"


def share(fraction: float | None) -> str:
    """A share with its sign: 0.06 is "6.0 %"."""
    return NOTHING if fraction is None else f"{percent(fraction)} %"


def whole_percent(fraction: float | None) -> str:
    """A share in whole percent for narrow columns; "0" and "100" are exact, what rounds to them is "<1" and ">99"."""
    if fraction is None:
        return NOTHING
    rounded = round(100 * fraction)
    if rounded == 0 and fraction > 0:
        return "<1"
    return ">99" if rounded == 100 and fraction < 1 else str(rounded)


def tuned(row: Row) -> tuple[str, str]:
    """The share that a row tuned and its number of parameters: "6.2 %" and "73,728", "≥6.2 %" where it may be more; "" for none."""
    least = "≥" if row.tuned_at_least else ""
    return (f"{least}{share(row.tuned_share)}", f"{least}{count(row.tuned_parameters)}") if row.trainings else ("", "")


def training_time(row: Row) -> tuple[str, str]:
    """The time of a row's devices together, and, of several, how it comes about: "8 h 00 m" and "8 x 1 h 00 m"; "" for none."""
    devices = {training.devices for training in row.trainings}
    if row.device_seconds is None or devices == {1}:
        return duration(row.training_seconds), ""
    several = "/".join(str(each) for each in sorted(filter(None, devices)))
    return duration(row.device_seconds), f"{several} x {duration(row.training_seconds)}"


def response_cells(responses: Sequence[ResponseShares | None]) -> dict[str, list[str]]:
    """What is said of responses beside their accuracy: the name of a line to its cells, in whole percent."""
    names = {name: name.replace("_", " ") for name in ResponseShares.model_fields}
    if all(getattr(shares, _THINKING, None) is None for shares in responses):
        del names[_THINKING]
    return {words: [whole_percent(getattr(shares, name, None)) for shares in responses] for name, words in names.items()}


def responses_legend(identifiers: Iterable[str]) -> str:
    """What their shares mean, given the language identifiers that told them, "" for none."""
    named = ", ".join(dict.fromkeys(one_line(identifier) for identifier in identifiers if identifier))
    told = f"in the question's language, of those that {named} could identify"
    language = told if named else "not told, as nothing identified it"
    return f"Answered: the strict reading found an answer; cut off: ended at the token limit; in language: {language}."


def note_lines(notes: Sequence[Note]) -> list[str]:
    """One line a row of what its notes say: "slam: strict counts 4.1 points more than paper in th, 2.0 less in sw: look ..."."""
    by_name: dict[str, list[str]] = {}
    for note in notes:
        parts = by_name.setdefault(note.name, [])
        points, side = percent(abs(note.strict_minus_paper.value)), "more" if note.strict_minus_paper.value > 0 else "less"
        unit, against = ("", "") if parts else (" points", " than paper")
        parts.append(f"{points}{unit} {side}{against} in {note.language or 'the mean'}")
    look = "look at its responses before citing either"
    return [one_line(f"{name}: strict counts {', '.join(parts)}: {look}.") for name, parts in by_name.items()]


def caution_lines(board: Board) -> list[str]:
    """One line for each row that failed, then one for each caution."""
    return [one_line(line) for line in (*(f"{each.row} failed: {each.reason}" for each in board.failures), *board.cautions)]


def english_verdict(board: Board, row: Row) -> str:
    """What became of English: "lost", "gained", "within 3 points", "not settled"; "" where it is not compared."""
    return f"within {board.english_margin:g} points" if row.english_verdict == "within" else row.english_verdict or ""


def chance(p: float | None) -> str:
    """A p-value: "0.012", "<0.001"."""
    return NOTHING if p is None else "<0.001" if p < 0.001 else f"{p:.3f}"


def measure(board: Board) -> str:
    """What the values of a board are."""
    return one_line(board.measure or "Accuracy in percent")


def of_lm_eval(board: Board) -> str:
    """What a board of lm-eval's own measure is, in a sentence."""
    own = "each with its own standard error, ± 1.96 of them: nothing is ranked, and no two rows are held against each other"
    return one_line(
        f"{board.suite} is {board.measure} as lm-eval reports it, the mean over {', '.join(board.average_languages)}, {own}."
    )


def claims(board: Board) -> list[str]:
    """What ranks speak of, what was corrected together, and what it could have shown, one sentence each."""
    said = []
    if board.claims == "trainings":
        said.append("Rows of one seed are of that training, not of its method: ranks are of these trainings.")
    if board.clusters < max(board.questions.values()):
        said.append(f"Its questions vary {board.clusters} problems, which count as so many.")
    for family in board.families:
        if family.smallest_difference is not None:
            least = f"differences from {percent(family.smallest_difference)} points would have shown in 4 of 5 cases"
            said.append(f"Holm's correction over {_told(family)}: {least}.")
    return said


def _told(family: Family) -> str:
    one, several = ("pair", "all pairs of rows") if family.name == "pairs" else ("gain over a base", "all gains over a base")
    return f"one {one}" if family.claims == 1 else f"{several} ({family.claims:,})"


def subsets(board: Board) -> str:
    """What those of a board are, in a sentence: "low resource: the mean over sw, te; level top: 2,250 questions."."""
    told = [
        f"{each.name}: "
        + (f"{count(each.questions)} questions" if each.kind == "level" else f"mean over {', '.join(each.languages)}")
        for each in board.subsets
    ]
    return one_line(f"{'; '.join(told)}.")


def language_headings(board: Board) -> list[str]:
    """The codes of a board's languages, with a star where some rows were not scored in one."""
    return [f"{one_line(code)}*" if code in board.partial_languages else one_line(code) for code in board.languages]


def pairs(board: Board) -> tuple[Pair, ...]:
    """The rows held against each other, where a gain over a common base does not tell it of all that are ranked."""
    return board.pairs if any(row.rank is not None and row.gain is None for row in board.rows) else ()


def samplings(board: Board) -> dict[str, list[tuple[Row, dict[str, Interval]]]]:
    """The title of each way of sampling on the board to its rows, each with heading to value."""
    tables: dict[str, list[tuple[Row, dict[str, Interval]]]] = {}
    for row in board.rows:
        if row.sampling:
            tables.setdefault(row.style.sampling, []).append((row, row.sampling.columns()))
    return tables


def count(number: int | None) -> str:
    """A whole number in groups of three: "78,336"."""
    return NOTHING if number is None else f"{number:,}"


def duration(seconds: float | None) -> str:
    """A time: "4.2 s", "1 m 23 s", "2 h 05 m"; "" for none."""
    if seconds is None:
        return ""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if round(seconds, 1) < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} m {whole % 60} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} m"


def size(number: int) -> str:
    """A size: "512 B", "1.5 MiB", "13.2 GiB"."""
    unit, name = pick_unit_and_suffix(number, ["B", "KiB", "MiB", "GiB"], 1024)
    return f"{number} B" if unit == 1 else f"{number / unit:.1f} {name}"


def learning_rate(rate: float) -> str:
    """A learning rate as papers write it: "2e-5", "0.001"."""
    mantissa, exponent, power = f"{rate:g}".partition("e")
    return f"{mantissa}e{int(power)}" if exponent else mantissa
