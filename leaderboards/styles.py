"""How a model was asked: the prompt, the worked examples and the decoding, which ranks may not mix unawares."""

from collections.abc import Sequence
from dataclasses import dataclass

from xreason.leaderboards.records import Provenance


@dataclass(frozen=True, order=True)
class Style:
    """How a model was asked."""

    prompt: str  #: name of the prompt style, for example "alpaca"; prompt_hash is of its text
    prompt_hash: str
    shots: int  #: worked examples before each question
    samples: int  #: responses a question
    temperature: float  #: of sampling, 0 for greedy decoding

    @property
    def written_shots(self) -> str:
        """The shots in words: "zero-shot", "8-shot"."""
        return f"{self.shots}-shot" if self.shots else "zero-shot"

    @property
    def decoding(self) -> str:
        """How tokens are chosen: "greedy", "8 samples at temperature 0.7"."""
        if self.samples == 1 and self.temperature == 0:
            return "greedy"
        return f"{self.samples} sample{'s' if self.samples > 1 else ''} at temperature {self.temperature:g}"

    @property
    def sampling(self) -> str:
        """The title of what the samples tell: "sampling: n = 8, temperature 0.7"."""
        return f"sampling: n = {self.samples}, temperature {self.temperature:g}"


def style_of(provenance: Provenance) -> Style:
    """The style that a record's provenance tells."""
    return Style(provenance.prompt, provenance.prompt_hash, provenance.shots, provenance.samples, provenance.temperature)


def distinguishing(style: Style, among: Sequence[Style]) -> str:
    """What tells a style from the others on a board, for its rows' names: "octopus", "alpaca, 8-shot"; "" where nothing varies."""
    told: tuple[tuple[str, set[object]], ...] = (
        (style.prompt, {other.prompt for other in among}),
        (style.prompt_hash[:6], {other.prompt_hash for other in among if other.prompt == style.prompt}),
        (style.written_shots, {other.shots for other in among}),
        (style.decoding, {(other.samples, other.temperature) for other in among}),
    )
    return ", ".join(words for words, values in told if len(values) > 1)
