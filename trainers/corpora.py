"""Training text: what each corpus of the papers holds, and where it is read from."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Example:
    """One pair that a stage trains on.

    Attributes:
        prompt: the framed instruction, ending in "### Response:"; no loss is taken on it.
        response: what the model shall write after it, verbatim; the end-of-text token is added by the training loop.
    """

    prompt: str
    response: str
