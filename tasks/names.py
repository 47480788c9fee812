"""Names that people type: how they are compared, and what is said when one is not known."""

import difflib
from collections.abc import Iterable

from xreason.tasks.errors import UserError


def canonical(name: str) -> str:
    """Returns `name` as it is registered: lower case, hyphens for underscores."""
    return name.strip().lower().replace("_", "-")


def unknown(kind: str, name: str, known: Iterable[str], *, nearest: str | None = None) -> UserError:
    """Returns the error for a `name` that is none of the `known`; it offers the nearest (by spelling, if not given) and all."""
    choices = sorted(known)
    near = [nearest] if nearest else difflib.get_close_matches(name, choices, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return UserError(f"There is no {kind} {name!r}; {hint}Choose one of: {', '.join(choices)}.")
