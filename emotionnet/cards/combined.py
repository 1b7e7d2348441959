"""The card of a run that was combined out of two: both origins, and what it was measured on."""

from collections.abc import Mapping, Sequence
from typing import Any

from emotionnet.inputs.kinds import OUTPUTS


def origins(combined: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Which run, corpus and protocol each stream is from, and what it was worth there by itself."""
    lines = [
        "## Two streams, trained apart",
        "",
        "| stream | run | corpus | labels | its own test part | accuracy, 95 % | UAR |",
        "|---|---|---|---|---|---|---|",
    ]
    for stream, origin in combined.items():
        scores = origin.get("scores") or {}
        told = (
            [f"{scores['n']} clips", _rate(scores), f"{100 * scores['uar']:.1f} %"]
            if scores
            else ["not evaluated", "", ""]
        )
        own = (stream, origin["run"], origin["corpus"], ", ".join(origin["labels"]), *told)
        lines.append(f"| {' | '.join(own)} |")
    lines += [
        "",
        "Where one stream lacks a class, it takes the other stream's probability for that class and shares "
        "the rest among its own classes; then both are averaged.",
        "",
    ]
    return lines


def scores(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Scores of the two together."""
    lines = ["## Scores", ""]
    if not results:
        return [
            *lines,
            "Not evaluated yet (`python -m emotionnet.evaluate RUN --records DIR`).",
            "",
        ]
    lines += [
        "| clips | part | classes | answer | accuracy, 95 % | UAR | clips answered |",
        "|---|---|---|---|---|---|---|",
    ]
    for m in results:
        for kind in (kind for kind in OUTPUTS if kind in m):
            own = (m["on"], m["part"], ", ".join(m["labels"]), kind, _rate(m[kind]))
            lines.append(f"| {' | '.join(own)} | {100 * m[kind]['uar']:.1f} % | {m[kind]['n']} |")
    notes = [f"{m['on']}: {note}" for m in results for note in m["notes"]]
    return [*lines, "", *(f"- {note}" for note in notes), ""]


def _rate(score: Mapping[str, Any]) -> str:
    low, high = score["interval_95"]
    return f"{100 * score['accuracy']:.1f} % ({100 * low:.1f} – {100 * high:.1f})"
