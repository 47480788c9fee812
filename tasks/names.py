"""Names that people type: how they are compared, and what is said when one is not known."""

import difflib
from collections.abc import Iterable, Sequence

from xreason.tasks.errors import UserError

#: What of names a sentence of at most 400 characters has room for: how many at each end, and their characters.
_SHOWN, _LONGEST = 3, 36


def canonical(name: str) -> str:
    """Returns `name` as it is registered: lower case, hyphens for underscores."""
    return name.strip().lower().replace("_", "-")


def few(names: Sequence[str], between: str = ", ") -> str:
    """Returns names in a row for a sentence: of many the first and the last three, and of long ones the beginning."""
    shown = [name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…" for name in names]
    if (more := len(shown) - 2 * _SHOWN) > 1:
        shown = [*shown[:_SHOWN], f"({more:,} more)", *shown[-_SHOWN:]]
    return between.join(shown)


def unknown(kind: str, name: str, known: Iterable[str], *, nearest: str | None = None) -> UserError:
    """Returns the error for a `name` that is none of the `known`; it offers the nearest (by spelling, if not given) and all."""
    choices = sorted(known)
    near = [nearest] if nearest else difflib.get_close_matches(name, choices, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return UserError(f"There is no {kind} {name!r}; {hint}Choose one of: {', '.join(choices)}.")
