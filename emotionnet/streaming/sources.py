"""Where live pictures and sound come from: a file that is played, or a camera and a microphone."""

import heapq
import os
import queue
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emotionnet.clips import SAMPLE_RATE
from emotionnet.clips.decode import Recording
from emotionnet.clips.frame import Frame
from emotionnet.clips.sound import Mixer, to_int16
from emotionnet.errors import BadClip, EmotionNetError, UsageError
from emotionnet.files import existing_file

#: Sound is handed over in pieces of this length.
CHUNK_S = 0.05
#: A file is played at its own speed, or as fast as it goes.
SPEEDS = ("real", "max")
#: Events of a camera that may wait; of older ones the pictures are dropped.
_WAITING = 120
#: A microphone's pieces come late now and then: the earliest of the last `_SETTLED_S` says when they were taken, and
#: samples are missing, or its clock has drifted, where that is off by more than `_DRIFT_S`.
_SETTLED_S, _DRIFT_S = 2.0, 0.1


@dataclass
class Event:
    """A picture or a piece of sound, and when it can be had.

    Attributes:
        due_s: in stream time: a picture when it was taken, sound when its last sample was.
        frame: the picture, or None.
        samples: (n,) int16 at 16 kHz, or None.
        time_s: of the picture, or of the first sample.
        arrived: by `time.perf_counter`; None where it is played as fast as it goes.
    """

    due_s: float
    frame: Frame | None = None
    samples: np.ndarray | None = None
    time_s: float = 0.0
    arrived: float | None = None


class FileSource:
    """A recording, played as if it came live. Its sound is held as a whole: 2 MB a minute.

    Times begin at 0 where picture or sound begins, as in `emotionnet.clips.clip.read_clip`.

    Args:
        path: the recording.
        real_time: play at its own speed, else as fast as it is taken.

    Raises:
        BadClip: it has neither pictures nor sound that can be used.
    """

    def __init__(self, path: str | os.PathLike, real_time: bool = True):
        self._real_time = real_time
        self._recording = recording = Recording(path)
        self.has_pictures = recording.first is not None
        self.has_sound = recording.audible
        if not self.has_pictures and not self.has_sound:
            raise BadClip(recording.no_picture or "it has neither pictures nor audible sound")
        self._samples = recording.sound.samples if self.has_sound else np.zeros(0, np.int16)

    @property
    def notes(self) -> list[str]:
        """What was odd about it, complete at its end."""
        missing = [self._recording.no_picture, self._recording.no_sound]
        return [*(text for text in missing if text), *self._recording.notes]

    def sample(self) -> Frame | None:
        """A picture as they will come."""
        return self._recording.first

    def __iter__(self) -> Iterator[Event]:
        started = time.perf_counter()
        streams = [self._pictures(), self._sound()]
        for event in heapq.merge(*streams, key=lambda event: event.due_s):
            if self._real_time:
                event.arrived = started + event.due_s
                time.sleep(max(0.0, event.arrived - time.perf_counter()))
            yield event

    def _pictures(self) -> Iterator[Event]:
        for frame in self._recording.frames():
            yield Event(frame.time_s, frame=frame, time_s=frame.time_s)

    def _sound(self) -> Iterator[Event]:
        step = round(CHUNK_S * SAMPLE_RATE)
        for first in range(0, len(self._samples), step):
            samples = self._samples[first : first + step]
            time_s = first / SAMPLE_RATE
            yield Event(time_s + len(samples) / SAMPLE_RATE, samples=samples, time_s=time_s)

    def close(self) -> None:
        """Closes the recording."""
        self._recording.close()


class _Arrivals:
    """When a device's sound was taken, by when its pieces came: what it dropped, and how its clock drifts, is made up for."""

    def __init__(self):
        self._taken_s, self._begin_s = 0.0, None
        self._recent: deque[tuple[float, float]] = deque()

    def begin_s(self, now_s: float, seconds: float) -> float:
        """When the first sample was taken, as if all that came had no gap: any sample's time is this and what came before it.

        Args:
            now_s: when a piece came, in seconds.
            seconds: its length.
        """
        self._taken_s += seconds
        self._recent.append((now_s, now_s - self._taken_s))
        while self._recent[0][0] < now_s - _SETTLED_S:
            self._recent.popleft()
        earliest_s = min(begin_s for _, begin_s in self._recent)
        if self._begin_s is None or abs(earliest_s - self._begin_s) > _DRIFT_S:
            self._begin_s = earliest_s
        return self._begin_s


class CameraSource:
    """A camera, by OpenCV, and a microphone, by PyAV, each read by a separate thread.

    Where answers fall behind, waiting pictures are dropped (`dropped`) and sound is kept.

    Args:
        camera: number of the camera, or a device or address that OpenCV opens; None for none.
        microphone: name of the device as FFmpeg knows it; "" for the system's usual one, None for
            none.
        microphone_format: how FFmpeg reaches it; by default that of the system.

    Raises:
        EmotionNetError: the camera or the microphone cannot be opened.
    """

    def __init__(
        self,
        camera: int | str | None = 0,
        microphone: str | None = "",
        microphone_format: str | None = None,
    ):
        self.has_pictures, self.has_sound = camera is not None, microphone is not None
        self.notes: list[str] = []
        self.dropped = 0
        self._queue: queue.Queue[Event | None] = queue.Queue()
        self._stopped = threading.Event()
        # Opened here, so that a mistake is reported before anything starts.
        self._readers, self._sample = [], None
        if self.has_pictures:
            capture = _open_camera(camera)
            ok, picture = capture.read()
            self._sample = _frame(picture, 0.0) if ok else None
            self._readers.append((self._read_camera, capture))
        if self.has_sound:
            opened = _open_microphone(microphone, microphone_format)
            self._readers.append((self._read_sound, opened))
        self._open = len(self._readers)

    def sample(self) -> Frame | None:
        """A picture as they will come: the camera's first."""
        return self._sample

    def __iter__(self) -> Iterator[Event]:
        self._start = time.perf_counter()
        for read, device in self._readers:
            threading.Thread(target=self._run, args=(read, device), daemon=True).start()
        while self._open:
            event = self._queue.get()
            if event is None:
                self._open -= 1
            elif event.frame is not None and self._queue.qsize() > _WAITING:
                self.dropped += 1
            else:
                yield event

    def close(self) -> None:
        """Has both threads end."""
        self._stopped.set()

    def _run(self, read, device) -> None:
        try:
            read(device)
        except Exception as error:  # a device that is pulled out ends its stream, not the program
            self.notes.append(f"{type(error).__name__}: {error}")
        finally:
            self._queue.put(None)

    def _put(self, **what) -> None:
        now = time.perf_counter()
        self._queue.put(Event(now - self._start, arrived=now, **what))

    def _read_camera(self, capture) -> None:
        while not self._stopped.is_set():
            ok, picture = capture.read()
            if not ok:
                self.notes.append("the camera has stopped")
                break
            time_s = time.perf_counter() - self._start
            self._put(frame=_frame(picture, time_s), time_s=time_s)
        capture.release()

    def _read_sound(self, container) -> None:
        import soxr

        resampler, given = None, 0
        mixer, arrivals = Mixer(), _Arrivals()
        for sound in container.decode(audio=0):
            if self._stopped.is_set():
                break
            mono = mixer.mono(sound)
            if given > SAMPLE_RATE:  # enough was heard to judge
                mixer = mixer.better() or mixer
            if resampler is None:
                resampler = soxr.ResampleStream(sound.sample_rate, SAMPLE_RATE, 1, dtype="float32")
            now_s = time.perf_counter() - self._start
            begin_s = arrivals.begin_s(now_s, mono.size / sound.sample_rate)
            samples = to_int16(resampler.resample_chunk(np.nan_to_num(mono)))
            if len(samples):
                self._put(samples=samples, time_s=begin_s + given / SAMPLE_RATE)
                given += len(samples)
        container.close()


def _frame(picture: np.ndarray, time_s: float) -> Frame:
    import av

    return Frame(av.VideoFrame.from_ndarray(picture, format="bgr24"), time_s)


def _open_camera(camera: int | str):
    import cv2

    capture = cv2.VideoCapture(camera)
    if not capture.isOpened():
        raise EmotionNetError(
            f"camera {camera}: cannot be opened. Is it plugged in, allowed, and free? "
            "Another one: camera:1, or a device such as /dev/video0."
        )
    return capture


def _open_microphone(name: str, kind: str | None):
    import av

    usual = {"linux": ("pulse", "default"), "darwin": ("avfoundation", ":0")}
    kind_here, name_here = usual.get(sys.platform, ("dshow", ""))
    kind, name = kind or kind_here, name or name_here
    if not name:
        raise UsageError(
            'here a microphone needs its name: --microphone "audio=NAME" '
            "(ffmpeg -list_devices true -f dshow -i dummy lists them), or --microphone none"
        )
    try:
        return av.open(name, format=kind)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise EmotionNetError(
            f"microphone {name} ({kind}): cannot be opened ({error}). Give another --microphone, "
            "or --microphone none for pictures alone."
        ) from None


def open_source(source: str | os.PathLike, speed: str, microphone: str | None):
    """The source that `emotionnet.stream` is asked for.

    Args:
        source, speed, microphone: as of `emotionnet.stream`.

    Raises:
        UsageError: an unknown speed, one for a camera, or a microphone for a file.
        EmotionNetError: the file or the camera cannot be used.
    """
    if speed not in SPEEDS:
        raise UsageError(f"--speed {speed}: not known. Choose one of {', '.join(SPEEDS)}.")
    kind, _, which = str(source).partition(":")
    if kind == "camera" and not Path(source).exists():
        if speed != SPEEDS[0]:
            raise UsageError(f"--speed {speed}: is for a file; a camera has a speed of its own.")
        return CameraSource(int(which or 0) if (which or "0").isdecimal() else which, microphone)
    if microphone != "":
        raise UsageError("--microphone: is for a camera; a file has its own sound.")
    try:
        return FileSource(existing_file(source), speed == "real")
    except EmotionNetError as error:
        raise EmotionNetError(f"{source}: {error}") from None
