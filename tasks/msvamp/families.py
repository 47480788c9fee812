"""Which questions of MSVAMP vary the same problem: families, which are right or wrong together.

MSVAMP's thousand questions are SVAMP's, which its authors made by varying about a hundred problems, one after the other: "Julia
played tag with 18 kids on Monday ..." is asked in twenty-one ways. No column says so. The rule: a question starts a family unless
it shares with one of the three before it 35 % of its English words' weight, or of that question's, if less. A word weighs the
logarithm of how few of the questions have it. What was found by it is `SIZES`, so that no English set is needed to know it.

Doubtful: four neighbours share between 25 and 50 %. Problems that stand apart are never one family, though some tell much the same
story of other people (Bobby's candy and Paco's cookies, two busses, two collections).
"""

import math
import re
from collections import Counter
from collections.abc import Sequence

#: How many questions each family of MSVAMP has, in the order of the set: `sizes_of` the thousand questions in English.
# fmt: off
SIZES = (
    21, 11, 16, 15, 7, 21, 15, 16, 11, 12, 11, 9, 13, 17, 9, 17, 16, 20, 16, 26, 13, 14, 9, 15, 13, 16, 6, 22, 23, 8, 14, 9,
    20, 7, 12, 11, 11, 29, 6, 9, 15, 6, 8, 21, 10, 18, 8, 10, 6, 7, 5, 5, 9, 4, 6, 14, 9, 14, 9, 6, 12, 6, 8, 6, 5, 2, 14,
    10, 6, 6, 5, 6, 7, 9, 9, 5, 8, 10, 9, 7, 7, 9, 7, 4, 6, 7, 6, 8, 6, 4, 4, 4, 3, 4, 3, 3, 4, 3, 2,
)
# fmt: on


def sizes_of(questions: Sequence[str]) -> tuple[int, ...]:
    """Returns how many questions each family has, by the rule above, given all questions of a set in English."""
    words = [set(re.findall("[a-z]+", question.lower())) for question in questions]
    having = Counter(word for each in words for word in each)

    def weight(of: set[str]) -> float:
        return math.fsum(math.log(len(questions) / having[word]) for word in of)

    def akin(one: set[str], other: set[str]) -> bool:
        return weight(one & other) >= 0.35 * min(weight(one), weight(other))

    starts = [place for place, own in enumerate(words) if not any(akin(own, each) for each in words[max(0, place - 3) : place])]
    return tuple(end - start for start, end in zip(starts, [*starts[1:], len(questions)], strict=True))


#: The family of each question of MSVAMP, in the order of the set, counted from 0.
FAMILIES = tuple(family for family, size in enumerate(SIZES) for _ in range(size))
