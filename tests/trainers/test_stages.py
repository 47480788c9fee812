"""Stages and methods: what is tuned, and what can be set."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace

import pytest
from pydantic import TypeAdapter

from tests.plugin.questions_last import questions_last
from xreason.tasks.errors import UserError
from xreason.trainers.methods import list_methods, load_method, with_layers
from xreason.trainers.stages import OF_HELD_OUT, SCHEDULES, AllParameters, FeedForward, LowRank, Method, Named, Stage, Tune


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
        {"warmup_ratio": "nan"},
        {"learning_rate": float("inf")},
        {"max_grad_norm": 0},
        {"weight_decay": -0.1},
        {"betas": (0.9, 1.0)},
        {"betas": (0.9,)},
        {"batch_size": 10, "micro_batch_size": 4},
    ],
)
def test_numbers_out_of_range_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(UserError, match=rf"{next(iter(settings))}=.* in stage 'stage'; (give|choose) ") as refused:
        Stage("stage", ("question-translation",), AllParameters(), **settings)  # type: ignore[arg-type]
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LowRank(0), "rank=0 is not possible; give a whole number from 1"),
        (lambda: LowRank(64, True), "alpha=True is not possible; give a number above 0"),
        (lambda: LowRank(dropout=1), "dropout=1 is not possible; give a number from 0 to less than 1"),
        (lambda: LowRank(targets=("q_proj", "")), "give names of linear layers"),
        (lambda: Named("("), r"pattern='\(' is no regular expression .* at position 0\); escape"),
        (lambda: Named(""), "pattern='' is not possible; give a regular expression"),
        (lambda: Stage("s", (), AllParameters()), r"corpora=\(\) is not possible in stage 's'; give names of corpora"),
        (lambda: Stage("s", "english-reasoning", "all"), r"tune='all' is not possible in stage 's'; give AllParameters\(\), "),
        (lambda: Stage("s", "english-reasoning"), "`tune` is missing in stage 's'; give AllParameters"),
        (lambda: Stage("s", "c", AllParameters(), max_step=1), "no setting of Stage 'max_step'; did you mean 'max_steps'"),
        (lambda: Method("m", (), "nobody", "A test."), r"stages=\(\) is not possible in method 'm'; give its stages, at least one"),
        (lambda: Method("m", ("stage",), "nobody", "A test."), "in method 'm'; give its stages"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(make: Callable[[], object], message: str) -> None:
    with pytest.raises(UserError, match=message) as refused:
        make()
    assert "\n" not in str(refused.value)


def boxed() -> list[Method]:
    mine = Stage("mine", ("english-reasoning",), Named(r".*\.self_attn\..*"), betas=(0.9, 0.95), schedule="linear", max_steps=3)
    listed = [each.method for each in list_methods() if isinstance(each.method, Method)]
    found = with_layers(load_method("slam"), (0, 3), "found: so")
    return [*listed, found, questions_last(2), Method("mine", (mine,), "nobody", "A test.", "my/model")]


@pytest.mark.parametrize("method", boxed(), ids=lambda method: method.name)
def test_a_method_comes_back_from_json_as_it_was(method: Method) -> None:
    written = TypeAdapter(Method).dump_json(method)
    assert TypeAdapter(Method).validate_json(written) == method
    assert [type(stage.tune) for stage in TypeAdapter(Method).validate_json(written).stages] == [
        type(stage.tune) for stage in method.stages
    ]
    # what keys are made of: it says which tune it is, and nothing but values; that adapters are merged it said never, and of rows
    # held out nothing where none are
    told = json.loads(json.dumps(asdict(method)))
    for stage in told["stages"]:
        assert [stage.pop(name) for name in OF_HELD_OUT] == list(OF_HELD_OUT.values())
    for tune in (stage["tune"] for stage in told["stages"]):
        if tune.get("merge"):
            del tune["merge"]
    # and that a stage imitates, which all once did, it says neither, nor that no samples are made
    for stage in told["stages"]:
        if stage["objective"]["kind"] == "imitate":
            del stage["objective"]
        if stage["samples"] is None:
            del stage["samples"]
    assert told == json.loads(written)


def test_what_is_the_same_is_written_the_same_however_it_was_said() -> None:
    said = (
        ("full", {"epochs": 3}),
        ("full", {"epochs": "3.0", "batch_size": "1.28e2"}),
        ("full", {"betas": [0.9, 0.999]}),
        ("full", {}),
    )
    assert len({TypeAdapter(Method).dump_json(load_method(*each)) for each in said}) == 1
    said = (("lora", {"alpha": 16, "targets": "q_proj"}), ("lora", {"alpha": "16", "targets": ["q_proj"]}))
    assert len({TypeAdapter(Method).dump_json(load_method(*each)) for each in said}) == 1


@pytest.mark.parametrize("tune", [AllParameters(), FeedForward(2), FeedForward((0, 1), "so"), Named("a.*"), LowRank(4)], ids=repr)
def test_what_a_stage_tunes_is_told_apart_in_json(tune: Tune) -> None:
    stage = Stage("stage", ("english-reasoning",), tune)
    assert TypeAdapter(Stage).validate_python(asdict(stage)) == stage
    assert replace(stage, epochs=2).tune == tune


def test_the_schedules_are_those_of_transformers_that_need_nothing_but_numbers_of_steps() -> None:
    import torch
    from transformers import SchedulerType, get_scheduler

    def runs(name: str) -> bool:
        optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.ones(1))], lr=1e-3)
        try:
            schedule = get_scheduler(name, optimizer, num_warmup_steps=2, num_training_steps=10)
            for _ in range(10):
                optimizer.step()
                schedule.step()
        except (TypeError, ValueError):
            return False
        return True

    assert [each.value for each in SchedulerType if runs(each.value)] == list(SCHEDULES)


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
        ({"schedule": "cosin"}, "give the name of a schedule: linear, cosine, "),
        ({"schedule": 3}, "the name of a schedule"),
        ({"optimizer": "sgd"}, "give adamw or adamw-8bit"),
        ({"stages": [{}, {}]}, "list of 1 mappings"),
        ({"name": "other"}, "no setting 'name'"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_method("full").with_settings(settings)
