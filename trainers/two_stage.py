"""Two-stage: translates questions into English first, then learns English reasoning; all parameters, twice.

Source: Zhu et al., "Question Translation Training for Better Multilingual Reasoning" (QAlign), ACL Findings 2024,
arXiv 2401.07817; settings from NJUNLP/QAlign, which are the defaults of Stage.

    xreason train two-stage --model meta-llama/Llama-2-7b-hf
"""

from xreason.trainers.stages import AllParameters, Method, Stage


def two_stage() -> Method:
    """Returns QAlign's question alignment followed by response alignment."""
    return Method(
        name="two-stage",
        source="Zhu et al., ACL Findings 2024, arXiv 2401.07817",
        description="Tunes all parameters on question translation into English, then all of them again on English reasoning.",
        stages=(
            Stage(name="question alignment", corpora=("question-translation",), tune=AllParameters()),
            Stage(name="response alignment", corpora=("english-reasoning",), tune=AllParameters()),
        ),
    )
