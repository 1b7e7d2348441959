"""Which moment of a clip makes its answer: the share of each second, for each stream."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from emotionnet.attribution.explainer import Explainer, StreamWhy, Why
from emotionnet.clips import SAMPLE_RATE
from emotionnet.errors import BadClip, UsageError
from emotionnet.inputs.kinds import STREAMS
from emotionnet.inputs.picking import seconds

#: What is left of a clip after its whole seconds, if no longer, belongs to the last of them.
SHORT_S = 0.1


def moments(
    explainer: Explainer,
    parsed: Mapping[str, Any],
    starts_s: Sequence[float],
    duration_s: float,
    emotion: str,
) -> tuple[list[dict[str, float]], list[str]]:
    """The share of each second.

    Args:
        explainer: of the run.
        parsed: the clip, as `emotionnet.clips.records.parse` gives it.
        starts_s: where the windows begin that were answered; what several of them see is added up.
        duration_s: of the clip.
        emotion: that is explained.

    Returns:
        A row a second: ``start_s``, ``end_s``, and of each stream what that second makes of its answer, as
        a share of all (+ for the emotion, - against it; without their signs they add up to 1); and notes.
    """
    count = max(1, math.ceil(duration_s - SHORT_S))
    sums: dict[str, np.ndarray] = {}
    notes: dict[str, None] = {}
    for start_s in starts_s:
        try:
            why = explainer.explain(parsed, start_s, emotion)
        except BadClip:  # a window with nothing in it
            continue
        for stream, own in why.streams.items():
            total = sums.setdefault(stream, np.zeros(count))
            if not all(one.complete for one in own.by.values()):
                notes[f"moments: the sum over {STREAMS[stream].thing} is not complete"] = None
            found = list(_over_time(explainer, why, own, parsed, start_s))
            if not found:
                notes[f"moments: the network is given {STREAMS[stream].thing} without its time"] = (
                    None
                )
            for times_s, values in found:
                np.add.at(total, np.clip(times_s.astype(int), 0, count - 1), values)
    shares = {stream: each / np.abs(each).sum() for stream, each in sums.items() if each.any()}
    rows = [
        {"start_s": float(i), "end_s": i + 1.0 if i < count - 1 else round(duration_s, 3)}
        | {stream: round(float(share[i]), 4) for stream, share in shares.items()}
        for i in range(count)
    ]
    return rows, list(notes)


def _over_time(
    explainer: Explainer, why: Why, own: StreamWhy, parsed: Mapping[str, Any], start_s: float
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Times and attributions of a stream; none where it has no time."""
    one = next(iter(own.by.values()))
    end_s = float(seconds(np, np.asarray(parsed["times_s"]), len(parsed["waveform"]) / SAMPLE_RATE))
    for name, values in zip(own.parts, one.values):
        if name == "faces":
            numbers, _ = explainer.view.picks(parsed, start_s)
            times_s = np.asarray(parsed["times_s"])[np.asarray(numbers)[why.found]]
            yield times_s, values[0].sum(axis=(1, 2, 3))[why.found]
        elif name == "waveform":
            yield start_s + np.arange(values.shape[-1]) / SAMPLE_RATE, values[0]
        elif name == "landmarks":
            yield _spread(values[0].sum(axis=(1, 2)), start_s, min(why.window_s, end_s - start_s))
        elif values.size > values.shape[-1]:
            by_time = values.reshape(-1, values.shape[-1]).sum(axis=-1)
            yield _spread(by_time, start_s, length_of(values, why.seconds, why.window_s))


def _spread(values: np.ndarray, start_s: float, length_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Times of values (n,) that lie evenly in ``length_s`` seconds, and the values."""
    return start_s + (np.arange(len(values)) + 0.5) / len(values) * length_s, values


def length_of(values: np.ndarray, seconds: float, window_s: float) -> float:
    """Seconds that the features (n, …, width) of a layer span.

    Args:
        values: of the layer; one that takes the whole window gives n = 1.
        seconds: of sound.
        window_s: length of the model's window.
    """
    return window_s if len(values) == 1 else seconds


def adds_moments(predictor: Any) -> Callable[[dict[str, Any], Mapping[str, Any]], None]:
    """What adds to an answer which moments make it, given the clip as it was read for that, see `moments`.

    Args:
        predictor: an `emotionnet.prediction.predictor.Predictor`.

    Raises:
        UsageError: emotions are merged or left out, which the streams do not know of.
    """
    from emotionnet.attribution.explainer import Explainer

    if predictor.classes:
        raise UsageError("--moments explains the run's own emotions: leave out --merge and --only.")
    explainer = Explainer(predictor.network(), predictor.view, predictor.labels, predictor.streams)

    def add(answer: dict[str, Any], parsed: Mapping[str, Any]) -> None:
        starts_s = [each["start_s"] for each in answer["timeline"] if each["emotion"]]
        found = moments(explainer, parsed, starts_s, answer["duration_s"], answer["emotion"])
        answer["moments"] = found[0]
        answer["notes"] += found[1]

    return add
