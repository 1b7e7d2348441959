"""Attributions summed over a whole part of a run's clips, emotion by emotion."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from emotionnet.attribution.explainer import Explainer, Why
from emotionnet.attribution.regions import POINTS_68
from emotionnet.attribution.sanity import Sanity, check
from emotionnet.errors import BadClip

#: Clips on which attributions are checked, see `emotionnet.attribution.sanity`.
CHECKED = 4


@dataclass
class Summary:
    """Sums over clips.

    Attributes:
        labels: of the run.
        rows: of each emotion, stream, baseline and part of what is explained: ``stream``, ``baseline``,
            ``emotion``, ``clips``, ``part`` (a region, ``mfcc 0`` …), ``sum`` (mean over the clips: how
            much of the emotion's probability it makes) and ``share`` (of all attribution, whatever its
            sign; empty where there is none).
        sanity: stream → how its attributions were checked.
        complete: of how many sums, of how many, add up.
        regions_from: where regions come from.
        left_out: clips that could not be explained, and why.
    """

    labels: tuple[str, ...]
    rows: list[dict[str, Any]] = field(default_factory=list)
    sanity: dict[str, Sanity] = field(default_factory=dict)
    complete: list[int] = field(default_factory=lambda: [0, 0])
    regions_from: str = ""
    left_out: list[str] = field(default_factory=list)


def spread(rows: Sequence[Any], count: int) -> list[Any]:
    """At most ``count`` of the rows, evenly spread."""
    count = min(count, len(rows))
    return [rows[i * len(rows) // count] for i in range(count)]


def chosen(rows: Sequence[Any], each: int | None) -> list[Any]:
    """At most ``each`` of the rows of every emotion, evenly spread; all where it is None."""
    by_emotion = defaultdict(list)
    for row in rows:
        by_emotion[row.emotion].append(row)
    kept = set()
    for those in by_emotion.values():
        kept |= {row.clip for row in spread(those, each or len(those))}
    return [row for row in rows if row.clip in kept]


def summarize(explainer: Explainer, clips: Iterable[tuple[str, str, Mapping[str, Any]]]) -> Summary:
    """Explains every clip's own emotion, and adds up.

    Args:
        explainer: of the run.
        clips: name, emotion and record of each.
    """
    summary = Summary(explainer.labels)
    sums: dict[tuple, list[tuple[float, float]]] = defaultdict(list)
    shown: dict[str, list] = defaultdict(list)
    for clip, emotion, parsed in clips:
        try:
            why = explainer.explain(parsed, emotion=emotion)
        except BadClip as error:
            summary.left_out.append(f"{clip}: {error}")
            continue
        summary.regions_from = summary.regions_from or why.regions_from
        for stream in why.streams:
            shown[stream].append((emotion, parsed))
        for key, value in _parts(why):
            sums[(*key, emotion)].append(value)
        for own in why.streams.values():
            for one in own.by.values():
                summary.complete[0] += one.complete
                summary.complete[1] += 1
    for (stream, baseline, part, emotion), values in sums.items():
        total, share = np.mean(values, axis=0)
        summary.rows.append(
            {"stream": stream, "baseline": baseline, "emotion": emotion, "clips": len(values)}
            | {"part": part, "sum": float(total), "share": float(share)}
        )
    for stream, those in shown.items():
        # Different emotions where there are any.
        spread = those[:: max(1, len(those) // CHECKED)][:CHECKED]
        asked = [(explainer.inputs(parsed), explainer.labels.index(e)) for e, parsed in spread]
        summary.sanity[stream] = check(explainer, stream, asked)
    return summary


def _parts(why: Why) -> Iterable[tuple[tuple[str, str, str], tuple[float, float]]]:
    """Stream, baseline and part → its sum, and its share."""
    for region, each in why.regions.items():
        (baseline,) = why.streams["faces"].by
        yield ("faces", baseline, region), (each["sum"], each["share"])
    for stream, own in why.streams.items():
        for baseline, one in own.by.items() if stream != "faces" else ():
            named = {}
            for name, values in zip(own.parts, one.values):
                if stream == "geometry":
                    named |= {each: values[..., list(of), :] for each, of in POINTS_68.items()}
                elif name != "waveform":
                    width = values.shape[-1]
                    named |= {
                        f"{name} {i}" if width > 1 else name: values[..., i] for i in range(width)
                    }
            whole = sum(np.abs(values).sum() for values in one.values)
            for part, values in named.items():
                share = np.abs(values).sum() / max(whole, 1e-12)
                yield (stream, baseline, part), (float(values.sum()), float(share))
