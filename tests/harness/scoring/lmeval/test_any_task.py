"""Tasks of lm-eval on our engine and our boards, against stock lm_eval on the same engine."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness.conftest import Run
from tests.harness.scoring.lmeval.conftest import BELEBELE, TASKS, XCOPA
from xreason.harness.adding.languages import add_lm_eval_suite, remove_suite
from xreason.harness.plan import plan_endpoint, plan_scoring
from xreason.harness.run import run
from xreason.harness.scoring.evaluate import evaluate
from xreason.harness.scoring.questions import Asking, scorings
from xreason.harness.scoring.records import boards_of, record_of
from xreason.harness.scoring.rescore import rescore
from xreason.harness.scoring.score import plan_score, score
from xreason.harness.serving.models import Model, plain_model
from xreason.leaderboards.records import Record, read_record
from xreason.tasks.added import read_registry
from xreason.tasks.cldr.codes import language_of
from xreason.tasks.errors import UserError
from xreason.tasks.lmeval import found
from xreason.tasks.lmeval.found import find
from xreason.tasks.lmeval.patterns import parsed
from xreason.tasks.suites import SUITES, TASKS_FOLDER, suite_of

SUITE = "lm-eval:{}"
XCOPA_THREE, BELEBELE_THREE = SUITE.format("xcopa_{sw,ta,zh}"), SUITE.format("belebele_{eng,swh,ben}_Latn@acc_norm")
MMLU, TRANSLATE = SUITE.format("global_mmlu_full_{en,sw}_other"), SUITE.format("translate_sw")


@pytest.fixture(scope="module")
def engine() -> Iterator[Any]:
    from xreason.harness.serving import engine

    running = engine.start(plain_model("pocket"), max_length=512)
    yield running
    running.stop()


def stock(engine: Any, tasks: list[str], folder: Path, **how: Any) -> dict[str, Any]:
    """Returns what lm_eval makes of tasks by itself, asked by name of the folders that they are in."""
    import lm_eval
    from lm_eval.tasks import TaskManager

    own = [TASKS / name for name in ("xcopa", "belebele", "global_mmlu")]
    manager = TaskManager(include_path=[*own, folder], include_defaults=False)
    return dict(lm_eval.simple_evaluate(model=engine, tasks=tasks, task_manager=manager, **how))


def test_xcopa_belebele_and_global_mmlu_are_answered_as_stock_lm_eval_answers_them_to_the_last_question(
    tasks: Path, engine: Any, tmp_path: Path
) -> None:
    model = plain_model("pocket")
    by_stock = {
        XCOPA_THREE: ["xcopa_sw", "xcopa_ta", "xcopa_zh"],
        BELEBELE_THREE: ["belebele_eng_Latn", "belebele_swh_Latn", "belebele_ben_Latn"],
        MMLU: ["global_mmlu_full_en_other", "global_mmlu_full_sw_other"],
        TRANSLATE: ["translate_sw"],
    }
    expected = stock(engine, [name for names in by_stock.values() for name in names], tasks)
    steps = []
    for asked in scorings([*by_stock]):
        step = plan_score("pocket", 0, tmp_path, model, model, asked, "float32")
        score(step, engine, model)
        steps.append(step)
    record = record_of(steps, tmp_path, model)
    languages = {XCOPA_THREE: ["sw", "ta", "zh"], BELEBELE_THREE: ["en", "sw", "bn_Latn"], MMLU: ["en", "sw"], TRANSLATE: ["sw"]}
    for suite, names in by_stock.items():
        metric = {BELEBELE_THREE: "acc_norm", TRANSLATE: "chrf"}.get(suite, "acc")
        for code, name in zip(languages[suite], names, strict=True):
            measure, told = record.measures[suite][code], expected["results"][name]
            assert (measure.metric, measure.filter) == (metric, "none")
            assert measure.value == pytest.approx(told[f"{metric},none"], abs=1e-12), (suite, code)
            if suite == TRANSLATE:
                assert measure.standard_error == pytest.approx(told["chrf_stderr,none"])
                assert suite not in record.scores
                continue
            assert measure.standard_error == pytest.approx(told[f"{metric}_stderr,none"], abs=1e-12)
            said = {row["doc_id"]: row for each in measure.tasks for row in expected["samples"][each]}
            bits = [
                row[metric] for each in measure.tasks for row in sorted(expected["samples"][each], key=lambda row: row["doc_id"])
            ]
            assert said
            assert record.scores[suite][code].paper == ("".join(str(int(bit)) for bit in bits),)
            assert record.scores[suite][code].rights("strict").count(1) / len(bits) == pytest.approx(measure.value)
    assert len(record.measures[MMLU]["sw"].tasks) == 13
    assert (record.scores[XCOPA_THREE]["sw"].questions, record.scores[BELEBELE_THREE]["en"].questions) == (XCOPA, BELEBELE)
    # a task is left as it was: what is asked next of it does not hang on what was asked before
    (short,) = scorings([TRANSLATE], max_new_tokens=2)
    evaluate(engine, "pocket", model, short, tmp_path / "short")
    (again,) = scorings([TRANSLATE])
    evaluate(engine, "pocket", model, again, tmp_path / "again")
    measured = [
        json.loads((tmp_path / name / "verdicts.json").read_text())["measures"]["sw"]["value"] for name in ("short", "again")
    ]
    assert measured[1] == record.measures[TRANSLATE]["sw"].value != measured[0]


def test_letters_of_our_own_suite_are_found_likely_as_stock_lm_eval_finds_them(
    engine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import lm_eval
    from lm_eval.tasks import TaskManager

    choices = [{"label": label, "text": text} for label, text in zip("ABCDE", ("maji", "river", "7", "tree", "مدرسة"), strict=True)]
    (tmp_path / "xcsqa" / "sw").mkdir(parents=True)
    rows = [{"id": str(n), "answerKey": "ABCDE"[n % 5], "question": {"stem": f"{n}?", "choices": choices}} for n in range(10)]
    (tmp_path / "xcsqa" / "sw" / "dev.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.setenv("XREASON_DATA", str(tmp_path))
    manager, task = TaskManager(include_path=str(TASKS_FOLDER), include_defaults=False), "xcsqa_loglikelihood_sw"
    expected = lm_eval.simple_evaluate(model=engine, tasks=[task], task_manager=manager, bootstrap_iters=0)
    (asked,) = scorings(["xcsqa_loglikelihood"], ["sw"])
    found = evaluate(engine, "pocket", plain_model("pocket"), asked, tmp_path)["sw"]
    said = sorted(expected["samples"][task], key=lambda row: row["doc_id"])
    assert found.paper == ("".join(str(int(row["acc"])) for row in said),)
    assert found.paper[0].count("1") / 10 == expected["results"][task]["acc,none"]


@pytest.fixture
def boards(tasks: Path, tmp_path: Path) -> tuple[list[Any], Path, Record]:
    done = run(plan_scoring(["dummy"], scorings([XCOPA_THREE, TRANSLATE, "pocket"], ["en", "sw", "ta", "zh"], limit=8), tmp_path))
    return done.boards, tmp_path / "score", read_record(tmp_path / "score" / "dummy" / "0" / "record.json")


def test_verdicts_of_0_or_1_have_intervals_and_samples_and_all_else_stands_with_its_own_standard_error(
    boards: tuple[list[Any], Path, Record],
) -> None:
    (xcopa, pocket, translate), folder, record = boards
    assert {code: each.value for code, each in xcopa.rows[0].languages.items()} == {"sw": 0.25, "ta": 0.25, "zh": 0.25}
    assert (xcopa.measure, xcopa.rows[0].rank, pocket.measure) == (None, 1, None)
    assert "3 tasks of lm-eval, asked in prompts of their own: what is right is lm-eval's acc" in " ".join(xcopa.cautions)
    (row,) = translate.rows
    own = record.measures[TRANSLATE]["sw"]
    assert (translate.measure, row.rank, translate.pairs) == ("chrf (higher is better)", None, ())
    assert 100 * row.mean.value == pytest.approx(own.value)
    assert 100 * (row.mean.high - row.mean.value) == pytest.approx(1.959964 * own.standard_error)
    written = (folder / "leaderboard.md").read_text(encoding="utf-8")
    assert "lm-eval:translate\\_sw is chrf (higher is better) as lm-eval reports it, the mean over sw, each with its own" in written
    assert f"{own.value:.1f}" in written
    page = (folder / "leaderboard.html").read_text(encoding="utf-8")
    assert "lm-eval:xcopa" in page
    assert {path.name for path in (folder / "samples").iterdir()} == {
        *(f"lm-eval_xcopa__sw_ta_zh_-{code}.js" for code in ("sw", "ta", "zh")),
        *(f"pocket-{code}.js" for code in ("en", "sw", "zh")),
    }
    json.loads((folder / "leaderboard.json").read_text())


def test_scores_of_lm_evals_tasks_are_found_again_and_rescored_as_they_are(boards: tuple[list[Any], Path, Record]) -> None:
    (first, *_), folder, record = boards
    done, again = rescore(folder)
    assert (done[0].record.scores, done[0].record.measures, done[0].changed) == (record.scores, record.measures, 0)
    assert [board.suite for board in again] == [XCOPA_THREE, "pocket", TRANSLATE]
    assert again[0].rows == first.rows
    (only,) = boards_of([record.model_copy(update={"measures": {}, "scores": {"pocket": record.scores["pocket"]}})])
    assert only.suite == "pocket"


def test_a_record_of_lm_evals_own_measure_alone_is_rescored_as_it_is(tasks: Path, tmp_path: Path) -> None:
    (board,) = run(plan_scoring(["dummy"], scorings([TRANSLATE]), tmp_path)).boards
    record = read_record(tmp_path / "score" / "dummy" / "0" / "record.json")
    assert (record.scores, list(record.measures)) == ({}, [TRANSLATE])
    (done,), (again,) = rescore(tmp_path / "score")
    assert (done.record, done.verdicts, done.changed) == (record, 0, 0)
    assert again == board
    assert read_record(done.folder / "record.json") == record


def test_a_pattern_is_kept_under_a_name_and_taken_out_again(tasks: Path, tmp_path: Path) -> None:
    said = add_lm_eval_suite("choices", "lm-eval:{xcopa_sw,en=belebele_eng_Latn}", "Choices", "")
    try:
        assert "Choices has en: 10 questions\nChoices has sw: 12 questions\n" in said
        assert SUITES["choices"].questions_in("sw") == XCOPA
        assert read_registry(tasks).suites["choices"].lm_eval.pattern == "{xcopa_sw,en=belebele_eng_Latn}"  # type: ignore[union-attr]
        (board,) = run(plan_scoring(["dummy"], scorings(["choices"], ["sw"]), tmp_path)).boards
        assert (board.suite, board.rows[0].languages["sw"].value) == ("choices", 0.25)
    finally:
        remove_suite("choices")
    assert "choices" not in SUITES


def test_patterns_write_out_braces_and_languages_are_read_by_any_usual_tag() -> None:
    assert [name for _, name in parsed("a_{x,y}_{1,2}").names] == ["a_x_1", "a_x_2", "a_y_1", "a_y_2"]
    assert parsed("{en=hellaswag,sw=belebele_swh_Latn}@acc_norm").names == (("en", "hellaswag"), ("sw", "belebele_swh_Latn"))
    assert (parsed("gsm@exact_match/strict-match").metric, parsed("gsm@exact_match/strict-match").filter) == (
        "exact_match",
        "strict-match",
    )
    tags = {
        "swh_Latn": "sw",
        "swa": "sw",
        "eng": "en",
        "zho_Hans": "zh",
        "zho_Hant": "zh_Hant",
        "ben_Latn": "bn_Latn",
        "kor_Hang": "ko",
    }
    assert {tag: language_of(tag) for tag in tags} == tags
    assert [language_of(tag) for tag in ("all", "main", "anatomy", "arc", "")] == [None] * 5


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("", "names nothing"),
        ("xcopa_{sw", "do not close"),
        ("xcopa@", "names nothing"),
        ("klingon=xcopa_sw", "no language"),
        ("xcopa sw", "no name of a task"),
        ("hellaswag", "say it: lm-eval:en=hellaswag"),
        ("xcopa_swh", "did you mean 'xcopa_sw'"),
        ("xcopa_sw@chrf", "no metric of xcopa_sw 'chrf'"),
        ("xcopa_sw@acc/flexible", "no filter of xcopa_sw 'flexible'"),
        ("xcopa_et", "could not be had"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(
    tasks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str, said: str
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    # the index of all of lm-eval's files takes half a minute: here it is that of one folder
    manager = found._manager
    monkeypatch.setattr(found, "_manager", lambda near, own: manager(near or TASKS / "xcopa", own))
    with pytest.raises(UserError, match=said) as raised:
        run(plan_scoring(["dummy"], scorings([f"lm-eval:{pattern}"]), tmp_path))
    assert len(str(raised.value)) <= 400


def test_several_samples_and_servers_that_give_text_alone_are_refused_before_anything_is_asked(tasks: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="choose --samples 1"):
        plan_scoring(["dummy"], scorings([XCOPA_THREE], asking=Asking(samples=2, temperature=0.7)), tmp_path)
    with pytest.raises(UserError, match="a server is asked for text alone"):
        plan_endpoint("http://localhost:9", ["m"], scorings([XCOPA_THREE]), tmp_path)


def test_what_can_change_an_answer_is_in_the_key_and_what_cannot_is_not(tasks: Path, tmp_path: Path) -> None:
    model = Model(name="m", folder=Path(), hash="m", served_as="m")

    def key(suite: str, **asking: Any) -> str:
        (asked,) = scorings([suite], asking=Asking(**asking))
        return plan_score("m", 0, tmp_path, model, model, asked, "server").key

    plain = key(TRANSLATE)
    assert key(TRANSLATE, style="octopus") == plain
    assert len({plain, key(TRANSLATE, style="chat"), key(TRANSLATE, temperature=0.5), key(XCOPA_THREE)}) == 4
    assert suite_of(TRANSLATE).version == "2.0"
    assert find("translate_sw", tasks).generates


def test_the_command_line_says_in_one_sentence_what_is_wrong_with_a_pattern(tasks: Path, xreason: Run) -> None:
    own = ("--tasks", tasks)
    for arguments, said in (
        (("score", "dummy", "--suites", "lm-eval:", *own), "names nothing"),
        (("suite", "add", "mine", "--lm-eval", "hellaswag", *own), "say it: lm-eval:en=hellaswag"),
        (("suite", "add", "mine", "--lm-eval", "xcopa_sw", "--hub", "a/b", *own), "give only --title and --source"),
        (("suite", "add", "mine", *own), "give --title and --source"),
    ):
        done = xreason(*arguments)
        assert (done.returncode, done.stdout) == (2, ""), done.stderr
        assert said in done.stderr
        assert done.stderr.count("\n") == 1, done.stderr
