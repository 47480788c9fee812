"""Who stands on a board: records grouped into its rows, and named. A row is a recipe from one base, asked in one style.

Trainings with another setting are another row, whatever they are called; trainings that differ in nothing but their seed are one.
A model without a training is its weights.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, groupby
from typing import Any, NamedTuple

from xreason.leaderboards.combined.combined import SelfConsistent, TranslateTested
from xreason.leaderboards.records import LanguageScore, Provenance, Record, StageCost, Training
from xreason.leaderboards.styles import Style, distinguishing, style_of

#: Of a stage, what its method sets; the rest is what it took.
_SET = {"name", "corpus", "rows", "languages", "tuned", "epochs", "learning_rate", "batch_size", "steps"}
#: A setting that takes more characters than this is no part of a name.
_LONGEST_WORDS = 48


class Key(NamedTuple):
    """What tells one row from another."""

    method: str
    model_hash: str
    style: Style
    made: str  #: see `made_of`


@dataclass(frozen=True)
class Contender:
    """All records of one row, by seed."""

    key: Key
    name: str
    setting: str  #: what tells its recipe and base from the others of its method, "" where there are none
    suite: str
    records: tuple[Record, ...]

    @property
    def is_base(self) -> bool:
        """Whether it is a model as it was published, or as far as its records tell."""
        return is_base(self.records[0])

    @property
    def trainings(self) -> tuple[Training, ...]:
        """What each seed's training took; empty without a report of one."""
        return tuple(record.training for record in self.records if record.training is not None)

    @property
    def said(self) -> list[Mapping[str, LanguageScore]]:
        """Language code to score of all that was said, a mapping a seed; empty where a suite has no verdicts."""
        return [record.scores.get(self.suite, {}) for record in self.records]

    @cached_property
    def scores(self) -> list[Mapping[str, LanguageScore]]:
        """The same, with a single answer to each question where that is the one which a vote chose."""
        if self.records[0].provenance.self_consistency is None:
            return self.said
        return [{code: voted(score) for code, score in scores.items()} for scores in self.said]

    @property
    def is_trained(self) -> bool:
        """Whether its records are of trainings, each by a seed of its own, and not of a model as somebody gave it."""
        return bool(self.trainings)


def contenders_of(records: Sequence[Record], suite: str) -> list[Contender]:
    """Returns the rows to be of records, sorted by key; no two share a name."""
    grouped = {key: tuple(group) for key, group in groupby(sorted(records, key=_order), key_of)}
    models = {key.model_hash: group[0].provenance.model for key, group in grouped.items()}
    settings = {
        method: _settings({key.made: grouped[key][0] for key in keys}) for method, keys in groupby(grouped, lambda key: key[0])
    }
    styles = [key.style for key in grouped]
    contenders = []
    for key, group in grouped.items():
        # a base model has a name of its own; of what was made, the board says what it started from where that is not all the same
        start = "" if len(models) == 1 or is_base(group[0]) else f"from {_told(key.model_hash, models)}"
        setting = ", ".join(filter(None, (_asked(group[0]), start, settings[key.method][key.made])))
        contenders.append(Contender(key, _named(key.method, setting, distinguishing(key.style, styles)), setting, suite, group))
    shared = {name for name, count in Counter(each.name for each in contenders).items() if count > 1}
    return [_renamed(each) if each.name in shared else each for each in contenders]


def voted(score: LanguageScore) -> LanguageScore:
    """Returns the score of the answers that votes over its samples chose, each reading's own; what it took is not in it.

    Its language, and where it was cut off, are those of the first response that gives it (LanguageScore.elected).
    """
    elected = score.elected or (0,) * score.questions

    def of_elected(samples: Sequence[str] | None) -> tuple[str, ...] | None:
        return None if samples is None else ("".join(samples[place][number] for number, place in enumerate(elected)),)

    names = ("answered", "cut_off", "in_language", "cut_off_thinking", "cut_off_answering", "thinking_in_language")
    chosen: dict[str, Any] = {name: of_elected(getattr(score, name)) for name in names}
    for reading in ("paper", "strict", "metamath"):
        majority = getattr(score, f"majority_{reading}")
        chosen |= {reading: majority and (majority,), f"majority_{reading}": None}
    return score.model_copy(update={**chosen, "elected": None, "tokens": None, "thinking_tokens": None})


def key_of(record: Record) -> Key:
    """Returns what tells the record's row from others."""
    return Key(record.method, record.provenance.model_hash, style_of(record.provenance), made_of(record))


def made_of(record: Record) -> str:
    """Returns a hash: of its training's recipe, or of what its stages tell where that is not recorded; else of its weights.

    Of a model that was asked in a way of its own, of that and of how that was done.
    """
    training, provenance = record.training, record.provenance
    if (way := _way(provenance)) is not None:
        plain = provenance.model_copy(update={"translate_test": None, "self_consistency": None})
        made = made_of(record.model_copy(update={"provenance": plain}))
        sampled = f" {_sampled(provenance)}" if provenance.self_consistency else ""
        return hashlib.sha256(f"{made} {way.model_dump_json()}{sampled}".encode()).hexdigest()
    if training is None:
        return provenance.weights_hash or provenance.model_hash
    if training.recipe is not None:
        return training.recipe
    told = [stage.model_dump(mode="json", include=_SET) for stage in training.stages]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def is_base(record: Record) -> bool:
    """Returns whether it is of a model as it was published: without a training, its weights those of its base, or not recorded.

    One that was asked in a way of its own is none: it is held against that model asked as others are.
    """
    if is_system(record):
        return False
    return record.training is None and record.provenance.weights_hash in (None, record.provenance.model_hash)


def is_system(record: Record) -> bool:
    """Returns whether it is of a model and a way of asking it."""
    return _way(record.provenance) is not None


def _asked(record: Record) -> str:
    """Returns how a row was asked that was asked in a way of its own; "" for any other."""
    told = _way(record.provenance)
    if told is None:
        return ""
    if isinstance(told, SelfConsistent):
        return f"{told.of}, majority of {_sampled(record.provenance)}"
    return f"{told.of} asked in English, translated by {'itself' if told.translator == told.of else told.translator}"


def _way(provenance: Provenance) -> TranslateTested | SelfConsistent | None:
    return provenance.translate_test or provenance.self_consistency


def _sampled(provenance: Provenance) -> str:
    bounds = "".join(f", {name} {value:g}" for name, value in sorted(provenance.sampling.items()))
    return f"{provenance.samples} at temperature {provenance.temperature:g}{bounds}"


def _order(record: Record) -> tuple[object, ...]:
    return (*key_of(record), record.seed)


def _named(method: str, *told: str) -> str:
    apart = ", ".join(filter(None, told))
    return f"{method} ({apart})" if apart else method


def _renamed(contender: Contender) -> Contender:
    told = hashlib.sha256(repr(contender.key).encode()).hexdigest()[:6]
    return Contender(contender.key, f"{contender.name} [{told}]", contender.setting, contender.suite, contender.records)


def _told(model_hash: str, models: Mapping[str, str]) -> str:
    """A base's name, and its hash where others on the board have this name too."""
    name = models[model_hash]
    return f"{name} {model_hash[:6]}" if list(models.values()).count(name) > 1 else name


def _settings(recipes: Mapping[str, Record]) -> dict[str, str]:
    """What tells each recipe of one method from its others: the first setting that does, else two together, else its hash."""
    if len(recipes) == 1:
        return dict.fromkeys(recipes, "")
    told = {made: _facts(record) for made, record in recipes.items()}
    places = range(len(next(iter(told.values()))))
    for chosen in (*combinations(places, 1), *combinations(places, 2)):
        words = {made: ", ".join(dict.fromkeys(facts[place] for place in chosen)) for made, facts in told.items()}
        if len(set(words.values())) == len(words) and max(map(len, words.values())) <= _LONGEST_WORDS:
            return words
    return {made: made[:6] for made in recipes}


def _facts(record: Record) -> tuple[str, ...]:
    """A recipe's settings in words, the one that says most first; as many for every record."""

    def joined(words: Sequence[str]) -> str:
        return " + ".join(dict.fromkeys(words))

    training, base = record.training, record.provenance.model
    stages: Sequence[StageCost] = () if training is None else training.stages
    facts = (
        f"{100 * training.tuned_share:.3g} % tuned" if training else "",
        joined([stage.tuned for stage in stages]),
        f"learning rate {joined([f'{stage.learning_rate:g}'.replace('e-0', 'e-') for stage in stages])}",
        f"{joined([f'{stage.epochs:g}' for stage in stages])} epochs",
        f"{joined([f'{stage.rows:,}' for stage in stages])} rows",
        f"{joined([str(stage.batch_size) for stage in stages])} sequences a step",
        f"{joined([str(stage.steps) for stage in stages])} steps",
        joined([" ".join(stage.languages) for stage in stages]),
        joined([stage.name for stage in stages]),
    )
    return facts if training else (base if is_base(record) else "no training report",) * len(facts)
