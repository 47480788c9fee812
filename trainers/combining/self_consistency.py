"""Self-consistency: a model answers each question several times, and the answer that most responses give counts.

Source: Wang et al., "Self-Consistency Improves Chain of Thought Reasoning in Language Models", ICLR 2023, arXiv 2203.11171: 40
responses, at temperature 0.7 (of GPT-3 without a bound, of PaLM from the 40 likeliest tokens). Here:

- Prompt and worked examples are those of the comparison; theirs had eight written chains of thought.
- Each reading votes by the answers that it reads itself. Of as many votes, the answer given first wins; the paper says no rule.
- A response without an answer has no vote; to the papers' reading of numbers alone it says 0, as it does elsewhere.
- Responses are drawn once, seeded by the prompt; theirs are means over ten such draws.

    xreason compare pocket --methods slam,self-consistency
"""

from xreason.trainers.combining.declared import SelfConsistency


def self_consistency(
    of: str = "base",
    samples: int = 40,
    temperature: float = 0.7,
    top_p: float | None = None,
    top_k: int | None = None,
    min_p: float | None = None,
) -> SelfConsistency:
    """Returns the vote over so many responses of row `of`, sampled as said."""
    return SelfConsistency(
        name="self-consistency",
        of=of,
        samples=samples,
        temperature=temperature,
        top_p=top_p,
        top_k=top_k,
        min_p=min_p,
        source="Wang et al., ICLR 2023, arXiv 2203.11171",
        description="Asks a row's model several times, and takes the answer that most responses give.",
    )
