"""Suites as lm-eval sees them."""

from pathlib import Path
from typing import Any

import pytest

from tasks.errors import UserError
from tasks.languages import LANGUAGES, PAPER_LANGUAGES
from tasks.prompts import alpaca
from tasks.suites import SUITES, TASKS_FOLDER, group_yaml, language_yaml, languages_of, suite_of, write_suite


@pytest.mark.parametrize("suite", SUITES.values(), ids=SUITES)
def test_the_yaml_files_are_what_the_table_writes(suite: Any, tmp_path: Path) -> None:
    write_suite(suite, tmp_path)
    written = {path.name: path.read_text() for path in tmp_path.glob("*.yaml")}
    assert written == {path.name: path.read_text() for path in (TASKS_FOLDER / suite.name).glob("*.yaml")}
    assert language_yaml(suite, "en").count("\n") == 3
    assert "weight_by_size: false" in group_yaml(suite)


def test_the_suites_have_the_languages_of_the_papers() -> None:
    assert set(SUITES["mgsm"].languages) == set(LANGUAGES) == {*PAPER_LANGUAGES, "te"}
    assert SUITES["mgsm"].average_languages == SUITES["msvamp"].average_languages == PAPER_LANGUAGES
    assert "te" not in SUITES["msvamp"].languages


def test_lm_eval_builds_the_pocket_tasks_with_the_frame_that_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    from lm_eval.tasks import TaskManager

    loaded = TaskManager(include_path=str(TASKS_FOLDER), include_defaults=False).load(["pocket"])["tasks"]
    assert set(loaded) == {f"pocket_{code}" for code in SUITES["pocket"].languages}
    task = loaded["pocket_sw"]
    document = next(iter(task.test_docs()))
    assert task.doc_to_text(document) == alpaca(SUITES["pocket"].rows("sw")[0]["question"])
    assert task.config.generation_kwargs == {"do_sample": False, "temperature": 0.0, "max_gen_toks": 96, "until": []}


def test_an_unknown_suite_names_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean 'mgsm'"):
        suite_of("mgms")


def test_an_unknown_language_names_the_nearest_also_by_its_english_name() -> None:
    with pytest.raises(UserError, match="did you mean 'sw'"):
        languages_of(SUITES["mgsm"], ["Swahili"])
    with pytest.raises(UserError, match="no language 'xx'"):
        languages_of(SUITES["mgsm"], ["xx"])


def test_languages_that_the_suite_lacks_are_said_when_none_is_left() -> None:
    assert languages_of(SUITES["msvamp"], ["te", "en"]) == ("en",)
    with pytest.raises(UserError, match="MSVAMP has none of te"):
        languages_of(SUITES["msvamp"], ["te"])
