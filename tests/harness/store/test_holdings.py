"""What the run store holds is listed with what uses it, and only what is named is removed."""

import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.leaderboards.conftest import make_record
from xreason.harness.store.holdings import Holding, holdings, remove
from xreason.harness.store.steps import in_use, point, step
from xreason.leaderboards.records import write_record
from xreason.tasks.errors import UserError


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store of one row: two checkpoints, scores of one that stand on a record and board, scores that do not, unfinished work."""
    root = tmp_path / "runs"
    row = root / "mine" / "slam" / "0"
    for name in ("checkpoint-aaaaaaaa", "checkpoint-bbbbbbbb"):
        with step(row / name, name) as directory:
            (directory / "model.safetensors").write_bytes(bytes(1000))
    point(row / "checkpoint", row / "checkpoint-aaaaaaaa")
    for name in ("mgsm-cccccccc", "mgsm-dddddddd"):
        with step(row / "scores" / name, name, (row / "checkpoint-aaaaaaaa",)):
            pass
    write_record(make_record("slam", {"en": 0.5}).model_copy(update={"folders": {"mgsm": "mgsm-cccccccc"}}), row / "record.json")
    (root / "mine" / "leaderboard.json").write_text(json.dumps({"boards": [{"rows": [{"method": "slam", "seeds": [0]}]}]}))
    (row / "unfinished-eeeeeeee" / "stage-0").mkdir(parents=True)
    return root


def used(store: Path) -> dict[str, tuple[str, ...]]:
    return {each.path.name: each.used_by for each in holdings(store)}


@pytest.mark.parametrize(
    "text", ["[]", "7", "[" * 100_000, '{"needs": 7}', '{"made": "a", "needs": ["a"]}', '{"scores": {"mgsm": 1}}', "\x00"]
)
def test_damaged_files_are_listed_and_not_stumbled_over(store: Path, text: str) -> None:
    for path in (*store.rglob("step.json"), *store.rglob("record.json"), *store.rglob("leaderboard.json")):
        path.write_text(text)
    assert len(holdings(store)) == 5


def test_translations_are_listed_with_the_scores_that_are_made_of_them(store: Path) -> None:
    row = store / "mine" / "slam" / "0"
    with step(translated := row / "translations" / "mgsm-ffffffff", "t", (row / "checkpoint-aaaaaaaa",)):
        pass
    with step(row / "scores" / "mgsm-99999999", "s", (row / "checkpoint-aaaaaaaa", translated)):
        pass
    told = {each.path.name: each for each in holdings(store)}["mgsm-ffffffff"]
    assert (told.what, told.used_by) == ("translations", ("mine/slam/0/scores/mgsm-99999999",))


def yes(going: list[Holding]) -> bool:
    return True


def test_everything_is_listed_with_its_size_and_what_uses_it(store: Path) -> None:
    on_board = ("mine/slam/0/record.json", "mine/leaderboard.json")
    assert used(store) == {
        "checkpoint-aaaaaaaa": (*on_board, "mine/slam/0/scores/mgsm-dddddddd"),
        "checkpoint-bbbbbbbb": (),
        "mgsm-cccccccc": on_board,
        "mgsm-dddddddd": (),
        "unfinished-eeeeeeee": (),
    }
    kinds = {each.path.name: each.what for each in holdings(store)}
    assert kinds["checkpoint-bbbbbbbb"] == "checkpoint"
    assert kinds["mgsm-cccccccc"] == "scores"
    assert kinds["unfinished-eeeeeeee"] == "unfinished"
    assert {each.size > 1000 for each in holdings(store) if each.what == "checkpoint"} == {True}


@pytest.mark.parametrize("name", ["mine/slam/0/checkpoint-bbbbbbbb", "runs/mine/slam/0/checkpoint-bbbbbbbb"])
def test_what_is_named_is_removed_and_nothing_else(store: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(store.parent)
    before = {path for path in store.rglob("*") if "bbbbbbbb" not in str(path)}
    assert remove(Path("runs"), [name], yes) > 1000
    assert {path for path in store.rglob("*") if path.name != ".lock"} == before


def test_a_link_stands_for_what_it_leads_to_and_goes_with_it(store: Path) -> None:
    remove(store, ["mine/slam/0/checkpoint"], yes)
    assert not (store / "mine/slam/0/checkpoint-aaaaaaaa").exists()
    assert not os.path.lexists(store / "mine/slam/0/checkpoint")


def test_a_whole_experiment_goes_by_its_name(store: Path) -> None:
    remove(store, ["mine"], yes)
    assert list(store.iterdir()) == []


def test_nothing_goes_unless_one_is_sure(store: Path) -> None:
    shown: list[Holding] = []
    assert remove(store, ["mine/slam"], lambda going: bool(shown.extend(going))) == 0
    assert len(shown) == len(holdings(store)) == 5


@pytest.mark.parametrize("name", ["..", "../other", ".", "mine/../..", "/", "out", "mine/slam/0/none", "notes.txt"])
def test_a_path_that_leaves_the_store_or_names_no_step_is_refused(store: Path, name: str) -> None:
    other = store.parent / "other"
    with step(other / "checkpoint", "key"):
        pass
    (store / "out").symlink_to(other)
    (store / "notes.txt").write_text("mine")
    before = sorted(store.parent.rglob("*"))
    with pytest.raises(UserError, match=r"`xreason runs .*` lists"):
        remove(store, [name], yes)
    assert sorted(store.parent.rglob("*")) == before


def test_what_another_process_uses_is_not_removed(store: Path) -> None:
    if (child := os.fork()) == 0:
        with in_use(store / "mine"):
            os.kill(os.getpid(), 19)
        os._exit(0)
    os.waitpid(child, os.WUNTRACED)
    try:
        with pytest.raises(UserError, match="Another xreason is using"):
            remove(store, ["mine/slam"], yes)
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
    assert len(holdings(store)) == 5


def test_what_is_left_of_an_interrupted_removal_is_no_finished_step(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(path: Path, **_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("xreason.harness.store.holdings.shutil", SimpleNamespace(rmtree=interrupted))
    with pytest.raises(KeyboardInterrupt):
        remove(store, ["mine/slam/0/checkpoint-bbbbbbbb"], yes)
    assert not (store / "mine/slam/0/checkpoint-bbbbbbbb/step.json").exists()
    assert (store / "mine/slam/0/checkpoint-bbbbbbbb/model.safetensors").exists()
