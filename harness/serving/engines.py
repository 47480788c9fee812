"""Which engine serves which model: one for all of a comparison, another only where shapes or the tokenizer differ."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import TYPE_CHECKING, Any

from xreason.harness.serving.models import Model
from xreason.trainers.checkpoints.delta import materialise, read_checkpoint
from xreason.trainers.tuning.counting import check_fits

if TYPE_CHECKING:
    from xreason.harness.serving.engine import Engine

#: Longest prompt and response together, in tokens, where the model would allow more: room for every question of the suites.
LONGEST = 4096

#: The same where worked examples stand before the question: eight in Telugu, a token a byte.
LONGEST_WITH_EXAMPLES = 16384


class Engines:
    """Starts vLLM when the first model is asked for, and swaps the others in.

    Args:
        dtype: what the weights are served in; "auto" for what the model stores, on a GPU bfloat16 for float32.
        fresh: starts an engine for every model, in place of one whose weights are swapped.
        longest: prompt and response together, in tokens, where the model would allow more and `max_model_len` says nothing else.
        say: is told of every start and swap, in one line.
        arguments: anything else that `vllm.LLM` takes.
    """

    def __init__(
        self,
        *,
        dtype: str = "auto",
        fresh: bool = False,
        longest: int = LONGEST,
        say: Callable[[str], None] = lambda text: None,
        **arguments: Any,
    ) -> None:
        self._engine: Engine | None = None
        self._fresh, self._whole = fresh, ExitStack()
        self._max_model_len: int | None = arguments.pop("max_model_len", None)
        self._dtype, self._longest, self._say, self._arguments = dtype, longest, say, arguments

    def engine_for(self, model: Model) -> "Engine":
        """Returns the engine, now serving `model`.

        Raises:
            UserError: its weights do not fit its config, or vLLM cannot serve it on this machine.
        """
        check_fits(model.folder)
        if self._fresh:
            self.stop()
            model = self._wholly_written(model)
        if self._engine is not None and self._engine.takes(model):
            seconds = self._engine.serve(model)
            how = "" if self._engine.reproducible else "; proved by reading back alone, its probabilities differ from call to call"
            self._say(f"engine: {model.name} swapped in, {1000 * seconds:.0f} ms{how}")
            return self._engine
        if self._engine is not None:
            self._say(f"engine: {model.name} has other shapes, another tokenizer or dtype; starting another engine for it")
            self.stop()
        self._say(f"engine: starting vLLM with {model.name} ...")
        began = time.perf_counter()
        from xreason.harness.serving import engine

        longest = self._max_model_len or min(self._longest, model.positions())
        self._engine = engine.start(model, dtype=self._dtype, max_length=longest, **self._arguments)
        self._say(f"engine: serving {model.name} after {time.perf_counter() - began:.0f} s")
        return self._engine

    def stop(self) -> None:
        """Ends the engine, if one runs."""
        if self._engine is not None:
            self._engine.stop()
            self._engine = None
        self._whole.close()

    def _wholly_written(self, model: Model) -> Model:
        """Returns a model whose weights stand in one folder, as vLLM loads them by itself: a delta's beside its base's."""
        if model.delta is None:
            return model
        folder = Path(self._whole.enter_context(TemporaryDirectory(prefix="xreason-whole-")))
        return model.model_copy(update={"folder": materialise(read_checkpoint(model.delta), folder), "delta": None})

    def __enter__(self) -> "Engines":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
