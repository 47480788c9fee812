"""Where the numbers of a board come from, in words: the one list that the board's pages choose from."""

from collections.abc import Iterable

from xreason.leaderboards.board import Board
from xreason.leaderboards.forms import format as _format
from xreason.leaderboards.records import Training
from xreason.leaderboards.styles import NO_CHAT_ARGS, NO_THINKING

#: What most boards need not say.
_NOT_SAID = {"system instruction": "none", "chat template": NO_CHAT_ARGS, "thinking": NO_THINKING}


def provenance_facts(board: Board) -> dict[str, str]:
    """Returns what is told to what it is, plain text on one line, not escaped; without what most boards need not say."""
    sources, suite = board.provenance, board.suite
    limits = _joined("all questions" if source.limit is None else f"first {source.limit} questions" for source in sources)
    tokens = _joined(str(source.max_new_tokens.get(suite, "?")) for source in sources)
    suite_versions = _joined(source.suite_versions.get(suite, "?") for source in sources)
    dates = sorted(source.date for source in sources)
    facts = {
        "Model": _joined(f"{source.model} ({source.model_hash[:12]})" for source in sources),
        "data": f"{_joined(source.data.get(suite, '?') for source in sources)}, {limits}, version {suite_versions}",
        "mean over": ", ".join(board.average_languages),
        "prompt": _joined(f"{style.written_shots} {style.prompt} ({style.prompt_hash})" for style in board.styles),
        "system instruction": _joined(style.system or "none" for style in board.styles),
        "chat template": _joined(style.written_chat_args for style in board.styles),
        "thinking": _joined(style.written_thinking for style in board.styles),
        "decoding": f"{_joined(style.decoding for style in board.styles)}, at most {tokens} new tokens",
        "ranked by": _format.READINGS[board.reading],
        "dtype": _joined(source.dtype or "not recorded" for source in sources),
        "language identifier": _joined(source.identifier or "none" for source in sources),
        "commit": _joined(source.commit for source in sources),
        "machine": _joined(source.machine for source in sources),
        "trained on": _joined(_trained_on(training) for row in board.rows for training in row.trainings),
        "date": " to ".join(dict.fromkeys((dates[0], dates[-1]))),
        "versions": _joined(f"{package} {version}" for source in sources for package, version in sorted(source.versions.items())),
    }
    return {name: fact for name, fact in facts.items() if fact and fact != _NOT_SAID.get(name)}


def _joined(texts: Iterable[str]) -> str:
    return ", ".join(_format.one_line(text) for text in dict.fromkeys(texts))


def _trained_on(training: Training) -> str:
    return f"{training.devices} x {training.device}, {training.machine}" if training.device else "not recorded"
