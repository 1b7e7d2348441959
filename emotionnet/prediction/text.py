"""Answers as text for a terminal."""

import itertools
from typing import Any

from emotionnet.inputs.kinds import in_words

NEVER_SEEN = (
    "warning: this run was trained on the demo corpus: drawn faces and made-up voices. It has never "
    "seen or heard a person, and its answers about people mean nothing."
)


def describe(answer: dict[str, Any], blocks: bool = True, width: int = 80) -> str:
    """An answer as text: a line of facts, a bar an emotion, and what it is over time.

    Args:
        answer: from `Predictor.answer`.
        blocks: draw with block characters; else with ``#``.
        width: of the terminal, in characters.
    """
    if "error" in answer:
        return f"{answer['clip']}\n  cannot be used: {answer['error']}"
    best = answer["probabilities"][answer["emotion"]]
    lines = [
        answer["clip"],
        f"  {answer['emotion']} ({100 * best:.0f} %), from {in_words(answer['streams'])}; {_shown(answer)}",
    ]
    if answer.get("classes"):
        lines.append(f"  classes: {answer['classes']}")
    longest = max(map(len, answer["probabilities"]))
    room = max(10, min(40, width - longest - 12))
    for name, p in answer["probabilities"].items():
        lines.append(f"    {name:<{longest}} {100 * p:5.1f} % {_bar(p, room, blocks)}".rstrip())
    if len(answer["timeline"]) > 1:
        lines.append("  over time")
        # Neighbours that agree share a line: a long clip stays readable.
        for emotion, group in itertools.groupby(answer["timeline"], lambda w: w["emotion"]):
            windows = list(group)
            text = "nothing to answer from"
            if emotion:
                mean = sum(w["probabilities"][emotion] for w in windows) / len(windows)
                text = f"{emotion} ({100 * mean:.0f} %)"
            lines.append(
                f"    {windows[0]['start_s']:6.1f} – {windows[-1]['end_s']:6.1f} s  {text}"
            )
    if answer.get("moments"):
        lines.append(f"  which moment (share of each second, + speaks for {answer['emotion']})")
        for row in answer["moments"]:
            told = "  ".join(
                f"{s} {100 * v:+4.0f} %" for s, v in row.items() if not s.endswith("_s")
            )
            lines.append(f"    {row['start_s']:6.1f} – {row['end_s']:6.1f} s  {told}")
    for number, person in enumerate(answer.get("people", ()), start=1):
        best = person["probabilities"][person["emotion"]]
        x, y = person["centre"]
        lines.append(
            f"    person {number} at {100 * x:.0f} %, {100 * y:.0f} % of the picture: "
            f"{person['emotion']} ({100 * best:.0f} %), in {person['faces_found']} pictures"
        )
    lines += [f"  note: {note}" for note in answer["notes"]]
    return "\n".join(lines)


def _shown(answer: dict[str, Any]) -> str:
    pictures = f"a face in {answer['faces_found']} of {answer['frames']} pictures"
    sound = f"{answer['audio_s']:.1f} s of sound"
    return f"{pictures if answer['frames'] else 'no picture'}, {sound if answer['audio_s'] else 'no sound'}"


def _bar(p: float, room: int, blocks: bool) -> str:
    if not blocks:
        return "#" * round(p * room)
    eighths = round(p * room * 8)
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()
