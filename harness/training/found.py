"""What was found of a model's layers: as JSON, as a table, and as a plot (PNG and SVG)."""

from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Literal

from rich.table import Table

from xreason.tasks.languages import LANGUAGES
from xreason.trainers.stages import ranges
from xreason.trainers.tuning.language_layers import ENGLISH, LanguageLayers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PLOT = "layers"


class FoundLayers(LanguageLayers, frozen=True):
    """What was found of one model; its JSON is layers.json."""

    format: Literal[1] = 1
    model: str
    model_hash: str  #: SHA-256 of its config and weights
    questions: int  #: how many a language
    questions_from: str  #: what they were, in words


def layers_table(found: FoundLayers) -> Table:
    """Returns a row a layer: deviation, then each language's overlap with English; language layers are marked."""
    others = [code for code in found.languages if code != ENGLISH]
    table = Table(
        "layer",
        "",
        "deviation",
        "active neurons",
        *others,
        title=f"Language layers of {found.model}: {ranges(found.language_layers) or 'none'}",
        caption=f"{found.questions:,} questions a language ({found.questions_from}). A language's column: overlap of its active "
        f"neurons with English's. {found.evidence.capitalize()}.",
    )
    for seen in found.layers:
        table.add_row(
            str(seen.layer),
            "language" if seen.layer in found.language_layers else "",
            f"{seen.deviation:.5f}",
            f"{mean(seen.active.values()):,.0f} of {seen.neurons:,}",
            *(f"{seen.overlap_with_english[code]:.2f}" for code in others),
        )
    return table


# Okabe and Ito's colours, told apart by colour-blind readers too; beyond them the dashes tell.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D00", "#666666")
_DASHES = ("-", "--", ":")
_SHADE = "#F0E442"


# Ids by content, not by chance, and text as text: the same numbers give the same file, and it can be searched.
_STYLE = {
    "svg.hashsalt": "xreason",
    "svg.fonttype": "none",
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": "0.9",
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def write_plot(found: FoundLayers, folder: Path) -> None:
    """Writes layers.png and layers.svg into `folder`: deviation and overlap by layer, a line a language."""
    import matplotlib as mpl

    with mpl.rc_context(_STYLE):
        figure = _figure(found)
        figure.savefig(folder / f"{PLOT}.png", dpi=150)
        figure.savefig(folder / f"{PLOT}.svg", metadata={"Date": None})


def _figure(found: FoundLayers) -> "Figure":
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    seen, layers = found.layers, found.language_layers
    figure = Figure(figsize=(9, 7.5), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    deviation, languages = [layer.deviation for layer in seen], "mean of all languages"
    above.plot(deviation, color="black", linewidth=2.6, marker="o", markersize=4, label=languages, zorder=3)
    for place, code in enumerate(found.languages):
        style = {"color": _COLOURS[place % len(_COLOURS)], "linestyle": _DASHES[place // len(_COLOURS) % len(_DASHES)]}
        above.plot([layer.deviation_of[code] for layer in seen], linewidth=1.2, label=LANGUAGES[code].english, **style)
        if code != ENGLISH:
            below.plot([layer.overlap_with_english[code] for layer in seen], linewidth=1.6, marker="o", markersize=3, **style)
    above.set(
        xlim=(-0.5, len(seen) - 0.5),
        ylim=(0, None),
        title="How differently languages activate the feed-forward neurons: high where a layer handles languages",
        ylabel="mean squared deviation across languages\n(of the share of tokens a neuron is active on)",
    )
    below.set(
        title="How far a language activates the neurons that English does",
        ylabel="overlap with English\n(1: the same neurons, equally often)",
        xlabel="layer (0 is next to the input)",
    )
    below.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes, label in ((above, "language layers"), (below, None)) if layers else ():
        axes.axvspan(layers[0] - 0.5, layers[-1] + 0.5, color=_SHADE, alpha=0.35, linewidth=0, label=label)
    if found.threshold is not None:
        above.axhline(found.threshold, color="0.3", linewidth=1, linestyle=(0, (6, 3)), label="stands out if above")
    figure.legend(loc="outside right center", frameon=False)
    which = f"{ranges(layers)} (of layers 0-{len(seen) - 1})" if layers else "none stands out"
    # a hub id whole, of a folder's path the end
    name = "/".join(found.model.rstrip("/").split("/")[-2:])
    figure.suptitle(f"Language layers of {name}: {which}", fontweight="bold")
    figure.supxlabel(
        f"The same {found.questions:,} questions in each language ({found.questions_from}).\n{found.evidence.capitalize()}.\n"
        "A rise that reaches the last layer is left out: what is looked for are the layers that understand, and these lie low.",
        fontsize=8,
        color="0.3",
    )
    return figure
