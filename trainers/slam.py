"""SLAM: tunes only the feed-forward layers that handle language, once, on translation into English.

Source: Fan et al., "SLAM: Towards Efficient Multilingual Reasoning via Selective Language Alignment", COLING 2025,
arXiv 2501.03681; settings from its scripts (fmm170/SLAM), which leave the Trainer's warm-up of 0: Stage's 3% is QAlign's.

    xreason train slam --model meta-math/MetaMath-7B-V1.0
"""

from typing import Literal

from xreason.trainers.stages import FeedForward, Method, Stage

#: How many of the lowest layers the paper tuned, of 7B's 32 and of 13B's 40.
PUBLISHED_LAYERS = 6


def slam(layers: int | tuple[int, ...] | Literal["auto"] = "auto") -> Method:
    """Returns SLAM over `layers`: a count of the lowest ones, their indices, or "auto", which finds them in the model first."""
    return Method(
        name="slam",
        source="Fan et al., COLING 2025, arXiv 2501.03681",
        description="Tunes up_proj and down_proj of the language layers on translation of questions and rationales into English.",
        stages=(
            Stage(
                name="language alignment",
                corpora=("question-translation", "answer-translation"),
                tune=FeedForward(layers),
                epochs=4,
                batch_size=512,
            ),
        ),
    )
