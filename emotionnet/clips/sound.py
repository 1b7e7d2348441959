"""The sound of a clip: 16 kHz, mono, laid out as its time stamps say."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from emotionnet.clips import SAMPLE_RATE
from emotionnet.clips.clock import STRAY_S, Timing
from emotionnet.clips.container import Decoder
from emotionnet.errors import BadClip

#: A waveform whose largest sample is no larger is digital silence (int16 steps; about -84 dBFS).
SILENCE_STEPS = 2
#: Time stamps that are off by no more are no gap: clocks jitter.
JITTER_S = 0.04
#: A gap counts where so much sound agrees on it.
EVIDENCE_S = 0.1
#: Gaps shorter than this, all together, are not worth a word.
WORTH_SAYING_S = 0.3
#: Channels that leave less than this share of their power when they are averaged cancel out.
CANCELLED = 0.1
#: A sound is clipped where more than this share of its samples is at full scale.
CLIPPED_SHARE, FULL_SCALE = 0.01, 0.999


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
        return is_silent(self.samples)


def peak(samples: np.ndarray) -> int:
    """The largest magnitude of int16 samples (-32768 counts as 32768)."""
    return max(int(samples.max()), -int(samples.min())) if samples.size else 0


def is_silent(samples: np.ndarray) -> bool:
    """Whether int16 samples are digital silence, or none at all."""
    return peak(samples) <= SILENCE_STEPS


def decode_sound(container, stream, timing: Timing, mixer: "Mixer") -> Sound:
    """Decodes a sound track.

    Channels are mixed in floating point and resampled by soxr ("HQ"). Samples that are no numbers
    become 0; what exceeds full scale is clipped. Gaps are silence, and where time stamps run back a
    little the later sound counts.

    Args:
        container, stream: from `emotionnet.clips.container.open_media`.
        timing: what the time stamps of the track mean.
        mixer: makes one channel of several.

    Raises:
        BadClip: nothing of it decodes.
    """
    start_s = timing.begin_s
    if timing.pieces and timing.first_s - start_s > STRAY_S:
        # Packets without a time that stand first in the file are not parted from the others.
        start_s = timing.first_s
    decoder, line = Decoder(container, stream), _Line(start_s)
    samples = bad = clipped = 0
    seconds = 0.0
    for frame, time_s in _timed(decoder, timing):
        mono = mixer.mono(frame)
        finite = np.isfinite(mono)
        samples += mono.size
        if not finite.all():
            bad += mono.size - int(finite.sum())
            mono = np.where(finite, mono, np.float32(0))
        clipped += int((np.abs(mono) >= FULL_SCALE).sum())
        seconds += mono.size / frame.sample_rate
        line.add(mono, frame.sample_rate, time_s)
    if not samples:
        raise BadClip("has a sound stream, but nothing of it could be decoded")
    if bad == samples:
        raise BadClip("no sample of its sound is a number (all NaN or infinite)")
    sound = line.finish()
    decoder.note(sound.notes, "sound", seconds)
    if bad:
        sound.notes.append(f"{bad} of {samples} samples were no numbers and became 0")
    if clipped > CLIPPED_SHARE * samples:
        sound.notes.append(f"the sound is clipped: {clipped / samples:.0%} at full scale")
    return sound


def _timed(frames, timing: Timing) -> Iterator[tuple]:
    read = timing.reader()
    for frame in frames:
        stamp_s = None if timing.blind else frame.time
        yield frame, None if stamp_s is None else read(stamp_s)


class _Line:
    """Sound laid out in time: one piece as long as it is continuous, with silence in between."""

    def __init__(self, start_s: float):
        self._waiting: deque[tuple[np.ndarray, int, float | None]] = deque()
        self._waiting_s = 0.0
        self._pieces: list[tuple[float, list[np.ndarray]]] = []
        self._rate, self._resampler = 0, None
        self._start_s, self._taken = start_s, 0

    @property
    def _end_s(self) -> float:
        """Where the next samples stand if nothing is missing."""
        return self._start_s + (self._taken / self._rate if self._rate else 0.0)

    def add(self, mono: np.ndarray, rate: int, time_s: float | None) -> None:
        """Takes the next samples, with the time of the first, or None where it is not known."""
        self._waiting.append((mono, rate, time_s))
        self._waiting_s += len(mono) / rate
        while self._waiting_s - len(self._waiting[0][0]) / self._waiting[0][1] >= EVIDENCE_S:
            self._take()

    def finish(self) -> Sound:
        while self._waiting:
            self._take()
        self._close()
        parts = [(start, np.concatenate(some)) for start, some in self._pieces]
        first_s = min(start for start, _ in parts)
        if len(parts) == 1:
            return Sound(parts[0][1], first_s)
        places = [round((start - first_s) * SAMPLE_RATE) for start, _ in parts]
        length = max(place + len(part) for place, (_, part) in zip(places, parts))
        samples, heard = np.zeros(length, np.int16), np.zeros(length, bool)
        for place, (_, part) in zip(places, parts):
            samples[place : place + len(part)] = part
            heard[place : place + len(part)] = True
        sound, missing_s = Sound(samples, first_s), (length - heard.sum()) / SAMPLE_RATE
        if missing_s > WORTH_SAYING_S:
            sound.notes.append(
                f"{missing_s:.2f} s of the sound are missing: silence in their place"
            )
        return sound

    def _take(self) -> None:
        mono, rate, time_s = self._waiting[0]
        apart = self._rate == 0 or (time_s is not None and self._is_apart())
        if apart or rate != self._rate:
            begin_s = time_s if apart and time_s is not None else self._end_s
            self._close()
            self._begin(begin_s, rate)
        self._waiting.popleft()
        self._waiting_s -= len(mono) / rate
        self._taken += len(mono)
        self._pieces[-1][1].append(to_int16(self._resampler.resample_chunk(mono)))

    def _is_apart(self) -> bool:
        """Whether what is waiting agrees that something is missing before it, or was there twice."""
        expected_s, sign = self._end_s, 0.0
        for mono, rate, time_s in self._waiting:
            off_s = 0.0 if time_s is None else time_s - expected_s
            if time_s is not None and (abs(off_s) <= JITTER_S or off_s * sign < 0):
                return False
            sign = sign or off_s
            expected_s += len(mono) / rate
        return expected_s - self._end_s >= EVIDENCE_S

    def _begin(self, start_s: float, rate: int) -> None:
        import soxr

        self._start_s, self._rate, self._taken = start_s, rate, 0
        self._resampler = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32")
        self._pieces.append((start_s, []))

    def _close(self) -> None:
        if self._resampler is not None:
            rest = self._resampler.resample_chunk(np.zeros(0, np.float32), last=True)
            self._pieces[-1][1].append(to_int16(rest))


class Mixer:
    """Makes one channel of several: their average.

    Args:
        signs: (channels,) 1, or -1 for a channel that is turned over before.
    """

    def __init__(self, signs: np.ndarray | None = None):
        self._signs = signs
        self._products: np.ndarray | None = None

    def mono(self, frame) -> np.ndarray:
        """One channel of an `av.AudioFrame`, float32, full scale 1."""
        data = channels(frame)
        if len(data) == 1:
            return data[0].astype(np.float32)
        self._listen(data)
        if self._signs is not None and len(self._signs) == len(data):
            data = data * self._signs[:, None]
        with np.errstate(invalid="ignore", over="ignore"):
            return data.mean(axis=0).astype(np.float32)

    def better(self) -> "Mixer | None":
        """A mixer that turns over what cancels the rest, where next to nothing of the sound is left."""
        if self._products is None or self._signs is not None:
            return None
        power = np.trace(self._products) / len(self._products)
        left = self._products.mean()
        signs = np.where(self._products[np.argmax(np.diag(self._products))] < 0, -1.0, 1.0)
        return (
            Mixer(signs.astype(np.float32))
            if left < CANCELLED * power and signs.min() < 0
            else None
        )

    def _listen(self, data: np.ndarray) -> None:
        """Adds up the products of the channels: their power, and what they have in common."""
        with np.errstate(invalid="ignore", over="ignore"):
            products = data @ data.T
        if not np.isfinite(products).all():
            return
        if self._products is None or len(self._products) != len(products):
            self._products = np.zeros_like(products, np.float64)
        self._products += products


def channels(frame) -> np.ndarray:
    """The (channels, samples) of an `av.AudioFrame`, float, full scale 1."""
    data = frame.to_ndarray()
    if not frame.format.is_planar:
        data = data.reshape(-1, len(frame.layout.channels)).T
    if data.dtype == np.uint8:
        return (data.astype(np.float32) - 128) / 128
    if data.dtype.kind == "i":
        return data.astype(np.float64) / -float(np.iinfo(data.dtype).min)
    return data


def to_int16(samples: np.ndarray) -> np.ndarray:
    """Samples of full scale 1 as int16, clipped."""
    return np.clip(np.rint(samples * 32768.0), -32768, 32767).astype(np.int16)
