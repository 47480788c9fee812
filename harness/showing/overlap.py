"""What test questions share with training corpora, as tables: one a suite, a row a language, a column a corpus."""

from collections.abc import Iterator

from rich import box
from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from xreason.leaderboards.contamination import Overlap, OverlapCount
from xreason.leaderboards.forms.format import count, one_line, share

_LONGEST = 200  # characters of a text that is shown


def overlap_tables(overlap: Overlap) -> Group:
    """Returns the tables, what was read, and the examples that were asked for."""
    return Group(*_tables(overlap), *_read(overlap), *_examples(overlap))


def _tables(overlap: Overlap) -> Iterator[Table]:
    for suite, kinds in overlap.in_domain.items():
        own = [each for each in overlap.counts if each.suite == suite]
        marks = ["\nin-domain" if {*kinds} & {*each.sources} else "" for each in overlap.corpora]
        headings = [each.name.replace("-", "-\n") + mark for each, mark in zip(overlap.corpora, marks, strict=True)]
        title = escape(f"{suite}: questions that share words with a corpus")
        table = Table(title=title, caption=_legend(overlap), box=box.SIMPLE_HEAD, pad_edge=False)
        for heading in ("", "asked", "in a row", *headings):
            table.add_column(escape(heading), justify="right" if heading else "left", overflow="fold")
        for code in dict.fromkeys(each.language for each in own):
            counts = [each for each in own if each.language == code]
            looked_for = f"{counts[0].ngram} {'words' if counts[0].unit == 'words' else 'chars'}"
            table.add_row(code, count(counts[0].questions), looked_for, *map(_cell, counts))
        yield table


def _cell(counted: OverlapCount) -> str:
    whole = f", {count(counted.duplicates)} whole" if counted.duplicates else ""
    return f"{count(counted.shared)} ({share(counted.share)}){whole}" if counted.shared or whole else "0"


def _legend(overlap: Overlap) -> str:
    return (
        f"Questions of which at least {overlap.ngram} words in a row, without case and punctuation, stand in a text of the corpus, "
        "and their share; whole: the question is one of its texts. In-domain: made from a set of the same kind."
    )


def _read(overlap: Overlap) -> Iterator[Text]:
    for each in overlap.corpora:
        yield Text(f"{each.name}: {count(each.rows)} rows in {', '.join(each.languages)}, {each.where}")
    short: dict[str, int] = {}
    for counted in overlap.counts:
        short[f"{counted.suite} {counted.language}"] = counted.short
    if told := ", ".join(f"{where} {number}" for where, number in short.items() if number):
        yield Text(f"Shorter than what is looked for, so that only whole ones count: {told}")


def _examples(overlap: Overlap) -> Iterator[Text]:
    for counted in overlap.counts:
        for seen in counted.seen:
            words = (" " if counted.unit == "words" else "").join(seen.ngram.split())
            yield Text(f"\n{counted.suite} {counted.language}, {counted.corpus}: {_short(words)}")
            yield Text(f"  question  {_short(seen.question)}\n  corpus    {_short(seen.text)}")


def _short(text: str) -> str:
    line = one_line(text)
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
