"""What was found of a model's layers: as JSON, as a table, and as a plot (PNG and SVG)."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from xreason.tasks.languages import LANGUAGES
from xreason.trainers.stages import ranges
from xreason.trainers.tuning.language_layers import ENGLISH, LanguageLayers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PLOT = "layers"


@dataclass(frozen=True)
class FoundLayers:
    """What was found of one model.

    Attributes:
        model: its name.
        model_hash: SHA-256 of its config and weights.
        where: what the questions were, in words.
        questions: how many a language.
        seen: what was seen in each layer.
    """

    model: str
    model_hash: str
    where: str
    questions: int
    seen: LanguageLayers

    def as_dict(self) -> dict[str, Any]:
        """Returns everything for JSON; xreason.trainers.tuning.language_layers says what the arrays are."""
        seen = self.seen
        return {
            "format": 1,
            "model": self.model,
            "model_hash": self.model_hash,
            "questions": self.questions,
            "questions_from": self.where,
            "languages": list(seen.languages),
            "tokens": seen.tokens.tolist(),
            "language_layers": list(seen.block.layers),
            "evidence": seen.evidence(),
            "threshold": seen.block.threshold,
            "baseline": seen.block.baseline,
            "layers": [
                {
                    "layer": layer,
                    "neurons": int(seen.neurons[layer]),
                    "deviation": float(seen.deviation[layer]),
                    "deviation_of": _by_language(seen, seen.deviation_of[layer]),
                    "active": _by_language(seen, seen.number[layer]),
                    "overlap_with_english": _by_language(seen, seen.overlap[layer]),
                }
                for layer in range(len(seen.deviation))
            ],
        }


def _by_language(seen: LanguageLayers, values: Any) -> dict[str, float]:
    return dict(zip(seen.languages, values.tolist(), strict=True))


def layers_table(found: FoundLayers) -> Table:
    """Returns a row a layer: deviation, then each language's overlap with English; language layers are marked."""
    seen = found.seen
    others = [place for place, code in enumerate(seen.languages) if code != ENGLISH]
    table = Table(
        "layer",
        "",
        "deviation",
        "active neurons",
        *(seen.languages[place] for place in others),
        title=f"Language layers of {found.model}: {ranges(seen.block.layers) or 'none'}",
        caption=f"{found.questions:,} questions a language ({found.where}). A language's column: overlap of its active neurons "
        f"with English's. {seen.evidence().capitalize()}.",
    )
    for layer, deviation in enumerate(seen.deviation):
        table.add_row(
            str(layer),
            "language" if layer in seen.block.layers else "",
            f"{deviation:.5f}",
            f"{seen.number[layer].mean():,.0f} of {seen.neurons[layer]:,}",
            *(f"{seen.overlap[layer, place]:.2f}" for place in others),
        )
    return table


# Okabe and Ito's colours, told apart by colour-blind readers too; beyond them the dashes tell.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D00", "#666666")
_DASHES = ("-", "--", ":")
_SHADE = "#F0E442"


def write_plot(found: FoundLayers, folder: Path) -> None:
    """Writes layers.png and layers.svg into `folder`: deviation and overlap by layer, a line a language."""
    import matplotlib as mpl

    # ids by content, not by chance, and text as text: the same numbers give the same file, and it can be searched
    with mpl.rc_context({"svg.hashsalt": "xreason", "svg.fonttype": "none"}):
        figure = _figure(found)
        figure.savefig(folder / f"{PLOT}.png", dpi=150)
        figure.savefig(folder / f"{PLOT}.svg", metadata={"Date": None})


def _figure(found: FoundLayers) -> "Figure":
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    seen = found.seen
    figure = Figure(figsize=(9, 7.5), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    above.plot(seen.deviation, color="black", linewidth=2.6, marker="o", markersize=4, label="mean of all languages", zorder=3)
    for place, code in enumerate(seen.languages):
        style = {"color": _COLOURS[place % len(_COLOURS)], "linestyle": _DASHES[place // len(_COLOURS) % len(_DASHES)]}
        above.plot(seen.deviation_of[:, place], linewidth=1.2, label=LANGUAGES[code].english, **style)
        if code != ENGLISH:
            below.plot(seen.overlap[:, place], linewidth=1.6, marker="o", markersize=3, **style)
    above.set_ylim(bottom=0)
    above.set_title(
        "How differently languages activate the feed-forward neurons: high where a layer handles languages", fontsize=10, loc="left"
    )
    above.set_ylabel("mean squared deviation across languages\n(of the share of tokens a neuron is active on)")
    below.set_title("How far a language activates the neurons that English does", fontsize=10, loc="left")
    below.set_ylabel("overlap with English\n(1: the same neurons, equally often)")
    below.set_xlabel("layer (0 is next to the input)")
    below.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in (above, below):
        axes.set_xlim(-0.5, len(seen.deviation) - 0.5)
        axes.grid(axis="y", color="0.9")
        axes.spines[["top", "right"]].set_visible(False)
    layers = seen.block.layers
    for axes, label in ((above, "language layers"), (below, None)) if layers else ():
        axes.axvspan(layers[0] - 0.5, layers[-1] + 0.5, color=_SHADE, alpha=0.35, linewidth=0, label=label)
    if seen.block.threshold is not None:
        above.axhline(seen.block.threshold, color="0.3", linewidth=1, linestyle=(0, (6, 3)), label="stands out if above")
    figure.legend(loc="outside right center", frameon=False)
    which = f"{ranges(layers)} (of layers 0-{len(seen.deviation) - 1})" if layers else "none stands out"
    # a hub id whole, of a folder's path the end
    name = "/".join(found.model.rstrip("/").split("/")[-2:])
    figure.suptitle(f"Language layers of {name}: {which}", fontweight="bold")
    figure.supxlabel(
        f"The same {found.questions:,} questions in each language ({found.where}).\n{seen.evidence().capitalize()}.\nA rise that "
        "reaches the last layer is left out: what is looked for are the layers that understand, and these lie low.",
        fontsize=8,
        color="0.3",
    )
    return figure
