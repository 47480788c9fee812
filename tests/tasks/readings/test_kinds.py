"""Verdicts on answers that are no numbers: expressions and choices."""

from xreason.tasks.protocol import score
from xreason.tasks.readings.verdicts import Verdicts, all_verdicts, what_is_read


def test_each_kind_of_answer_is_read_by_its_own_readings_in_one_batch() -> None:
    documents = [
        {"answer": "18", "language": "sw"},
        {"answer": r"$\frac{1}{2}$", "language": "sw", "kind": "expression", "boxed": "first"},
        {"answer": "B", "language": "sw", "kind": "choice", "choices": ["gari", "kitabu", "nyumba"]},
    ]
    texts = [["Jibu ni 18.", "17"], [r"\boxed{0.5}, sio \boxed{3}", "?"], ["The answer is (B).", "(C)"]]
    number, expression, choice = all_verdicts(texts, documents)
    assert (number.strict, number.metamath) == ((True, False), (False, False))
    assert expression == Verdicts((True, False), (False, False), (True, False), None, True, False, None, 0)
    assert choice == Verdicts((True, False), (True, False), (True, True), None, True, True, None, 0)


def test_lm_eval_is_told_the_metrics_of_the_kind_alone() -> None:
    document = {"style": "alpaca", "language": "en", "answer": "B", "kind": "choice", "choices": ["red", "blue"]}
    assert score(document, [["The answer is (B).", "It is (A)."]]) == {"paper": 0.5, "strict": 0.5, "answered": 1.0}


def test_what_is_read_is_told_for_people_by_the_kind_of_answer() -> None:
    boxed = "So \\boxed{\\frac{1}{2}}, or \\boxed{3}."
    assert what_is_read(boxed, {"kind": "expression", "language": "en", "boxed": "first"}) == ("\\frac{1}{2}", "\\frac{1}{2}, 3")
    chosen = {"kind": "choice", "language": "en", "choices": ["a cat", "a dog"]}
    assert what_is_read("The answer is (B).", chosen) == ("B", "B")
    assert what_is_read("", chosen) == (None, None)
    assert what_is_read("12 eggs. The answer is 1,250.50.", {"language": "en"}) == ("1250.5", "1250.5")
    assert what_is_read("none", {"language": "en"}) == ("0", None)
