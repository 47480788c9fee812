"""Pairs that a model made, on disk: written by the harness that lets it, read by the stage that prefers between them.

pairs.jsonl     {"prompt": "...", "chosen": "5 + 12 = 17. ...", "rejected": "5 + 12 = 15. ...", "language": "de"}
pairs.json      what they were made of, and what that took
"""

import json
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel

from xreason.tasks.errors import UserError
from xreason.trainers.corpora.examples import Corpus, Example, make_corpus
from xreason.trainers.corpora.rows import read_json_rows

_PAIRS_FILE, _MADE_FILE = "pairs.jsonl", "pairs.json"


class MadePairs(BaseModel, frozen=True):
    """What pairs were made of."""

    name: str  #: of the corpora whose questions were asked
    description: str  #: in words
    languages: tuple[str, ...]  #: codes, of the questions
    sources: tuple[str, ...]  #: data sets that the questions were made from
    left_out: int  #: questions whose gold answer the readings do not agree on
    questions: int  #: that were judged
    samples: dict[str, int]  #: language code to different responses
    right: dict[str, int]  #: language code to those of them that are right
    pairs: dict[str, int]  #: language code to pairs
    seconds: float  #: wall clock of asking and judging


def write_pairs(folder: Path, made: MadePairs, pairs: Sequence[Example]) -> None:
    """Writes pairs, and what they were made of, into a folder."""
    with (folder / _PAIRS_FILE).open("w", encoding="utf-8") as file:
        for each in pairs:
            row = {"prompt": each.prompt, "chosen": each.response, "rejected": each.rejected, "language": each.language}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    (folder / _MADE_FILE).write_text(made.model_dump_json(indent=1) + "\n", encoding="utf-8")


def pairs_made(folder: Path) -> MadePairs | None:
    """Returns what the pairs in a folder were made of; None where none stand there."""
    path = folder / _MADE_FILE
    return MadePairs.model_validate_json(path.read_bytes()) if path.exists() else None


def read_pairs(folder: Path) -> Corpus:
    """Returns the pairs that a folder holds.

    Raises:
        UserError: there are none, or a file is damaged.
    """
    try:
        made = MadePairs.model_validate_json((folder / _MADE_FILE).read_bytes())
    except (OSError, ValueError) as error:
        raise UserError(
            f"{folder} holds no pairs that can be read ({type(error).__name__}); delete it, and they are made again."
        ) from error
    rows = read_json_rows(folder / _PAIRS_FILE, ("prompt", "chosen", "rejected", "language"))
    pairs = [Example(row["prompt"], row["chosen"], row["language"], row["rejected"]) for row in rows]
    return make_corpus(made.name, made.description, made.languages, str(folder), pairs, made.left_out, sources=made.sources)
