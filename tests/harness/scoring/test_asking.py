"""How questions are asked beside the prompt: bounds of sampling, a system instruction, worked examples; and that files say it."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.harness.scoring.conftest import responses, samples_of
from xreason.harness.cli import options
from xreason.harness.experiment import experiment_of_flags, read_experiment
from xreason.harness.plan import plan_scoring
from xreason.harness.scoring.endpoint import Endpoint
from xreason.harness.scoring.evaluate import described, evaluate
from xreason.harness.scoring.questions import Asking, Scoring
from xreason.harness.scoring.records import record_of
from xreason.harness.scoring.rescore import rescore
from xreason.harness.scoring.score import score
from xreason.harness.serving.models import Model
from xreason.leaderboards.records import Record, read_record
from xreason.leaderboards.styles import distinguishing, style_of
from xreason.tasks.errors import UserError

SYSTEM = "You are a patient teacher."

#: A template in which the system has a turn.
TURNS = "{% for each in messages %}[{{ each.role }}] {{ each.content }}\n{% endfor %}"

#: One that, as Gemma's does, refuses it.
NO_SYSTEM = "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}" + TURNS


def pocket_asked(asking: Asking, *languages: str, limit: int = 4) -> Scoring:
    return Scoring(suite="pocket", languages=languages or ("en",), limit=limit, max_new_tokens=24, asking=asking)


@pytest.fixture
def templated(engine: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What gives the engine a chat template."""

    def use(template: str) -> None:
        monkeypatch.setattr(engine.tokenizer, "chat_template", template)
        monkeypatch.setattr(engine, "hf_chat_template", template)

    return use


def test_lm_evals_own_files_say_what_was_run(engine: Any, pocket: Model, tmp_path: Path) -> None:
    evaluate(engine, "a-row", pocket, pocket_asked(Asking()), tmp_path)
    (written,) = tmp_path.rglob("results_*.json")
    said = json.loads(written.read_text(encoding="utf-8"))
    assert said["config"]["model"] == said["model_name"] == str(pocket.folder.resolve())
    arguments = said["config"]["model_args"]
    assert (arguments["pretrained"], arguments["dtype"], arguments["max_model_len"]) == (
        str(pocket.folder.resolve()),
        "float32",
        2048,
    )
    assert said["config"]["model_dtype"] == "float32"
    assert said["model_source"] == "vllm"
    # the folder is the row's all the same
    assert written.parent == tmp_path / "a-row"


def test_of_a_checkpoint_they_say_the_base_and_the_checkpoint(engine: Any, pocket: Model, tmp_path: Path) -> None:
    changed = pocket.model_copy(update={"delta": tmp_path / "slam" / "checkpoint", "name": "slam"})
    said = described(engine, changed)
    assert (said["pretrained"], said["checkpoint"]) == (str(pocket.folder.resolve()), str(tmp_path / "slam" / "checkpoint"))


def test_of_a_hub_model_they_say_its_id_and_revision(engine: Any, pocket: Model, tmp_path: Path) -> None:
    cached = tmp_path / "models--meta-math--MetaMath-7B-V1.0" / "snapshots" / "0f3a1c5"
    cached.mkdir(parents=True)
    said = described(engine, pocket.model_copy(update={"folder": cached, "name": "meta-math/MetaMath-7B-V1.0"}))
    assert (said["pretrained"], said["revision"]) == ("meta-math/MetaMath-7B-V1.0", "0f3a1c5")


def test_of_a_server_they_say_its_address_and_model() -> None:
    model = Model(name="served at http://localhost:8000", folder=Path(), hash="", served_as="served")
    said = described(Endpoint(url="http://localhost:8000").client(model), model)
    assert said == {"model": "served", "base_url": "http://localhost:8000/v1/completions"}


def test_git_says_nothing_where_the_folder_is_no_checkout(
    engine: Any, pocket: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    capfd.readouterr()
    evaluate(engine, "pocket", pocket, pocket_asked(Asking()), tmp_path / "out")
    assert "git" not in capfd.readouterr().err
    (written,) = tmp_path.rglob("results_*.json")
    assert json.loads(written.read_text(encoding="utf-8"))["git_hash"]


def test_bounds_of_sampling_reach_the_model(engine: Any, pocket: Model, tmp_path: Path) -> None:
    evaluate(engine, "pocket", pocket, pocket_asked(Asking()), tmp_path / "greedy")
    greedy = [said for (said,) in responses(tmp_path / "greedy", "pocket_en")]
    for bound in ({"top_k": 1}, {"top_p": 1e-6}, {"min_p": 1.0}):
        asking = Asking(samples=2, temperature=1.5, **bound)
        evaluate(engine, "pocket", pocket, pocket_asked(asking), tmp_path / asking.suffix)
        # the likeliest token alone is left to sample from
        assert responses(tmp_path / asking.suffix, "pocket_en") == [[said, said] for said in greedy], bound
        (name, value) = next(iter(bound.items()))
        assert samples_of(tmp_path / asking.suffix, "pocket_en")[0]["arguments"]["gen_args_0"]["arg_1"][name] == value


def test_a_system_instruction_stands_before_every_question(engine: Any, pocket: Model, templated: Any, tmp_path: Path) -> None:
    evaluate(engine, "pocket", pocket, pocket_asked(Asking(system=SYSTEM)), tmp_path / "plain")
    prompts = [sample["arguments"]["gen_args_0"]["arg_0"] for sample in samples_of(tmp_path / "plain", "pocket_en")]
    assert all(prompt.startswith(f"{SYSTEM}\n\nBelow is an instruction") for prompt in prompts)
    templated(TURNS)
    evaluate(engine, "pocket", pocket, pocket_asked(Asking(style="chat", system=SYSTEM)), tmp_path / "chat")
    prompts = [sample["arguments"]["gen_args_0"]["arg_0"] for sample in samples_of(tmp_path / "chat", "pocket_en")]
    assert all(prompt.startswith(f"[system] {SYSTEM}\n[user] ") for prompt in prompts)


def test_a_chat_template_that_would_leave_the_system_instruction_out_is_a_sentence(
    engine: Any, pocket: Model, templated: Any, tmp_path: Path
) -> None:
    templated(NO_SYSTEM)
    with pytest.raises(UserError, match="no place for a system instruction"):
        evaluate(engine, "pocket", pocket, pocket_asked(Asking(style="chat", system=SYSTEM)), tmp_path)


@pytest.fixture
def worked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Worked examples of a small MGSM of one's own, in their order; there are ten questions."""
    folder = tmp_path / "data" / "mgsm"
    folder.mkdir(parents=True)
    names = ["Amina", "Baraka", "Chausiku", "Daudi", "Eshe"]
    examples = [
        {
            "q": f"Question: {name} has {n} books. How many?",
            "a": f"Step-by-Step Answer: {n}.",
            "number_answer": str(n),
            "language": code,
        }
        for n, name in enumerate(names)
        for code in ("en", "sw")
    ]
    (folder / "exemplars.jsonl").write_text("".join(json.dumps(each) + "\n" for each in examples))
    (folder / "mgsm_sw.tsv").write_text("".join(f"Juma ana vitabu {n}. Vingapi?\t{n}\n" for n in range(10)))
    monkeypatch.setenv("XREASON_DATA", str(tmp_path / "data"))
    return names


@pytest.mark.parametrize("which", ["first", "drawn"])
def test_the_first_worked_examples_stand_before_every_question_alike(
    engine: Any, pocket: Model, worked: list[str], tmp_path: Path, which: Any
) -> None:
    asking = Asking(style="native-cot", shots=3, worked_examples=which)
    scoring = Scoring(suite="mgsm", languages=("sw",), limit=None, max_new_tokens=4, asking=asking)
    evaluate(engine, "pocket", pocket, scoring, tmp_path / "out")
    prompts = [sample["arguments"]["gen_args_0"]["arg_0"] for sample in samples_of(tmp_path / "out", "mgsm_sw")]
    orders = {tuple(sorted((name for name in worked if name in prompt), key=prompt.index)) for prompt in prompts}
    assert len(prompts) == 10
    assert (orders == {tuple(worked[:3])}) == (which == "first")
    (written,) = (tmp_path / "out").rglob("results_*.json")
    sampler = json.loads(written.read_text(encoding="utf-8"))["configs"]["mgsm_sw"]["fewshot_config"]["sampler"]
    assert sampler == {"first": "first_n", "drawn": "default"}[which]


def test_how_it_was_asked_is_in_key_record_and_name(engine: Any, pocket: Model, tmp_path: Path) -> None:
    ways = [Asking(samples=2, temperature=1.0, **more) for more in ({}, {"top_p": 0.9, "top_k": 50}, {"system": SYSTEM})]
    tasks = [plan_scoring(["pocket"], [pocket_asked(asking, limit=2)], tmp_path).rows[0].scores[0] for asking in ways]
    assert len({task.key for task in tasks}) == len({task.folder for task in tasks}) == 3
    records = []
    for task in tasks:
        score(task, engine, pocket)
        records.append(record_of([task], task.folder.parent.parent, pocket))
    assert [record.provenance.sampling for record in records] == [{}, {"top_p": 0.9, "top_k": 50}, {}]
    assert [record.provenance.system for record in records] == [None, None, SYSTEM]
    styles = [style_of(record.provenance) for record in records]
    assert [distinguishing(style, styles) for style in styles] == [
        "2 samples at temperature 1, no system instruction",
        "2 samples at temperature 1, top_k 50, top_p 0.9, no system instruction",
        "2 samples at temperature 1, system instruction 73f338",
    ]
    for task, record in zip(tasks, records, strict=True):
        rescore(task.folder.parent.parent)
        assert read_record(task.folder.parent.parent / "record.json") == Record.model_validate(record)


def test_the_first_worked_examples_are_in_the_name_of_the_style() -> None:
    asking = Asking(style="native-cot", shots=8, worked_examples="first")
    assert asking.suffix == "-native-cot-8-shot-first"
    assert asking.told()["worked_examples"] == "first"
    assert Asking.retold({**asking.told(), "data": {}}) == asking


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"worked_examples": "first"}, "say how many"),
        ({"top_p": 0.9}, "Greedy decoding does not sample"),
        ({"temperature": 1.0, "top_p": 1.5}, "from 1e-06 to 1"),
        ({"temperature": 1.0, "top_p": float("nan")}, "top_p is nan"),
        ({"temperature": 1.0, "top_k": 0}, "from 1 to"),
        ({"temperature": 1.0, "min_p": -0.1}, "min_p is -0.1"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"system": " "}, "is empty"),
    ],
)
def test_what_cannot_be_asked_is_a_sentence(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says):
        Asking(**settings)


def test_gen_kwargs_are_written_as_lm_eval_has_them() -> None:
    said = options.asked(gen_kwargs="do_sample=True,temperature=0.7,top_p=0.9,top_k=50,max_gen_toks=200", samples=4, prompt=None)
    assert said == {"temperature": 0.7, "top_p": 0.9, "top_k": 50, "max_new_tokens": 200, "samples": 4}
    assert experiment_of_flags({"name": "a", "base": "b", **said}).asking() == Asking(
        samples=4, temperature=0.7, top_p=0.9, top_k=50
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("topp=0.9", "did you mean 'top_p'"),
        ("top_p", "gives no number"),
        ("top_k=1.5", "gives no number"),
        ("max_gen_toks=0", "gives no number"),
        ("temperature=nan", "gives no number"),
        ("temperature=0.7", "temperature is given twice"),
        ("do_sample=False", "temperature is given twice"),
    ],
)
def test_gen_kwargs_that_cannot_be_used_are_a_sentence(text: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        options.asked(gen_kwargs=text, temperature=0.5)


def test_an_experiment_file_says_it_by_keys_and_a_wrong_one_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("base: b\nmethods: [slam]\nprompt: native-cot\nshots: 8\nworked_examples: first\nsystem: Think.\n")
    asked = read_experiment(path, {}).asking()
    assert (asked.worked_examples, asked.system, asked.shots) == ("first", "Think.", 8)
    path.write_text("base: b\nmethods: [slam]\ntop_p: 0.9\n")
    with pytest.raises(UserError, match=r"a\.yaml, line 3: Greedy decoding"):
        read_experiment(path, {})
    with pytest.raises(UserError, match="--gen-kwargs: Greedy decoding"):
        experiment_of_flags({"name": "a", "base": "b", "top_k": 5})
