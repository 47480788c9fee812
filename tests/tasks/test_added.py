"""The registry of what was added and removed: read as written, in any order of changes, or refused in one sentence."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from xreason.tasks.added import (
    TASKS_FOLDER,
    AddedQuestions,
    AddedSuite,
    Hub,
    Names,
    Registry,
    read_registry,
    registries,
    write_registry,
)
from xreason.tasks.errors import UserError
from xreason.tasks.suites import CHANGES, hub_place, use

ITALIAN = Names("Italian", "italiano")
TEN = AddedQuestions(10, file=True)
FULL = Registry(
    languages={"it": ITALIAN},
    suites={"afrimgsm": AddedSuite("AfriMGSM", "arXiv 2406.03368", 600, Hub("masakhane/afrimgsm", "question", "answer_number"))},
    questions={"mgsm": {"it": TEN}, "afrimgsm": {"am": AddedQuestions(250, config="amh")}},
    removed={"msvamp": ("th",)},
    unfinished=("mgsm/_mgsm_template", "mgsm/mgsm_pt.yaml"),
)


def test_what_is_written_is_read_again_and_reads_well(tmp_path: Path) -> None:
    full = replace(FULL, folder=tmp_path)
    write_registry(full)
    assert read_registry(tmp_path) == full
    content = json.loads((tmp_path / "added.json").read_text(encoding="utf-8"))
    assert list(content) == sorted(content)
    assert content["questions"]["mgsm"] == {"it": {"file": True, "questions": 10}}
    assert [each.name for each in tmp_path.iterdir()] == ["added.json"]


def test_where_nothing_is_changed_there_is_no_file(tmp_path: Path) -> None:
    assert read_registry(tmp_path) == Registry(folder=tmp_path)
    write_registry(replace(FULL, folder=tmp_path))
    write_registry(Registry(folder=tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_the_box_comes_before_the_persons_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XREASON_TASKS", raising=False)
    assert [each.folder for each in registries()] == [TASKS_FOLDER, tmp_path.resolve() / "xreason_tasks"]
    monkeypatch.setenv("XREASON_TASKS", "mine")
    assert registries()[-1].folder == tmp_path.resolve() / "mine"
    for box in (TASKS_FOLDER, TASKS_FOLDER.parent / "xreason" / "tasks"):
        monkeypatch.setenv("XREASON_TASKS", str(box))
        assert [each.folder for each in registries()] == [TASKS_FOLDER]


def test_questions_of_the_hub_are_told_from_a_persons_own(tmp_path: Path) -> None:
    before = list(CHANGES)
    use(*before, replace(FULL, languages={"it": ITALIAN, "am": Names("Amharic", "አማርኛ")}, folder=tmp_path))
    try:
        assert hub_place("mgsm", "sw") == ("juletxara/mgsm", "sw")
        assert hub_place("afrimgsm", "am") == ("masakhane/afrimgsm", "amh")
        assert [hub_place(*each) for each in (("mgsm", "it"), ("pocket", "sw"), ("nowhere", "sw"))] == [None] * 3
    finally:
        use(*before)


def test_a_language_keeps_its_names_as_long_as_a_suite_has_it() -> None:
    once = Registry().with_questions("mgsm", "it", ITALIAN, TEN)
    twice = once.with_questions("msvamp", "it", ITALIAN, TEN)
    assert twice.without("msvamp", "it") == once
    assert once.without("mgsm", "it") == Registry()


def test_a_removed_language_comes_back() -> None:
    without = Registry().with_removed("mgsm", "te").with_removed("mgsm", "th")
    assert without.removed == {"mgsm": ("te", "th")}
    assert without.with_restored("mgsm", "te").with_restored("mgsm", "th") == Registry()


def test_a_suite_goes_with_its_languages() -> None:
    suite = AddedSuite("Two", "ours", 600, None)
    added = Registry(suites={"two": suite}).with_questions("two", "it", ITALIAN, TEN).with_questions("two", "en", None, TEN)
    assert added.without_suite("two") == Registry()


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"languages": {"it": {"english": "Italian"}}}',
        '{"languages": {"../it": {"english": "Italian", "native": "italiano"}}}',
        '{"languages": {"it\\n": {"english": "Italian", "native": "italiano"}}}',
        '{"unfinished": ["../mgsm_it.yaml"]}',
        '{"unfinished": ["mgsm/../../it"]}',
        '{"unfinished": ["/etc/passwd"]}',
        '{"removed": {"msvamp\\n": ["th"]}}',
        '{"questions": {"mgsm": {"../it": {"questions": 1}}}}',
        '{"questions": {"mgsm": {"it": {"rows": 1}}}}',
        '{"suites": {"x": {"title": "X"}}}',
        '{"format": 7, "removed": {"MGSM": ["te"]}}',
    ],
)
def test_a_damaged_registry_and_names_that_leave_the_folder_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "added.json").write_text(content)
    with pytest.raises(UserError, match=r"added.json is not as xreason wrote it"):
        read_registry(tmp_path)
