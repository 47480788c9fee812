"""What a person may tell vLLM: checked by the installed vLLM's own names and types, and in keys and records where it matters."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from xreason.harness.experiment import read_experiment
from xreason.harness.plan import plan_comparison, plan_scoring
from xreason.harness.run import run
from xreason.harness.scoring.questions import scorings
from xreason.harness.serving.arguments import changing, check_cards, checked, told, told_as_lm_eval
from xreason.tasks.errors import UserError


@pytest.mark.parametrize(
    ("name", "typed", "taken"),
    [
        ("tensor_parallel_size", "2", 2),
        ("gpu_memory_utilization", "9e-1", 0.9),
        ("enforce_eager", "true", True),
        ("quantization", "fp8", "fp8"),
        ("quantization", "null", None),
        ("kv_cache_dtype", "fp8_e5m2", "fp8_e5m2"),
        ("hf_overrides", '{"rope_theta": 1e6}', {"rope_theta": "1e6"}),
        ("cudagraph_capture_sizes", "[1, 2]", [1, 2]),
        ("cpu_offload_params", "[mlp]", ["mlp"]),
        ("seed", 7, 7),
        ("reasoning_parser", "123", "123"),
    ],
)
def test_a_value_becomes_what_vllm_declares_for_it(name: str, typed: Any, taken: Any) -> None:
    assert checked({name: typed}) == {name: taken}


@pytest.mark.parametrize(
    ("name", "typed", "says"),
    [
        ("tensor_paralel_size", "2", "no argument of vLLM 'tensor_paralel_size'; did you mean 'tensor_parallel_size'?"),
        ("tensor_parallel_size", "two", "tensor_parallel_size='two' is not possible; the installed vLLM wants int"),
        ("tensor_parallel_size", True, "the installed vLLM wants int"),
        ("max_model_len", "0", "wants int from 1"),
        ("enforce_eager", "perhaps", "wants bool"),
        ("kv_cache_dtype", "fp7", "wants one of auto, "),
        ("hf_overrides", "{", "hf_overrides='{' is not possible"),
        ("model", "x", "name the model itself"),
        ("dtype", "float16", "give --dtype"),
        ("tokenizer", "x", "put the tokenizer into the model's folder"),
        ("trust_remote_code", "true", "never run"),
        ("load_format", "dummy", "safetensors"),
        ("worker_extension_cls", "x.Y", "the swap of weights"),
        ("enable_lora", "true", "BASE+ADAPTER"),
        ("data_parallel_size", "2", "--endpoint"),
    ],
)
def test_what_vllm_does_not_take_or_is_not_to_be_told_is_one_sentence(name: str, typed: Any, says: str) -> None:
    with pytest.raises(UserError) as error:
        checked({name: typed})
    assert says in str(error.value)
    assert len(str(error.value)) <= 400


def test_every_argument_of_vllm_can_be_held_against_a_value() -> None:
    from xreason.harness.serving.arguments import _declared

    known = _declared()
    assert {"tensor_parallel_size", "pipeline_parallel_size", "kv_cache_dtype", "enforce_eager"} < set(known.annotations)
    for name in known.annotations:
        assert known.words(name)
        known.type_of(name)


def test_names_are_checked_without_importing_vllm() -> None:
    program = """
import sys
from xreason.harness.serving.arguments import checked
checked({"tensor_parallel_size": "2", "kv_cache_dtype": "fp8"})
print([name for name in ("vllm", "torch", "transformers") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_what_can_change_an_answer_is_in_the_key_and_what_cannot_is_not(tmp_path: Path) -> None:
    asked = scorings(["pocket"], ["en"], limit=2)

    def key(**engine: Any) -> str:
        return plan_scoring(["pocket"], asked, tmp_path, engine=engine).rows[0].scores[0].key

    plain = key()
    assert key(gpu_memory_utilization="0.5", max_num_seqs="8", disable_log_stats="false") == plain
    others = [key(quantization="fp8"), key(tensor_parallel_size="2"), key(max_model_len="512"), key(enforce_eager="true")]
    assert len({plain, *others}) == 5
    # by another word, the same
    assert key(tensor_parallel_size=2) == others[1]
    assert changing({"tensor_parallel_size": 2, "gpu_memory_utilization": 0.5}) == {"tensor_parallel_size": 2}


def test_an_experiment_says_it_by_a_mapping_that_flags_add_to(tmp_path: Path) -> None:
    path = tmp_path / "e.yaml"
    path.write_text(
        "name: e\nbase: pocket\nsuites: [pocket]\nsource: pocket\nmethods: [full]\nengine:\n"
        "  tensor_parallel_size: 2\n  gpu_memory_utilization: 0.5\n"
    )
    flags = {"engine": told(["gpu-memory-utilization=0.8", "quantization=fp8"])}
    plan = plan_comparison(read_experiment(path, flags), tmp_path)
    assert plan.engine == {"tensor_parallel_size": 2, "gpu_memory_utilization": 0.8, "quantization": "fp8"}
    assert {str(step.engine) for row in plan.rows for step in row.scores} == {"{'quantization': 'fp8', 'tensor_parallel_size': 2}"}
    path.write_text(path.read_text().replace("tensor_parallel", "tensor_paralel"))
    with pytest.raises(UserError, match=r"e\.yaml, line 7: There is no argument of vLLM 'tensor_paralel_size'; did you mean"):
        read_experiment(path, {})


def test_lm_evals_spelling_names_model_dtype_and_arguments() -> None:
    text = "pretrained=some/model,dtype=bfloat16,tensor_parallel_size=2,max_length=512,batch_size=auto"
    text += ',hf_overrides={"a": 1, "b": [2, 3]}'
    arguments = {"tensor_parallel_size": "2", "max_model_len": "512", "hf_overrides": '{"a": 1, "b": [2, 3]}'}
    assert told_as_lm_eval(text) == ("some/model", "bfloat16", arguments)
    assert told_as_lm_eval("pretrained=a/b,lora_local_path=./c")[0] == "a/b+./c"
    assert told_as_lm_eval("") == (None, None, {})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("pretrained", "says no value"),
        ("pretrained=a,batch_size=8", "vLLM batches by itself"),
        ("max_gen_toks=8", "--max-new-tokens"),
        ("dtype=float16,dtype=float32", "dtype is given twice"),
    ],
)
def test_what_is_lm_evals_own_is_a_sentence(text: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        told_as_lm_eval(text)


@pytest.mark.every_core
def test_more_cards_than_there_are_is_a_sentence_before_anything_starts(tmp_path: Path) -> None:
    there = len(os.sched_getaffinity(0))
    engine = {"tensor_parallel_size": there, "pipeline_parallel_size": 2}
    with pytest.raises(UserError, match=rf"x pipeline_parallel_size=2 takes {2 * there} .*; give at most {there}"):
        check_cards({**engine, "tensor_parallel_size": max(there, 2)} if there == 1 else engine)
    plan = plan_scoring(["pocket"], scorings(["pocket"], ["en"], limit=1), tmp_path, engine={"tensor_parallel_size": 999})
    with pytest.raises(UserError, match="takes 999 "):
        run(plan)
    assert not list(tmp_path.iterdir())
    # a cluster's cards are Ray's to count
    check_cards({"tensor_parallel_size": 999, "distributed_executor_backend": "ray"})
