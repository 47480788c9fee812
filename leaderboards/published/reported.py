"""The numbers that were published for MGSM and MSVAMP, as their sources print them (scores.jsonl beside this file).

    {"suite": "mgsm", "model": "Wenhao97/QAlign-MetaMathQA-7B", "method": "two-stage", "size": "7B", "languages": {}, "mean": 49.6,
     "metric": "accuracy %, ...", "source": "Zhu et al., arXiv 2401.07817, README of NJUNLP/QAlign",
     "where": "README.md@a65ee638 L35"}

One line a model and place: where two sources disagree on a checkpoint there are two. Every number was read at its source. Left out
is what was only quoted by others, what contradicts itself there, and models of other kinds than the methods here; SLAM's own
numbers were seen nowhere.
"""

from functools import cache
from pathlib import Path

from xreason.leaderboards.records import Frozen

_FILE = Path(__file__).with_name("scores.jsonl")


class PublishedRow(Frozen):
    """What one source says of one model on one suite, in percent."""

    suite: str
    model: str  #: its checkpoint's hub id; what the source calls it where it names none
    method: str  #: the method here that is nearest to how it was made
    size: str  #: of the model: "7B"
    languages: dict[str, float]  #: language code to accuracy; empty where only a mean is told
    mean: float | None  #: over the papers' ten languages; None where the source does not tell it, also where it could be reckoned
    metric: str  #: what was counted, and how models were asked, as far as it is said
    source: str
    where: str  #: in the source: file, commit and line


def published_rows(suite: str, *, model: str | None = None) -> tuple[PublishedRow, ...]:
    """Returns what is published for a suite, source by source: smaller models first, never ranked.

    Of one model alone where that is named, by its hub id; nothing for a suite of which nothing is known.
    """
    return tuple(row for row in _all() if row.suite == suite and model in (None, row.model))


@cache
def _all() -> tuple[PublishedRow, ...]:
    return tuple(PublishedRow.model_validate_json(line) for line in _FILE.read_text(encoding="utf-8").splitlines())
