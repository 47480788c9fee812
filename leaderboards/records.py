"""What one (method, seed) cost and scored: the record, its one reader and its one writer.

A record is `runs/EXPERIMENT/METHOD/SEED/record.json`, written by the harness when a model has been scored, and the only thing
that leaderboards read. A file looks like this:

    {"format": 1, "method": "slam", "seed": 0,
     "scores": {"mgsm": {"en": {"paper": "110..."}, "sw": {"paper": "010..."}}},
     "training": {"stages": [{"name": "align", "corpus": "question translation", "rows": 73559, ...}]},
     "provenance": {"model": "meta-math/MetaMath-7B-V1.0", "prompt": "alpaca", ...},
     "checkpoint_bytes": 1082130432}
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from leaderboards.files import write_whole

Count = Annotated[int, Field(ge=0)]
Quantity = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class RecordError(ValueError):
    """A record that cannot be read; the text is one sentence that names the file and says what to do next."""


class _Frozen(BaseModel):
    # NaN as a string survives JSON: a diverged loss is a result that must be written, and null would not be read back.
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class LanguageScore(_Frozen):
    """Every verdict on one suite in one language.

    Attributes:
        paper: one "0" or "1" a question, in question order, by the papers' reading: the last number in the response is within
            1e-3 of the gold.
    """

    paper: Annotated[str, Field(pattern=r"\A[01]+\z")]

    @property
    def questions(self) -> int:
        """How many questions were asked."""
        return len(self.paper)

    @property
    def accuracy(self) -> float:
        """Share of the questions answered right, 0..1."""
        return self.paper.count("1") / len(self.paper)


class StageCost(_Frozen):
    """What one fine-tuning pass read, tuned and took.

    Attributes:
        name: the stage's name in its method.
        corpus: what it was trained on, in words for people.
        rows: examples in the corpus.
        languages: codes of the languages in the corpus.
        tuned: which parameters were tuned, in words for people: "up_proj, down_proj of layers 0-1", "all parameters".
        tuned_parameters: how many numbers that is.
        total_parameters: how many numbers the model has.
        epochs: passes over the corpus.
        learning_rate: the peak learning rate.
        batch_size: sequences an optimizer step.
        steps: optimizer steps.
        tokens: tokens trained on, over all epochs.
        seconds: wall-clock time of the training loop.
        tokens_per_second: tokens over that time.
        peak_memory_bytes: the most memory the training held, in bytes.
        losses: (step, training loss) as logged.
    """

    name: str
    corpus: str
    rows: Count
    languages: tuple[str, ...]
    tuned: str
    tuned_parameters: Count
    total_parameters: Annotated[int, Field(gt=0)]
    epochs: Quantity
    learning_rate: Quantity
    batch_size: Annotated[int, Field(gt=0)]
    steps: Count
    tokens: Count
    seconds: Quantity
    tokens_per_second: Quantity
    peak_memory_bytes: Count
    losses: tuple[tuple[int, float], ...]


class Training(_Frozen):
    """The stages of one training, in the order they ran."""

    stages: Annotated[tuple[StageCost, ...], Field(min_length=1)]

    @property
    def seconds(self) -> float:
        """Wall-clock time of all stages together, in seconds."""
        return sum(stage.seconds for stage in self.stages)

    @property
    def tuned_parameters(self) -> int:
        """Parameters tuned by the stage that tuned the most."""
        return max(stage.tuned_parameters for stage in self.stages)

    @property
    def total_parameters(self) -> int:
        """Parameters of the model, by the stage that saw the most."""
        return max(stage.total_parameters for stage in self.stages)

    @property
    def tuned_share(self) -> float:
        """Tuned parameters over all parameters, 0..1."""
        return self.tuned_parameters / self.total_parameters


class Provenance(_Frozen):
    """Everything a reader needs to ask the same questions of the same model again.

    Attributes:
        model: hub id or name of the base model.
        model_hash: hash of the base model's weights.
        data: suite to where its questions came from.
        prompt: name of the prompt style, for example "alpaca".
        prompt_hash: hash of the prompt's text.
        max_new_tokens: suite to the most tokens a response may have.
        limit: questions asked a language where that was cut, None for all of them.
        commit: commit of this project.
        machine: what it ran on, in words for people.
        date: when it was scored, ISO 8601 date and time.
        versions: package to version.
    """

    model: str
    model_hash: str
    data: dict[str, str]
    prompt: str
    prompt_hash: str
    max_new_tokens: dict[str, int]
    limit: int | None
    commit: str
    machine: str
    date: str
    versions: dict[str, str]


class Record(_Frozen):
    """What one (method, seed) cost and scored.

    Attributes:
        format: version of this file format.
        method: name of the method; the base model's own record carries a name too.
        seed: the seed it was trained with.
        scores: suite to language code to verdicts.
        training: what the training took, None for the base model, which is scored as it is.
        provenance: what was asked of which model, and where.
        checkpoint_bytes: size of the checkpoint on disk, None where none was written.
    """

    format: Literal[1]
    method: Annotated[str, Field(min_length=1)]
    seed: int
    scores: dict[str, dict[str, LanguageScore]]
    training: Training | None
    provenance: Provenance
    checkpoint_bytes: Count | None

    def verdicts(self, suite: str) -> Mapping[str, str]:
        """Language code to the "0"/"1" string of that language.

        Raises:
            KeyError: the record has no scores of this suite.
        """
        return {language: score.paper for language, score in self.scores[suite].items()}


def read_record(path: Path) -> Record:
    """Reads one record.

    Args:
        path: a record.json.

    Returns:
        The record.

    Raises:
        RecordError: the file is missing, unreadable, not JSON, or not a record of a format this version knows.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise RecordError(f"{path} does not exist: name a record.json, or run the comparison that writes it.") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise RecordError(f"{path} cannot be read ({reason}): name a record.json that you may read.") from error
    try:
        return Record.model_validate_json(content)
    except ValidationError as error:
        raise RecordError(f"{path} {_what_is_wrong(error)}: delete it and run its comparison again to write it anew.") from error


def _what_is_wrong(error: ValidationError) -> str:
    problem, *more = error.errors(include_url=False, include_input=False)
    if problem["type"] == "json_invalid":
        return f"is not JSON ({problem['msg'].removeprefix('Invalid JSON: ')})"
    place = ".".join(str(part) for part in problem["loc"]) or "its top level"
    others = f", and {len(more)} more" if more else ""
    return f"is not a record of format 1 (at {place}: {problem['msg'].lower()}{others})"


def read_records(directory: Path) -> tuple[Record, ...]:
    """Reads every record.json below a directory, in the order of their paths.

    Args:
        directory: a run store, an experiment in it, or any folder above records.

    Returns:
        At least one record.

    Raises:
        RecordError: the directory is missing, holds no record, or holds one that cannot be read.
    """
    if not directory.is_dir():
        raise RecordError(f"{directory} is not a directory: name the folder that holds the runs.")
    paths = sorted(directory.rglob("record.json"))
    if not paths:
        raise RecordError(f"{directory} holds no record.json: run a comparison first, or name the folder its runs are in.")
    return tuple(read_record(path) for path in paths)


def write_record(record: Record, path: Path) -> None:
    """Writes one record, whole or not at all.

    Args:
        record: what to write.
        path: the record.json to write or replace; missing folders are made.

    Raises:
        OSError: the folder cannot be made or written.
    """
    write_whole(path, record.model_dump_json(indent=1) + "\n")
