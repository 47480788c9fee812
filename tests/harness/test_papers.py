"""The papers' comparison: what stands in the box under a paper's name is what the paper's own code says."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.harness.conftest import Run
from tests.places import ROOT
from xreason.harness.experiment import Experiment, experiment_file, read_experiment
from xreason.tasks.languages import PAPER_LANGUAGES
from xreason.trainers.methods import load_method, load_row
from xreason.trainers.stages import AllParameters, FeedForward, LowRank, Method, Prefer, Reward, Samples, Tune

METAMATH, LLAMA = "meta-math/MetaMath-{}-V1.0", "meta-llama/Llama-2-{}-hf"


@dataclass(frozen=True)
class Published:
    """A method as its paper's scripts have it; all of them peak at 2e-5, on a cosine, without weight decay, clipped at 1."""

    base: str
    tune: Tune
    corpora: tuple[tuple[str, ...], ...]
    epochs: float
    rows_a_step: int
    warmup: float
    betas: tuple[float, float]
    longest_row: int
    truncation: str = "right"
    frame: str = "alpaca"
    loss_on: str = "response"


OCTOPUS = {"frame": "octopus", "loss_on": "all"}
REASONING, QUESTIONS, EVERY = ("english-reasoning",), ("question-translation",), ("multilingual-reasoning",)
#: fmm170/SLAM scripts; NJUNLP/QAlign finetune.sh, finetune_dp.sh; microsoft/MathOctopus run_llama2.sh, run_llam2_lora.sh;
#: meta-math/MetaMath run.sh.
TABLE = {
    "slam": Published(
        METAMATH, FeedForward(6), ((*QUESTIONS, "answer-translation"),), 4, 512, 0, (0.9, 0.999), 1024, "proportional"
    ),
    "two-stage": Published(LLAMA, AllParameters(), (QUESTIONS, REASONING), 3, 128, 0.03, (0.9, 0.999), 512),
    "full": Published(LLAMA, AllParameters(), (EVERY,), 3, 128, 0.03, (0.9, 0.999), 512),
    "mathoctopus": Published(LLAMA, AllParameters(), (EVERY,), 3, 128, 0, (0.9, 0.95), 512, **OCTOPUS),
    "lora": Published(LLAMA, LowRank(128, 1, 0), (EVERY,), 4, 64, 0, (0.9, 0.95), 512, **OCTOPUS),
    "english-sft": Published(LLAMA, AllParameters(), (REASONING,), 3, 128, 0.03, (0.9, 0.999), 512),
}
#: MathOctopus published its LoRA at 7B alone.
ROWS = [("7b", row) for row in TABLE] + [("13b", row) for row in TABLE if row != "lora"]


def papers(size: str) -> Experiment:
    return read_experiment(experiment_file(f"papers-{size}"), {})


def test_every_method_in_the_box_that_names_a_paper_stands_in_its_comparison() -> None:
    box = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["xreason.methods"]
    # what takes other rows trains nothing that a script could say
    methods = {name: method for name in box if isinstance(method := load_row(name), Method)}
    cited = {name for name, method in methods.items() if "arXiv" in method.source}
    # MAPO and GRPO are none of the SLAM paper's rows
    assert cited - {"mapo", "grpo"} == set(TABLE)
    assert set(TABLE) <= set(papers("7b").methods)


def test_mapo_has_its_published_settings() -> None:
    """NJUNLP/MAPO at 2c4227ab: Preprocess/sampling.sh, vllm_sampling.py; Alignment/dpo.py, dpo_config/example.json."""
    (stage,) = load_method("mapo").stages
    assert (stage.tune, stage.objective, stage.frame) == (AllParameters(), Prefer("dpo"), "octopus")
    assert stage.objective.describe() == "prefer (DPO, beta 0.1)"
    assert (stage.learning_rate, stage.schedule, stage.weight_decay) == (1e-6, "cosine", 0)
    assert (stage.batch_size, stage.max_steps, stage.warmup_ratio * stage.max_steps) == (256, 1000, 100)
    assert stage.epochs >= stage.max_steps
    assert stage.max_length == 1024
    assert stage.samples == Samples("alignment", 20, 0.8, 512, None, "facebook/nllb-200-distilled-600M")


def test_grpo_has_the_settings_of_deepseekmath_but_as_many_samples_as_the_multilingual_papers() -> None:
    """Shao et al. 2024, arXiv 2402.03300, section 4.2; XZhang00/M-Thinker at 9a65c0af, GRPO-M-Thinker-7B-Iter1.sh: rollout.n=8."""
    (stage,) = load_method("grpo").stages
    assert stage.objective == Reward({"correct": 1.0, "in_language": 0.5}, 8, 1024, beta=0.04, loss_type="grpo")
    assert (stage.learning_rate, stage.batch_size, stage.objective.num_iterations) == (1e-6, 1024, 1)
    assert stage.max_length - stage.objective.max_completion_length == 512
    assert (stage.tune, stage.corpora) == (AllParameters(), ("multilingual-reasoning",))


@pytest.mark.parametrize("size", ["7b", "13b"])
def test_it_holds_just_the_published_rows_scored_as_the_papers_score(size: str) -> None:
    experiment = papers(size)
    assert [(size, row) for row in experiment.methods] == [each for each in ROWS if each[0] == size]
    assert experiment.base == METAMATH.format(size.upper())
    assert experiment.suites == ("mgsm", "msvamp")
    assert experiment.languages == experiment.languages_trained() == PAPER_LANGUAGES
    assert (experiment.source, experiment.prompt, experiment.reading) == ("papers", "alpaca", "paper")
    assert (experiment.dtype, experiment.temperature, experiment.seeds) == ("bfloat16", 0, (1234,))


@pytest.mark.parametrize(("size", "row"), ROWS)
def test_every_setting_is_the_published_one(size: str, row: str) -> None:
    experiment, published = papers(size), TABLE[row]
    base = published.base.format(size.upper() if published.base == METAMATH else size)
    method = experiment.method(row)
    assert (method.base or experiment.base) == base
    assert_published(method, published)


@pytest.mark.parametrize("row", TABLE)
def test_the_method_itself_has_the_published_settings_but_for_layers_which_it_finds(row: str) -> None:
    assert_published(load_method(row, {"layers": 6} if row == "slam" else {}), TABLE[row])


def assert_published(method: Method, published: Published) -> None:
    assert tuple(stage.corpora for stage in method.stages) == published.corpora
    for stage in method.stages:
        said: dict[str, Any] = {
            "tune": published.tune,
            "epochs": published.epochs,
            "learning_rate": 2e-5,
            "batch_size": published.rows_a_step,
            "max_length": published.longest_row,
            "truncation": published.truncation,
            "frame": published.frame,
            "loss_on": published.loss_on,
            "schedule": "cosine",
            "warmup_ratio": published.warmup,
            "optimizer": "adamw",
            "betas": published.betas,
            "weight_decay": 0,
            "max_grad_norm": 1,
            "max_steps": None,
            "rows": None,
        }
        assert {key: getattr(stage, key) for key in said} == said


def test_without_its_models_and_network_it_ends_in_one_sentence(xreason: Run, tmp_path: Path) -> None:
    done = xreason("compare", "papers-7b", "--out", tmp_path / "runs", HF_HOME=str(tmp_path / "hub"))
    assert done.returncode == 2
    assert "hf download meta-math/MetaMath-7B-V1.0" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
