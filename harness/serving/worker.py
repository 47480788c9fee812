"""What vLLM's worker must do beyond `reload_weights` for a swapped-in model to answer as a fresh engine does, and to prove it.

vLLM mixes this class into its worker (`worker_extension_cls`), into every one of them where a model is spread over several.

What a file's tensors become is asked of vLLM itself: its own loaders are run on copies of the parameters as files have them, once
without values, to learn which tensors end in which parameter, and once with them, to hold what is resident against it.
"""

import ctypes
import inspect
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from xreason.trainers.checkpoints.base import read_tensors

if TYPE_CHECKING:
    import torch

#: Tensors of one layer of a model: vLLM fuses nothing across layers, so that a proof needs memory for one of them.
_LAYER = re.compile(r"^.*?\.\d+\.")

#: Directions in which a matrix is asked whose packed copy cannot be read.
_DIRECTIONS = 2

#: An odd number of 63 bits that mixes well, and how many elements are mixed at once.
_ODD, _AT_ONCE = 0x1E3779B97F4A7C15, 1 << 22

#: How many elements are made float32 at once: so many that one core keeps them in its cache.
_IN_CACHE = 1 << 18

#: Elements between the rows of a matrix that is to be packed: a cache line of bfloat16.
_APART = 32

#: glibc's mallopt: how much freed memory at the heap's end is kept, and how many large blocks are the system's own.
_TRIM_THRESHOLD, _MMAP_MAX, _USUAL_MMAP_MAX = -1, -4, 65536


class SwapExtension:
    """Adds the swap of weights, and its proof, to vLLM's worker."""

    model_runner: Any
    reload_weights: Any
    vllm_config: Any

    def parameters_of(self, files: Mapping[str, str]) -> tuple[dict[str, list[str]], list[str], list[str]]:
        """Returns what the tensors of a model become, without reading them.

        Args:
            files: name of each tensor of a whole model to the path of its file.

        Returns:
            Each tensor's name to the parameters of vLLM's model that it is a part of, none for one that vLLM does without; the
            parameters that these tensors leave without a value, or with a part of it; and those that vLLM fills without a loader,
            so that no reload of its own reaches them.
        """
        model = self.model_runner.get_model()
        first, received = _first_names(model), defaultdict[str, int](int)
        with self._loading_aside("meta") as aside:
            said = model.load_weights((name, aside.read(name, tensor.to("meta"))) for name, tensor in read_tensors(files))
            wanted = aside.sizes() if self.vllm_config.model_config.quantization is None else {}
        for name, size in aside.loaded.items():
            received[first.get(name, name)] += size
        lacking = {name for name, size in wanted.items() if received[first.get(name, name)] < size}
        unreached = {name for name in lacking & set(said or ()) if not received[first.get(name, name)]}
        return {name: sorted(aside.parameters[name]) for name in files}, sorted(lacking - unreached), sorted(unreached)

    def swap_weights(self, files: Mapping[str, str]) -> None:
        """Replaces the weights that these tensors become, in place.

        On CPUs vLLM multiplies by packed copies, and its reload leaves two kinds as they were. A tied output head has no weight of
        its own in a file: its copy of the embedding that it is tied to is packed again. Experts are packed as their kernel is made:
        it is made again.
        """
        import torch
        from vllm.model_executor.layers.vocab_parallel_embedding import ParallelLMHead, VocabParallelEmbedding
        from vllm.model_executor.model_loader.reload.layerwise import get_layerwise_info
        from vllm.platforms import current_platform

        modules = list(self.model_runner.get_model().modules())
        methods: list[Any] = [getattr(module, "quant_method", None) for module in modules if current_platform.is_cpu()]
        kernels = [(method, method.moe_kernel) for method in methods if getattr(method, "moe_kernel", None)]
        for method, _ in kernels:
            method.moe_kernel = None
        for module in modules:
            if hasattr(module, "cpu_linear"):
                weight = get_layerwise_info(module).restore_metadata[0]["weight"]
                weight.data = _to_pack(weight)
        with _freed_memory_kept():
            self.reload_weights(weights_iterator=read_tensors(files))
        for method, kernel in kernels:
            method.moe_kernel = method.moe_kernel or kernel
        heads = [module for module in modules if isinstance(module, ParallelLMHead)]
        embeddings = [module for module in modules if isinstance(module, VocabParallelEmbedding) and module not in heads]
        for head in heads:
            if any(head.weight is embedding.weight for embedding in embeddings):
                tied = head.weight
                head.weight = torch.nn.Parameter(_to_pack(tied).copy_(tied), requires_grad=False)
                head.quant_method.process_weights_after_loading(head)
                head.weight = tied

    def unlike(self, files: Mapping[str, str]) -> list[str]:
        """Returns which of these tensors are not what is resident, read back sharded, fused and packed as it is.

        Weights that vLLM quantizes as it loads them cannot be held against files: for these it returns none.
        """
        if self.vllm_config.model_config.quantization is not None:
            return []
        model = self.model_runner.get_model()
        resident = dict(model.named_parameters(remove_duplicate=False)) | dict(model.named_buffers(remove_duplicate=False))
        packed, wrong = _multiplying(model), list[str]()
        layers: dict[str, dict[str, str]] = defaultdict(dict)
        for name, file in files.items():
            layers[found[0] if (found := _LAYER.match(name)) else name][name] = file
        with _freed_memory_kept(), self._loading_aside("cpu") as aside:
            sizes = aside.sizes()
            for layer in layers.values():
                model.load_weights((name, aside.read(name, tensor)) for name, tensor in read_tensors(layer))
                held = {
                    name: aside.loaded[name] >= sizes.get(name, 0) and _is_held(copy, resident[name], packed[id(resident[name])])
                    for name, copy in aside.copies.items()
                }
                wrong += [name for name in layer if not all(held[parameter] for parameter in aside.parameters[name])]
                aside.copies.clear()
        return wrong

    @contextmanager
    def _loading_aside(self, device: str) -> Iterator["_Aside"]:
        import torch
        from vllm.config import set_current_vllm_config
        from vllm.model_executor.model_loader.reload import finalize_layerwise_reload, initialize_layerwise_reload

        model = self.model_runner.get_model()
        with set_current_vllm_config(self.vllm_config), torch.no_grad():
            initialize_layerwise_reload(model)
            aside = _Aside(model, device)
            try:
                yield aside
            finally:
                # nothing was loaded as far as vLLM knows: it puts the resident parameters back
                aside.end()
                finalize_layerwise_reload(model, self.vllm_config.model_config)


class _Aside:
    """vLLM's loaders, writing into copies of the parameters, as files have them; the resident ones are not touched.

    Attributes:
        copies: parameter to the copy that was written to; padding is not a number there.
        loaded: parameter to how many of its elements were written.
        parameters: name of a tensor to the parameters that it was written to.
    """

    def __init__(self, model: "torch.nn.Module", device: str) -> None:
        from vllm.model_executor.layers.vocab_parallel_embedding import VocabParallelEmbedding
        from vllm.model_executor.model_loader.reload.meta import SKIP_LOAD_TENSORS
        from vllm.model_executor.model_loader.reload.utils import get_layer_tensors

        self.copies: dict[str, torch.Tensor] = {}
        self.loaded: dict[str, int] = defaultdict(int)
        self.parameters: dict[str, set[str]] = defaultdict(set)
        self._model, self._device, self._reading = model, device, ""
        self._loaders: list[tuple[Any, Any]] = []
        self._padded = {f"{path}.weight" for path, module in model.named_modules() if isinstance(module, VocabParallelEmbedding)}
        for path, module in model.named_modules():
            for name, tensor in get_layer_tensors(module).items():
                if name not in SKIP_LOAD_TENSORS:
                    self._loaders.append((tensor, tensor.weight_loader))
                    tensor.weight_loader = self._instead(f"{path}.{name}" if path else name, tensor)

    def read(self, name: str, tensor: "torch.Tensor") -> "torch.Tensor":
        """Notes that what is loaded next is this tensor, and returns it."""
        self._reading = name
        return tensor

    def sizes(self) -> dict[str, int]:
        """Returns how many elements each parameter wants from files; vocabularies are padded, and come whole or not at all."""
        from vllm.model_executor.model_loader.reload.utils import get_tensor_load_numel

        named = self._model.named_parameters(remove_duplicate=False)
        return {name: 1 if name in self._padded else get_tensor_load_numel(tensor) for name, tensor in named}

    def end(self) -> None:
        """Gives every parameter its own loader back."""
        for tensor, loader in self._loaders:
            tensor.weight_loader = loader

    def _instead(self, parameter: str, tensor: Any) -> Callable[..., Any]:
        from vllm.model_executor.model_loader.reload.meta import get_numel_loaded

        loader = tensor.weight_loader
        while loader.__name__ == "online_process_loader":  # vLLM's own, which would load into what is resident
            loader = loader.__wrapped__

        def load(*args: Any, **kwargs: Any) -> Any:
            if parameter not in self.copies:
                self.copies[parameter] = _copy(tensor, self._device)
            bound = inspect.signature(loader).bind(*args, **kwargs)
            bound.arguments["param"] = self.copies[parameter]
            size, result = get_numel_loaded(loader, bound)
            self.loaded[parameter] += size
            self.parameters[self._reading].add(parameter)
            return result

        return load


def _to_pack(matrix: "torch.Tensor") -> "torch.Tensor":
    """Returns an empty matrix like this one, whose rows packing reads several times faster.

    It walks down columns: of rows that are a power of two apart, as models have them, all fall into a few sets of the processor's
    cache. What vLLM packs by a kernel that wants rows without gaps is small.
    """
    import torch
    from vllm.model_executor.layers.utils import check_cpu_sgl_kernel

    if matrix.ndim != 2 or check_cpu_sgl_kernel(*matrix.shape, matrix.dtype):
        return torch.empty_like(matrix)
    return torch.empty_strided(matrix.shape, (matrix.shape[1] + _APART, 1), dtype=matrix.dtype, device=matrix.device)


@contextmanager
def _freed_memory_kept() -> Iterator[None]:
    """Has what a layer needed, and its packed copy before, serve the next one, and the next swap.

    By itself glibc gives each large block back to the system, which clears every page that it lends: of a whole model that takes
    longer than to read its file, twice. What stays with the process, on CPUs up to twice a model's size, is no more than the first
    swap had needed: the peak is the same. Where there is another C library, nothing changes.
    """
    library = ctypes.CDLL(None)
    mallopt: Callable[[int, int], int] = getattr(library, "mallopt", lambda option, value: 0)
    mallopt(_TRIM_THRESHOLD, 2**31 - 1)
    mallopt(_MMAP_MAX, 0)
    try:
        yield
    finally:
        mallopt(_MMAP_MAX, _USUAL_MMAP_MAX)


def _copy(tensor: "torch.Tensor", device: str) -> "torch.Tensor":
    import torch

    copy: torch.Tensor = torch.empty_strided(tensor.size(), tensor.stride(), dtype=tensor.dtype, device=device)
    if copy.is_floating_point() and getattr(tensor, "weight_loader_numel", copy.numel()) != copy.numel():
        copy.fill_(torch.nan)  # padding, which no file has
    # loaders look at the parameter's class and at what vLLM noted in it, such as its part of a model that is spread
    copy.__class__, copy.__dict__ = tensor.__class__, tensor.__dict__.copy()
    return copy


def _first_names(model: "torch.nn.Module") -> dict[str, str]:
    """Returns each parameter's name to the first name of the same one: a tied output head's to its embedding's."""
    first: dict[int, str] = {}
    return {name: first.setdefault(id(each), name) for name, each in model.named_parameters(remove_duplicate=False)}


def _multiplying(model: "torch.nn.Module") -> dict[int, list["torch.nn.Module"]]:
    """Returns the modules that multiply by a packed copy of a weight, as vLLM's do on CPUs, by the weight's id."""
    found: dict[int, list[torch.nn.Module]] = defaultdict(list)
    for module in model.modules():
        if hasattr(module, "cpu_linear"):
            found[id(module.weight)].append(module)
    return found


def _is_held(copy: "torch.Tensor", resident: "torch.Tensor", multiplying: Sequence["torch.nn.Module"]) -> bool:
    """Returns whether a resident parameter, and the packed copies of it, hold what the files say."""
    if resident.numel() and not _same(copy, resident.detach().to(device="cpu", dtype=copy.dtype)):
        return False
    return all(_multiplies_by(copy, module, resident) for module in multiplying)


def _same(copy: "torch.Tensor", resident: "torch.Tensor") -> bool:
    import torch

    if copy.shape == resident.shape:
        # as integers first, which compare several times faster; what is padded is not equal so
        if torch.equal(_integers(copy), _integers(resident)):
            return True
        if all(bool(((one == other) | one.isnan()).all()) for one, other in zip(_parts(copy), _parts(resident), strict=True)):
            return True
    # kernels want some parameters in an order of their own, padded by zeros: the same numbers then, wherever they stand
    return _sum_of_hashes(copy.nan_to_num()) == _sum_of_hashes(resident)


def _integers(tensor: "torch.Tensor") -> "torch.Tensor":
    import torch

    return tensor.view({1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[tensor.element_size()])


def _parts(tensor: "torch.Tensor") -> tuple["torch.Tensor", ...]:
    import torch

    return torch.split(tensor.flatten(), _AT_ONCE)


def _sum_of_hashes(tensor: "torch.Tensor") -> int:
    total = 0
    for part in _parts(tensor):
        mixed = _integers(part).long() * _ODD
        total += int(((mixed ^ (mixed >> 29)) * _ODD).sum())  # zero for zero
    return total % 2**64


def _multiplies_by(matrix: "torch.Tensor", module: Any, resident: "torch.Tensor") -> bool:
    """Returns whether a module multiplies by this matrix, asked in a few directions: what it packed cannot be read."""
    import torch

    generator = torch.Generator().manual_seed(0)
    directions = torch.randint(0, 2, (_DIRECTIONS, matrix.shape[1]), generator=generator).to(matrix.dtype) * 2 - 1
    answered = module.cpu_linear(directions, resident, None).float()
    expected, sizes = [], []
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # over parts so small they would wait for each other, for long where other work runs
    try:
        for rows in map(torch.Tensor.float, torch.split(matrix, max(1, _IN_CACHE // matrix.shape[1]))):
            expected.append(directions.float() @ rows.T)
            sizes.append(rows.abs().sum(1))
    finally:
        torch.set_num_threads(threads)
    # rounding of one sum: of its terms on the way, and of the answer
    rounding = 4 * torch.finfo(matrix.dtype).eps * torch.cat(sizes)
    return bool(((torch.cat(expected, 1) - answered).abs() <= rounding).all())
