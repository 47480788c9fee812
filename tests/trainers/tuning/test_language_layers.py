"""Language layers: what is counted, what follows from it, and that a model built to have some is seen to have them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.trainers.built import LANGUAGES as BUILT_LANGUAGES
from tests.trainers.built import LAYERS, built_model, built_tokenizer, questions, save_questions
from tests.trainers.families import layers as layers_of
from tests.trainers.families import tiny_model
from xreason.tasks.errors import UserError
from xreason.tasks.pocket import world
from xreason.trainers.tuning.language_layers import (
    Activity,
    LanguageLayers,
    analyse,
    count_active,
    language_block,
    training_questions,
)

PLAIN = {
    # where the neurons' own inputs can be read, and how many there are
    "llama": ("mlp.gate_proj", slice(None)),
    "qwen3": ("mlp.gate_proj", slice(None)),
    "gemma2": ("mlp.gate_proj", slice(None)),
    "phi3": ("mlp.gate_up_proj", slice(0, 128)),
    "gpt2": ("mlp.c_fc", slice(None)),
    "opt": ("fc1", slice(None)),
    "gpt_neox": ("mlp.dense_h_to_4h", slice(None)),
}


def seen(model: object, count: int = 60) -> LanguageLayers:
    tokenizer = built_tokenizer()
    return analyse({code: count_active(model, tokenizer, questions(code, count)) for code in BUILT_LANGUAGES})  # type: ignore[arg-type]


def deviations(found: LanguageLayers) -> list[float]:
    return [layer.deviation for layer in found.layers]


@pytest.mark.parametrize("language_layers", [(0,), (0, 1, 2), (2, 3), (3, 4, 5), (5, 6)])
def test_a_model_whose_languages_differ_in_known_layers_only_has_these_found(language_layers: tuple[int, ...]) -> None:
    # how it is built: see tests/trainers/built.py
    found = seen(built_model(language_layers))
    assert len(found.layers) == LAYERS
    for seen_of in found.layers:
        if seen_of.layer in language_layers:
            assert seen_of.deviation > 1e-3
        else:
            # nothing but the rounding of a mean
            assert seen_of.deviation < 1e-30
            assert set(seen_of.overlap_with_english.values()) == {1}
    assert found.language_layers == language_layers


@pytest.mark.parametrize("language_layers", [(0, 1), (2, 3)])
@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_they_are_found_too_where_layers_above_differ_for_what_they_are_given(language_layers: tuple[int, ...], dtype: str) -> None:
    import torch

    found = seen(built_model(language_layers, spills=True).to(getattr(torch, dtype)))
    assert min(deviations(found)[language_layers[-1] + 1 :]) > 0
    assert found.language_layers == language_layers


def test_a_model_that_does_not_tell_languages_apart_has_no_language_layers() -> None:
    found = seen(built_model(()))
    assert found.language_layers == ()
    assert "no layers stand out" in found.evidence


def test_neither_the_size_of_batches_nor_padding_changes_a_count() -> None:
    model, tokenizer = built_model((1,), spills=True), built_tokenizer()
    texts = list(questions("sw", 70, longest=30))
    alone = [count_active(model, tokenizer, [text]) for text in texts]
    for batch_tokens in (1, 64, 5000):
        together = count_active(model, tokenizer, texts, batch_tokens=batch_tokens)
        assert together.tokens == sum(each.tokens for each in alone) == sum(len(text.split()) for text in texts)
        for layer in range(LAYERS):
            assert np.array_equal(together.active[layer], sum(each.active[layer] for each in alone))


def test_questions_are_read_as_they_are_needed() -> None:
    drawn, ahead = 0, []

    def stream() -> Iterator[str]:
        nonlocal drawn
        for text in questions("de", 2000):
            drawn += 1
            yield text

    count_active(built_model((1,)), built_tokenizer(), stream(), progress=lambda done: ahead.append(drawn - done))
    assert drawn == 2000
    assert max(ahead) <= 512


@pytest.mark.parametrize("family", PLAIN)
def test_a_neuron_is_active_where_its_activation_is_positive(family: str) -> None:
    import torch

    model, tokenizer = tiny_model(family).double().eval(), built_tokenizer()
    texts = list(questions("en", 12))
    expected = np.zeros((4, 128), dtype=np.int64)
    name, part = PLAIN[family]
    handles = []
    for layer in range(4):

        def count(module: object, inputs: object, output: torch.Tensor, layer: int = layer) -> None:
            # SiLU, GELU and ReLU are positive where their input is; the first token is <s>
            expected[layer] += (output.reshape(-1, output.shape[-1])[1:, part] > 0).sum(0).numpy()

        handles.append(model.get_submodule(f"{layers_of(family)}.{layer}.{name}").register_forward_hook(count))
    with torch.no_grad():
        for text in texts:
            model(torch.tensor([tokenizer(text)["input_ids"]]))
    for handle in handles:
        handle.remove()
    got = count_active(model, tokenizer, texts)
    assert got.tokens == sum(len(text.split()) for text in texts)
    assert np.array_equal(np.stack(got.active), expected)
    assert 0 < expected.sum() < expected.size * got.tokens


def test_a_model_is_left_as_it_was() -> None:
    model = built_model((1,)).train()
    count_active(model, built_tokenizer(), questions("en", 3))
    assert model.training
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize("family", ["mixtral", "qwen3_moe", "gpt_oss"])
def test_experts_are_refused_with_what_to_do_instead(family: str) -> None:
    with pytest.raises(UserError, match=r"several experts a layer.*give `layers` as a count or as indices"):
        count_active(tiny_model(family), built_tokenizer(), questions("en", 2))


def test_questions_without_a_token_are_refused() -> None:
    with pytest.raises(UserError, match="not one token"):
        count_active(built_model((1,)), built_tokenizer(), ["", ""])


def test_number_overlap_and_deviation_of_a_case_worked_by_hand() -> None:
    # one layer of four neurons, ten tokens of English and twenty of German: shares (1, .5, 0, 0) and (.5, .5, 1, 0)
    english = Activity((np.array([10, 5, 0, 0]),), 10)
    german = Activity((np.array([10, 10, 20, 0]),), 20)
    found = analyse({"en": english, "de": german})
    (layer,) = found.layers
    assert layer.active == {"en": 1.5, "de": 2.0}
    assert layer.overlap_with_english == {"en": 1.0, "de": (0.5 + 0.5) / (1 + 0.5 + 1)}
    # the means are (.75, .5, .5, 0), each language .25 and .5 from them
    assert layer.deviation_of == {"en": (0.0625 + 0.25) / 4, "de": (0.0625 + 0.25) / 4}
    assert layer.deviation == (0.0625 + 0.25) / 4


def test_layers_may_have_different_numbers_of_neurons() -> None:
    counts = {code: Activity((np.array([1, 2, 3]), np.array([4])), 4) for code in ("en", "de")}
    assert [layer.neurons for layer in analyse(counts).layers] == [3, 1]


@pytest.mark.parametrize("codes", [("en",), ("de", "sw")])
def test_english_and_another_language_are_needed(codes: tuple[str, ...]) -> None:
    with pytest.raises(UserError, match="comparing English with other languages"):
        analyse({code: Activity((np.array([1]),), 2) for code in codes})


def published(depth: int, fall: float = 1.0, rise: float = 1.0) -> list[float]:
    """Returns a curve of the published outcome's form: high in 6 layers, fallen after two more, flat, perhaps rising at the end."""
    high = [0.1 * fall**layer for layer in range(6)]
    flat = [0.01 * (1.1 if layer % 2 else 0.9) for layer in range(depth - 11)]
    return [*high, 0.02, 0.014, *flat, *(0.01 * rise**step for step in (0.3, 0.6, 1.0))]


@pytest.mark.parametrize("depth", [32, 40])
@pytest.mark.parametrize("fall", [1.0, 0.9, 0.8])
@pytest.mark.parametrize("rise", [1.0, 3.0, 10.0])
def test_a_curve_of_the_published_form_gives_the_published_six_layers(depth: int, fall: float, rise: float) -> None:
    assert language_block(published(depth, fall, rise), 1e-6).language_layers == (0, 1, 2, 3, 4, 5)


def test_a_steep_first_layer_does_not_hide_the_others() -> None:
    curve = published(32)
    assert language_block([5 * curve[0], *curve[1:]], 1e-6).language_layers == (0, 1, 2, 3, 4, 5)


def test_a_rise_at_the_end_is_no_language_block_however_high() -> None:
    assert language_block([0.01] * 28 + [0.1, 0.3, 0.5, 0.9], 1e-6).language_layers == ()
    assert language_block([0.02] * 6 + [0.01] * 22 + [0.5] * 4, 1e-6).language_layers == (0, 1, 2, 3, 4, 5)


def test_of_two_blocks_the_lower_is_taken() -> None:
    assert language_block([0.01, 0.2, 0.2, 0.01, 0.01, 0.3, 0.01, 0.01], 1e-6).language_layers == (1, 2)


@pytest.mark.parametrize("curve", [[0.01] * 8, [0.0] * 8, [0.0100, 0.0101, 0.0099, 0.0100], [0.01], [1, 2, 3, 4, 5, 6]])
def test_where_nothing_stands_out_there_is_no_block(curve: list[float]) -> None:
    block = language_block(curve, 1e-6)
    assert block.language_layers == ()
    assert block.threshold is None


def test_what_chance_makes_of_few_tokens_does_not_stand_out() -> None:
    curve = [0.0, 3e-5, 0.0, 0.0, 1e-5, 0.0]
    assert language_block(curve, 1e-9).language_layers == (1,)
    assert language_block(curve, 1e-4).language_layers == ()


def test_pocket_questions_are_parallel_and_none_is_a_test_question() -> None:
    asked = training_questions(("sw", "zh"), source="pocket", data=None, count=200)
    assert list(asked) == ["en", "sw", "zh"]
    assert all(len(set(texts)) == 200 for texts in asked.values())
    problems = world.training_problems(200, seed=0)
    assert asked["zh"] == tuple(problem.question("zh") for problem in problems)
    assert not set(asked["en"]) & {problem.question("en") for problem in world.test_problems()}


def test_the_papers_questions_are_those_that_all_languages_have(tmp_path: Path) -> None:
    data = save_questions(tmp_path, 30)
    folder = data / "question_translation" / "sw-en"
    for code in ("sw", "en"):
        lines = (folder / f"train.{code}").read_text().splitlines()
        (folder / f"train.{code}").write_text("".join(f"{line}\n" for line in lines[5:]))
    asked = training_questions(("de", "sw"), source="papers", data=data)
    assert [len(texts) for texts in asked.values()] == [25] * 3
    for code in ("de", "sw"):
        assert [text.replace(code, "en") for text in asked[code]] == list(asked["en"])
    few = training_questions(("de", "sw"), source="papers", data=data, count=10)
    assert len(few["sw"]) == 10
    assert few == training_questions(("de", "sw"), source="papers", data=data, count=10)
    assert set(few["sw"]) < set(asked["sw"])


def test_languages_without_a_common_question_are_refused(tmp_path: Path) -> None:
    data = save_questions(tmp_path, 30)
    (data / "question_translation" / "sw-en" / "train.en").write_text("another\n" * 30)
    with pytest.raises(UserError, match="no question in all of en, de, sw"):
        training_questions(("de", "sw"), source="papers", data=data)
