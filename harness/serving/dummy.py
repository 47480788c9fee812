r"""The dummy model: it answers every question at once, right or wrong by a rule. No weights, no engine.

    xreason score dummy --suites mgsm,msvamp

The number of a question in its task says how it is answered, from 0 on: right, wrong, with nothing, with something hostile, and
again. Of n questions, (n + 3) // 4 are right. So it is with log-likelihoods: the right choice of every fourth is the likely one.
A fault in the data, in a reading or in a board is found by it before any engine starts.

This module imports lm-eval: import it only where questions are really asked.
"""

import logging
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from lm_eval.api.model import LM

from xreason.tasks.readings.choice import LETTERS
from xreason.tasks.readings.verdicts import kind_of, said

#: How questions are answered, by turns; the board's accuracies are shares of these.
TURNS = ("right", "wrong", "empty", "hostile")

#: What is the answer to no question.
_WRONG = "987654321987654321"
#: What has broken readers of answers: deep nesting, numbers without end, marks that turn text around, halves of markup, a null.
_HOSTILE = (
    "\\boxed{" * 40 + "{" * 40 + "9" * 400 + "e999999 \u202e</script><b>\x00\x1b[31m |` $\\frac{1}{0}$ 10^{10^{10}} ١٢٣ "
    "1e9! \ufeff\U0001f9ee " + _WRONG
)
_LIKELY, _UNLIKELY = 0.0, -1000.0


class Dummy(LM):  # type: ignore[misc]
    """lm-eval's model for one that is none.

    Attributes:
        tasks: lm-eval's tasks that are asked, by name: a right answer is known from them.
        dtype: what its weights are in.
        tokenizer: none but for a chat template, so that every style can be asked in.
    """

    dtype = "none"
    tokenizer_name = "dummy"

    def __init__(self) -> None:
        super().__init__()
        logging.getLogger("lm_eval").setLevel(logging.ERROR)
        self.tasks: Mapping[str, Any] = {}
        self.tokenizer = SimpleNamespace(chat_template="dummy")

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        """Answers lm-eval's requests by the rule."""
        return [self._said(request) for request in requests]

    def loglikelihood(self, requests: list[Any], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        """Finds the right choice likely where its turn is to be right, and else another one."""
        return [(_LIKELY, True) if self._is_likely(request) else (_UNLIKELY, False) for request in requests]

    def loglikelihood_rolling(self, requests: list[Any], disable_tqdm: bool = False) -> list[float]:
        """Finds every text as likely as any other: half a nat less for every character."""
        return [-len(request.args[0]) / 2 for request in requests]

    def chat_template(self, chat_template: bool | str = False) -> str:
        """Returns the name of one that only joins what is said."""
        return "dummy"

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """Returns all that was said, in its order."""
        return "\n".join(each["content"] for each in chat_history)

    def _turn(self, request: Any) -> str:
        return TURNS[request.doc_id % len(TURNS)]

    def _said(self, request: Any) -> str:
        if "english" in request.doc:  # to be put into English: the set's own
            return str(request.doc["english"])
        turn = self._turn(request)
        if turn == "right":
            return right_answer(self.tasks[request.task_name], request.doc)
        return {"wrong": wrong_answer(request.doc), "empty": "", "hostile": _HOSTILE}[turn]

    def _is_likely(self, request: Any) -> bool:
        task, is_right = self.tasks[request.task_name], self._turn(request) == "right"
        if task.OUTPUT_TYPE != "multiple_choice":
            return is_right
        golds, choices = gold_choices(task, request.doc), len(task.doc_to_choice(request.doc))
        likely = golds[0] if is_right else next((each for each in range(choices) if each not in golds), -1)
        # beyond the choices stand those of acc_mutual_info, asked without the question: the same for all
        return bool(request.idx == likely)


def right_answer(task: Any, document: Mapping[str, Any]) -> str:
    """Returns what a model would say that is right: of our suites a sentence, of other tasks the gold answer as it stands."""
    gold = task.doc_to_target(document)
    gold = gold[0] if isinstance(gold, list) and gold else gold
    if isinstance(gold, int) and task.config.doc_to_choice is not None:
        gold = task.doc_to_choice(document)[gold]
    return said(document, str(document["answer"])) if "style" in document else str(gold)


def wrong_answer(document: Mapping[str, Any]) -> str:
    """Returns what a model would say that is wrong: of a choice of ours another letter, else a number that is no answer."""
    if "style" not in document:
        return f"The answer is: {_WRONG}"
    other = next(letter for letter in LETTERS if letter != document["answer"])
    return said(document, other if kind_of(document) == "choice" else _WRONG)


def gold_choices(task: Any, document: Mapping[str, Any]) -> list[int]:
    """Returns the indices of the right choices of a document of lm-eval's `multiple_choice`."""
    gold = task.doc_to_text(document) if getattr(task, "multiple_input", False) else task.doc_to_target(document)
    choices = task.doc_to_choice(document)
    golds = gold if isinstance(gold, list) else [gold]
    return [choices.index(each) if isinstance(each, str) else int(each) for each in golds]
