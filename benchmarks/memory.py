"""What a stage is estimated to take against PyTorch's own peak, in bfloat16 over float32 on a CPU: the largest step, every tensor.

    python -m benchmarks.memory        # prints JSON; two minutes

Each line is a real run of two steps of two micro-batches: what all live tensors hold together is counted at every operation, and
the most is the peak. On a GPU that is torch.cuda.max_memory_allocated, but for what kernels take while they run.
"""

import random
import weakref
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmarks.report import report
from xreason.trainers.checkpoints.base import load_base, resolve_model
from xreason.trainers.corpora.examples import Example
from xreason.trainers.corpora.tokens import tokenize
from xreason.trainers.loop.batches import StepOrder
from xreason.trainers.loop.loop import run_stage
from xreason.trainers.stages import AllParameters, FeedForward, LowRank, Stage, Tune
from xreason.trainers.tuning.fitting import Choice
from xreason.trainers.tuning.memory import needed

#: Families and shapes: with as many key heads as heads, with fewer, and with tied embeddings.
SHAPES: dict[str, dict[str, Any]] = {
    "llama 512 x 8, 8,000 words": {
        "hidden_size": 512,
        "intermediate_size": 1376,
        "num_hidden_layers": 8,
        "num_attention_heads": 8,
        "vocab_size": 8000,
    },
    "llama 256 x 6, grouped, 4,000 words": {
        "hidden_size": 256,
        "intermediate_size": 1024,
        "num_hidden_layers": 6,
        "num_attention_heads": 8,
        "num_key_value_heads": 2,
        "vocab_size": 4000,
    },
    "qwen2 256 x 4, grouped, tied, 16,000 words": {
        "model_type": "qwen2",
        "hidden_size": 256,
        "intermediate_size": 704,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 16000,
        "tie_word_embeddings": True,
    },
}
TUNES: dict[str, Tune] = {"slam": FeedForward(2), "full": AllParameters(), "lora": LowRank()}
ROWS = 4


class LiveTensors(TorchDispatchMode):
    """Counts the bytes of all tensors that an operation made within it, as long as they live, and those it was told of."""

    def __init__(self, *others: torch.Tensor) -> None:
        super().__init__()
        self._sizes: dict[int, int] = {}
        self._now = self.peak = 0
        for each in others:
            self._count(each)

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = operation(*args, **(kwargs or {}))
        for each in tree_leaves(result):
            if isinstance(each, torch.Tensor):
                self._count(each)
        return result

    def _count(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage._cdata not in self._sizes:
            self._sizes[storage._cdata] = storage.nbytes()
            self._now += storage.nbytes()
            self.peak = max(self.peak, self._now)
            weakref.finalize(storage, self._forget, storage._cdata)

    def _forget(self, storage: int) -> None:
        self._now -= self._sizes.pop(storage)


def estimate_and_peak(
    shape: dict[str, Any], tune: Tune, recompute: int, *, stored: torch.dtype = torch.bfloat16, words: int = 40
) -> tuple[int, int]:
    """Returns what a stage on a random model is estimated to take, and what it took, in bytes."""
    from transformers import AutoConfig, AutoModelForCausalLM

    _, tokenizer = load_base(resolve_model("pocket"), device="cpu", mixed_precision=False)
    torch.manual_seed(0)
    config = AutoConfig.for_model(**{"model_type": "llama", **shape})
    model = AutoModelForCausalLM.from_config(config).to(stored)
    stage = Stage("memory", ("x",), tune, max_steps=2, batch_size=ROWS, micro_batch_size=ROWS // 2, max_length=1024)
    examples = _examples(ROWS, words)
    rows = tokenize(examples, tokenizer, stage.max_length)[0]
    order = StepOrder([len(row.ids) for row in rows], ROWS, 0)
    largest = max(order.micro_batches(0, Choice(ROWS // 2, 0, 0)), key=lambda each: int(order.lengths[each].sum()))
    tokens, labels = (
        sum(sizes) for sizes in zip(*((len(rows[row].ids), len(rows[row].ids) - rows[row].start) for row in largest), strict=True)
    )
    precision: dict[str, Any] = {"device": "cpu", "mixed_precision": True, "recompute": recompute}
    estimate = needed(model, stage, tokens=tokens, labels=labels, **precision).total
    with LiveTensors(*model.parameters(), *model.buffers()) as live:
        run_stage(model, tokenizer, stage, examples, seed=0, **precision)
    return estimate, live.peak


def _examples(count: int, words: int) -> list[Example]:
    chance = random.Random(0)
    known = "apples pears plus minus gives each the farm eleven".split()

    def text() -> str:
        return " ".join(chance.choice(known) for _ in range(words + chance.randint(-5, 5)))

    return [Example(text(), text()) for _ in range(count)]


def main() -> None:
    """Takes all measurements and prints them."""
    lines = []
    for shape, settings in SHAPES.items():
        for method, tune in TUNES.items():
            for recompute in (0, 2, 1):
                estimate, peak = estimate_and_peak(settings, tune, recompute)
                line = {"shape": shape, "method": method, "recompute": recompute, "estimate": estimate, "peak": peak}
                lines.append({**line, "estimate_over_peak": round(estimate / peak, 3)})
    worst = max((line["estimate_over_peak"] for line in lines), key=lambda ratio: abs(ratio - 1))
    report(lines=lines, worst=worst)


if __name__ == "__main__":
    main()
