"""Pictures of several runs side by side, in the style of `emotionnet.evaluation.plots`."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from emotionnet.evaluation.plots import COLOURS, DASHES, make_figure, styled

_MARKERS = "osD^vPX*"


def look(i: int) -> dict[str, Any]:
    """Colour, marker and dash of the i-th candidate: told apart in grey too."""
    return {
        "color": COLOURS[i % len(COLOURS)],
        # Beyond the colours there are other pairs of colour, marker and dash.
        "marker": _MARKERS[(i + i // len(COLOURS)) % len(_MARKERS)],
        "linestyle": DASHES[(i + i // len(COLOURS)) % len(DASHES)],
    }


@styled
def plot_scores(rows: Sequence[Mapping[str, Any]], chance: float) -> Figure:
    """UAR of each candidate: its runs as small dots, their mean, and its 95 % interval over actors.

    Args:
        rows: each with ``name``, ``runs`` (UAR of each), ``mean`` and ``interval`` (or None).
        chance: what guessing gives; a dotted line.
    """
    figure, ax = make_figure(6.2, 0.8 + 0.32 * len(rows))
    for i, row in enumerate(rows):
        style = look(i)
        if row["interval"]:
            ax.plot(row["interval"], [i, i], color=style["color"], alpha=0.3, linewidth=6,
                    solid_capstyle="butt")  # fmt: skip
        ax.plot(row["runs"], [i] * len(row["runs"]), "|", color=style["color"], markersize=8)
        ax.plot(row["mean"], i, style["marker"], color=style["color"], markersize=6)
    ax.axvline(chance, color="#555555", linewidth=0.9, linestyle=":")
    ax.set_yticks(range(len(rows)), [row["name"] for row in rows])
    ax.set(xlim=(0, 1), ylim=(len(rows) - 0.5, -0.5), xlabel="UAR")
    return figure


@styled
def plot_rates(
    rates: Mapping[str, Mapping[str, float | None]], ticks: Mapping[str, str], what: str
) -> Figure:
    """A rate of each candidate in each group (emotion, or actor), a line a group.

    Args:
        rates: candidate → group → rate, None for none.
        ticks: group → its name on the axis, in order from the top.
        what: the rate, for the axis.
    """
    figure, ax = make_figure(5.6, 1.0 + 0.24 * len(ticks))
    groups = list(ticks)
    for y, group in enumerate(groups):
        values = [one[group] for one in rates.values() if one.get(group) is not None]
        if values:
            ax.plot([min(values), max(values)], [y, y], color="#cccccc", linewidth=1, zorder=0)
    for i, (name, one) in enumerate(rates.items()):
        having = [(one[group], y) for y, group in enumerate(groups) if one.get(group) is not None]
        style = look(i) | {"linestyle": ""}
        ax.plot(*zip(*having, strict=True), markersize=5, alpha=0.85, label=name, **style)
    ax.set_yticks(range(len(groups)), list(ticks.values()))
    ax.set(xlim=(-0.02, 1.02), ylim=(len(groups) - 0.4, -0.6), xlabel=what)
    _legend(figure, len(rates))
    return figure


@styled
def plot_validation(curves: Mapping[str, Sequence[Sequence[float]]]) -> Figure:
    """UAR on validation clips, epoch by epoch: thin a run, thick the mean over runs.

    Args:
        curves: candidate → runs → value an epoch. A mean ends where the first run stopped.
    """
    figure, ax = make_figure(5.6, 3.2)
    for i, (name, runs) in enumerate(curves.items()):
        colour, dash = look(i)["color"], look(i)["linestyle"]
        for run in runs if len(runs) > 1 else ():
            ax.plot(range(1, len(run) + 1), run, color=colour, linewidth=0.5, alpha=0.25)
        shortest = min(map(len, runs))
        mean = np.mean([run[:shortest] for run in runs], axis=0)
        ax.plot(range(1, shortest + 1), mean, dash, color=colour, linewidth=1.6, label=name)
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    ax.set(xlabel="epoch", ylabel="UAR, validation clips")
    ax.set_ylim(bottom=0)
    _legend(figure, len(curves))
    return figure


@styled
def plot_learning(curves: Mapping[str, Mapping[int, Sequence[float]]]) -> Figure:
    """Learning curves: UAR on test clips over the number of training actors.

    Args:
        curves: setting → number of actors → UAR of each run.
    """
    figure, ax = make_figure(5.6, 3.2)
    for i, (name, points) in enumerate(curves.items()):
        style = look(i)
        numbers = sorted(points)
        for n in numbers:
            ax.plot([n] * len(points[n]), points[n], style["marker"], color=style["color"],
                    markersize=3, alpha=0.4)  # fmt: skip
        means = [float(np.mean(points[n])) for n in numbers]
        ax.plot(numbers, means, markersize=6, label=name, **style)
    ax.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    ax.set(xlabel="actors to learn from", ylabel="UAR, test clips")
    ax.set_xlim(left=0)
    ax.set_ylim(bottom=0)
    _legend(figure, len(curves))
    return figure


def _legend(figure: Figure, entries: int) -> None:
    figure.legend(
        frameon=False, fontsize=7.5, loc="outside upper center", ncols=min(3, max(1, entries))
    )
