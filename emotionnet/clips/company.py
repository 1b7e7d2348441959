"""Who is there beside the person that is followed: people who were followed before, and others."""

from collections.abc import Sequence

import numpy as np

from emotionnet.clips.detect import Face

#: Somebody counts who was there in this share of the looks at whole pictures, and more than once.
PRESENT_SHARE = 0.2
#: How long after (or before) they were last seen a face may be theirs, in seconds.
REACH_S = 0.3


class Company:
    """The people in a clip, apart from the one who is followed.

    Args:
        before: of each person who was followed before, the times (n,) and boxes (n, 4) of the frames, NaN
            where they were not seen. Their faces are not taken for the one that is followed now.
        one_person: no other face may take the place of the person followed, however long they are away.
    """

    def __init__(
        self, before: Sequence[tuple[np.ndarray, np.ndarray]] = (), one_person: bool = False
    ):
        seen = [(times, boxes, np.isfinite(boxes).all(axis=1)) for times, boxes in before]
        self._before = [(times[there], boxes[there]) for times, boxes, there in seen if there.any()]
        self.one_person = one_person
        self._counts: list[int] = []

    @property
    def others(self) -> int:
        """Faces that were seen beside the one followed, and beside those of people followed before."""
        looks = len(self._counts)
        enough = max(min(2, looks), PRESENT_SHARE * looks)
        ranked = sorted(self._counts, reverse=True)
        return next((n for n in ranked if sum(c >= n for c in ranked) >= enough), 0)

    def strangers(self, faces: Sequence[Face], time_s: float) -> list[Face]:
        """The faces of people who were not followed before."""
        return [face for face in faces if not any(self._is(face, time_s, p) for p in self._before)]

    def look(self, faces: Sequence[Face], followed: Face | None) -> None:
        """Counts the faces of one picture beside the one that is followed."""
        apart: list[Face] = [] if followed is None else [followed]
        for face in faces:
            if not any(face is other or _same(face, other.box) for other in apart):
                apart.append(face)
        self._counts.append(len(apart) - (followed is not None))

    def _is(self, face: Face, time_s: float, person: tuple[np.ndarray, np.ndarray]) -> bool:
        times, boxes = person
        nearest = int(np.abs(times - time_s).argmin())
        return abs(times[nearest] - time_s) <= REACH_S and _same(face, boxes[nearest])


def _same(face: Face, box: np.ndarray) -> bool:
    other = Face(np.asarray(box, np.float64), face.landmarks, 1.0)
    distance = np.linalg.norm(face.centre - other.centre)
    return distance < 0.5 * max(face.side, other.side) and 0.5 < face.side / other.side < 2
