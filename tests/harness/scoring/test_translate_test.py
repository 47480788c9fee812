"""Translate-test: questions put into English are asked as English ones are, read as these, and kept beside what they were."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from lm_eval.api.model import LM

from tests.harness.scoring.conftest import samples_of
from xreason.harness.plan import Plan
from xreason.harness.rows import Row, Translator
from xreason.harness.run import run
from xreason.harness.scoring import questions
from xreason.harness.scoring.evaluate import evaluate
from xreason.harness.scoring.questions import Asking, Scoring, scorings
from xreason.harness.scoring.rescore import rescore
from xreason.harness.scoring.samples import samples_of as shown_samples
from xreason.harness.scoring.score import plan_score, score
from xreason.harness.scoring.translating.translate import Translate, plan_translation, read_translations, translate
from xreason.harness.scoring.verdicts import read_again, read_scores
from xreason.harness.serving.answers import Answer
from xreason.harness.serving.dummy import Dummy, said
from xreason.harness.serving.models import Model, dummy_model
from xreason.leaderboards.records import LanguageScore, read_record
from xreason.tasks.errors import UserError
from xreason.tasks.suites import SUITES


class Reader(LM):  # type: ignore[misc]
    """A model whose answer hangs on every letter of its prompt, and on nothing else: it is right where a hash of that is even."""

    tokenizer_name = "reader"

    def __init__(self) -> None:
        super().__init__()
        self.tokenizer = SimpleNamespace(chat_template="yes")
        self.tokens: dict[tuple[str, int], list[tuple[int, None]]] = {}
        self.prompts: list[str] = []

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        self.tokens = {(each.task_name, each.doc_id): [(7, None)] for each in requests}
        self.prompts += [each.args[0] for each in requests]
        return [self._said(each) for each in requests]

    def _said(self, request: Any) -> str:
        even = hashlib.sha256(request.args[0].encode()).digest()[0] % 2 == 0
        return said(request.doc, str(request.doc["answer"])) if even else "The answer is: 987654321"

    def chat_template(self, chat_template: bool | str = False) -> str:
        return "yes"

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        return "".join(f"<{each['role']}>{each['content']}" for each in chat_history)

    def loglikelihood(self, requests: list[Any]) -> list[tuple[float, bool]]:
        raise NotImplementedError

    loglikelihood_rolling = loglikelihood


class Monotone(Reader):
    """One that makes the same of every text."""

    def _said(self, request: Any) -> str:
        return " Question: In response to an instruction, who counts 3? The Response was 4.\n"


READER = Model(name="reader", folder=Path(), hash="reader", served_as="reader")


def translated(folder: Path, scoring: Scoring, by: Model | None = None, lm: Any = None) -> Translate:
    task = plan_translation("oracle", 0, folder, by or dummy_model(), by or dummy_model(), scoring, "none")
    translate(task, lm or Dummy(), by or dummy_model())
    return task


def scored(folder: Path, scoring: Scoring, step: Translate | None, lm: Any) -> dict[str, LanguageScore]:
    task = plan_score("row", 0, folder, READER, READER, scoring, "none", translate=step, of="row" if step else "")
    score(task, lm, READER)
    return read_scores(task.folder, SUITES[scoring.suite])


EXAMPLES = Asking(style="native-cot", shots=2, worked_examples="first")
ASKED = [("pocket", Asking()), ("pocket", Asking(style="chat"))] + [("mgsm", EXAMPLES)] * ("XREASON_DATA" in os.environ)


@pytest.mark.parametrize(("suite", "asking"), ASKED, ids=lambda said: getattr(said, "style", said))
def test_right_translations_give_exactly_the_english_accuracy_in_every_language(tmp_path: Path, suite: str, asking: Asking) -> None:
    (scoring,) = scorings([suite], ["en", "sw", "de"], limit=40, asking=asking)
    plain = scored(tmp_path / "plain", scoring, None, Reader())
    assert len({score.paper for score in plain.values()}) == len(plain)  # asked as they are, the languages differ
    step, lm = translated(tmp_path, scoring), Reader()
    found = scored(tmp_path / "translated", scoring, step, lm)
    for code, each in found.items():
        for reading in ("paper", "strict", "metamath", "answered"):
            assert getattr(each, reading) == getattr(plain["en"], reading), (code, reading)
        # the questions are those that others are asked
        assert each.questions_hash == plain[code].questions_hash
    # English ones are asked as they are, and every other is the very same prompt
    assert len(set(lm.prompts)) == 40


def test_samples_keep_both_texts_and_are_read_again_as_they_were(tmp_path: Path) -> None:
    (scoring,) = scorings(["pocket"], ["en", "sw"], limit=3)
    step = translated(tmp_path, scoring)
    task = plan_score("row", 0, tmp_path, READER, READER, scoring, "none", translate=step, of="row")
    score(task, Reader(), READER)
    suite = SUITES["pocket"]
    for number, sample in enumerate(samples_of(task.folder, "pocket_sw")):
        assert sample["doc"]["question"] == suite.rows("sw")[number]["question"]
        assert sample["doc"]["translation"] == suite.rows("en")[number]["question"]
        assert sample["arguments"]["gen_args_0"]["arg_0"].count(sample["doc"]["translation"]) == 1
    assert "translation" not in samples_of(task.folder, "pocket_en")[0]["doc"]
    before = read_scores(task.folder, suite)
    assert read_again(task.folder, suite) == before


class Speaker(Reader):
    """One that answers at length, in English."""

    def _said(self, request: Any) -> str:
        return "There were twelve apples on the table, and five of them were eaten by the children. The answer is 7."


def test_an_english_answer_is_not_in_the_language_of_the_question_that_was_put_into_english(tmp_path: Path) -> None:
    (scoring,) = scorings(["pocket"], ["en", "sw"], limit=3)
    found = scored(tmp_path / "row", scoring, translated(tmp_path, scoring), Speaker())
    assert (found["en"].in_language, found["sw"].in_language) == (("111",), ("000",))


class Mortal(Monotone):
    """One that keeps its answers as our engine does, and dies when it has given so many of its own."""

    def __init__(self, lives: int) -> None:
        super().__init__()
        self.lives = lives
        self.answers: Any = None

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        return [self._kept(each.args[0]) for each in requests]

    def _kept(self, prompt: str) -> str:
        known = self.answers.known(prompt, "greedy")
        if known is not None:
            return str(known[0].text)
        if not self.lives:
            raise KeyboardInterrupt
        self.lives -= 1
        self.prompts.append(prompt)
        text = f"of {len(self.prompts)}"
        self.answers.keep(prompt, "greedy", [Answer(text, "stop", 7)])
        return text


def test_translations_that_an_interrupt_cut_short_go_on_where_they_were(tmp_path: Path) -> None:
    (scoring,) = scorings(["pocket"], ["en", "sw"], limit=5)
    first, second = Mortal(3), Mortal(9)
    with pytest.raises(KeyboardInterrupt):
        translated(tmp_path, scoring, READER, first)
    step = plan_translation("oracle", 0, tmp_path, READER, READER, scoring, "none")
    assert not step.is_done()
    translated(tmp_path, scoring, READER, second)
    assert step.is_done()
    assert (len(first.prompts), len(second.prompts)) == (3, 2)
    assert not {*first.prompts} & {*second.prompts}
    told = [each.text for each in read_translations(step.folder).languages["sw"]]
    assert told == ["of 1", "of 2", "of 3", "of 1", "of 2"]
    assert [each.name for each in step.folder.parent.iterdir()] == [step.folder.name]


def test_the_key_of_a_translation_is_of_all_that_can_change_it_and_so_is_that_of_a_score(tmp_path: Path) -> None:
    def key(by: Model = READER, dtype: str = "none", engine: Mapping[str, Any] = {}, **asked: Any) -> str:
        (scoring,) = scorings(["pocket"], asked.pop("languages", ["sw"]), **{"limit": 3, **asked})
        return plan_translation("by", 0, tmp_path, by, by, scoring, dtype, engine=engine).key

    other = READER.model_copy(update={"hash": "other"})
    keys = [
        *(key(), key(by=other), key(dtype="bfloat16"), key(engine={"quantization": "fp8"}), key(languages=["de"])),
        *(key(limit=4), key(max_new_tokens=7), key(asking=Asking(style="chat"))),
    ]
    assert len({*keys}) == len(keys)
    # the same is asked for whatever style the question is answered in
    assert key(asking=Asking(style="metamath")) == key()
    (scoring,) = scorings(["pocket"], ["sw"], limit=3)
    steps = [None, *(plan_translation("by", 0, tmp_path, each, each, scoring, "none") for each in (READER, other))]
    scores = [plan_score("row", 0, tmp_path, READER, READER, scoring, "none", translate=step, of="row") for step in steps]
    assert len({each.key for each in scores}) == 3
    assert [each.needs for each in scores] == [(), *((step.folder,) for step in steps if step)]


def test_what_translating_took_is_counted_and_english_takes_none(tmp_path: Path) -> None:
    (scoring,) = scorings(["pocket"], ["en", "sw"], limit=4)
    step = translated(tmp_path, scoring, READER, Reader())
    assert {code: len(each) for code, each in read_translations(step.folder).languages.items()} == {"sw": 4}
    found = scored(tmp_path / "row", scoring, step, Reader())
    assert (found["en"].translation_tokens, found["sw"].translation_tokens) == (0, 28)
    assert (found["en"].tokens, found["sw"].tokens) == (28, 28)
    assert scored(tmp_path / "plain", scoring, None, Reader())["sw"].translation_tokens is None


def test_a_model_is_asked_to_translate_as_the_training_text_asks(tmp_path: Path) -> None:
    (scoring,) = scorings(["pocket"], ["de"], limit=1)
    lm = Reader()
    translated(tmp_path, scoring, READER, lm)
    question = SUITES["pocket"].rows("de")[0]["question"]
    assert (
        f"### Instruction:\nTranslate the following sentences from German to English. {question}\n\n### Response:" in lm.prompts[0]
    )
    (chat,) = scorings(["pocket"], ["de"], limit=1, asking=Asking(style="chat"))
    translated(tmp_path / "chat", chat, READER, lm)
    assert lm.prompts[1].startswith("<user>Translate the following sentences from German to English. ")


@pytest.mark.parametrize("style", ["native-cot", "metamath"])
def test_a_translation_is_read_as_it_was_asked_for_whatever_style_its_question_is_answered_in(tmp_path: Path, style: str) -> None:
    (scoring,) = scorings(["pocket"], ["sw"], limit=1, asking=Asking(style=style))
    step = translated(tmp_path, scoring, READER, Monotone())
    (told,) = read_translations(step.folder).languages["sw"]
    assert told.text == "Question: In response to an instruction, who counts 3? The Response was 4."


def test_worked_examples_and_the_dummy_s_translations_are_english_ones_and_of_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: dict[str, list[tuple[str, ...]]] = {"_exemplar_hashes": [], "_question_hashes": []}
    for name, languages in read.items():
        usual = getattr(questions, name)

        def noted(suite: str, codes: tuple[str, ...], *more: int, usual: Any = usual, into: Any = languages) -> Any:
            into.append(codes)
            return usual(suite, codes, *more)

        monkeypatch.setattr(questions, name, noted)
    (scoring,) = scorings(["mgsm"], ["sw", "de"], limit=2, asking=Asking(style="native-cot", shots=2))
    step = plan_translation("dummy", 0, tmp_path, dummy_model(), dummy_model(), scoring, "none")
    plan_score("row", 0, tmp_path, READER, READER, scoring, "none", translate=step, of="row")
    plan_translation("row", 0, tmp_path, READER, READER, scoring, "none")
    assert read == {"_exemplar_hashes": [("en",)] * 3, "_question_hashes": [("en", "sw", "de"), ("sw", "de"), ("sw", "de")]}


def test_where_a_set_has_no_english_the_dummy_has_nothing_to_translate_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SUITES, "pocket", replace(SUITES["pocket"], languages=("de", "sw"), mean_over=None))
    (scoring,) = scorings(["pocket"], ["sw"], limit=2)
    with pytest.raises(
        UserError, match="has not all of its questions in English, which dummy takes for translations; name a model"
    ):
        plan_translation("dummy", 0, tmp_path, dummy_model(), dummy_model(), scoring, "none")
    assert plan_translation("row", 0, tmp_path, READER, READER, scoring, "none").key


def test_a_model_translates_alike_whoever_was_asked_before_it(tmp_path: Path) -> None:
    (scoring,) = scorings(["pocket"], ["sw"], limit=1, asking=Asking(style="chat"))
    lm: Any = Monotone()
    # as another row may have left the engine
    lm.chat_template_args, lm.enable_thinking, lm.think_end, lm.think_end_token = {"mode": "long"}, True, "</think>", "</think>"
    translated(tmp_path, scoring, READER, lm)
    assert (lm.chat_template_args, lm.enable_thinking, lm.think_end, lm.think_end_token) == ({}, None, None, None)
    lm.tokenizer.chat_template = None
    with pytest.raises(UserError, match="oracle has no chat template"):
        translated(tmp_path / "other", scoring, READER, lm)
    lm.max_length = 10
    (plain,) = scorings(["pocket"], ["sw"], limit=1)
    with pytest.raises(UserError, match="takes 10 tokens, and a response to"):
        translated(tmp_path / "room", plain, READER, lm)


def test_suites_that_ask_more_than_a_question_are_refused(tmp_path: Path) -> None:
    (scoring,) = scorings(["xcsqa"], ["sw"])
    with pytest.raises(UserError, match="asks more than a plain question"):
        plan_translation("base", 0, tmp_path, dummy_model(), dummy_model(), scoring, "none")


def test_its_row_stands_on_the_board_with_what_its_use_costs(tmp_path: Path) -> None:
    model, asked = dummy_model(), scorings(["pocket"], ["en", "sw"], limit=8)
    base = Row(name="base", seed=0, folder=tmp_path / "x" / "base" / "0", base=model, model=model)
    by = Translator(name="base", seed=0, folder=base.folder, base=model, model=model)
    row = base.model_copy(update={"name": "translate-test", "folder": tmp_path / "x" / "t" / "0", "translator": by, "of": "base"})
    plan = Plan(folder=tmp_path / "x", rows=tuple(each.asked(asked, "auto", {}) for each in (base, row)))
    (board,) = run(plan).boards
    named = {each.method: each for each in board.rows}
    assert named["translate-test"].name == "translate-test (base asked in English, translated by itself)"
    assert named["translate-test"].gain is not None
    assert (named["base"].rank, named["translate-test"].models_in_use) == (None, 1)
    told = read_record(row.folder / "record.json").provenance.translate_test
    assert told is not None
    assert (told.of, told.translator) == ("base", "base")
    assert "models in use" in (tmp_path / "x" / "leaderboard.md").read_text()
    assert "translate-test" in json.dumps(json.loads((tmp_path / "x" / "leaderboard.json").read_text()))
    again = run(plan)
    assert again.boards[0].rows == board.rows
    # its samples are read anew as they were, and shown with what was asked in the question's place
    _, (reread,) = rescore(tmp_path / "x")
    assert reread.rows == board.rows
    records = [(each.folder, read_record(each.folder / "record.json")) for each in plan.rows]
    english, swahili = shown_samples(board, records)
    assert [[each.asked for each in question.responses if each] for question in english.questions] == [[None, None]] * 8
    asked_for = [[each.asked for each in question.responses if each] for question in swahili.questions]
    assert asked_for == [[None, row["question"]] for row in SUITES["pocket"].rows("en")[:8]]


def test_nothing_of_it_stands_on_a_board_without_such_a_row(tmp_path: Path) -> None:
    model = dummy_model()
    row = Row(name="base", seed=0, folder=tmp_path / "x" / "base" / "0", base=model, model=model)
    run(Plan(folder=tmp_path / "x", rows=(row.asked(scorings(["pocket"], ["en"], limit=4), "auto", {}),)))
    assert "in use" not in (tmp_path / "x" / "leaderboard.md").read_text()


def test_evaluate_asks_what_it_always_did_where_nothing_is_translated(tmp_path: Path) -> None:
    (scoring,) = scorings(["pocket"], ["sw"], limit=2)
    lm = Reader()
    evaluate(lm, "row", READER, scoring, tmp_path)
    assert all(SUITES["pocket"].rows("sw")[number]["question"] in prompt for number, prompt in enumerate(lm.prompts))
