"""Two-stage: translates questions into English first, then learns English reasoning; all parameters, twice.

Source: Zhu et al., "Question Translation Training for Better Multilingual Reasoning" (QAlign), ACL Findings 2024,
arXiv 2401.07817; settings from NJUNLP/QAlign (finetune.sh, finetune.py). Where this is not theirs:

- Text: the instruction says Swahili, where theirs says "Swahili (macrolanguage)", a name that only its language table uses. Pairs
  of languages that the data folder does not have are aligned anew (corpora/alignment.py).
- Tokens: the base's own tokenizer, where theirs adds a `<pad>`, and with it a row of embeddings that no text reaches.
- Loss: a mean over all tokens of a step, where theirs is first a mean within each micro-batch of 2 rows.

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
            Stage(name="question alignment", corpora=("question-translation",), tune=AllParameters(), max_length=512),
            Stage(name="response alignment", corpora=("english-reasoning",), tune=AllParameters(), max_length=512),
        ),
    )
