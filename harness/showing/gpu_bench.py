"""What the parts of a GPU's proof share: the random model and its rows, the clock, and a stage timed at the depth that fits."""

import time
from typing import TYPE_CHECKING, Any

from xreason.harness import progress
from xreason.tasks.errors import UserError
from xreason.trainers.stages import Stage, Tune
from xreason.trainers.tuning.memory import free_memory, give_back_memory, needed

if TYPE_CHECKING:
    from xreason.trainers.corpora.examples import Example

#: Tokens of prompt and response of 16 rows that stand for all: the middles of 16 equal parts, by length, of GSM8K's training rows
#: in Alpaca's frame, three characters a token.
LENGTHS = (
    *((88, 46), (125, 27), (93, 70), (126, 48), (98, 85), (109, 84), (122, 81), (123, 89)),
    *((144, 79), (111, 124), (115, 132), (176, 84), (144, 133), (154, 144), (156, 170), (219, 158)),
)

#: What differs from LlamaConfig's defaults, which are Llama-2-7B's, and the rows of a step.
SHAPES: dict[str, tuple[dict[str, int], int]] = {
    "7b": ({}, 128),
    "tiny": (
        {"hidden_size": 64, "intermediate_size": 176, "num_hidden_layers": 4, "num_attention_heads": 2, "vocab_size": 4096},
        4,
    ),
}
#: Of the model that is trained in two precisions.
SMALL = {"hidden_size": 256, "intermediate_size": 688, "num_hidden_layers": 6, "num_attention_heads": 8, "vocab_size": 4096}

#: The language layers of 7B as the paper has them; rows a micro-batch; the longest row of the recipes that are compared.
SLAM_LAYERS, MICRO_BATCH, LONGEST = 6, 32, 512
#: Steps that are timed after the first, at most, and questions put to vLLM.
STEPS, QUESTIONS = 5, 2000

Measured = dict[str, Any]


class OutOfTimeError(Exception):
    """The time is over in the middle of a part."""


class Bench:
    """What all parts share.

    Args:
        shape: of SHAPES.
        seconds: in which all must be done.
    """

    def __init__(self, shape: str, seconds: float) -> None:
        from transformers import AutoTokenizer

        from xreason.trainers.checkpoints.base import resolve_model
        from xreason.trainers.train import choose_device

        self.device, self.precise, self.name = choose_device(None)
        self.shape, self.rows = SHAPES[shape]
        self.at_once = min(MICRO_BATCH, self.rows)
        self.deadline = time.perf_counter() + seconds
        self.tokenizer = AutoTokenizer.from_pretrained(resolve_model("pocket"))
        self.rate = 0.0
        self.done: dict[str, Measured] = {}

    def left(self) -> float:
        """Returns the seconds that are left."""
        return self.deadline - time.perf_counter()

    def examples(self, count: int) -> "list[Example]":
        """Returns rows of the pocket world's words, as long as real ones."""
        from xreason.trainers.corpora.examples import Example
        from xreason.trainers.corpora.load import load_corpus

        text = load_corpus("english-reasoning", ["en"], source="pocket", rows=200, seed=0).examples
        words = [word for each in text for word in self.tokenizer(each.response, add_special_tokens=False)["input_ids"]]

        def piece(at: int, length: int) -> str:
            start = at * 37 % (len(words) - length)
            return str(self.tokenizer.decode(words[start : start + length]))

        sizes = (LENGTHS[number % len(LENGTHS)] for number in range(count))
        return [Example(piece(at, prompt), piece(7 * at + 1, response), "en") for at, (prompt, response) in enumerate(sizes)]

    def model(self, shape: dict[str, int], *, exact: bool = False, **settings: Any) -> Any:
        """Returns a random Llama, made on the device itself, in bfloat16 or with `exact` in float32."""
        import torch
        from transformers import AutoModelForCausalLM, LlamaConfig

        give_back_memory()
        torch.manual_seed(0)
        dtype = torch.float32 if exact or not self.precise else torch.bfloat16
        with torch.device(self.device):
            return AutoModelForCausalLM.from_config(LlamaConfig(**shape), dtype=dtype, **settings)

    def stage(self, tune: Tune, *, steps: int = STEPS + 1, rows: int | None = None) -> Stage:
        """Returns a stage of so many steps."""
        size = rows or self.rows
        at_once = min(self.at_once, size)
        return Stage("proof", ("x",), tune, max_steps=steps, batch_size=size, micro_batch_size=at_once, max_length=LONGEST)

    def timed(self, model: Any, stage: Stage, **settings: Any) -> Measured:
        """Returns seconds a step, tokens a second and peak memory (bytes), the first step not counted; as far as the time goes."""
        from xreason.trainers.loop.loop import run_stage

        seen: list[tuple[float, Any]] = []

        def note(report: Any) -> None:
            seen.append((time.perf_counter(), report))
            if self.left() < 0:
                raise OutOfTimeError

        try:
            run_stage(
                model,
                self.tokenizer,
                stage,
                self.examples((stage.max_steps or 1) * stage.batch_size),
                seed=0,
                progress=note,
                device=self.device,
                mixed_precision=self.precise,
                **settings,
            )
        except OutOfTimeError:
            if len(seen) < 2:
                raise
        (began, first), (ended, last) = seen[0], seen[-1]
        steps = last.step - first.step
        return {
            "seconds_a_step": (ended - began) / steps,
            "tokens_a_second": (last.tokens - first.tokens) / (ended - began),
            "peak_bytes": last.memory_bytes,
            "steps": steps,
        }

    def at_depth(self, tune: Tune) -> Measured:
        """Times a stage on a model of as many layers as fit, recomputing where it must."""
        import torch

        stage = self.stage(tune)
        layers, recompute, estimated = self._deepest(stage)
        while True:
            shape = {**self.shape, "num_hidden_layers": layers}
            model = self.model(shape)
            try:
                measured = self.timed(model, stage, recompute=recompute)
                break
            except (torch.OutOfMemoryError, UserError):
                if layers == 1:
                    raise
                layers = layers * 3 // 4
                progress.say(f"that did not fit; again with {layers} layers")
            finally:
                del model
        flops = _flops(shape, tune)
        return {
            "layers": layers,
            "recomputing": recompute,
            **measured,
            "share_of_matrix_rate": measured["tokens_a_second"] * flops / self.rate,
            "estimated_bytes": estimated,
            "estimate_over_peak": estimated / measured["peak_bytes"],
        }

    def _deepest(self, stage: Stage) -> tuple[int, int, int]:
        """Returns how many layers fit, whether their activations are recomputed, and the bytes that this is estimated to take."""
        from transformers import LlamaConfig

        give_back_memory()
        room = free_memory(self.device)
        whole = LlamaConfig(**self.shape).num_hidden_layers
        for layers in range(whole, 0, -max(1, whole // 16)):
            for recompute in (0, 1):
                size = self._needed({**self.shape, "num_hidden_layers": layers}, stage, recompute)
                if size <= room:
                    return layers, recompute, size
        raise UserError("Not one layer fits this device's free memory; end what else runs on it.")

    def _needed(self, shape: dict[str, int], stage: Stage, recompute: int) -> int:
        from xreason.trainers.corpora.tokens import tokenize

        rows = tokenize(self.examples(stage.batch_size), self.tokenizer, stage.max_length)[0]
        lengths = sorted((len(row.ids) for row in rows), reverse=True)
        most = sum(lengths[: stage.micro_batch_size])
        model = _skeleton(shape)
        return needed(model, stage, device=self.device, recompute=recompute, tokens=most, mixed_precision=self.precise).total


def _skeleton(shape: dict[str, int]) -> Any:
    from transformers import LlamaConfig

    from xreason.trainers.tuning.counting import skeleton_of

    return skeleton_of(LlamaConfig(**shape))


def _flops(shape: dict[str, int], tune: Tune) -> int:
    """Returns what must be computed for a token: nothing twice."""
    from xreason.trainers.tuning.counting import estimate_flops

    return estimate_flops(_skeleton(shape), tune, checkpointing=False)
