r"""X-CSQA (Lin et al. 2021, arXiv 2106.06937): questions of common sense with five choices, in 16 languages by machine.

    {"id": "d3845adc08414fda", "lang": "en", "question": {"stem": "The dental office handled ...", "choices":
     [{"label": "A", "text": "town"}, ...]}, "answerKey": "C"}

The test split has no golds: the validation split, of 1,000 questions, is what papers evaluate. The questions stand in another
order in every language, and the choices of a question too, so that its gold is another letter: rows are put in the order of their
ids, and each language's letters are its own. On the hub Japanese is called jap.

What is put to a model is CONE-MT/MindMerger's prompt (mindmerger_tools/prompts.py, 3848918), byte for byte; SLAM (arXiv 2501.03681)
puts a text of its own, which is not published, in Alpaca's frame, and reads "The answer is (B).".
"""

from collections.abc import Sequence
from typing import Any

from xreason.tasks.sets.own import options_of
from xreason.tasks.sets.source import Row, Source, with_options


def _with_choices(cells: Sequence[Any], language: str) -> Row:
    stem, gold, name, told = cells
    labels, texts = options_of(told)
    if labels != list("ABCDE")[: len(labels)]:
        raise ValueError("its choices are not texts labelled A, B, C, ...")
    asked = with_options(stem, texts)
    return {
        **{"question": stem, "answer": gold, "language": language, "id": str(name), "choices": texts},
        **{"instruction": asked, "published": f"{asked}\nAnswer:"},
    }


XCSQA = Source(
    "INK-USC/xcsr",
    "xcsqa/{spelled}/dev.jsonl",
    "question.stem",
    "answerKey",
    configs={"ja": "jap"},
    config="X-CSQA-{spelled}",
    repeats=None,
    split="validation",
    more=("id", "question.choices"),
    make=_with_choices,
    kind="choice",
    by_id=True,
)
