"""Task arithmetic: the base, and what each of other rows learnt, scaled and added.

Source: Ilharco et al., "Editing Models with Task Arithmetic", ICLR 2023, arXiv 2212.04089. They choose the scale on held-out data;
here it is 0.5 where nobody says, which of two rows of one base is their mean.

    xreason compare my-comparison.yaml          # methods: {task-arithmetic: {of: [slam, english-sft], scale: 0.4}, ...}
"""

from xreason.trainers.combining.declared import Merge, TaskArithmetic


def task_arithmetic(of: tuple[str, ...] = ("english-sft", "language-sft"), scale: float | tuple[float, ...] = 0.5) -> Merge:
    """Returns the sum of what the rows that `of` names changed, by `scale`: one number, or one a row."""
    return Merge(
        name="task-arithmetic",
        of=of,
        formula=TaskArithmetic(scale=scale),
        source="Ilharco et al., ICLR 2023, arXiv 2212.04089",
        description="Adds to the base what rows learnt, scaled.",
    )
