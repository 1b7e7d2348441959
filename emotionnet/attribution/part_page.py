"""Sums over a part of the clips as tables, pictures and one page."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from emotionnet.attribution.part import Summary
from emotionnet.attribution.pictures import HEAT
from emotionnet.attribution.sanity import COVERED
from emotionnet.evaluation import html, plots
from emotionnet.evaluation.report import percent
from emotionnet.files import atomic_path, write_csv, write_text
from emotionnet.inputs.kinds import TITLES

COLUMNS = ("stream", "baseline", "emotion", "clips", "part", "sum", "share")
#: Parts that a table can show; more are in the picture and the CSV.
TABLED = 10


def write_summary(
    folder: Path, name: str, run: str, summary: Summary, text: str, warning: str
) -> None:
    """Writes ``<name>.csv``, ``<name>.html`` and a picture (SVG) a stream and baseline.

    Args:
        folder: where they go.
        name: of the files.
        run: its name.
        summary: of the clips.
        text: which clips these are.
        warning: what must be known of the run, or "".
    """
    parts = [html.box("Mind this.", warning)] if warning else []
    sums = (
        f"{summary.complete[0]} of {summary.complete[1]} sums add up to the difference of two answers "
        "within 2 %."
    )
    parts.append(html.paragraph(f"{text} Explained is each clip's own emotion. {sums}"))
    parts += [html.box("Left out.", "; ".join(summary.left_out))] if summary.left_out else []
    for stream in dict.fromkeys((*(row["stream"] for row in summary.rows), *summary.sanity)):
        parts.append(html.heading(TITLES[stream]))
        for baseline in dict.fromkeys(r["baseline"] for r in summary.rows if r["stream"] == stream):
            rows = [r for r in summary.rows if (r["stream"], r["baseline"]) == (stream, baseline)]
            picture = plots.as_svg(plot_parts(rows, summary.labels))
            with atomic_path(folder / f"{name}_{stream}_{baseline.replace(' ', '_')}.svg") as path:
                path.write_bytes(picture)
            caption = f"What each part makes of its emotion's probability, compared with {baseline}"
            parts.append(html.figures([(picture, caption)], wide=True))
            parts += _table(rows, summary.labels)
        if stream == "faces":
            told = f"Regions from {summary.regions_from}, left and right as seen in the picture."
            parts.append(html.paragraph(told, small=True))
        parts += _sanity(summary, stream)
    write_csv(folder / f"{name}.csv", summary.rows, COLUMNS)
    write_text(folder / f"{name}.html", html.page(f"EmotionNet explains: {run}", parts))


def _table(rows: Sequence[dict], labels: Sequence[str]) -> list[str]:
    names = list(dict.fromkeys(row["part"] for row in rows))
    if len(names) > TABLED:
        return []
    found = {(row["emotion"], row["part"]): row for row in rows}
    here = [label for label in labels if any(row["emotion"] == label for row in rows)]

    def cell(label: str, name: str) -> str:
        row = found.get((label, name))
        return "–" if row is None else f"{row['sum']:+.4f} ({percent(row['share'])})"

    lines = [[label, *(cell(label, name) for name in names)] for label in here]
    text = "Mean over the clips: sum of attribution, and its share of all, whatever its sign."
    return [html.table(["", *names], lines), html.paragraph(text, small=True)]


def _sanity(summary: Summary, stream: str) -> list[str]:
    one = summary.sanity.get(stream)
    if one is None:
        return []
    picture = plots.as_svg(plot_deletion(one))
    caption = "The answer with ever more of what is explained covered by the baseline"
    return [
        html.heading(f"Can these maps be trusted? {TITLES[stream]}"),
        *(html.paragraph(line) for line in one.in_words()),
        html.figures([(picture, caption)]),
        html.paragraph(
            "Attributions that stay the same when the weights are shuffled show the picture, not what the "
            "network makes of it. Regions that a map names must lower the answer faster than random ones "
            "(Adebayo et al., 2018).",
            small=True,
        ),
    ]


@plots.styled
def plot_parts(rows: Sequence[dict], labels: Sequence[str]):
    """Sums by part and emotion, as colours: red makes the emotion likelier."""
    names = list(dict.fromkeys(row["part"] for row in rows))
    here = [label for label in labels if any(row["emotion"] == label for row in rows)]
    values = np.zeros((len(here), len(names)))
    for row in rows:
        values[here.index(row["emotion"]), names.index(row["part"])] = row["sum"]
    full = max(np.percentile(np.abs(values), 98), 1e-9)
    figure, ax = plots.make_figure(7.4, 0.3 * len(here) + 1.4)
    image = ax.imshow(values, cmap=HEAT, vmin=-full, vmax=full, aspect="auto")
    ax.set_yticks(range(len(here)), here)
    step = max(1, len(names) // 20)
    ax.set_xticks(range(0, len(names), step), names[::step], rotation=45, ha="right")
    figure.colorbar(image, ax=ax)
    return figure


@plots.styled
def plot_deletion(one):
    """A `emotionnet.attribution.sanity.Sanity` as two curves."""
    figure, ax = plots.make_figure(3.8, 2.6)
    share = [100 * each for each in COVERED]
    for values, label, line in ((one.named, "named by the map", "-"), (one.random, "random", "--")):
        ax.plot(share, [100 * p for p in values], line, marker="o", label=label)
    ax.set_xlabel("% of the regions covered")
    ax.set_ylabel("% answer")
    ax.set_ylim(bottom=0)
    ax.legend()
    return figure
