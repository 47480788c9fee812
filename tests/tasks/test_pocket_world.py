"""The pocket world: what is held out is held out, and its texts say the same in every language."""

import re

import pytest

from xreason.tasks.pocket import world
from xreason.tasks.suites import SUITES

NUMBER = re.compile(r"\d+")


def test_every_language_has_the_whole_test_set() -> None:
    for code in world.LANGUAGES:
        rows = SUITES["pocket"].rows(code)
        assert len({row["question"] for row in rows}) == len(rows) == world.TEST_SIZE == 250
        assert {row["language"] for row in rows} == {code}


def test_question_i_is_the_same_problem_in_every_language() -> None:
    english = SUITES["pocket"].rows("en")
    for code in world.LANGUAGES:
        for ours, theirs in zip(SUITES["pocket"].rows(code), english, strict=True):
            assert ours["answer"] == theirs["answer"]
            assert NUMBER.findall(ours["question"]) == NUMBER.findall(theirs["question"])


def test_a_language_that_the_world_lacks_is_an_error() -> None:
    with pytest.raises(KeyError):
        SUITES["pocket"].rows("te")


def test_test_problems_are_the_same_in_every_process() -> None:
    # written down here: a changed test set must be a new version of the suite
    assert world.test_problems()[0] == world.Problem("give", "Vera Lin", "Rosa Mutua", "cup", (6, 5))
    assert world.test_problems() == world.test_problems()


def test_test_problems_use_only_held_out_people_and_counts() -> None:
    problems = world.test_problems()
    assert {name for problem in problems for name in (problem.first, problem.second)} <= set(world.TEST_PEOPLE)
    assert not set(world.TEST_PEOPLE) & set(world.TRAINING_PEOPLE)
    counts = {(problem.situation, problem.item, problem.numbers) for problem in problems}
    assert len(counts) == 250
    assert counts == {(situation, *count) for situation in world.SITUATIONS for count in world.held_out(situation)}


@pytest.mark.parametrize("seed", [0, 1, 7])
def test_training_problems_share_neither_people_nor_counts_with_the_test(seed: int) -> None:
    held_out = {(problem.situation, problem.item, problem.numbers) for problem in world.test_problems()}
    for problem in world.training_problems(5000, seed):
        assert problem.first not in world.TEST_PEOPLE
        assert problem.second not in world.TEST_PEOPLE
        assert (problem.situation, problem.item, problem.numbers) not in held_out


def test_two_people_of_a_problem_have_different_given_names() -> None:
    for problem in (*world.test_problems(), *world.training_problems(1000, 0)):
        assert problem.first.split()[0] != problem.second.split()[0]


def test_training_problems_are_different_and_a_larger_count_extends_a_smaller() -> None:
    problems = world.training_problems(1000, 3)
    assert len(set(problems)) == 1000
    assert world.training_problems(100, 3) == problems[:100]
    assert world.training_problems(100, 4) != problems[:100]


@pytest.mark.parametrize("code", world.LANGUAGES)
def test_the_gold_is_the_last_number_of_every_rationale(code: str) -> None:
    for problem in (*world.test_problems(), *world.training_problems(500, 0)):
        rationale = problem.rationale(code)
        assert int(NUMBER.findall(rationale)[-1]) == problem.answer > 0
        assert rationale.startswith(problem.question(code))
        assert "{" not in rationale


def test_counted_things_are_always_in_the_plural() -> None:
    assert all(min(problem.numbers) >= 2 for problem in world.training_problems(2000, 0))


def test_names_need_no_elision() -> None:
    assert all(name[0] not in "AEIOUHY" for name in (*world.TRAINING_PEOPLE, *world.TEST_PEOPLE))
