"""English SFT: English reasoning alone, all parameters; two-stage without its first stage, so that a board shows what that adds.

Source: the second stage of Zhu et al. (QAlign), ACL Findings 2024, arXiv 2401.07817, with its settings, which are those of MetaMath
(Yu et al., 2023, arXiv 2309.12284) too, but for queries of several lines: QAlign and this put them whole into the frame, MetaMath
their first line as the instruction and the rest as its input. For what else differs see two_stage.py.

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
