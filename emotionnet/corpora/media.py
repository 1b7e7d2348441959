"""Pictures and sound become a video file."""

import os
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from emotionnet.files import atomic_path

#: Pictures with their own times are placed to a thousandth of a second.
TIMED_RATE = 1000
_PICTURE_FORMATS = {2: "gray", (3, 3): "rgb24", (3, 4): "rgba"}


def write_clip(
    path: str | os.PathLike,
    frames: Iterable[np.ndarray] | None = None,
    fps: float | Fraction = 12,
    samples: np.ndarray | None = None,
    sample_rate: int = 16000,
    *,
    picture_codec: str = "libx264",
    pixel_format: str = "yuv420p",
    sound_codec: str = "aac",
    rotation: int = 0,
    times_s: Iterable[float] | None = None,
    options: Mapping[str, str] | None = None,
) -> Path:
    """Writes a clip, whole or not at all. The suffix of ``path`` chooses the container.

    Args:
        path: for example ``clip.mp4``; folders are made.
        frames: (height, width, 3) uint8 RGB, or with 4 channels RGBA, or (height, width) grey; all
            of one even size. None or empty for no picture.
        fps: pictures a second.
        samples: (samples,) or (samples, channels), float in [-1, 1] or int16. None for no sound.
        sample_rate: of ``samples``, in Hz.
        picture_codec, pixel_format: as FFmpeg calls them. Transparency needs for example ``png``
            with ``rgba`` in a ``.mov``, truly grey pictures ``ffv1`` with ``gray`` in a ``.mkv``.
        sound_codec: as FFmpeg calls it; ``pcm_f32le`` (``.wav``, ``.mov``) keeps floats as they are.
        rotation: degrees counter-clockwise by which a player has to turn the picture, as phones
            write it; needs a PyAV that can set it (18 can).
        times_s: when each picture is shown, rising; by default evenly.
        options: of the picture codec, added to fast defaults for ``libx264``.

    Returns:
        ``path``.
    """
    frames = iter(frames if frames is not None else ())
    first = next(frames, None)
    with atomic_path(path) as temporary, av.open(str(temporary), "w") as container:
        picture = sound = None
        if first is not None:
            picture = container.add_stream(
                picture_codec, rate=Fraction(fps).limit_denominator(1001)
            )
            picture.height, picture.width = first.shape[:2]
            picture.pix_fmt = pixel_format
            # Slower presets weigh blocks by a tree over later frames, and were seen to give other
            # bytes from one run to the next.
            defaults = {"preset": "superfast", "crf": "20"} if picture_codec == "libx264" else {}
            picture.options = {**defaults, **(options or {})}
            # One thread gives the same file on every machine, and clips are written in parallel.
            picture.codec_context.thread_count = 1
            if times_s is not None:
                picture.codec_context.time_base = Fraction(1, TIMED_RATE)
            if rotation:
                picture.set_display_rotation(rotation)
        if samples is not None:
            samples = np.atleast_2d(np.asarray(samples).T)
            layout = "mono" if len(samples) == 1 else f"{len(samples)}c"
            layout = {"2c": "stereo", "6c": "5.1"}.get(layout, layout)
            sound = container.add_stream(sound_codec, rate=sample_rate, layout=layout)
        if picture is not None:
            _encode_picture(container, picture, first, frames, times_s)
        if sound is not None:
            _encode_sound(container, sound, samples, sample_rate, layout)
    return Path(path)


def _encode_picture(
    container, stream, first: np.ndarray, rest: Iterable[np.ndarray], times_s
) -> None:
    kind = _PICTURE_FORMATS[2 if first.ndim == 2 else (3, first.shape[2])]
    times_s = None if times_s is None else iter(times_s)
    stamp = -1

    def encode(pixels: np.ndarray) -> None:
        nonlocal stamp
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format=kind)
        if times_s is not None:
            frame.time_base = Fraction(1, TIMED_RATE)
            frame.pts = stamp = max(stamp + 1, round(next(times_s) * TIMED_RATE))
        container.mux(stream.encode(frame))

    encode(first)
    for pixels in rest:
        encode(pixels)
    container.mux(stream.encode(None))


def _encode_sound(container, stream, samples: np.ndarray, sample_rate: int, layout: str) -> None:
    whole = samples.dtype == np.int16
    samples = samples if whole else samples.astype(np.float32)
    packed = np.ascontiguousarray(samples.T).reshape(1, -1)
    step = sample_rate * len(samples)
    for start in range(0, packed.shape[1], step):
        frame = av.AudioFrame.from_ndarray(
            packed[:, start : start + step], format="s16" if whole else "flt", layout=layout
        )
        frame.sample_rate = sample_rate
        frame.pts = start // len(samples)
        frame.time_base = Fraction(1, sample_rate)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
