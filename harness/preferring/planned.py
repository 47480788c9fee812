"""The steps of a row with one seed: its training, from where it starts, and the pairs that are made for it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from xreason.harness.preferring.samples import MakePairs, plan_pairs
from xreason.harness.serving.models import Model, is_checkpoint
from xreason.harness.training.layers import FindLayers
from xreason.harness.training.train import Train, plan_training, start_key
from xreason.tasks.errors import UserError
from xreason.tasks.rewards.named import load_rewards
from xreason.trainers.checkpoints.base import resolve_outline
from xreason.trainers.checkpoints.delta import read_checkpoint
from xreason.trainers.corpora.examples import Source
from xreason.trainers.corpora.load import load_corpus
from xreason.trainers.stages import Method, Prefer, Reward, Stage


def plan_made(
    row: str,
    seed: int,
    place: Path,
    method: Method,
    base: Model,
    *,
    languages: Sequence[str],
    start: Train | None = None,
    layers: FindLayers | None,
    devices: int,
    save_minutes: float,
    dtype: str = "auto",
    engine: Mapping[str, Any] = {},
    **text: Any,
) -> tuple[MakePairs | None, Train]:
    """Returns the training of a row with one seed in its `place`, and the step that makes pairs, where its first stage has samples.

    `start` is the training that `method.start` names; without one that names a checkpoint's folder.

    Raises:
        UserError: what it starts from is no checkpoint of the base, or as plan_pairs and plan_training.
    """
    begin: Train | Path | None = start
    if method.start is not None:
        begin = start or Path(method.start).expanduser()
        _check_start(row, method.start, begin, base)
    for stage in method.stages:
        if isinstance(stage.objective, Prefer) and not stage.samples:
            _check_pairs(row, stage, seed, languages, source=text["source"], data=text["data"])
        if isinstance(stage.objective, Reward):
            load_rewards(stage.objective.reward)
            if devices > 1:
                raise UserError(f"{row} earns rewards, which one GPU does here; leave --launch out, or that row.")
    made = None
    if method.stages[0].samples:
        known = None if begin is None else (begin.folder if isinstance(begin, Train) else begin, start_key(begin))
        needs = (begin.folder,) if isinstance(begin, Train) else ()
        asked: dict[str, Any] = {"needs": needs, "dtype": dtype, "engine": engine, **text}
        made = plan_pairs(row, seed, place, method.stages[0], base, known, languages, **asked)
    told: dict[str, Any] = {"layers": layers, "start": begin, "pairs": made, "devices": devices, "save_minutes": save_minutes}
    return made, plan_training(row, seed, place, method, base, languages, **told, **text)


def _check_pairs(row: str, stage: Stage, seed: int, languages: Sequence[str], *, source: Source, data: Path | None) -> None:
    for name in stage.corpora:
        corpus = load_corpus(name, languages, source=source, data=data, rows=stage.rows, seed=seed, frame=stage.frame)
        if any(example.rejected is None for example in corpus.examples):
            raise UserError(
                f"{row} is to prefer between responses, and the rows of {name} have one each; let the model make pairs of them: "
                "samples: {count: 8}, or give rows with columns chosen and rejected."
            )


def _check_start(row: str, said: str, start: Train | Path, base: Model) -> None:
    if isinstance(start, Train):
        name, folder, kind = start.base.name, start.base.folder, ""
    elif not is_checkpoint(start):
        raise UserError(f"{row} starts from {said}, which is neither a row of the experiment nor a checkpoint's folder; name one.")
    else:
        checkpoint = read_checkpoint(start)
        name, folder, kind = checkpoint.base, resolve_outline(checkpoint.base)[0], checkpoint.kind
    if folder != base.folder or kind == "adapter":
        of = f"an adapter of {name}" if kind == "adapter" else f"made from {name}"
        raise UserError(f"{row} starts from {said}, which is {of}, and its base is {base.name}; name a whole checkpoint of that.")
