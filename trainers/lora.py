"""LoRA: what full fine-tuning reads, learnt by low-rank adapters beside the frozen weights, which are merged into them when done.

Source: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", 2021, arXiv 2106.09685. Rank, alpha, dropout, layers and
learning rate are those of QLoRA's script for Llama-2-7B (see LowRank), without its quantization; the rest are
Stage's defaults. MathOctopus's own LoRA (arXiv 2310.20246) is set in harness/experiments/papers-7b.yaml.

    xreason train lora --model meta-llama/Llama-2-7b-hf
"""

from xreason.trainers.stages import LowRank, Method, Stage


def lora(rank: int = 64, alpha: float = 16, dropout: float = 0.1, targets: tuple[str, ...] = ()) -> Method:
    """Returns LoRA of the linear layers called `targets` ("q_proj", ...; none means all); see LowRank for the others."""
    return Method(
        name="lora",
        source="Hu et al., 2021, arXiv 2106.09685; data as Chen et al., 2023, arXiv 2310.20246",
        description="Tunes low-rank adapters of linear layers on questions and rationales in every language, and merges them.",
        stages=(
            Stage(
                name="multilingual reasoning",
                corpora=("multilingual-reasoning",),
                tune=LowRank(rank, alpha, dropout, targets),
                learning_rate=2e-4,
            ),
        ),
    )
