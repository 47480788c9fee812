"""What models are asked, and how: plain data, which reads the questions themselves only to hash them."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, StrictBool, StrictFloat, StrictInt, StrictStr

from xreason.harness.serving.answers import THINKING
from xreason.tasks.data import rows_hash
from xreason.tasks.errors import UserError
from xreason.tasks.languages import LANGUAGES
from xreason.tasks.names import unknown
from xreason.tasks.prompts import DEFAULT_STYLE, STYLES, Style
from xreason.tasks.readings.verdicts import think_begin
from xreason.tasks.suites import Suite, languages_of, no_prompt_of_its_own, suite_of, task_settings

ENGLISH = "en"
#: What a chat template may be told.
Scalar = StrictBool | StrictInt | StrictFloat | StrictStr | None


class Asking(BaseModel):
    """How questions are put, the same for every suite.

    Raises:
        UserError: the style does not exist or takes no worked examples, a number is out of its range, or something is set that
            changes nothing: samples or their bounds without a temperature, the first worked examples where there are none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    style: str = DEFAULT_STYLE  #: name of the prompt style
    shots: int = 0  #: worked examples before every question
    #: which ones: drawn anew for every question, or the first ones for all, so that prompts begin alike
    worked_examples: Literal["drawn", "first"] = "drawn"
    samples: int = 1  #: responses to every question
    temperature: float = 0.0  #: of sampling; 0 is greedy
    top_p: float | None = None  #: samples only tokens that together have this probability; likewise top_k and min_p, as in vLLM
    top_k: int | None = None
    min_p: float | None = None
    system: str | None = None  #: system instruction, before every question
    chat_args: dict[str, Scalar] = {}  #: what the chat template is told, by its own names: {"enable_thinking": False}
    think_end: str | None = None  #: what ends thinking, such as "</think>": up to the last of them, nothing is read
    thinking_tokens: int | None = None  #: after so many tokens, thinking is ended; None for as many as a response may have

    def model_post_init(self, _: object) -> None:
        """Refuses what does not go together."""
        for name, (least, most) in _BOUNDS.items():
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                raise UserError(f"{name} is {value:g}; give a number from {least:g} to {most:g}.")
        if self.style not in STYLES:
            raise unknown("prompt style", self.style, STYLES)
        if self.shots and not STYLES[self.style].few_shot:
            styles = ", ".join(name for name, style in STYLES.items() if style.few_shot)
            raise UserError(f"The prompt style {self.style} takes no worked examples; choose --shots 0, or one of these: {styles}.")
        if self.worked_examples != "drawn" and not self.shots:
            raise UserError("There are no worked examples to take the first of; say how many, such as --shots 8.")
        if self.samples > 1 and self.temperature == 0:
            raise UserError(f"{self.samples} greedy samples would all be the same; give a temperature, such as --temperature 0.7.")
        if self.sampling and self.temperature == 0:
            set_to = ", ".join(f"{name}={value:g}" for name, value in self.sampling.items())
            raise UserError(f"Greedy decoding does not sample, so that {set_to} changes nothing; give a temperature beside it.")
        if self.system is not None and not self.system.strip():
            raise UserError("The system instruction is empty; give its text, or leave it out.")
        self._check_thinking()

    def _check_thinking(self) -> None:
        for name, value in self.chat_args.items():
            if not name.isidentifier() or len(name) > _LONGEST_MARK or name in _OF_TEMPLATES:
                raise UserError(
                    f"{name!r:.60} is no argument for a chat template; give one that it names, such as enable_thinking."
                )
            if not self.prompt.chat:
                raise UserError(f"The prompt style {self.style} uses no chat template to tell {name}; choose --prompt chat.")
            if name == "enable_thinking" and not isinstance(value, bool):
                raise UserError(f"enable_thinking is {value!r:.60}; give true or false.")
        if self.think_end is not None and (not self.think_end.strip() or len(self.think_end) > _LONGEST_MARK):
            raise UserError(
                "What ends thinking is empty, or no mark; give what the model writes there, such as --think-end '</think>'."
            )
        if self.thinking_tokens is not None and not think_begin(self.think_end or ""):
            raise UserError(
                "A budget for thinking needs the marks around it; name the one that ends it, such as --think-end '</think>'."
            )

    @property
    def prompt(self) -> Style:
        """The prompt style."""
        return STYLES[self.style]

    @property
    def sampling(self) -> dict[str, float]:
        """What bounds sampling beside the temperature, as far as it is set: vLLM's name to its value."""
        return {name: value for name in ("top_p", "top_k", "min_p") if (value := getattr(self, name)) is not None}

    @property
    def thinking(self) -> dict[str, Any]:
        """What is said of thinking, and to the chat template, as far as it is set."""
        return {name: value for name in sorted(_OF_THINKING) if (value := getattr(self, name))}

    @property
    def suffix(self) -> str:
        """What names of folders end in: nothing for the papers' way, else "-native-cot-8-shot-first-4-samples-0.7-top_p-0.9"."""
        parts = [
            f"-{self.style}" if self.style != DEFAULT_STYLE else "",
            f"-{self.shots}-shot" if self.shots else "",
            "-first" if self.worked_examples == "first" else "",
            f"-{self.samples}-samples-{self.temperature:g}" if self.temperature else "",
            *(f"-{name}-{value:g}" for name, value in self.sampling.items()),
            f"-system-{_short(self.system)}" if self.system else "",
            f"-chat-{_short(json.dumps(self.chat_args, sort_keys=True))}" if self.chat_args else "",
            f"-think-{_short(self.think_end)}" if self.think_end else "",
            f"-{self.thinking_tokens}-thinking-tokens" if self.thinking_tokens else "",
        ]
        return "".join(parts)

    def told(self) -> dict[str, Any]:
        """Returns it as records tell it: the fields of their provenance that are about how a model was asked."""
        alike = self.model_dump(include=_ALIKE)
        return {**alike, "prompt": self.style, "prompt_hash": self.prompt.hash, "sampling": self.sampling}

    @classmethod
    def retold(cls, provenance: Mapping[str, Any]) -> Self:
        """Returns what `told` told; records of format 1 were all greedy, without worked examples."""
        said = {name: value for name, value in provenance.items() if name in _ALIKE}
        return cls(style=provenance["prompt"], **said, **provenance.get("sampling", {}))


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:6]


#: Of thinking models alone: where they are not set, scores have the key that they had before there were these.
_OF_THINKING = {"chat_args", "think_end", "thinking_tokens"}

#: Under the same name in records.
_ALIKE = {"shots", "worked_examples", "samples", "temperature", "system", *_OF_THINKING}

#: The least and the most that vLLM takes.
_BOUNDS = {
    **{"temperature": (0.0, 100.0), "top_p": (1e-6, 1.0), "top_k": (1, 10**6), "min_p": (0.0, 1.0)},
    "thinking_tokens": (1, 10**6),
}

#: What lm-eval itself tells the tokenizer that writes a chat, or would make of it something else than text.
_OF_TEMPLATES = {
    *("conversation", "messages", "tools", "documents", "chat_template", "add_generation_prompt", "continue_final_message"),
    *("tokenize", "padding", "truncation", "max_length", "return_tensors", "return_dict", "return_assistant_tokens_mask"),
    *("tokenizer_kwargs", "processor_kwargs"),
}

#: Characters of a mark, and of a name.
_LONGEST_MARK = 100

#: As QAlign asks: the default.
PAPERS = Asking()


class Scoring(BaseModel):
    """The questions of one suite, and how they are put."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    suite: str  #: name of the suite
    languages: tuple[str, ...]  #: codes, all of them the suite's
    limit: int | None  #: only the first so many questions a language, or None for all
    max_new_tokens: int  #: the longest response, in tokens
    asking: Asking = PAPERS  #: how

    @property
    def benchmark(self) -> Suite:
        """The suite itself."""
        return suite_of(self.suite)

    @property
    def name(self) -> str:
        """The name of its folder under scores/, of letters that every disk takes."""
        return re.sub(r"[^\w.+-]", "-", self.suite)[:80] + self.asking.suffix

    @property
    def longest_response(self) -> int:
        """The most tokens that a response may have, its thinking and the marks around it among them."""
        budget = self.asking.thinking_tokens
        return self.max_new_tokens + (budget + len(THINKING) if budget else 0)

    @property
    def questions(self) -> int:
        """How many questions are asked in all."""
        asked = (self.benchmark.questions_in(code) for code in self.languages)
        return sum(asked if self.limit is None else (min(self.limit, each) for each in asked))

    def identity(self, *, in_english: bool = False) -> dict[str, object]:
        """Returns all that can change what a model answers, hashes of the questions and worked examples among it; reads them.

        Put into English first (`in_english`), questions have English examples.

        Raises:
            UserError: some cannot be had or are not in their form, or the style does not speak a language.
        """
        if self.benchmark.lm_eval:
            return self._identity_of_lm_eval()
        if self.asking.prompt.of_authors and not self.benchmark.published:
            raise no_prompt_of_its_own(self.benchmark)
        spoken = (ENGLISH,) if in_english else self.languages
        for code in spoken:
            if not self.asking.prompt.speaks(code):
                name = LANGUAGES[code].english
                raise UserError(f"The prompt style {self.asking.style} has no words in {name}; choose another with --prompt.")
        shots, asking, longest = self.asking.shots, self.asking, self.max_new_tokens
        self._check_thinking()
        if not self.benchmark.generates:
            self._check_once()
            # nothing is generated that these could change
            greedy: dict[str, Any] = {"temperature": 0.0, "top_p": None, "top_k": None, "min_p": None}
            asking, longest = asking.model_copy(update=greedy), 0
        return {
            # not its version: what a response says does not depend on how it is read
            "suite": self.suite,
            "questions": _question_hashes(self.suite, self.languages),
            "limit": self.limit,
            "max_new_tokens": longest,
            "asking": [asking.model_dump(exclude=_OF_THINKING) | asking.thinking, asking.prompt.hash],
            "examples": _exemplar_hashes(self.suite, spoken, shots) if shots else {},
        }

    def _check_once(self) -> None:
        if self.asking.samples > 1:
            raise UserError(f"{self.suite} is answered once, as lm-eval does it; choose --samples 1, or score it by itself.")

    def _check_thinking(self) -> None:
        if not self.benchmark.generates and (self.asking.think_end or self.asking.chat_args.get("enable_thinking")):
            raise UserError(f"{self.suite} asks how likely answers are, before which no model thinks; score it without thinking.")

    def _identity_of_lm_eval(self) -> dict[str, object]:
        """Returns the same of tasks of lm-eval, which have prompts of their own: of the style, only a chat template is used."""
        asking, pattern = self.asking, self.benchmark.lm_eval
        self._check_once()
        self._check_thinking()
        if asking.worked_examples != "drawn":
            raise UserError(f"{self.suite} is asked as lm-eval asks it; choose --worked-examples drawn, or score it by itself.")
        chat = [asking.prompt.hash] if asking.prompt.chat else []
        return {
            "suite": self.suite,
            "questions": _question_hashes(self.suite, self.languages),
            "tasks": {code: task_settings(pattern, code) for code in self.languages},
            "limit": self.limit,
            "max_new_tokens": self.max_new_tokens,
            "asking": [
                *(asking.shots, asking.temperature, asking.sampling, asking.system, *chat),
                *([asking.thinking] if asking.thinking else ()),
            ],
        }


def scorings(
    suites: Sequence[str],
    languages: Sequence[str] | None = None,
    *,
    limit: int | None = None,
    max_new_tokens: int | Mapping[str, int] | None = None,
    asking: Asking = PAPERS,
) -> tuple[Scoring, ...]:
    """Returns one scoring a suite, of the languages that it has among those named, all for None.

    `max_new_tokens` is the longest response, in tokens, of all suites or of those it names; each suite's own for None.

    Raises:
        UserError: a suite or language is unknown.
    """
    told = max_new_tokens if isinstance(max_new_tokens, Mapping) else dict.fromkeys(suites, max_new_tokens)
    return tuple(
        Scoring(
            suite=suite.name,
            languages=languages_of(suite, languages, suites),
            limit=limit,
            max_new_tokens=told.get(suite.name) or suite.max_new_tokens,
            asking=asking,
        )
        for suite in map(suite_of, suites)
    )


@cache
def _question_hashes(suite: str, languages: tuple[str, ...]) -> dict[str, str]:
    # cached: the key of every model's step asks for it
    chosen = suite_of(suite)
    rows = {code: chosen.rows(code) for code in languages}
    places: dict[str, tuple[str, int]] = {}
    for code, found in rows.items():
        if chosen.weights and [row.get("weight") for row in found] != list(chosen.weights[: len(found)]):
            raise UserError(f"{chosen.where(code)} is not all of {chosen.title} in {code}; put the set as published in its place.")
        # the same problem stands in the same place in all languages, or statistics would take it for two
        for place, row in enumerate(found) if chosen.by_id else ():
            other, there = places.setdefault(row["id"], (code, place))
            if there != place:
                said = f"{other} and {code} share some questions of {chosen.title} and not all, so they cannot be scored together"
                where = " and ".join(chosen.where(each) for each in (other, code))
                raise UserError(f"{said}: put {where} as published in their places, or leave one of the two out of --languages.")
    return {code: rows_hash(found) for code, found in rows.items()}


@cache
def _exemplar_hashes(suite: str, languages: tuple[str, ...], shots: int) -> dict[str, str]:
    chosen = suite_of(suite)
    if chosen.exemplars is None:
        raise UserError(f"{chosen.title} has no worked examples; choose --shots 0.")
    hashes = {}
    for code in languages:
        rows = chosen.exemplars(code)
        if len(rows) < shots:
            raise UserError(
                f"{chosen.title} has {len(rows)} worked examples in {LANGUAGES[code].english}; choose --shots {len(rows)}."
            )
        hashes[code] = rows_hash([{"question": row["question"] + row["rationale"], "answer": row["answer"]} for row in rows])
    return hashes
