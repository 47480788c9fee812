"""What models said to lm-eval's own tasks, in the form of our own samples: for the page."""

from collections.abc import Mapping, Sequence
from typing import Any

from xreason.harness.scoring.lmeval.scores import chosen_rows

#: Where a sample says that it is one of these.
OF_LM_EVAL = "of_lm_eval"


def shown_samples(samples: Sequence[Mapping[str, Any]], kept: str, language: str) -> list[dict[str, Any]]:
    """Returns stored samples of a task: the prompt as question, its target as gold, and what a model said or found likeliest.

    Of several of lm-eval's filters, those that the one called `kept` left.
    """
    return [
        {
            OF_LM_EVAL: True,
            "doc": {"question": str(_asked(sample)[0][0]), "answer": str(sample["target"]), "language": language},
            "resps": [[_said(sample)]],
        }
        for sample in chosen_rows(samples, kept)
    ]


def _asked(sample: Mapping[str, Any]) -> list[list[Any]]:
    """Returns the arguments of each request."""
    return [list(each.values()) for each in sample["arguments"].values()]


def _said(sample: Mapping[str, Any]) -> str:
    """Returns a response; of choices, each with its log-likelihood, the likeliest first."""
    asked, first = _asked(sample), sample["resps"][0][0]
    if not isinstance(first, list | tuple):
        return str(first)
    likely = [(float(each[0][0]), str(arguments[1])) for arguments, each in zip(asked, sample["resps"], strict=True)]
    return "\n".join(f"{text.strip()}   ({value:.2f})" for value, text in sorted(likely, reverse=True))
