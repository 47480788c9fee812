r"""The prompts that models are trained and scored with: named styles (styles.json), each with its source.

    >>> prompt({"style": "native-cot", "language": "de", "language_name": "German", "question": "Was ist 3 + 4?"})
    'Frage: Was ist 3 + 4?\nSchritt-für-Schritt-Antwort:'

Training uses `alpaca` unless a stage's frame says `octopus`, and so does scoring unless another style is asked for. QAlign trains
and scores with it, MetaMath trains with it and scores with `metamath`. Of SLAM's own (arXiv 2501.03681) it is known that it trains
in LLaMA-Factory's frame "Human: ...\nAssistant: ", and not what stood inside that frame, nor what it scored MGSM and MSVAMP with.

The few-shot styles are those of lm-eval's MGSM (0.4.13), byte for byte, its Russian "Пошаговоерешение:" and the space after the
full-width colon included, because published scores rest on them. Only what a worked example answers differs, and only where
lm-eval's own is damaged (tests/tasks/test_prompts.py holds every prompt against the installed lm-eval):

- native-cot in Chinese and Japanese: lm-eval cuts off the first character of every worked answer ("杰一开始有 5 个球": 罗 is lost),
  having counted a space after the colon that is not there. Here the answer is whole.
- native-cot in Russian: lm-eval leaves a second space, or a second colon, before every worked answer. Here it does not.
- en-cot in all languages but English: lm-eval's worked answers are in the question's language, so they are no English chains of
  thought. Here they are the English ones of the same questions, as in Shi et al. (arXiv 2210.03057).
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from xreason.tasks.added import TASKS_FOLDER
from xreason.tasks.errors import UserError
from xreason.tasks.languages import IN_BOX


@dataclass(frozen=True)
class Words:
    """What the few-shot styles say in a language before a question, to ask for an answer step by step, and for the answer alone.

    The first also ends a response that goes on to invent the next question.
    """

    question: str
    steps: str
    answer: str = "Answer:"


#: Language code to the words of lm-eval's MGSM.
WORDS: dict[str, Words] = {code: Words(**said["prompt"]) for code, said in IN_BOX.items()}

#: Ends of text that base models write out; lm-eval's MGSM stops at them too.
_ENDS = ("</s>", "<|im_end|>")


@dataclass(frozen=True)
class Style:
    """A way of asking: its name on the command line and on boards, and who asks so.

    In its frame, {instruction} is the question, with all that a suite says beside it (its choices), {language} the language's
    English name, {published} or {message} all that the suite's authors put to a model; the rest comes from `WORDS`. In a
    `few_shot` style, worked examples may precede the question; of a `chat` style, the frame is the user's message in the model's
    own chat template. At each of its `ends` a response ends; which they are of a few-shot style, `stops` says.
    """

    name: str
    source: str
    frame: str
    few_shot: bool = False
    chat: bool = False
    ends: tuple[str, ...] = ()

    @property
    def hash(self) -> str:
        """A short hash of all of its text."""
        words = json.dumps({code: asdict(each) for code, each in WORDS.items()}, sort_keys=True) if self.few_shot else ""
        return hashlib.sha256((self.frame + words + "".join(self.ends)).encode()).hexdigest()[:12]

    @property
    def of_authors(self) -> bool:
        """Whether it is each suite's own."""
        return self.frame in ("{published}", "{message}")

    def speaks(self, language: str) -> bool:
        """Returns whether it has the words that it needs in this language."""
        return not self.few_shot or language in WORDS

    def stops(self, language: str) -> list[str]:
        """Returns the texts at which a response ends; of a few-shot style, where its next question would begin."""
        return [WORDS[language].question, *_ENDS] if self.few_shot else list(self.ends)


STYLES: dict[str, Style] = {
    said["name"]: Style(**said | {"ends": tuple(said.get("ends", ()))})
    for said in json.loads((TASKS_FOLDER / "styles.json").read_text(encoding="utf-8"))
}

#: Stanford Alpaca's frame without input.
ALPACA = STYLES["alpaca"].frame

#: The style of training, and of scoring where no other is asked for.
DEFAULT_STYLE = "alpaca"


def alpaca(instruction: str) -> str:
    """Returns the prompt that asks for `instruction`; what the model writes next is its response."""
    return _filled(ALPACA, {"instruction": instruction})


def prompt(document: Mapping[str, Any]) -> str:
    """Returns the prompt of one row of a suite: its `style`, `language` (code), `language_name` (English) and `question`.

    Where a set has more to say, that is its `instruction` or what its authors `published`, see `xreason.tasks.sets.source.Row`.

    In a worked example (a row with a `rationale`), the question already begins with the language's word for "question".

    Raises:
        UserError: the style is that of the suite's authors, and the row does not say what they put.
    """
    document = as_asked(document)
    style = STYLES[document["style"]]
    if style.of_authors:
        if not document.get("published"):
            raise UserError(
                "A question that was added comes without a prompt of its suite's authors; choose another with --prompt."
            )
        return str(document["published"])
    fields = {"language": document["language_name"], "instruction": document.get("instruction") or document["question"]}
    if style.few_shot:
        words = WORDS[document["language"]]
        asked = "" if "rationale" in document else f"{words.question} "
        fields = {"question": asked, "steps": words.steps, "answer": words.answer, **fields}
    return _filled(style.frame, fields)


def as_asked(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns a row as it is put to a model and read: one that has a `translation` is an English question, that one."""
    if document.get("translation") is None:
        return document
    return {**document, "question": document["translation"], "language": "en", "language_name": "English"}


def target(document: Mapping[str, str]) -> str:
    """Returns what follows the prompt of a worked example; of a question, its gold answer."""
    if "rationale" not in document:
        return document["answer"]
    worked = {"native-cot": " " + document["rationale"], "en-cot": " " + document["english_rationale"]}
    return worked.get(document["style"], document["answer"])


def translation_instruction(language: str, text: str) -> str:
    """Returns QAlign's instruction (arXiv 2401.07817) to translate `text` from `language` (its English name) into English."""
    return f"Translate the following sentences from {language} to English. {text}"


def _filled(frame: str, fields: Mapping[str, str]) -> str:
    # not str.format: a question may contain braces; it comes last, so that nothing in it is filled in
    for name in sorted(fields, key=lambda name: name == "instruction"):
        frame = frame.replace("{" + name + "}", fields[name])
    return frame
