"""How a model was asked: the prompt, the worked examples and the decoding, which ranks may not mix unawares."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from xreason.leaderboards.records import Provenance

#: What is said of those that were told nothing.
NO_CHAT_ARGS, NO_THINKING = "no chat arguments", "thinking not told apart"


@dataclass(frozen=True, order=True)
class Style:
    """How a model was asked."""

    prompt: str  #: name of the prompt style, for example "alpaca"; prompt_hash is of its text
    prompt_hash: str
    shots: int  #: worked examples before each question
    samples: int  #: responses a question
    temperature: float  #: of sampling, 0 for greedy decoding
    worked_examples: str = "drawn"  #: "drawn" anew for every question, or the "first" ones for all; "drawn" where there are none
    bounds: tuple[tuple[str, float], ...] = ()  #: of sampling: top_p, top_k, min_p with their values, as far as they were set
    system: str = ""  #: the system instruction before every question, "" for none
    chat_args: tuple[str, ...] = ()  #: what the chat template was told: "enable_thinking=false"
    think_end: str = ""  #: what ends thinking, which is not read; "" where none was told apart
    thinking_tokens: int = 0  #: after which vLLM ended thinking; 0 for no such budget

    @property
    def written_shots(self) -> str:
        """The shots in words: "zero-shot", "8-shot", "8-shot, first examples"."""
        fixed = ", first examples" if self.worked_examples == "first" else ""
        return f"{self.shots}-shot{fixed}" if self.shots else "zero-shot"

    @property
    def decoding(self) -> str:
        """How tokens are chosen: "greedy", "8 samples at temperature 0.7, top_p 0.95"."""
        if self.samples == 1 and self.temperature == 0:
            return "greedy"
        return f"{self.samples} sample{'s' if self.samples > 1 else ''} at temperature {self.temperature:g}{self._bounded}"

    @property
    def sampling(self) -> str:
        """The title of what the samples tell: "sampling: n = 8, temperature 0.7, top_p 0.95"."""
        return f"sampling: n = {self.samples}, temperature {self.temperature:g}{self._bounded}"

    @property
    def written_system(self) -> str:
        """The system instruction in short: "system instruction 3f9a1c"; "no system instruction" for none."""
        told = hashlib.sha256(self.system.encode()).hexdigest()[:6]
        return f"system instruction {told}" if self.system else "no system instruction"

    @property
    def written_chat_args(self) -> str:
        """What the chat template was told: "enable_thinking=false"; "no chat arguments" for nothing."""
        return ", ".join(self.chat_args) or NO_CHAT_ARGS

    @property
    def written_thinking(self) -> str:
        """How thinking is told apart, and its budget: "thinking ends at </think>, after 512 tokens"; "thinking not told apart"."""
        after = f", after {self.thinking_tokens:,} tokens" if self.thinking_tokens else ""
        return f"thinking ends at {self.think_end}{after}" if self.think_end else NO_THINKING

    @property
    def words(self) -> str:
        """All of it for a line that says how models were asked: "zero-shot alpaca, greedy"."""
        told = {self.written_system: self.system, self.written_chat_args: self.chat_args, self.written_thinking: self.think_end}
        return ", ".join((f"{self.written_shots} {self.prompt}", self.decoding, *(words for words, of in told.items() if of)))

    @property
    def _bounded(self) -> str:
        return "".join(f", {name} {value:g}" for name, value in self.bounds)


def style_of(provenance: Provenance) -> Style:
    """The style that a record's provenance tells; of a vote, that of the single greedy answers which it stands beside."""
    if provenance.self_consistency is not None:
        beside = {"samples": 1, "temperature": 0.0, "sampling": {}, "self_consistency": None}
        return style_of(provenance.model_copy(update=beside))
    return Style(
        provenance.prompt,
        provenance.prompt_hash,
        provenance.shots,
        provenance.samples,
        provenance.temperature,
        # what changes no response tells no styles apart
        provenance.worked_examples if provenance.shots else "drawn",
        tuple(sorted(provenance.sampling.items())) if provenance.temperature else (),
        provenance.system or "",
        tuple(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in sorted(provenance.chat_args.items())),
        provenance.think_end or "",
        provenance.thinking_tokens or 0,
    )


def distinguishing(style: Style, among: Sequence[Style]) -> str:
    """What tells a style from the others on a board, for its rows' names: "octopus", "alpaca, 8-shot"; "" where nothing varies."""
    told: tuple[tuple[str, set[object]], ...] = (
        (style.prompt, {other.prompt for other in among}),
        (style.prompt_hash[:6], {other.prompt_hash for other in among if other.prompt == style.prompt}),
        (style.written_shots, {other.written_shots for other in among}),
        (style.decoding, {(other.samples, other.temperature, other.bounds) for other in among}),
        (style.written_system, {other.system for other in among}),
        (style.written_chat_args, {other.chat_args for other in among}),
        (style.written_thinking, {(other.think_end, other.thinking_tokens) for other in among}),
    )
    return ", ".join(words for words, values in told if len(values) > 1)
