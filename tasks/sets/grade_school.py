r"""Sets of word problems whose answers are numbers.

MGSM-Rev2 (Peter et al., arXiv 2511.05162) is MGSM with 22 (en) to 52 (te) questions of a language translated anew; no gold differs.

    Janets Enten legen 16 Eier pro Tag. Sie isst drei zum Frühstück ...    18

AfriMGSM (Adelani et al., arXiv 2406.03368) is MGSM in sixteen African languages, English and French, and Vai. Its `answer` is empty
in the test split, so the gold is `answer_number`, as lm-eval has it.

MNumGLUESub (She et al., arXiv 2401.06838; NJUNLP/MAPO, NumGLUE_test_multi_genen_collect.json) is a part of NumGLUE in the
ten languages of MathOctopus, all in one JSON array, each question in MathOctopus's frame, which names the language:

    {"prompt": "... in Swahili. Please answer in Swahili.\n\n### Instruction:\nNina ...\n\n### Response:", "answer": 8.0}
"""

import re
from collections.abc import Sequence
from typing import Any

from xreason.tasks.languages import LANGUAGES, PAPER_LANGUAGES
from xreason.tasks.sets.source import Row, Source

MGSM = Source("juletxara/mgsm", "mgsm/mgsm_{language}.tsv", "question", "answer_number", "mgsm/exemplars.jsonl")

# the hub's is a copy by others; the authors' own is thomasZen/MGSM-Rev2 on GitHub
MGSM_REV2 = Source("lightonai/mgsm-rev2", "mgsm_rev2/mgsm_{language}.tsv", "question", "answer_number")

# broken translations: in Bengali one of four questions, in Thai one of five
MSVAMP = Source("Mathoctopus/MSVAMP", "msvamp/{language}.jsonl", "m_query", "response", repeats={"bn": 3, "th": 4})


def _as_lm_eval_asks(cells: Sequence[Any], language: str) -> Row:
    """lm-eval's afrimgsm (0.4.13), direct, the first of its five prompts."""
    question, gold = cells
    return {"question": question, "answer": str(gold), "language": language, "published": f"Question: {question}\nAnswer:"}


AFRIMGSM = Source(
    "masakhane/afrimgsm",
    "afrimgsm/{spelled}.jsonl",
    "question",
    "answer_number",
    configs={
        **{"am": "amh", "en": "eng", "ee": "ewe", "fr": "fra", "ha": "hau", "ig": "ibo", "rw": "kin", "ln": "lin", "lg": "lug"},
        **{"om": "orm", "sn": "sna", "st": "sot", "sw": "swa", "ak": "twi", "wo": "wol", "xh": "xho", "yo": "yor", "zu": "zul"},
    },
    repeats=None,
    make=_as_lm_eval_asks,
)

_IN_LANGUAGE = re.compile(rf"\bPlease answer in ({'|'.join(LANGUAGES[code].english for code in PAPER_LANGUAGES)})\b")
_QUESTION = re.compile(r"### Instruction:\n(.*?)\n\n### Response:", re.DOTALL)
_CODES = {LANGUAGES[code].english: code for code in PAPER_LANGUAGES}


def _out_of_the_frame(cells: Sequence[Any], language: str) -> Row | None:
    prompt, gold = cells
    said, question = (_IN_LANGUAGE.search(str(prompt)), _QUESTION.search(str(prompt)))
    if said is None or question is None:
        raise ValueError("the prompt names no language, or holds no instruction")
    if _CODES[said[1]] != language:
        return None
    return {"question": question[1].strip(), "answer": str(gold), "language": language, "published": str(prompt)}


MNUMGLUESUB = Source(
    None,
    "mnumgluesub/NumGLUE_test_multi_genen_collect.json",
    "prompt",
    "answer",
    repeats=None,
    make=_out_of_the_frame,
    fetch="https://github.com/NJUNLP/MAPO, Evaluation/Benchmarks",
)
