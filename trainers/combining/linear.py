"""Linear: the weighted mean of other rows' weights, halves of layer swapping's two experts where nobody says.

Source: Wortsman et al., "Model soups", ICML 2022, arXiv 2203.05482 (their uniform soup). The paper on layer swapping (arXiv
2410.01335) compares with such means.

    xreason compare pocket --methods slam,english-sft,linear
"""

from xreason.trainers.combining.declared import Linear, Merge


def linear(of: tuple[str, ...] = ("english-sft", "language-sft"), weights: tuple[float, ...] = ()) -> Merge:
    """Returns the mean of the rows that `of` names, with `weights` that add up to 1."""
    return Merge(
        name="linear",
        of=of,
        formula=Linear(weights=weights),
        source="Wortsman et al., ICML 2022, arXiv 2203.05482",
        description="Averages the weights of rows.",
    )
