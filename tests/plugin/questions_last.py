"""Questions last: two-stage turned round, with its second stage in one layer only.

pip install ./tests/plugin
xreason train questions-last --model pocket
"""

from xreason.trainers.stages import AllParameters, FeedForward, Method, Stage


def questions_last(layer: int = 1) -> Method:
    """Returns English reasoning, all parameters, then question translation in the feed-forward sub-layer of one `layer`."""
    return Method(
        name="questions-last",
        source="a test of xreason",
        description="English reasoning first, then question translation in one layer.",
        stages=(
            Stage(name="reasoning", corpora=("english-reasoning",), tune=AllParameters(), epochs=1),
            Stage(name="questions", corpora=("question-translation",), tune=FeedForward((layer,)), epochs=1, learning_rate=1e-4),
        ),
    )
