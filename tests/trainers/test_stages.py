"""Stages and methods: what is tuned, and what can be set."""

import pytest

from tasks.errors import UserError
from trainers.methods import load_method
from trainers.slam import PUBLISHED_LAYERS
from trainers.stages import AllParameters, FeedForward, Stage, tuned_names

NAMES = ["model.embed_tokens.weight", "lm_head.weight"] + [
    f"model.layers.{layer}.{module}.weight"
    for layer in range(12)
    for module in ("self_attn.q_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj", "input_layernorm")
]


def test_feed_forward_names_up_and_down_projections_and_nothing_else() -> None:
    assert tuned_names(NAMES, FeedForward(2)) == [
        f"model.layers.{layer}.mlp.{module}.weight" for layer in (0, 1) for module in ("up_proj", "down_proj")
    ]
    # layer 1 is not layer 11
    assert {name.split(".")[2] for name in tuned_names(NAMES, FeedForward((1, 10)))} == {"1", "10"}


def test_all_parameters_names_everything() -> None:
    assert tuned_names(NAMES, AllParameters()) == NAMES


def test_tuning_is_described_in_words() -> None:
    assert FeedForward(2).describe() == "up_proj, down_proj of layers 0-1"
    assert FeedForward((5, 0, 1, 2)).describe() == "up_proj, down_proj of layers 0-2, 5"
    assert AllParameters().describe() == "all parameters"


def test_layers_that_were_found_are_described_with_their_evidence() -> None:
    assert FeedForward((0, 1), "found: so").describe() == "up_proj, down_proj of layers 0-1 (found: so)"
    assert FeedForward("auto").describe() == "up_proj, down_proj of the language layers (auto)"


def test_layers_yet_to_be_found_are_refused_where_they_are_needed() -> None:
    with pytest.raises(UserError, match="layers=auto must be found in a model first"):
        tuned_names(NAMES, FeedForward("auto"))


def test_absent_layers_are_refused_with_the_layers_there_are() -> None:
    with pytest.raises(UserError, match=r"no layers 12-13: it has layers 0-11"):
        tuned_names(NAMES, FeedForward((0, 12, 13)))


def test_a_model_without_such_modules_is_refused_with_what_it_has() -> None:
    with pytest.raises(UserError, match=r"transformer\.h\.N\.mlp\.c_fc\.weight"):
        tuned_names(["transformer.h.0.mlp.c_fc.weight", "transformer.h.1.mlp.c_fc.weight"], FeedForward(1))


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


@pytest.mark.parametrize(
    ("hidden", "inner", "depth", "total", "percent"),
    [(5120, 13824, 40, 13_015_864_320, 6.5), (4096, 11008, 32, 6_738_415_616, 8.0)],
)
def test_six_layers_of_llama_2_are_the_share_that_the_abstract_gives(
    hidden: int, inner: int, depth: int, total: int, percent: float
) -> None:
    names = {
        f"model.layers.{layer}.mlp.{module}.weight": hidden * inner for layer in range(depth) for module in ("up_proj", "down_proj")
    }
    tuned = sum(names[name] for name in tuned_names(names, FeedForward(PUBLISHED_LAYERS)))
    assert round(100 * tuned / total, 1) == percent


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
