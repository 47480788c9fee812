"""What is drawn of a board: one function a picture, each onto an empty figure, for files and pages alike."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from xreason.leaderboards.board import Board, Row
from xreason.leaderboards.forms import format as _format
from xreason.leaderboards.forms.pictures.looks import INK_ON_DEEP, INK_ON_PALE, MARKERS, SERIES, Paper, drawable
from xreason.leaderboards.statistics.intervals import Difference, Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Inches: as wide as a phone shows it at its own size.
WIDTH = 4.7
_MOST_POINTS = 120
#: Rows in a picture: of more, two would share colour and marker.
MOST_ROWS = math.lcm(len(SERIES), len(MARKERS))


@dataclass(frozen=True)
class Canvas:
    """What a picture is drawn on, and what rows are called there."""

    figure: "Figure"
    paper: Paper
    names: Mapping[str, str]  #: a row's name to how it is written
    places: Mapping[str, int]  #: a row's name to its place on the board, from 0

    def colour(self, row: Row) -> str:
        """The colour of a row, the same in every picture."""
        return SERIES[self.places[row.name] % len(SERIES)]

    def marker(self, row: Row) -> str:
        """The marker of a row, the same in every picture."""
        return MARKERS[self.places[row.name] % len(MARKERS)]


class Picture(NamedTuple):
    """A kind of picture."""

    name: str  #: of its files
    title: str
    words: str  #: how it is read
    draw: Callable[[Canvas, Board], None]
    shows: Callable[[Board], object]  #: whether a board has what it draws


def canvas_for(figure: "Figure", board: Board, paper: Paper, *, any_script: bool) -> Canvas:
    """Returns a canvas; rows are called by their place where no installed font holds their name and one is needed."""
    written = [drawable(row.name, f"model {place} of the board", any_script=any_script) for place, row in enumerate(board.rows, 1)]
    names = dict(zip((row.name for row in board.rows), written, strict=True))
    return Canvas(figure, paper, names, {row.name: place for place, row in enumerate(board.rows)})


def _gained(board: Board) -> list[tuple[Row, Difference]]:
    return [(row, row.gain) for row in board.rows if row.gain is not None]


def draw_gains(canvas: Canvas, board: Board) -> None:
    """Draws each row's gain over its base with its interval, the rows below one another: a forest plot."""
    gains = _gained(board)
    axes = _axes(canvas, 1.1 + 0.36 * len(gains), "x")
    style: dict[str, Any] = {"color": canvas.paper.ink, "capsize": 3, "markersize": 6, "elinewidth": 1.4}
    for face, sure in ((canvas.paper.ink, True), (canvas.paper.paper, False)):
        drawn = [(place, gain) for place, (_, gain) in enumerate(gains) if gain.marked == sure]
        sides = [[100 * (gain.value - gain.low) for _, gain in drawn], [100 * (gain.high - gain.value) for _, gain in drawn]]
        values, places = [100 * gain.value for _, gain in drawn], [place for place, _ in drawn]
        axes.errorbar(values, places, xerr=sides, fmt="o", markerfacecolor=face, **style)
    for place, (_, gain) in enumerate(gains):
        written = _format.percent(gain.value, sign=True)
        axes.annotate(written, (1.02, place), xycoords=axes.get_yaxis_transform(), va="center", fontsize=9, annotation_clip=False)
    axes.axvline(0, color=canvas.paper.soft, linewidth=1)
    axes.set_yticks(range(len(gains)), [canvas.names[row.name] for row, _ in gains])
    axes.set(ylim=(len(gains) - 0.5, -0.5), xlabel="points over the base")
    axes.tick_params(axis="y", length=0)


def draw_languages(canvas: Canvas, board: Board) -> None:
    """Draws accuracy by row and language as a heat map, the number in every cell."""
    values = [[_value(row.languages.get(code)) for code in board.languages] for row in board.rows]
    digits = 0 if len(board.languages) > 7 else 1
    axes = _axes(canvas, 0.8 + 0.34 * len(values))
    _heat(canvas, axes, values, ("cividis", 0, 100), lambda value: f"{value:.{digits}f}")
    axes.set_xticks([place + 0.5 for place in range(len(board.languages))], _format.language_headings(board))
    axes.set_yticks([place + 0.5 for place in range(len(values))], [canvas.names[row.name] for row in board.rows])


def _priced(board: Board) -> list[tuple[Row, float]]:
    return [(row, row.device_seconds) for row in board.rows if row.device_seconds]


def draw_cost(canvas: Canvas, board: Board) -> None:
    """Draws mean accuracy against the device time of a training; a base, which took none, as a line."""
    priced = _priced(board)
    hours = max(seconds for _, seconds in priced) >= 2 * 3600
    unit, seconds_each = ("hours", 3600) if hours else ("minutes", 60)
    axes = _axes(canvas, 3.0, "both")
    for row, seconds in priced:
        _point(canvas, axes, row, (seconds / seconds_each, None), (100 * row.mean.value, row.mean))
    for row in (row for row in board.rows if not row.trainings):
        style: dict[str, Any] = {"color": canvas.paper.soft, "linewidth": 1.2, "linestyle": (0, (5, 3))}
        axes.axhline(100 * row.mean.value, label=f"{canvas.names[row.name]} (untrained)", **style)
    times = [seconds for _, seconds in priced]
    if max(times) > 10 * min(times):
        axes.set_xscale("log")
        for axis_ticks in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
            axis_ticks(_written_at((1, 2, 5)))
    else:
        axes.set_xlim(0, 1.1 * max(times) / seconds_each)
    axes.set(xlabel=f"device-{unit} of one training", ylabel=f"mean of {len(board.average_languages)} languages (%)")
    _legend(canvas)


def _forgotten(board: Board) -> list[tuple[Row, Difference, Difference]]:
    told = [(row, row.english, row.gain_without_english) for row in board.rows]
    return [(row, english, others) for row, english, others in told if english is not None and others is not None]


def draw_forgetting(canvas: Canvas, board: Board) -> None:
    """Draws what became of English against the mean gain of the other languages, both over the base."""
    axes = _axes(canvas, 3.0, "both")
    for row, english, others in _forgotten(board):
        _point(canvas, axes, row, (100 * english.value, english), (100 * others.value, others))
    for line in (axes.axhline, axes.axvline):
        line(0, color=canvas.paper.soft, linewidth=1)
    axes.set(xlabel="English (points over the base)", ylabel="the others (points over the base)")
    _legend(canvas)


def _learned(board: Board) -> list[tuple[Row, list[tuple[float, float]]]]:
    """Returns each training of each row as (step, loss), its stages one after another; a NaN parts stages."""
    curves = []
    for row in board.rows:
        for training in row.trainings:
            points: list[tuple[float, float]] = []
            begun = 0
            for stage in training.stages:
                logged = [(begun + step, loss) for step, loss in stage.losses if math.isfinite(loss)]
                # as many points as can be seen, each the mean of its neighbours
                each = max(1, math.ceil(len(logged) / _MOST_POINTS))
                groups = [logged[start : start + each] for start in range(0, len(logged), each)]
                points += [(math.nan, math.nan)] if points and groups else []
                points += [(fmean(step for step, _ in some), fmean(loss for _, loss in some)) for some in groups]
                begun += stage.steps
            if points:
                curves.append((row, points))
    return curves


def _held_out(board: Board) -> list[tuple[Row, str, list[tuple[float, float]]]]:
    """Returns each stage's loss on rows held out, a language each ("" for none), as (step, loss)."""
    curves: list[tuple[Row, str, list[tuple[float, float]]]] = []
    for row in board.rows:
        for training in row.trainings:
            begun = 0
            for stage in training.stages:
                for code in dict.fromkeys(code for _, losses in stage.held_out for code in losses):
                    told = [(begun + step, losses.get(code, math.nan)) for step, losses in stage.held_out]
                    curves.append((row, code, [(step, loss) for step, loss in told if math.isfinite(loss)]))
                begun += stage.steps
    return [(row, code, points) for row, code, points in curves if points]


def draw_losses(canvas: Canvas, board: Board) -> None:
    """Draws the training loss by optimizer step, stages one after another, a line a training; dashed, what was held out."""
    axes = _axes(canvas, 2.8, "y")
    for row, points in _learned(board):
        steps, losses = zip(*points, strict=True)
        style: dict[str, Any] = {"color": canvas.colour(row), "linewidth": 1.5, "marker": canvas.marker(row), "markersize": 6}
        # without colours a line is told by the marker at its end
        axes.plot(steps, losses, **style, markevery=[len(points) - 1], clip_on=False, label=canvas.names[row.name])
    for row, code, points in _held_out(board):
        steps, losses = zip(*points, strict=True)
        label = f"{canvas.names[row.name]}, held out"
        axes.plot(steps, losses, color=canvas.colour(row), linewidth=1, linestyle=(0, (4, 2)), label=label)
        axes.annotate(code, points[-1], textcoords="offset points", xytext=(3, 0), va="center", fontsize=7, annotation_clip=False)
    axes.set(xlabel="optimizer step, stages one after another", ylabel="loss")
    axes.set_ylim(bottom=0)
    _legend(canvas)


def draw_pairs(canvas: Canvas, board: Board) -> None:
    """Draws all ranked rows against each other: the mean of the one at the left minus that of the one below, as a matrix."""
    ranked = [row.name for row in board.rows if row.rank is not None]
    held = {(pair.first, pair.second): pair.difference for pair in board.pairs}

    def difference(first: str, second: str) -> tuple[float, bool]:
        found, sign = (held[first, second], 1) if (first, second) in held else (held.get((second, first)), -1)
        if found is None:
            return math.nan, False
        return 100 * sign * found.value, found.marked

    cells = [[difference(first, second) for second in ranked] for first in ranked]
    values = [[value for value, _ in line] for line in cells]
    most = max([abs(value) for line in values for value in line if math.isfinite(value)], default=0) or 1
    axes = _axes(canvas, 1.5 + 0.36 * len(ranked))
    sure = {(x, y) for y, line in enumerate(cells) for x, (_, found) in enumerate(line) if found}
    many = len(ranked) > 6
    _heat(canvas, axes, values, ("PuOr_r", -most, most), lambda value: f"{value:+.{0 if many else 1}f}", sure)
    names, middles = [canvas.names[name] for name in ranked], [place + 0.5 for place in range(len(ranked))]
    lean: dict[str, Any] = {"rotation": 90, "va": "center"} if len(ranked) > 12 else {"rotation": 30}
    axes.set_xticks(middles, names, ha="right", rotation_mode="anchor", **lean)
    axes.set_yticks(middles, names)


#: All there are, in the order in which a page shows them.
PICTURES: Sequence[Picture] = (
    Picture(
        "gains",
        "Gain over the base",
        "Each point is a model's gain over its base, with its 95 % interval; a hollow one may be chance or one training's luck.",
        draw_gains,
        _gained,
    ),
    Picture(
        "forgetting",
        "English against the other languages",
        "Left of the upright line English was lost, above the level one the mean of the others gained; the arms are intervals.",
        draw_forgetting,
        _forgotten,
    ),
    Picture(
        "cost",
        "Accuracy against device time",
        "Each point is a model, further right where its training took more; a dashed line is a base, which was not trained.",
        draw_cost,
        _priced,
    ),
    Picture(
        "languages",
        "Accuracy by language",
        "Percent of questions answered right; the paler a cell, the more. The table has the intervals.",
        draw_languages,
        lambda board: board.rows,
    ),
    Picture(
        "pairs",
        "Differences of means",
        "The model at the left minus the model below, in points; bold: significant by Holm, and not resting on a single training.",
        draw_pairs,
        lambda board: board.pairs,
    ),
    Picture(
        "losses",
        "Training loss",
        "The loss as it was logged, a line a training, parted where its next stage begins; dashed, on rows held out, a language "
        "each. Different corpora are not comparable.",
        draw_losses,
        _learned,
    ),
)


def _axes(canvas: Canvas, height: float, grid: Literal["x", "y", "both"] | None = None) -> "Axes":
    canvas.figure.set_size_inches(WIDTH, height)
    axes = canvas.figure.subplots()
    if grid:
        axes.grid(axis=grid)
    return axes


def _written_at(digits: Collection[int]) -> Callable[[float, float], str]:
    """Returns what writes a logarithmic axis's ticks as plain numbers, of those that begin with these digits."""

    def written(tick: float, _: float) -> str:
        leading = tick / 10 ** math.floor(math.log10(tick) + 1e-9)
        return f"{tick:g}" if round(leading, 6) in digits else ""

    return written


def _value(accuracy: Interval | None) -> float:
    return math.nan if accuracy is None else 100 * accuracy.value


def _point(
    canvas: Canvas, axes: "Axes", row: Row, across: tuple[float, Interval | None], up: tuple[float, Interval | None]
) -> None:
    def sides(value: float, found: Interval | None) -> list[list[float]] | None:
        return None if found is None else [[value - 100 * found.low], [100 * found.high - value]]

    style: dict[str, Any] = {"color": canvas.colour(row), "markersize": 7, "capsize": 2, "elinewidth": 1.2}
    axes.errorbar(across[0], up[0], xerr=sides(*across), yerr=sides(*up), fmt=canvas.marker(row), **style)
    axes.plot([], [], color=style["color"], marker=canvas.marker(row), linestyle="", label=canvas.names[row.name])


def _legend(canvas: Canvas) -> None:
    """Names each row once below the axes, however many trainings it has; the picture grows by what that takes."""
    handles, labels = canvas.figure.axes[0].get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))
    canvas.figure.set_figheight(canvas.figure.get_figheight() + 0.22 * math.ceil(len(once) / 2))
    canvas.figure.legend(once.values(), once.keys(), loc="outside lower left", ncols=2, handlelength=1.4, columnspacing=1.2)


def _heat(
    canvas: Canvas,
    axes: "Axes",
    values: Sequence[Sequence[float]],
    scale: tuple[str, float, float],
    write: Callable[[float], str],
    bold: Collection[tuple[int, int]] = (),
) -> None:
    """Draws a matrix of cells, each with its number; `bold` holds the (column, line) of those that stand out."""
    import numpy as np

    map_name, least, most = scale
    mesh = axes.pcolormesh(np.array(values), cmap=map_name, vmin=least, vmax=most, edgecolors=canvas.paper.paper, linewidth=1.5)
    for (y, x), value in np.ndenumerate(np.array(values)):
        if not math.isfinite(value):
            axes.text(x + 0.5, y + 0.5, _format.NOTHING, ha="center", va="center", color=canvas.paper.soft)
            continue
        red, green, blue, _ = mesh.cmap(mesh.norm(value))
        ink = INK_ON_PALE if 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2 > 0.18 else INK_ON_DEEP
        weight = "bold" if (x, y) in bold else "normal"
        size = 9 if len(values[0]) < 9 else 7.5
        number = axes.text(x + 0.5, y + 0.5, write(value), ha="center", va="center", color=ink, fontsize=size, fontweight=weight)
        number.set_in_layout(False)  # it lies within its cell
    axes.invert_yaxis()
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
