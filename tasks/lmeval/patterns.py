"""How tasks of lm-eval are named on the command line, and how a language is read from a name.

lm-eval:xcopa                              a group: its tasks, a language each
lm-eval:global_mmlu_full_{en,sw,de}        braces are written out
lm-eval:belebele_*_Latn                    any names of this form
lm-eval:{en=hellaswag,sw=belebele_swh_Latn}   a language that is said
lm-eval:belebele@acc_norm                  what counts as right; @exact_match/flexible-extract also says the filter
"""

import re
from dataclasses import dataclass

from xreason.tasks.cldr.codes import language_of
from xreason.tasks.errors import UserError

#: What begins the name of a suite that is lm-eval's.
PREFIX = "lm-eval:"

_NAME = re.compile(r"[\w.*?\[\]:/+-]+")
_MOST = 1_000  # names that braces may write out


@dataclass(frozen=True)
class Pattern:
    """What was asked for: names (or forms of names), each with its language where that was said."""

    names: tuple[tuple[str | None, str], ...]
    metric: str | None  #: what counts as right, where that was said
    filter: str | None  #: of lm-eval's, that its responses go through; likewise


def parsed(text: str) -> Pattern:
    """Returns what a pattern says, without its PREFIX.

    Raises:
        UserError: it is empty, its braces do not close, or a name or language in it is none.
    """
    body, _, chosen = text.strip().partition("@")
    metric, _, kept = chosen.partition("/")
    names = []
    for each in _written_out(body):
        said, _, name = each.rpartition("=")
        code = language_of(said.strip()) if said.strip() else None
        if not _NAME.fullmatch(name.strip()) or ("=" in each and code is None):
            what = "no language" if name.strip() and "=" in each else "no name of a task"
            raise UserError(f"{PREFIX}{text[:80]} holds {what} ({each[:40]!r}); give such as {PREFIX}xcopa or {PREFIX}sw=xcopa_sw.")
        names.append((code, name.strip()))
    if ("@" in text and not metric.strip()) or not names:
        raise UserError(f"{PREFIX}{text[:80]} names nothing; give such as {PREFIX}xcopa, or {PREFIX}belebele@acc_norm.")
    return Pattern(tuple(dict.fromkeys(names)), metric.strip() or None, kept.strip() or None)


def apart(text: str) -> list[str]:
    """Returns what stands between commas, those within braces left alone; without what is empty."""
    return [part.strip() for part in re.split(r",(?![^{}]*\})", text) if part.strip()]


def _written_out(text: str) -> list[str]:
    """Returns the texts that braces stand for, in order."""
    waiting, done = apart(text), list[str]()
    while waiting:
        first = waiting.pop(0)
        braces = re.search(r"\{([^{}]*)\}", first)
        if braces is None:
            if {*first} & {*"{}"}:
                raise UserError(f"The braces of {PREFIX}{text[:80]} do not close; write such as {PREFIX}xcopa_{{sw,ta}}.")
            done.append(first)
            continue
        before, after = first[: braces.start()], first[braces.end() :]
        waiting = [before + each.strip() + after for each in braces[1].split(",")] + waiting
        if len(waiting) > _MOST:
            raise UserError(f"The braces of {PREFIX}{text[:80]} stand for more than {_MOST:,} names; write fewer.")
    return done


def language_in(name: str) -> str | None:
    """Returns the language that a task's name ends in: "sw" of xcopa_sw and of belebele_swh_Latn; None where it ends in none."""
    parts = name.split("_")
    endings = ("_".join(parts[-2:]), parts[-1]) if len(parts) > 2 else parts[-1:]
    return next((code for ending in endings if (code := language_of(ending))), None) if len(parts) > 1 else None
