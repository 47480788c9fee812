"""What a plan will take, before any of it is done: rows, tokens, memory, bytes, device-hours, engines, and what is done already.

    outlook(plan_comparison(experiment, out, outline=True), out)

It walks the very plan that `run` walks. Nothing is written but the counts of tokens (training/lengths.py), no weight is read, and
no network asked. What is exact: parameters, and rows and tokens of sets that are here with the base's tokenizer. All else says
what it is estimated from.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xreason.harness.plan import Plan
from xreason.harness.preferring.samples import MakePairs
from xreason.harness.rows import Row
from xreason.harness.scoring.questions import Scoring
from xreason.harness.scoring.score import Score
from xreason.harness.scoring.translating.translate import Translate
from xreason.harness.serving.models import Model
from xreason.harness.showing.doctor import advice
from xreason.harness.store.provenance import has_gpu
from xreason.harness.training.costs import (
    EngineStart,
    LayersOutlook,
    MergeOutlook,
    Outlook,
    PairsOutlook,
    RecipeRatio,
    ScoreOutlook,
    StageOutlook,
    TrainingOutlook,
)
from xreason.harness.training.counting import MethodCount, count_method, with_assumed_layers
from xreason.harness.training.lengths import stage_lengths
from xreason.harness.training.merge import Merging
from xreason.harness.training.rates import EarlierRuns, rate
from xreason.harness.training.train import Making, Train, outline_of, settled
from xreason.trainers.checkpoints.base import stored_dtype
from xreason.trainers.checkpoints.delta import read_checkpoint
from xreason.trainers.methods import wants_layers
from xreason.trainers.stages import AllParameters, Method, Reward
from xreason.trainers.tuning.counting import count_of, estimate_flops
from xreason.trainers.tuning.freezing import changed_weights
from xreason.trainers.tuning.memory import needed, saved_bytes

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_DTYPE_BYTES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}
#: Bytes of what is beside the tensors: what a safetensors file says of each, and what a training reports of a logged step.
_SAID_OF_TENSOR, _SAID_OF_STEP, _MOST_STEPS = 160, 50, 500


def outlook(plan: Plan, store: Path, *, tflops: float | None = None, exact: bool = False) -> Outlook:
    """Returns what a plan will take.

    Args:
        plan: of any kind, also in outline.
        store: the run store, whose earlier runs tell what steps like these took.
        tflops: floating-point operations a second and device, in 10^12; None measures one matrix product.
        exact: tokenizes every row, however many there are.

    Raises:
        UserError: a corpus or a tokenizer is damaged.
    """
    reached, rate_from = rate(tflops)
    seen = _Seen(EarlierRuns(store), reached, rate_from)
    trainings = tuple(_training(task, plan, store, seen, exact) for task in plan.trainings)
    return Outlook(
        folder=plan.folder,
        flops_per_second=reached,
        rate_from=rate_from,
        layers=tuple(LayersOutlook(base=each.base.name, done=each.is_done()) for each in plan.layers),
        pairs=tuple(_pairs(each, seen) for each in plan.pairs),
        trainings=trainings,
        merges=tuple(_merge(task, plan) for task in plan.merges),
        engines=tuple(_engines(plan)),
        scores=tuple(_score(each, row, plan, seen) for row in plan.rows for each in row.scores),
        ratios=tuple(_ratios(trainings)),
        translations=tuple(_translation(each, plan, seen) for each in plan.translations),
        notes=tuple(_notes(plan)),
        failures=plan.failures,
        disk_free_bytes=shutil.disk_usage(
            next(each for each in (store.absolute(), *store.absolute().parents) if each.exists())
        ).free,
    )


class _Seen:
    """How fast things go: as earlier runs were, else by their operations."""

    def __init__(self, earlier: EarlierRuns, reached: float, rate_from: str) -> None:
        self.earlier, self.reached, self.rate_from = earlier, reached, rate_from

    def seconds(self, tokens: int, flops: int, tuned: int, total: int, rewards: bool) -> tuple[float, str]:
        """Returns the seconds of one device that a stage takes, and what tells them."""
        if before := self.earlier.tokens_per_second(tuned, total, rewards):
            return tokens / before[0], f"{before[1]} earlier runs here"
        return flops / self.reached, self.rate_from


def _training(task: Train, plan: Plan, store: Path, seen: _Seen, exact: bool) -> TrainingOutlook:
    model, method = outline_of(task.base.folder), _settled(task, plan)
    counted = count_method(model, task.base.name, method)
    stages = []
    for number, (stage, counts) in enumerate(zip(method.stages, counted.stages, strict=True)):
        lengths = stage_lengths(task, number, store, words=int(model.config.get_text_config().vocab_size), exact=exact)
        flops, tokens = estimate_flops(model, stage.tune, checkpointing=False), lengths.tokens(stage, task.seed)
        if isinstance(stage.objective, Reward):
            # each token is written, and read by the weights of the start for the KL term: a forward pass is a third of training all
            forward = estimate_flops(model, AllParameters(), checkpointing=False) // 3
            flops += forward * (2 if stage.objective.beta else 1)
        seconds, told_by = seen.seconds(tokens, flops * tokens, counts.tuned, counts.total, isinstance(stage.objective, Reward))
        stages.append(
            StageOutlook(
                name=stage.name,
                corpora=tuple(stage.corpora),
                tuned=stage.tune.describe(),
                tuned_parameters=counts.tuned,
                total_parameters=counts.total,
                rows=lengths.rows,
                epochs=stage.epochs,
                steps=lengths.steps(stage),
                tokens=tokens,
                known_by=lengths.how,
                missing=lengths.missing,
                flops_per_token=flops,
                device_seconds=seconds,
                seconds_from=told_by,
            )
        )
    memory, memory_at = _memory_at(model, counted, task, method)
    kind, written = _stored(model, task.base, _changed(task, plan))
    saves = 0 < 60 * task.save_minutes < sum(stage.device_seconds for stage in stages) / task.devices
    saved = max(saved_bytes(stage, counts.tuned) for stage, counts in zip(method.stages, counted.stages, strict=True))
    return TrainingOutlook(
        row=task.row,
        seed=task.seed,
        method=task.method.name,
        base=task.base.name,
        done=task.is_done(),
        devices=task.devices,
        stages=tuple(stages),
        tuned_parameters=counted.tuned,
        memory_bytes=memory,
        memory_at=memory_at,
        checkpoint=kind,
        checkpoint_bytes=written + sum(_SAID_OF_STEP * min(stage.steps, _MOST_STEPS) for stage in stages),
        step_checkpoint_bytes=saved if saves else 0,
    )


def _settled(task: Train, plan: Plan) -> Method:
    """Returns the method with the layers that were found, or else are assumed, where it says auto."""
    found = any(each.folder in task.needs and each.is_done() for each in plan.layers)
    if wants_layers(task.method) and found:
        return settled(task).method
    return with_assumed_layers(outline_of(task.base.folder), task.method)


def _memory_at(model: "PreTrainedModel", counted: MethodCount, task: Train, method: Method) -> tuple[int, str]:
    """Returns what a training needs of each device, in bytes, and what has that: this machine, or how many GPUs of which size."""
    device = "cuda" if has_gpu() else "cpu"
    need = max(needed(model, stage, device=device, devices=task.devices).total for stage in method.stages)
    if has_gpu():
        import torch

        there = [torch.cuda.mem_get_info(index)[1] for index in range(torch.cuda.device_count())]
        return need, advice(counted, there).partition(": ")[2]
    if need <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"):
        return need, "this machine"
    return counted.memory_bytes, advice(counted, []).partition(": ")[2].partition(",")[0]


def _changed(task: Making, plan: Plan) -> set[str]:
    """Returns the parameters that a training changes, with those that were changed where it starts; or what a merge takes."""
    made = {each.folder: each for each in (*plan.trainings, *plan.merges)}
    changed = set[str]().union(*(_changed(made[need], plan) for need in task.needs if need in made))
    if isinstance(task, Train):
        model = outline_of(task.base.folder)
        changed |= {name for stage in _settled(task, plan).stages for name in changed_weights(model, stage.tune)}
        if isinstance(task.start, Path):
            changed |= {name for name, _ in model.named_parameters()} & {*read_checkpoint(task.start).tensors}
    return changed


def _stored(model: "PreTrainedModel", base: Model, changed: set[str]) -> tuple[str, int]:
    """Returns what kind of checkpoint a model of which these parameters are changed will be, and how large."""
    names = {name for name, _ in model.named_parameters()}
    width = _DTYPE_BYTES.get(stored_dtype(base.folder), 2)
    tensors = sum(width * model.get_parameter(name).numel() + _SAID_OF_TENSOR for name in changed)
    if changed != names:
        return "delta", tensors
    beside = (path for path in base.folder.iterdir() if path.is_file() and path.suffix not in {".safetensors", ".bin"})
    return "full", tensors + sum(path.stat().st_size for path in beside)


def _merge(task: Merging, plan: Plan) -> MergeOutlook:
    """Returns what a merge will leave: at most all that its rows may change together."""
    kind, written = _stored(outline_of(task.base.folder), task.base, _changed(task, plan))
    told: dict[str, Any] = {"row": task.row, "seed": task.seed, "base": task.base.name, "done": task.is_done()}
    return MergeOutlook(**told, how=task.words, checkpoint=kind, checkpoint_bytes=written)


def _translation(task: Translate, plan: Plan, seen: _Seen) -> ScoreOutlook:
    """Returns what putting questions into English will take: at most what answering them does, for some are in English."""
    told = {"row": task.name, "seed": task.seed, "done": task.is_done()}
    return _asked(task.scoring, task.base, 1, plan, seen).model_copy(update=told)


def _pairs(task: MakePairs, seen: _Seen) -> PairsOutlook:
    questions = sum(corpus.rows for corpus in task.corpora()) if task.key else 0
    tokens = questions * task.samples.count * task.samples.max_new_tokens
    forward = estimate_flops(outline_of(task.base.folder), AllParameters(), checkpointing=False) // 3
    return PairsOutlook(
        row=task.row,
        seed=task.seed,
        done=task.is_done(),
        questions=questions,
        samples=task.samples.count,
        device_seconds=forward * tokens / seen.reached,
        seconds_from=f"at most, by {seen.rate_from}",
    )


def _score(task: Score, row: Row, plan: Plan, seen: _Seen) -> ScoreOutlook:
    samples = task.scoring.asking.samples
    told = {"row": task.row, "seed": task.seed, "done": task.is_done(), "voting": samples if task.votes else None}
    return _asked(task.scoring, row.base, samples, plan, seen).model_copy(update=told)


def _asked(scoring: Scoring, base: Model, samples: int, plan: Plan, seen: _Seen) -> ScoreOutlook:
    """Returns what all questions take of a model made from this base, whoever that is."""
    tokens = scoring.questions * samples * scoring.longest_response
    before = None if plan.endpoint else seen.earlier.seconds_a_question(scoring.name, base.signature())
    if plan.endpoint:
        seconds, told_by = 0.0, "the server's own"
    elif base.is_dummy:
        seconds, told_by = 0.0, "nothing to be computed"
    elif before:
        seconds, told_by = scoring.questions * before[0], f"{before[1]} earlier runs here"
    else:
        # a third of what training all parameters takes: the way forward alone
        forward = estimate_flops(outline_of(base.folder), AllParameters(), checkpointing=False) // 3
        seconds, told_by = forward * tokens / seen.reached, f"at most, by {seen.rate_from}"
    return ScoreOutlook(
        row="",
        seed=0,
        suite=scoring.suite,
        done=False,
        questions=scoring.questions,
        tokens_at_most=tokens,
        device_seconds=seconds,
        seconds_from=told_by,
    )


def _engines(plan: Plan) -> Iterator[EngineStart]:
    """Yields the engines that will be started, in turn; see serving/engines.py."""
    if plan.endpoint:
        return
    running: tuple[Model, str] | None = None
    started: EngineStart | None = None
    for name, model in _asking(plan):
        if model.is_dummy:
            continue
        dtype = model.served_dtype(plan.dtype)
        if started and running and not plan.fresh_engines and (running[0].signature(), running[1]) == (model.signature(), dtype):
            started = started.model_copy(update={"then": (*started.then, name)})
            continue
        if started:
            yield started
        started = EngineStart(row=name, why=_why(running, model, dtype, plan.fresh_engines))
        running = model, dtype
    if started:
        yield started


def _asking(plan: Plan) -> Iterator[tuple[str, Model]]:
    """Yields what will be asked, in turn: what translates, then every row."""
    for step in (each for each in plan.translations if not each.is_done()):
        yield f"{step.name}{f', seed {step.seed}' if step.needs else ''}, to translate", step.model or step.base
    for row in (each for each in plan.rows if not all(score.is_done() for score in each.scores)):
        yield f"{row.name}, seed {row.seed}" if row.train else row.name, row.model or row.base


def _why(running: tuple[Model, str] | None, model: Model, dtype: str, fresh: bool) -> str:
    if running is None:
        return f"the first model, in {dtype}"
    if fresh:
        return "every model has an engine of its own (--fresh-engines)"
    before, served = running
    if dtype != served:
        return f"another dtype than {before.name}: {dtype} for {served}"
    if model.tokenizer() != before.tokenizer():
        return f"another tokenizer than {before.name}"
    return f"another shape, or other templates, than {before.name}"


def _ratios(trainings: Sequence[TrainingOutlook]) -> Iterator[RecipeRatio]:
    """Yields two-stage's recipe over SLAM's."""
    for one in trainings:
        for other in trainings:
            if (one.method, other.method, one.seed) != ("two-stage", "slam", other.seed):
                continue
            if not (one.tokens and other.tokens):
                continue
            rows, epochs, tokens, flops = (mine / theirs for mine, theirs in zip(_factors(one), _factors(other), strict=True))
            yield RecipeRatio(
                row=one.row,
                over=other.row,
                seed=one.seed,
                rows=rows,
                epochs=epochs,
                tokens_a_row=tokens,
                flops_a_token=flops,
                device_seconds=one.device_seconds / other.device_seconds,
            )


def _factors(training: TrainingOutlook) -> tuple[float, float, float, float]:
    """Returns rows, passes over them, tokens a row, and operations a token: their product is the training's operations."""
    rows = sum(stage.rows for stage in training.stages)
    read = sum(stage.rows_read for stage in training.stages)
    return rows, read / rows, training.tokens / read, training.flops / training.tokens


def _notes(plan: Plan) -> Iterator[str]:
    yield from plan.notes
    bases = {row.base.folder: row.base for row in plan.rows} | {task.base.folder: task.base for task in plan.trainings}
    for base in bases.values():
        if not base.has_weights:
            continue
        total = count_of(outline_of(base.folder), AllParameters()).total
        said = f"{base.name}: {total:,} parameters, stored in {stored_dtype(base.folder)}"
        if not base.known:
            weights = any(base.folder.glob("*.safetensors"))
            reason = "its weights were not read on this machine yet" if weights else "only its config is here"
            said += f"; {reason}, so that nothing of it counts as done"
        yield f"{said}."
