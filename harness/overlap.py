r"""How much of what is asked stands in what is trained on: n-grams that test questions share with training corpora.

Text is normalised (NFKC, no case, no punctuation) and falls into words; what is looked for is 13 of them in a row, as GPT-3's
(arXiv 2005.14165, appendix C) and lm-eval's decontamination have it. In scripts that are written without spaces every character is
a token, and two of them (Chinese, Japanese) or four (Thai, Lao, Khmer, Burmese, Tibetan) are counted for a word, so that as much is
looked for: MGSM's questions have 1.5 (zh), 2.2 (ja) and 4.3 (th) characters for each English word.

Of a corpus every text is read, question or answer, without the frame that it is trained in. Each is read once; every run of tokens
that all stand in some question is held, as a hash, against those of the questions, and what is found is compared token by token.
"""

import os
import re
import string
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import repeat
from pathlib import Path

import numpy
import regex  # type: ignore[import-untyped]
from numpy.typing import NDArray

from xreason.harness import progress
from xreason.harness.experiment import Experiment
from xreason.harness.rows import rows_of
from xreason.leaderboards.contamination import Overlap, OverlapCorpus, OverlapCount, Seen
from xreason.tasks.errors import UserError
from xreason.tasks.names import canonical, unknown
from xreason.tasks.suites import languages_of, suite_of
from xreason.trainers.corpora import pocket
from xreason.trainers.corpora.examples import Corpus, Source, bare, taught
from xreason.trainers.corpora.load import CORPORA, is_own, load_corpus
from xreason.trainers.corpora.own.references import is_reference
from xreason.trainers.stages import Method

#: Words in a row: GPT-3's longest, lm-eval's own.
NGRAM = 13

_TWO_A_WORD, _FOUR_A_WORD = r"\p{Han}\p{Hiragana}\p{Katakana}", r"\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}"
_ALONE = _TWO_A_WORD + _FOUR_A_WORD
_TOKEN, _NOISE = regex.compile(rf"[{_ALONE}]|[^\s{_ALONE}]+"), regex.compile(r"[\p{P}\p{S}\p{Cf}]+")
# all below Thai: of what is above, _TOKEN knows what stands alone
_SPACED = re.compile("[\0-\u0dff]*")
_PER_WORD = {2: regex.compile(f"[{_TWO_A_WORD}]"), 4: regex.compile(f"[{_FOUR_A_WORD}]")}
_ASCII_NOISE = str.maketrans("", "", string.punctuation)

#: Stands between texts, as a token that no n-gram holds.
_BETWEEN = "\0"
_TEXTS_AT_A_TIME = 4096

_Ids = NDArray[numpy.int32]


@dataclass(frozen=True)
class Wanted:
    """A corpus to be read; arguments as of load_corpus."""

    name: str
    rows: int | None = None
    seed: int = 0


def tokens_of(text: str) -> list[str]:
    """Returns the tokens of a text: words, or single characters of scripts that are written without spaces."""
    if text.isascii():
        return text.lower().translate(_ASCII_NOISE).split()
    plain: str = _NOISE.sub("", unicodedata.normalize("NFKC", text).casefold())
    if _SPACED.fullmatch(plain):
        return plain.split()
    found: list[str] = _TOKEN.findall(plain)
    return found


def tokens_a_word(tokens: Iterable[str]) -> int:
    """Returns how many tokens are counted for a word in the script that most of them are in: 1, 2 or 4."""
    told: Counter[int] = Counter()
    for token, count in Counter(tokens).items():
        told[next((each for each, script in _PER_WORD.items() if script.match(token)), 1)] += count
    return told.most_common(1)[0][0] if told else 1


def corpora_of(experiment: Experiment, names: Sequence[str] | None = None) -> tuple[Wanted, ...]:
    """Returns the corpora of these names; for None, all that the methods of an experiment train on.

    Of the papers' sets whole ones, whatever rows are drawn by which seed; the pocket world's as the first seed has them written.

    Raises:
        UserError: there is no corpus of a name.
    """
    if names is not None:
        known = pocket.CORPORA if experiment.source == "pocket" else CORPORA
        if wrong := [name for name in names if canonical(name) not in known and not is_own(name, experiment.source)]:
            raise unknown("corpus", wrong[0], known)
        return tuple(Wanted(_written(name)) for name in dict.fromkeys(names))
    seed, drawn = (experiment.seeds[0], True) if experiment.source == "pocket" else (0, False)
    stages = [stage for each in rows_of(experiment).values() if isinstance(each.method, Method) for stage in each.method.stages]
    rows: dict[str, list[int | None]] = {}
    for stage in stages:
        for name in stage.corpora:
            rows.setdefault(_written(name), []).append(stage.rows if drawn else None)
    # fewer rows are the first of more
    return tuple(Wanted(name, None if None in each else max(filter(None, each)), seed) for name, each in rows.items())


def _written(name: str) -> str:
    return name if is_reference(name) else canonical(name)


def count_overlap(experiment: Experiment, corpora: Sequence[Wanted], *, ngram: int = NGRAM, show: int = 0) -> Overlap:
    """Returns what the questions of an experiment's suites share with training corpora.

    Args:
        experiment: says suites, languages asked and trained on, and where sets are.
        corpora: what questions are held against. One that cannot be had, whole or in a language, is noted, and the others are read.
        ngram: words in a row.
        show: questions that are shown with what they share, at most, for each suite, language and corpus.

    Raises:
        UserError: some questions cannot be had, or none of the corpora.
    """
    suites, trained = map(suite_of, experiment.suites), experiment.languages_trained()
    asked = [(suite, code) for suite in suites for code in languages_of(suite, experiment.languages)]
    questions = {(suite.name, code): [row["question"] for row in suite.rows(code)] for suite, code in asked}
    looked_for = _Questions(questions, ngram)
    read: dict[str, OverlapCorpus] = {}
    found: dict[str, _Found] = {}
    failures: list[tuple[str, str]] = []
    for wanted in dict.fromkeys(corpora):
        for corpus in _loaded(wanted, trained, experiment.source, experiment.data, failures):
            told = {name: getattr(corpus, name) for name in OverlapCorpus.model_fields}
            one = OverlapCorpus.model_validate(told | {"sources": corpus.sources or ()})
            before = read.get(corpus.name)
            read[corpus.name] = one if before is None else _joined(before, one)
            looked_for.hold_against(corpus, found.setdefault(corpus.name, _Found()))
    if not read:
        raise UserError(failures[0][1])
    return Overlap(
        ngram=ngram,
        in_domain={suite.name: suite.in_domain for suite, _ in asked},
        corpora=tuple(read.values()),
        counts=tuple(looked_for.counted(*each, name, found[name], show) for each in questions for name in read),
        failures=tuple(failures),
    )


def _loaded(
    wanted: Wanted, languages: Sequence[str], source: Source, data: Path | None, failures: list[tuple[str, str]]
) -> Iterator[Corpus]:
    """Yields a corpus, in the languages in which it can be had; notes the others."""
    load = partial(load_corpus, wanted.name, source=source, data=data, rows=wanted.rows, seed=wanted.seed)
    try:
        yield load(languages)
        return
    except UserError as error:
        reason, lacking = str(error), []
    codes = () if is_own(wanted.name, source) else taught(wanted.name, languages)
    # the hub was asked for it already, and takes its time to refuse
    with _hub_left_alone():
        for code in codes if len(codes) > 1 else ():
            try:
                yield load([code])
            except UserError:
                lacking.append(code)
    where = f" in {', '.join(lacking)}" if len(lacking) not in (0, len(codes)) else ""
    failures.append((wanted.name + where, reason))


@contextmanager
def _hub_left_alone() -> Iterator[None]:
    before = os.environ.get("HF_HUB_OFFLINE")
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        yield
    finally:
        os.environ.pop("HF_HUB_OFFLINE")
        os.environ |= {} if before is None else {"HF_HUB_OFFLINE": before}


def _joined(one: OverlapCorpus, other: OverlapCorpus) -> OverlapCorpus:
    more = {name: tuple(dict.fromkeys((*getattr(one, name), *getattr(other, name)))) for name in ("languages", "sources")}
    return one.model_copy(update={**more, "rows": one.rows + other.rows})


@dataclass
class _Found:
    """What stands in one corpus: number of a question to the n-gram and the text that it was first found in, and whole ones."""

    shared: dict[int, tuple[str, str]] = field(default_factory=dict)
    whole: set[int] = field(default_factory=set)


class _Questions:
    """All questions, by the hashes of their n-grams."""

    def __init__(self, questions: Mapping[tuple[str, str], Sequence[str]], ngram: int) -> None:
        self._texts = [text for texts in questions.values() for text in texts]
        tokens = list(map(tokens_of, self._texts))
        self._words = [_BETWEEN, *dict.fromkeys(token for each in tokens for token in each)]
        self._vocabulary = {word: number for number, word in enumerate(self._words)}
        self._ids = [numpy.array([self._vocabulary[token] for token in each], numpy.int32) for each in tokens]
        self._whole: dict[bytes, list[int]] = defaultdict(list)
        for number, ids in enumerate(self._ids):
            if len(ids):
                self._whole[ids.tobytes()].append(number)
        self._lengths = numpy.unique([len(ids) for ids in self._ids])
        self._places: dict[tuple[str, str], tuple[range, int, int]] = {}
        numbers: dict[int, list[int]] = defaultdict(list)
        first = 0
        for place, texts in questions.items():
            own = range(first, first + len(texts))
            a_word = tokens_a_word(token for number in own for token in tokens[number])
            self._places[place], first = (own, a_word, ngram * a_word), own.stop
            numbers[ngram * a_word] += own
        self._grams = [_Grams(length, own, self._ids, len(self._words)) for length, own in numbers.items()]

    def hold_against(self, corpus: Corpus, found: _Found) -> None:
        """Notes what stands in a corpus."""
        texts = list(dict.fromkeys(text for example in corpus.examples for text in bare(example)))
        with progress.bar(f"reading {corpus.name}") as report:
            for first in range(0, len(texts), _TEXTS_AT_A_TIME):
                some = texts[first : first + _TEXTS_AT_A_TIME]
                # apart, for they are taken apart in different ways, ASCII several times as fast
                kinds = [0 if text.isascii() else 1 if _SPACED.fullmatch(text) else 2 for text in some]
                for each in sorted({*kinds}):
                    self._hold([text for text, kind in zip(some, kinds, strict=True) if kind == each], found)
                report(first + len(some), len(texts), "texts")

    def _hold(self, texts: Sequence[str], found: _Found) -> None:
        tokens = tokens_of(f" {_BETWEEN} ".join(text.replace(_BETWEEN, " ") for text in ("", *texts, "")))
        # what no question holds is -1; texts stand between zeros
        ids = numpy.fromiter(map(self._vocabulary.get, tokens, repeat(-1)), numpy.int32, len(tokens))
        borders = numpy.flatnonzero(ids == 0)
        foreign = numpy.concatenate(([0], numpy.cumsum(ids <= 0)))
        starts, ends = borders[:-1] + 1, borders[1:]
        familiar = (foreign[ends] == foreign[starts]) & numpy.isin(ends - starts, self._lengths)
        for start, end in zip(starts[familiar], ends[familiar], strict=True):
            found.whole.update(self._whole.get(ids[start:end].tobytes(), ()))
        for grams in self._grams:
            for position, numbers in grams.found_in(ids, foreign):
                new = [number for number in numbers if number not in found.shared]
                if new:
                    words = " ".join(self._words[number] for number in ids[position : position + grams.length])
                    text = texts[int(numpy.searchsorted(borders, position)) - 1]
                    found.shared.update(dict.fromkeys(new, (words, text)))

    def counted(self, suite: str, language: str, corpus: str, found: _Found, show: int) -> OverlapCount:
        """Returns what was found of one suite and language in one corpus."""
        numbers, a_word, length = self._places[suite, language]
        shared = [number for number in numbers if number in found.shared]
        return OverlapCount(
            suite=suite,
            language=language,
            corpus=corpus,
            questions=len(numbers),
            ngram=length,
            unit="words" if a_word == 1 else "characters",
            shared=len(shared),
            duplicates=sum(number in found.whole for number in numbers),
            short=sum(len(self._ids[number]) < length for number in numbers),
            seen=tuple(
                Seen(question=self._texts[each], ngram=found.shared[each][0], text=found.shared[each][1]) for each in shared[:show]
            ),
        )


class _Grams:
    """All runs of so many tokens in some questions."""

    def __init__(self, length: int, numbers: Sequence[int], questions: Sequence[_Ids], words: int) -> None:
        self.length = length
        chance = numpy.random.default_rng(0)
        # sums of products with odd numbers: two runs share one by chance once in 2^64
        self._values = chance.integers(1, 2**63, words, dtype=numpy.uint64)
        self._weights = chance.integers(0, 2**63, length, dtype=numpy.uint64) * 2 + 1
        long = [number for number in numbers if len(questions[number]) >= length]
        runs = [numpy.lib.stride_tricks.sliding_window_view(questions[number], length) for number in long]
        self._runs = numpy.concatenate(runs) if runs else numpy.zeros((0, length), numpy.int32)
        owners = numpy.repeat(long, [len(each) for each in runs]) if runs else numpy.zeros(0, numpy.int64)
        hashes = self._hashes(self._runs.ravel(), numpy.arange(len(self._runs)) * length)
        order = numpy.argsort(hashes, kind="stable")
        self._known, first = numpy.unique(hashes[order], return_index=True)
        self._runs, self._owners, self._first = self._runs[order[first]], owners[order], [*first.tolist(), len(order)]

    def _hashes(self, ids: _Ids, positions: NDArray[numpy.int64]) -> NDArray[numpy.uint64]:
        hashes = numpy.zeros(len(positions), numpy.uint64)
        for place, weight in enumerate(self._weights):
            hashes += weight * self._values[ids[positions + place]]
        return hashes

    def found_in(self, ids: _Ids, foreign: NDArray[numpy.int64]) -> Iterator[tuple[int, list[int]]]:
        """Yields where in `ids` a run stands first, with the numbers of its questions; `foreign` counts what no question holds."""
        if len(ids) < self.length or not len(self._known):
            return
        positions = numpy.flatnonzero(foreign[self.length :] == foreign[: len(foreign) - self.length])
        hashes = self._hashes(ids, positions)
        places = numpy.minimum(numpy.searchsorted(self._known, hashes), len(self._known) - 1)
        equal = self._known[places] == hashes
        for place, first in zip(*numpy.unique(places[equal], return_index=True), strict=True):
            position = int(positions[equal][first])
            if numpy.array_equal(ids[position : position + self.length], self._runs[place]):
                yield position, self._owners[self._first[place] : self._first[place + 1]].tolist()
