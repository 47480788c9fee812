"""Which training text is meant where nobody says: the pocket world for the pocket model, the papers' sets for any other."""

from xreason.tasks.names import canonical, unknown
from xreason.trainers.checkpoints.base import POCKET
from xreason.trainers.corpora.examples import Source


def source_of(named: str | None, model: str) -> Source:
    """Returns the source called `named`; for None the one that belongs to the model.

    Raises:
        UserError: there is no such source.
    """
    match canonical(named or (POCKET if model == POCKET else "papers")):
        case "pocket":
            return "pocket"
        case "papers":
            return "papers"
    raise unknown("source", str(named), ("papers", "pocket"))
