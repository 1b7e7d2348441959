"""Live answers, and how fast they came, as text."""

from typing import Any

from emotionnet.inputs.kinds import in_words


def describe(answer: Any) -> str:
    """An answer as one line of text."""
    if answer.emotion is None:
        return f"{answer.time_s:8.1f} s  nothing seen or heard"
    best = 100 * float(answer.probabilities.max())
    return (
        f"{answer.time_s:8.1f} s  {answer.emotion:<10} {best:3.0f} %  {in_words(answer.streams):<16}  "
        f"{answer.faces} of {answer.segments} segments with a face, {answer.sound_s:.1f} s of sound"
    )


def summary(report: dict[str, Any]) -> str:
    """What `emotionnet.stream` reports, as a few lines of text."""
    lines = [
        f"{report['answers']} answers to {report['stream_s']:.1f} s, one every {report['hop_s']:g} s"
    ]
    if report["answers"]:
        if report["speed"] == "real":
            ms = report["latency_ms"]
            lines.append(
                f"latency            p50 {ms['p50']:.0f} ms, p95 {ms['p95']:.0f} ms "
                "from the end of a segment to its answer"
            )
            if report["look_ahead_s"]:
                lines.append(
                    f"                   ({1000 * report['look_ahead_s']:.0f} ms of it wait for the "
                    "sound that belongs to the segment)"
                )
        ms = report["work_ms"]
        lines.append(f"work an answer     p50 {ms['p50']:.0f} ms, p95 {ms['p95']:.0f} ms")
        factor = report["real_time_factor"]
        lines.append(
            f"real-time factor   faces {factor['faces']:.3f}, network {factor['network']:.3f} "
            "(seconds of work for a second of stream)"
        )
    late = []
    if report["late_frames"]:
        late.append(f"{report['late_frames']} pictures")
    if report["late_sound_s"]:
        late.append(f"{report['late_sound_s']:g} s of sound")
    if late:
        lines.append(f"came too late      {' and '.join(late)}")
    return "\n".join([*lines, *(f"note: {note}" for note in report["notes"])])
