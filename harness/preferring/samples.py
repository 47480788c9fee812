"""The step that lets a model make the pairs that a stage prefers between: what it is in a plan, and the doing of it.

runs/pocket/mapo/0/pairs-1a2b3c4d/     pairs.jsonl, which the training reads; samples.jsonl: all that was said, and what it was
                                       taken for; pairs.json: how much of it there is, and what it took
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from xreason.harness import progress
from xreason.harness.preferring.alignment import aligned, check_translator, translator
from xreason.harness.preferring.judging import Question, identified, judged, pairs_of
from xreason.harness.serving.answers import Answer, Answers
from xreason.harness.serving.models import Model, checkpoint_model
from xreason.harness.store.provenance import has_gpu, scoring_versions
from xreason.harness.store.steps import Step, key_of, keyed, step
from xreason.tasks.errors import MissingSetError, UserError
from xreason.tasks.readings.identification import identifier
from xreason.trainers.corpora.examples import Corpus, Example, Source
from xreason.trainers.corpora.load import load_corpus
from xreason.trainers.corpora.pairs.made import MadePairs, write_pairs
from xreason.trainers.stages import Samples, Stage

FOLDER, SAMPLES_FILE = "pairs", "samples.jsonl"


class MakePairs(Step):
    """To let a model answer training questions, several times each, and to pair what it says."""

    row: str  #: the row of the board that prefers between them
    seed: int  #: of the sampling, and of which pairs are drawn
    stage: Stage  #: that learns of them
    base: Model  #: that the row is made from
    start: Path | None  #: folder of the checkpoint of it that answers; None for the base itself
    languages: tuple[str, ...]  #: codes that the corpora are asked for
    source: Source  #: of the questions
    data: Path | None  #: folder with local copies of the sets, or None

    @property
    def title(self) -> str:
        """What progress calls it."""
        return f"{self.row}, seed {self.seed}"

    @property
    def samples(self) -> Samples:
        """How it is done."""
        if self.stage.samples is None:
            raise ValueError(f"stage {self.stage.name} makes no samples")
        return self.stage.samples

    def corpora(self) -> list[Corpus]:
        """Returns the rows whose questions are asked; reads them."""
        told: dict[str, Any] = {"source": self.source, "data": self.data, "rows": self.stage.rows, "frame": self.stage.frame}
        return [load_corpus(name, self.languages, **told, seed=self.seed) for name in self.stage.corpora]


def plan_pairs(
    row: str,
    seed: int,
    folder: Path,
    stage: Stage,
    base: Model,
    start: tuple[Path, str] | None,
    languages: Sequence[str],
    *,
    needs: Sequence[Path] = (),
    source: Source,
    data: Path | None,
    dtype: str = "auto",
    engine: Mapping[str, Any] = {},
    outline: bool = False,
) -> MakePairs:
    """Returns the step; reads the questions.

    Args:
        row: of the board, as is `seed`.
        seed: of its training.
        folder: of the row in the run store.
        stage: that learns of the pairs.
        base: that the row is made from.
        start: folder, and hash or key, of the checkpoint that answers in the base's place; None for the base.
        languages: codes that the corpora are asked for.
        needs: folders of the steps that make that checkpoint.
        source: of the questions, with `data`.
        data: folder with local copies.
        dtype: what the comparison serves in.
        engine: arguments of vLLM that can change an answer.
        outline: lets questions be missing; then the step has no key, as where the base's weights are not known.

    Raises:
        UserError: the questions, or the translation model, cannot be had.
    """
    place = folder / FOLDER
    told: dict[str, Any] = {"row": row, "seed": seed, "stage": stage, "base": base, "source": source, "data": data}
    told |= {"needs": tuple(needs), "start": start[0] if start else None, "languages": tuple(languages)}
    task = MakePairs(folder=place, key="", **told)
    if task.samples.pairs == "alignment" and not outline:
        check_translator(task.samples.translator)
    try:
        corpora = task.corpora()
    except MissingSetError:
        if not outline:
            raise
        return task
    said = {
        "step": "pairs",
        "model": [base.hash, base.signature(), start[1] if start else None],
        "questions": [corpus.hash for corpus in corpora],
        "frame": stage.frame,
        "samples": TypeAdapter(Samples).dump_python(task.samples, mode="json"),
        "seed": seed,
        "dtype": base.served_dtype(dtype),
        "engine": dict(engine),
        "versions": scoring_versions() | ({"identifier": identifier()} if task.samples.pairs == "language" else {}),
    }
    key = key_of(said) if base.known and (start is None or start[1]) else ""
    return task.model_copy(update={"key": key, "folder": keyed(place, key)})


def make_pairs(task: MakePairs, serving: Callable[[Model], Any]) -> None:
    """Makes the pairs; `serving` returns the engine, which then serves the model that it is given.

    Where the process dies before all is said, what was said is not asked again.

    Raises:
        UserError: the samples make no pair, the translation model cannot be had, or the base is gone.
    """
    began, told = time.perf_counter(), task.samples
    model = checkpoint_model(task.start, task.row)[0] if task.start else task.base
    corpora = task.corpora()
    rows = [row for corpus in corpora for row in corpus.examples]
    scorer = translator(told.translator, "cuda" if has_gpu() else "cpu") if told.pairs == "alignment" else None
    kept = task.folder.parent / f".answers-{key_of([task.key, model.hash])[:16]}.jsonl"
    task.folder.parent.mkdir(parents=True, exist_ok=True)
    with Answers(kept) as answers, step(task.folder, task.key, task.needs) as directory:
        with progress.bar(f"samples of {task.title}") as report:
            said = sampled(serving(model), rows, told, task.seed, answers, report)
        questions = [judged(row, said[row.prompt], task.stage.frame) for row in rows if row.prompt in said]
        if scorer:
            with progress.bar(f"alignment of {task.title}") as report:
                questions = aligned(questions, scorer, report)
        elif told.pairs == "language":
            questions = identified(questions)
        pairs = [pair for each in questions for pair in pairs_of(each, told, task.seed)]
        if not pairs:
            right = sum(sample.right is True for each in questions for sample in each.samples)
            answered = f"{right:,} of {sum(len(each.samples) for each in questions):,} different samples are right"
            raise UserError(f"The samples of {task.title} make no pair ({answered}); set another temperature, or a larger count.")
        seconds = time.perf_counter() - began
        write_pairs(directory, _made(corpora, questions, pairs, told, seconds), pairs)
        with (directory / SAMPLES_FILE).open("w", encoding="utf-8") as file:
            for line in _lines(questions):
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
    answers.remove()
    progress.say(f"{task.title}: {len(pairs):,} pairs of samples on {len(rows):,} questions in {seconds:.0f} s")


def sampled(
    lm: Any,
    rows: Sequence[Example],
    told: Samples,
    seed: int,
    answers: Answers | None = None,
    report: Callable[[int, int], None] | None = None,
) -> dict[str, list[tuple[str, bool]]]:
    """Returns what the model that `lm`, our engine, serves says to each prompt, and whether that came to an end by itself.

    A prompt's chance is of itself and of `seed`, not of what is asked beside it.
    """
    from vllm import SamplingParams

    prompts = list(dict.fromkeys(row.prompt for row in rows))
    encoded = {prompt: tuple(tokens) for prompt, tokens in zip(prompts, lm.tok_encode(prompts), strict=True)}
    # what leaves no room for an answer is not asked
    encoded = {prompt: tokens for prompt, tokens in encoded.items() if len(tokens) < lm.max_length}

    def params(tokens: tuple[int, ...]) -> Any:
        chance = int(key_of([seed, tokens])[:8], 16)
        return SamplingParams(n=told.count, temperature=told.temperature, max_tokens=told.max_new_tokens, seed=chance)

    lm.progress, lm.answers = report, answers
    said: Mapping[tuple[int, ...], list[Answer]] = lm.answered({tokens: params(tokens) for tokens in encoded.values()})
    lm.progress = lm.answers = None
    return {prompt: [(each.text, each.finish_reason != "length") for each in said[tokens]] for prompt, tokens in encoded.items()}


def _made(
    corpora: Sequence[Corpus], questions: Sequence[Question], pairs: Sequence[Example], told: Samples, seconds: float
) -> MadePairs:
    counted: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for each in questions:
        counted[each.row.language] += len(each.samples)
        right[each.row.language] += sum(sample.right is True for sample in each.samples)
    return MadePairs(
        name="+".join(corpus.name for corpus in corpora),
        description=f"{told.describe()} on {' + '.join(corpus.description for corpus in corpora)}, made in {seconds:.0f} s",
        languages=tuple(dict.fromkeys(pair.language for pair in pairs)),
        sources=tuple(dict.fromkeys(source for corpus in corpora for source in corpus.sources or ())),
        left_out=sum(not each.gold for each in questions),
        questions=len(questions),
        samples=dict(counted),
        right=dict(right),
        pairs=dict(Counter(pair.language for pair in pairs)),
        seconds=seconds,
    )


def _lines(questions: Sequence[Question]) -> Iterable[dict[str, Any]]:
    for each in questions:
        about = {"language": each.row.language, "prompt": each.row.prompt, "gold": each.gold}
        yield from (about | asdict(sample) for sample in each.samples)
