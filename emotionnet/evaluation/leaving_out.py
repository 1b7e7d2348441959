"""A model that has never met an emotion, beside one that has: who gains, who loses."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from emotionnet.classes import Classes
from emotionnet.evaluation import html, plots
from emotionnet.evaluation.comparison import Candidate, RunResult, paired_tests
from emotionnet.evaluation.report import interval, percent
from emotionnet.files import write_csv, write_text


def compared(
    full: str | os.PathLike, other: str | os.PathLike, label: str, rest: Sequence[str]
) -> dict[str, Any]:
    """A row of the table, see `emotionnet.leave_out`.

    Args:
        full: folder of the run, or the group of runs, that was trained on all emotions.
        other: that of those without ``label``.
        label: the emotion that is left out.
        rest: the others.
    """
    from emotionnet.training.run import group_members

    def read(folder) -> list[RunResult]:
        return [RunResult.read(each) for each in group_members(folder) or [folder]]

    classes = Classes(only=tuple(rest))
    masked = [
        dataclasses.replace(
            run,
            answers=run.answers.under(classes),
            config={**run.config, "labels": list(classes.labels(run.answers.labels))},
        )
        for run in read(full)
    ]
    first, second = Candidate("full, masked", masked), Candidate("left out", read(other))
    kind = first.main_kind
    (test,) = (each for each in paired_tests([first, second]) if each["kind"] == kind)
    row: dict[str, Any] = {"without": label, "clips": first.scores[kind]["clips"]}
    for name, one in (("full_masked", first), ("left_out", second)):
        low, high = one.scores[kind]["interval_95"]
        row |= {name: one.scores[kind]["accuracy"], f"{name}_low": low, f"{name}_high": high}
    row["difference"] = row["left_out"] - row["full_masked"]
    row["p_mcnemar"] = (test.get("mcnemar") or {}).get("p_value")
    row["p_actors"] = ((test.get("by_actors") or {}).get("uar") or {}).get("p_value")
    row["problem"] = test["problem"]
    for each in rest:
        before, after = (one.scores[kind]["per_class"][each]["recall"] for one in (first, second))
        row[f"recall_{each}"] = None if None in (before, after) else after - before
    return row


@plots.styled
def plot_gains(rows: Sequence[Mapping[str, Any]], labels: Sequence[str]):
    """How much each emotion is found more, or less, when another is missing."""
    gains = np.array([[row.get(f"recall_{each}") for each in labels] for row in rows], dtype=float)
    full = max(np.nanmax(np.abs(gains), initial=0.0), 0.01)
    figure, ax = plots.make_figure(0.7 * len(labels) + 2, 0.5 * len(rows) + 1.4)
    ax.imshow(gains, cmap="PuOr", vmin=-full, vmax=full)
    for (i, j), gain in np.ndenumerate(gains):
        if not np.isnan(gain):
            dark = abs(gain) > 0.6 * full
            ax.text(j, i, f"{100 * gain:+.0f}", ha="center", va="center",
                    color="white" if dark else "black")  # fmt: skip
    ax.set_xticks(range(len(labels)), labels, rotation=45, ha="right")
    ax.set_yticks(range(len(rows)), [f"without {row['without']}" for row in rows])
    return figure


def write_leave_out(
    table: str | os.PathLike,
    page: str | os.PathLike,
    rows: Sequence[Mapping[str, Any]],
    labels: Sequence[str],
) -> None:
    """Writes the table as CSV, and the page."""
    write_csv(table, rows)

    def p(value: float | None) -> str:
        return "–" if value is None else f"{value:.3f}"

    cells = [
        [
            row["without"],
            *(
                f"{percent(row[name])} ({interval([row[f'{name}_low'], row[f'{name}_high']])})"
                for name in ("full_masked", "left_out")
            ),
            f"{100 * row['difference']:+.1f}",
            p(row["p_mcnemar"]),
            p(row["p_actors"]),
            row["clips"],
        ]
        for row in rows
    ]
    header = ["without", "full model, masked", "never met it", "difference"]
    header += ["p (McNemar)", "p (actors, UAR)", "clips"]
    parts = [
        html.paragraph(
            "Each model that has never met an emotion, beside the full model on the same clips with that "
            "emotion masked in its answers: fewer classes are easier by themselves. Accuracy with Wilson's "
            "95 % interval; p values are not adjusted for the number of rows."
        ),
        html.table(header, cells),
        *(html.box(row["without"], f"Not tested: {row['problem']}.") for row in rows if row["problem"]),
        html.heading("Who gains when which is missing"),
        html.figures([(plots.as_svg(plot_gains(rows, labels)), "Recall, points more or less")], True),
    ]  # fmt: skip
    write_text(page, html.page("EmotionNet: one emotion left out", parts))
