"""MTCNN's search of a whole picture: three networks, each of which looks closer at what the one before left.

Source:
    Zhang et al. (2016), IEEE Signal Processing Letters 23, 1499-1503, section II. Thresholds, the pyramid
    and the rounding of boxes are those of the package ``mtcnn`` 1.0, so that the same faces are found.
"""

from collections import OrderedDict

import cv2
import numpy as np

from emotionnet.clips.networks import Network

#: Side of the window that the first network slides over the picture, and its step, in pixels.
CELL, STEP = 12, 2
#: Each level of the pyramid is so much smaller than the one before.
SHRINK = 0.709
#: Probability of a face from which a box is passed to the next network.
PROPOSED, REFINED = 0.6, 0.7
#: Overlap from which only the surer of two boxes stays: within a level, then everywhere.
OVERLAP_IN_LEVEL, OVERLAP = 0.5, 0.7
#: Picture sizes whose networks are kept.
_SIZES_KEPT = 8


class Cascade:
    """The three networks in a row.

    Args:
        min_face: side of the smallest face that is searched for, in pixels.
        min_confidence: least probability of a face that is given out.
    """

    def __init__(self, min_face: int, min_confidence: float):
        self._min_face, self._min_confidence = min_face, min_confidence
        self._levels: OrderedDict[tuple[int, int], list] = OrderedDict()
        self._rnet = Network("rnet", (24, 24))
        self.onet = Network("onet", (48, 48))

    def search(self, picture: np.ndarray) -> np.ndarray:
        """Searches a picture for faces.

        Args:
            picture: (height, width, 3) uint8 RGB.

        Returns:
            (n, 15), the surest first: left, top, right and bottom edge, confidence, x of the five
            landmarks, y of the five.
        """
        pixels = normalized(picture)
        boxes = _squares(self._proposals(pixels))
        if len(boxes):
            offsets, scores = self._rnet(_patches(pixels, boxes, 24))
            boxes = _moved(boxes, offsets, scores[:, 1])
            boxes = _squares(_apart(boxes[boxes[:, 4] > REFINED], OVERLAP))
        if not len(boxes):
            return np.empty((0, 15))
        offsets, points, scores = self.onet(_patches(pixels, boxes, 48))
        sides = boxes[:, 2:4] - boxes[:, :2] + 1
        landmarks = boxes[:, :2, None] - 1 + sides[:, :, None] * points.reshape(-1, 2, 5)
        found = np.hstack([_moved(boxes, offsets, scores[:, 1]), landmarks.reshape(-1, 10)])
        return _apart(found[found[:, 4] > self._min_confidence], OVERLAP, within=True)

    def _proposals(self, pixels: np.ndarray) -> np.ndarray:
        """Boxes (n, 5) of all levels of the pyramid that may hold a face."""
        boxes = [np.empty((0, 5))]
        for scale, network in self._networks(pixels.shape[:2]):
            size = (int(pixels.shape[1] * scale), int(pixels.shape[0] * scale))
            level = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
            offsets, scores = (output[0] for output in network(level[None]))
            rows, columns = np.nonzero(scores[..., 1] > PROPOSED)
            corners = np.stack([columns, rows], axis=1) * STEP
            edges = np.hstack([corners + 1, corners + CELL])
            edges = (edges + offsets[rows, columns] * (CELL - 1)) / scale
            confidence = scores[rows, columns, 1][:, None]
            boxes.append(_apart(np.hstack([edges, confidence]), OVERLAP_IN_LEVEL))
        return _apart(np.concatenate(boxes), OVERLAP)

    def _networks(self, size: tuple[int, int]) -> list[tuple[float, Network]]:
        """The scales at which a picture of this height and width is searched, each with its network."""
        if size not in self._levels:
            levels = round(-(np.log(min(size) / CELL) / np.log(SHRINK) + 1))
            scales = CELL / self._min_face * SHRINK ** np.arange(levels)
            self._levels[size] = [
                (scale, Network("pnet", (int(size[0] * scale), int(size[1] * scale)), (1,)))
                for scale in scales
            ]
            while len(self._levels) > _SIZES_KEPT:
                self._levels.popitem(last=False)
        self._levels.move_to_end(size)
        return self._levels[size]


def normalized(pixels: np.ndarray) -> np.ndarray:
    """Pixels 0 to 255 as the networks take them, float32 in [-1, 1)."""
    return (pixels.astype(np.float32) - 127.5) / 128


def _patches(pixels: np.ndarray, boxes: np.ndarray, side: int) -> np.ndarray:
    """The content of the boxes, (n, side, side, 3); corner pixels on the boxes' corners, grey outside."""
    height, width = pixels.shape[:2]
    patches = np.empty((len(boxes), side, side, 3), np.float32)
    # From pixel edges to pixel centres, as the package does.
    within = np.array([(width - 1) / width, (height - 1) / height])
    starts = boxes[:, :2] * within
    steps = (boxes[:, 2:4] - boxes[:, :2]) * within / (side - 1)
    for patch, (x, y), (step_x, step_y) in zip(patches, starts, steps):
        to_picture = np.array([[step_x, 0, x], [0, step_y, y]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        cv2.warpAffine(pixels, to_picture, (side, side), patch, flags=flags)
    return patches


def _moved(boxes: np.ndarray, offsets: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """Boxes with their edges moved by shares of their sides, and another confidence."""
    sides = boxes[:, 2:4] - boxes[:, :2] + 1
    return np.column_stack([boxes[:, :4] + offsets * np.tile(sides, 2), confidence])


def _squares(boxes: np.ndarray) -> np.ndarray:
    """Boxes as squares of their longer side around the same centre."""
    sides = boxes[:, 2:4] - boxes[:, :2]
    longest = sides.max(axis=1, keepdims=True)
    corners = boxes[:, :2] + (sides - longest) / 2
    return np.hstack([corners, corners + longest, boxes[:, 4:]])


def _apart(boxes: np.ndarray, overlap: float, within: bool = False) -> np.ndarray:
    """The boxes that no surer one overlaps, the surest first.

    Args:
        boxes: (n, 5 or more) edges, confidence.
        overlap: largest share that two may have in common.
        within: the share is that of the smaller box, so that one inside another goes too; else that
            of both together.
    """
    # Of equals the last comes first, as in the package: the surest boxes of a face are all exactly 1.
    boxes = boxes[np.argsort(boxes[:, 4], kind="stable")[::-1]]
    first, last = np.maximum(boxes[:, None, :2], boxes[None, :, :2]), boxes[:, 2:4]
    common = np.prod(np.clip(np.minimum(last[:, None], last[None]) - first, 0, None), axis=2)
    areas = np.prod(boxes[:, 2:4] - boxes[:, :2], axis=1)
    pairs = np.minimum if within else np.add
    whole = pairs(areas[:, None], areas[None])
    if not within:
        whole = whole - common
    return boxes[~np.triu(common > overlap * whole, k=1).any(axis=0)]
