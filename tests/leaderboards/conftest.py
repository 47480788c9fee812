"""Records as the harness writes them, with accuracies a test chooses."""

import random
from collections.abc import Callable

import pytest

from xreason.leaderboards.records import LanguageScore, Measure, Provenance, Record, StageCost, Training

RecordMaker = Callable[..., Record]
ScoreMaker = Callable[..., LanguageScore]

AVERAGE = ("en", "sw", "zh", "bn", "de", "es", "fr", "ja", "ru", "th")


def provenance(**changes: object) -> Provenance:
    return Provenance.model_validate(
        {
            "model": "pocket-llama",
            "model_hash": "9f3c1a7be210",
            "data": {"mgsm": "juletxara/mgsm", "msvamp": "Mathoctopus/MSVAMP"},
            "prompt": "alpaca",
            "prompt_hash": "4b1de0c2",
            "shots": 0,
            "samples": 1,
            "temperature": 0.0,
            "max_new_tokens": {"mgsm": 600, "msvamp": 600},
            "limit": None,
            "commit": "0123abc",
            "machine": "Xeon, 2 cores",
            "date": "2025-11-20T20:00:00+00:00",
            "versions": {"vllm": "0.32.0", "torch": "2.13.0"},
            "suite_versions": {"mgsm": "1.0", "msvamp": "1.0"},
            "identifier": "lingua 2.1.1",
        }
        | changes
    )


def stage(name: str = "align", share: float = 0.06, seconds: float = 83.0) -> StageCost:
    return StageCost(
        name=name,
        corpus="question and answer translation into English",
        rows=7200,
        languages=("sw", "th"),
        tuned="up_proj, down_proj of layers 0-1" if share < 1 else "all parameters",
        tuned_parameters=round(1_305_600 * share),
        total_parameters=1_305_600,
        epochs=4.0,
        learning_rate=2e-5,
        batch_size=32,
        steps=900,
        tokens=1_500_000,
        seconds=seconds,
        tokens_per_second=18_072.3,
        peak_memory_bytes=1_288_490_189,
        losses=((1, 3.2), (900, 0.4)),
    )


def verdicts(accuracy: float, questions: int, language: str, method: str, seed: int) -> str:
    """Verdicts that share each question's difficulty over languages and methods, as real ones do."""
    difficulty = random.Random(0)
    luck = random.Random(f"{language} {method} {seed}")
    hardness = [0.7 * difficulty.random() + 0.3 * luck.random() for _ in range(questions)]
    right = sorted(range(questions), key=lambda place: hardness[place])[: round(accuracy * questions)]
    return "".join("1" if place in set(right) else "0" for place in range(questions))


def score(paper: str, *more: str, **changes: object) -> LanguageScore:
    """A score whose readings agree, whose responses all answer in full and in the question's language; `more` are more samples."""
    samples = (paper, *more)
    right = [
        "1" if 2 * sum(bits.count("1") for bits in question) > len(samples) else "0" for question in zip(*samples, strict=True)
    ]
    majority = "".join(right) if more else None
    fields = {
        "paper": samples,
        "strict": samples,
        "answered": tuple("1" * len(bits) for bits in samples),
        "cut_off": tuple("0" * len(bits) for bits in samples),
        "in_language": tuple("1" * len(bits) for bits in samples),
        "majority_paper": majority,
        "majority_strict": majority,
    }
    return LanguageScore.model_validate(fields | changes)


def make_record(
    method: str,
    accuracies: dict[str, float],
    *,
    seed: int = 0,
    questions: int = 250,
    stages: tuple[StageCost, ...] | None = None,
    suites: tuple[str, ...] = ("mgsm",),
    samples: int = 1,
    scores: dict[str, LanguageScore] | None = None,
    **changes: object,
) -> Record:
    """A record; one called "base..." has no training. Samples differ by luck alone; `scores` stand in for accuracies."""
    trained = None if method.startswith("base") else Training(stages=stages or (stage(),))
    made = {
        language: score(*(verdicts(accuracy, questions, language, method, seed + 1000 * sample) for sample in range(samples)))
        for language, accuracy in accuracies.items()
    }
    return Record(
        format=2,
        method=method,
        seed=seed,
        scores=dict.fromkeys(suites, scores or made),
        training=trained,
        provenance=provenance(samples=samples, **changes),
        checkpoint_bytes=None if trained is None else 313_344,
    )


def measure(value: float, **changes: object) -> Measure:
    """What lm-eval reports of one language in chrF."""
    told = {"metric": "chrf", "filter": "none", "standard_error": 1.0, "higher_is_better": True, "tasks": ("t",)}
    return Measure.model_validate({**told, "value": value, "questions": 8, "questions_hash": "h", **changes})


@pytest.fixture
def make() -> RecordMaker:
    return make_record


@pytest.fixture(name="score")
def score_maker() -> ScoreMaker:
    return score


@pytest.fixture
def average() -> tuple[str, ...]:
    return AVERAGE


@pytest.fixture
def comparison() -> list[Record]:
    """A base model, three methods, eleven languages."""
    codes = ("bn", "de", "en", "es", "fr", "ja", "ru", "sw", "te", "th", "zh")
    base = dict.fromkeys(codes, 0.4) | {"en": 0.688, "sw": 0.068, "bn": 0.068, "th": 0.072, "te": 0.0}
    better = {code: accuracy + (0.0 if code == "en" else 0.16) for code, accuracy in base.items()}
    close = better | {"sw": 0.212}
    worse = {code: accuracy + 0.04 for code, accuracy in base.items()} | {"en": 0.5}
    two = (stage("question alignment", 1.0, 400.0), stage("reasoning", 1.0, 3900.0))
    return [
        make_record("two-stage", close, stages=two),
        make_record("full", worse, stages=(stage("multilingual", 1.0, 5.26),)),
        make_record("base", base),
        make_record("slam", better),
    ]
