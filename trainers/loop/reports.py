"""What training tells: how far a stage is, and what it did and cost."""

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class StageProgress:
    """How far a stage is.

    Attributes:
        stage: name of the stage.
        step: optimizer steps done.
        total_steps: optimizer steps of the whole stage.
        loss: mean over the steps since the last report, in nats a response token.
        tokens: tokens processed, padding not counted.
        tokens_per_second: since the stage began to train.
        learning_rate: of the last step.
        gradient_norm: of the last step, before it is clipped.
        memory_bytes: the most that was held so far, as in StageReport.
    """

    stage: str
    step: int
    total_steps: int
    loss: float
    tokens: int
    tokens_per_second: float
    learning_rate: float
    gradient_norm: float
    memory_bytes: int


@dataclass(frozen=True)
class LogRow:
    """One report of a stage.

    Attributes:
        step: optimizer steps done.
        loss: mean over the steps since the last row, in nats a response token.
        learning_rate: of that step.
        gradient_norm: of that step, before it is clipped.
        tokens_per_second: since the stage began to train.
        memory_bytes: the most that was held so far, as in StageReport.
    """

    step: int
    loss: float
    learning_rate: float
    gradient_norm: float
    tokens_per_second: float
    memory_bytes: int


@dataclass(frozen=True)
class StageReport:
    """What one stage did and cost.

    Attributes:
        name: the stage's.
        corpus: its corpora, in words.
        rows: examples trained on.
        languages: codes of what they teach.
        tuned: what was tuned, in words.
        tuned_parameters: how many numbers that is.
        total_parameters: how many the model has; tied ones count once.
        epochs: passes over the rows that were really made.
        learning_rate: peak.
        batch_size: sequences an optimizer step.
        steps: optimizer steps.
        tokens: tokens processed, padding not counted.
        seconds: wall clock of the training itself; tokenizing is not in it.
        tokens_per_second: tokens / seconds.
        peak_memory_bytes: on a GPU what tensors held there, else the process's resident memory.
        losses: (step, mean loss since the last pair, in nats a response token).
        left_out: examples longer than max_length.
        log: what was reported on the way.
    """

    name: str
    corpus: str
    rows: int
    languages: tuple[str, ...]
    tuned: str
    tuned_parameters: int
    total_parameters: int
    epochs: float
    learning_rate: float
    batch_size: int
    steps: int
    tokens: int
    seconds: float
    tokens_per_second: float
    peak_memory_bytes: int
    losses: tuple[tuple[int, float], ...]
    left_out: int
    log: tuple[LogRow, ...] = ()


def read_stage_report(text: str) -> StageReport:
    """Returns the report that dataclasses.asdict and JSON made `text` of."""
    fields = json.loads(text)
    return StageReport(
        **{
            **fields,
            "languages": tuple(fields["languages"]),
            "losses": tuple((int(step), float(loss)) for step, loss in fields["losses"]),
            "log": tuple(LogRow(**row) for row in fields["log"]),
        }
    )
