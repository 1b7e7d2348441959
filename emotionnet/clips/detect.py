"""Where faces are in pictures: MTCNN (Zhang et al., IEEE SPL 2016) as two functions.

`Detector.detect` searches whole pictures. `Detector.refine` looks only where a face is expected and
runs just the last of MTCNN's three networks there, which costs a hundredth and gives box and
landmarks of the same quality: what `emotionnet.clips.faces` uses between key frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from emotionnet.clips.cascade import Cascade, normalized

#: Confidence from which a face found by searching counts.
MIN_CONFIDENCE = 0.9
#: Confidence from which an expected face counts as seen.
MIN_EXPECTED_CONFIDENCE = 0.7
#: Smallest face that is searched for, in pixels of the picture that is searched. The pyramid of
#: mtcnn 1.0 ends at levels under 12 px for larger values, and nothing is found any more.
MIN_FACE = 20
_PATCH = 48


@dataclass(frozen=True)
class Face:
    """One face in one picture.

    Attributes:
        box: (4,) x, y, width, height in pixels; may reach outside the picture.
        landmarks: (5, 2) x, y in pixels: left eye, right eye, nose, left and right mouth corner, as
            seen in the picture.
        confidence: 0 to 1.
    """

    box: np.ndarray
    landmarks: np.ndarray
    confidence: float

    @property
    def centre(self) -> np.ndarray:
        return self.box[:2] + self.box[2:] / 2

    @property
    def side(self) -> float:
        """Geometric mean of width and height."""
        return float(np.sqrt(max(self.box[2] * self.box[3], 1e-6)))

    def scaled(self, factor: float) -> "Face":
        return Face(self.box * factor, self.landmarks * factor, self.confidence)


class Detector:
    """MTCNN, loaded at the first picture: some tens of milliseconds."""

    @cached_property
    def _cascade(self) -> Cascade:
        return Cascade(MIN_FACE, MIN_CONFIDENCE)

    def detect(self, pictures: Sequence[np.ndarray]) -> list[list[Face]]:
        """Searches pictures for faces.

        Args:
            pictures: (height, width, 3) uint8 RGB.

        Returns:
            For each picture its faces, of at least `MIN_FACE` pixels and `MIN_CONFIDENCE`.
        """
        return [self._detect(picture) for picture in pictures]

    def _detect(self, picture: np.ndarray) -> list[Face]:
        if min(picture.shape[:2]) < MIN_FACE:
            return []
        return [
            Face(np.append(row[:2], row[2:4] - row[:2]), row[5:].reshape(2, 5).T, float(row[4]))
            for row in self._cascade.search(picture)
        ]

    def refine(self, pictures: Sequence[np.ndarray], boxes: np.ndarray) -> list[Face | None]:
        """Looks for one face in each picture, at a place where it is expected.

        Args:
            pictures: (height, width, 3) uint8 RGB.
            boxes: (n, 4) x, y, width, height: the expected face of each picture.

        Returns:
            For each picture the face, or None where there is none at that place.
        """
        if not len(pictures):
            return []
        boxes = np.asarray(boxes, np.float64)
        sides = boxes[:, 2:].max(axis=1)
        corners = boxes[:, :2] + boxes[:, 2:] / 2 - sides[:, None] / 2
        patches = np.stack([_patch(p, c, s) for p, c, s in zip(pictures, corners, sides)])
        outputs = self._cascade.onet(normalized(patches))
        offsets, points, scores = (output.astype(np.float64) for output in outputs)
        # Offsets of the left, top, right and bottom edge, in sides of the square.
        edges = np.concatenate([corners, corners + sides[:, None]], axis=1)
        edges += offsets * sides[:, None]
        found = []
        for box, corner, side, edge, point, score in zip(
            boxes, corners, sides, edges, points, scores[:, 1]
        ):
            landmarks = corner + side * np.stack([point[:5], point[5:]], axis=1)
            face = Face(np.append(edge[:2], edge[2:] - edge[:2]), landmarks, float(score))
            found.append(face if score >= MIN_EXPECTED_CONFIDENCE and _near(face, box) else None)
        return found


def _patch(picture: np.ndarray, corner: np.ndarray, side: float) -> np.ndarray:
    """The square at ``corner`` as the 48 by 48 pixels that the network wants; black outside."""
    # Bilinear is enough: pictures are reduced so that a followed face has 48 to 100 px.
    scale = _PATCH / side
    to_patch = np.array([[scale, 0, -corner[0] * scale], [0, scale, -corner[1] * scale]])
    to_patch[:, 2] += (scale - 1) / 2  # pixel centres
    return cv2.warpAffine(picture, to_patch, (_PATCH, _PATCH), flags=cv2.INTER_LINEAR)


def _near(face: Face, box: np.ndarray) -> bool:
    """True where the refined face is still the expected one."""
    expected = Face(box, face.landmarks, 1.0)
    distance = np.linalg.norm(face.centre - expected.centre)
    return distance < 0.5 * expected.side and 0.5 < face.side / expected.side < 2
