"""The times of a clip's frames, and which of them represent its segments: one arithmetic for training and use.

``xp`` is what computes: NumPy for a clip that is answered, `tensorflow.experimental.numpy` inside tf.data. Every
number is a float32 in both, constants too, so that both take the same frames.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

#: Centres of segments are taken this much early, so that of two frames equally near the first is
#: taken, however times were rounded.
TIE_S = 1e-4
_USUAL_FRAME_S = np.float32(1 / 30)
_NEVER_S, _FAR_S = np.float32(-1e9), np.float32(1e9)
_ONE, _HALF = np.float32(1), np.float32(0.5)

Array = Any


def frame_seconds(xp, times_s: Array) -> Array:
    """Mean distance of the frames at ``times_s`` (n,), in seconds; 1/30 for fewer than two."""
    first_s, last_s = xp.sum(times_s[:1]), xp.sum(times_s[-1:])  # 0 where there are none
    frames = xp.sum(xp.ones_like(times_s))
    mean_s = (last_s - first_s) / xp.maximum(frames - _ONE, _ONE)
    return xp.where(frames > _ONE, mean_s, _USUAL_FRAME_S)


def seconds(xp, times_s: Array, sound_s: Array) -> Array:
    """Length of a clip in seconds: the longer of picture and sound.

    Args:
        xp: what computes.
        times_s: (n,) when the frames begin.
        sound_s: length of the sound.
    """
    ends_s = times_s + frame_seconds(xp, times_s)
    return xp.maximum(xp.max(xp.concatenate([ends_s, np.zeros(1, np.float32)])), sound_s)


def faces_at(xp, view, times_s: Array, usable: Array, window: Sequence[Array], jitter=None):
    """The faces that a view takes, as `nearest` gives them.

    Args:
        xp: what computes.
        view: an `emotionnet.inputs.views.View`.
        times_s, usable, window, jitter: see `nearest`.
    """
    start_s, end_s = window
    if view.skip_frames:
        first_s = np.float32(view.skip_frames) * frame_seconds(xp, times_s)
        start_s = xp.maximum(start_s, first_s)
    return nearest(xp, times_s, usable, (start_s, end_s), view.frames, view.frame_hz, jitter)


def nearest(
    xp,
    times_s: Array,
    usable: Array,
    window: Sequence[Array],
    segments: int,
    frame_hz: float = 0.0,
    jitter: Array | None = None,
) -> tuple[Array, Array]:
    """Of each segment of a window the usable frame nearest to its centre.

    Args:
        xp: what computes.
        times_s: (n,) when the frames begin.
        usable: (n,) bool.
        window: start and end in seconds.
        segments: their number.
        frame_hz: see `emotionnet.inputs.views.View`.
        jitter: (segments,) how far from its centre each is taken, in segments; None for not at all.

    Returns:
        Numbers of frames (segments,), of no meaning where there is none; and (segments,) bool, whether
        there is one.
    """
    start_s, end_s = window
    frame_s = frame_seconds(xp, times_s)
    # A sentinel that cannot be used stands last, so that a clip without pictures needs no branch.
    middles_s = xp.concatenate([times_s + frame_s / np.float32(2), np.full(1, _NEVER_S)])
    usable = xp.concatenate([usable, np.zeros(1, bool)])
    # A picture that ends before the sound does still fills all the segments.
    last_s = xp.maximum(xp.max(middles_s), np.float32(0))
    end_s = xp.minimum(end_s, last_s + frame_s / np.float32(2))
    if frame_hz:
        segment_s = np.float32(1 / frame_hz)
    else:
        segment_s = xp.maximum((end_s - start_s) / np.float32(segments), np.float32(1e-6))
    centres_s = start_s + (np.arange(segments, dtype=np.float32) + _HALF) * segment_s
    # Frames may be further apart than segments (a short or slow clip): then neighbours share one.
    reach_s = xp.maximum(segment_s, frame_s) / np.float32(2) + np.float32(1e-3)
    reachable = usable[None] & (xp.abs(middles_s[None] - centres_s[:, None]) <= reach_s)
    if frame_hz:
        reachable = reachable & (centres_s <= end_s)[:, None]
    wanted_s = centres_s - np.float32(TIE_S)
    if jitter is not None:
        # Another frame of the same segment; which segments have a face stays the same.
        wanted_s = wanted_s + jitter * segment_s
    distance_s = xp.abs(middles_s[None] - wanted_s[:, None])
    return xp.argmin(xp.where(reachable, distance_s, _FAR_S), axis=1), xp.any(reachable, axis=1)


def points_at(xp, points: Array, numbers: Array, found: Array) -> Array:
    """The points (segments, …) of the frames ``numbers``; 0 where none was ``found``.

    Args:
        xp: what computes.
        points: (n, …) float32, NaN where a frame has none.
        numbers, found: of `nearest`.
    """
    # A clip without pictures has no points to take from.
    nothing = np.zeros((1, *points.shape[1:]), np.float32)
    whole = xp.concatenate([xp.where(xp.isfinite(points), points, np.float32(0)), nothing])
    return xp.where(found[:, None, None], xp.take(whole, numbers, axis=0), np.float32(0))
