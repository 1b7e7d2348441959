"""The parts of a drawn face that move: shadows and folds, eyes, brows, nose, mouth.

A face lives in its own coordinates: the origin between eyes and nose, x to the right of the picture,
y down, the crown at -1 and the chin at +1.
"""

import math

import cv2
import numpy as np

from emotionnet.corpora.person import Colour, Person, rgb

# The patch that a head is drawn on, in half face heights around the origin.
LEFT, RIGHT, TOP, BOTTOM = -1.5, 1.5, -1.35, 1.9
# Half axes of the ellipsoid that features lie on.
_ELLIPSOID = (0.9, 1.3)


class Layer:
    """A picture in face coordinates; points move with the turn of the head."""

    def __init__(self, image: np.ndarray, scale: int, yaw: float = 0.0, pitch: float = 0.0):
        self.image, self.scale = image, scale
        self.yaw, self.pitch = yaw, pitch
        self._cosines, self._sines = np.cos((yaw, pitch)), np.sin((yaw, pitch))

    def mask(self) -> "Layer":
        """An empty layer of one channel over this one."""
        return self.like(np.zeros(self.image.shape[:2], np.uint8))

    def like(self, image: np.ndarray) -> "Layer":
        """``image`` seen from the same angle."""
        return Layer(image, self.scale, self.yaw, self.pitch)

    def pixels(self, points: np.ndarray, lift: float = 0.0) -> np.ndarray:
        """Where OpenCV draws the points, in its fixed point of 4 fractional bits.

        Yaw and pitch turn a half ellipsoid; ``lift`` stands out of it, as a nose does.
        """
        points = np.asarray(points, float)
        x, y = (points / _ELLIPSOID).T
        depth = 0.75 * np.sqrt(np.maximum(1 - x**2 - y**2, 0)) + lift
        turned = points * self._cosines + depth[:, None] * self._sines
        return np.rint((turned - (LEFT, TOP)) * self.scale * 16).astype(np.int32)

    def fill(self, points: np.ndarray, colour, lift: float = 0.0) -> None:
        cv2.fillPoly(self.image, [self.pixels(points, lift)], colour, cv2.LINE_AA, 4)

    def stroke(self, points: np.ndarray, colour, thickness: float, lift: float = 0.0) -> None:
        width = max(1, round(thickness * self.scale))
        line = [self.pixels(points, lift)]
        cv2.polylines(self.image, line, False, colour, width, cv2.LINE_AA, 4)

    def disc(self, x: float, y: float, rx: float, ry: float, colour, lift: float = 0.0) -> None:
        self.fill(ellipse(x, y, rx, ry), colour, lift)


def draw_features(
    layer: Layer, person: Person, au: dict[int, float], mouth_open: float, blink: float
) -> None:
    """Everything that moves: soft shadows first, then eyes, brows, nose and mouth."""
    shadow = layer.mask()
    _draw_shadows(shadow, person, au)
    place, soft = blurred_part(shadow.image, shadow.image, 0.03 * layer.scale)
    dark = cv2.bitwise_not(soft)
    layer.image[place] = cv2.multiply(
        layer.image[place], cv2.merge([dark, dark, dark]), scale=1 / 255
    )
    for side in (-1, 1):
        _draw_eye(layer, person, au, side, blink)
        _draw_brow(layer, person, au, side)
    _draw_nose(layer, person, au)
    _draw_mouth(layer, person, au, mouth_open)


def blurred_part(
    image: np.ndarray, drawn: np.ndarray, sigma: float
) -> tuple[tuple[slice, slice], np.ndarray]:
    """What a blur makes of the part of a picture that something was drawn on; the rest need not be blurred again.

    Args:
        image: (height, width) or (height, width, 3) uint8.
        drawn: of the same shape, 0 where nothing was drawn.
        sigma: of the Gaussian, in pixels.

    Returns:
        Rows and columns of the part that the drawn pixels reach, and these pixels after the blur.
    """
    channels = image[0, 0].size
    x, y, width, height = cv2.boundingRect(drawn.reshape(len(drawn), -1))
    left, right = x // channels, (x + width - 1) // channels + 1
    reach = math.ceil(3 * sigma) + 1  # of OpenCV's kernel for 8 bits
    top, first = max(y - 2 * reach, 0), max(left - 2 * reach, 0)
    around = image[top : y + height + 2 * reach, first : right + 2 * reach]
    rows = slice(max(y - reach, 0), y + height + reach)
    columns = slice(max(left - reach, 0), right + reach)
    soft = cv2.GaussianBlur(around, (0, 0), sigma)
    inside = soft[rows.start - top : rows.stop - top, columns.start - first : columns.stop - first]
    return (rows, columns), inside


def _draw_shadows(shadow: Layer, person: Person, au: dict[int, float]) -> None:
    """Sockets, nose and the folds that action units cut into the skin; grey is depth."""
    eye_x, eye_y, mouth_y = person.eye_x, person.eye_y, person.mouth_y
    tip = _nose_tip(person, au)
    lee = 1 if person.light < 0 else -1
    shadow.fill([[0, eye_y], [lee * 0.1, eye_y], [lee * 0.13, tip], [0, tip + 0.05]], 40, 0.1)
    shadow.disc(0, tip + 0.06, 0.1, 0.03, 70, 0.05)
    shadow.disc(0, mouth_y + 0.19, 0.16, 0.035, 40)

    def fold(intensity: float, *points: tuple[float, float], thickness: float = 0.03) -> None:
        if intensity > 0.05:
            line = arc(*points) if len(points) == 3 else points
            shadow.stroke(line, min(120, int(95 * intensity)), thickness)

    frown = max(au.get(4, 0) - 0.3 * au.get(1, 0), 0.6 * au.get(9, 0))
    cheek = max(0.7 * au.get(12, 0), 0.9 * au.get(9, 0), 0.4 * au.get(20, 0))
    smile, sneer, corner = 0.6 * au.get(6, 0), au.get(9, 0), 0.8 * au.get(15, 0)
    for side in (-1, 1):
        shadow.disc(side * eye_x, eye_y - 0.03, 0.21, 0.13, 46)
        # Between the brows, from nose to mouth, and below the corner of the mouth.
        brow = [(side * x, eye_y + y) for x, y in ((0.05, -0.28), (0.04, -0.2), (0.055, -0.12))]
        fold(frown, *brow)
        lip = (side * 0.36, mouth_y + 0.02)
        fold(cheek, (side * 0.14, tip - 0.02), (side * 0.29, tip + 0.13), lip)
        fold(
            corner, *((side * x, mouth_y + y) for x, y in ((0.3, 0.06), (0.33, 0.13), (0.31, 0.19)))
        )
        for y in (eye_y + 0.06, eye_y + 0.13):
            fold(sneer, (side * 0.04, y + 0.03), (side * 0.1, y - 0.02), thickness=0.025)
        # The bag under the eye, and the crow's feet beside it.
        bag = ((eye_x - 0.16, 0.11), (eye_x, 0.155), (eye_x + 0.18, 0.08))
        fold(smile, *((side * x, eye_y + y) for x, y in bag))
        for rise in (-0.06, 0.05):
            foot = (side * (eye_x + 0.3), eye_y + rise)
            fold(smile, (side * (eye_x + 0.21), eye_y), foot, thickness=0.02)
    # Raised brows wrinkle the forehead: its middle, or all of it.
    spread = 0.34 if au.get(2, 0) > 0.3 else 0.18
    for y in (eye_y - 0.48, eye_y - 0.4):
        wrinkle = ((-spread, y), (0, y - 0.02), (spread, y))
        fold(0.45 * max(au.get(1, 0), au.get(2, 0)), *wrinkle, thickness=0.02)


def _nose_tip(person: Person, au: dict[int, float]) -> float:
    return 0.24 * person.nose - 0.04 * au.get(9, 0)


def _draw_eye(layer: Layer, person: Person, au: dict[int, float], side: int, blink: float) -> None:
    x, y, size = person.eye_x, person.eye_y, person.eye_size
    lowered = max(au.get(43, 0) + person.rest_lid, blink)
    upper = 0.068 + 0.045 * au.get(5, 0) - 0.012 * au.get(7, 0) - 0.015 * au.get(6, 0)
    lower = 0.055 - 0.034 * au.get(7, 0) - 0.03 * au.get(6, 0) - 0.02 * au.get(9, 0)
    upper = max((upper + lower) * (1 - lowered) - lower, -lower + 0.004) * size
    lower = max(lower, 0.008) * size
    half = 0.155 * size
    inner, outer = (side * (x - half), y + 0.012), (side * (x + half), y - 0.008)
    # A Bezier bow passes half way to its control point, so lids reach a little further.
    top = arc(inner, (side * x, y - upper * 1.12), outer)
    bottom = arc(outer, (side * x, y + lower), inner)
    almond = np.concatenate([top, bottom])

    inside = layer.mask()
    inside.fill(almond, 255)
    ball = layer.like(layer.image.copy())
    ball.fill(almond, (236, 234, 230))
    ball.disc(side * x, y - 0.004, 0.078 * size, 0.078 * size, tinted(person.iris, 0.75))
    ball.disc(side * x, y - 0.004, 0.064 * size, 0.064 * size, person.iris)
    ball.disc(side * x, y - 0.004, 0.034 * size, 0.034 * size, (14, 12, 12))
    ball.disc(side * x + 0.02 * person.light, y - 0.028, 0.014, 0.014, (250, 250, 250))
    ball.stroke(top + np.array([0, 0.02]), (150, 138, 132), 0.025)
    cv2.copyTo(ball.image, inside.image, layer.image)
    lash = tinted(person.hair, 0.45)
    layer.stroke(top, lash, 0.026 if person.long_hair else 0.02)
    layer.stroke(bottom, tinted(person.skin, 0.55), 0.012)
    if lowered < 0.6:
        crease = arc(inner, (side * x, y - 0.115 * size - 0.02 * au.get(5, 0)), outer)
        layer.stroke(crease, tinted(person.skin, 0.7), 0.012)


def _draw_brow(layer: Layer, person: Person, au: dict[int, float], side: int) -> None:
    y = person.eye_y - person.brow_y
    lift_inner = 0.13 * au.get(1, 0) + 0.05 * person.rest_brow - 0.10 * au.get(4, 0)
    lift_inner -= 0.06 * au.get(9, 0)
    lift_middle = 0.05 * au.get(1, 0) + 0.11 * au.get(2, 0) - 0.065 * au.get(4, 0)
    lift_middle -= 0.04 * au.get(9, 0)
    lift_outer = 0.10 * au.get(2, 0) - 0.01 * au.get(4, 0) - 0.015 * au.get(1, 0)
    squeeze = 0.055 * au.get(4, 0)
    x = person.eye_x
    line = arc(
        (side * (x - 0.185 - squeeze), y + 0.02 - lift_inner),
        (side * (x + 0.03), y - 0.035 - lift_middle),
        (side * (x + 0.225), y + 0.045 - lift_outer),
    )
    thick = np.interp(np.linspace(0, 1, len(line)), [0, 0.15, 0.6, 1], [0.6, 1, 0.85, 0.2])
    offset = (0.03 * person.brow_thickness * thick)[:, None] * (0, 1)
    layer.fill(np.concatenate([line - offset, (line + offset)[::-1]]), tinted(person.hair, 0.72))


def _draw_nose(layer: Layer, person: Person, au: dict[int, float]) -> None:
    wing, tip = 0.085 * person.nose * (1 + 0.15 * au.get(9, 0)), _nose_tip(person, au)
    for side in (-1, 1):
        layer.disc(side * wing * 0.75, tip, 0.035, 0.02, tinted(person.skin, 0.42), 0.12)
    below = arc((-wing, tip - 0.01), (0, tip + 0.045), (wing, tip - 0.01))
    layer.stroke(below, tinted(person.skin, 0.66), 0.018, 0.14)


def _draw_mouth(layer: Layer, person: Person, au: dict[int, float], mouth_open: float) -> None:
    y = person.mouth_y
    smile = au.get(12, 0) + person.rest_mouth
    jaw = 0.30 * au.get(26, 0) + 0.05 * au.get(25, 0) + 0.05 * au.get(16, 0) + 0.15 * mouth_open
    jaw *= 1 - 0.35 * au.get(23, 0)
    half = person.mouth_width + 0.075 * au.get(12, 0) + 0.08 * au.get(20, 0)
    half -= 0.05 * au.get(23, 0) + 0.06 * au.get(26, 0)
    corner = y - 0.10 * smile + 0.09 * au.get(15, 0) + 0.03 * au.get(20, 0) + 0.3 * jaw
    top = y - 0.05 * au.get(9, 0) - 0.02 * au.get(12, 0) * (jaw > 0.02) - 0.02 * au.get(16, 0)
    bottom = y + jaw + 0.02 * smile - 0.02 * au.get(15, 0)
    full = person.lips * (1 - 0.55 * au.get(23, 0)) * (1 - 0.2 * au.get(12, 0))
    left, right = (-half, corner), (half, corner)
    red = tinted(person.skin, 0.8) - np.array([-6, 34, 24])
    colour = rgb(np.clip(red, 20, 255))

    upper_lip = np.concatenate(
        [arc(left, (-half * 0.28, top - 0.06 * full), (0, top - 0.045 * full))[:-1],
         arc((0, top - 0.045 * full), (half * 0.28, top - 0.06 * full), right)]
    )  # fmt: skip
    inner_top, inner_bottom = arc(left, (0, top), right), arc(left, (0, bottom), right)
    pout = 0.075 * full + 0.04 * au.get(16, 0)
    lower_lip = arc(left, (0, bottom + pout), right)
    layer.fill(np.concatenate([upper_lip, inner_top[::-1]]), tinted(colour, 0.9))
    layer.fill(np.concatenate([inner_bottom, lower_lip[::-1]]), colour)
    opening = np.concatenate([inner_top, inner_bottom[::-1]])
    if bottom - top > 0.02:
        gap = bottom - top
        inside = layer.mask()
        inside.fill(opening, 255)
        cave = layer.like(layer.image.copy())
        cave.fill(opening, (58, 20, 22))
        cave.disc(0, bottom, half * 0.6, gap * 0.35, (168, 82, 84))
        teeth = min(0.07, 0.45 * gap + 0.05 * au.get(12, 0))
        cave.fill(
            np.concatenate([inner_top, (inner_top + np.array([0, teeth]))[::-1]]), (240, 236, 226)
        )
        if au.get(16, 0) > 0.3 or au.get(20, 0) > 0.4:
            low = inner_bottom - (0, 0.4 * teeth)
            cave.fill(np.concatenate([inner_bottom, low[::-1]]), (226, 220, 210))
        cv2.copyTo(cave.image, inside.image, layer.image)
    layer.stroke(inner_top, tinted(colour, 0.5), 0.016)


_T = np.linspace(0, 1, 13)[:, None]
_CIRCLE = np.stack([np.cos(a := np.linspace(0, 2 * np.pi, 24, endpoint=False)), np.sin(a)], -1)


def arc(start, middle, end) -> np.ndarray:
    """A quadratic Bezier bow through three points: (13, 2)."""
    start, middle, end = np.asarray(start), np.asarray(middle), np.asarray(end)
    control = 2 * middle - (start + end) / 2
    return (1 - _T) ** 2 * start + 2 * _T * (1 - _T) * control + _T**2 * end


def ellipse(x: float, y: float, rx: float, ry: float) -> np.ndarray:
    """An ellipse as a polygon: (24, 2)."""
    return _CIRCLE * (rx, ry) + (x, y)


def tinted(colour: Colour, factor: float) -> Colour:
    """``colour`` made darker (below 1) or lighter."""
    return rgb(np.asarray(colour) * factor)
