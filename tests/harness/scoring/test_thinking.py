"""Models that think before they answer: budgets, what was cut off, languages apart, and that records and boards say it."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.harness.scoring.conftest import responses, samples_of
from tests.harness.scoring.thinker import BUDGET, make_thinker
from xreason.harness.cli import options
from xreason.harness.experiment import read_experiment
from xreason.harness.plan import plan_endpoint, plan_scoring
from xreason.harness.scoring.evaluate import evaluate
from xreason.harness.scoring.questions import Asking, Scoring
from xreason.harness.scoring.records import boards_of, record_of
from xreason.harness.scoring.rescore import rescore
from xreason.harness.scoring.samples import samples_of as shown
from xreason.harness.scoring.score import answers_file, score
from xreason.harness.serving.answers import Answers, Budget, answer_of
from xreason.harness.serving.models import Model, plain_model
from xreason.leaderboards.forms.as_csv import boards_csv
from xreason.leaderboards.forms.latex import boards_latex
from xreason.leaderboards.forms.markdown import board_markdown
from xreason.leaderboards.records import Provenance, Record, read_record
from xreason.leaderboards.styles import distinguishing, style_of
from xreason.tasks.errors import UserError
from xreason.tasks.readings.verdicts import parts, split

END = "</think>"
LONGEST = 66  # tokens of a response, or of an answer beside its thinking


def asked(**settings: Any) -> Scoring:
    asking = Asking(style="chat", think_end=END, **settings)
    return Scoring(suite="pocket", languages=("en", "sw"), limit=4, max_new_tokens=LONGEST, asking=asking)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return plain_model(str(make_thinker(tmp_path_factory.mktemp("models") / "thinker")))


@pytest.fixture(scope="module")
def thinking(model: Model) -> Iterator[Any]:
    """A running engine with the thinking model, as a plan with a budget starts it."""
    from xreason.harness.serving import engine

    marks = {"reasoning_start_str": "<think>", "reasoning_end_str": END}
    running = engine.start(model, max_length=512, reasoning_config=marks)
    yield running
    running.stop()


def scored(engine: Any, model: Model, out: Path, **settings: Any) -> tuple[Record, Path]:
    """Returns the record of the model, asked so, and its folder."""
    (task,) = plan_scoring([str(model.folder)], [asked(**settings)], out).rows[0].scores
    score(task, engine, model)
    folder = task.folder.parent.parent
    return record_of([task], folder, model), folder


def test_cut_off_thinking_cut_off_answering_and_wrong_are_three_things(thinking: Any, model: Model, tmp_path: Path) -> None:
    record, folder = scored(thinking, model, tmp_path)
    english, swahili = record.scores["pocket"]["en"], record.scores["pocket"]["sw"]
    # as it was trained: right, endless thinking, an endless answer, wrong; and in Swahili endless thinking last
    assert (english.strict, english.cut_off) == (("1000",), ("0110",))
    assert (english.cut_off_thinking, english.cut_off_answering) == (("0100",), ("0010",))
    assert (swahili.strict, swahili.cut_off_thinking, swahili.cut_off_answering) == (("1100",), ("0001",), ("0010",))
    assert english.missed("strict") == {"cut_off_thinking": "0100", "cut_off_answering": "0010", "wrong": "0001"}
    # the second thinks in English and answers in Swahili; what never ended its thinking has no answer to tell
    assert (english.thinking_in_language, english.in_language) == (("1111",), ("1-11",))
    assert (swahili.thinking_in_language, swahili.in_language) == (("1011",), ("111-",))
    assert swahili.right_in_language("strict") == "1100"
    assert swahili.right_in_language("strict", thinking=True) == "1000"
    # samples keep both parts, with the mark that the template wrote; the page shows them apart
    said = responses(folder / "scores" / record.folders["pocket"], "pocket_sw")
    assert all(each.startswith("<think>") for (each,) in said)
    assert [END in each for (each,) in said] == [True, True, True, False]
    (board,) = boards_of([record], reading="strict")
    first = next(shown(board, [(folder, record)])).questions[0].responses[0]
    assert first is not None
    assert (first.thinking or "").endswith(END)
    assert END not in first.text

    (row,) = board.rows
    assert row.mean_misses is not None
    shares = [row.mean, row.mean_misses.cut_off_thinking, row.mean_misses.cut_off_answering, row.mean_misses.wrong]
    assert [each.value for each in shares] == [3 / 8, 2 / 8, 2 / 8, 1 / 8]
    assert row.mean_in_language is not None
    assert row.mean_in_language_thinking is not None
    assert (row.mean_in_language.value, row.mean_in_language_thinking.value) == (3 / 8, 2 / 8)
    for written in (board_markdown([board]), boards_csv([board]), boards_latex([board])):
        assert "thinking cut off" in written.replace("\\", " ")
    assert row.style.words == f"zero-shot chat, greedy, thinking ends at {END}"
    rescore(folder)
    assert read_record(folder / "record.json") == record


def test_thinking_has_a_budget_of_its_own_and_the_answer_follows(thinking: Any, model: Model, tmp_path: Path) -> None:
    record, folder = scored(thinking, model, tmp_path, thinking_tokens=BUDGET)
    english, swahili = record.scores["pocket"]["en"], record.scores["pocket"]["sw"]
    # the second of English and the last of Swahili were ended at their budget; the one is right then, the other is not
    assert (english.strict, swahili.strict) == (("1100",), ("1100",))
    assert (english.cut_off_thinking, swahili.cut_off_thinking) == (("0100",), ("0001",))
    assert (english.cut_off_answering, swahili.cut_off_answering) == (("0010",), ("0010",))
    assert english.missed("strict") == {"cut_off_thinking": "0000", "cut_off_answering": "0010", "wrong": "0001"}
    assert swahili.missed("strict") == {"cut_off_thinking": "0001", "cut_off_answering": "0010", "wrong": "0000"}
    # the line break after the mark is thinking as vLLM counts it; an answer has all its tokens however long it thought
    texts = [text for code in ("en", "sw") for (text,) in responses(folder / "scores" / record.folders["pocket"], f"pocket_{code}")]
    thought = [len(thinking.tokenizer(split(text, END)[0].removeprefix("<think>")).input_ids) - 1 for text in texts]
    assert max(thought) == BUDGET - 1
    assert thought[1] == thought[7] == BUDGET - 1
    # as vLLM's own tokens tell it: a text cut in two has other tokens
    spent = [each for task in ("pocket_en", "pocket_sw") for each in thinking.tokens[task, 2]]
    assert [tokens - thinks for tokens, thinks in spent] == [LONGEST, LONGEST]
    assert record.provenance.thinking_tokens == BUDGET
    assert style_of(record.provenance).words.endswith(f"thinking ends at {END}, after {BUDGET} tokens")
    rescore(folder)
    assert read_record(folder / "record.json") == record


def test_a_scoring_with_a_budget_goes_on_where_it_was(
    thinking: Any, model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (task,) = plan_scoring([str(model.folder)], [asked(thinking_tokens=BUDGET)], tmp_path).rows[0].scores
    keep = Answers.keep

    def killed(self: Answers, *said: Any) -> None:
        keep(self, *said)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Answers, "keep", killed)
        score(task, thinking, model)
    assert answers_file(task, model).read_bytes().count(b"\n") == 1
    gone_on, _ = scored(thinking, model, tmp_path, thinking_tokens=BUDGET)
    at_once, _ = scored(thinking, model, tmp_path / "at-once", thinking_tokens=BUDGET)
    assert gone_on.scores == at_once.scores


def test_what_the_chat_template_is_told_reaches_the_prompt_key_and_name(thinking: Any, model: Model, tmp_path: Path) -> None:
    told = [{}, {"enable_thinking": False}]
    tasks = [plan_scoring([str(model.folder)], [asked(chat_args=each)], tmp_path).rows[0].scores[0] for each in told]
    assert len({task.key for task in tasks}) == len({task.folder for task in tasks}) == 2
    evaluate(thinking, "thinker", model, tasks[1].scoring, tmp_path / "out")
    prompts = [sample["arguments"]["gen_args_0"]["arg_0"] for sample in samples_of(tmp_path / "out", "pocket_en")]
    assert all(prompt.endswith("<think>\n</think>\n") for prompt in prompts)
    # thinking that the prompt has ended is in no response
    assert not any(text.startswith("<think>") for (text,) in responses(tmp_path / "out", "pocket_en"))
    with pytest.raises(UserError, match="does not read enable_thinkng, so that it changes nothing"):
        evaluate(thinking, "thinker", model, asked(chat_args={"enable_thinkng": False}), tmp_path / "wrong")
    with pytest.raises(UserError, match=r"has no tokens \[THINK\] and \[/THINK\], so that its thinking has no budget"):
        another = Asking(style="chat", think_end="[/THINK]", thinking_tokens=8)
        evaluate(thinking, "thinker", model, asked().model_copy(update={"asking": another}), tmp_path / "wrong")


def test_without_them_a_score_has_the_key_that_it_had_before() -> None:
    identity = Scoring(suite="pocket", languages=("en",), limit=2, max_new_tokens=8).identity()
    settings = {"style": "alpaca", "shots": 0, "worked_examples": "drawn", "samples": 1, "temperature": 0.0}
    told = settings | {"top_p": None, "top_k": None, "min_p": None, "system": None}
    assert identity["asking"] == [told, Asking().prompt.hash]


@pytest.mark.parametrize(
    ("response", "thinking", "answer"),
    [
        ("<think>a b</think>\n c", "a b", "c"),
        ("a</think> c", "a", "c"),  # as lm-eval has it: what stands after the last mark
        ("a</think>b</think>c", "a b", "c"),
        ("c", "", "c"),
        ("<think>a", "a", ""),  # lm-eval would read it
        ("<think>a</think>b<think>c", "a c", "b"),
    ],
)
def test_the_answer_is_what_stands_after_the_last_mark(response: str, thinking: str, answer: str) -> None:
    from lm_eval.models.utils import postprocess_generated_text

    document = {"style": "chat", "language": "en", "think_end": END}
    assert parts(response, document) == (thinking, answer)
    assert "".join(split(response, END)) == response
    if "<think>" not in response.rpartition(END)[2]:
        assert postprocess_generated_text(response, None, END) == answer
    other = {name: value.replace("think", "seed:think") for name, value in document.items()}
    assert parts(response.replace("think", "seed:think"), other) == (thinking, answer)


def test_stops_are_looked_for_in_the_answer_alone() -> None:
    document = {"style": "metamath", "language": "en", "think_end": END}
    assert parts("Question: why? </think> It is 7. Question: next", document) == ("Question: why?", "It is 7. ")


@pytest.mark.parametrize(
    ("prompt", "tokens", "ended", "kept"),
    [
        ([5, 1], [6, 6, 2, 7, 0], False, 5),  # the prompt begins to think; token 1 begins, 2 ends it
        ([5, 1], [6, 6, 6, 2, 7, 0], True, 6),
        ([5, 1, 9], [6, 6, 2, 7, 0], True, 5),  # what the prompt thought counts
        ([5], [1, 6, 6, 6, 2, 7, 7, 7, 0], True, 7),
        ([5, 1, 2], [7, 7, 7], False, 2),
        ([5], [7, 1, 6, 2, 7, 0], False, 5),
    ],
)
def test_budgets_are_counted_as_vllm_counts_them(prompt: list[int], tokens: list[int], ended: bool, kept: int) -> None:
    text = " ".join(map(str, tokens))
    said = SimpleNamespace(text=text, finish_reason="stop", token_ids=tokens)
    answer = answer_of(said, (1, 2), prompt, Budget(3, 2), lambda tokens: " ".join(map(str, tokens)))
    cut = kept < len(tokens)
    assert answer[:3] == (" ".join(map(str, tokens[:kept])), "length" if cut else "stop", kept)
    assert answer.thinking_ended == ended


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"chat_args": {"enable_thinking": False}}, "uses no chat template to tell enable_thinking; choose --prompt chat"),
        ({"style": "chat", "chat_args": {"tokenize": True}}, "no argument for a chat template"),
        ({"style": "chat", "chat_args": {"enable thinking": True}}, "no argument for a chat template"),
        ({"style": "chat", "chat_args": {"enable_thinking": "off"}}, "give true or false"),
        ({"think_end": " "}, "is empty"),
        ({"thinking_tokens": 8}, "needs the marks around it"),
        ({"thinking_tokens": 8, "think_end": "<|final|>"}, "needs the marks around it"),
        ({"thinking_tokens": 0, "think_end": END}, "from 1 to"),
    ],
)
def test_what_cannot_be_thought_is_a_sentence(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says):
        Asking(**settings)


def test_chat_args_are_read_as_yaml_from_flags_and_files(tmp_path: Path) -> None:
    told = {"enable_thinking": False, "reasoning_effort": "low", "depth": 3}
    assert options.chat_args(["enable_thinking=false", "reasoning_effort=low", "depth=3"]) == told
    for wrong in ("enable_thinking", "a=[1]", "a={b: 1}"):
        with pytest.raises(UserError, match="--chat-arg"):
            options.chat_args([wrong])
    path = tmp_path / "a.yaml"
    path.write_text("base: b\nmethods: [slam]\nprompt: chat\nchat_args: {depth: 3}\nthink_end: </think>\nthinking_tokens: 64\n")
    asking = read_experiment(path, {"chat_args": {"enable_thinking": True}}).asking()
    assert asking.thinking == {"chat_args": {"depth": 3, "enable_thinking": True}, "think_end": END, "thinking_tokens": 64}
    assert Asking.retold({**asking.told(), "data": {}}) == asking
    path.write_text("base: b\nmethods: [slam]\nthinking_tokens: 64\n")
    with pytest.raises(UserError, match=r"a\.yaml, line 3: A budget for thinking needs"):
        read_experiment(path, {})


def test_styles_are_told_apart_by_how_models_think() -> None:
    ways = [{}, {"think_end": END}, {"think_end": END, "thinking_tokens": 512}]
    told = [Asking(style="chat", chat_args={"enable_thinking": False}, **way).told() for way in ways]
    blank: dict[str, Any] = {"model": "m", "model_hash": "h", "data": {}, "max_new_tokens": {}, "limit": None, "commit": ""}
    blank |= {"machine": "", "date": "", "versions": {}, "suite_versions": {}, "identifier": ""}
    styles = [style_of(Provenance.model_validate({**blank, **each})) for each in told]
    assert [distinguishing(style, styles) for style in styles] == [
        "thinking not told apart",
        f"thinking ends at {END}",
        f"thinking ends at {END}, after 512 tokens",
    ]
    assert styles[2].words == f"zero-shot chat, greedy, enable_thinking=false, thinking ends at {END}, after 512 tokens"


def test_a_servers_thinking_has_no_budget_and_that_is_said(tmp_path: Path) -> None:
    scoring = Scoring(suite="pocket", languages=("en",), limit=2, max_new_tokens=8)
    asking = Asking(think_end=END, thinking_tokens=8)
    with pytest.raises(UserError, match="leave out --thinking-tokens"):
        plan_endpoint("http://127.0.0.1:9", [], [scoring.model_copy(update={"asking": asking})], tmp_path)
