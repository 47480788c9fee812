"""Full fine-tuning: all parameters, once, on reasoning written in every language.

Source: Chen et al., "Breaking Language Barriers in Multilingual Mathematical Reasoning" (MathOctopus, parallel), 2023,
arXiv 2310.20246. Settings are Stage's defaults, which are QAlign's, so that a comparison is even; its own
are in harness/experiments/papers-7b.yaml.

    xreason train full --model meta-llama/Llama-2-7b-hf
"""

from xreason.trainers.stages import AllParameters, Method, Stage


def full() -> Method:
    """Returns multilingual supervised fine-tuning."""
    return Method(
        name="full",
        source="Chen et al., 2023, arXiv 2310.20246",
        description="Tunes all parameters on questions and rationales in every language.",
        stages=(Stage(name="multilingual reasoning", corpora=("multilingual-reasoning",), tune=AllParameters()),),
    )
