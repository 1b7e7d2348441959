"""The one crop of a face, from five landmarks; records, prediction and the phone all use it.

The rule, word for word (x to the right, y down, in pixels of the upright picture; the centre of the
first pixel is at 0, 0):

1. E is the midpoint of the two eyes, M the midpoint of the two mouth corners (a detector that gives
   one mouth point gives M itself).
2. The scale s is the larger of the distance between the eyes and 0.8 times the distance from E to M.
   Turning the head left or right shortens the first, nodding shortens the second; so the larger one
   holds still. An open mouth lengthens the second, and 0.8 keeps it below the first on a face that
   looks ahead, so that opening the mouth changes nothing.
3. The centre is the point 0.6 s from E in the direction of M (straight down where E is M).
4. The side is 3 s: for a face that looks ahead, from the middle of the forehead to below the chin.
5. In whole pixels: side = max(2, round(side)), left = round(x of the centre - (side - 1) / 2), top =
   round(y of the centre - (side - 1) / 2), halves to even. What lies outside the picture is black.
6. The square is resized to 224 by 224: each new pixel is the average of the area that it covers where
   the square is larger, and bilinear (pixel centres aligned, edges repeated) where it is smaller.

The picture is not rotated. With ``upright=True`` it is, about the centre, so that the eyes are level.
"""

import cv2
import numpy as np

#: Side of the stored crops in pixels.
CROP_SIZE = 224
#: Side of the square in scales, and how far its centre is below the eyes.
SIDE, DROP = 3.0, 0.6
#: What the distance from eyes to mouth counts against the distance between the eyes.
MOUTH_WEIGHT = 0.8

#: What `crop_face` does, as data: travels with records and models.
CROP_CONFIG = {
    "size": CROP_SIZE,
    "side": SIDE,
    "drop": DROP,
    "mouth_weight": MOUTH_WEIGHT,
    "outside": "black",
    "resize": "area average down, bilinear up",
    "upright": False,
}


def crop_box(landmarks: np.ndarray) -> tuple[float, float, float]:
    """The square around a face.

    Args:
        landmarks: (5, 2) x, y in pixels: left eye, right eye, nose, left and right mouth corner, as
            seen in the picture. The nose is not used.

    Returns:
        x and y of the centre, and the side, in pixels.
    """
    landmarks = np.asarray(landmarks, np.float64)
    eyes, mouth = landmarks[0:2].mean(axis=0), landmarks[3:5].mean(axis=0)
    down = mouth - eyes
    length = float(np.hypot(*down))
    scale = max(float(np.hypot(*(landmarks[1] - landmarks[0]))), MOUTH_WEIGHT * length)
    direction = down / length if length > 0 else np.array([0.0, 1.0])
    centre = eyes + DROP * scale * direction
    return float(centre[0]), float(centre[1]), SIDE * scale


def crop_face(
    picture: np.ndarray, landmarks: np.ndarray, size: int = CROP_SIZE, upright: bool = False
) -> np.ndarray:
    """Cuts the face out of a picture, by the rule at the top of this module.

    Args:
        picture: (height, width, 3) uint8.
        landmarks: (5, 2), see `crop_box`.
        size: side of the result in pixels.
        upright: turn the picture so that the eyes are level.

    Returns:
        (size, size, 3) uint8.
    """
    x, y, side = crop_box(landmarks)
    if upright:
        picture, x, y = _turned(picture, landmarks, x, y, side)
    left, top, side = _whole_pixels(x, y, side)
    square = _cut(picture, left, top, side)
    return cv2.resize(
        square, (size, size), interpolation=cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    )


def in_crop_units(points: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Points of the picture in units of the crop: 0, 0 is its upper left corner, 1, 1 its lower right.

    Args:
        points: (n, 2) x, y in pixels of the upright picture.
        landmarks: (5, 2), those that the crop is made by (see `crop_box`); NaN without a face.

    Returns:
        (n, 2) float64; NaN without a face.
    """
    if not np.isfinite(landmarks).all():
        return np.full(np.shape(points), np.nan)
    left, top, side = _whole_pixels(*crop_box(landmarks))
    # The first pixel's centre is half a pixel from the edge of the square.
    return (np.asarray(points, np.float64) - [left - 0.5, top - 0.5]) / side


def _whole_pixels(x: float, y: float, side: float) -> tuple[int, int, int]:
    """Left, top and side of the square in whole pixels (rule 5)."""
    side = max(2, round(side))
    return round(x - (side - 1) / 2), round(y - (side - 1) / 2), side


def _cut(picture: np.ndarray, left: int, top: int, side: int) -> np.ndarray:
    """The square, with black where it reaches outside the picture."""
    height, width = picture.shape[:2]
    x0, x1 = np.clip([left, left + side], 0, width)
    y0, y1 = np.clip([top, top + side], 0, height)
    inside = picture[y0:y1, x0:x1]
    if inside.shape[:2] == (side, side):
        return inside
    square = np.zeros((side, side, picture.shape[2]), picture.dtype)
    square[y0 - top : y1 - top, x0 - left : x1 - left] = inside
    return square


def _turned(picture, landmarks, x, y, side):
    """A picture just large enough, turned about x, y; and where x, y are in it."""
    across = np.asarray(landmarks[1], np.float64) - np.asarray(landmarks[0], np.float64)
    half = side / 2 + 2
    turn = cv2.getRotationMatrix2D((x, y), float(np.degrees(np.arctan2(across[1], across[0]))), 1.0)
    turn[:, 2] += half - np.array([x, y])
    pixels = int(np.ceil(2 * half)) + 1
    return cv2.warpAffine(picture, turn, (pixels, pixels), flags=cv2.INTER_LINEAR), half, half
