"""MathOctopus, parallel: all parameters, once, on reasoning in every language, in its own frame and with loss on all of a row.

Source: Chen et al., "Breaking Language Barriers in Multilingual Mathematical Reasoning", 2023, arXiv 2310.20246; settings from
microsoft/MathOctopus (run_llama2.sh, main.py): 3 epochs, 2e-5, 128 rows a step, AdamW's betas .9 and .95, no warm-up, rows of
512 tokens. A row is its data's own prompt ("Please answer in {Language}.") and rationale, a space before each. Not theirs is:

- Loss: on prompt and response, not on the padding after them, which theirs bears too: rows are packed here and have none. And a
  mean over all tokens of a step, where theirs is first a mean within each micro-batch of 8 rows.
- Text: all rows; theirs keeps 0.5 % back to watch the perplexity, which nothing here would read.
- To be scored as they score, it is asked in its frame: `--prompt octopus`.

    xreason train mathoctopus --model meta-llama/Llama-2-7b-hf
"""

from xreason.trainers.stages import AllParameters, Method, Stage


def mathoctopus() -> Method:
    """Returns MathOctopus's multilingual supervised fine-tuning."""
    return Method(
        name="mathoctopus",
        source="Chen et al., 2023, arXiv 2310.20246",
        description="Tunes all parameters on questions and rationales in every language, asked in its name, prompts included.",
        stages=(
            Stage(
                name="multilingual reasoning",
                corpora=("multilingual-reasoning",),
                tune=AllParameters(),
                max_length=512,
                frame="octopus",
                loss_on="all",
                warmup_ratio=0,
                betas=(0.9, 0.95),
            ),
        ),
    )
