"""The report's pictures: each function gives a matplotlib figure, `as_svg` its bytes.

No display is needed, colour-blind readers can distinguish the colours, and lines differ in dash and
marker too, so that a grey print can be read.
"""

import io
import os
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from emotionnet.files import atomic_path, printable

#: Colours of Okabe and Ito (2008), less the yellow that paper swallows.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#7F7F7F")
DASHES = ("-", "--", "-.", ":")
STYLE = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "figure.constrained_layout.use": True,
    "svg.hashsalt": "emotionnet",
    "text.parse_math": False,  # a "$" in a file name is a dollar
}


def make_figure(width: float, height: float, rows: int = 1, columns: int = 1, **kwargs):
    """A figure without pyplot: no global state, no window, whatever the backend."""
    figure = Figure(figsize=(width, height))
    return figure, figure.subplots(rows, columns, **kwargs)


def styled(function):
    """Draws under `STYLE`, and leaves the caller's matplotlib settings alone."""

    def draw(*args, **kwargs):
        with matplotlib.rc_context(STYLE):
            return function(*args, **kwargs)

    draw.__doc__, draw.__name__ = function.__doc__, function.__name__
    return draw


def as_svg(figure: Figure) -> bytes:
    """The figure as SVG, text as paths: the same bytes for the same numbers, sharp in print."""
    buffer = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def save_png(figure: Figure, path: str | os.PathLike) -> None:
    """Writes the figure as PNG at 150 dots an inch, whole or not at all."""
    with atomic_path(path) as temporary, matplotlib.rc_context(STYLE):
        figure.savefig(temporary, format="png", dpi=150)


@styled
def plot_confusion(labels: Sequence[str], confusion: Sequence[Sequence[int]]) -> Figure:
    """Confusion matrix: counts as numbers, colour by the share of the true class."""
    counts = np.asarray(confusion)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = 1.1 + 0.3 * len(labels)
    figure, axes = make_figure(size, size)
    # Cells as vector shapes, not a picture: sharp at any size.
    axes.pcolormesh(share, cmap="Blues", vmin=0, vmax=1, edgecolors="#ffffff", linewidth=1)
    for true, answered in np.ndindex(counts.shape):
        if counts[true, answered]:
            colour = "white" if share[true, answered] > 0.55 else "black"
            axes.text(
                answered + 0.5,
                true + 0.5,
                counts[true, answered],
                ha="center",
                va="center",
                color=colour,
                fontsize=7.5,
            )
    ticks = np.arange(len(labels)) + 0.5
    axes.set_xticks(ticks, labels, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(ticks, labels)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.invert_yaxis()
    axes.set_aspect("equal")
    axes.set_xlabel("answered")
    axes.set_ylabel("true")
    return figure


@styled
def plot_reliability(bins: Sequence[Mapping[str, Any]]) -> Figure:
    """Reliability diagram: accuracy against confidence, with the number of answers below."""
    figure, (top, bottom) = make_figure(
        3.4, 3.9, 2, 1, sharex=True, gridspec_kw={"height_ratios": [3, 1]}
    )
    filled = [b for b in bins if b["n"]]
    low = [b["low"] for b in filled]
    width = bins[0]["high"] - bins[0]["low"]
    top.bar(
        low,
        [b["accuracy"] for b in filled],
        width,
        align="edge",
        color=COLOURS[5],
        edgecolor="white",
        label="accuracy",
    )
    top.plot(
        [b["confidence"] for b in filled],
        [b["accuracy"] for b in filled],
        "o",
        color=COLOURS[0],
        markersize=4,
        label="mean confidence",
    )
    top.plot([0, 1], [0, 1], "--", color="#555555", linewidth=1, label="ideal")
    top.set(ylabel="accuracy", xlim=(0, 1), ylim=(0, 1.02))
    figure.legend(frameon=False, fontsize=7.5, loc="outside upper center", ncols=3, columnspacing=1)
    bottom.bar(
        low, [b["n"] for b in filled], width, align="edge", color="#999999", edgecolor="white"
    )
    bottom.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    bottom.set(xlabel="confidence of the answer", ylabel="answers")
    return figure


@styled
def plot_history(
    name: str, curves: Mapping[str, Mapping[str, Sequence[float]]], best_epoch: int | None = None
) -> Figure:
    """Learning curves of one stream: loss on the left, accuracy on the right.

    Args:
        name: the stream, for the title.
        curves: ``{"loss" | "accuracy": {"train" | "validation": one value an epoch}}``; NaN
            where an epoch was not measured.
        best_epoch: the epoch that was kept, counted from 1; marked by a line.
    """
    kinds = [kind for kind in ("loss", "accuracy") if curves.get(kind)]
    figure, axes = make_figure(3.3 * len(kinds), 2.6, 1, len(kinds), squeeze=False)
    for ax, kind in zip(axes[0], kinds):
        for i, (part, values) in enumerate(curves[kind].items()):
            if np.isnan(values).all():  # nothing was measured: no entry in the legend either
                continue
            ax.plot(
                range(1, len(values) + 1),
                values,
                DASHES[i],
                color=COLOURS[i],
                marker="os"[i % 2],
                markersize=3 if len(values) <= 40 else 0,
                label=part,
            )
        if best_epoch:
            ax.axvline(best_epoch, color="#555555", linewidth=0.8, linestyle=":", label="kept")
        ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        ax.set(xlabel="epoch", ylabel=kind)
        ax.set_ylim(bottom=0, top=1.02 if kind == "accuracy" else None)
        ax.legend(frameon=False, fontsize=7.5)
    figure.suptitle(name, fontsize=10)
    return figure


@styled
def plot_actors(per_actor: Mapping[str, Mapping[str, Any]], mean: float) -> Figure:
    """Accuracy of each actor with its 95 % interval, best first, and the mean over all clips."""
    actors = sorted(per_actor, key=lambda actor: -per_actor[actor]["accuracy"])
    sexes = sorted({entry.get("sex") or "" for entry in per_actor.values()})
    markers = {sex: ("osD"[i % 3], COLOURS[i]) for i, sex in enumerate(sexes)}
    figure, ax = make_figure(5.2, 0.7 + 0.22 * max(2, len(actors)))
    for i, actor in enumerate(actors):
        low, high = per_actor[actor]["interval_95"]
        ax.plot([low, high], [i, i], color=COLOURS[5], linewidth=3, solid_capstyle="butt")
        marker, colour = markers[per_actor[actor].get("sex") or ""]
        ax.plot(per_actor[actor]["accuracy"], i, marker, color=colour, markersize=5)
    if sexes != [""]:
        for sex, (marker, colour) in markers.items():
            ax.plot([], [], marker, color=colour, label=sex or "sex unknown")
        figure.legend(frameon=False, fontsize=7.5, loc="outside upper center", ncols=len(sexes))
    ax.axvline(mean, color="#555555", linewidth=0.9, linestyle="--")
    ax.set_yticks(range(len(actors)), [f"{a} (n = {per_actor[a]['n']})" for a in actors])
    ax.set(xlim=(0, 1.02), ylim=(len(actors) - 0.4, -0.6), xlabel="accuracy")
    return figure


@styled
def plot_timelines(answers: Sequence[Mapping[str, Any]]) -> Figure:
    """The emotion over time, a panel a clip: a line a label; bars where a clip is one window.

    Args:
        answers: each with ``clip``, ``emotion``, ``probabilities`` and ``timeline``: windows with
            ``start_s``, ``end_s`` and ``probabilities`` (None where nothing could be answered).
    """
    figure, axes = make_figure(7.2, 0.3 + 2.4 * len(answers), len(answers), 1, squeeze=False)
    names = sorted({name for a in answers for name in a["probabilities"]})
    for ax, answer in zip(axes[:, 0], answers):
        draw = _draw_lines if len(answer["timeline"]) > 1 else _draw_bars
        draw(ax, answer, names)
        ax.set_title(f"{printable(answer['clip'])}: {answer['emotion']}", loc="left")
    return figure


def _draw_lines(ax, answer: Mapping[str, Any], names: Sequence[str]) -> None:
    windows = answer["timeline"]
    times_s = [(w["start_s"] + w["end_s"]) / 2 for w in windows]
    for name, overall in answer["probabilities"].items():
        i = names.index(name)
        ax.plot(
            times_s,
            [np.nan if w["probabilities"] is None else w["probabilities"][name] for w in windows],
            linestyle=DASHES[i // len(COLOURS) % len(DASHES)],
            color=COLOURS[i % len(COLOURS)],
            marker="osD^vPX*"[i % 8],
            markersize=4,
            markevery=max(1, len(windows) // 30),
            linewidth=1.5 if len(windows) <= 60 else 1,
            label=f"{name} {overall:.2f}",
        )
    ax.set_xlim(windows[0]["start_s"], windows[-1]["end_s"])
    ax.set(ylim=(0, 1.02), xlabel="time in the clip (s)", ylabel="probability")
    ax.legend(frameon=False, fontsize=7.5, loc="center left", bbox_to_anchor=(1, 0.5))


def _draw_bars(ax, answer: Mapping[str, Any], names: Sequence[str]) -> None:
    for row, (name, p) in enumerate(answer["probabilities"].items()):
        ax.barh(row, p, color=COLOURS[names.index(name) % len(COLOURS)])
        ax.text(p + 0.01, row, f"{p:.2f}", va="center", fontsize=7.5)
    ax.set_yticks(range(len(answer["probabilities"])), list(answer["probabilities"]))
    ax.invert_yaxis()
    ax.set(xlim=(0, 1.08), xlabel="probability, the whole clip in one window")
