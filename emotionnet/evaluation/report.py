"""`metrics.json` as a page: one HTML file that needs nothing but itself."""

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

from emotionnet.evaluation import html, learning, plots
from emotionnet.evaluation.terms import TERMS
from emotionnet.files import write_text
from emotionnet.inputs.kinds import TITLES

LABEL_KINDS = {
    "acted": "acted (what the actor was asked to show)",
    "perceived": "perceived (what most viewers said they saw and heard)",
    "given": "given (the classes of your own clips)",
    "drawn": "drawn (what the generator drew)",
}

#: Columns of the tables of classes.
CLASS_SCORES = ("precision", "recall", "f1")


def write_report(
    path: str | os.PathLike,
    metrics: Mapping[str, Any],
    curves: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Writes the report of a run, or of a group of runs.

    Args:
        path: the HTML file, written whole or not at all.
        metrics: what `emotionnet.evaluate` gives.
        curves: stream name to ``curves`` and ``best_epoch`` as `plots.plot_history` takes them.
    """
    parts = [*warnings(metrics), facts(metrics)]
    for section in (_headline, _runs, _masked, _confusions, _classes, _affect):
        parts += section(metrics)
    parts += _learning(metrics, curves)
    for section in (_calibration, _people):
        parts += section(metrics)
    parts += [html.heading("The words"), html.definitions(TERMS)]
    write_text(path, html.page(f"EmotionNet report: {metrics['run']}", parts))


def percent(value: float | None) -> str:
    """A rate as "87.5 %"; a dash where there is none."""
    return "–" if value is None else f"{100 * value:.1f} %"


def interval(ends: Sequence[float]) -> str:
    """An interval of rates as "80.1 – 92.3 %"."""
    return f"{100 * ends[0]:.1f} – {100 * ends[1]:.1f} %"


def with_interval(value: float | None, ends: Sequence[float | None] | None) -> str:
    """A rate and its interval as "87.5 % (80.1 – 92.3 %)", without the interval where there is none."""
    return percent(value) + (f" ({interval(ends)})" if ends and None not in ends else "")


def spread(mean: float, sd: float | None) -> str:
    """A mean of rates as "87.5 ± 1.2 %", without the spread where there was one value."""
    return percent(mean) if sd is None else f"{100 * mean:.1f} ± {100 * sd:.1f} %"


def absent_classes(metrics: Mapping[str, Any]) -> str:
    """What UAR is over where emotions have no clips, in a sentence; "" where all have."""
    absent, others = metrics["fused"]["absent_classes"], metrics["fused"]["uar_classes"]
    told = f"No clips of {', '.join(absent)} were tested: UAR is over the other {others} emotions."
    return told if absent else ""


def _scored(metrics: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {name: metrics[name] for name in TITLES if metrics.get(name)}


def warnings(metrics: Mapping[str, Any]) -> list[str]:
    """Boxes that say what these numbers must not be taken for."""
    boxes = []
    if metrics["label_kind"] == "drawn":
        boxes.append(
            html.box(
                "Drawn faces, no real person.",
                "The demo corpus is made by a program. These numbers show that the line works; "
                "they say nothing about people.",
            )
        )
    if metrics["leaky"]:
        boxes.append(
            html.box(
                "This protocol leaks.",
                f"{metrics.get('protocol_text') or metrics['protocol']} "
                "Do not compare these numbers with those of actor-disjoint work.",
            )
        )
    if metrics["part"] not in ("test", "unseen"):
        boxes.append(
            html.box(
                f"These are {metrics['part']} clips.",
                "They took part in the training or in choosing the epoch. The result of a run is "
                "its test part.",
            )
        )
    if metrics.get("mask"):
        boxes.append(
            html.box(
                f"Without {metrics['mask']}.",
                f"The {metrics['mask']} of every clip was removed, as if it had not been recorded.",
            )
        )
    if metrics.get("mirror"):
        boxes.append(
            html.box(
                "Mirrored too.",
                "Every face was answered as it is and mirrored, and both answers averaged: that is "
                "twice the work of the model as it is.",
            )
        )
    boxes += [html.box("Note.", note) for note in metrics.get("notes", ())]
    return boxes


def facts(metrics: Mapping[str, Any]) -> str:
    """Run, clips and protocol of the numbers, as a table."""
    kind, folds = metrics["label_kind"], metrics.get("folds")
    return html.facts(
        (
            ("System", metrics.get("system")),
            ("Corpus", metrics["corpus"]),
            ("Emotions", ", ".join(metrics["labels"])),
            ("Classes", metrics.get("classes") or None),
            ("Labels", LABEL_KINDS.get(kind, kind)),
            ("Protocol", metrics["protocol"]),
            ("Division", metrics.get("protocol_text")),
            ("Besides its clips", metrics.get("besides_clips") or None),
            ("Fold", _many(metrics["fold"]) + (f" of {folds}" if folds else "")),
            ("Seed", _many(metrics["seed"])),
            ("Clips of another corpus", metrics.get("on")),
            ("Scored on", _scored_on(metrics)),
            ("Actors", len(metrics["fused"].get("per_actor") or ()) or None),
            ("Commit", metrics.get("commit")),
            ("Versions", metrics.get("versions")),
        )
    )


def _scored_on(metrics: Mapping[str, Any]) -> str:
    n, clips = metrics["fused"]["n"], metrics["fused"]["clips"]
    text = f"{clips} {metrics['part']} clips"
    return text if n == clips else f"{text}, {n} answers of {len(metrics['runs'])} runs"


def _unit(metrics: Mapping[str, Any]) -> str:
    """What a table counts: of a group over seeds there are several answers to a clip."""
    fused = metrics["fused"]
    return "clips" if fused["n"] == fused["clips"] else "answers"


def _many(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _headline(metrics: Mapping[str, Any]) -> list[str]:
    scored = _scored(metrics)
    runs = metrics.get("over_runs")
    if runs:
        header = ["", "accuracy, mean ± sd", "UAR, mean ± sd"]
        header += ["all together", "95 % interval", "ECE", "answers"]
    else:
        header = ["", "accuracy", "95 % interval", "UAR", "ECE", "NLL", "clips"]
    rows = []
    for name, s in scored.items():
        pooled = [percent(s["accuracy"]), interval(s["interval_95"])]
        if runs:
            o = runs[name]
            means = [spread(o[f"{m}_mean"], o[f"{m}_sd"]) for m in ("accuracy", "uar")]
            rows.append([TITLES[name], *means, *pooled, percent(s["ece"]), s["n"]])
        else:
            more = [percent(s["uar"]), percent(s["ece"]), f"{s['nll']:.2f}", s["n"]]
            rows.append([TITLES[name], *pooled, *more])
    parts = [html.heading("Result"), html.table(header, rows, main=0)]
    if runs:
        n = len(metrics["runs"])
        parts.append(
            html.paragraph(
                f"Mean ± sd: over the {n} runs, with the standard deviation between them. The other "
                "columns: the answers of all runs taken together; where several runs answered the "
                "same clip, an interval counts it once.",
                small=True,
            )
        )
    absent = absent_classes(metrics)
    return [*parts, html.paragraph(absent)] if absent else parts


def _runs(metrics: Mapping[str, Any]) -> list[str]:
    if not metrics.get("runs"):
        return []
    rows, runs = [], metrics["runs"]
    kinds = [kind for kind in TITLES if any(kind in run for run in runs)]
    for run in runs:
        cells = [percent(run[name]["accuracy"]) if name in run else "–" for name in kinds]
        rows.append(
            (
                run["run"],
                run["fold"],
                run["seed"],
                *cells,
                percent(run["fused"]["uar"]),
                run["fused"]["n"],
            )
        )
    header = ["run", "fold", "seed", *(TITLES[kind] for kind in kinds), "UAR, fused", "clips"]
    return [html.heading("Each run"), html.table(header, rows)]


def _masked(metrics: Mapping[str, Any]) -> list[str]:
    masked = metrics.get("masked")
    if not masked:
        return []
    rows = [
        (
            f"without {name}",
            percent(s["accuracy"]),
            interval(s["interval_95"]),
            percent(s["uar"]),
            s["n"],
        )
        for name, s in masked.items()
    ]
    return [
        html.heading("With one stream removed"),
        html.paragraph(
            "The fused answer when the model is given no faces, or no sound: what it does with a "
            "covered camera or a muted microphone. Clips that then have nothing left are left out."
        ),
        html.table(["", "accuracy", "95 % interval", "UAR", _unit(metrics)], rows),
    ]


def _confusions(metrics: Mapping[str, Any]) -> list[str]:
    labels = metrics["labels"]
    pictures = [
        (plots.as_svg(plots.plot_confusion(labels, s["confusion"])), f"Confusion, {TITLES[name]}")
        for name, s in _scored(metrics).items()
    ]
    return [html.heading("Which emotion is taken for which"), html.figures(pictures)]


def _classes(metrics: Mapping[str, Any]) -> list[str]:
    parts = [html.heading("Each emotion")]
    for name, s in _scored(metrics).items():
        rows = [
            [label, *(percent(c[key]) for key in CLASS_SCORES), c["support"]]
            for label, c in s["per_class"].items()
        ]
        rows += [
            [f"{kind} average", *(percent(mean[key]) for key in CLASS_SCORES), s["n"]]
            for kind, mean in s.get("averages", {}).items()
        ]
        header = [TITLES[name], "precision", "recall", "F1", _unit(metrics)]
        parts.append(html.table(header, rows))
    return parts


def affect_table(columns: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """F1 by arousal and valence: a row a group, a column for each of ``columns``.

    Args:
        columns: title → groups, as `emotionnet.evaluation.affect.by_affect` gives them.
    """
    found = {
        title: {
            f"{one['dimension']} {one['group']}, {one['mapping']} ({', '.join(one['emotions'])})": one
            for one in groups
        }
        for title, groups in columns.items()
    }
    names = dict.fromkeys(name for rows in found.values() for name in rows)
    if not names:
        return []
    rows = [
        [name, *(percent(rows[name]["f1"] if name in rows else None) for rows in found.values())]
        for name in names
    ]
    text = (
        "Mean F1 of the emotions of each group. The groups are those of one table (affect.csv), "
        "which can be changed; “paper” is the reading of Lu et al. as far as it is printed."
    )
    return [
        html.heading("By arousal and valence"),
        html.table(["F1", *found], rows),
        html.paragraph(text, small=True),
    ]


def _affect(metrics: Mapping[str, Any]) -> list[str]:
    affect = metrics.get("affect") or {}
    return affect_table({TITLES[kind]: groups for kind, groups in affect.items()})


def _learning(
    metrics: Mapping[str, Any], curves: Mapping[str, Mapping[str, Any]] | None
) -> list[str]:
    parts = [*_kept(metrics), *_curves(curves or {})]
    return [html.heading("Learning"), *parts] if parts else []


def _kept(metrics: Mapping[str, Any]) -> list[str]:
    """Loss and accuracy on the training clips, beside those on the clips that are scored."""
    kept = metrics.get("learning")
    if not kept:
        return []
    scored_on = metrics["part"]
    header = ["", "epoch"]
    for measured in ("loss", "accuracy"):
        header += [f"{measured}, {part}" for part in ("training", "validation", scored_on)]
    rows = []
    for name, each in kept.items():
        kind = learning.JOINT_ANSWER if name == learning.JOINT else name
        scores = (metrics.get(kind) if each.get("answers", True) else None) or {}
        parts = [each.get("train", {}), each.get("validation", {})]
        losses = [*(part.get("loss") for part in parts), scores.get("nll")]
        rates = [*(part.get("accuracy") for part in parts), scores.get("accuracy")]
        row = [TITLES.get(name, name), _many(each["epoch"]), *map(_two, losses)]
        rows.append([*row, *map(percent, rates)])
    text = (
        "Of the epoch that was kept. Loss: cross-entropy in nats, on training clips as the epoch went "
        "by, with all that makes them harder (augmentation, dropout, softened labels)."
    )
    if not all(each.get("answers", True) for each in kept.values()):
        text += (
            f" A dash under {scored_on}: what was trained there answers together with other parts, or was "
            "trained further, so that its figures are not those of the whole."
        )
    if metrics.get("runs"):
        text += " Training and validation: means over the runs."
    return [html.table(header, rows), html.paragraph(text, small=True)]


def _curves(curves: Mapping[str, Mapping[str, Any]]) -> list[str]:
    if not curves:
        return []
    pictures = []
    for name, c in curves.items():
        figure = plots.plot_history(TITLES.get(name, name), c["curves"], c.get("best_epoch"))
        pictures.append((plots.as_svg(figure), f"Learning curves, {TITLES.get(name, name)}"))
    text = (
        "Training and validation clips, epoch by epoch. The dotted line marks the epoch that was "
        "kept: chosen on validation clips, never on test clips."
    )
    losses = [x for c in curves.values() for x in c["curves"].get("loss", {}).get("validation", ())]
    if losses and all(map(math.isnan, losses)):
        text = "Training clips, epoch by epoch. No clip was left to validate on: the last is kept."
    return [html.paragraph(text), html.figures(pictures, wide=True)]


def _calibration(metrics: Mapping[str, Any]) -> list[str]:
    pictures = [
        (
            plots.as_svg(plots.plot_reliability(s["reliability"])),
            f"Reliability, {TITLES[name]}: ECE {percent(s['ece'])}",
        )
        for name, s in _scored(metrics).items()
    ]
    text = (
        "Bars below the dashed line: the model is too sure of itself; above: too modest. Bars with "
        "few answers (lower panel) jump about by chance."
    )
    return [
        html.heading("Does it know when it is right?"),
        html.paragraph(text),
        html.figures(pictures),
        *_calibrated(metrics),
    ]


def _calibrated(metrics: Mapping[str, Any]) -> list[str]:
    after = metrics.get("calibrated")
    if not after:
        return []
    rows, pictures = [], []
    for name, c in after.items():
        before, pairs = metrics[name], []
        for measured, shown in (("ece", percent), ("nll", _two), ("brier", _two)):
            pairs += [shown(before.get(measured)), shown(c[measured])]
        rows.append([TITLES[name], temperatures(c["temperature"]), *pairs])
        picture = plots.as_svg(plots.plot_reliability(c["reliability"]))
        caption = f"Reliability, {TITLES[name]}, at its temperature: ECE {percent(c['ece'])}"
        pictures.append((picture, caption))
    header = ["", "temperature", "ECE", "after", "NLL", "after", "Brier", "after"]
    text = (
        "The same answers at a temperature: one number for each kind of answer, fitted on the "
        "validation clips and applied here. It changes how sure an answer sounds, never the answer."
    )
    return [html.paragraph(text), html.table(header, rows), html.figures(pictures)]


def temperatures(value: float | Sequence[float]) -> str:
    """A temperature, or the range of those of several runs."""
    if not isinstance(value, list | tuple):
        return f"{value:.2f}"
    low, high = min(value), max(value)
    return f"{low:.2f}" if len(value) == 1 else f"{low:.2f} – {high:.2f}"


def _two(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _people(metrics: Mapping[str, Any]) -> list[str]:
    fused = metrics["fused"]
    parts = []
    if fused.get("per_sex"):
        rows = [
            [sex, percent(s["accuracy"]), interval(s["interval_95"]), s["n"]]
            for sex, s in fused["per_sex"].items()
        ]
        parts += [html.table(["fused", "accuracy", "95 % interval", _unit(metrics)], rows)]
    if len(fused.get("per_actor") or ()) > 1:
        picture = plots.as_svg(plots.plot_actors(fused["per_actor"], fused["accuracy"]))
        caption = "Fused accuracy of each actor with its 95 % interval, best first; dashed: all"
        parts += [html.figures([(picture, caption)], wide=True)]
    return [html.heading("Which people does it work for?"), *parts] if parts else []
