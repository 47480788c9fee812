"""MAPO by DPO: learns to prefer, of its own right answers, the one that a translation model finds nearer to its English ones.

Source: She et al., "MAPO: Advancing Multilingual Reasoning through Multilingual-Alignment-as-Preference Optimization", 2024, arXiv
2401.06838; settings from NJUNLP/MAPO at commit 2c4227ab (Preprocess/, Alignment/dpo.py, dpo_config/example.json): 20 samples a
question at temperature 0.8; the alignment score of NLLB-200-distilled-600M; the chosen one right, the rejected one right or wrong;
DPO with beta 0.1, 1e-6 on a cosine with 100 steps of warm-up, 1000 steps of 256 pairs, all parameters. It goes on from a model that
reasons in every language (MathOctopus). Where this is not theirs:

- Questions: theirs are NumGLUE's tasks 1, 4 and 8 in nine languages, which this project has no copy of; here they are those of the
  training corpus, which the model has seen.
- Right: theirs has the gold answer as its last number, within 1e-3; here both readings find it. A response that was cut off is
  never chosen. The gold answer is read from the row's own response, and a row on which the readings disagree is left out.
- Score: a mean over an English response's tokens; theirs runs over the padding of its batch, too. Japanese is `jpn_Jpan` to the
  model; theirs says `jpn_Hani`, which it does not know.
- Rows: prompt and response within 1024 tokens; theirs keeps 512 of them for the prompt at most.
- Checkpoint: the last; theirs is the best of evaluations every 100 steps on a tenth of the questions, which here are trained on.

Methods:
      mathoctopus: {base: meta-llama/Llama-2-7b-hf}
      mapo: {base: meta-llama/Llama-2-7b-hf, start: mathoctopus}
"""

from xreason.trainers.stages import AllParameters, Method, Prefer, Samples, Stage


def mapo() -> Method:
    """Returns MAPO's preference optimization by DPO."""
    return Method(
        name="mapo",
        source="She et al., 2024, arXiv 2401.06838",
        description="Tunes all parameters to prefer, of its own samples, right ones that translate better into its English ones.",
        stages=(
            Stage(
                name="alignment as preference",
                corpora=("multilingual-reasoning",),
                tune=AllParameters(),
                # as many passes over the pairs as make the steps
                epochs=1000,
                max_steps=1000,
                learning_rate=1e-6,
                batch_size=256,
                warmup_ratio=0.1,
                frame="octopus",
                objective=Prefer(),
                samples=Samples("alignment", 20, 0.8, 512, translator="facebook/nllb-200-distilled-600M"),
            ),
        ),
    )
