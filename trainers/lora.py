"""LoRA: what MathOctopus reads, learnt by low-rank adapters beside the frozen weights, which are merged into them when done.

Source: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", 2021, arXiv 2106.09685, as MathOctopus-Parallel-LoRA has it
(Chen et al., 2023, arXiv 2310.20246; run_llam2_lora.sh of microsoft/MathOctopus): rank 128, scaling 1/128 (alpha 1), no dropout,
all linear layers, 4 epochs, 2e-5, 64 rows a step, betas .9 and .95, no warm-up, rows of 512 tokens. Where this is not theirs:

- Tuned: adapters alone, which is what LoRA means; its script trains embeddings, norms and lm_head beside them.
- Loss, text and frame: as mathoctopus.py says.

It learns little, as published (20.8 on MGSM at 7B, where all parameters give 40.0). QLoRA's settings for Llama-2-7B (arXiv
2305.14314) are `{rank: 64, alpha: 16, dropout: 0.1, learning_rate: 2e-4}`; see LowRank.

    xreason train lora --model meta-llama/Llama-2-7b-hf
"""

from xreason.trainers.stages import LowRank, Method, Stage


def lora(rank: int = 128, alpha: float = 1, dropout: float = 0, targets: tuple[str, ...] = (), merge: bool = True) -> Method:
    """Returns LoRA of the linear layers called `targets` ("q_proj", ...; none means all); see LowRank for the others."""
    return Method(
        name="lora",
        source="Hu et al., 2021, arXiv 2106.09685; settings and data of Chen et al., 2023, arXiv 2310.20246",
        description="Tunes low-rank adapters of linear layers on questions and rationales in every language, and merges them.",
        stages=(
            Stage(
                name="multilingual reasoning",
                corpora=("multilingual-reasoning",),
                tune=LowRank(rank, alpha, dropout, targets, merge),
                epochs=4,
                batch_size=64,
                max_length=512,
                frame="octopus",
                loss_on="all",
                warmup_ratio=0,
                betas=(0.9, 0.95),
            ),
        ),
    )
