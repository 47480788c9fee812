r"""MathOctopus's GSM8KInstruct_Parallel: GSM8K problems with rationales in ten languages (Chen et al., arXiv 2310.20246).

A row: {"prompt": "... completes the request in Swahili. Please answer in Swahili.\n\n### Instruction:\nWeng anapata $12 kwa
saa ...\n\n### Response:", "chosen": "..."}. No id ties it to its English original, so pairs are aligned (alignment.py).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from xreason.tasks.errors import UserError
from xreason.tasks.languages import LANGUAGES
from xreason.trainers.corpora.alignment import align, number_signature

HUB_ID = "Mathoctopus/GSM8KInstruct_Parallel"
FOLDER = "gsm8kinstruct_parallel"
COLUMNS = ("prompt", "chosen")

_CODES = {language.english: language.code for language in LANGUAGES.values()}
_IN_LANGUAGE = re.compile(rf"\bin ({'|'.join(_CODES)})\b")
_QUESTION = re.compile(r"Instruction:\n(.*?)(?:\n\s*\n|\Z)", re.DOTALL)


@dataclass(frozen=True)
class Problem:
    """One problem in one language; its rationale ends with the answer."""

    question: str
    rationale: str
    prompt: str = ""  #: the question in MathOctopus's own frame, and below its rationale, as the row has them
    chosen: str = ""


def problems_by_language(rows: Iterable[Mapping[str, str]], where: str) -> dict[str, list[Problem]]:
    """Returns the problems of each language (by its code), in the order of the file, or hub id, that `where` names in errors.

    Raises:
        UserError: a row names no language, or has no instruction.
    """
    grouped: dict[str, list[Problem]] = {}
    for number, row in enumerate(rows, start=1):
        language = _IN_LANGUAGE.search(row["prompt"].partition("Instruction:\n")[0])
        question = _QUESTION.search(row["prompt"])
        if language is None or question is None:
            raise UserError(f"{where}, row {number} has no known language or no instruction in its prompt; is it {HUB_ID}?")
        problem = Problem(question.group(1).strip(), row["chosen"].strip(), row["prompt"], row["chosen"])
        grouped.setdefault(_CODES[language.group(1)], []).append(problem)
    return grouped


def pair_with_english(problems: Sequence[Problem], english: Sequence[Problem]) -> tuple[list[tuple[Problem, Problem]], int]:
    """Returns the certain pairs (problem, its English original), and how many problems have none."""
    left, right = ([number_signature(f"{each.question}\n{each.rationale}") for each in side] for side in (problems, english))
    pairs = align(left, right)
    return [(problems[own], english[original]) for own, original in pairs], len(problems) - len(pairs)
