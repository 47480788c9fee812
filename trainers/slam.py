"""SLAM: tunes only the feed-forward layers that handle language, once, on translation into English.

Source: Fan et al., "SLAM: Towards Efficient Multilingual Reasoning via Selective Language Alignment", COLING 2025,
arXiv 2501.03681; settings from its scripts (fmm170/SLAM), which set no warm-up that we know of: Stage's 3% is QAlign's.

    xreason train slam --model meta-math/MetaMath-7B-V1.0
"""

from collections.abc import Sequence

from trainers.stages import FeedForward, Method, Stage


def slam(layers: int | Sequence[int] = 6) -> Method:
    """Returns SLAM over `layers`: a count of the lowest ones or their indices (the paper: 6; `xreason layers` finds them)."""
    return Method(
        name="slam",
        source="Fan et al., COLING 2025, arXiv 2501.03681",
        description="Tunes up_proj and down_proj of the lowest layers on translation of questions and rationales into English.",
        stages=(
            Stage(
                name="language alignment",
                corpora=("question-translation", "answer-translation"),
                tune=FeedForward(layers if isinstance(layers, int) else tuple(layers)),
                epochs=4,
                batch_size=512,
            ),
        ),
    )
