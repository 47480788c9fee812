"""Rewards: what those of the box give, and those that packages bring."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from xreason.tasks.errors import UserError
from xreason.tasks.rewards import named
from xreason.tasks.rewards.completions import Completion, correct, gold_in, in_language, length
from xreason.tasks.rewards.named import list_rewards, load_rewards, versions_of

SWAHILI = "Anna ana maapulo matatu na ananunua manne mengine sokoni leo asubuhi."


@pytest.fixture
def brought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Returns a function that installs a package with these rewards, as pip leaves one."""

    def bring(code: str, name: str = "others", **rewards: str) -> None:
        (tmp_path / f"{name}_rewards.py").write_text(code)
        told = tmp_path / f"{name}-1.0.dist-info"
        told.mkdir()
        (told / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        lines = (f"{reward} = {name}_rewards:{function}\n" for reward, function in rewards.items())
        (told / "entry_points.txt").write_text("[xreason.rewards]\n" + "".join(lines))
        # another path each time, as the list of what is installed is kept for one
        monkeypatch.syspath_prepend(str(tmp_path))

    return bring


@pytest.mark.parametrize(
    ("response", "right"),
    [
        ("3 + 4 = 7. The answer is 7.", 1.0),
        ("3 + 4 = 8. The answer is 8.", 0.0),
        ("The answer is 7. There are 12 of them, and 5 more.", 0.0),  # the papers' reading takes the last number
        ("", 0.0),
    ],
)
def test_correct_is_what_both_readings_find_right(response: str, right: float) -> None:
    assert correct(Completion("3 + 4?", response, "7", "en")) == right


def test_a_question_without_a_gold_answer_has_no_right_one() -> None:
    assert gold_in("3 + 4 = 7. The answer is 7.", "en") == "7"
    assert gold_in("It cannot be said.", "en") == ""
    assert correct(Completion("?", "0", "", "en")) == 0


def test_in_language_is_told_by_the_identifier_and_nothing_of_too_few_letters() -> None:
    assert [in_language(Completion("?", text, "7", "sw")) for text in (SWAHILI, "She has seven apples in all today.", "7.")] == [
        1,
        0,
        0,
    ]
    with pytest.raises(UserError, match="Whether a response is in te-x cannot be told here"):
        in_language(Completion("?", SWAHILI, "7", "te-x"))


def test_length_is_trl_s_soft_overlong_punishment_with_dapo_s_buffer() -> None:
    theirs = pytest.importorskip("trl.rewards").get_soft_overlong_punishment(100, 20)
    for tokens in (1, 79, 80, 81, 90, 99, 100):
        mine = length(Completion("?", "", "", "en", tokens=tokens, max_tokens=100))
        assert mine == pytest.approx(theirs(completion_ids=[[0] * tokens])[0])


def test_those_in_the_box_are_listed_and_a_package_s_beside_them(brought: Callable[..., None]) -> None:
    brought('def short(completion):\n    """Less is more."""\n    return -len(completion.response)\n', terse="short")
    assert [(each["reward"], each["package"]) for each in list_rewards()] == [
        *((name, "xreason") for name in ("correct", "in_language", "length")),
        ("terse", "others 1.0"),
    ]
    assert list_rewards()[-1]["description"] == "Less is more."
    assert load_rewards(["terse"])["terse"](Completion("?", "four", "", "en")) == -4
    assert versions_of(["terse", "correct"]).keys() == {"terse", "correct", "trl"}
    assert versions_of(["terse"])["terse"] == "others 1.0"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            "def f(completion):\n    return completion.answer\n",
            r"Reward 'bad' \(others_rewards:f\) failed \(AttributeError: .*others 1.0",
        ),
        ("def f(completion):\n    return float('nan')\n", r"Reward 'bad' .* gave nan"),
        ("import nowhere\n", r"Reward 'bad' .* cannot be imported \(ModuleNotFoundError"),
    ],
)
def test_one_that_fails_is_named_with_its_package(brought: Callable[..., None], code: str, said: str) -> None:
    sys.modules.pop("others_rewards", None)
    brought(code, bad="f")
    with pytest.raises(UserError, match=said):
        load_rewards(["bad"])["bad"](Completion("?", "", "", "en"))


def test_a_mistyped_name_is_answered_with_the_nearest_and_two_of_a_name_with_both(brought: Callable[..., None]) -> None:
    with pytest.raises(UserError, match=r"corect.*correct"):
        load_rewards(["corect"])
    brought("def f(completion):\n    return 0\n", "some", correct="f")
    with pytest.raises(UserError, match=r"completions:correct \(xreason\) and some_rewards:f \(some 1.0\) all call themselves"):
        load_rewards(["correct"])
    assert named.GROUP == "xreason.rewards"
