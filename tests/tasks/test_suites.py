"""Suites as lm-eval sees them."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from xreason.tasks import data
from xreason.tasks.added import AddedQuestions, AddedSuite, Hub, Names, Registry, write_registry
from xreason.tasks.data import sources_with
from xreason.tasks.errors import UserError
from xreason.tasks.languages import PAPER_LANGUAGES, languages_with
from xreason.tasks.prompts import alpaca
from xreason.tasks.suites import (
    CHANGES,
    SUITES,
    TASKS_FOLDER,
    files,
    group_yaml,
    include_paths,
    language_yaml,
    languages_of,
    settle,
    suite_of,
    suites_with,
    template_yaml,
    use,
)

ITALIAN = {"it": Names("Italian", "italiano")}


@pytest.fixture
def tables() -> Iterator[None]:
    """Puts the tables of this process back."""
    before = tuple(CHANGES)
    yield
    use(*before)


def test_the_yaml_files_are_what_the_table_writes(tables: None) -> None:
    use(Registry())
    held = files()
    assert {path for path in held if path.suffix == ".yaml"} == set(TASKS_FOLDER.rglob("*.yaml"))
    for path, text in held.items():
        assert path.read_text() == text, path
    for suite in SUITES.values():
        assert language_yaml(suite, "en").count("\n") == 3
        assert "weight_by_size: false" in group_yaml(suite)


def test_of_a_group_in_two_folders_lm_eval_takes_the_persons(tables: None, tmp_path: Path) -> None:
    from lm_eval.tasks import TaskManager

    use(Registry(), Registry(removed={"pocket": ("sw",)}, folder=tmp_path))
    settle(files())
    assert include_paths() == [TASKS_FOLDER, tmp_path]
    manager = TaskManager(include_path=include_paths(), include_defaults=False)
    assert manager.load(["pocket"])["group_map"]["pocket"] == [f"pocket_{code}" for code in ("en", "zh", "de", "es", "fr")]
    # and one that the person's folder has not is the box's
    assert "msvamp_sw" in manager.all_tasks
    assert {path.parent.name for path in files()} == {tmp_path.name, "pocket"}


def test_responses_may_be_as_long_as_the_papers_let_them() -> None:
    # MathOctopus and QAlign: 600 new tokens for MGSM, 300 for MSVAMP
    longest = {name: suite.max_new_tokens for name, suite in suites_with().items()}
    assert longest.items() >= {"mgsm": 600, "msvamp": 300, "pocket": 96, "mgsm_rev2": 600, "mnumgluesub": 1024}.items()
    for name, suite in suites_with().items():
        template = (TASKS_FOLDER / name / f"_{name}_template").read_text()
        assert (f"max_gen_toks: {suite.max_new_tokens}\n" in template) == suite.generates
        assert (suite.exemplars is not None) == ("fewshot_split: train\nnum_fewshot: null\n" in template)


def test_every_task_says_the_version_of_its_suite() -> None:
    included = (TASKS_FOLDER / "_papers_template").read_text()
    assert {suite.version for suite in suites_with().values()} == {included.rpartition("version: ")[2].strip()} == {"3.0"}


def test_the_suites_have_the_languages_of_the_papers() -> None:
    suites = suites_with(Registry())
    assert set(suites_with()["mgsm"].languages) == {*PAPER_LANGUAGES, "te"}
    assert {code for suite in suites.values() for code in suite.languages} == set(languages_with(Registry()))
    assert suites["mgsm"].average_languages == suites["msvamp"].average_languages == PAPER_LANGUAGES
    assert "te" not in suites["msvamp"].languages


def test_an_added_language_has_its_own_count_and_place_and_leaves_the_mean_alone() -> None:
    registry = Registry(languages=ITALIAN, questions={"mgsm": {"it": AddedQuestions(10, file=True)}})
    mgsm = suites_with(registry)["mgsm"]
    assert mgsm.languages == (*suites_with()["mgsm"].languages, "it")
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
    hub = Hub("masakhane/uhura", "question", "answer_number")
    questions = {"uhura": {"am": AddedQuestions(250, config="amh"), "en": AddedQuestions(250, config="eng")}}
    registry = Registry(
        suites={"uhura": AddedSuite("Uhura", "arXiv 2412.00948", 300, hub)},
        questions=questions,
    )
    suite = suites_with(registry)["uhura"]
    assert suite.languages == suite.average_languages == ("en", "am")
    assert "max_gen_toks: 300" in template_yaml(suite)
    assert sources_with(registry)["uhura"].configs == {"am": "amh", "en": "eng"}


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


def test_a_language_is_chosen_by_any_usual_spelling_or_by_its_group() -> None:
    mgsm = SUITES["mgsm"]
    for spelling in ("sw", "swa", "swh", "SW", "swh_Latn", "swa-latn"):
        assert languages_of(mgsm, [spelling]) == ("sw",)
    assert languages_of(mgsm, ["jap", "jpn_Jpan", "zho_Hans", "ben"]) == ("zh", "bn", "ja")
    assert languages_of(mgsm, ["low"]) == ("sw", "te")
    assert languages_of(mgsm, ["high", "Cyrillic"]) == ("en", "zh", "de", "es", "fr", "ja", "ru")
    assert languages_of(SUITES["msvamp"], ["indo-european"]) == ("en", "bn", "de", "es", "fr", "ru")
    with pytest.raises(UserError, match=r"MSVAMP has none of te"):
        languages_of(SUITES["msvamp"], ["tel_Telu"])


def test_what_is_no_language_of_the_table_is_named_by_its_canonical_code() -> None:
    for spelling, says in (("kaz_Cyrl", "'kaz_Cyrl', in short 'kk'"), ("pt-BR", "give 'pt'"), ("zho_Hant", "give 'zh'")):
        with pytest.raises(UserError, match=says) as caught:
            languages_of(SUITES["mgsm"], [spelling])
        assert len(str(caught.value)) <= 400


def test_languages_that_the_suite_lacks_are_said_when_none_is_left() -> None:
    assert languages_of(SUITES["msvamp"], ["te", "en"]) == ("en",)
    with pytest.raises(UserError, match="MSVAMP has none of te"):
        languages_of(SUITES["msvamp"], ["te"])


def test_what_the_yaml_calls_is_found_from_any_folder(tmp_path: Path) -> None:
    program = (
        "from lm_eval.tasks import TaskManager\n"
        f"manager = TaskManager(include_path={str(TASKS_FOLDER)!r}, include_defaults=False)\n"
        "task = manager.load(['pocket_sw'])['tasks']['pocket_sw']\n"
        "row = task.test_docs()[0]\n"
        "assert row['question'] in task.doc_to_text(row)\n"
        "print(task.process_results(row, ['Jibu ni ' + row['answer']]))\n"
    )
    result = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.stdout.strip() == "{'paper': 1.0, 'strict': 1.0, 'answered': 1.0, 'metamath': 0.0}", result.stderr


def test_a_task_says_in_which_folder_its_language_was_added(tables: None, tmp_path: Path) -> None:
    from xreason.tasks.protocol import questions

    added = Registry(languages=ITALIAN, folder=tmp_path).with_questions("mgsm", "it", None, AddedQuestions(1, file=True))
    write_registry(added)
    (tmp_path / "mgsm").mkdir()
    data.write_own_rows([{"question": "Quanto fa 3 + 4?", "answer": "7"}], added.own_path("mgsm", "it"))
    use(Registry())
    (row,) = questions("mgsm", "it", shots=0, config_source=str(tmp_path / "mgsm" / "mgsm_it.yaml"))["test"]
    assert (row["question"], row["language_name"]) == ("Quanto fa 3 + 4?", "Italian")
    # the YAML of the box keeps the tables as they are
    questions("pocket", "en", config_source=str(TASKS_FOLDER / "pocket" / "pocket_en.yaml"))
    assert "it" in SUITES["mgsm"].languages


#: Suite to a language, to what a small data folder holds of it, and to an answer that both readings count as right.
SMALL = {
    "mgsm_rev2": ("sw", "mgsm_rev2/mgsm_sw.tsv", "Ni ngapi?\t8\nWangapi?\t3\n", "The answer is 8."),
    "afrimgsm": ("ak", "afrimgsm/twi.jsonl", [{"question": each, "answer": None, "answer_number": 8} for each in "AB"], "8"),
    "mnumgluesub": (
        "de",
        "mnumgluesub/NumGLUE_test_multi_genen_collect.json",
        [{"prompt": f"Please answer in German.\n\n### Instruction:\n{each}?\n\n### Response:", "answer": 8} for each in "AB"],
        "8",
    ),
    "mmath": (
        "fr",
        "mmath/fr.json",
        [{"question": f"{each}?", "answer": "8", "gid": 0, "data_source": each} for each in ("AIME2024", "MATH500")],
        r"\boxed{8}",
    ),
    "xcsqa": (
        "ja",
        "xcsqa/jap/dev.jsonl",
        [
            {"id": each, "answerKey": "B", "question": {"stem": each, "choices": [{"label": c, "text": c * 2} for c in "AB"]}}
            for each in ("p", "q")
        ],
        "The answer is (B).",
    ),
}


def test_stock_lm_eval_asks_and_scores_a_task_of_every_suite_and_reports_what_boards_print(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import lm_eval
    from lm_eval.api.model import LM
    from lm_eval.tasks import TaskManager

    from xreason.harness.scoring.questions import scorings
    from xreason.harness.scoring.records import boards_of, record_of
    from xreason.harness.scoring.score import plan_score, score
    from xreason.harness.serving.models import dummy_model

    right = {f"{suite}_{code}": answer for suite, (code, _, _, answer) in SMALL.items()} | {"polymath_sw": r"\boxed{8}"}
    likely = {"xcsqa_loglikelihood_ja": " B"}

    class FirstRight(LM):  # type: ignore[misc, unused-ignore]
        """Answers the first question of each task right, and no other."""

        def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
            return [right[each.task_name] if each.doc_id == 0 else "-" for each in requests]

        def loglikelihood(self, requests: list[Any], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
            assert {each.args[1] for each in requests} == {" A", " B"}
            return [(float((each.args[1] == likely[each.task_name]) == (each.doc_id == 0)), False) for each in requests]

        loglikelihood_rolling = loglikelihood

    for _, file, content, _ in SMALL.values():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        told = content if isinstance(content, str) else json.dumps(content)
        if file.endswith(".jsonl"):
            told = "".join(json.dumps(row) + "\n" for row in content)
        (tmp_path / file).write_text(told)
    (tmp_path / "polymath" / "sw").mkdir(parents=True)
    for level in ("low", "medium", "high", "top"):
        row = {"id": f"{level}-sw-0", "question": f"{level}?", "answer": "$8$"}
        (tmp_path / "polymath" / "sw" / f"{level}.jsonl").write_text(json.dumps(row) + "\n")
    monkeypatch.setenv("XREASON_DATA", str(tmp_path))
    manager = TaskManager(include_path=str(TASKS_FOLDER), include_defaults=False)
    found = lm_eval.simple_evaluate(FirstRight(), tasks=sorted(right | likely), task_manager=manager, bootstrap_iters=0)
    scored = {task: each["acc,none" if task in likely else "paper,none"] for task, each in found["results"].items()}
    # one of two; low of the four levels, 1 / 15; AIME2024 of two sources, each question weighing 1 / (30 or 311)
    halves = dict.fromkeys(right | likely, 0.5) | {"polymath_sw": 1 / 15, "mmath_fr": 311 / (311 + 30)}
    assert scored == pytest.approx(halves)
    # a task of each kind of answer, on our own board
    model, steps = dummy_model(), []
    for task in ("mgsm_rev2_sw", "polymath_sw", "xcsqa_ja", "xcsqa_loglikelihood_ja"):
        suite, _, code = task.rpartition("_")
        steps.append(plan_score("m", 0, tmp_path, model, model, scorings([suite], [code])[0], "none"))
        score(steps[-1], FirstRight(), model)
    boards = boards_of([record_of(steps, tmp_path, model)])
    printed = {f"{board.suite}_{code}": each.value for board in boards for code, each in board.rows[0].languages.items()}
    assert printed == pytest.approx({task: value for task, value in halves.items() if task in printed})
    assert len(printed) == 4
