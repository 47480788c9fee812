"""Examples as a model sees them: exact tokens, and loss on the response alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xreason.tasks.errors import UserError
from xreason.trainers.corpora.examples import Example

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

#: What PyTorch's cross entropy leaves out.
IGNORED = -100


@dataclass(frozen=True)
class Tokens:
    """One example as the model sees it."""

    ids: tuple[int, ...]  #: prompt, response, end of text
    prompt_length: int  #: how many of them are the prompt's; no loss is taken on these

    @property
    def start(self) -> int:
        """Where loss begins: nothing stands before the first token that could foretell it."""
        return max(self.prompt_length, 1)

    @property
    def labels(self) -> tuple[int, ...]:
        """The response and its end of text at their places, IGNORED at the others."""
        return (IGNORED,) * self.start + self.ids[self.start :]


def tokenize(examples: Sequence[Example], tokenizer: "PreTrainedTokenizerBase", max_length: int) -> tuple[list[Tokens], int]:
    """Returns the examples that fit as tokens, and how many did not fit.

    The prompt's tokens are those of `tokenizer(prompt)`, which is what is scored. The response follows without anything between, as
    the joint text is tokenized; where a token would span the border (so that scoring could never see it) the response is
    tokenized on its own. A longer example is left out, not cut off: a rationale without its end teaches to stop never, or
    anywhere.

    Raises:
        UserError: the tokenizer has no end-of-text token, or no example fits.
    """
    end = tokenizer.eos_token_id
    if end is None:
        raise UserError(
            "The tokenizer has no end-of-text token (eos_token), so the model could never learn to stop; set one in it."
        )
    prompts = tokenizer([example.prompt for example in examples])["input_ids"]
    joint = tokenizer([example.prompt + example.response for example in examples])["input_ids"]
    fitting: list[Tokens] = []
    for example, prompt, ids in zip(examples, prompts, joint, strict=True):
        if ids[: len(prompt)] != prompt:
            ids = prompt + tokenizer(example.response, add_special_tokens=False)["input_ids"]
        if ids[-1] != end or len(ids) == len(prompt):
            ids = [*ids, end]
        if len(ids) <= max_length:
            fitting.append(Tokens(tuple(ids), len(prompt)))
    if not fitting:
        raise UserError(f"None of the {len(examples)} examples fits into max_length={max_length} tokens; raise max_length.")
    return fitting, len(examples) - len(fitting)
