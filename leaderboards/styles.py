"""How a model was asked: the prompt, the worked examples and the decoding, which ranks may not mix unawares."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from xreason.leaderboards.records import Provenance

#: Characters of a system instruction that a row's name has room for.
_SYSTEM_SHOWN = 24


@dataclass(frozen=True, order=True)
class Style:
    """How a model was asked."""

    prompt: str  #: name of the prompt style, for example "alpaca"; prompt_hash is of its text
    prompt_hash: str
    shots: int  #: worked examples before each question
    samples: int  #: responses a question
    temperature: float  #: of sampling, 0 for greedy decoding
    bounds: tuple[tuple[str, float], ...] = ()  #: of sampling, beside it: ("top_p", 0.9)
    worked_examples: str = "drawn"  #: anew for every question, or the "first" ones for all
    system: str = ""  #: the system instruction, "" for none

    @property
    def written_prompt(self) -> str:
        """The prompt in words: "alpaca", "chat with the system instruction 'You are a teacher.'"."""
        return f"{self.prompt} with the system instruction {shortened(self.system)}" if self.system else self.prompt

    @property
    def written_shots(self) -> str:
        """The shots in words: "zero-shot", "8-shot", "8-shot, the first"."""
        return f"{self.shots}-shot{', the first' * (self.worked_examples == 'first')}" if self.shots else "zero-shot"

    @property
    def decoding(self) -> str:
        """How tokens are chosen: "greedy", "8 samples at temperature 0.7, top_p 0.9"."""
        if self.samples == 1 and self.temperature == 0:
            return "greedy"
        return f"{self.samples} sample{'s' if self.samples > 1 else ''} at temperature {self.temperature:g}{self._bounds}"

    @property
    def sampling(self) -> str:
        """The title of what the samples tell: "sampling: n = 8, temperature 0.7"."""
        return f"sampling: n = {self.samples}, temperature {self.temperature:g}{self._bounds}"

    @property
    def _bounds(self) -> str:
        return "".join(f", {name} {value:g}" for name, value in self.bounds)


def shortened(system: str) -> str:
    """The beginning of a system instruction, quoted, with a short hash where that is not all of it."""
    if len(system) <= _SYSTEM_SHOWN and system.isprintable():
        return repr(system)
    beginning = " ".join(system.split())[:_SYSTEM_SHOWN].strip()
    return f"'{beginning}…' ({hashlib.sha256(system.encode()).hexdigest()[:6]})"


def style_of(provenance: Provenance) -> Style:
    """The style that a record's provenance tells."""
    return Style(
        provenance.prompt,
        provenance.prompt_hash,
        provenance.shots,
        provenance.samples,
        provenance.temperature,
        tuple(sorted(provenance.sampling.items())),
        provenance.worked_examples,
        provenance.system or "",
    )


def distinguishing(style: Style, among: Sequence[Style]) -> str:
    """What tells a style from the others on a board, for its rows' names: "octopus", "alpaca, 8-shot"; "" where nothing varies."""
    told: tuple[tuple[str, set[object]], ...] = (
        (style.prompt, {other.prompt for other in among}),
        (style.prompt_hash[:6], {other.prompt_hash for other in among if other.prompt == style.prompt}),
        (style.written_shots, {other.written_shots for other in among}),
        (style.decoding, {other.decoding for other in among}),
        (f"system {shortened(style.system)}" if style.system else "no system", {other.system for other in among}),
    )
    return ", ".join(words for words, values in told if len(values) > 1)
