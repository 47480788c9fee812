"""Self-consistency: each question is answered several times, and what most responses say stands on the board as the answer."""

import csv
import io
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.harness.scoring.conftest import samples_of
from xreason.harness.rows import Row
from xreason.harness.scoring.questions import Asking, Scoring, scorings
from xreason.harness.scoring.records import RECORD_FILE, record_of, write_boards
from xreason.harness.scoring.rescore import rescore
from xreason.harness.scoring.samples import samples_of as shown_samples
from xreason.harness.scoring.samples import write_board_page
from xreason.harness.scoring.score import score
from xreason.harness.serving.dummy import Dummy
from xreason.harness.serving.models import dummy_model
from xreason.leaderboards.board import Board
from xreason.leaderboards.contenders import voted
from xreason.leaderboards.forms.terminal import board_tables
from xreason.leaderboards.records import Record, read_record
from xreason.tasks.errors import UserError
from xreason.tasks.readings.verdicts import all_verdicts, said
from xreason.trainers.combining.declared import SelfConsistency
from xreason.trainers.combining.self_consistency import self_consistency

#: Of each question in turn, what five responses say: the right answer ("r"), one of two wrong ones ("a", "b"), or nothing.
SCRIPT = ("rarrb", "abrar", "..r.a", "arrbr", ".....")
#: By the strict reading: of as many votes the answer given first wins, and silence has none; and which response gave it first.
MAJORITY, ELECTED = "10110", (0, 0, 2, 1, 0)
VOTE = self_consistency(samples=5)


class Talker(Dummy):
    """A model that says what the script has for each question, sample by sample; each response is of nine tokens."""

    def __init__(self, script: Sequence[str] = SCRIPT, mark: str = "") -> None:
        super().__init__()
        self.script, self.mark = script, mark

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        self.tokens: dict[tuple[str, int], list[tuple[int, None]]] = {}
        self.cut_off: dict[tuple[str, int], list[bool]] = {}
        return [self._next(each) for each in requests]

    def _next(self, request: Any) -> str:
        place, script = (request.task_name, request.doc_id), self.script[request.doc_id % len(self.script)]
        turn = script[len(self.tokens.setdefault(place, [])) % len(script)]
        self.tokens[place].append((9, None))
        self.cut_off.setdefault(place, []).append(turn == ".")
        told = {"r": str(request.doc["answer"]), "a": "111111", "b": "222222"}.get(turn)
        return f"{self.mark}{said(request.doc, told) if told else 'I cannot tell.'}"


def row(folder: Path, scoring: Scoring, how: SelfConsistency | None) -> Row:
    model, way = dummy_model(), {"voting": how, "of": "base"} if how else {}
    name = f"vote-{how.samples}" if how else "base"
    made = Row(name=name, seed=0, folder=folder / name / "0", base=model, model=model, **way)  # type: ignore[arg-type]
    return made.asked([scoring], "auto", {})


def answered(made: Row, lm: Any) -> Record:
    (task,) = made.scores
    score(task, lm, made.base)
    return record_of(made.scores, made.folder, made.base)


def compared(folder: Path, *hows: SelfConsistency | None) -> Board:
    """Returns the written board of the model, asked greedily for None, and of votes over what it says."""
    (scoring,) = scorings(["pocket"], ["en", "sw"], limit=5)
    rows = [row(folder, scoring, how) for how in hows]
    records = [answered(each, Talker(SCRIPT if each.voting else [turns[1] for turns in SCRIPT])) for each in rows]
    (board,) = write_boards(records, folder)
    write_board_page([board], [(each.folder, record) for each, record in zip(rows, records, strict=True)], folder)
    return board


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Board]:
    folder = tmp_path_factory.mktemp("votes") / "x"
    return folder, compared(folder, None, VOTE)


def test_the_box_has_it_as_published() -> None:
    plain = self_consistency()
    assert (plain.of, plain.samples, plain.temperature, plain.top_k) == ("base", 40, 0.7, None)
    assert "2203.11171" in plain.source


def test_most_responses_decide_of_a_tie_the_first_and_silence_has_no_vote(done: tuple[Path, Board]) -> None:
    record = read_record(done[0] / "vote-5" / "0" / RECORD_FILE)
    assert record.provenance.self_consistency is not None
    assert (record.provenance.samples, record.provenance.temperature) == (5, 0.7)
    for found in record.scores["pocket"].values():
        assert (found.majority_strict, found.elected) == (MAJORITY, ELECTED)
        # to the papers' reading, silence says 0
        assert found.majority_paper == "10010"
        # all that was said is kept
        assert found.strict == tuple("".join("01"[turns[place] == "r"] for turns in SCRIPT) for place in range(5))
        chosen = voted(found)
        assert (chosen.strict, chosen.answered, chosen.cut_off) == ((MAJORITY,), ("11110",), ("00001",))


def test_every_kind_of_answer_is_voted_for_by_what_it_says_and_not_by_how_it_is_written() -> None:
    half = {"question": "?", "answer": r"\frac{1}{2}", "language": "en", "kind": "expression"}
    letter = {"question": "?", "answer": "B", "language": "en", "kind": "choice", "choices": ["red", "blue"]}
    number = {"question": "?", "answer": "1080", "language": "en"}
    texts = [
        [r"\boxed{3}", r"\boxed{3}", r"\boxed{0.5}", r"\boxed{\frac{2}{4}}", r"\boxed{1/2}"],
        ["The answer is (A).", "The answer is (B).", "So it is blue."],
        ["The answer is 7.", "The answer is 1,080.", "The answer is 1080.0."],
    ]
    found = all_verdicts(texts, [half, letter, number])
    assert [(each.majority_strict, each.elected) for each in found] == [(True, 2), (True, 1), (True, 1)]


def test_the_row_stands_beside_greedy_ones_by_its_vote_and_its_name_says_how(done: tuple[Path, Board]) -> None:
    base, vote = done[1].rows
    assert vote.name == "vote-5 (base, majority of 5 at temperature 0.7)"
    assert (base.rank, vote.rank, base.style, vote.sampling) == (None, 1, vote.style, None)
    assert vote.gain is not None
    # by the papers' reading the greedy model is right once, the vote twice; strictly the vote is three times
    assert (base.mean.value, vote.mean.value, vote.mean_by_other_reading.value) == pytest.approx((0.2, 0.4, 0.6))
    assert vote.gain.value == pytest.approx(0.2)
    # how responses look is of all that were given
    assert (vote.mean_tokens, vote.mean_responses.answered) == pytest.approx((9, 17 / 25))


def test_what_a_question_takes_in_all_is_a_column_of_its_own_in_every_form(done: tuple[Path, Board]) -> None:
    folder, board = done
    assert [(each.tokens_in_use, each.models_in_use) for each in board.rows] == [(9, 1), (45, 1)]
    told = json.loads((folder / "leaderboard.json").read_text())["boards"][0]["rows"][1]
    assert (told["tokens_in_use"], told["models_in_use"]) == (45, 1)
    forms = {name: (folder / f"leaderboard.{name}").read_text() for name in ("md", "csv", "tex", "html")}
    forms["terminal"] = terminal(board)
    assert "| cost of use |" in forms["md"].splitlines()[2]
    assert "| 45 tokens 1 model |" in forms["md"].splitlines()[5]
    written = list(csv.DictReader(io.StringIO(forms["csv"])))
    assert [(each["cost of use"], each["models in use"]) for each in written] == [("9", "1"), ("45", "1")]
    assert r"\shortstack[r]{cost\\of use}" in forms["tex"]
    for name in ("tex", "html", "terminal"):
        assert "45 tokens" in forms[name], name
        assert "1 model" in forms[name], name


def terminal(board: Board) -> str:
    console = Console(width=80, file=io.StringIO(), record=True)
    console.print(board_tables([board]))
    return console.export_text()


def test_no_form_of_a_board_without_such_a_row_has_it(tmp_path: Path) -> None:
    board = compared(tmp_path / "x", None)
    written = [path.read_text() for path in (tmp_path / "x").glob("leaderboard.*")]
    for text in (*written, terminal(board)):
        assert not {each for each in ("cost of use", "Cost of use", "models in use", "_in_use") if each in text}
    assert len(written) == 5


def test_the_samples_keep_all_responses_and_the_page_shows_the_one_that_was_voted_for(done: tuple[Path, Board]) -> None:
    folder, board = done
    place = folder / "vote-5" / "0"
    said_here = [len(each["resps"][0]) for each in samples_of(place, "pocket_sw")]
    assert said_here == [5] * 5
    shown = next(shown_samples(board, [(place, read_record(place / RECORD_FILE))]))
    assert shown.columns == [board.rows[1].name]
    assert ["".join("01"[each.strict] for question in shown.questions for each in question.responses if each)] == [MAJORITY]
    third = shown.questions[2].responses[0]
    assert third is not None
    assert third.strict_read == shown.questions[2].gold


def test_reading_it_again_changes_nothing(done: tuple[Path, Board]) -> None:
    folder, _ = done
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert {each.changed for each in rescore(folder)[0]} == {0}
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_votes_of_several_sizes_stand_side_by_side(tmp_path: Path) -> None:
    hows = [replace(VOTE, samples=3), replace(VOTE, samples=5, top_k=40)]
    board = compared(tmp_path / "x", None, *hows)
    assert {each.name: each.tokens_in_use for each in board.rows} == {
        "base": 9,
        "vote-3 (base, majority of 3 at temperature 0.7)": 27,
        "vote-5 (base, majority of 5 at temperature 0.7, top_k 40)": 45,
    }


def test_whatever_can_change_a_response_is_in_the_key(tmp_path: Path) -> None:
    (scoring,) = scorings(["pocket"], ["en"], limit=5)
    other = [{"samples": 6}, {"temperature": 0.8}, {"top_p": 0.9}, {"top_k": 40}, {"min_p": 0.1}]
    hows = [VOTE, *(replace(VOTE, **each) for each in other), replace(VOTE, source="another")]
    keys = [row(tmp_path, scoring, how).scores[0].key for how in hows]
    assert len({*keys}) == 6
    assert keys[0] == keys[-1]


def test_thinking_has_no_vote(tmp_path: Path) -> None:
    (scoring,) = scorings(["pocket"], ["en"], limit=5, asking=Asking(style="chat", think_end="</think>"))
    record = answered(row(tmp_path, scoring, VOTE), Talker(mark="<think>The answer is: 111111</think>"))
    assert record.scores["pocket"]["en"].majority_strict == MAJORITY
    assert len(voted(record.scores["pocket"]["en"]).cut_off_thinking or ()) == 1


def test_it_votes_in_suites_of_choices_and_of_expressions_too(tmp_path: Path) -> None:
    for suite in ("xcsqa", "polymath") if "XREASON_DATA" in os.environ else ():
        (scoring,) = scorings([suite], ["sw"], limit=1)
        record = answered(row(tmp_path / suite, scoring, VOTE), Talker(["r"]))
        assert record.scores[suite]["sw"].majority_strict == "1"


def test_what_it_cannot_stand_beside_or_vote_over_is_a_sentence(tmp_path: Path) -> None:
    (sampled,) = scorings(["pocket"], ["en"], asking=Asking(samples=2, temperature=0.5))
    with pytest.raises(UserError, match="samples for itself; leave out temperature"):
        row(tmp_path, sampled, VOTE)
    (likely,) = scorings(["xcsqa_loglikelihood"], ["sw"])
    with pytest.raises(UserError, match="votes over answers that are generated and read here, not over"):
        row(tmp_path, likely, VOTE)
    for wrong, says in (
        ({"samples": 1}, "a whole number from 2"),
        ({"temperature": 0}, "a number above 0"),
        ({"top_p": 2}, "up to 1"),
    ):
        with pytest.raises(UserError, match=says):
            self_consistency(**wrong)  # type: ignore[arg-type]
