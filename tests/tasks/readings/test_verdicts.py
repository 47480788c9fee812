"""Verdicts: what counts as right, of one response and of several."""

import pytest

from xreason.tasks.readings.verdicts import Verdicts, verdicts


def strict(text: str, gold: str) -> bool:
    return verdicts([text], gold, "en").strict == (True,)


def test_every_reading_is_judged_once_a_sample() -> None:
    texts = ["Das macht 1.250 + 875 = 2.125 Eier.", "2125", "weiß nicht"]
    assert verdicts(texts, "2,125", "de") == Verdicts(
        paper=(False, True, False),
        strict=(True, True, False),
        answered=(True, True, False),
        metamath=(False, False, False),
        majority_paper=False,
        majority_strict=True,
        majority_metamath=False,
        elected=0,
    )


def test_a_third_is_right_within_the_papers_tolerance() -> None:
    assert strict("0.333", "1/3")
    assert strict("The answer is 1/3.", "0.3333")
    assert not strict("0.332", "1/3")
    assert not strict("8.001", "8.0")
    assert strict("8.0009", "8.0")


def test_no_number_is_no_answer_not_even_to_a_gold_of_zero() -> None:
    read = verdicts(["I do not know."], "0", "en")
    assert (read.paper, read.strict, read.answered) == ((True,), (False,), (False,))
    assert strict("None: 0 apples.", "0")
    assert not strict("18", "none")


@pytest.mark.parametrize(
    ("texts", "language", "gold", "paper", "strict"),
    [
        # two responses without a number read as 0.0, and so do they vote with the papers; with a careful reader they have no vote
        (["no idea", "no idea", "It is 4.", "It is 3.", "Jibu ni 3.0"], "sw", "3", False, True),
        (["no idea", "no idea", "It is 4.", "It is 3.", "Jibu ni 3.0"], "sw", "0", True, False),
        (["It is 4.", "It is 3."], "en", "4", True, True),
        (["It is 4.", "It is 3."], "en", "3", False, False),
        (["?", "!"], "en", "0", True, False),
    ],
)
def test_the_majority_reads_what_most_responses_say_the_first_where_they_tie(
    texts: list[str], language: str, gold: str, paper: bool, strict: bool
) -> None:
    read = verdicts(texts, gold, language)
    assert (read.majority_paper, read.majority_strict) == (paper, strict)
