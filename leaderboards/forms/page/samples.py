"""What models said, for the page: questions with all models' responses enter; packed parts, one a suite and language, leave.

A part is JSON, gzipped, in base64, which every browser unpacks by itself. Beside the page it is a script that hands it over, for
pages opened from a disk may load scripts but read no files:

    samples/mgsm-sw.js      xreasonSamples("mgsm-sw", "H4sIAAAA...")
"""

import base64
import gzip
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from xreason.leaderboards.files import write_whole
from xreason.leaderboards.forms import format as _format
from xreason.leaderboards.records import Reading

FOLDER = "samples"
#: A page with more than this embedded, in bytes, opens too slowly.
MOST_EMBEDDED = 40_000_000


class Response(NamedTuple):
    """What a model said to a question, and what the readings made of it."""

    text: str
    paper: bool  #: whether the papers' reading is right; likewise strict
    strict: bool
    paper_read: str  #: the number that it read
    strict_read: str | None  #: None where it found none
    cut_off: bool  #: False also where that is not known
    in_language: bool | None  #: whether it is in the question's language; None where nothing told it
    tokens: int | None  #: None where they were not counted
    thinking: str | None = None  #: what comes before `text`, where thinking is told apart; "" where there is none
    cut_off_thinking: bool = False  #: whether this was cut off, at its budget or with the response
    asked: str | None = None  #: the question as it was put to this model, where it was put into English first


class Question(NamedTuple):
    """A question, its gold answer, and a response a column; None where it was not asked."""

    id: int
    question: str
    gold: str
    responses: Sequence[Response | None]


class Samples(NamedTuple):
    """All that was said on one suite in one language."""

    suite: str
    language: str  #: its code
    columns: Sequence[str]  #: what said it: a model, of several seeds or samples each one
    first: Sequence[int]  #: the columns shown at first: one a model
    reading: Reading  #: what counts as right
    questions: Sequence[Question]


@dataclass(frozen=True)
class Part:
    """Samples as a browser unpacks them."""

    suite: str
    language: str
    packed: str

    @property
    def key(self) -> str:
        """Its name, also of its file."""
        return re.sub(r"[^A-Za-z0-9_-]", "_", f"{self.suite}-{self.language}")


def packed(samples: Samples) -> Part:
    """Returns samples as a part; the same samples give the same bytes."""
    content: dict[str, Any] = {
        "columns": [_format.one_line(column) for column in samples.columns],
        "first": samples.first,
        "right": Response._fields.index("strict" if samples.reading == "strict" else "paper"),
        "questions": [question._asdict() for question in samples.questions],
    }
    if all(each is None or each.thinking is None for question in samples.questions for each in question.responses):
        short = len(Response._fields) - len(Response._field_defaults)
        for question in content["questions"]:
            question["responses"] = [each and each[:short] for each in question["responses"]]
    # where the text holds half a character, as a model's bytes may, there is a question mark
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return Part(samples.suite, samples.language, base64.b64encode(gzip.compress(text, 6, mtime=0)).decode())


def write_part(part: Part, directory: Path) -> None:
    """Writes a part beside a page that stands in `directory`, whole or not at all; an OSError where that cannot be."""
    write_whole(directory / FOLDER / f"{part.key}.js", f'xreasonSamples("{part.key}", "{part.packed}")\n')
