"""A file or a camera is played through a stream, and answered until it ends."""

import contextlib
import os
from collections.abc import Callable
from typing import Any


def stream(
    run: str | os.PathLike,
    source: str | os.PathLike = "camera",
    speed: str = "real",
    *,
    window_s: float | None = None,
    hop_s: float | None = None,
    microphone: str | None = "",
    each: Callable[[Any], object] | None = None,
) -> dict[str, Any]:
    """Answers a live stream until it ends, or Ctrl-C.

    Args:
        run: a run folder; or a bundle, which needs neither TensorFlow nor Keras.
        source: a file, or ``camera``, ``camera:1``, ``camera:/dev/video2`` …
        speed: ``real`` plays a file at its own speed, ``max`` as fast as it goes.
        window_s, hop_s: see `emotionnet.streaming.Stream`.
        microphone: for a camera: FFmpeg's name of the device, "" for the usual one, None for none.
        each: is called with every `emotionnet.streaming.Answer`.

    Returns:
        What `emotionnet.streaming.Stream.report` says, with ``source``, ``speed`` and ``notes``.

    Raises:
        UsageError: no run there, or a setting that does not fit.
        EmotionNetError: the run, the file or the camera cannot be used.
    """
    from emotionnet.streaming.live import open_stream
    from emotionnet.streaming.sources import open_source

    opened = open_source(source, speed, microphone)
    try:
        live = open_stream(
            run, window_s, hop_s, faces=opened.has_pictures, sound=opened.has_sound, start_s=0.0
        )
        live.warm_up(opened.sample())
        for answer in _answers(live, opened):
            if each is not None:
                each(answer)
    finally:
        opened.close()
    notes = [*opened.notes, *live.notes]
    if getattr(opened, "dropped", 0):
        notes.append(f"{opened.dropped} pictures were dropped, since answers fell behind")
    return {"source": str(source), "speed": speed, **live.report(), "notes": notes}


def _answers(live, source):
    # Ctrl-C ends a camera as the end of a file does.
    with contextlib.suppress(KeyboardInterrupt):
        for event in source:
            if event.frame is not None:
                yield from live.add_frame(event.frame, event.arrived)
            else:
                yield from live.add_sound(event.samples, event.time_s, event.arrived)
    yield from live.finish()
