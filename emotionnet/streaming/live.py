"""A live stream of pictures and sound, answered every hop in constant time and memory.

Time is cut into segments of ``window / N`` seconds. When the pictures and the sound of a segment are
there, its face (the one nearest to its centre) and its sound are encoded, once; the codes of the last N
segments are kept in a ring, and the answer is made from the ring. That is what the model answers for a clip
that is the window: the same frames by the same rule, the same samples.
"""

import math
import os
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from emotionnet.clips import SAMPLE_RATE
from emotionnet.clips.clip import encode_jpeg
from emotionnet.clips.crop import CROP_SIZE
from emotionnet.clips.faces import FaceFinder, Follower
from emotionnet.clips.frame import Frame
from emotionnet.clips.sound import SILENCE_STEPS
from emotionnet.deploy.bundle import open_run
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.inputs.kinds import FUSED_OUTPUT, STREAMS
from emotionnet.streaming.answer import Answer
from emotionnet.streaming.meter import Meter
from emotionnet.streaming.parts import Parts, open_parts
from emotionnet.streaming.pictures import Crop, Pictures
from emotionnet.streaming.sound import SoundRing, without_gaps

#: How long what is late is waited for, in stream time.
PATIENCE_S = 0.5
#: From answer to answer where segments are shorter than anybody wants answers.
DEFAULT_HOP_S = 1.0
#: Chunks of sound whose time is off by no more follow one another without a gap.
JITTER_S = 0.02
#: Shorter gaps in the sound are filled with silence, longer ones are left out.
LONGEST_FILLED_S = 0.25
#: Times are compared with this much tolerance.
_TOLERANCE_S = 1e-3


class Stream:
    """Takes pictures and sound with their times, and gives an answer every hop.

    Feed it with `add_frame` (pictures), or `add_face` (crops), and `add_sound`, each in order of
    time, and the two no further apart than ``patience_s``. Every call returns the answers that have
    become possible.

    A segment is answered when its pictures and sound are there, or when one of them is ``patience_s``
    behind. Gaps, a missing face and a missing sound are what they are to the model: absent. Sound that
    comes late still counts where the model takes the whole window at once (ghost_fan); a segment
    that was encoded is not encoded again.

    Args:
        parts: of the model, see `emotionnet.streaming.parts`.
        labels: names of the classes.
        window_s: how much of the past an answer is about; by default what the model was trained on.
        hop_s: time from answer to answer, the length of a segment; by default the window is cut
            into as many segments as the model was trained with. Where a model's segments have a
            fixed length, a whole number of these; by default a second.
        faces, sound: whether pictures and sound will come. What will not is not waited for.
        patience_s: how long late pictures or sound are waited for.
        start_s: time at which the first segment begins; by default that of what is fed first.
        finder: finds the faces in pictures; by default MTCNN, loaded at the first one.

    Raises:
        UsageError: a window that the model cannot answer from, or that is no whole number of hops.
    """

    def __init__(
        self,
        parts: Parts,
        labels: Sequence[str],
        window_s: float | None = None,
        hop_s: float | None = None,
        *,
        faces: bool = True,
        sound: bool = True,
        patience_s: float = PATIENCE_S,
        start_s: float | None = None,
        finder: FaceFinder | None = None,
    ):
        for name, seconds in (("window", window_s), ("hop", hop_s)):
            if seconds is not None and not math.isfinite(seconds):
                raise UsageError(f"--{name} {seconds}: a length in seconds is needed.")
        self.parts, self.labels = parts, tuple(labels)
        self.window = parts.window if window_s is None else round(window_s * SAMPLE_RATE)
        if parts.segment_s:
            self.segments = _whole(self.window, parts.segment_s, "a window", "segments")
            hop = round((DEFAULT_HOP_S if hop_s is None else hop_s) * SAMPLE_RATE)
            self._every = _whole(hop, parts.segment_s, "a hop", "segments")
        else:
            self.segments = parts.segments if hop_s is None else _whole(self.window, hop_s)
            self._every = 1
        if self.window < self.segments:
            raise UsageError(f"a window of {window_s} s is too short for {self.segments} segments")
        if parts.longest is not None and self.window > parts.longest:
            raise UsageError(
                f"a window of {self.window / SAMPLE_RATE:g} s is longer than this model can take: "
                f"{parts.longest / SAMPLE_RATE:g} s. Choose a shorter one."
            )
        self.window_s = self.window / SAMPLE_RATE
        self.segment_s = self.window_s / self.segments
        self.hop_s = self._every * self.segment_s
        self._finder = finder or FaceFinder()
        self._patience_s, self._start_s = patience_s, start_s
        self.notes: list[str] = []
        self._field = self._open_field() if faces and "geometry" in parts.streams else None
        seen = "faces" in parts.streams or self._field is not None
        self._expects = {"faces": faces and seen, "speech": sound and "speech" in parts.streams}
        if not any(self._expects.values()):
            raise UsageError(
                f"nothing to answer from: the model was trained on {' and '.join(parts.streams)}"
            )
        self.meter = Meter()
        self.late_samples = self.late_frames = self.frames = 0
        self._begin(0)

    def add_frame(self, frame: Frame, arrived: float | None = None) -> list[Answer]:
        """Takes a picture.

        Args:
            frame: its ``time_s`` is when it was taken.
            arrived: when it could be had, by `time.perf_counter`; by default now.
        """
        if not self._expects["faces"]:
            return []
        frame.time_s = self._relative(frame.time_s)
        with self.meter.stage("faces"):
            self._pictures.add_frame(frame)
        return self._go_on(self._pictures.until_s, arrived)

    def add_face(
        self, time_s: float, face: Crop | None, arrived: float | None = None
    ) -> list[Answer]:
        """Takes a face that was found and cropped elsewhere.

        Args:
            time_s: when the picture was taken.
            face: JPEG of a stored face, or (S, S, 3) uint8 RGB as the model wants it; None where the
                picture shows no face.
            arrived: when it could be had, by `time.perf_counter`; by default now.

        Raises:
            ValueError: pixels of another kind (scaled to 0 to 1 they would all become 0), or no time.
        """
        if isinstance(face, np.ndarray) and (face.dtype != np.uint8 or face.shape[2:] != (3,)):
            raise ValueError(f"a face is (S, S, 3) uint8, not {face.shape} {face.dtype}")
        if not self._expects["faces"]:
            return []
        time_s = self._relative(time_s)
        self._pictures.add_face(time_s, face)
        return self._go_on(self._pictures.until_s, arrived)

    def add_sound(
        self, samples: np.ndarray, time_s: float | None = None, arrived: float | None = None
    ) -> list[Answer]:
        """Takes sound.

        Args:
            samples: (n,) int16, or float in [-1, 1]; 16 kHz, mono. NaN counts as silence.
            time_s: of the first sample; by default they follow what came before.
            arrived: when the last sample could be had, by `time.perf_counter`; by default now.

        Raises:
            ValueError: samples of another kind, whose full scale is not known, or no time.
        """
        if samples.dtype != np.int16 and samples.dtype.kind != "f":
            raise ValueError(f"sound is int16, or float in [-1, 1], not {samples.dtype}")
        if not self._expects["speech"]:
            return []
        answers = []
        # In parts: no more is remembered than a window and what is waited for.
        for first in range(0, len(samples), SAMPLE_RATE):
            part_s = None if time_s is None else time_s + first / SAMPLE_RATE
            answers += self._hear(samples[first : first + SAMPLE_RATE], part_s, arrived)
        return answers

    def _hear(
        self, samples: np.ndarray, time_s: float | None, arrived: float | None
    ) -> list[Answer]:
        """Takes a second of sound, or less."""
        if samples.dtype == np.int16:
            samples = samples.astype(np.float32) / 32768.0
        if self._start_s is None and time_s is None:
            self._start_s = 0.0
        position = self._sound.end
        if time_s is not None:
            wanted = self._relative(time_s) * SAMPLE_RATE
            # A clock that jitters makes no gaps.
            if abs(wanted - position) > JITTER_S * SAMPLE_RATE or not self._sound_came:
                position = round(wanted)
        self._sound_came = True
        self.late_samples += self._sound.write(position, samples)
        return self._go_on((position + len(samples)) / SAMPLE_RATE, arrived)

    def warm_up(self, frame: Frame | None = None) -> None:
        """Loads and traces what the first answers need: a live stream does not wait for it.

        Args:
            frame: a picture of the size to come; None where none will be searched.
        """
        parts, n = self.parts, self.segments
        moment = {}
        if self._expects["faces"]:
            moment["faces"] = parts.pixels(
                encode_jpeg(np.zeros((CROP_SIZE, CROP_SIZE, 3), np.uint8))
            )
            if frame is not None:
                Follower(self._finder).see([frame, frame])
        if self._expects["speech"] and parts.context:
            moment["speech"] = np.zeros(parts.context, np.float32)
        parts.encode(moment)
        there = dict.fromkeys(self._present, np.ones(n, bool))
        parts.answer(np.zeros((n, parts.width), np.float32), there, np.zeros(1, np.float32))

    def finish(self) -> list[Answer]:
        """Answers what is left when the stream has ended; its last segment counts from its middle on."""
        answers = []
        while self._now_s > self._middle_s(self._next) + _TOLERANCE_S or (
            self._now_s > 0 and not self._next
        ):
            self._encode()
            answers += self._answer_now()
        if self._unanswered:
            answers.append(self._answer())
        return answers

    def report(self) -> dict[str, Any]:
        """Latency, real-time factor and what was late, see `Meter.report`."""
        return {
            **self.meter.report(self._base_s + max(self._now_s, 0.0)),
            "hop_s": round(self.hop_s, 4),
            "window_s": round(self.window_s, 4),
            # Sound after the end of a segment that belongs to it.
            "look_ahead_s": round(max(0.0, self._sound_needed_s(0) - self._end_s(0)), 4),
            "frames": self.frames + self._pictures.came,
            "late_frames": self.late_frames + self._pictures.late,
            "late_sound_s": round(self.late_samples / SAMPLE_RATE, 3),
        }

    def _begin(self, base_s: float) -> None:
        """Starts with an empty past; ``base_s`` of the stream lie behind."""
        n, parts = self.segments, self.parts
        self._base_s = base_s
        self._next = 0  # segment that is filled now
        self._now_s = -math.inf  # up to when anything came
        self._codes = np.zeros((n, parts.width), np.float32)
        self._present = {stream: np.zeros(n, bool) for stream in STREAMS}
        self._arrivals: deque[float] = deque()  # when the ends of open segments were passed
        self._work_s, self._arrived = 0.0, None  # since the last answer; of the last segment
        self._unanswered = False
        self._pictures = Pictures(self._finder, self.window_s)
        waiting = round((2 * self._patience_s + self.segment_s + 1) * SAMPLE_RATE)
        self._sound = SoundRing(self.window + parts.context + waiting)
        self._sound_came = False

    def _relative(self, time_s: float) -> float:
        """Seconds since the first segment began; starts again where the clock was changed."""
        if not math.isfinite(time_s):
            raise ValueError(f"a time is needed, not {time_s}")
        if self._start_s is None:
            self._start_s = time_s
        relative = time_s - self._start_s
        ahead = relative - self._now_s if self._now_s > -math.inf else relative
        # Turned back, or nothing for longer than anything is remembered.
        if ahead > 2 * self.window_s + self._patience_s or ahead < -2 * self.window_s:
            whole = math.floor(relative / self.segment_s) * self.segment_s
            self.late_frames += self._pictures.late
            self.frames += self._pictures.came
            base_s = self._base_s + max(self._now_s, 0.0)
            self._start_s += whole
            self._begin(base_s)
            relative -= whole
        return relative

    def _go_on(self, until_s: float, arrived: float | None) -> list[Answer]:
        """Answers the segments that are complete now."""
        arrived = time.perf_counter() if arrived is None else arrived
        if until_s > self._now_s:
            self._now_s = until_s
            while self._end_s(self._next + len(self._arrivals)) <= until_s + _TOLERANCE_S:
                self._arrivals.append(arrived)
        answers = []
        while self._complete(self._next):
            self._encode()
            answers += self._answer_now()
        return answers

    def _answer_now(self) -> list[Answer]:
        return [] if self._next % self._every else [self._answer()]

    def _end_s(self, segment: int) -> float:
        return (segment + 1) * self.segment_s

    def _middle_s(self, segment: int) -> float:
        return (segment + 0.5) * self.segment_s

    def _around(self, segment: int) -> tuple[int, int]:
        """The samples around a segment's centre, as `emotionnet.layers.SegmentWindows` takes them."""
        centre = (2 * segment + 1) * self.window // (2 * self.segments)
        begin = centre - self.parts.context // 2
        return begin, begin + self.parts.context

    def _sound_needed_s(self, segment: int) -> float:
        """Up to when a segment needs sound."""
        around_s = self._around(segment)[1] / SAMPLE_RATE if self.parts.context else 0.0
        return max(self._end_s(segment), around_s)

    def _complete(self, segment: int) -> bool:
        """Whether a segment's pictures and sound are there, or will not be waited for any longer."""
        end_s, sound_s = self._end_s(segment), self._sound_needed_s(segment)
        needs = []
        if self._expects["faces"]:
            needs.append((end_s, self._pictures.until_s))
        if self._expects["speech"]:
            needs.append((sound_s, self._sound.end / SAMPLE_RATE))
        if all(until_s >= need_s - _TOLERANCE_S for need_s, until_s in needs):
            return True
        return self._now_s >= max(need_s for need_s, _ in needs) + self._patience_s

    def _encode(self) -> None:
        """Encodes the segment that is next, once."""
        start = time.perf_counter()
        segment, slot = self._next, self._next % self.segments
        self._next += 1
        audible = len(self._sound_window(segment)) > 0
        face, points = self._face(segment)
        around = self._sound_around(segment, audible)
        moment = {"faces": face, "speech": around, "geometry": points}
        self._codes[slot] = 0
        for stream, of_moment in moment.items():
            self._present[stream][slot] = of_moment is not None
        if not self.parts.context:  # the whole window is heard at once: a segment's sound is that
            self._present["speech"][slot] = audible
        with self.meter.stage("network"):
            if any(of_moment is not None for of_moment in moment.values()):
                self._codes[slot] = self.parts.encode(moment)
        self._arrived = self._arrivals.popleft() if self._arrivals else start
        self._work_s += time.perf_counter() - start
        self._unanswered = True

    def _answer(self) -> Answer:
        """Answers from the last segments."""
        start, segment = time.perf_counter(), self._next - 1
        window = self._sound_window(segment)
        with self.meter.stage("network"):
            order = np.arange(segment + 1, segment + 1 + self.segments) % self.segments
            present = {stream: flags[order] for stream, flags in self._present.items()}
            there = {stream: bool(flags.any()) for stream, flags in present.items()}
            if not self.parts.context:
                there["speech"] = len(window) > 0
            answers = None
            if any(there.values()):
                answers = self.parts.answer(self._codes[order], present, window)
        now = time.perf_counter()
        work_s, latency_s = self._work_s + now - start, now - self._arrived
        self._work_s, self._unanswered = 0.0, False
        self.meter.count(latency_s, work_s)
        return Answer(
            self._start_s + self._end_s(segment),
            self.labels,
            answers and answers[FUSED_OUTPUT],
            {s: answers[STREAMS[s].output] if there[s] else None for s in self.parts.streams},
            int(present["faces"].sum()),
            min(segment + 1, self.segments),
            len(window) / SAMPLE_RATE,
            latency_s,
            work_s,
        )

    def _face(self, segment: int) -> tuple[np.ndarray | None, np.ndarray | None]:
        """The face of a segment as the model wants it, and its points, as far as the model looks at them."""
        if not self._expects["faces"]:
            return None, None
        with self.meter.stage("faces"):
            crop = self._pictures.pick(self._middle_s(segment), self.segment_s)
            points = self._points(crop) if self._field and isinstance(crop, bytes) else None
            if "faces" not in self.parts.streams:
                return None, points
            return self.parts.pixels(crop) if isinstance(crop, bytes) else crop, points

    def _open_field(self):
        """What finds the points in a crop; None, and a note, where it cannot be had."""
        from emotionnet.clips.fields import make_fields

        try:
            (field,) = make_fields([STREAMS["geometry"].field], {})
            return field
        except EmotionNetError as error:
            self.notes.append(f"answered without landmarks: {error}")
            return None

    def _points(self, crop: bytes) -> np.ndarray | None:
        found = self._field.of_clip({"jpegs": [crop], "times_s": np.zeros(1)}, None).values[0]
        return found if np.isfinite(found).all() else None

    def _sound_around(self, segment: int, audible: bool) -> np.ndarray | None:
        """The sound around a segment's centre; a quiet moment of an audible window is sound too."""
        if not self._expects["speech"] or not self.parts.context:
            return None
        samples, present = self._sound.read(*self._around(segment))
        return samples if present.any() and (audible or _audible(samples)) else None

    def _sound_window(self, segment: int) -> np.ndarray:
        """The samples of the window that have come, short gaps filled; none where they are silent."""
        if not self._expects["speech"]:
            return np.zeros(0, np.float32)
        stop = round((segment + 1) * self.window / self.segments)
        samples, present = self._sound.read(max(0, stop - self.window), stop)
        samples = without_gaps(samples, present, round(LONGEST_FILLED_S * SAMPLE_RATE))
        return samples if _audible(samples) else samples[:0]


def _audible(samples: np.ndarray) -> bool:
    """False for digital silence: a microphone that is off."""
    return bool((np.abs(samples) > SILENCE_STEPS / 32768).any())


def _whole(samples: int, part_s: float, whole: str = "a window", parts: str = "hops") -> int:
    """How many parts make a whole."""
    count = samples / SAMPLE_RATE / part_s if part_s > 0 else 0
    if round(count) < 1 or abs(count - round(count)) > 1e-3 * count:
        seconds = samples / SAMPLE_RATE
        other = f"--hop {seconds / max(1, round(count)):.4g}"
        if parts != "hops":
            other = f"--{whole.split()[-1]} {max(1, round(count)) * part_s:.4g}"
        raise UsageError(
            f"{whole} of {seconds:g} s is no whole number of {parts} of {part_s:g} s. "
            f"Choose for example {other}."
        )
    return round(count)


def open_stream(run: str | os.PathLike, *args: Any, **kwargs: Any) -> Stream:
    """A `Stream` that a run answers.

    Args:
        run: a run folder, or a bundle.
        args, kwargs: what `Stream` takes after ``labels``.

    Raises:
        UsageError: no run there, its system cannot stream, or a setting that does not fit.
        EmotionNetError: the run is not trained, or damaged.
    """
    opened = open_run(run)
    return Stream(open_parts(opened), opened.labels, *args, **kwargs)
