r"""SLAM: tunes only the feed-forward layers that handle language, once, on translation into English.

Source: Fan et al., "SLAM: Towards Efficient Multilingual Reasoning via Selective Language Alignment", COLING 2025,
arXiv 2501.03681; settings from its scripts (fmm170/SLAM), which leave the Trainer's warm-up of 0. Where this is not theirs, or
theirs is not known:

- Layers: found in the model, as the paper tells it (no code for that was released). The paper tuned 6; its script for 7B lists 5.
- Text: its file cannot be had, so direction, instruction, languages and number of rows are not known. X to English is the
  abstract's ("first understand non-English questions"), the instruction QAlign's, the text MGSM8KInstruct's in nine languages.
- Frame: LLaMA-Factory's "Human: ...\nAssistant: " without a BOS, around a text that is not known. Here Alpaca's, with the
  tokenizer's BOS. What it was scored with is not known either: its README names MathOctopus's code, its own scripts are absent.
- Loss: a mean over all tokens of a step, where theirs is first a mean within each micro-batch.
- Checkpoint: it saves every 25 steps (13B: 10), and which one was scored is not said; here it is the last.

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
                max_length=1024,
                truncation="proportional",
                warmup_ratio=0,
            ),
        ),
    )
