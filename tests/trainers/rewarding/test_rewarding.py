"""Stages that earn rewards, by TRL's GRPOTrainer, on tiny models; and the package of the guide, which brings a reward."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.places import ROOT
from xreason.tasks.errors import UserError
from xreason.tasks.prompts import alpaca
from xreason.trainers.checkpoints.base import load_base
from xreason.trainers.corpora.examples import Example
from xreason.trainers.loop.loop import run_stage
from xreason.trainers.loop.reports import StageProgress, StageReport
from xreason.trainers.loop.resuming import Saving, last_step
from xreason.trainers.methods import load_method
from xreason.trainers.stages import FeedForward, LowRank, Named, Prefer, Reward, Stage

pytest.importorskip("trl", reason="TRL is not installed: pip install 'xreason[rl]'")
from xreason.trainers.rewarding.grpo import run_reward_stage
from xreason.trainers.rewarding.lending import in_float32

ModelOf = Callable[..., Path]
DIGITS = (
    'def digits(completion):\n    """Share of digits."""\n    text = completion.response\n'
    "    return sum(map(str.isdigit, text)) / max(len(text), 1)\n"
)


@pytest.fixture(autouse=True)
def digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installs a reward that chance earns now and then, as pip leaves one."""
    (tmp_path / "digits-1.0.dist-info").mkdir()
    (tmp_path / "digits-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: digits\nVersion: 1.0\n")
    (tmp_path / "digits-1.0.dist-info" / "entry_points.txt").write_text("[xreason.rewards]\ndigits = digits:digits\n")
    (tmp_path / "digits.py").write_text(DIGITS)
    monkeypatch.syspath_prepend(str(tmp_path))


def stage(**settings: Any) -> Stage:
    told: dict[str, Any] = {"batch_size": 16, "micro_batch_size": 16, "epochs": 1, "learning_rate": 1e-2, "schedule": "constant"}
    told |= {"warmup_ratio": 0, "max_length": 200, "tune": Named(r"lm_head\.weight"), "max_steps": 4}
    objective: dict[str, Any] = {"reward": {"digits": 1.0}, "num_generations": 4, "max_completion_length": 12}
    objective |= settings.pop("objective", {})
    return Stage("rewards", ("x",), objective=Reward(**objective), **told | settings)


def trained(base: Path, told: Stage, examples: list[Example], **more: Any) -> tuple[dict[str, Any], StageReport, Any]:
    model, tokenizer = load_base(base, device="cpu", mixed_precision=False)
    report = run_reward_stage(model, tokenizer, told, examples, seed=0, **more)
    return {name: each.detach().clone() for name, each in model.named_parameters()}, report, (model, tokenizer)


def moved(base: Path, after: dict[str, Any]) -> set[str]:
    before, _ = load_base(base, device="cpu", mixed_precision=False)
    return {name for name, each in before.named_parameters() if not each.equal(after[name])}


def test_the_reward_rises_what_is_tuned_moves_alone_and_the_model_is_then_as_it_was(
    model_of: ModelOf, examples: list[Example]
) -> None:
    seen: list[StageProgress] = []
    told = stage(max_steps=12, objective={"reward": {"digits": 1.0, "length": 0.1}})
    after, report, (model, tokenizer) = trained(model_of(), told, examples, progress=seen.append)
    assert moved(model_of(), after) == {"lm_head.weight"}
    means = [each["digits"] for _, each in report.rewards]
    assert sum(means[-4:]) > 2 * sum(means[:4])
    assert [each.step for each in seen] == [*range(1, 13)] == [step for step, _ in report.losses]
    first = seen[0].rewards
    assert first["reward"] == pytest.approx(first["digits"] + 0.1 * first["length"])
    assert "kl" not in first
    assert seen[0].numbers()["rewards/digits"] == first["digits"]
    # four questions a step, each with its prompt's tokens four times
    assert (report.rows, report.steps, report.left_out) == (64, 12, 0)
    assert report.epochs == pytest.approx(12 * 4 / 64)
    assert report.objective == "reward (GRPO, dapo, digits + 0.1 length, 4 generations)"
    assert "forward" not in model.__dict__
    assert (tokenizer.pad_token, model.is_gradient_checkpointing) == (None, False)
    # a stage that imitates goes on from it
    imitates = Stage("after", ("x",), FeedForward((0,)), batch_size=16, max_steps=1, learning_rate=1e-3, max_length=250)
    assert run_stage(model, tokenizer, imitates, examples, seed=0).steps == 1


def test_an_interrupted_stage_goes_on_and_ends_in_the_same_weights(
    model_of: ModelOf, examples: list[Example], tmp_path: Path
) -> None:
    # two steps on the same completions, a KL term, adapters: all that a checkpoint must hold more
    told = stage(max_steps=6, tune=LowRank(4, 8, 0.1), objective={"num_iterations": 2, "beta": 0.1}, learning_rate=1e-2)
    whole, report, _ = trained(model_of(), told, examples)

    def stop(state: StageProgress) -> None:
        if state.step == 4:
            raise KeyboardInterrupt

    saving = Saving(tmp_path / "work", every_steps=1, every_minutes=None)
    with pytest.raises(KeyboardInterrupt):
        trained(model_of(), told, examples, progress=stop, saving=saving)
    saved = last_step(saving.directory)
    assert saved is not None
    # after the third, half of what is learnt of the completions is to come
    assert saved.name == "step-2"
    again, resumed, _ = trained(model_of(), told, examples, saving=saving)
    assert all(again[name].equal(each) for name, each in whole.items())
    assert resumed.rewards == report.rewards
    assert [each.tokens for each in resumed.log] == [each.tokens for each in report.log]
    kl = [each["kl"] for _, each in report.rewards]
    assert kl[0] == 0 < kl[-1]
    names = {
        "self_attn.q_proj",
        "self_attn.k_proj",
        "self_attn.v_proj",
        "self_attn.o_proj",
        "mlp.gate_proj",
        "mlp.up_proj",
        "mlp.down_proj",
    }
    assert moved(model_of(), whole) == {f"model.layers.{layer}.{name}.weight" for layer in range(4) for name in names}


def test_weights_are_float32_while_trl_has_them_and_then_the_very_bits_that_they_were() -> None:
    import torch

    layer = torch.nn.Linear(3, 2).bfloat16()
    before = [each.detach().clone() for each in layer.parameters()]
    with in_float32(layer):  # type: ignore[arg-type]
        assert {each.dtype for each in layer.parameters()} == {torch.float32}
    assert {each.dtype for each in layer.parameters()} == {torch.bfloat16}
    assert all(one.equal(other) for one, other in zip(before, layer.parameters(), strict=True))


def test_what_has_no_gold_answer_or_leaves_no_room_is_left_out(model_of: ModelOf, examples: list[Example]) -> None:
    some = [*examples[:8], Example(alpaca("Was?"), "Das sagt keiner."), Example(alpaca("Und " * 300), "The answer is 3.")]
    _, report, _ = trained(model_of(), stage(max_steps=1, objective={"reward": "correct"}), some)
    assert (report.rows, report.left_out) == (8, 2)
    with pytest.raises(UserError, match=r"None of the 2 questions of stage 'rewards' .* set max_completion_length lower"):
        trained(model_of(), stage(objective={"reward": "correct"}), some[8:])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"batch_size": 18, "micro_batch_size": None}, "batch_size=18 .* multiple of num_generations=4"),
        ({"max_length": 12}, "max_length=12 .* or set max_completion_length, which is 12, lower"),
        ({"held_out": 0.1}, "held_out .* earns rewards; leave it out"),
        ({"objective": {"loss_type": "ppo"}}, "loss_type='ppo' is not possible; give one of grpo, dr_grpo, dapo"),
        ({"objective": {"reward": {}}}, "give names of rewards"),
        ({"objective": {"num_generations": 1}}, "num_generations=1 is not possible; give a whole number from 2"),
    ],
)
def test_settings_that_cannot_be_are_named(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        stage(**settings)


def test_an_objective_is_said_by_its_rewards_and_changed_by_what_else_is_said() -> None:
    told = {"objective": {"reward": {"correct": 1, "in_language": "0.5"}}, "max_length": 1024}
    (full,) = load_method("full", told).stages
    assert full.objective == Reward({"correct": 1.0, "in_language": 0.5})
    (grpo,) = load_method("grpo", {"objective": {"beta": 0, "num_generations": 16}, "start": "slam"}).stages
    assert grpo.objective == Reward({"correct": 1.0, "in_language": 0.5}, 16, 1024, loss_type="grpo")
    assert load_method("full", {"objective": {"beta": 0.3}}).stages[0].objective == Prefer(beta=0.3)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns the folder that pip installed the guide's package into, offline."""
    folder = tmp_path_factory.mktemp("curt")
    source = folder / "source"
    source.mkdir()
    guide = (ROOT / "docs" / "a-reward-of-your-own.md").read_text(encoding="utf-8")
    opens = {"curt.py": "```python\n", "pyproject.toml": "```toml\n"}
    texts = {name: guide.partition(mark)[2].partition("```")[0] for name, mark in opens.items()}
    assert sum(len(text.splitlines()) for text in texts.values()) < 60
    for name, text in texts.items():
        (source / name).write_text(text)
    options = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--target", str(folder / "site")]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(source)], check=True, cwd=folder)
    return folder / "site"


def test_the_guide_s_package_has_its_reward_listed_beside_those_in_the_box(installed: Path) -> None:
    program = "from xreason.harness.cli.app import main; main()"
    command = [sys.executable, "-c", program, "methods", "--rewards", "--json"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(installed), *sys.path])}
    done = subprocess.run(command, env=environment, cwd=installed, capture_output=True, text=True, timeout=60, check=True)
    rewards = {each["reward"]: each for each in json.loads(done.stdout)}
    assert [name for name in rewards if name != "digits"] == ["correct", "in_language", "length", "few-words"]
    assert rewards["few-words"]["package"] == "xreason-curt 0.1.0"
    assert rewards["few-words"]["description"] == "1 / the number of words, and nothing for silence."


def test_the_guide_s_method_learns_by_its_reward_on_its_corpus(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from xreason.harness.plan import plan_training_alone
    from xreason.harness.run import run
    from xreason.harness.training.train import read_training

    monkeypatch.syspath_prepend(str(installed))
    settings = {"max_steps": 2, "batch_size": 8, "learning_rate": 1e-3}
    told: dict[str, Any] = {"languages": ["de", "sw"], "source": "pocket", "data": None, "seed": 0}
    plan = plan_training_alone("curt", settings, "pocket", tmp_path, **told)
    run(plan)
    (stage,) = read_training(plan.trainings[0].report).stages
    assert (stage.corpus, stage.rows, stage.languages) == ("sums (sums in two languages)", 64, ("de", "sw"))
    assert stage.objective == "reward (GRPO, dapo, correct + 0.5 few-words, 4 generations)"
    assert [step for step, _ in stage.rewards] == [1, 2]
    assert all(means.keys() == {"reward", "correct", "few-words"} for _, means in stage.rewards)
    assert all(0 < means["few-words"] <= 1 for _, means in stage.rewards)
