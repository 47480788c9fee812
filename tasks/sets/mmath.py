r"""MMATH (Luo et al., arXiv 2505.19126): 374 competition problems from four sources in ten languages.

    {"question": "Every morning Aya goes for a $9$-kilometer-long walk ...", "answer": "204", "data_source": "AIME2024", "gid": 0}

A language's score is the plain mean over the accuracies of the four sources (XZhang00/M-Thinker, eval_tools/MMATH/cal-MMATH-acc.py,
01f9beb; the authors' own code stops at verdicts), so that a question weighs the reciprocal of how many its source has.

What its authors put to a model is the question and a request in its language (mmath.json, from their mmath_eval.py, 8796b04, byte
for byte), in the model's chat template; four samples at a temperature of 0.6 and top_p 0.95. They read the last box.
"""

import json
from collections.abc import Sequence
from math import lcm
from pathlib import Path
from typing import Any

from xreason.tasks.sets.source import Row, Source

#: The sources, and how many questions each has, in the order of the set.
SOURCES = {"AIME2024": 30, "AIME2025": 15, "CNMO": 18, "MATH500": 311}

_WEIGHT_OF = {source: lcm(*SOURCES.values()) // count for source, count in SOURCES.items()}

#: The weight of each question, in the order of the set: all of a source weigh as much as all of another.
WEIGHTS = tuple(_WEIGHT_OF[source] for source, count in SOURCES.items() for _ in range(count))

#: Language code to the request behind each question.
REQUESTS: dict[str, str] = json.loads((Path(__file__).parent / "mmath.json").read_text(encoding="utf-8"))


def _with_request(cells: Sequence[Any], language: str) -> Row:
    question, gold, name, source = cells
    if source not in _WEIGHT_OF:
        raise ValueError(f"its data_source {source!r} is none of {', '.join(SOURCES)}")
    asked = f"{question}\n{REQUESTS[language]}"
    return {
        **{"question": question, "answer": gold, "language": language, "id": f"{source}-{name}", "boxed": "last"},
        **{"instruction": asked, "published": asked, "weight": _WEIGHT_OF[source]},
    }


MMATH = Source(
    None,
    "mmath/{language}.json",
    "question",
    "answer",
    # 80 and 199 are one question in Arabic, under two golds
    repeats={"ar": 1},
    more=("gid", "data_source"),
    make=_with_request,
    kind="expression",
    fetch="https://github.com/RUCAIBox/MMATH, mmath",
)
