"""Explanations in a few lines of text."""

from typing import Any

from emotionnet.files import printable


def describe(explained: dict[str, Any]) -> str:
    """The explanation of a clip as a few lines of text, the check of each sum among them."""
    lines = [printable(explained["clip"])]
    if "error" in explained:
        return f"{lines[0]}\n  error: {printable(explained['error'])}"
    why = explained["why"]
    lines.append(f"  explained: {why.emotion}")
    for name, each in why.streams.items():
        lines += [f"  {name}, {base}: {one.in_words()}" for base, one in each.by.items()]
    if why.regions:
        told = ", ".join(f"{name} {each['sum']:+.4f}" for name, each in why.regions.items())
        lines.append(f"  {told} (from {why.regions_from})")
    return "\n".join([*lines, *(f"  note: {note}" for note in why.notes)])


def describe_part(part: str, summary) -> str:
    """A summary as text: sums of regions, and the checks."""
    lines = [f"{part}: {summary.complete[0]} of {summary.complete[1]} sums add up"]
    lines += [f"  left out: {each}" for each in summary.left_out]
    for stream, sanity in summary.sanity.items():
        rows = [row for row in summary.rows if row["stream"] == stream]
        base = rows[-1]["baseline"] if rows else ""  # samples have no parts to name
        for emotion in summary.labels:
            own = [r for r in rows if r["emotion"] == emotion and r["baseline"] == base]
            own = sorted(own, key=lambda row: -abs(row["sum"]))[:4]
            told = ", ".join(f"{row['part']} {row['sum']:+.4f}" for row in own)
            lines += [f"  {stream}, {emotion}: {told}"] if own else []
        lines += [f"  {stream}: {line}" for line in sanity.in_words()]
    return "\n".join(lines)
