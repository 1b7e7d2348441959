"""From a media file to pictures and sound, in one pass from front to back (PyAV).

Pictures come as a stream of `Frame` objects that hold the decoder's own buffer and turn into RGB
only where asked, so memory stays bounded however long the clip is. Sound comes as a whole:
16 kHz mono int16 is 2 MB a minute.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from emotionnet.clips import SAMPLE_RATE
from emotionnet.clips.frame import Frame
from emotionnet.corpora.listing import LFS_MAGIC
from emotionnet.errors import BadClip

#: Frames kept for a second of picture; faster videos are thinned by time.
MAX_RATE = 30.0
#: A waveform whose largest sample is no larger is digital silence (int16 steps; about -84 dBFS).
SILENCE_STEPS = 2


@dataclass
class Sound:
    """A sound track as the project uses it.

    Attributes:
        samples: (n,) int16, 16 kHz, mono (average of the channels).
        start_s: presentation time of the first sample.
        notes: what was odd about it, for people.
    """

    samples: np.ndarray
    start_s: float = 0.0
    notes: list[str] = field(default_factory=list)

    @property
    def silent(self) -> bool:
        """True for no samples, or digital silence."""
        return not self.samples.size or peak(self.samples) <= SILENCE_STEPS


def peak(samples: np.ndarray) -> int:
    """The largest magnitude of int16 samples (-32768 counts as 32768)."""
    return max(int(samples.max()), -int(samples.min())) if samples.size else 0


def open_media(path: str | os.PathLike):
    """Opens a media file with PyAV.

    Raises:
        BadClip: missing, empty, a git-lfs pointer, text, truncated, or no media file.
    """
    import av

    path = Path(path)
    try:
        with open(path, "rb") as file:
            head = file.read(1024)
    except FileNotFoundError:
        raise BadClip("the file does not exist") from None
    except IsADirectoryError:
        raise BadClip("is a folder, not a file") from None
    except OSError as error:
        raise BadClip(f"cannot be read ({error.strerror})") from None
    if not head:
        raise BadClip("the file is empty (0 bytes); copy or download it again")
    if head.startswith(LFS_MAGIC):
        raise BadClip("is a git-lfs pointer, not the media; run `git lfs pull` in its repository")
    try:
        # PyAV 19 no longer stumbles over titles that are no UTF-8, and has no such argument.
        tolerant = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
        # "file:" keeps names such as "a:b.mp4" or "-x.wav" from being read as protocols or options.
        return av.open("file:" + os.path.abspath(path), **tolerant)
    except (av.error.FFmpegError, OSError, ValueError):
        if _looks_like_text(head):
            raise BadClip("is a text file, not a video or sound file") from None
        raise BadClip(
            "cannot be opened as video or sound (truncated, damaged, or another kind of file)"
        ) from None


def read_frames(
    path: str | os.PathLike, notes: list[str] | None = None, max_rate: float = MAX_RATE
) -> Iterator[Frame]:
    """Decodes the pictures of a file in order; nothing is yielded where it has none.

    Args:
        path: the file.
        notes: gets a line for people where part of the picture could not be decoded.
        max_rate: frames kept per second; of faster videos the frames in between are dropped.

    Yields:
        Frames with strictly rising times, which come from the timestamps, so that variable
        frame rates and headers that lie about rate, duration or number of frames do not matter.

    Raises:
        BadClip: the file cannot be opened, or has a picture of which nothing decodes.
    """
    notes = [] if notes is None else notes
    with open_media(path) as container:
        stream = _picture_stream(container)
        if stream is None:
            return
        stream.thread_type = "AUTO"
        damage = _Damage()
        step = 1 / float(stream.average_rate or stream.guessed_rate or 25)
        start, time, slot, kept = None, None, None, 0
        converters: dict = {}
        aspect = float(stream.sample_aspect_ratio or 1)
        for frame in damage.decode(container, stream):
            previous = time
            time = frame.time
            if time is None or (previous is not None and time <= previous):
                time = 0.0 if previous is None else previous + step
            start = time if start is None else start
            # Slots of 1/max_rate: rounding lets jittered timestamps of a 30/s video all through.
            now = round((time - start) * max_rate)
            if slot is not None and now <= slot:
                continue
            slot = now
            kept += 1
            picture = Frame(frame, time, converters, aspect)
            if kept == 1 and picture.hdr:
                notes.append("the picture is HDR; brightness and colours were brought to the usual")
            yield picture
        if not kept:
            raise BadClip("has a picture stream, but not one picture could be decoded")
        damage.note(notes, "picture", stream, time - start + step)


def read_sound(path: str | os.PathLike) -> Sound | None:
    """Decodes the sound of a file as 16 kHz mono.

    Channels are averaged in floating point and resampled by soxr ("HQ"). Samples that are no
    numbers become 0; what exceeds full scale is clipped.

    Returns:
        The sound, or None where the file has no sound stream.

    Raises:
        BadClip: the file cannot be opened, or has a sound stream of which nothing decodes.
    """
    import soxr

    with open_media(path) as container:
        stream = next((s for s in container.streams if s.type == "audio"), None)
        if stream is None:
            return None
        damage = _Damage()
        parts, resampler, start, seconds = [], None, None, 0.0
        samples = bad = clipped = 0
        for frame in damage.decode(container, stream):
            mono = _mono(frame)
            finite = np.isfinite(mono)
            samples += mono.size
            bad += mono.size - int(finite.sum())
            mono = np.where(finite, mono, np.float32(0))
            clipped += int((np.abs(mono) >= 0.999).sum())
            seconds += mono.size / frame.sample_rate
            if resampler is None:
                start, rate = frame.time or 0.0, frame.sample_rate
                resampler = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32")
            elif frame.sample_rate != rate:
                damage.notes.append(f"the sound changes its rate after {seconds:.2f} s; cut there")
                break
            parts.append(_int16(resampler.resample_chunk(mono)))
        if not samples:
            raise BadClip("has a sound stream, but nothing of it could be decoded")
        if bad == samples:
            raise BadClip("no sample of its sound is a number (all NaN or infinite)")
        parts.append(_int16(resampler.resample_chunk(np.zeros(0, np.float32), last=True)))
        sound = Sound(np.concatenate(parts), start, damage.notes)
        damage.note(sound.notes, "sound", stream, seconds)
        if bad:
            sound.notes.append(f"{bad} of {samples} samples were no numbers and became 0")
        if clipped > 0.01 * samples:
            sound.notes.append(f"the sound is clipped: {clipped / samples:.0%} at full scale")
        return sound


class _Damage:
    """Decodes packet by packet, goes on after what cannot be decoded, and keeps count."""

    def __init__(self):
        self.packets = 0
        self.notes: list[str] = []

    def decode(self, container, stream) -> Iterator:
        import av

        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError:
                self.packets += 1
                packet = None
            try:
                frames = stream.decode(packet)
            except av.error.EOFError:
                frames = []
            except av.error.FFmpegError:
                self.packets += 1
                frames = []
            yield from frames
            if packet is None:
                return

    def note(self, notes: list[str], what: str, stream, seconds: float) -> None:
        """Adds a line where packets were lost, or where the stream ends well before it should."""
        promised = float((stream.duration or 0) * (stream.time_base or 0))
        if promised - seconds > max(0.25, 0.05 * promised):
            notes.append(f"the {what} ends after {seconds:.2f} s of {promised:.2f} s (truncated?)")
        elif self.packets:
            notes.append(f"{self.packets} packets of the {what} could not be decoded")


def _picture_stream(container):
    """The first video stream that is no cover picture of a sound file."""
    from av.stream import Disposition

    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    return None


def _mono(frame) -> np.ndarray:
    """Average of the channels of an `av.AudioFrame`, float32, full scale 1."""
    data = frame.to_ndarray()
    if not frame.format.is_planar:
        data = data.reshape(-1, len(frame.layout.channels)).T
    if data.dtype == np.uint8:
        data = (data.astype(np.float32) - 128) / 128
    elif data.dtype.kind == "i":
        data = data.astype(np.float64) / -float(np.iinfo(data.dtype).min)
    with np.errstate(invalid="ignore", over="ignore"):
        return data.mean(axis=0).astype(np.float32)


def _int16(samples: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(samples * 32768.0), -32768, 32767).astype(np.int16)


def _looks_like_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        # A character cut in two by the end of the head is no sign of a binary file.
        if error.start < len(head) - 3:
            return False
        text = head[: error.start].decode("utf-8")
    return all(c.isprintable() or c.isspace() for c in text)
