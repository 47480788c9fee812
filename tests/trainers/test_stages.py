"""Stages and methods: what is tuned, and what can be set."""

import pytest

from xreason.tasks.errors import UserError
from xreason.trainers.methods import load_method
from xreason.trainers.stages import AllParameters, FeedForward, Stage


def test_tuning_is_described_in_words() -> None:
    assert FeedForward(2).describe() == "up_proj, down_proj of layers 0-1"
    assert FeedForward((5, 0, 1, 2)).describe() == "up_proj, down_proj of layers 0-2, 5"
    assert AllParameters().describe() == "all parameters"


def test_layers_that_were_found_are_described_with_their_evidence() -> None:
    assert FeedForward((0, 1), "found: so").describe() == "up_proj, down_proj of layers 0-1 (found: so)"
    assert FeedForward("auto").describe() == "up_proj, down_proj of the language layers (auto)"


@pytest.mark.parametrize("layers", [0, -1, (), (0, 0), (-1,), ("a",), "six"])
def test_layers_that_choose_nothing_are_refused(layers: object) -> None:
    with pytest.raises(UserError, match="layers="):
        FeedForward(layers)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "settings",
    [
        {"epochs": 0},
        {"learning_rate": -1},
        {"batch_size": 0},
        {"rows": 0},
        {"warmup_ratio": 2},
        {"batch_size": 10, "micro_batch_size": 4},
    ],
)
def test_numbers_out_of_range_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(UserError):
        Stage("stage", ("question-translation",), AllParameters(), **settings)  # type: ignore[arg-type]


def test_slam_tunes_the_language_layers_once_as_the_paper_says() -> None:
    (stage,) = load_method("slam").stages
    assert stage.tune == FeedForward("auto")
    assert (stage.epochs, stage.learning_rate, stage.batch_size, stage.max_length) == (4, 2e-5, 512, 1024)
    assert stage.corpora == ("question-translation", "answer-translation")


def test_two_stage_tunes_all_parameters_twice() -> None:
    stages = load_method("two-stage").stages
    assert [stage.corpora for stage in stages] == [("question-translation",), ("english-reasoning",)]
    assert all(
        (stage.tune, stage.epochs, stage.batch_size, stage.learning_rate) == (AllParameters(), 3, 128, 2e-5) for stage in stages
    )


def test_full_tunes_all_parameters_once_on_every_language() -> None:
    (stage,) = load_method("full").stages
    assert (stage.tune, stage.corpora) == (AllParameters(), ("multilingual-reasoning",))


def test_settings_reach_every_stage_and_those_of_one_stage_win() -> None:
    method = load_method("two-stage").with_settings({"epochs": 1, "stages": [{}, {"epochs": 2, "rows": 10}]})
    assert [(stage.epochs, stage.rows) for stage in method.stages] == [(1, None), (2, 10)]


def test_yaml_numbers_that_arrive_as_text_are_read() -> None:
    (stage,) = load_method("full").with_settings({"learning_rate": "2e-3", "batch_size": "16"}).stages
    assert (stage.learning_rate, stage.batch_size) == (0.002, 16)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lerning_rate": 1}, "did you mean 'learning_rate'"),
        ({"epochs": "many"}, "epochs='many'"),
        ({"batch_size": 2.5}, "whole number"),
        ({"batch_size": True}, "whole number"),
        ({"corpora": 3}, "names of corpora"),
        ({"stages": [{}, {}]}, "list of 1 mappings"),
        ({"name": "other"}, "no setting 'name'"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_method("full").with_settings(settings)
