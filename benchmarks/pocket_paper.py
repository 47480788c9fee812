"""The reasoners of `pocket-paper`, and its learning rates: chosen on problems of the pocket world of which none is in its test.

    python -m benchmarks.pocket_paper --bases a --make FOLDER      # a minute or two on one core
    python -m benchmarks.pocket_paper --bases a b                  # half an hour on one core

The first makes pocket-reasoner-a of pocket-plain-a, by the second stage of two-stage-a, English reasoning, with seed 0. The second
trains the rows of harness/experiments/pocket-paper.yaml once each, by a seed that the experiment does not use, with every learning
rate of `RATES` in place of theirs, and has them answer 100 problems a language, greedily. Prints JSON: of each method and rate, and
of the models that the rows start from, accuracies in 0..1, of English and the mean of the others, one a base; and the seconds of
training. The rate to take is the one whose mean over the bases is highest.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.report import report
from xreason.harness import progress
from xreason.harness.experiment import Experiment, experiment_file, read_experiment
from xreason.tasks import prompts
from xreason.tasks.pocket import world
from xreason.tasks.readings.paper import paper_reading
from xreason.trainers.checkpoints.base import load_base, resolve_model
from xreason.trainers.checkpoints.delta import materialise, read_checkpoint
from xreason.trainers.english_sft import english_sft
from xreason.trainers.stages import Method
from xreason.trainers.train import train

RATES = {"slam": (5e-5, 1e-4, 2e-4, 4e-4), "two-stage": (5e-4, 1e-3, 2e-3), "full": (5e-4, 1e-3, 2e-3)}
SEED, QUESTIONS, LONGEST = 3, 100, 96


def accuracies(folder: Path) -> dict[str, float]:
    """Returns language code to accuracy on validation problems, in 0..1."""
    import torch

    model, tokenizer = load_base(folder, device="cpu", mixed_precision=False)
    tokenizer.padding_side = "left"
    problems = world.validation_problems(QUESTIONS)
    right = {}
    for code in world.LANGUAGES:
        asked = [prompts.ALPACA.format(instruction=problem.question(code)) for problem in problems]
        with torch.inference_mode():
            answers = model.generate(**tokenizer(asked, padding=True, return_tensors="pt"), do_sample=False, max_new_tokens=LONGEST)
        said = tokenizer.batch_decode(answers, skip_special_tokens=True)
        responses = [each.removeprefix(prompt) for each, prompt in zip(said, asked, strict=True)]
        right[code] = mean(paper_reading(each) == problem.answer for each, problem in zip(responses, problems, strict=True))
    return right


def scored(folder: Path) -> dict[str, float]:
    """Returns the accuracies of English and, as a mean, of the others."""
    found = accuracies(folder)
    return {"english": found["en"], "others": round(mean(found[code] for code in found if code != "en"), 4)}


def trained(experiment: Experiment, row: str, rate: float) -> dict[str, Any]:
    """Returns what a row scores when it is trained with a learning rate, and the seconds that its stages took."""
    method = experiment.method(row)
    if not isinstance(method, Method):
        raise TypeError(f"row {row} is no training")
    method = replace(method, stages=tuple(replace(stage, learning_rate=rate) for stage in method.stages))
    with tempfile.TemporaryDirectory() as place:
        where = Path(place)
        told: dict[str, Any] = {"languages": experiment.languages_trained(), "source": experiment.source, "seed": SEED}
        took = train(method, method.base or experiment.base, where / "checkpoint", **told)
        model = materialise(read_checkpoint(where / "checkpoint"), where / "model")
        return {**scored(model), "seconds": round(sum(stage.seconds for stage in took.stages), 1)}


def make(experiment: Experiment, base: str, folder: Path) -> dict[str, Any]:
    """Makes the reasoner of a plain base in `folder`, and returns what with, which stands in its recipe.json, too."""
    import torch

    torch.set_num_threads(1)
    method = experiment.method(f"two-stage-{base}")
    if not isinstance(method, Method):
        raise TypeError(f"row two-stage-{base} is no training")
    (english,) = (stage for stage in method.stages if stage.corpora == ("english-reasoning",))
    with tempfile.TemporaryDirectory() as place:
        alone, checkpoint = replace(english_sft(), stages=(english,)), Path(place) / "checkpoint"
        told: dict[str, Any] = {"languages": experiment.languages_trained(), "source": experiment.source, "seed": 0}
        took = train(alone, f"pocket-plain-{base}", checkpoint, **told)
        materialise(read_checkpoint(checkpoint), folder)
    set_to = {name: getattr(english, name) for name in ("corpora", "rows", "epochs", "batch_size", "learning_rate", "warmup_ratio")}
    said = {"base": f"pocket-plain-{base}", "method": alone.name, "seed": 0, **set_to, "seconds": round(took.stages[0].seconds)}
    (folder / "recipe.json").write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    return said


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains, asks, and prints what came of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bases", nargs="+", default=["a", "b"])
    parser.add_argument("--methods", nargs="+", default=list(RATES))
    parser.add_argument("--make", type=Path)
    told = parser.parse_args(arguments)
    experiment = read_experiment(experiment_file("pocket-paper"), {})
    if told.make:
        report(**make(experiment, told.bases[0], told.make))
        return
    found: dict[str, Any] = {}
    tried = [(name, rate) for name in told.methods for rate in RATES[name]]
    for base in told.bases:
        for kind in ("plain", "reasoner"):
            found.setdefault(kind, {})[base] = scored(resolve_model(f"pocket-{kind}-{base}"))
        for name, rate in tried:
            found.setdefault(f"{name} {rate:g}", {})[base] = became = trained(experiment, f"{name}-{base}", rate)
            progress.say(f"{name}-{base}, learning rate {rate:g}: {became}")
    report(questions=QUESTIONS, seed=SEED, **found)


if __name__ == "__main__":
    main()
