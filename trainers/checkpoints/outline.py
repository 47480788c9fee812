"""The parameters of a well-known decoder, out of its config.json alone and without PyTorch.

Importing PyTorch and Transformers takes longer than a plan may, so what a plan says of a Llama, Mistral, Qwen 2 or Qwen 3 is read
off an Outline: names and shapes as Transformers' model has them, and as much of a module's face as counting needs. Tests hold every
one against the skeleton that Transformers makes of the same config; of any other config there is none, and the skeleton is made.
"""

from collections.abc import Iterator, Mapping
from math import prod
from types import EllipsisType, SimpleNamespace
from typing import Any

#: Where the decoder's layers are.
LAYERS = "model.layers"

_TYPES = ("llama", "mistral", "qwen2", "qwen3")
_NEEDED = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size")


class Weight:
    """A parameter without numbers."""

    def __init__(self, *shape: int) -> None:
        self.shape, self.ndim = shape, len(shape)

    def numel(self) -> int:
        """Returns how many numbers it would hold."""
        return prod(self.shape)

    def __getitem__(self, part: EllipsisType) -> "Weight":
        # these families keep no two projections in one tensor, so that nothing is ever tuned but whole ones
        return self


class Node:
    """A module without code: its own weights, and the modules in it, by their names."""

    def __init__(self, weights: Mapping[str, Weight] = {}, children: Mapping[str, "Node"] = {}) -> None:
        self._weights, self._children = dict(weights), dict(children)

    def named_parameters(self, *, remove_duplicate: bool = True, recurse: bool = True) -> Iterator[tuple[str, Weight]]:
        """Yields name and weight, of a weight with two names the first, unless both are asked for."""
        seen: set[int] = set()
        for name, weight in self._named("", recurse):
            if not remove_duplicate or id(weight) not in seen:
                seen.add(id(weight))
                yield name, weight

    def _named(self, prefix: str, recurse: bool) -> Iterator[tuple[str, Weight]]:
        yield from ((prefix + name, weight) for name, weight in self._weights.items())
        for name, child in self._children.items() if recurse else ():
            yield from child._named(f"{prefix}{name}.", recurse)

    def parameters(self, recurse: bool = True) -> Iterator[Weight]:
        """Yields every weight once."""
        return (weight for _, weight in self.named_parameters(recurse=recurse))

    def get_submodule(self, path: str) -> "Node":
        """Returns the module of a full name."""
        node = self
        for name in path.split("."):
            node = node._children[name]
        return node

    def get_parameter(self, path: str) -> Weight:
        """Returns the weight of a full name."""
        where, _, name = path.rpartition(".")
        return (self.get_submodule(where) if where else self)._weights[name]

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, "Node"]]:
        """Yields full name and module, itself first."""
        yield prefix, self
        for name, child in self._children.items():
            yield from child.named_modules(f"{prefix}.{name}" if prefix else name)

    def modules(self) -> Iterator["Node"]:
        """Yields every module, itself first."""
        return (module for _, module in self.named_modules())


class Linear(Node):
    """A linear module; `weight` is [out, in]."""

    def __init__(self, inputs: int, outputs: int, *, bias: bool = False) -> None:
        super().__init__({"weight": Weight(outputs, inputs)} | ({"bias": Weight(outputs)} if bias else {}))


class Outline(Node):
    """A decoder with a head, as Transformers' classes for causal language models are."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = SimpleNamespace(**config)
        self.config.get_text_config = lambda: self.config
        #: the name of Transformers' class.
        self.kind = str((config.get("architectures") or ["Outline"])[0])
        width, layers = config["hidden_size"], range(config["num_hidden_layers"])
        table = Weight(config["vocab_size"], width)
        decoder = Node(children={str(each): _layer(config) for each in layers})
        model = Node(children={"embed_tokens": Node({"weight": table}), "layers": decoder, "norm": _norm(width)})
        head = Linear(width, config["vocab_size"])
        if config.get("tie_word_embeddings"):
            head._weights["weight"] = table
        super().__init__(children={"model": model, "lm_head": head})

    @property
    def layers(self) -> list[Node]:
        """The decoder's layers, in order."""
        return list(self.get_submodule(LAYERS)._children.values())

    def get_input_embeddings(self) -> SimpleNamespace:
        """Returns what has the table of embeddings as its `weight`."""
        return SimpleNamespace(weight=self.get_parameter("model.embed_tokens.weight"))

    def get_output_embeddings(self) -> SimpleNamespace:
        """Returns what has the head's matrix as its `weight`."""
        return SimpleNamespace(weight=self.get_parameter("lm_head.weight"))


def outline_of(config: Mapping[str, Any]) -> Outline | None:
    """Returns the outline of what a config.json describes, or None where that is not one of the decoders known here."""
    kind = config.get("model_type")
    if kind not in _TYPES or not all(_is_count(config.get(name)) for name in _NEEDED):
        return None
    if kind != "llama" and "num_key_value_heads" not in config:
        return None  # each family has a number of its own that stands for none
    optional = (config.get(name) for name in ("num_key_value_heads", "head_dim"))
    if not all(each is None or _is_count(each) for each in optional) or "quantization_config" in config:
        return None
    return Outline(config)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _norm(width: int) -> Node:
    return Node({"weight": Weight(width)})


def _layer(config: Mapping[str, Any]) -> Node:
    kind, width, inner, heads = (config[name] for name in ("model_type", "hidden_size", "intermediate_size", "num_attention_heads"))
    head = config.get("head_dim") or (128 if kind == "qwen3" else width // heads)
    keys = (config.get("num_key_value_heads") or heads) * head
    biased = kind in ("llama", "qwen3") and bool(config.get("attention_bias"))
    of_inputs, of_ffn = biased or kind == "qwen2", kind == "llama" and bool(config.get("mlp_bias"))
    of_heads = {"q_norm": _norm(head), "k_norm": _norm(head)} if kind == "qwen3" else {}
    attention = {
        "q_proj": Linear(width, heads * head, bias=of_inputs),
        "k_proj": Linear(width, keys, bias=of_inputs),
        "v_proj": Linear(width, keys, bias=of_inputs),
        "o_proj": Linear(heads * head, width, bias=biased),
        **of_heads,
    }
    ffn = {
        "gate_proj": Linear(width, inner, bias=of_ffn),
        "up_proj": Linear(width, inner, bias=of_ffn),
        "down_proj": Linear(inner, width, bias=of_ffn),
    }
    norms = {"input_layernorm": _norm(width), "post_attention_layernorm": _norm(width)}
    return Node(children={"self_attn": Node(children=attention), "mlp": Node(children=ffn), **norms})
