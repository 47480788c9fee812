"""Full fine-tuning: all parameters, once, on reasoning written in every language, in the frame and with the settings of QAlign.

Source: `gsm8kinstruct_all` of Zhu et al. (NJUNLP/QAlign), ACL Findings 2024, arXiv 2401.07817: the data of MathOctopus (Chen et
al., 2023, arXiv 2310.20246) in plain Alpaca, loss on the response alone, so that a comparison with two-stage is even. MathOctopus's
own training is the method `mathoctopus`. Where this is not QAlign's, see two_stage.py: its tokens and its loss.

    xreason train full --model meta-llama/Llama-2-7b-hf
"""

from xreason.trainers.stages import AllParameters, Method, Stage


def full() -> Method:
    """Returns multilingual supervised fine-tuning as QAlign does it."""
    return Method(
        name="full",
        source="gsm8kinstruct_all of Zhu et al., ACL Findings 2024, arXiv 2401.07817; data of Chen et al., 2023, arXiv 2310.20246",
        description="Tunes all parameters on questions and rationales in every language.",
        stages=(Stage(name="multilingual reasoning", corpora=("multilingual-reasoning",), tune=AllParameters(), max_length=512),),
    )
