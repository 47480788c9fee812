"""Language SFT: translation into English, all parameters: the language expert that layer swapping takes its outer layers from.

Source: none; the text is that of SLAM as it stands here (arXiv 2501.03681), the other settings those of QAlign's first stage (arXiv
2401.07817). Layer swapping's own language experts (arXiv 2410.01335) learnt generic instructions, one expert a language.

    xreason train language-sft --model pocket
"""

from xreason.trainers.stages import AllParameters, Method, Stage


def language_sft() -> Method:
    """Returns translation of questions and rationales into English, by all parameters."""
    return Method(
        name="language-sft",
        source="ours, for layer swapping",
        description="Tunes all parameters on translation of questions and rationales into English.",
        stages=(
            Stage(name="translation", corpora=("question-translation", "answer-translation"), tune=AllParameters(), max_length=512),
        ),
    )
