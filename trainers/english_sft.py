"""English SFT: English reasoning alone, all parameters; two-stage without its first stage, so that a board shows what that adds.

Source: the second stage of Zhu et al. (QAlign), ACL Findings 2024, arXiv 2401.07817, with its settings.

    xreason train english-sft --model meta-llama/Llama-2-7b-hf
"""

from xreason.trainers.stages import Method
from xreason.trainers.two_stage import two_stage


def english_sft() -> Method:
    """Returns two-stage's second stage as a method of its own."""
    return Method(
        name="english-sft",
        source="second stage of Zhu et al., ACL Findings 2024, arXiv 2401.07817",
        description="Tunes all parameters on English reasoning.",
        stages=two_stage().stages[1:],
    )
