"""Language layers in the run store: found once, taken up again, shown, and trained by `layers: auto`."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from tests.trainers.built import LANGUAGES, questions, save_built_model, save_questions
from xreason.harness.plan import Plan, plan_finding
from xreason.harness.run import run
from xreason.harness.serving.models import plain_model
from xreason.harness.training.found import layers_table
from xreason.harness.training.layers import ParallelQuestions, find_layers, find_once, plan_layers, suite_questions
from xreason.harness.training.train import plan_training, read_training, settled
from xreason.tasks.errors import UserError
from xreason.tasks.pocket import world
from xreason.trainers.methods import load_method
from xreason.trainers.stages import FeedForward

BLOCK = (2, 3)
QUICK = {"corpora": "question-translation", "max_steps": 1, "batch_size": 4, "rows": 8}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_built_model(tmp_path_factory.mktemp("built"), BLOCK)


def asked(*codes: str, count: int = 40) -> ParallelQuestions:
    return ParallelQuestions({code: tuple(questions(code, count)) for code in codes}, "a test")


def times(folder: Path) -> dict[str, int]:
    made = sorted((folder / "languages").iterdir(), key=lambda path: (path / "step.json").stat().st_mtime_ns)
    return {path.name.partition("-")[0]: (path / "step.json").stat().st_mtime_ns for path in made}


def test_json_holds_every_layer_and_language_and_the_choice(built: Path, tmp_path: Path) -> None:
    found = find_once(plain_model(str(built)), asked(*LANGUAGES), tmp_path)
    (folder,) = tmp_path.glob("*/found")
    said = json.loads((folder / "layers.json").read_text())
    assert said == found.model_dump(mode="json")
    assert said["language_layers"] == list(BLOCK)
    assert said["languages"] == list(LANGUAGES)
    assert len(said["layers"]) == 8
    for layer in said["layers"]:
        assert layer["neurons"] == 96
        assert layer["overlap_with_english"]["en"] == 1
        assert (layer["overlap_with_english"]["sw"] < 0.9) == (layer["layer"] in BLOCK)
        assert (layer["deviation"] > said["threshold"]) == (layer["layer"] in BLOCK)
        assert layer["deviation"] == pytest.approx(np.mean(list(layer["deviation_of"].values())))
        assert 0 < layer["active"]["de"] < 96


def test_the_plot_is_a_picture_and_a_drawing_with_words(built: Path, tmp_path: Path) -> None:
    from matplotlib.image import imread

    find_once(plain_model(str(built)), asked(*LANGUAGES), tmp_path)
    (folder,) = tmp_path.glob("*/found")
    picture = imread(folder / "layers.png")
    assert picture.shape[1] == 9 * 150
    assert len(np.unique(picture[..., :3].reshape(-1, 3), axis=0)) > 10
    drawing = (folder / "layers.svg").read_text()
    for words in ("German", "Swahili", "English", "overlap with English", "language layers", "2-3 (of layers 0-7)"):
        assert words in drawing


def test_the_same_numbers_give_the_same_drawing(built: Path, tmp_path: Path) -> None:
    for place in ("a", "b"):
        find_once(plain_model(str(built)), asked("en", "de"), tmp_path / place)
    drawings = list(tmp_path.glob("*/*/found/layers.svg"))
    assert len(drawings) == 2
    assert drawings[0].read_bytes() == drawings[1].read_bytes()


def test_what_was_counted_is_not_counted_again(built: Path, tmp_path: Path) -> None:
    model = plain_model(str(built))
    first = find_once(model, asked("en", "de"), tmp_path)
    (folder,) = tmp_path.glob("*/found")
    before = times(folder.parent)
    again = find_once(model, asked("en", "de"), tmp_path)
    assert times(folder.parent) == before
    assert again == first
    # one language more: the others stay, what follows from all is new
    more = find_once(model, asked(*LANGUAGES), tmp_path)
    after = times(folder.parent)
    assert {code: after[code] for code in before} == before
    assert list(json.loads((folder / "layers.json").read_text())["tokens"]) == list(more.tokens)
    assert len(more.tokens) == 3
    # other questions: all is counted again
    find_once(model, asked("en", "de", count=30), tmp_path)
    assert not {times(folder.parent)[code] for code in before} & set(before.values())


def test_an_interrupted_search_goes_on_with_the_language_it_was_at(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from xreason.harness.training import layers as module

    model, real, done = plain_model(str(built)), module.count_active, []

    def interrupted(*arguments: object, **settings: object) -> object:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(1)
        return real(*arguments, **settings)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(module, "count_active", interrupted)
        with pytest.raises(KeyboardInterrupt):
            find_once(model, asked(*LANGUAGES), tmp_path)
    (folder,) = tmp_path.iterdir()
    before = times(folder)
    assert sorted(before) == ["de", "en"]
    assert not (folder / "found").exists()
    found = find_once(model, asked(*LANGUAGES), tmp_path)
    assert found.language_layers == BLOCK
    assert {code: times(folder)[code] for code in before} == before


def test_a_stranger_s_table_names_the_layers_and_says_why(built: Path, tmp_path: Path) -> None:
    found = find_once(plain_model(str(built)), asked(*LANGUAGES), tmp_path)
    console = Console(width=120)
    with console.capture() as capture:
        console.print(layers_table(found))
    text = capture.get()
    assert [line.split("│")[2].strip() for line in text.splitlines() if line.startswith("│")] == [
        "language" if layer in BLOCK else "" for layer in range(8)
    ]
    assert "times as much" in " ".join(text.split())


def test_the_pocket_model_reads_languages_in_its_lowest_layer(tmp_path: Path) -> None:
    plan = plan_finding("pocket", tmp_path, questions=60)
    assert run(plan).boards == []
    (task,) = plan.layers
    assert task.is_done()
    assert task.folder.parent == tmp_path / "layers" / "pocket"
    assert (task.folder.parent / "found").resolve() == task.folder
    found = find_layers(task)
    assert found.questions == 60
    assert set(found.languages) == set(world.LANGUAGES)
    assert found.language_layers == (0,)


def test_test_questions_are_asked_only_where_a_suite_is_named() -> None:
    of_suite = suite_questions("pocket", ("sw",), 20)
    assert list(of_suite.texts) == ["en", "sw"]
    tested = {problem.question("sw"): problem.question("en") for problem in world.test_problems()}
    assert [tested[text] for text in of_suite.texts["sw"]] == list(of_suite.texts["en"])
    assert len(set(of_suite.texts["en"])) == 20


def test_a_suite_and_a_source_together_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="give one of them"):
        plan_finding("pocket", tmp_path, suite="pocket", questions=20, source="pocket")


def plan_of(built: Path, data: Path, folder: Path, seed: int = 0, **settings: object) -> Plan:
    method, base = load_method("slam", {**QUICK, **settings}), plain_model(str(built))
    layers = plan_layers(folder, base, ("de", "sw"), source="papers", data=data) if "layers" not in settings else None
    place = folder / "slam" / str(seed)
    task = plan_training("slam", seed, place, method, base, ("de", "sw"), source="papers", data=data, layers=layers)
    return Plan(folder=folder, trainings=(task,), layers=(layers,) if layers else ())


def test_layers_auto_trains_the_language_layers_and_says_why(built: Path, tmp_path: Path) -> None:
    plan = plan_of(built, save_questions(tmp_path / "data", 60), tmp_path / "run")
    run(plan)
    (task,) = plan.trainings
    assert task.is_done()
    (stage,) = settled(task).method.stages
    assert isinstance(stage.tune, FeedForward)
    assert stage.tune.layers == BLOCK
    assert stage.tune.evidence is not None
    assert stage.tune.evidence.startswith("found: languages deviate at least")
    training = read_training(task.report)
    assert training.stages[0].tuned == f"up_proj, down_proj of layers 2-3 ({stage.tune.evidence})"
    assert training.stages[0].tuned_parameters == 2 * 2 * 48 * 96
    (found,) = (each for each in (tmp_path / "run" / "layers").iterdir() if not each.name.startswith("."))
    assert (found / "found" / "layers.png").exists()


def test_layers_are_found_by_training_questions_whatever_the_seed_and_explicit_ones_need_no_finding(
    built: Path, tmp_path: Path
) -> None:
    data = save_questions(tmp_path / "data", 60)
    one, other = plan_of(built, data, tmp_path / "run", seed=0), plan_of(built, data, tmp_path / "run", seed=1)
    assert one.layers == other.layers
    assert one.trainings[0].needs == other.trainings[0].needs == (one.layers[0].folder,)
    explicit = plan_of(built, data, tmp_path / "run", layers=[0, 1])
    assert explicit.trainings[0].method.stages[0].tune == FeedForward((0, 1))
    assert explicit.trainings[0].key != one.trainings[0].key
    assert not explicit.trainings[0].needs


def test_a_training_whose_layers_were_found_anew_is_made_again(built: Path, tmp_path: Path) -> None:
    plan = plan_of(built, save_questions(tmp_path / "data", 60), tmp_path / "run")
    run(plan)
    assert plan.trainings[0].is_done()
    trained = plan.trainings[0].folder / "model.safetensors"
    shutil.rmtree(plan.layers[0].folder)
    find_layers(plan.layers[0])
    assert plan.layers[0].is_done()
    assert not plan.trainings[0].is_done()
    assert trained.is_file()


def test_a_model_without_language_layers_must_be_told_which(tmp_path: Path) -> None:
    alike, data = save_built_model(tmp_path / "alike", ()), save_questions(tmp_path / "data", 40)
    with pytest.raises(UserError, match=r"layers=auto finds none in .*give `layers` as a count \(6\)"):
        run(plan_of(alike, data, tmp_path / "run"))
