"""What samples are worth, and which pairs follow."""

import pytest

from xreason.harness.preferring.judging import Question, identified, judged, pairs_of
from xreason.tasks.errors import UserError
from xreason.tasks.prompts import alpaca
from xreason.trainers.corpora.examples import Example
from xreason.trainers.stages import Samples

ROW = Example(alpaca("Rosa hat 5 Bälle und Juma hat 12. Wie viele haben sie?"), "5 + 12 = 17. Die Antwort ist 17.", "de")
GERMAN = "Zusammen haben die beiden Kinder also siebzehn Bälle. Die Antwort ist 17."
ENGLISH = "Together the two children have seventeen balls. The answer is 17."
WRONG = "Zusammen haben die beiden Kinder also achtzehn Bälle. Die Antwort ist 18."
#: The papers read its last number, 3; a careful reader what it declares.
AMBIGUOUS = "Die Antwort ist 17. Das ist Frage 3."


def question(*texts: str, cut_off: tuple[str, ...] = ()) -> Question:
    return judged(ROW, [(text, text not in cut_off) for text in texts], "alpaca")


def made(asked: Question, told: Samples, seed: int = 0) -> set[tuple[str, str | None]]:
    pairs = pairs_of(asked, told, seed)
    assert all((pair.prompt, pair.language) == (ROW.prompt, "de") for pair in pairs)
    return {(pair.response, pair.rejected) for pair in pairs}


def test_right_is_preferred_to_wrong_each_text_once() -> None:
    asked = question(GERMAN, WRONG, GERMAN, ENGLISH)
    assert [sample.right for sample in asked.samples] == [True, False, True]
    assert made(asked, Samples("right")) == {(GERMAN, WRONG), (ENGLISH, WRONG)}


def test_what_the_readings_disagree_on_makes_no_pair() -> None:
    asked = question(AMBIGUOUS, WRONG, GERMAN)
    assert [sample.right for sample in asked.samples] == [None, False, True]
    assert made(asked, Samples("right")) == {(GERMAN, WRONG)}
    unsure = judged(Example(ROW.prompt, AMBIGUOUS, "de"), [(GERMAN, True), (WRONG, True)], "alpaca")
    assert (unsure.gold, pairs_of(unsure, Samples("right"), 0)) == ("", [])


def test_what_was_cut_off_is_never_chosen_but_may_be_rejected() -> None:
    assert made(question(GERMAN, WRONG, cut_off=(GERMAN,)), Samples("right")) == set()
    assert made(question(GERMAN, WRONG, cut_off=(WRONG,)), Samples("right")) == {(GERMAN, WRONG)}


def test_right_and_in_language_is_preferred_to_what_is_not_both() -> None:
    (asked,) = identified([question(GERMAN, ENGLISH, WRONG, "17")])
    assert [sample.in_language for sample in asked.samples] == [True, False, True, None]
    assert made(asked, Samples("language")) == {(GERMAN, ENGLISH), (GERMAN, WRONG)}


def test_a_language_that_cannot_be_told_is_one_sentence() -> None:
    row = Example(ROW.prompt, ROW.response, "my")
    with pytest.raises(UserError, match=r"Whether a response is in .* cannot be told here; leave my out, or set pairs: right\.$"):
        identified([judged(row, [(GERMAN, True)], "alpaca")])


def test_at_most_so_many_pairs_are_drawn_by_the_seed() -> None:
    asked = question(*(f"{GERMAN}{' ' * number}" for number in range(4)), *(f"{WRONG}{' ' * number}" for number in range(4)))
    every = made(asked, Samples("right"))
    drawn = [made(asked, Samples("right", most=3), seed) for seed in (0, 0, 1)]
    assert len(every) == 16
    assert [len(each) for each in drawn] == [3, 3, 3]
    assert drawn[0] == drawn[1] != drawn[2]
    assert all(each <= every for each in drawn)
