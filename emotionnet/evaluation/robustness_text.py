"""A run's scores under disturbances, in a few lines of text."""

from typing import Any

from emotionnet.command import text_table
from emotionnet.evaluation.disturbances import disturbances
from emotionnet.evaluation.report import percent
from emotionnet.evaluation.robustness_report import caption, curve, titles


def summary(result: dict[str, Any]) -> str:
    """The worst level of each disturbance, of what `emotionnet.robustness` gives."""
    names, hits = titles(result), disturbances(result["streams"])
    kinds = [kind for kind in names if curve(result, hits[0], kind)]
    lines = [("  UAR", *(names[kind] for kind in kinds))]
    for i, hit in enumerate(hits):
        curves = [curve(result, hit, kind) for kind in kinds]
        ends = [hit.axis[-1]] if hit.clean is None else [hit.axis[0], hit.axis[-1]]
        levels = [(f"{hit.title}, {level:g} ({hit.unit})", hit.axis.index(level)) for level in ends]
        clean = [("clean", hit.axis.index(None))] if i == 0 else []
        for name, at in (*clean, *levels):
            lines.append((f"  {name}", *(percent(points[at]["uar"]) for points in curves)))
    notes = [f"  note: {note}" for note in result["notes"]]
    return "\n".join([caption(result), text_table(lines), *notes])
