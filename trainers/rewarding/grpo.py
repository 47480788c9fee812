"""The adapter between a stage that earns rewards and TRL's GRPOTrainer, whose are loss, advantages and generation.

Ours are the questions and their order, the rewards, what is tuned, optimizer and schedule, reports, and step checkpoints: a
training that goes on from one is a trainer of the steps that are left, on the questions that are left. Transformers draws from
PyTorch's generator, whose state a checkpoint holds, so that it ends in the same weights; what vLLM draws is its own.
"""

import math
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

import numpy
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase, PrinterCallback, get_scheduler, set_seed

from xreason.tasks.errors import UserError
from xreason.tasks.rewards.completions import Completion, gold_in
from xreason.tasks.rewards.named import Rewarding, load_rewards
from xreason.trainers.corpora.examples import Example, bare
from xreason.trainers.loop import resuming, sharding
from xreason.trainers.loop.loop import optimizer_of
from xreason.trainers.loop.reports import StageProgress, StageReport, check_packages, start_tracker
from xreason.trainers.loop.resuming import Saving
from xreason.trainers.rewarding.lending import alone, as_it_was, in_float32
from xreason.trainers.rewarding.reports import Reports
from xreason.trainers.stages import Reward, Stage
from xreason.trainers.tuning.fitting import Choice, fitting
from xreason.trainers.tuning.freezing import freeze_all_but, thaw
from xreason.trainers.tuning.memory import give_back_memory, peak_memory, room_for

#: Settings that go to TRL as they are called.
_OURS = ("reward", "use_vllm", "kind")


def run_reward_stage(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    stage: Stage,
    examples: Sequence[Example],
    *,
    seed: int,
    directory: Path | None = None,
    progress: Callable[[StageProgress], None] | None = None,
    corpus: str = "",
    languages: Sequence[str] = (),
    device: str = "cpu",
    mixed_precision: bool = False,
    recompute: int | None = None,
    report_to: Sequence[str] = (),
    saving: Saving | None = None,
) -> StageReport:
    """Trains `model` in place for one stage whose objective is Reward, and returns what that did and cost; arguments as run_stage.

    An epoch asks every question once. Questions whose prompt leaves no room for a completion within `max_length`, and, where
    `correct` is a reward, those whose gold answer the readings disagree on, are left out and counted.

    Raises:
        UserError: stage and model do not fit, several processes train together, or the memory does not hold them; no question is
            left, a package or a reward is missing or fails, or the loss is no longer a number.
    """
    check_packages([stage], report_to)
    told = stage.objective
    if not isinstance(told, Reward):
        raise ValueError(f"stage {stage.name} earns no rewards")
    if sharding.world_size() > 1:
        raise UserError(f"Stage {stage.name!r} earns rewards, which one GPU does here; leave --launch and devices out.")
    rewards = load_rewards(told.reward)
    questions, left_out = _questions(examples, tokenizer, stage, told)
    asked, completions = stage.batch_size // told.num_generations, len(questions) * told.num_generations * told.num_iterations
    total = min(math.ceil(stage.epochs * math.ceil(completions / stage.batch_size)), stage.max_steps or sys.maxsize)
    peak_memory(device, anew=True)
    with ExitStack() as at_the_end:
        at_the_end.enter_context(as_it_was(model, tokenizer))
        at_the_end.enter_context(alone())
        choice = _choice(model, stage, told, device, mixed_precision, recompute, saving is not None and saving.saves)
        names = {name for name, _ in model.named_parameters()}
        settings = _settings(stage, told, choice, device, mixed_precision, seed)
        if saving:
            saving.directory.mkdir(parents=True, exist_ok=True)
        beside = saving.directory if saving else None
        place = Path(at_the_end.enter_context(TemporaryDirectory(prefix="reward-", dir=beside)))
        if told.beta or (told.use_vllm is not False and device == "cuda"):
            # TRL loads the weights of the start, and vLLM its engine, by the name of the model
            model.save_pretrained(place)
            tokenizer.save_pretrained(place)
            model.name_or_path = model.config._name_or_path = str(place)

        # what learns; all is float32, as TRL has it, and computed with in bfloat16 by autocast
        at_the_end.callback(thaw, model)
        tuned_parameters = freeze_all_but(model, stage.tune, seed=seed)
        settings["use_vllm"] = _generates(told, device, names == {name for name, _ in model.named_parameters()})
        at_the_end.enter_context(in_float32(model))
        learning = {name: each for name, each in model.named_parameters() if each.requires_grad}
        optimizer = optimizer_of(stage, learning)
        schedule = get_scheduler(stage.schedule, optimizer, int(total * stage.warmup_ratio), total)

        # where an interruption left it, and who is told
        log: list[StageProgress] = []
        set_seed(seed)
        if saving and (last := resuming.last_step(saving.directory)):
            log = resuming.load_step(last, learning, optimizer)
            for _ in range(log[-1].step):
                schedule.step()
        writer = resuming.StepWriter(saving.directory) if saving and saving.saves else None
        if writer:
            at_the_end.callback(writer.close)
        trackers = [start_tracker(name, directory or Path(mkdtemp()), vars(stage)) for name in report_to]
        for tracker in trackers:
            at_the_end.callback(tracker.finish)
        reports = Reports(stage, told, total, log, resuming.chance(), device)
        reports.listeners += [progress] if progress else []
        reports.trackers = trackers
        if saving and writer:
            reports.saving, reports.write = saving, lambda: writer.write(learning, optimizer, log)
        if (done := log[-1].step if log else 0) < total:
            from datasets import Dataset

            # TRL imports vLLM, whose log says little else to a person; an engine of ours may follow in this process
            os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
            os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
            with warnings.catch_warnings():
                if not settings["use_vllm"]:
                    # which releases of vLLM it was tried with
                    warnings.simplefilter("ignore", UserWarning)
                from trl import GRPOConfig, GRPOTrainer
            order = _order(len(questions), asked, total, told.num_iterations, seed)
            rest = order[done // told.num_iterations * asked :]
            trainer = GRPOTrainer(
                model,
                [_for_trl(rewards[name], stage, told) for name in told.reward],
                GRPOConfig(str(place), max_steps=total - done, **settings),
                Dataset.from_list([questions[each] for each in rest]),
                processing_class=tokenizer,
                callbacks=[reports],
                optimizers=(optimizer, schedule),
            )
            # it would print every report
            trainer.remove_callback(PrinterCallback)
            try:
                trainer.train()
            except torch.OutOfMemoryError as error:
                raise choice.too_large(stage, reports.step + 1) from error
            del trainer
            give_back_memory()
    return StageReport(
        name=stage.name,
        corpus=corpus or " + ".join(stage.corpora),
        rows=len(questions),
        languages=tuple(languages),
        tuned=stage.tune.describe(),
        objective=told.describe(),
        tuned_parameters=tuned_parameters,
        total_parameters=sum(parameter.numel() for parameter in model.parameters()),
        epochs=log[-1].step * asked / told.num_iterations / len(questions),
        learning_rate=stage.learning_rate,
        batch_size=stage.batch_size,
        steps=log[-1].step,
        tokens=log[-1].tokens,
        seconds=log[-1].tokens / log[-1].tokens_per_second,
        tokens_per_second=log[-1].tokens_per_second,
        peak_memory_bytes=peak_memory(device),
        losses=tuple((row.step, row.loss) for row in log),
        left_out=left_out,
        log=tuple(log),
        rewards=tuple((row.step, row.rewards) for row in log),
        layout=f"{choice.describe()}; completions by {'vLLM' if settings['use_vllm'] else 'Transformers'}",
    )


def _questions(
    examples: Sequence[Example], tokenizer: PreTrainedTokenizerBase, stage: Stage, told: Reward
) -> tuple[list[dict[str, str]], int]:
    """Returns what TRL's data set holds of each question, and how many were left out."""
    encoded = tokenizer([example.prompt for example in examples])["input_ids"]
    found = []
    for example, tokens in zip(examples, encoded, strict=True):
        language = example.language or "en"
        gold = gold_in(example.response, language)
        if len(tokens) + told.max_completion_length <= stage.max_length and (gold or "correct" not in told.reward):
            found.append({"prompt": example.prompt, "question": bare(example)[0], "gold": gold, "language": language})
    if not found:
        raise UserError(
            f"None of the {len(examples)} questions of stage {stage.name!r} has an answer that is read and leaves "
            f"{told.max_completion_length} of {stage.max_length} tokens to a completion; set max_completion_length lower."
        )
    return found, len(examples) - len(found)


def _order(count: int, asked: int, steps: int, iterations: int, seed: int) -> list[int]:
    """Returns the questions of all steps, one after another; every epoch is a fresh random order, by the seed and its number."""
    wanted = asked * math.ceil(steps / iterations)
    epochs = (numpy.random.default_rng([seed, epoch]).permutation(count) for epoch in range(math.ceil(wanted / count)))
    return [int(each) for epoch in epochs for each in epoch][:wanted]


def _choice(
    model: PreTrainedModel, stage: Stage, told: Reward, device: str, mixed_precision: bool, recompute: int | None, saves: bool
) -> Choice:
    """Returns how many completions go through the model at once, and what is recomputed: the cheapest that is estimated to fit."""

    def rows(choice: Choice) -> int:
        some = range(max(min(choice.tokens // stage.max_length, stage.batch_size), 1), 0, -1)
        return stage.micro_batch_size or next(number for number in some if stage.batch_size % number == 0)

    fits = fitting(
        model,
        stage,
        room_for(model, device),
        lambda choice: rows(choice) * stage.max_length,
        told.max_completion_length / stage.max_length,
        device=device,
        devices=1,
        mixed_precision=mixed_precision,
        recompute=recompute,
        saves=saves,
    )
    choice = fits.candidates[0]
    # TRL recomputes every layer, or none
    return Choice(rows(choice), choice.tokens, min(choice.recompute, 1))


def _generates(told: Reward, device: str, whole: bool) -> bool:
    """Returns whether vLLM generates; `whole` says that the model's weights have the names that it knows."""
    can = device == "cuda" and whole and find_spec("vllm") is not None
    if told.use_vllm and not can:
        raise UserError(
            "use_vllm needs a GPU, vLLM (`pip install 'xreason[cuda]'`) and a stage that tunes whole weights; leave it out."
        )
    return can if told.use_vllm is None else told.use_vllm


def _settings(stage: Stage, told: Reward, choice: Choice, device: str, mixed_precision: bool, seed: int) -> dict[str, Any]:
    """Returns TRL's configuration, but for what generates and how many steps there are."""
    rows = choice.rows or 1
    return {each.name: getattr(told, each.name) for each in fields(told) if each.name not in _OURS} | {
        "reward_weights": list(told.reward.values()),
        "per_device_train_batch_size": rows,
        "gradient_accumulation_steps": stage.batch_size // rows,
        "vllm_max_model_length": stage.max_length,
        "gradient_checkpointing": choice.recompute > 0,
        "max_grad_norm": stage.max_grad_norm,
        "bf16": mixed_precision,
        "use_cpu": device == "cpu",
        "seed": seed,
        # the order is ours, and so is whatever is logged and kept
        "shuffle_dataset": False,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": device == "cuda",
    }


def _for_trl(reward: Rewarding, stage: Stage, told: Reward) -> Callable[..., list[float]]:
    """Returns a reward as TRL calls it: with lists of what a step wrote, and of the columns of its data set."""

    def rewarded(
        prompts: list[str],
        completions: list[str],
        completion_ids: list[list[int]],
        question: list[str],
        gold: list[str],
        language: list[str],
        **_: Any,
    ) -> list[float]:
        rows = zip(question, completions, gold, language, prompts, completion_ids, strict=True)
        return [
            reward(Completion(asked, said, answer, code, prompt, stage.frame, len(ids), told.max_completion_length))
            for asked, said, answer, code, prompt, ids in rows
        ]

    rewarded.__name__ = reward.__name__
    return rewarded
