"""What trainings may have seen of what is asked: of the same kind by what is declared, of the same words by what was counted.

What was counted stands in a file beside the records, which `xreason overlap --out` writes:

    runs/pocket/overlap.json
    {"format": 1, "ngram": 13, "in_domain": {"mgsm": ["gsm8k"]},
     "corpora": [{"name": "gsm8k", "description": "GSM8K in English with its rationales", "rows": 7473, "sources": ["gsm8k"], ...}],
     "counts": [{"suite": "mgsm", "language": "en", "corpus": "gsm8k", "questions": 250, "shared": 0, "duplicates": 0, ...}], ...}
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from xreason.leaderboards.contenders import Contender
from xreason.leaderboards.files import write_whole
from xreason.leaderboards.records import Count, Frozen, RecordError

#: Where it stands beside the records of a comparison.
OVERLAP_FILE = "overlap.json"


class Seen(Frozen):
    """A question that shares an n-gram with a corpus, and where."""

    question: str
    ngram: str  #: the first that was found, normalised
    text: str  #: of the corpus


class OverlapCount(Frozen):
    """The questions of one suite and language against one corpus."""

    suite: str
    language: str  #: its code
    corpus: str  #: its name
    questions: Count
    ngram: Annotated[int, Field(gt=0)]  #: how many tokens in a row are looked for
    unit: Literal["words", "characters"]  #: what a token is
    shared: Count  #: questions of which at least one n-gram stands in the corpus
    duplicates: Count  #: questions that are, normalised, a whole text of the corpus
    short: Count  #: questions that are shorter than an n-gram, and so can only be duplicates
    seen: tuple[Seen, ...] = ()  #: the first of those that share one, as many as were asked for

    @property
    def share(self) -> float:
        """Those that share one, of all questions, 0..1."""
        return self.shared / self.questions if self.questions else 0.0


class OverlapCorpus(Frozen):
    """A corpus that was read."""

    name: str
    description: str  #: in words; a stage of a training is on this corpus whose words hold both
    where: str  #: the paths or hub ids that it was read from
    languages: tuple[str, ...]  #: codes of those that it was read in
    rows: Count
    sources: tuple[str, ...]  #: data sets that its text was made from


class Overlap(Frozen):
    """What of the questions of some suites stands in some training corpora."""

    format: Literal[1] = 1
    ngram: Annotated[int, Field(gt=0)]  #: words in a row; a count says what that is in its language
    in_domain: dict[str, tuple[str, ...]]  #: suite to the data sets of whose kind its questions are
    corpora: tuple[OverlapCorpus, ...]
    counts: tuple[OverlapCount, ...]  #: suite by suite, language by language, corpus by corpus
    failures: tuple[tuple[str, str], ...] = ()  #: corpora that could not be read, whole or in some languages, and why


def read_overlap(path: Path) -> Overlap:
    """Reads one overlap.json.

    Raises:
        RecordError: it cannot be read, or is not such a file.
    """
    try:
        return Overlap.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        what = error.errors(include_url=False)[0]["msg"] if isinstance(error, ValidationError) else error.strerror or str(error)
        raise RecordError(f"{path} is not what `xreason overlap` wrote ({what.lower()}): delete it, or count it again.") from error


def write_overlap(overlap: Overlap, folder: Path) -> Path:
    """Writes overlap.json into a folder, whole or not at all, and returns its path; an OSError where that cannot be."""
    write_whole(folder / OVERLAP_FILE, overlap.model_dump_json(indent=1) + "\n")
    return folder / OVERLAP_FILE


def overlaps_beside(records: Sequence[Path]) -> tuple[Overlap, ...]:
    """Returns what was counted beside records, given the paths of these: in the folder of their experiment, METHOD/SEED above."""
    folders = dict.fromkeys(path.resolve().parents[2] for path in records if len(path.resolve().parents) > 2)
    return tuple(read_overlap(folder / OVERLAP_FILE) for folder in folders if (folder / OVERLAP_FILE).exists())


def in_domain_cautions(contenders: Sequence[Contender], suite: str) -> Iterator[str]:
    """Yields a sentence for each data set of whose kind the suite's questions are and that some rows were trained on.

    What a base was trained on before is not recorded, and neither is it of trainings whose sources are not.
    """
    rows: dict[str, list[str]] = {}
    for each in contenders:
        kinds = {kind for record in each.records for kind in (record.provenance.in_domain or {}).get(suite, ())}
        sources = {source for training in each.trainings for stage in training.stages for source in stage.sources or ()}
        for source in sorted(kinds & sources):
            rows.setdefault(source, []).append(each.name)
    for source, names in rows.items():
        yield f"In-domain: questions of {suite} are of the kind of {source}, which is in the training text of {', '.join(names)}."


def overlap_cautions(contenders: Sequence[Contender], suite: str, overlaps: Sequence[Overlap]) -> Iterator[str]:
    """Yields a sentence for each corpus with which questions of the suite share words, and that some rows were trained on."""
    languages = {code for each in contenders for scores in each.scores for code in scores}
    for overlap, corpus in ((each, corpus) for each in overlaps for corpus in each.corpora):
        own = [each for each in overlap.counts if (each.suite, each.corpus) == (suite, corpus.name)]
        counts = [each for each in own if each.language in languages]
        shared, whole = sum(each.shared for each in counts), sum(each.duplicates for each in counts)
        words = f"{corpus.name} ({corpus.description})"
        names = [each.name for each in contenders if any(words in stage.corpus for one in each.trainings for stage in one.stages)]
        if names and (shared or whole):
            asked = sum(each.questions for each in counts)
            where = ", ".join(each.language for each in counts if each.shared or each.duplicates)
            yield (
                f"Of {asked:,} questions of {suite}, {shared:,} share {overlap.ngram} words in a row with the corpus {corpus.name} "
                f"and {whole:,} stand in it whole (in {where}): it is training text of {', '.join(names)}."
            )
