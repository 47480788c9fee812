"""GRPO: learns by its own samples, those that are right and in the question's language over those that are not.

Source: Shao et al., "DeepSeekMath: Pushing the Limits of Mathematical Reasoning in Open Language Models", 2024, arXiv 2402.03300,
section 4.2: 1e-6, KL coefficient 0.04, 64 samples a question at 1024 tokens, batches of 1024, one update after each; loss a mean
over each sample's tokens, then over samples. A reward for the right answer and one for its language are M-Thinker's (Zhang et al.,
2025, arXiv 2510.07300) and AdaMame's control (Ki et al., 2026, arXiv 2606.15080); 2509.23657 has the first alone. Where this is not
DeepSeekMath's:

- Reward: readings that score, where theirs is a model that was trained to judge. Both papers' of language is all or nothing over
  the whole response; here it counts half and beside the answer, by lingua.
- Samples: 8 a question, as M-Thinker's and AdaMame's code and TRL's default have it; so a batch asks 128 questions, not 16.
- Temperature: 1, as TRL; theirs is not said.
- Questions: those of the training corpus in every language; theirs are 144,000 of English GSM8K and MATH.
- KL term: times the ratio of probabilities, as TRL has it since DeepSeek-V3.2 (arXiv 2512.02556).
- Schedule: constant, without warm-up; theirs is not said. As long as a pass over the questions.

Methods:
      full: {base: meta-llama/Llama-2-7b-hf}
      grpo: {base: meta-llama/Llama-2-7b-hf, start: full}
"""

from xreason.trainers.stages import AllParameters, Method, Reward, Stage


def grpo() -> Method:
    """Returns GRPO with rewards for a right answer and for its language."""
    return Method(
        name="grpo",
        source="Shao et al., 2024, arXiv 2402.03300",
        description="Tunes all parameters to write what is right and in the question's language, of its own samples.",
        stages=(
            Stage(
                name="rewards",
                corpora=("multilingual-reasoning",),
                tune=AllParameters(),
                epochs=1,
                learning_rate=1e-6,
                batch_size=1024,
                max_length=1536,
                schedule="constant",
                warmup_ratio=0,
                objective=Reward({"correct": 1.0, "in_language": 0.5}, max_completion_length=1024, beta=0.04, loss_type="grpo"),
            ),
        ),
    )
