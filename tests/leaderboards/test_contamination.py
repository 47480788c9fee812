"""What boards say of questions that trainings may have seen."""

from tests.leaderboards.conftest import make_record, stage
from xreason.leaderboards.board import build_board
from xreason.leaderboards.records import Record, StageCost

SCORES = {"en": 0.6, "sw": 0.3}


def made_from(*sources: str) -> tuple[StageCost, ...]:
    return (stage().model_copy(update={"sources": sources}),)


def cautions(*records: Record) -> list[str]:
    return [line for line in build_board(records, "mgsm", average_languages=("en", "sw")).cautions if "In-domain" in line]


def test_rows_trained_on_the_kind_of_the_questions_are_named() -> None:
    told = {"in_domain": {"mgsm": ("gsm8k",), "msvamp": ("svamp",)}}
    base = make_record("base", SCORES, **told)
    full, other = (make_record(name, SCORES, stages=made_from(*sources), **told) for name, sources in KINDS.items())
    assert cautions(base, full, other) == [
        "In-domain: questions of mgsm are of the kind of gsm8k, which is in the training text of full."
    ]


KINDS = {"full": ("gsm8k", "math"), "other": ("svamp",)}


def test_what_is_not_recorded_is_not_said() -> None:
    told = {"in_domain": {"mgsm": ("gsm8k",)}}
    assert cautions(make_record("base", SCORES), make_record("full", SCORES, stages=made_from("gsm8k"))) == []
    assert cautions(make_record("base", SCORES, **told), make_record("full", SCORES, **told)) == []
