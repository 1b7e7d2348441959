"""The curves of `emotionnet.robustness` as a picture, a table and a page."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from emotionnet.evaluation import html, plots
from emotionnet.evaluation.disturbances import Disturbance, disturbances
from emotionnet.evaluation.report import facts, percent, warnings
from emotionnet.files import write_csv, write_json, write_text
from emotionnet.inputs.kinds import FUSED, STREAMS, TITLES, ordered

COLUMNS = (
    *("run", "protocol", "fold", "part", "disturbance", "level", "kind"),
    *("uar", "uar_low", "uar_high", "accuracy", "same", "n"),
)


def write_robustness(path: Path, result: Mapping[str, Any]) -> None:
    """Writes ``path`` with the endings ``.csv``, ``.png``, ``.html`` and, last, ``.json``.

    Args:
        path: without an ending.
        result: what `emotionnet.robustness` gives.
    """
    figure = plot_robustness(result)
    about = {name: _text(result[name]) for name in ("run", "protocol", "fold", "part")}
    rows = [{**about, **point} for point in result["points"]]
    write_csv(path.with_name(f"{path.name}.csv"), rows, COLUMNS)
    plots.save_png(figure, path.with_name(f"{path.name}.png"))
    write_text(path.with_name(f"{path.name}.html"), _page(result, plots.as_svg(figure)))
    write_json(path.with_name(f"{path.name}.json"), result)


def curve(result: Mapping[str, Any], disturbance: Disturbance, kind: str) -> list[dict[str, Any]]:
    """The points of one curve, in the order of the disturbance's axis; empty where there are none."""
    points = {
        point["level"]: point
        for point in result["points"]
        if point["kind"] == kind and point["disturbance"] in (disturbance.name, "clean")
    }
    return [points[level] for level in disturbance.axis] if points else []


def titles(result: Mapping[str, Any]) -> dict[str, str]:
    """Kind of answer → what it is called: a run of one stream has only that one's."""
    streams = result["streams"]
    if len(streams) == 1:
        return {FUSED: TITLES[streams[0]]}
    return {kind: TITLES[kind] for kind in (FUSED, *ordered(streams))}


@plots.styled
def plot_robustness(result: Mapping[str, Any]) -> Figure:
    """A panel a disturbance: UAR with its 95 % interval against the level; sound left, picture right."""
    hit = disturbances(result["streams"])
    sound = [d for d in hit if d.stream == "speech"]
    columns = [sound, [d for d in hit if d not in sound]]
    if not all(columns):
        columns = [hit[::2], hit[1::2]]
    rows = max(len(column) for column in columns)
    figure = Figure(figsize=(7.2, 0.9 + 1.75 * rows))
    axes = figure.subplots(rows, 2, sharey=True, squeeze=False)
    for column, panels in zip(columns, axes.T):
        for ax, disturbance in zip(panels, column):
            _draw_panel(ax, result, disturbance)
        for ax in panels[len(column) :]:
            ax.set_axis_off()
    for ax in axes[:, 0]:
        ax.set_ylabel("UAR")
    lines, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(
        lines, names, frameon=False, fontsize=8, loc="outside upper center", ncols=len(names)
    )
    figure.supxlabel(caption(result), fontsize=7.5)
    return figure


def _draw_panel(ax, result: Mapping[str, Any], disturbance: Disturbance) -> None:
    names = ["clean" if level is None else f"{level:g}" for level in disturbance.axis]
    for i, (kind, title) in enumerate(titles(result).items()):
        points = curve(result, disturbance, kind)
        if not points:
            continue
        low, high = ([point[end] for point in points] for end in ("uar_low", "uar_high"))
        places = range(len(points))
        ax.fill_between(places, low, high, color=plots.COLOURS[i], alpha=0.13, linewidth=0)
        ax.plot(
            places,
            [point["uar"] for point in points],
            plots.DASHES[i],
            color=plots.COLOURS[i],
            marker=STREAMS[kind].marker if kind in STREAMS else "o",
            markersize=3.5,
            linewidth=1.3,
            label=title,
        )
    chance = 1 / result["fused"]["uar_classes"]
    ax.axhline(chance, color="#555555", linewidth=0.8, linestyle=":", label="chance")
    ax.set_xticks(range(len(names)), names)
    ax.set(ylim=(0, 1.02), xlabel=disturbance.unit)
    ax.set_title(disturbance.title, loc="left")


def caption(result: Mapping[str, Any]) -> str:
    """Run, clips and protocol of the numbers, in a line."""
    fused = result["fused"]
    return (
        f"{result['system']}, {result['corpus']} ({result['label_kind']} labels), "
        f"{result['protocol']}{' (LEAKY)' if result['leaky'] else ''}, fold {_text(result['fold'])}, "
        f"seed {_text(result['seed'])}: {fused['clips']} {result['part']} clips; bands: 95 % intervals"
    )


def _page(result: Mapping[str, Any], picture: bytes) -> str:
    hit = disturbances(result["streams"])
    parts = [*warnings(result), facts(result), html.heading("When something goes wrong")]
    parts.append(
        html.paragraph(
            "The same clips, disturbed more and more. Where the fused line falls below that of the "
            "stream that was not hit, the model trusts a broken stream."
        )
    )
    parts.append(html.figures([(picture, f"UAR under disturbances: {caption(result)}")], wide=True))
    for disturbance in hit:
        parts += _table(result, disturbance)
    parts += [
        html.heading("The words"),
        html.definitions(
            (
                ("UAR", "Unweighted average recall: the share named rightly within each emotion, "
                        "then averaged."),
                ("In brackets", "Wilson's 95 % interval of the UAR, each clip counted once. It takes "
                                "clips as independent; with few actors the truth is wider."),
                ("Same answer", "The share of clips with the fused answer of the clean clip."),
                ("Faces only, speech only", "The answers from one stream alone, of the same clips: "
                                            "the stream that is not hit stays as it is."),
            )
        ),
    ]  # fmt: skip
    return html.page(f"EmotionNet robustness: {result['run']}", parts)


def _table(result: Mapping[str, Any], disturbance: Disturbance) -> list[str]:
    names = titles(result)
    curves = {kind: curve(result, disturbance, kind) for kind in names}
    curves = {kind: points for kind, points in curves.items() if points}
    header = ["level", *(f"UAR, {names[kind]}" for kind in curves), "same answer"]
    rows = []
    for i, level in enumerate(disturbance.axis):
        cells = [
            f"{percent(point['uar'])} ({100 * point['uar_low']:.0f} – {100 * point['uar_high']:.0f})"
            for point in (points[i] for points in curves.values())
        ]
        name = "clean" if level is None else f"{level:g}"
        rows.append([name, *cells, percent(curves["fused"][i]["same"])])
    title = disturbance.title[0].upper() + disturbance.title[1:]
    return [
        html.heading(f"{title}: {disturbance.unit}"),
        html.paragraph(disturbance.about, small=True),
        html.table(header, rows, main=disturbance.axis.index(None)),
    ]


def _text(value: Any) -> str:
    """A value, or several with spaces between: folds and seeds of a group."""
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
