"""What models said, for the page of a board: lm-eval's stored samples beside the verdicts in their records."""

import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xreason.harness.scoring.lmeval.shown import OF_LM_EVAL, shown_samples
from xreason.harness.scoring.verdicts import stored_samples
from xreason.leaderboards.board import Board
from xreason.leaderboards.contenders import contenders_of, voted
from xreason.leaderboards.forms.page.page import write_page
from xreason.leaderboards.forms.page.samples import Question, Response, Samples
from xreason.leaderboards.records import LanguageScore, Record
from xreason.tasks.prompts import DEFAULT_STYLE, as_asked
from xreason.tasks.readings.verdicts import answer_part, split, what_is_read
from xreason.tasks.suites import SUITES


@dataclass(frozen=True)
class _Stream:
    """The responses of one model, seed and sample to one language's questions."""

    name: str
    first: bool  #: of its model
    samples: Sequence[Mapping[str, Any]]  #: lm-eval's, in the order of the questions
    score: LanguageScore
    place: int  #: which of the samples of a question


def write_board_page(
    boards: Sequence[Board], records: Sequence[tuple[Path, Record]], folder: Path, *, single_file: bool = False, live: bool = False
) -> None:
    """Writes leaderboard.html and its samples into `folder`.

    Args:
        boards: what it shows.
        records: what they were made of, each with the folder that it stands in.
        folder: where it goes.
        single_file: whether samples stand in the page itself, see `xreason.leaderboards.forms.page.page.write_page`.
        live: whether the page is served, and asks for a newer one.

    Raises:
        UserError: stored samples are damaged.
    """
    samples = (each for board in boards for each in samples_of(board, records))
    write_page(boards, folder, command=command_line(), samples=samples, single_file=single_file, live=live)


def command_line() -> str:
    """Returns the command that was given; "" where this process was called by another name, such as a test's."""
    return shlex.join(["xreason", *sys.argv[1:]]) if Path(sys.argv[0]).name == "xreason" else ""


def samples_of(board: Board, records: Sequence[tuple[Path, Record]]) -> Iterator[Samples]:
    """Yields what the models of a board said, language by language, as far as their responses stand beside their records.

    Args:
        board: whose rows are shown, in their order.
        records: what it was made of, among others of other suites, each with the folder that it stands in.
    """
    told = [(folder, record) for folder, record in records if board.suite in record.scores]
    places = {id(record): folder for folder, record in told}
    contenders = {contender.name: contender for contender in contenders_of([record for _, record in told], board.suite)}
    for code in board.languages:
        streams: list[_Stream] = []
        for row in board.rows:
            kept = contenders[row.name].records if row.name in contenders else ()
            own = [
                stream for record in kept for stream in _streams(row.name, len(kept), record, places[id(record)], board.suite, code)
            ]
            streams += [_Stream(each.name, place == 0, each.samples, each.score, each.place) for place, each in enumerate(own)]
        if streams:
            yield Samples(
                suite=board.suite,
                language=code,
                columns=[stream.name for stream in streams],
                first=[place for place, stream in enumerate(streams) if stream.first],
                reading=board.reading,
                questions=_questions(streams),
            )


def _streams(name: str, seeds: int, record: Record, folder: Path, suite: str, code: str) -> Iterator[_Stream]:
    score, measure = record.scores[suite].get(code), record.measures.get(suite, {}).get(code)
    if measure is None and suite not in SUITES:
        return
    tasks = measure.tasks if measure else (SUITES[suite].task(code),)
    directory = folder / "scores" / Path(record.folders.get(suite, suite)).name
    if score is None or not all(any(directory.rglob(f"samples_{task}_*.jsonl")) for task in tasks):
        return
    if measure or SUITES[suite].likelihood:
        kept = measure.filter if measure else "none"
        samples = [each for task in tasks for each in shown_samples(stored_samples(directory, task, ours=False), kept, code)]
    else:
        samples = stored_samples(directory, tasks[0])
    if len(samples) != score.questions:
        return  # of another limit than the record's
    if record.provenance.self_consistency and score.elected:
        # of what a vote was over, the response that stands for it
        said = zip(samples, score.elected, strict=True)
        samples, score = [each | {"resps": [[each["resps"][0][place]]]} for each, place in said], voted(score)
    seed = f", seed {record.seed}" if seeds > 1 else ""
    for place in range(score.samples):
        yield _Stream(f"{name}{seed}" + (f", sample {place + 1}" if score.samples > 1 else ""), False, samples, score, place)


def _questions(streams: Sequence[_Stream]) -> list[Question]:
    asked = max(stream.score.questions for stream in streams)
    questions = []
    for number in range(asked):
        sample = next(stream.samples[number] for stream in streams if number < len(stream.samples))
        responses = [_response(stream, number) if number < len(stream.samples) else None for stream in streams]
        questions.append(Question(number, sample["doc"]["question"], sample["doc"]["answer"], responses))
    return questions


def _response(stream: _Stream, number: int) -> Response:
    score, sample = stream.score, stream.samples[number]
    cut_off = score.cut_off is not None and score.cut_off[stream.place][number] == "1"
    if sample.get(OF_LM_EVAL):
        right = score.paper[stream.place][number] == "1"
        return Response(sample["resps"][0][0], right, right, "", None, cut_off, None, None)
    document = as_asked({"style": DEFAULT_STYLE, **sample["doc"]})
    text = sample["resps"][0][stream.place]
    read, end = answer_part(text, document), document.get("think_end")
    thinking, text = split(text, end) if end else (None, text)
    paper_read, strict_read = what_is_read(read, document)
    told = "-" if score.in_language is None else score.in_language[stream.place][number]
    return Response(
        text=text,
        paper=score.paper[stream.place][number] == "1",
        strict=score.strict[stream.place][number] == "1",
        paper_read=paper_read or "",
        strict_read=strict_read,
        cut_off=cut_off,
        in_language=None if told == "-" else told == "1",
        tokens=None,
        thinking=thinking,
        cut_off_thinking=score.cut_off_thinking is not None and score.cut_off_thinking[stream.place][number] == "1",
        asked=sample["doc"].get("translation"),
    )
