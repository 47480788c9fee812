"""Leaving with a trained model: the folder loads without us and answers the same, and its card says what it is."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import parse_eval_result_entries

from tests.leaderboards.conftest import make_record, measure, stage
from tests.trainers.conftest import model_of, octopus_rows, tokenizer_folder  # noqa: F401  # fixtures
from tests.trainers.families import FAMILIES, save_tiny_model
from tests.trainers.tuning.test_families import SLAM, logits, train_stage
from xreason.harness.scoring.records import boards_of
from xreason.harness.showing.export import export
from xreason.harness.store.steps import STEP_FILE
from xreason.harness.training.train import CHECKPOINT, TRAINING_FILE
from xreason.leaderboards.forms.cells import row_cells
from xreason.leaderboards.records import StageCost, Training, write_record
from xreason.tasks.errors import UserError
from xreason.tasks.prompts import ALPACA, STYLES
from xreason.trainers.checkpoints.base import load_base
from xreason.trainers.checkpoints.delta import save_checkpoint
from xreason.trainers.corpora.examples import IN_OCTOPUS
from xreason.trainers.corpora.load import CORPORA, load_corpus
from xreason.trainers.pocket import MODEL
from xreason.trainers.stages import AllParameters, LowRank, Tune


def trained(base: Path | str, run: Path, tune: Tune = SLAM, method: str = "slam") -> Any:
    """Trains a few steps into `run`/checkpoint, and returns the model as its checkpoint stores it."""
    folder = MODEL if base == "pocket" else Path(base)
    model, _ = load_base(folder, device="cpu", mixed_precision=False)
    train_stage(model, tune)
    save_checkpoint(model, base, run / CHECKPOINT, method=method, seed=3)
    (run / CHECKPOINT / STEP_FILE).write_text("{}")
    return model


def loaded(folder: Path) -> Any:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

    assert AutoTokenizer.from_pretrained(folder)("7 + 5").input_ids
    GenerationConfig.from_pretrained(folder)
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, use_safetensors=True)


def card(folder: Path) -> Any:
    from huggingface_hub import ModelCard

    return ModelCard.load(folder / "README.md")


@pytest.mark.parametrize("tune", [SLAM, AllParameters(), LowRank(rank=4)], ids=["slam", "all", "lora"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_loads_in_plain_transformers_and_answers_bit_for_bit(
    family: str,
    tune: Tune,
    tokenizer_folder: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    base = save_tiny_model(tmp_path / "base", tokenizer_folder, family)
    model = trained(base, tmp_path / "run", tune)
    folder = export(tmp_path / "run" / CHECKPOINT, tmp_path / "out")
    assert logits(loaded(folder)).equal(logits(model))
    assert {path.name for path in base.iterdir()} | {"README.md"} <= {path.name for path in folder.iterdir()}
    assert not (folder / STEP_FILE).exists()
    assert not (folder / "checkpoint.json").exists()


@pytest.mark.parametrize("family", ["llama", "qwen2", "gemma3_text"])
def test_tied_embeddings_stay_tied(family: str, tokenizer_folder: Path, tmp_path: Path) -> None:  # noqa: F811
    base = save_tiny_model(tmp_path / "base", tokenizer_folder, family, tie_word_embeddings=True)
    model = trained(base, tmp_path / "run", AllParameters())
    exported = loaded(export(tmp_path / "run" / CHECKPOINT, tmp_path / "out"))
    assert exported.lm_head.weight is exported.get_input_embeddings().weight
    assert logits(exported).equal(logits(model))


def test_the_weights_keep_the_dtype_of_the_base(model_of: Any, tmp_path: Path) -> None:  # noqa: F811
    import torch
    from transformers import AutoModelForCausalLM

    trained(model_of("llama", dtype="bfloat16"), tmp_path / "run")
    folder = export(tmp_path / "run" / CHECKPOINT, tmp_path / "out")
    assert {parameter.dtype for parameter in AutoModelForCausalLM.from_pretrained(folder).parameters()} == {torch.bfloat16}


def test_a_base_s_generation_config_is_kept_and_one_is_made_where_it_has_none(model_of: Any, tmp_path: Path) -> None:  # noqa: F811
    trained("pocket", tmp_path / "run")
    folder = export(tmp_path / "run" / CHECKPOINT, tmp_path / "out")
    assert (folder / "generation_config.json").read_bytes() == (MODEL / "generation_config.json").read_bytes()
    bare = tmp_path / "bare"
    shutil.copytree(model_of("llama"), bare)
    (bare / "generation_config.json").unlink()
    trained(bare, tmp_path / "other")
    made = json.loads((export(tmp_path / "other" / CHECKPOINT, tmp_path / "made") / "generation_config.json").read_text())
    assert made["eos_token_id"] == 1


def test_the_card_says_base_data_stages_and_scores_with_intervals(tmp_path: Path) -> None:
    run = tmp_path / "run"
    trained("pocket", run)
    training = Training(stages=(stage("language alignment"), stage("second", share=1.0)))
    record = make_record("slam", {"en": 0.68, "sw": 0.4}, stages=training.stages)
    (run / TRAINING_FILE).write_text(training.model_dump_json())
    write_record(record, run / "record.json")
    read = card(export(run / CHECKPOINT, tmp_path / "my-model"))
    assert read.data.base_model is None
    assert read.data.language == ["en", "sw", "th"]
    assert read.data.tags == ["xreason", "slam", "multilingual-reasoning"]
    assert [(result.dataset_type, result.dataset_config, result.metric_value) for result in read.data.eval_results] == [
        ("juletxara/mgsm", "en", 68.0),
        ("juletxara/mgsm", "sw", 40.0),
    ]
    (on_hub,) = (tmp_path / "my-model" / ".eval_results").iterdir()
    assert on_hub.name == "mgsm.yaml"
    english, swahili = parse_eval_result_entries(yaml.safe_load(on_hub.read_text()))
    assert (english.dataset_id, english.task_id, english.value) == ("juletxara/mgsm", "en", 68.0)
    assert (swahili.dataset_id, swahili.task_id, swahili.value) == ("juletxara/mgsm", "sw", 40.0)
    assert english.date == "2025-11-20T20:00:00+00:00"
    assert english.notes == "accuracy in percent, as the authors of the set read and weigh answers; zero-shot alpaca, greedy"
    assert "The model pocket that xreason ships, trained by the method slam (Fan et al., COLING 2025" in read.text
    assert (
        "| language alignment | question and answer translation into English | 7,200 | sw, th | up\\_proj, down\\_proj" in read.text
    )
    assert "all parameters (1,305,600) | 100.0 % | 4 / 900" in read.text
    assert "| mgsm | en | 250 | 68.0 " in read.text
    assert "| mgsm | mean of 2 | 500 | 54.0 " in read.text
    assert "commit 0123abc" in read.text
    assert "vllm serve my-model" in read.text


def test_a_card_scores_as_the_board_of_its_record_does(tmp_path: Path) -> None:
    run = tmp_path / "run"
    trained("pocket", run)
    record = make_record("slam", {"en": 0.68, "sw": 0.4, "te": 0.1, "th": 0.98}, suites=("mgsm", "pocket"))
    # no accuracy, so no line of the card
    record = record.model_copy(update={"measures": {"lm-eval:t": {"sw": measure(41.5)}}})
    assert record.training is not None
    (run / TRAINING_FILE).write_text(record.training.model_dump_json())
    write_record(record, run / "record.json")
    read = card(export(run / CHECKPOINT, tmp_path / "out"))
    assert "lm-eval" not in read.text
    assert "41.5" not in read.text
    assert {each.dataset_type for each in read.data.eval_results} == {"juletxara/mgsm", "pocket"}
    (*boards, measured) = boards_of([record])
    assert measured.measure == "chrf (higher is better)"
    for board in boards:
        cells = row_cells(board, board.rows[0])
        for code in ("en", "sw", "te", "th"):
            assert f"| {board.suite} | {code} | 250 | {cells[code].text} {cells[code].spread} |" in read.text
        asked = f"mean of {len(board.average_languages)} | {250 * len(board.average_languages)}"
        assert f"| {board.suite} | {asked} | {cells['mean'].text} {cells['mean'].spread} |" in read.text
    # the pocket world is no data set of the hub
    assert [path.name for path in (tmp_path / "out" / ".eval_results").iterdir()] == ["mgsm.yaml"]


def test_the_lines_of_the_card_that_load_the_model_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained("pocket", tmp_path / "run")
    folder = export(tmp_path / "run" / CHECKPOINT, tmp_path / "my-model")
    code = (folder / "README.md").read_text().partition("```python\n")[2].partition("```")[0].replace("=600", "=4")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["output"].shape[1] <= names["inputs"].input_ids.shape[1] + 4
    assert "What is 7 times 6?" in names["prompt"]


def test_scores_of_another_training_are_left_out(tmp_path: Path) -> None:
    run = tmp_path / "run"
    trained("pocket", run)
    (run / TRAINING_FILE).write_text(Training(stages=(stage(seconds=1.0),)).model_dump_json())
    write_record(make_record("slam", {"en": 0.7}), run / "record.json")
    read = card(export(run / CHECKPOINT, tmp_path / "out"))
    assert read.data.eval_results is None
    assert "Not scored" in read.text


def test_a_part_of_the_questions_is_no_result_for_the_hub(tmp_path: Path) -> None:
    run = tmp_path / "run"
    trained("pocket", run)
    record = make_record("slam", {"en": 0.7}, questions=10, limit=10)
    assert record.training is not None
    (run / TRAINING_FILE).write_text(record.training.model_dump_json())
    write_record(record, run / "record.json")
    read = card(export(run / CHECKPOINT, tmp_path / "out"))
    assert read.data.eval_results is None
    assert not (tmp_path / "out" / ".eval_results").exists()
    assert "the first 10 questions a language only" in read.text


def test_a_checkpoint_alone_gets_a_card_that_claims_nothing(tmp_path: Path) -> None:
    trained("pocket", tmp_path / "run")
    text = card(export(tmp_path / "run" / CHECKPOINT, tmp_path / "out")).text
    assert "What it was trained on is not known" in text
    assert "Not scored" in text


def test_text_from_elsewhere_cannot_mark_up_the_card_nor_break_its_front_matter(tmp_path: Path) -> None:
    hostile = "x\n---\nlicense: mine\n| <b>a</b> [l](javascript:1) `c`"
    run = tmp_path / "run"
    trained("pocket", run, method=hostile)
    values = stage().model_dump() | {"name": hostile, "corpus": hostile}
    (run / TRAINING_FILE).write_text(Training(stages=(StageCost.model_validate(values),)).model_dump_json())
    read = card(export(run / CHECKPOINT, tmp_path / "a <b>|"))
    assert read.data.license is None
    assert hostile in read.data.tags
    assert "<b>" not in read.text
    assert "[l](" not in read.text
    table = [line for line in read.text.splitlines() if line.startswith("|")]
    assert len(table) == 3
    assert {line.replace("\\|", "").count("|") for line in table} == {16}


def test_no_path_of_the_machine_gets_onto_the_card_and_the_base_s_licence_does(model_of: Any, tmp_path: Path) -> None:  # noqa: F811
    base = tmp_path / "my-base"
    shutil.copytree(model_of("llama"), base)
    (base / "README.md").write_text("---\nlicense: other\nlicense_name: some-licence\n---\n\n# The base's own words\n")
    trained(base, tmp_path / "run")
    text = (export(tmp_path / "run" / CHECKPOINT, tmp_path / "out") / "README.md").read_text()
    assert str(tmp_path) not in text
    assert "A model of the folder my-base" in text
    assert "The base's own words" not in text
    assert card(tmp_path / "out").data.license_name == "some-licence"


def test_the_sets_that_corpora_are_made_of_are_named(tmp_path: Path, octopus_rows: Any) -> None:  # noqa: F811
    data = tmp_path / "data"
    rows = [("German", "Was ist 1 plus 1?", "Es ist 2."), ("English", "What is 1 plus 1?", "It is 2.")]
    for folder, text in {
        "gsm8kinstruct_parallel": octopus_rows(rows),
        "metamath": json.dumps({"query": "1?", "response": "1"}) + "\n",
        "gsm8k": json.dumps({"question": "1?", "answer": "1"}) + "\n",
    }.items():
        (data / folder).mkdir(parents=True)
        (data / folder / "train.jsonl").write_text(text)
    sets = {}
    for name in CORPORA:
        run = tmp_path / name
        trained("pocket", run)
        corpus = load_corpus(name, ["de"], source="papers", data=data, rows=None, seed=0)
        values = stage().model_dump() | {"corpus": f"{name} ({corpus.description})"}
        (run / TRAINING_FILE).write_text(Training(stages=(StageCost.model_validate(values),)).model_dump_json())
        sets[name] = card(export(run / CHECKPOINT, tmp_path / f"{name}-out")).data.datasets
    parallel = ["Mathoctopus/GSM8KInstruct_Parallel"]
    of_their_own = {"english-reasoning": ["meta-math/MetaMathQA"], "gsm8k": ["openai/gsm8k"]}
    assert sets == dict.fromkeys(CORPORA, parallel) | of_their_own


@pytest.mark.parametrize(
    ("corpus", "frame"),
    [
        ("multilingual-reasoning (GSM8K)", ALPACA),
        (f"multilingual-reasoning (GSM8K), {IN_OCTOPUS}", STYLES["octopus"].frame.replace("{language}", "English")),
    ],
)
def test_a_card_s_prompt_is_the_one_that_was_trained_with(corpus: str, frame: str, tmp_path: Path) -> None:
    trained("pocket", tmp_path / "run")
    values = stage().model_dump() | {"corpus": corpus}
    report = Training(stages=(StageCost.model_validate(values),)).model_dump_json()
    (tmp_path / "run" / TRAINING_FILE).write_text(report)
    assert f"prompt = {frame!r}.replace" in (export(tmp_path / "run" / CHECKPOINT, tmp_path / "out") / "README.md").read_text()


def test_a_folder_with_something_in_it_is_refused_and_an_empty_one_is_not(tmp_path: Path) -> None:
    trained("pocket", tmp_path / "run")
    full, empty = tmp_path / "full", tmp_path / "empty"
    full.mkdir()
    (full / "mine").write_text("")
    empty.mkdir()
    with pytest.raises(UserError, match="full is not empty; name a new folder"):
        export(tmp_path / "run" / CHECKPOINT, full)
    assert [path.name for path in full.iterdir()] == ["mine"]
    assert (export(tmp_path / "run" / CHECKPOINT, empty) / "model.safetensors").is_file()


def test_what_fails_leaves_nothing_behind(model_of: Any, tmp_path: Path) -> None:  # noqa: F811
    base = tmp_path / "base"
    shutil.copytree(model_of("llama"), base)
    trained(base, tmp_path / "run")
    (base / "config.json").write_text((base / "config.json").read_text() + "\n")
    (tmp_path / "place").mkdir()
    with pytest.raises(UserError, match="train again, or restore the base"):
        export(tmp_path / "run" / CHECKPOINT, tmp_path / "place" / "out")
    with pytest.raises(UserError, match="is not a checkpoint"):
        export(base, tmp_path / "place" / "out")
    assert list((tmp_path / "place").iterdir()) == []


def test_a_name_that_can_be_no_repository_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    trained("pocket", tmp_path / "run")
    with pytest.raises(UserError, match="can be no repository of the hub"):
        export(tmp_path / "run" / CHECKPOINT, tmp_path / "out", push="a/b/c")
    assert not (tmp_path / "out").exists()


def test_a_hub_that_is_not_to_be_had_leaves_the_folder_and_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    trained("pocket", tmp_path / "run")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=r"not take me/mine \(OfflineMode.*out is written; then run `hf upload me/mine "):
        export(tmp_path / "run" / CHECKPOINT, tmp_path / "out", push="me/mine")
    assert "vllm serve me/mine" in (tmp_path / "out" / "README.md").read_text()
    assert (tmp_path / "out" / "model.safetensors").is_file()
