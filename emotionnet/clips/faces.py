"""One face, followed through a clip.

On *key frames*, two a second, a reduced picture is searched with MTCNN. The box of the frames in
between is interpolated, and MTCNN's last network, run there in one batch, says for every frame
whether the face is really there, and where its landmarks are. A face that was lost is searched for
again, on larger and larger pictures. Frames are held for about a second at a time, while those of the
next second are decoded.
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from emotionnet.clips.beside import ahead
from emotionnet.clips.company import Company
from emotionnet.clips.detect import Detector, Face
from emotionnet.clips.frame import Frame

#: Seconds between key frames at most.
KEY_INTERVAL_S = 0.5
#: Frames, and bytes of decoded pictures, that are searched together; as many are decoded meanwhile.
CHUNK_FRAMES = 30
CHUNK_BYTES = 100_000_000
#: Longer sides, in pixels, of the pictures that are searched, one after the other until a face is
#: found. A face of 40 px in a 720p frame needs the last.
SEARCH_SIDES = (320, 640, 1280)
#: A face is followed in a picture in which its side is at least this, in pixels, where there is one.
FOLLOW_SIDE = 48
#: After this many seconds out of sight somebody else may take the place of the person followed.
FORGET_S = 5.0
#: Chunks without a face after which larger pictures are searched in every fifth chunk only.
PATIENCE = 5
#: Standard deviation in time of the smoothing of box and landmarks, and its reach in frames.
SMOOTHING_S = 0.04
SMOOTHING_FRAMES = 3


class FaceFinder:
    """Finds and follows the main face of a clip. One finder serves any number of clips.

    The largest and most central face is chosen and then kept by its place and size, so that a second
    person seen at the same time does not take over while the first is away for less than `FORGET_S`.

    Args:
        detector: where faces come from; by default MTCNN, loaded when first needed.
    """

    def __init__(self, detector: Detector | None = None):
        self._detector = detector or Detector()

    def follow(
        self, frames: Iterable[Frame], company: Company | None = None
    ) -> Iterator[tuple[Frame, Face | None]]:
        """Yields every frame with its face in picture pixels, or None where it is not seen.

        Args:
            frames: of one clip.
            company: who is not followed; counts who else is there.
        """
        return smooth(self._follow(frames, company or Company()))

    def _follow(
        self, frames: Iterable[Frame], company: Company
    ) -> Iterator[tuple[Frame, Face | None]]:
        person = _Person(company)
        for chunk in ahead(_chunks(frames)):
            for face in self._follow_chunk(chunk, person):
                # Taken out, so that this chunk is gone before the next one is gathered.
                yield chunk.pop(0), face

    def _follow_chunk(self, chunk: list[Frame], person: "_Person") -> list[Face | None]:
        person.look_at(chunk[0].size)
        times = np.array([frame.time_s for frame in chunk])
        keys = _key_frames(times, person.until_s)
        known = person.carried(times[0])
        known += self._search(chunk, keys, person, person.long_side)
        if not known and (person.blind_chunks < PATIENCE or person.blind_chunks % 5 == 0):
            middle = keys[len(keys) // 2 :][:1]
            for long_side in _search_sides(person.size):
                if long_side > person.long_side and not known:
                    known = self._search(chunk, middle, person, long_side)
        faces: list[Face | None] = [None] * len(chunk)
        if known:
            faces = self._refine(chunk, times, known, person)
        person.keep(times, faces)
        return faces

    def _search(
        self, chunk: Sequence[Frame], keys: Sequence[int], person: "_Person", long_side: int
    ) -> list[tuple[float, Face]]:
        """Time and face of the key frames in which the person is found by searching."""
        scale = long_side / max(person.size)
        pictures = [chunk[key].picture(long_side) for key in keys]
        found = []
        for key, faces in zip(keys, self._detector.detect(pictures)):
            time = chunk[key].time_s
            faces = person.company.strangers([face.scaled(1 / scale) for face in faces], time)
            face = person.choose(faces, time)
            person.company.look(faces, face)
            if face is not None:
                found.append((time, face))
        return found

    def _refine(
        self,
        chunk: Sequence[Frame],
        times: np.ndarray,
        known: Sequence[tuple[float, Face]],
        person: "_Person",
    ) -> list[Face | None]:
        """The person's face in every frame of the chunk, from the ``known`` ones before and in it."""
        long_side = person.side_for(known[-1][1])
        scale = long_side / max(person.size)
        pictures = [frame.picture(long_side) for frame in chunk]
        known_times = [time for time, _ in known]
        known_boxes = np.array([face.box for _, face in known])
        boxes = np.stack(
            [np.interp(times, known_times, column) for column in known_boxes.T], axis=1
        )
        faces = self._detector.refine(pictures, boxes * scale)
        # Where a quick move left the straight line, start from the nearest frame that succeeded.
        for _ in range(2):
            seen = np.flatnonzero([face is not None for face in faces])
            lost = np.flatnonzero([face is None for face in faces])
            if not len(seen) or not len(lost):
                break
            nearest = seen[np.abs(lost[:, None] - seen[None]).argmin(axis=1)]
            boxes = np.array([faces[i].box for i in nearest])
            for i, face in zip(lost, self._detector.refine([pictures[i] for i in lost], boxes)):
                faces[i] = face
        faces = [face and face.scaled(1 / scale) for face in faces]
        return [
            face if face and person.company.strangers([face], time) else None
            for face, time in zip(faces, times)
        ]


class Follower:
    """Follows the face of one live stream, whose pictures come a few at a time.

    As `FaceFinder.follow`, but answers at once: only the last frames of a call lack what smoothing
    looks ahead for.

    Args:
        finder: finds the faces.
    """

    def __init__(self, finder: FaceFinder):
        self._finder = finder
        self._person = _Person(Company())
        self._searched_s = -math.inf
        self._before: list[tuple[Frame, Face | None]] = []

    def see(self, frames: Sequence[Frame]) -> list[Face | None]:
        """The face in each of the next frames of the stream, in picture pixels, or None."""
        pairs = list(self._before)
        for chunk in _chunks(frames):
            pairs += zip(chunk, self._see(chunk))
        smoothed = [_smoothed(pairs, i, SMOOTHING_S)[1] for i in range(len(pairs))]
        new = smoothed[len(self._before) :]
        self._before = pairs[-SMOOTHING_FRAMES:]
        return new

    def _see(self, chunk: list[Frame]) -> list[Face | None]:
        person, times = self._person, np.array([frame.time_s for frame in chunk])
        # However short the calls, a whole picture is searched only as often as in a recording.
        if times[-1] - self._searched_s < KEY_INTERVAL_S and chunk[0].size == person.size:
            known = person.carried(times[0])
            faces = self._finder._refine(chunk, times, known, person) if known else [None]
            if faces[-1] is not None:
                person.keep(times, faces)
                return faces
        self._searched_s = float(times[-1])
        return self._finder._follow_chunk(chunk, person)


class _Person:
    """Who is followed, where they were last, and who else was there."""

    def __init__(self, company: Company):
        self.company = company
        self.size: tuple[int, int] | None = None
        self.long_side = 0
        self.face: Face | None = None
        self.seen_s = -math.inf
        self.until_s: float | None = None
        self.others: list[Face] = []
        self.blind_chunks = 0

    def look_at(self, size: tuple[int, int]) -> None:
        """Starts, or starts over where the pictures change their size."""
        if size != self.size:
            self.__init__(self.company)
            self.size = size
            self.long_side = _search_sides(size)[0]

    def side_for(self, face: Face) -> int:
        """Longer side of the picture in which ``face`` is followed."""
        sides = _search_sides(self.size)
        large_enough = [s for s in sides if face.side * s / max(self.size) >= FOLLOW_SIDE]
        return large_enough[0] if large_enough else sides[-1]

    def carried(self, now_s: float) -> list[tuple[float, Face]]:
        """The face at the end of the chunk before, where that was just now."""
        recent = self.face is not None and now_s - self.seen_s <= KEY_INTERVAL_S
        return [(self.seen_s, self.face)] if recent else []

    def choose(self, faces: list[Face], now_s: float) -> Face | None:
        """Picks the person among the faces found in one picture; keeps the others in mind."""
        forgotten = now_s - self.seen_s > FORGET_S
        if self.face is not None and forgotten and self.company.one_person:
            chosen = None
        elif self.face is None or forgotten:
            chosen = max(faces, key=self._prominence, default=None)
        else:
            chosen = min(faces, key=self._strangeness, default=None)
            # The longer unseen, the further they may have gone.
            reach = 0.75 + 2.5 * (now_s - self.seen_s)
            if chosen is not None and (self._strangeness(chosen) > reach or self._other(chosen)):
                chosen = None
        if chosen is not None:
            self.face, self.seen_s = chosen, now_s
            self.others = [face for face in faces if face is not chosen]
        return chosen

    def keep(self, times: np.ndarray, faces: Sequence[Face | None]) -> None:
        """Remembers where the chunk ended."""
        self.until_s = float(times[-1])
        for time, face in zip(times, faces):
            if face is not None:
                self.face, self.seen_s = face, float(time)
        if any(face is not None for face in faces):
            self.blind_chunks = 0
            self.long_side = self.side_for(self.face)
        else:
            self.blind_chunks += 1

    def _prominence(self, face: Face) -> float:
        """Side, less up to a half towards the corners of the picture."""
        middle = np.array(self.size[::-1]) / 2
        off_centre = np.linalg.norm(face.centre - middle) / np.linalg.norm(middle)
        return face.side * (1 - 0.5 * min(off_centre, 1.0)) * face.confidence

    def _strangeness(self, face: Face) -> float:
        """Distance from where the person was, in sides of the face, with the change in size."""
        distance = np.linalg.norm(face.centre - self.face.centre) / self.face.side
        return distance + abs(math.log2(face.side / self.face.side))

    def _other(self, face: Face) -> bool:
        """True where ``face`` is rather somebody who was seen beside the person."""
        ours = np.linalg.norm(face.centre - self.face.centre)
        return any(np.linalg.norm(face.centre - other.centre) < ours for other in self.others)


def smooth(
    pairs: Iterable[tuple[Frame, Face | None]], sigma_s: float = SMOOTHING_S
) -> Iterator[tuple[Frame, Face | None]]:
    """Smooths box and landmarks in time with a Gaussian, over up to 3 frames before and after.

    Args:
        pairs: frames with their faces. Frames without a face stay so, and count for nothing.
        sigma_s: standard deviation in seconds; small against the time an expression takes.
    """
    reach = SMOOTHING_FRAMES
    window: deque = deque()
    middle = 0  # index in the window of the next pair to be given out
    for pair in pairs:
        window.append(pair)
        if len(window) - middle > reach:
            yield _smoothed(window, middle, sigma_s)
            middle += 1
        if middle > reach:
            window.popleft()
            middle -= 1
    while middle < len(window):
        yield _smoothed(window, middle, sigma_s)
        middle += 1


def _smoothed(window: Sequence, middle: int, sigma_s: float) -> tuple[Frame, Face | None]:
    frame, face = window[middle]
    if face is None:
        return frame, None
    near = list(window)[max(0, middle - SMOOTHING_FRAMES) : middle + SMOOTHING_FRAMES + 1]
    near = [
        (other_frame.time_s - frame.time_s, other)
        for other_frame, other in near
        if other is not None and other_frame.size == frame.size
    ]
    weights = np.exp(-0.5 * (np.array([delay for delay, _ in near]) / sigma_s) ** 2)
    weights /= weights.sum()
    box = np.tensordot(weights, np.stack([other.box for _, other in near]), 1)
    landmarks = np.tensordot(weights, np.stack([other.landmarks for _, other in near]), 1)
    return frame, Face(box, landmarks, face.confidence)


def _chunks(frames: Iterable[Frame]) -> Iterator[list[Frame]]:
    """Cuts the stream into lists of bounded length and size, each with pictures of one size."""
    chunk: list[Frame] = []
    held = 0
    for frame in frames:
        full = len(chunk) == CHUNK_FRAMES or held + frame.buffer_bytes > CHUNK_BYTES
        if chunk and (full or frame.size != chunk[0].size):
            yield chunk
            chunk, held = [], 0
        chunk.append(frame)
        held += frame.buffer_bytes
    if chunk:
        yield chunk


def _key_frames(times: np.ndarray, until_s: float | None) -> list[int]:
    """Indices of the frames to search: evenly in time, with the last; with the first at the start."""
    start = times[0] if until_s is None else until_s
    intervals = max(1, math.ceil((times[-1] - start) / KEY_INTERVAL_S - 1e-6))
    wanted = np.linspace(start, times[-1], intervals + 1)[0 if until_s is None else 1 :]
    return np.unique(np.abs(times[None] - wanted[:, None]).argmin(axis=1)).tolist()


def _search_sides(size: tuple[int, int]) -> list[int]:
    """The longer sides in which a picture of this size is searched, smallest first."""
    longest = min(max(size), SEARCH_SIDES[-1])
    return [side for side in SEARCH_SIDES[:-1] if 1.3 * side < longest] + [longest]
