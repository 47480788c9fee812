r"""PolyMath (Wang et al., arXiv 2504.18428): problems of four levels, from primary school to olympiads, in eighteen languages.

    {"id": "medium-sw-0", "question": "Katika $\\triangle ABC$, ikiwa $(a+c)...", "answer": "$\\frac{\\pi}{3}$"}

A language's score is DW-ACC: with accuracies a_low, a_medium, a_high and a_top, (1 a_low + 2 a_medium + 4 a_high + 8 a_top) / 15
(QwenLM/PolyMath, eval/run_eval.py, fbf4e41, which rounds each to one place first). The levels have 125 questions each, so a
question weighs what its level does. They are asked by turns, low-0, medium-0, high-0, top-0, low-1 ..., so that a limit takes as
many of each.

What its authors put to a model is the question and a note in its language (polymath.json, from their instruction.py, byte for byte:
the backslashes before the braces are theirs), in the model's chat template. How the two are joined they do not say; here by a line
break. They read the first box of the answer.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xreason.tasks.sets.source import Row, Source

#: Level to what each of its questions weighs.
LEVELS = {"low": 1, "medium": 2, "high": 4, "top": 8}

#: The weight of each question, in the order in which they are asked.
WEIGHTS = (*LEVELS.values(),) * 125

#: Language code to the note behind each question.
NOTES: dict[str, str] = json.loads((Path(__file__).parent / "polymath.json").read_text(encoding="utf-8"))


def _with_note(cells: Sequence[Any], language: str) -> Row:
    question, gold, name = cells
    if str(name).partition("-")[0] not in LEVELS:
        raise ValueError(f"its id {name!r} begins with no level")
    asked = f"{question}\n{NOTES[language]}"
    return {
        **{"question": question, "answer": gold, "language": language, "id": str(name), "boxed": "first"},
        **{"instruction": asked, "published": asked, "weight": LEVELS[str(name).partition("-")[0]]},
    }


POLYMATH = Source(
    "Qwen/PolyMath",
    "polymath/{language}/{part}.jsonl",
    "question",
    "answer",
    # of the high level in Chinese two questions are one, and of the top level in Indonesian, each time under two golds
    repeats={"zh": 1, "id": 1},
    split="{part}",
    # a form feed stands where \frac lost its backslash and f, in all but the last, which asks "1"
    broken=frozenset(
        f"{level}-{code}-{number}"
        for level, number, codes in (
            ("high", 36, "bn en es it ms te th"),
            ("medium", 43, "ar id pt"),
            ("medium", 94, "zh"),
            ("top", 45, "ar bn de en it ja ko ms te zh"),
            ("high", 112, "ms"),
        )
        for code in codes.split()
    ),
    parts=(*LEVELS,),
    more=("id",),
    make=_with_note,
    kind="expression",
)
