"""The numbers of an evaluation in a few lines of text."""

from typing import Any

from emotionnet.inputs.kinds import TITLES


def summary(metrics: dict[str, Any]) -> str:
    """The headline of ``metrics.json`` as a few lines of text."""
    from emotionnet.evaluation.report import absent_classes, interval, percent, spread

    of = f" of {metrics['on']}" if metrics.get("on") else ""
    lines = [f"{metrics['corpus']}, {metrics['protocol']}, {metrics['part']} clips{of}"]
    if metrics.get("mask"):
        lines[0] += f", {metrics['mask']} removed"
    if metrics.get("mirror"):
        lines[0] += ", faces mirrored too"
    if metrics.get("classes"):
        lines[0] += f", classes: {metrics['classes']}"
    if metrics["leaky"]:
        lines[0] += " (LEAKY: people or recordings are in training and test)"
    for name, title in TITLES.items():
        if name not in metrics:
            continue
        s = metrics[name]
        pooled = f"{percent(s['accuracy'])} (95 % interval {interval(s['interval_95'])})"
        numbers = f"accuracy {pooled}, UAR {percent(s['uar'])}, {s['n']} clips"
        if "over_runs" in metrics:
            over = metrics["over_runs"][name]
            means = [spread(over[f"{m}_mean"], over[f"{m}_sd"]) for m in ("accuracy", "uar")]
            numbers = f"accuracy {means[0]}, UAR {means[1]} over {over['runs']} runs; "
            numbers += f"all together {pooled}, {s['clips']} clips"
        lines.append(f"  {title:<12} {numbers}")
    notes = [*filter(None, [absent_classes(metrics)]), *metrics["notes"]]
    return "\n".join([*lines, *(f"  note: {note}" for note in notes)])
