"""Merging: every number is the formula's, rounded once; what is taken over is taken over bit for bit."""

import json
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from tests.trainers.families import FAMILIES, save_tiny_model
from xreason.tasks.errors import UserError
from xreason.trainers.checkpoints.base import base_hash, stored_tensors, tensor_files
from xreason.trainers.checkpoints.delta import Checkpoint, describe_checkpoint, materialise, read_checkpoint
from xreason.trainers.combining import merging
from xreason.trainers.combining.declared import Formula, LayerSwap, Linear, Merge, TaskArithmetic
from xreason.trainers.combining.merging import merge, rounded

Tensors = dict[str, torch.Tensor]


def bits(tensor: torch.Tensor) -> bytes:
    return bytes(tensor.contiguous().view(torch.uint8).numpy())


def expert(base: Path, folder: Path, seed: int, named: Callable[[str], bool] = lambda name: True) -> Tensors:
    """Writes a delta checkpoint in which the tensors `named` are moved; returns all tensors of its model."""
    generator = torch.Generator().manual_seed(seed)
    tensors = dict(stored_tensors(base))
    moved = {
        name: (each.double() + 0.05 * torch.randn(each.shape, generator=generator, dtype=torch.float64)).to(each.dtype)
        for name, each in tensors.items()
        if named(name)
    }
    folder.mkdir()
    save_file(moved, folder / "model.safetensors")
    describe_checkpoint(Checkpoint(folder, "delta", str(base), base_hash(base), tuple(moved), "expert", 0))
    return tensors | moved


def merged_of(formula: Formula, base: Path, tmp_path: Path, rows: int = 2) -> tuple[Tensors, Checkpoint]:
    of = tuple(f"row{number}" for number in range(rows))
    told = Merge(name="test", of=of, formula=formula, source="", description="")
    checkpoint = merge(told, [read_checkpoint(tmp_path / name) for name in of], tmp_path / "out", seed=3)
    stored = {name: next(tensor for other, tensor in stored_tensors(base) if other == name) for name in tensor_files(base)}
    own = dict(stored_tensors(tmp_path / "out"))
    assert read_checkpoint(tmp_path / "out") == checkpoint
    assert set(own) == set(checkpoint.tensors)
    # only what differs from the base is stored
    assert all(bits(own[name]) != bits(stored[name]) for name in own)
    return stored | own, checkpoint


def assert_nearest(found: torch.Tensor, exact: torch.Tensor) -> None:
    """Holds numbers against exact ones in float64: no neighbour of the type is nearer, and of two as near it is the even one."""
    kind = {1: torch.int8, 2: torch.int16, 4: torch.int32}[found.dtype.itemsize]
    pattern, off = found.contiguous().view(kind), (found.double() - exact).abs()
    for step in (-1, 1):
        beside = (pattern + step).view(found.dtype).double()
        distance = (beside - exact).abs()
        assert bool(((off < distance) | ((off == distance) & (pattern & 1 == 0)) | beside.isnan()).all())


@pytest.fixture
def base(model_of: Callable[..., Path], request: pytest.FixtureRequest) -> Path:
    return model_of("llama", dtype=getattr(request, "param", "bfloat16"))


@pytest.mark.parametrize("base", ["float32", "bfloat16", "float16"], indirect=True)
@pytest.mark.parametrize("formula", [Linear(weights=(0.7, 0.3)), Linear(), TaskArithmetic(scale=(0.3, -1.7))])
def test_every_number_is_the_formula_s_in_float64_rounded_once(base: Path, tmp_path: Path, formula: Formula) -> None:
    first, second = (expert(base, tmp_path / f"row{number}", number) for number in range(2))
    found, checkpoint = merged_of(formula, base, tmp_path)
    assert checkpoint.kind == "full"
    for name, stored in stored_tensors(base):
        one, other, middle = (each.double() for each in (first[name], second[name], stored))
        if isinstance(formula, TaskArithmetic):
            exact = middle + (0.3 * (one - middle) + -1.7 * (other - middle))
        else:
            weights = formula.weights or (0.5, 0.5)  # type: ignore[union-attr]
            exact = weights[0] * one + weights[1] * other
        assert_nearest(found[name], exact)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_numbers_beside_a_tie_are_rounded_once_where_pytorch_rounds_twice(dtype: torch.dtype) -> None:
    coarse = torch.linspace(-3, 3, 999).to(dtype)
    beside = (coarse.view(torch.int16) + 1).view(dtype).double()
    ties = (coarse.double() + beside) / 2
    numbers = torch.cat([ties, ties * (1 + 2e-16), ties * (1 - 2e-16), torch.tensor([0.0, -0.0, 7e4, -7e4, 1e-7, 3e38, -1e300])])
    found = rounded(numbers, dtype)
    assert_nearest(found[found.isfinite()], numbers[found.isfinite()])
    assert numbers[~found.isfinite()].abs().min() > torch.finfo(dtype).max
    assert bits(found) != bits(numbers.to(dtype))
    assert rounded(torch.tensor([float("nan")], dtype=torch.float64), dtype).isnan().all()


@pytest.mark.parametrize("outside", ["first", "second"])
def test_layer_swapping_moves_exactly_the_named_layers(base: Path, tmp_path: Path, outside: Any) -> None:
    math, language = (expert(base, tmp_path / f"row{number}", number) for number in range(2))
    found, _ = merged_of(LayerSwap(bottom=1, top=1, transition=1, share=0.25, outside=outside), base, tmp_path)
    whose = {0: language, 3: language}
    for name, tensor in found.items():
        if ".layers." not in name:
            assert bits(tensor) == bits((language if outside == "second" else math)[name]), name
        elif (layer := int(name.split(".")[2])) in whose:
            assert bits(tensor) == bits(whose[layer][name]), name
        else:
            assert_nearest(tensor, 0.75 * math[name].double() + 0.25 * language[name].double())


def test_without_averaged_layers_every_tensor_is_one_row_s_bit_for_bit(base: Path, tmp_path: Path) -> None:
    math, language = (expert(base, tmp_path / f"row{number}", number) for number in range(2))
    found, _ = merged_of(LayerSwap(bottom=0, top=2, transition=0, outside="first"), base, tmp_path)
    swapped = {name for name in found if ".layers.2." in name or ".layers.3." in name}
    assert swapped
    assert {name for name in found if bits(found[name]) == bits(language[name])} == swapped
    assert {name for name in found if bits(found[name]) == bits(math[name])} == set(found) - swapped


def test_a_tensor_that_no_row_changed_is_the_base_s_own_and_not_stored(base: Path, tmp_path: Path) -> None:
    for number in range(2):
        expert(base, tmp_path / f"row{number}", number, lambda name: "layers.1." in name)
    _, checkpoint = merged_of(TaskArithmetic(scale=0.4), base, tmp_path)
    assert checkpoint.kind == "delta"
    assert all("layers.1." in name for name in checkpoint.tensors)


def test_it_is_written_in_files_of_a_bounded_size_that_are_read_as_one_model(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merging, "SHARD_BYTES", 20_000)
    monkeypatch.setattr(merging, "_AT_ONCE", 100)
    for number in range(2):
        expert(base, tmp_path / f"row{number}", number)
    found, checkpoint = merged_of(Linear(), base, tmp_path)
    files = sorted((tmp_path / "out").glob("*.safetensors"))
    assert len(files) > 3
    assert {*json.loads((tmp_path / "out" / "model.safetensors.index.json").read_text())["weight_map"]} == set(found)
    whole = dict(stored_tensors(materialise(checkpoint, tmp_path / "whole")))
    assert {name: bits(each) for name, each in whole.items()} == {name: bits(each) for name, each in found.items()}
    from transformers import AutoModelForCausalLM

    loaded: Mapping[str, torch.Tensor] = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype="auto").state_dict()
    assert all(bits(loaded[name]) == bits(each) for name, each in found.items())


def test_where_layers_lie_elsewhere_in_the_files_they_are_found_by_their_list_s_name(
    model_of: Callable[..., Path], tmp_path: Path
) -> None:
    base = model_of("mistral")
    for number in range(2):
        expert(base, tmp_path / f"row{number}", number)
    told = LayerSwap(bottom=1, top=1, transition=0)
    found, _ = merged_of(told, base, tmp_path)
    language = dict(stored_tensors(base)) | dict(stored_tensors(tmp_path / "row1"))
    assert {int(name.split(".")[2]) for name in found if ".layers." in name and bits(found[name]) == bits(language[name])} == {0, 3}


def test_rows_of_another_base_and_a_merge_that_changes_nothing_are_refused(
    base: Path, model_of: Callable[..., Path], tmp_path: Path
) -> None:
    expert(base, tmp_path / "row0", 0)
    expert(model_of("qwen2"), tmp_path / "row1", 1)
    with pytest.raises(UserError, match="row0 and row1 started from different bases"):
        merged_of(Linear(), base, tmp_path)
    with pytest.raises(UserError, match="test of row0 changes no weight"):
        merged_of(TaskArithmetic(scale=0), base, tmp_path, rows=1)


@pytest.mark.parametrize("family", FAMILIES)
def test_in_every_family_the_lowest_layer_is_one_row_s_and_the_rest_the_other_s(
    family: str, tokenizer_folder: Path, tmp_path: Path
) -> None:
    base = tmp_path / "base"
    save_tiny_model(base, tokenizer_folder, family)
    for number in range(2):
        expert(base, tmp_path / f"row{number}", number)
    own = dict(stored_tensors(base))
    rows = [own | dict(stored_tensors(tmp_path / f"row{number}")) for number in range(2)]
    found, _ = merged_of(LayerSwap(bottom=1, top=0, transition=0, outside="first"), base, tmp_path)
    lowest = {name for name in own if re.search(r"\b(?:layers|h)\.0\.", name)}
    assert lowest and len(lowest) * 4 < len(own)
    for name in own:
        assert bits(found[name]) == bits(rows[name in lowest][name]), name


def test_adapters_beside_their_base_and_a_base_that_has_changed_since_are_refused(base: Path, tmp_path: Path) -> None:
    own = shutil.copytree(base, tmp_path / "own")
    for number in range(2):
        expert(own, tmp_path / f"row{number}", number)
    describe_checkpoint(replace(read_checkpoint(tmp_path / "row1"), kind="adapter"))
    with pytest.raises(UserError, match="row1 keeps its adapters beside the base, and weights are merged; set merge: true of it"):
        merged_of(Linear(), own, tmp_path)
    describe_checkpoint(replace(read_checkpoint(tmp_path / "row1"), kind="delta"))
    (own / "config.json").write_text((own / "config.json").read_text() + "\n")
    with pytest.raises(UserError, match=r"row0 was trained from .* which is now .*; train again, or restore the base"):
        merged_of(Linear(), own, tmp_path)


def test_a_number_that_the_base_s_type_cannot_hold_is_refused(base: Path, tmp_path: Path) -> None:
    expert(base, tmp_path / "row0", 0)
    with pytest.raises(UserError, match=r"becomes more than torch\.bfloat16, in which the base stores it, can hold; give smaller"):
        merged_of(TaskArithmetic(scale=1e41), base, tmp_path, rows=1)


@pytest.mark.parametrize("tied", [False, True])
def test_of_a_base_in_several_files_the_merged_model_is_read_as_one_and_tied_heads_stay_tied(
    model_of: Callable[..., Path], tmp_path: Path, tied: bool
) -> None:
    base = model_of("llama", tied=tied, shard="100KB")
    assert len(list(base.glob("*.safetensors"))) > 1
    first, second = (expert(base, tmp_path / f"row{number}", number) for number in range(2))
    found, checkpoint = merged_of(Linear(), base, tmp_path)
    assert checkpoint.kind == "full"
    from transformers import AutoModelForCausalLM

    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype="auto").state_dict()
    mean = {name: ((first[name].double() + second[name].double()) / 2).float() for name in first}
    assert all(bits(loaded[name]) == bits(each) == bits(found[name]) for name, each in mean.items())
    assert bits(loaded["lm_head.weight"]) == bits(mean["model.embed_tokens.weight" if tied else "lm_head.weight"])


def test_a_merged_tensor_keeps_no_more_than_a_few_tensors_in_memory(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shards are written as they fill: what is held is never more than one beyond their size."""
    monkeypatch.setattr(merging, "SHARD_BYTES", 10_000)
    held: list[int] = []
    add = merging._Shards.add

    def watched(shards: Any, name: str, tensor: torch.Tensor) -> None:
        add(shards, name, tensor)
        held.append(sum(each.nbytes for each in shards._held.values()))

    monkeypatch.setattr(merging._Shards, "add", watched)
    for number in range(2):
        expert(base, tmp_path / f"row{number}", number)
    merged_of(Linear(), base, tmp_path)
    assert max(held) < 10_000


@pytest.mark.parametrize(
    ("layers", "said", "shares"),
    [
        (32, {}, [1] * 5 + [0.5] + [0] * 23 + [0.5] + [1] * 2),
        (6, {}, [1, 0.5, 0, 0, 0.5, 1]),
        (4, {"bottom": 2, "top": 0}, [1, 1, 0.5, 0]),
        (4, {"bottom": 0, "top": 1, "transition": 2, "share": 0.1}, [0, 0.1, 0.1, 1]),
    ],
)
def test_which_layers_are_whose(layers: int, said: dict[str, Any], shares: list[float]) -> None:
    assert LayerSwap(**said).shares(layers) == tuple(shares)


def test_a_model_with_too_few_layers_is_refused_and_so_are_numbers_that_do_not_fit() -> None:
    with pytest.raises(UserError, match=r"bottom=3, top=1 and transition=1 take 6 layers, and the model has 4"):
        LayerSwap(bottom=3, top=1).shares(4)
    with pytest.raises(UserError, match=r"add up to 1\.1;"):
        Linear(weights=(0.7, 0.4))
    with pytest.raises(UserError, match="made of two rows, not of 1"):
        Merge(name="swap", of=("slam",), formula=LayerSwap(), source="", description="")
    with pytest.raises(UserError, match="has 3 numbers for 2 rows"):
        Merge(name="sum", of=("a", "b"), formula=TaskArithmetic(scale=(1, 2, 3)), source="", description="")
    with pytest.raises(UserError, match="names a row twice"):
        Merge(name="mean", of=("a", "a"), formula=Linear(), source="", description="")


def test_a_merge_says_in_words_what_it_is_made_of() -> None:
    assert LayerSwap().describe(("math", "language"), 6) == (
        "layers 0, 5 of language; layers 2-3 of math; layers 1, 4 averaged (0.5 of language); "
        "embeddings, last norm and head of language"
    )
    assert Linear().describe(("a", "b"), 0) == "0.5 a + 0.5 b"
    assert TaskArithmetic(scale=(1, -0.5)).describe(("a", "b"), 0) == "base + 1 (a - base) + -0.5 (b - base)"
