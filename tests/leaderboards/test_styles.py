"""How a model was asked, in words: nothing that changes its answers is left out of a style's name."""

import pytest

from tests.leaderboards.conftest import provenance
from xreason.leaderboards.styles import Style, distinguishing, style_of

PLAIN = style_of(provenance(prompt="native-cot", shots=8))


@pytest.mark.parametrize(
    ("changes", "plain", "changed"),
    [
        ({"worked_examples": "first"}, "8-shot", "8-shot, the first"),
        ({"system": "Think."}, "no system", "system 'Think.'"),
        ({"system": "Think.\n" * 9}, "no system", "system 'Think. Think. Think. Thi…' (abe36b)"),
        ({"samples": 2, "temperature": 0.7, "sampling": {"top_p": 0.9}}, "greedy", "2 samples at temperature 0.7, top_p 0.9"),
    ],
)
def test_what_changes_answers_is_in_the_name(changes: dict[str, object], plain: str, changed: str) -> None:
    other = style_of(provenance(prompt="native-cot", shots=8, **changes))
    assert other != PLAIN
    assert [distinguishing(style, [PLAIN, other]) for style in (PLAIN, other)] == [plain, changed]


def test_styles_that_differ_in_nothing_need_no_name() -> None:
    assert distinguishing(PLAIN, [PLAIN, PLAIN]) == ""
    assert (PLAIN.written_prompt, PLAIN.written_shots, PLAIN.decoding) == ("native-cot", "8-shot", "greedy")


def test_bounds_and_the_system_instruction_are_in_the_words_of_a_board() -> None:
    style = Style("chat", "4b1d", 0, 8, 0.7, bounds=(("top_k", 50),), system="Think.")
    assert style.written_prompt == "chat with the system instruction 'Think.'"
    assert style.sampling == "sampling: n = 8, temperature 0.7, top_k 50"
