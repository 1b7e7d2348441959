"""The pictures of the segment that is being filled, and the face that represents it.

Faces are searched for a segment at a time, when it ends: one search, and a cheap look at every frame.
Only the face that is used is cropped.
"""

from collections import deque
from collections.abc import Callable

import numpy as np

from emotionnet.clips.clip import encode_jpeg
from emotionnet.clips.decode import MAX_RATE
from emotionnet.clips.faces import CHUNK_BYTES, CHUNK_FRAMES, FaceFinder, Follower
from emotionnet.clips.frame import Frame
from emotionnet.inputs.picking import TIE_S

#: A face as it comes: a JPEG as records hold it, or pixels as the model wants them.
Crop = bytes | np.ndarray


class Pictures:
    """Pictures in order of time, and the faces in them.

    Args:
        finder: finds faces.
        memory_s: over how many seconds the distance of the frames is averaged.
    """

    def __init__(self, finder: FaceFinder, memory_s: float = 6.0):
        self._follower = Follower(finder)
        self._memory_s = memory_s
        self._new: list[Frame] = []
        self._candidates: deque[tuple[float, Callable[[], Crop] | None]] = deque()
        self._times: deque[float] = deque()
        self._first_s: float | None = None
        self._slot: int | None = None
        self.late = 0
        self.came = 0

    @property
    def frame_s(self) -> float:
        """Mean distance of the last frames; 1/30 for fewer than two."""
        n = len(self._times)
        return (self._times[-1] - self._times[0]) / (n - 1) if n > 1 else 1 / 30

    @property
    def until_s(self) -> float:
        """Up to when there are pictures."""
        return self._times[-1] + self.frame_s if self._times else float("-inf")

    def add_frame(self, frame: Frame) -> None:
        """Takes a picture in which a face is to be searched for."""
        if not self._take(frame.time_s):
            return
        self._new.append(frame)
        held = sum(new.buffer_bytes for new in self._new)
        if len(self._new) >= CHUNK_FRAMES or held > CHUNK_BYTES:
            # A long segment: its faces are kept small.
            self._search(float("inf"), keep_small=True)

    def add_face(self, time_s: float, face: Crop | None) -> None:
        """Takes a face that was found elsewhere, or the news that there is none."""
        if self._take(time_s):
            self._candidates.append((time_s, None if face is None else lambda: face))

    def _take(self, time_s: float) -> bool:
        """Whether a picture of this time is used: in order, and at most `MAX_RATE` a second."""
        if self._times and time_s <= self._times[-1]:
            self.late += 1
            return False
        self._first_s = time_s if self._first_s is None else self._first_s
        slot = round((time_s - self._first_s) * MAX_RATE)
        if self._slot is not None and slot <= self._slot:
            return False
        self._slot = slot
        self.came += 1
        # An interruption says nothing about the distance of frames.
        if self._times and time_s - self._times[-1] > max(1.0, 4 * self.frame_s):
            self._times.clear()
        self._times.append(time_s)
        while self._times[0] < time_s - self._memory_s:
            self._times.popleft()
        return True

    def _search(self, end_s: float, keep_small: bool = False) -> None:
        """Looks for the face in the new frames before ``end_s``."""
        frames = [frame for frame in self._new if frame.time_s < end_s]
        self._new = self._new[len(frames) :]
        for frame, face in zip(frames, self._follower.see(frames) if frames else ()):
            crop = None if face is None else _cropper(frame, face.landmarks)
            if crop is not None and keep_small:
                crop = _ready(crop())
            self._candidates.append((frame.time_s, crop))

    def pick(self, centre_s: float, segment_s: float) -> Crop | None:
        """The face nearest to a segment's centre, by the rule of `emotionnet.inputs.views.View`.

        Segments are asked for in order of time; what only earlier ones could use is forgotten.
        """
        self._search(centre_s + segment_s / 2)
        half_s = self.frame_s / 2
        reach_s = max(segment_s / 2, half_s) + 1e-3
        near = [
            (abs(time_s + half_s - (centre_s - TIE_S)), crop)
            for time_s, crop in self._candidates
            if crop is not None and abs(time_s + half_s - centre_s) <= reach_s
        ]
        while self._candidates and (
            self._candidates[0][0] + half_s < centre_s + segment_s - reach_s
        ):
            self._candidates.popleft()
        return min(near, key=lambda pair: pair[0])[1]() if near else None


def _cropper(frame: Frame, landmarks: np.ndarray) -> Callable[[], Crop]:
    # Through JPEG, so that a live face looks like the stored ones that the model was trained on.
    return lambda: encode_jpeg(frame.face(landmarks))


def _ready(crop: Crop) -> Callable[[], Crop]:
    return lambda: crop
