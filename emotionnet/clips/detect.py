"""Where faces are in pictures: MTCNN (Zhang et al., IEEE SPL 2016; package ``mtcnn``) as two functions.

`Detector.detect` searches whole pictures. `Detector.refine` looks only where a face is expected and
runs just the last of MTCNN's three networks there, which costs a hundredth and gives box and
landmarks of the same quality: what `emotionnet.clips.faces` uses between key frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from emotionnet.environment import settle_keras

#: Confidence from which a face found by searching counts.
MIN_CONFIDENCE = 0.9
#: Confidence from which an expected face counts as seen.
MIN_EXPECTED_CONFIDENCE = 0.7
#: Smallest face that is searched for, in pixels of the picture that is searched. The pyramid of
#: mtcnn 1.0 ends at levels under 12 px for larger values, and nothing is found any more.
MIN_FACE = 20
#: Pixels searched in one call: bounds memory (mtcnn computes in float64).
_BATCH_PIXELS = 1_000_000
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
    """MTCNN, loaded (with TensorFlow, some seconds) at the first picture."""

    def __init__(self):
        self._mtcnn = None
        self._refiner = None

    def _load(self):
        settle_keras()
        import tensorflow as tf
        from mtcnn import MTCNN

        self._mtcnn = MTCNN()
        for stage, height_width in zip(self._mtcnn.stages, ((None, None), (24, 24), (48, 48))):
            # As graphs: layer by layer, calling costs more than computing on pictures this small.
            signature = [tf.TensorSpec([None, *height_width, 3], tf.float32)]
            stage._model = tf.function(stage.model.__call__, input_signature=signature)
        self._refiner = self._mtcnn.get_stage(stage_id=3).model

    def detect(self, pictures: Sequence[np.ndarray]) -> list[list[Face]]:
        """Searches pictures for faces.

        Args:
            pictures: (height, width, 3) uint8 RGB, all of one size.

        Returns:
            For each picture its faces, of at least `MIN_FACE` pixels and `MIN_CONFIDENCE`.
        """
        if not pictures or min(pictures[0].shape[:2]) < MIN_FACE:
            return [[] for _ in pictures]
        if self._mtcnn is None:
            self._load()
        height, width = pictures[0].shape[:2]
        batch = max(1, _BATCH_PIXELS // (height * width))
        faces = []
        for start in range(0, len(pictures), batch):
            faces += self._detect_batch(list(pictures[start : start + batch]))
        return faces

    def _detect_batch(self, pictures: list[np.ndarray]) -> list[list[Face]]:
        rows = self._mtcnn.detect_faces(
            pictures,
            output_type="numpy",
            box_format="xywh",
            fit_to_image=False,
            min_face_size=MIN_FACE,
            threshold_onet=MIN_CONFIDENCE,
        )
        faces: list[list[Face]] = [[] for _ in pictures]
        for row in np.asarray(rows, np.float64):
            # image, box (4), confidence, x of the five landmarks, y of the five landmarks
            landmarks = np.stack([row[6:11], row[11:16]], axis=1)
            faces[int(row[0])].append(Face(row[1:5], landmarks, float(row[5])))
        return faces

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
        if self._mtcnn is None:
            self._load()
        boxes = np.asarray(boxes, np.float64)
        sides = boxes[:, 2:].max(axis=1)
        corners = boxes[:, :2] + boxes[:, 2:] / 2 - sides[:, None] / 2
        patches = np.stack([_patch(p, c, s) for p, c, s in zip(pictures, corners, sides)])
        offsets, points, scores = (
            output.numpy().astype(np.float64)
            for output in self._refiner((patches.astype(np.float32) - 127.5) / 128)
        )
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
