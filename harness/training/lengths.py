"""How many rows and tokens a stage reads, before anything is loaded: counted where text and tokenizer are here, else estimated.

    counted      every row tokenized as the loop does it, cut off and left out as there; kept in the store, so that it is done once
    sampled      of a long corpus every k-th row, unless all are asked for (`exact`)
    estimated    no tokenizer here: by the characters of each script
    published    the set is not here: rows as published, and about how long one is (trainers/corpora/published.py)
    expected     of pairs: as many as were made, else one a sample; each twice as long as a row of the corpus that is asked
    bound        of rewards: every completion as long as it may be

runs/counts/KEY.npz     lengths of a stage's rows, in tokens; KEY is of the corpora, the tokenizer, and how rows are framed and cut
"""

import json
import math
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from xreason.harness.serving.models import Model
from xreason.harness.store.steps import key_of
from xreason.harness.training.train import Train
from xreason.leaderboards.records import Frozen
from xreason.tasks.errors import MissingSetError
from xreason.trainers.corpora.examples import Corpus, Example, Source, taught
from xreason.trainers.corpora.load import is_own, load_corpus
from xreason.trainers.corpora.mixing import stage_texts
from xreason.trainers.corpora.pairs.made import pairs_made
from xreason.trainers.corpora.published import ROWS, estimated_tokens, published_rows, published_tokens, vocabulary
from xreason.trainers.corpora.tokens import tokenize
from xreason.trainers.loop.batches import StepOrder
from xreason.trainers.stages import Frame, Imitate, Reward, Stage

FOLDER = "counts"
# Raised when rows are framed, cut or tokenized otherwise.
_VERSION = 1
# Characters of a stage that are tokenized unasked: a few seconds of two cores.
_AT_MOST = 8_000_000
# Rows of one's own, which are read from their file, by which their characters are estimated.
_LOOKED_AT = 4096
#: What tokenizer.json says by itself, for Transformers adds nothing to tokenizers of these classes.
_PLAIN = {"TokenizersBackend", "PreTrainedTokenizerFast"}

How = Literal["counted", "sampled", "estimated", "published", "expected", "bound"]


class Missing(Frozen):
    """Text that is not here."""

    corpus: str
    languages: tuple[str, ...]
    reckoned_with: str  #: what stands in for it, in words
    why: str  #: where it was looked for, and how it can be had


@dataclass(frozen=True)
class Lengths:
    """The rows of a stage, and how long they are."""

    rows: int  #: that are trained on
    mean: float  #: tokens a row
    how: tuple[How, ...]  #: how that is known, of each of its parts
    each: "np.ndarray[Any, Any] | None" = None  #: tokens of every row in order, where all were counted
    missing: tuple[Missing, ...] = ()

    def steps(self, stage: Stage) -> int:
        """Returns the optimizer steps of the stage."""
        steps = math.ceil(stage.epochs * math.ceil(self.rows / stage.batch_size))
        return min(steps, stage.max_steps or steps)

    def tokens(self, stage: Stage, seed: int) -> int:
        """Returns the tokens that it trains on, over all epochs."""
        an_epoch, steps = math.ceil(self.rows / stage.batch_size), self.steps(stage)
        if not self.rows:
            return 0
        epochs, rest = divmod(steps, an_epoch)
        if self.each is None:
            return round(self.mean * (epochs * self.rows + min(rest * stage.batch_size, self.rows)))
        order = StepOrder(self.each.tolist(), stage.batch_size, seed)
        last = (order.rows(epochs * an_epoch + step) for step in range(rest))
        return epochs * int(self.each.sum()) + sum(int(self.each[rows].sum()) for rows in last)


def stage_lengths(task: Train, number: int, store: Path, *, words: int, exact: bool = False) -> Lengths:
    """Returns them of one stage of a training; what is counted is kept in `store`.

    Args:
        task: the training, which may be planned in outline.
        number: of the stage, from 0.
        store: the run store.
        words: size of the base's vocabulary, which estimates go by where the tokenizer is not here.
        exact: counts every row, however many.

    Raises:
        UserError: as load_corpus, but for a set that is missing; or the tokenizer is none.
    """
    stage = task.method.stages[number]
    lengths = _row_lengths(task, number, store, words, exact)
    if isinstance(stage.objective, Imitate):
        return lengths
    known = tuple(each for each in lengths.how if each != "counted")
    if isinstance(stage.objective, Reward):
        completions = lengths.rows * stage.objective.num_generations * stage.objective.num_iterations
        longest = min(lengths.mean + stage.objective.max_completion_length, stage.max_length)
        return Lengths(completions, longest, (*known, "bound"), missing=lengths.missing)
    pairs = lengths.rows
    if stage.samples:
        made = pairs_made(task.pairs) if task.pairs else None
        pairs = sum(made.pairs.values()) if made else lengths.rows * (stage.samples.most or stage.samples.count)
    mean = 2 * min(lengths.mean, stage.max_length)
    return Lengths(pairs, mean, (*known, "expected"), missing=lengths.missing)


def _row_lengths(task: Train, number: int, store: Path, words: int, exact: bool) -> Lengths:
    """Returns the same of the rows of its corpora, each with one response."""
    stage = task.method.stages[number]
    key: str | None = None
    if task.corpora:
        drawn = task.source == "pocket" or stage.rows or isinstance(stage.corpora, Mapping)
        key = _key(task, stage, task.corpora[number], task.seed if drawn else None)
        if kept := _kept(store, key):
            return kept
    corpora, absent = _corpora(task, stage)
    if not absent:
        given = dict(zip(stage.corpora, corpora, strict=True))
        # what other stages hold out is not looked at: it is little
        load = partial(_of_stage, task, given)
        text = stage_texts(replace(task.method, stages=(stage,)), load, task.seed)[0]
        return _counted(task, stage, text.rows, store, key, words, exact)
    here = [example for corpus in corpora for example in corpus.examples]
    parts = [_counted(task, stage, here, store, _key(task, stage, [each.hash for each in corpora]), words, exact)] if here else []
    for corpus, languages, why in absent:
        parts.append(_published(corpus, languages, stage, words, why))
    rows = sum(part.rows for part in parts)
    mean = sum(part.rows * part.mean for part in parts) / max(rows, 1)
    how = tuple(dict.fromkeys(each for part in parts for each in part.how))
    return Lengths(rows, mean, how, missing=tuple(each for part in parts for each in part.missing))


def _of_stage(task: Train, given: Mapping[str, Corpus], name: str, stage: Stage) -> Corpus:
    """Returns a corpus, or the file that is held out."""
    return given.get(name) or _loaded(name, task.languages, task.source, task.data, stage.rows, task.seed, stage.frame)


def _corpora(task: Train, stage: Stage) -> tuple[list[Corpus], list[tuple[str, list[str], str]]]:
    """Returns what is here of a stage's corpora, language by language where some is not, and what is missing."""
    told = (task.source, task.data, stage.rows, task.seed, stage.frame)
    here: list[Corpus] = []
    absent: list[tuple[str, list[str], str]] = []
    for name in stage.corpora:
        if task.corpora:
            here.append(_loaded(name, task.languages, *told))
            continue
        missing, why = [], ""
        # one's own is had whole
        for code in ("",) if is_own(name, task.source) else taught(name, task.languages):
            try:
                here.append(_loaded(name, (code,), *told))
            except MissingSetError as error:
                missing.append(code)
                why = str(error)
        if missing:
            absent.append((name, missing, why))
    return here, absent


# stages share corpora
@lru_cache(maxsize=32)
def _loaded(
    name: str, languages: tuple[str, ...], source: Source, data: Path | None, rows: int | None, seed: int, frame: Frame
) -> Corpus:
    return load_corpus(name, languages, source=source, data=data, rows=rows, seed=seed, frame=frame)


def _published(corpus: str, languages: Sequence[str], stage: Stage, words: int, why: str) -> Lengths:
    told = {code: published_rows(corpus, code) for code in languages}
    known = {code: min(rows, stage.rows or rows) for code, rows in told.items() if rows is not None}
    rows, sized = sum(known.values()), vocabulary(words)
    tokens = sum(count * min(published_tokens(corpus, code, stage.frame, sized), stage.max_length) for code, count in known.items())
    unknown = ", ".join(code for code in languages if code not in known)
    whose = f"{rows:,} {ROWS[corpus][1]}" if known else ""
    nothing = f"nothing in {unknown}, whose rows are not published" if unknown else ""
    nothing = nothing if any(languages) else "nothing, for its rows are not known"
    said = Missing(corpus=corpus, languages=tuple(languages), reckoned_with=" and ".join(filter(None, (whose, nothing))), why=why)
    return Lengths(rows, tokens / max(rows, 1), ("published",), missing=(said,))


def _key(task: Train, stage: Stage, corpora: Sequence[str], seed: int | None = None) -> str:
    tokenizer = task.base.tokenizer() if _has_tokenizer(task.base.folder) else None
    more: list[Any] = [list(stage.corpora.values())] if isinstance(stage.corpora, Mapping) else []
    more += [stage.held_out] if stage.held_out is not None else []
    return key_of([_VERSION, corpora, seed, tokenizer, stage.frame, stage.max_length, stage.truncation, stage.loss_on, *more])


def _has_tokenizer(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer.model", "vocab.json"))


def _kept(store: Path, key: str) -> Lengths | None:
    with suppress(OSError, ValueError, KeyError), np.load(store / FOLDER / f"{key}.npz") as kept:
        each = kept["lengths"]
        return Lengths(len(each), float(each.mean()), ("counted",), each)
    return None


def _keep(store: Path, key: str, each: "np.ndarray[Any, Any]") -> None:
    # they can be counted again
    with suppress(OSError):
        (store / FOLDER).mkdir(parents=True, exist_ok=True)
        aside = store / FOLDER / f".{uuid.uuid4().hex}.npz"
        np.savez_compressed(aside, lengths=each)
        aside.replace(store / FOLDER / f"{key}.npz")


def _counted(
    task: Train, stage: Stage, examples: Sequence[Example], store: Path, key: str | None, words: int, exact: bool
) -> Lengths:
    if not _has_tokenizer(task.base.folder):
        sized = vocabulary(words)
        # what begins and ends a text
        tokens = sum(estimated_tokens(text, sized) for text in _texts(examples)) + 2 * len(examples)
        return Lengths(len(examples), min(tokens / len(examples), stage.max_length), ("estimated",))
    if key and (kept := _kept(store, key)):
        return kept
    looked_at = examples if isinstance(examples, list) else examples[:: math.ceil(len(examples) / _LOOKED_AT)]
    characters = sum(len(each.prompt) + len(each.response) for each in looked_at) * len(examples) / len(looked_at)
    every = 1 if exact else math.ceil(characters / _AT_MOST)
    rows, cut = tokenize(examples[::every], tokenizer_of(task.base), stage.max_length, stage.truncation, stage.loss_on)
    each = np.array([len(row.ids) for row in rows], dtype=np.int32)
    if every == 1:
        if key:
            _keep(store, key, each)
        return Lengths(len(each), float(each.mean()), ("counted",), each)
    return Lengths(len(examples) - cut.left_out * every, float(each.mean()), ("sampled",))


def _texts(examples: Sequence[Example]) -> Iterator[str]:
    """Yields the text of thousands of rows at a time."""
    for start in range(0, len(examples), 4096):
        yield "".join(f"{each.prompt}{each.response}" for each in examples[start : start + 4096])


@cache
def tokenizer_of(base: Model) -> Any:
    """Returns what tokenizes as Transformers' tokenizer of this model does; Transformers is not imported where it adds nothing."""
    folder = base.folder
    with suppress(OSError, ValueError, TypeError, AttributeError):
        said = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        plain = said.get("tokenizer_class") in _PLAIN and not {"add_bos_token", "add_eos_token"} & said.keys()
        if plain and (folder / "tokenizer.json").is_file():
            fast = _Fast(folder / "tokenizer.json", said)
            if fast.knows_all:
                return fast
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, trust_remote_code=False)


class _Fast:
    """A tokenizer.json, called as Transformers' tokenizers are; batches on all cores."""

    def __init__(self, file: Path, said: dict[str, Any]) -> None:
        from tokenizers import Tokenizer

        os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
        self._tokenizer = Tokenizer.from_file(str(file))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        named = {
            name: each["content"] if isinstance(each, dict) else each for name, each in said.items() if name.endswith("_token")
        }
        ids = {name: self._tokenizer.token_to_id(each) for name, each in named.items() if each is not None}
        self.knows_all = None not in ids.values()
        self.eos_token_id = ids.get("eos_token")

    def __call__(self, text: Any, *, add_special_tokens: bool = True) -> dict[str, list[Any]]:
        if isinstance(text, str):
            return {"input_ids": self._tokenizer.encode(text, add_special_tokens=add_special_tokens).ids}
        encoded = self._tokenizer.encode_batch_fast(text, add_special_tokens=add_special_tokens)
        return {"input_ids": [each.ids for each in encoded]}
