"""Suites as lm-eval sees them."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from xreason.tasks.added import AddedQuestions, AddedSuite, Hub, Registry
from xreason.tasks.data import sources_with
from xreason.tasks.errors import UserError
from xreason.tasks.languages import PAPER_LANGUAGES, languages_with
from xreason.tasks.prompts import alpaca
from xreason.tasks.suites import (
    LANGUAGES_IN_CODE,
    SUITES,
    TASKS_FOLDER,
    group_yaml,
    language_yaml,
    languages_of,
    suite_of,
    suites_with,
    template_yaml,
    write_suite,
)

ITALIAN = {"it": ("Italian", "italiano")}


@pytest.mark.parametrize("suite", SUITES.values(), ids=SUITES)
def test_the_yaml_files_are_what_the_table_writes(suite: Any, tmp_path: Path) -> None:
    write_suite(suite, tmp_path)
    written = {path.name: path.read_text() for path in tmp_path.glob("*.yaml")}
    assert written == {path.name: path.read_text() for path in (TASKS_FOLDER / suite.name).glob("*.yaml")}
    assert language_yaml(suite, "en").count("\n") == 3
    assert "weight_by_size: false" in group_yaml(suite)


def test_the_suites_have_the_languages_of_the_papers() -> None:
    suites = suites_with(Registry())
    assert set(LANGUAGES_IN_CODE["mgsm"]) == set(languages_with(Registry())) == {*PAPER_LANGUAGES, "te"}
    assert suites["mgsm"].average_languages == suites["msvamp"].average_languages == PAPER_LANGUAGES
    assert "te" not in suites["msvamp"].languages


def test_an_added_language_has_its_own_count_and_place_and_leaves_the_mean_alone() -> None:
    registry = Registry(languages=ITALIAN, questions={"mgsm": {"it": AddedQuestions(10, file=True)}})
    mgsm = suites_with(registry)["mgsm"]
    assert mgsm.languages == (*LANGUAGES_IN_CODE["mgsm"], "it")
    assert (mgsm.questions_in("it"), mgsm.questions_in("te")) == (10, 250)
    assert mgsm.average_languages == PAPER_LANGUAGES
    assert (mgsm.where("it"), mgsm.where("sw")) == ("tasks/mgsm/mgsm_it.jsonl", SUITES["mgsm"].where("sw"))
    assert languages_with(registry)["it"].native == "italiano"
    with pytest.raises(UserError, match=r"mgsm_it.jsonl is gone"):
        mgsm.rows("it")


def test_a_removed_language_is_in_neither_the_suite_nor_its_mean_but_stays_a_language() -> None:
    registry = Registry(removed={"msvamp": ("th",)})
    msvamp = suites_with(registry)["msvamp"]
    assert "th" not in msvamp.languages
    assert "th" not in msvamp.average_languages
    assert "msvamp_th" not in group_yaml(msvamp)
    assert "th" in suites_with(registry)["mgsm"].languages
    assert "th" in languages_with(registry)


def test_the_mean_of_an_added_suite_runs_over_all_its_languages() -> None:
    hub = Hub("masakhane/afrimgsm", "question", "answer_number")
    questions = {"afrimgsm": {"am": AddedQuestions(250, config="amh"), "en": AddedQuestions(250, config="eng")}}
    registry = Registry(suites={"afrimgsm": AddedSuite("AfriMGSM", "arXiv 2406.03368", 300, hub)}, questions=questions)
    suite = suites_with(registry)["afrimgsm"]
    assert suite.languages == suite.average_languages == ("en", "am")
    assert "max_gen_toks: 300" in template_yaml(suite)
    assert sources_with(registry)["afrimgsm"].configs == {"am": "amh", "en": "eng"}


def test_yaml_reads_the_code_of_norwegian_as_text() -> None:
    for code in ("no", "it"):
        task = yaml.safe_load(language_yaml(SUITES["mgsm"], code))
        assert task["dataset_kwargs"] == {"suite": "mgsm", "language": code}


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


def test_what_the_yaml_calls_loads_by_its_path_where_the_package_is_not_installed(tmp_path: Path) -> None:
    program = (
        "import importlib.util, sys\n"
        "sys.meta_path = [each for each in sys.meta_path if 'editable' not in repr(each)]\n"
        "assert importlib.util.find_spec('tasks') is None\n"
        f"spec = importlib.util.spec_from_file_location('protocol', {str(TASKS_FOLDER / 'protocol.py')!r})\n"
        "module = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(module)\n"
        "row = module.questions('pocket', 'sw')['test'][0]\n"
        "assert row['question'] in module.prompt(row)\n"
        "print(module.score(row, ['Jibu ni ' + row['answer']]))\n"
    )
    result = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.stdout.strip() == "{'paper': 1.0, 'strict': 1.0, 'answered': 1.0}", result.stderr
