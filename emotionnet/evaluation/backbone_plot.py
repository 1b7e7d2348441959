"""The picture of the backbone choice: accuracy and cost of each network, one below the other."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from emotionnet.evaluation.plots import COLOURS, styled

#: Column, title, and factor to the unit of the title.
_COSTS = (
    ("parameters", "parameters, M\n(with the head)", 1e-6),
    ("multiply_adds", "multiply-adds, M\n(with the head)", 1e-6),
    ("backbone_multiply_adds_224", "multiply-adds, M\n(backbone, 224 px)", 1e-6),
    ("cpu_ms", "CPU ms a picture\n(1 thread, LiteRT)", 1.0),
)


@styled
def plot_backbones(rows: Sequence[Mapping[str, Any]], title: str = "") -> Figure:
    """Accuracy with its 98 % interval, and each cost on its own scale, one line per network.

    Args:
        rows: as `emotionnet.runs.picture_networks.backbones` gives them; a panel for which no row has a number
            is left out.
        title: above all.
    """
    measured = any(row.get("accuracy") is not None for row in rows)
    printed = any(row.get("paper_accuracy") is not None for row in rows)
    costs = [cost for cost in _COSTS if any(row.get(cost[0]) is not None for row in rows)]
    panels = int(measured or printed) + len(costs)
    figure = Figure(figsize=(2.0 + 2.1 * panels, 1.5 + 0.26 * len(rows)))
    axes = figure.subplots(1, panels, sharey=True, squeeze=False)[0]
    places = range(len(rows))
    if measured or printed:
        _accuracies(axes[0], rows, places)
    for panel, (column, name, factor) in zip(axes[panels - len(costs) :], costs, strict=True):
        values = [(i, row[column] * factor) for i, row in zip(places, rows, strict=True)
                  if row.get(column) is not None]  # fmt: skip
        smallest = min(value for _, value in values)
        panel.set_xscale("log")
        for i, value in values:
            panel.plot([smallest / 3, value], [i, i], color="#bbbbbb", linewidth=1)
            panel.plot(value, i, "o", color=COLOURS[0], markersize=4)
            panel.annotate(f"{value:,.3g}" if value < 1000 else f"{value:,.0f}", (value, i),
                           xytext=(5, 0), textcoords="offset points", va="center", fontsize=7)  # fmt: skip
        largest = max(value for _, value in values)
        panel.set_xlim(smallest / 3, largest * (largest / smallest) ** 0.3 * 1.5)
        panel.set_title(name)
        panel.xaxis.set_major_locator(LogLocator(numticks=4))
        panel.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.10g}"))
        panel.xaxis.set_minor_formatter(NullFormatter())
    axes[0].set_yticks(list(places), [row["backbone"] for row in rows])
    axes[0].set_ylim(len(rows) - 0.4, -0.6)
    for panel in axes:
        panel.grid(axis="y", color="#eeeeee")
        panel.set_axisbelow(True)
    if title:
        figure.suptitle(title, fontsize=9)
    return figure


def _accuracies(panel, rows, places) -> None:
    for i, row in zip(places, rows, strict=True):
        if row.get("paper_accuracy") is not None:
            panel.plot(100 * row["paper_accuracy"], i, "s", color=COLOURS[1], markersize=4,
                       fillstyle="none", label="printed in the paper")  # fmt: skip
        if row.get("accuracy") is not None:
            ends = [100 * row["low_98"], 100 * row["high_98"]]
            panel.plot(ends, [i, i], color=COLOURS[0], linewidth=1.5)
            panel.plot(100 * row["accuracy"], i, "o", color=COLOURS[0], markersize=4,
                       label="measured, 98 % interval")  # fmt: skip
    panel.set_title("accuracy, %")
    handles = dict(zip(*reversed(panel.get_legend_handles_labels()), strict=True))
    panel.figure.legend(handles.values(), handles.keys(), frameon=False, fontsize=7.5,
                        loc="outside lower left", ncols=2)  # fmt: skip
