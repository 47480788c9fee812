"""Riddles: a corpus of one's own package, written by a function.

pip install ./tests/plugin
xreason corpora riddles
"""

from collections.abc import Iterator

from xreason.trainers.corpora.own.packages import CorpusSource


def rows() -> Iterator[dict[str, str]]:
    """Yields sums in German and Swahili."""
    for one in range(2, 34):
        yield {"question": f"Was ist {one} und {one}?", "answer": f"{one} + {one} = {2 * one}", "language": "de"}
        yield {"question": f"{one} na {one} ni ngapi?", "answer": f"{one} + {one} = {2 * one}", "language": "sw"}


def riddles() -> CorpusSource:
    """Returns the corpus."""
    return CorpusSource(rows, "sums in two languages", "a test of xreason", "Apache-2.0", ("de", "sw"), made_from=())
