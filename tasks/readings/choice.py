r"""Letters of a choice: what SLAM's own script counts (arXiv 2501.03681), and what a careful reader does.

>>> paper_choice("The answer is (B). It is not (C).")
'B'
>>> choice_reading("Jibu ni (B) kitabu.", "sw", ["gari", "kitabu", "nyumba"])
'B'
"""

import re
from collections.abc import Sequence

#: The letters of a question's options, in their order.
LETTERS = "ABCDEFGHIJ"

_PAPER = re.compile(r"The answer is \((.)\)\.")
_LETTER = re.compile(r"\(([A-J])\)|(?<!\w)([A-J])(?=[.):]|\s*\Z)|\\boxed\{([A-J])\}")


def paper_choice(text: str) -> str | None:
    r"""Returns what the first "The answer is (B)." of `text` holds, any one character, or None where there is none.

    Source: fmm170/SLAM, evaluate_xcsqa-wyl/eval2statistic.py (6236809), which counts no phrase and any other letter as wrong.
    """
    said = _PAPER.search(text)
    return said[1] if said else None


def choice_reading(text: str, language: str, choices: Sequence[str]) -> str | None:
    """Returns the letter of the option that a careful reader takes for the answer of `text`, or None where there is none.

    Args:
        text: the response, any string.
        language: the language that it was asked in, by its ISO 639 code.
        choices: the options' own texts in the order of their letters, at most ten.
    """
    found = _LETTER.findall(text)
    letter = "".join(found[-1]) if found else None
    return letter if letter and letter in LETTERS[: len(choices)] else None
