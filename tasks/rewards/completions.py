"""What a reward is given, and the rewards of the box.

{correct: 1.0, in_language: 0.5, length: 0.1}       1.5 for a right answer in its question's language that came to its end
"""

from dataclasses import dataclass

from xreason.tasks.errors import UserError
from xreason.tasks.readings.identification import in_language as identified
from xreason.tasks.readings.paper import paper_reading
from xreason.tasks.readings.strict import strict_reading
from xreason.tasks.readings.verdicts import answer_part, verdicts

# DAPO's own buffer: 4,096 of the 20,480 tokens that a completion may have
_BUFFER = 0.2


@dataclass(frozen=True)
class Completion:
    """What a model wrote after a prompt, with what is known of the question."""

    question: str  #: as it was asked, without its frame
    response: str  #: what the model wrote, without special tokens
    gold: str  #: the right answer in English style, read in the corpus's own response; "" where the readings disagree on that
    language: str  #: code of the question's language
    prompt: str = ""  #: the question in its frame, as the model saw it
    frame: str = "alpaca"  #: the prompt style of that
    tokens: int = 0  #: of the response
    max_tokens: int = 512  #: that it could have


def gold_in(response: str, language: str) -> str:
    """Returns the answer in a corpus's response, in English style; "" where the two readings disagree on it."""
    strict = strict_reading(response, language)
    return "" if strict is None or abs(float(strict) - paper_reading(response)) >= 1e-3 else format(strict, "f")


def correct(completion: Completion) -> float:
    """1 where both readings, the papers' and the strict one, find the gold answer in it, else 0."""
    part = answer_part(completion.response, {"style": completion.frame, "language": completion.language})
    told = verdicts([part], completion.gold, completion.language)
    return float(bool(completion.gold) and told.paper[0] and told.strict[0])


def in_language(completion: Completion) -> float:
    """1 where lingua finds it in the question's language, 0 in another or where too few letters tell."""
    flags = identified([completion.response], completion.language)
    if flags is None:
        raise UserError(
            f"Whether a response is in {completion.language} cannot be told here; leave that language or in_language out."
        )
    return float(flags == "1")


def length(completion: Completion) -> float:
    """0, falling to -1 over the last fifth of the tokens it may have: DAPO's overlong penalty (arXiv 2503.14476, eq. 13)."""
    over = completion.tokens - (1 - _BUFFER) * completion.max_tokens
    return -min(max(over / (_BUFFER * completion.max_tokens), 0.0), 1.0)
