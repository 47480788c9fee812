"""From a base model and a method to a checkpoint: the stages run one after another on the model in memory."""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, TypeAdapter

from xreason.tasks.errors import UserError
from xreason.trainers.checkpoints.base import base_hash, load_base, resolve_model
from xreason.trainers.checkpoints.delta import materialise, read_checkpoint, save_checkpoint
from xreason.trainers.checkpoints.hashes import kept_hash
from xreason.trainers.corpora.examples import IN_OCTOPUS, Corpus, CorpusReport, Source
from xreason.trainers.corpora.load import load_corpus
from xreason.trainers.corpora.mixing import StageText, stage_texts
from xreason.trainers.corpora.own.references import without_places
from xreason.trainers.corpora.pairs.made import read_pairs
from xreason.trainers.loop.reports import StageProgress, StageReport, check_packages
from xreason.trainers.stages import Method, Reward, Stage, Tune

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class TrainingReport(BaseModel, frozen=True):
    """What a training did and cost."""

    method: str  #: the method's name
    base: str  #: folder or hub id, as given
    base_hash: str  #: of its config and weights
    seed: int  #: of everything random
    source: str  #: "papers" or "pocket"
    device: str  #: "cpu" or the GPU's name
    devices: int  #: GPUs, or processes on a CPU, that trained together
    precision: str  #: "float32", or "bfloat16 over float32"
    corpora: tuple[CorpusReport, ...]  #: of all stages, in order
    stages: tuple[StageReport, ...]  #: in order
    #: numbers that a training of one stage tuned; of several stages, those of the model that any of them changed (see tuned_in_all)
    tuned_parameters: int
    total_parameters: int  #: how many the model has; tied ones count once
    seconds: float  #: wall clock over all, loading and saving included
    checkpoint_kind: str  #: "delta", "full" or "adapter"
    checkpoint_bytes: int  #: size of the folder


def train(
    method: Method,
    base: str | Path,
    directory: Path,
    *,
    languages: Sequence[str],
    source: Source,
    data: Path | None = None,
    seed: int = 0,
    device: str | None = None,
    progress: Callable[[StageProgress], None] | None = None,
    work: Path | None = None,
    save_steps: int | None = None,
    save_minutes: float | None = 15.0,
    report_to: Sequence[str] = (),
    logs: Path | None = None,
    recompute: int | None = None,
    mixed_precision: bool | None = None,
    start: Path | None = None,
    tuned_before: Sequence[Tune] = (),
    pairs: Path | None = None,
) -> TrainingReport:
    """Trains `base` by `method`, writes the checkpoint into `directory` and returns what it took.

    All corpora are loaded, and all stages held against the model, before the first step, so that a missing set is not found out
    after an hour. Started by torchrun or accelerate in several processes, all of them call this with the same arguments: the model
    is sharded over them, a step's rows are shared among them, the first one writes, and all get the report.

    `base` is a model folder or hub id; the checkpoint goes into `directory`, and the caller sees to it that it appears whole. What
    is taught are the `languages`, by their codes; `source` is "papers" or "pocket", and `data` a folder with local copies of the
    papers' sets. `seed` is of rows drawn, their order, and dropout. `device` is "cpu" or "cuda"; None takes a GPU where there is
    one. With `mixed_precision` computation is in bfloat16 over float32; None does so on GPUs that can. `recompute`, `progress` and
    `report_to`: see run_stage. `logs` is the folder for what trackers write, a folder in it for each stage.

    `start` is the folder of a checkpoint of `base` whose weights are trained on, `tuned_before` what its stages tuned; `pairs` is
    that of the pairs that were made for the first stage.

    `work` is a folder for what an interrupted training needs to go on: its last step, and the stages that are done. What another
    training left there stays; the caller removes it when the checkpoint is where it belongs; None keeps nothing. Step checkpoints
    are written every `save_steps` optimizer steps and every `save_minutes` minutes, beside it; None leaves one out.

    Raises:
        UserError: model, data or settings do not do, or memory or disk do not hold them; the text says what to do about it.
    """
    began = time.perf_counter()
    check_packages(method.stages, report_to)
    device, has_bfloat16, device_name = choose_device(device)
    precise = has_bfloat16 if mixed_precision is None else mixed_precision
    from xreason.trainers.loop import resuming, sharding
    from xreason.trainers.loop.loop import run_stage
    from xreason.trainers.rewarding.grpo import run_reward_stage
    from xreason.trainers.tuning.adapters import kept_adapters
    from xreason.trainers.tuning.freezing import changed_weights, tuned_in_all

    sharding.start(device)
    folder = resolve_model(base)
    texts = texts_of(method, languages, source=source, data=data, seed=seed)
    if pairs:
        made = read_pairs(pairs)
        # what was asked is no longer what is trained on
        words = f"{made.name} ({made.description})"
        texts[0] = replace(texts[0], corpora=(made,), rows=made.examples, words=words, hashes=(made.hash,))
    _check_room(folder, method, device, precise, work if save_steps or save_minutes else None)
    model, tokenizer = _load(folder, device, precise, start)
    changed = [changed_weights(model, stage.tune) for stage in method.stages]
    tuned = tuned_in_all(model, [*tuned_before, *(stage.tune for stage in method.stages)])
    hash_of_base = sharding.from_main(lambda: base_hash(folder))
    if work is not None:
        work /= _fingerprint(method, hash_of_base, texts, seed, precise, start)[:8]
    reports: list[StageReport] = []
    for number, (stage, text) in enumerate(zip(method.stages, texts, strict=True)):
        saving = resuming.Saving(work / f"stage-{number}", save_steps, save_minutes) if work else None
        if saving and (report := resuming.finished(saving.directory)):
            resuming.load_finished(model, saving.directory)
            reports.append(report)
            continue
        told: dict[str, Any] = {
            "seed": seed,
            "directory": logs / f"stage-{number}" if logs else None,
            "progress": progress if sharding.rank() == 0 else None,
            "corpus": text.words + _asides(stage),
            "languages": tuple(dict.fromkeys(language for corpus in text.corpora for language in corpus.languages)),
            "device": device,
            "mixed_precision": precise,
            "recompute": recompute,
            "report_to": report_to,
            "saving": saving,
        }
        if isinstance(stage.objective, Reward):
            report = run_reward_stage(model, tokenizer, stage, text.rows, **told)
        else:
            report = run_stage(model, tokenizer, stage, text.rows, held_out=text.held_out, **told)
        if saving and not kept_adapters(model):  # which a stage that is done could not give back
            resuming.finish(model, changed[number], report, saving.directory)
        reports.append(report)

    def save() -> TrainingReport:
        kept = kept_adapters(model)
        checkpoint = save_checkpoint(model, base, directory, method=method.name, seed=seed, hash_of_base=hash_of_base, adapter=kept)
        return TrainingReport(
            method=method.name,
            base=str(base),
            base_hash=checkpoint.base_hash,
            seed=seed,
            source=source,
            device=device_name,
            devices=sharding.world_size(),
            precision="bfloat16 over float32" if precise else "float32",
            corpora=tuple(corpus.report for text in texts for corpus in text.corpora),
            stages=tuple(reports),
            tuned_parameters=tuned,
            total_parameters=sum(parameter.numel() for parameter in model.parameters()),
            seconds=time.perf_counter() - began,
            checkpoint_kind=checkpoint.kind,
            checkpoint_bytes=sum(file.stat().st_size for file in directory.iterdir()),
        )

    return sharding.from_main(save)


def texts_of(method: Method, languages: Sequence[str], *, source: Source, data: Path | None, seed: int) -> list[StageText]:
    """Returns what each stage of a method reads, of the corpora of `languages`; arguments are as in train.

    Raises:
        UserError: a corpus cannot be had, or nothing is left to train on.
    """

    def load(name: str, stage: Stage) -> Corpus:
        return load_corpus(name, languages, source=source, data=data, rows=stage.rows, seed=seed, frame=stage.frame)

    return stage_texts(method, load, seed)


def _check_room(folder: Path, method: Method, device: str, mixed_precision: bool, work: Path | None) -> None:
    """Holds every stage against the memory, and its step checkpoints, which go into `work`, against the disk."""
    from xreason.trainers.loop.sharding import world_size
    from xreason.trainers.tuning.counting import count_of, skeleton
    from xreason.trainers.tuning.fitting import cannot_fit, cannot_save
    from xreason.trainers.tuning.memory import room_for

    outline, room = skeleton(folder), room_for(None, device)
    for stage in method.stages:
        # how long rows are is not known yet: what does not fit with one token does not fit
        wrong = cannot_fit(outline, stage, room, device=device, devices=world_size(), tokens=1, mixed_precision=mixed_precision)
        if work is not None and wrong is None:
            place = next(each for each in (work, *work.parents) if each.exists())
            # what it left when it was interrupted is replaced
            left = sum(file.stat().st_size for file in work.rglob("*") if file.is_file())
            free = shutil.disk_usage(place).free + left
            wrong = cannot_save(stage, count_of(outline, stage.tune).tuned, free, str(place))
        if wrong is not None:
            raise wrong


def _asides(stage: Stage) -> str:
    """Returns in words how a stage's text is put, where it is not in Alpaca's frame with loss on the response alone."""
    asides = [IN_OCTOPUS] * (stage.frame == "octopus") + ["loss on prompt and response"] * (stage.loss_on == "all")
    return "".join(f", {aside}" for aside in asides)


def _load(
    folder: Path, device: str, mixed_precision: bool, start: Path | None
) -> tuple["PreTrainedModel", "PreTrainedTokenizerBase"]:
    """Returns model and tokenizer; among several processes the main one has the model, in main memory, the others its outline."""
    from xreason.trainers.loop import sharding

    if sharding.rank() == 0:
        where = device if sharding.world_size() == 1 else "cpu"
        if start is None:
            return load_base(folder, device=where, mixed_precision=mixed_precision)
        with TemporaryDirectory(prefix="xreason-start-") as whole:
            begun = materialise(read_checkpoint(start), Path(whole))
            model, tokenizer = load_base(begun, device=where, mixed_precision=mixed_precision)
            # what is read where it is needed would be gone with its file
            for tensor in (*model.parameters(), *model.buffers()):
                tensor.data = tensor.data.clone()
        return model, tokenizer
    from transformers import AutoTokenizer

    from xreason.trainers.tuning.counting import skeleton

    return skeleton(folder), AutoTokenizer.from_pretrained(folder, trust_remote_code=False)


def _fingerprint(
    method: Method, hash_of_base: str, texts: Sequence[StageText], seed: int, precision: bool, start: Path | None
) -> str:
    """Returns what must be the same for an interrupted training to go on."""
    said = [
        [without_places(TypeAdapter(Stage).dump_python(stage, mode="json")) for stage in method.stages],
        hash_of_base,
        [text.hashes for text in texts],
        seed,
        precision,
    ]
    if start is not None:
        said.append(kept_hash(sorted(start.glob("*.safetensors"))))
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def choose_device(wanted: str | None) -> tuple[str, bool, str]:
    """Returns the device ("cpu" or "cuda"), whether it computes in bfloat16, and its name.

    Of processes that torchrun started on a machine each has the GPU of its own number, which becomes PyTorch's current one.

    Raises:
        UserError: "cuda" is asked for where PyTorch sees no GPU, or another device.
    """
    import torch

    if wanted not in (None, "cpu", "cuda"):
        raise UserError(f"There is no device {wanted!r}; choose cpu or cuda.")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise UserError("PyTorch sees no GPU here; choose the device cpu, or install a CUDA build of torch.")
    if wanted == "cpu" or not torch.cuda.is_available():
        return "cpu", False, "cpu"
    if "LOCAL_RANK" in os.environ:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    return "cuda", torch.cuda.is_bf16_supported(), torch.cuda.get_device_name()
