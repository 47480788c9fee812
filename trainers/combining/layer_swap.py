"""Layer swapping: a math expert whose lowest and highest layers are a language expert's; no training beyond these two.

Source: Bandarkar et al., "Layer Swapping for Zero-Shot Cross-Lingual Transfer in Large Language Models", ICLR 2025, arXiv
2410.01335, which released no code. Known of it at second hand: Llama 3.1 8B, the 5 lowest and 2 highest of 32 layers swapped, one
averaged layer at each border (many such settings were about as good). Where this is not theirs, or theirs is not known:

- Math expert: `english-sft` (MetaMathQA or GSM8K), where theirs learnt English Orca-Math word problems.
- Language expert: `language-sft`, translation into English out of all languages at once, where theirs learnt generic instructions
  in one target language, and there was a merged model a language.
- Averaged layers: halves; the paper's weights are not known.
- Embeddings, last norm and head: the language expert's, as the layers beside them; the paper's choice is not known.
- Models of another number of layers: the same shares of it, at least one layer each.

    xreason compare pocket-methods
"""

from typing import Literal

from xreason.trainers.combining.declared import LayerSwap, Merge


def layer_swap(
    of: tuple[str, ...] = ("english-sft", "language-sft"),
    bottom: int | None = None,
    top: int | None = None,
    transition: int = 1,
    share: float = 0.5,
    outside: Literal["first", "second"] = "second",
) -> Merge:
    """Returns the swap of layers between a math and a language expert, which `of` names; see LayerSwap for the others."""
    return Merge(
        name="layer-swap",
        of=of,
        formula=LayerSwap(bottom=bottom, top=top, transition=transition, share=share, outside=outside),
        source="Bandarkar et al., ICLR 2025, arXiv 2410.01335",
        description="Replaces the lowest and highest layers of a math expert by those of a language expert.",
    )
