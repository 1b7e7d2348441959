"""Drawn, shaded faces whose brows, eyes and mouth obey facial action units.

>>> person = random_person(np.random.default_rng(0), female=True)
>>> canvas = background(180, 240, person)
>>> draw_face(canvas, (120, 90), 110, person, PROTOTYPES["happy"])
"""

import functools
from collections.abc import Mapping

import cv2
import numpy as np

from emotionnet.corpora.features import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    Layer,
    blurred_part,
    draw_features,
    ellipse,
    tinted,
)
from emotionnet.corpora.person import PROTOTYPES, Colour, Person, random_person

__all__ = ["PROTOTYPES", "Person", "background", "draw_face", "random_person"]


def background(height: int, width: int, person: Person) -> np.ndarray:
    """An empty picture of the person's wall: (height, width, 3) uint8 RGB, lighter by the lamp."""
    across = np.linspace(-1, 1, width) * person.light
    down = np.linspace(0.5, -0.5, height)
    shade = 1 + 0.14 * across[None, :] + 0.14 * down[:, None]
    return np.clip(np.array(person.wall) * shade[..., None], 0, 255).astype(np.uint8)


def draw_face(
    canvas: np.ndarray,
    centre: tuple[float, float],
    size: float,
    person: Person,
    action_units: Mapping[int, float] | None = None,
    *,
    mouth_open: float = 0.0,
    blink: float = 0.0,
    yaw: float = 0.0,
    pitch: float = 0.0,
    roll: float = 0.0,
) -> None:
    """Draws head, hair and shoulders onto ``canvas``; what lies outside of it is cut off.

    Args:
        canvas: (height, width, 3) uint8 RGB, changed in place.
        centre: x and y of the middle of the face, in pixels.
        size: height of the face from crown to chin, in pixels.
        person: who it is.
        action_units: AU number to intensity; see `PROTOTYPES`. Unknown numbers are ignored.
        mouth_open: opening of the mouth by speech, 0 to 1.
        blink: 0 (as the action units have it) to 1 (closed).
        yaw, pitch: turn to the picture's right, and down, in radians; up to about 0.4.
        roll: tilt, clockwise, in radians.
    """
    # Twice the final resolution, which with the blur below leaves no jagged edges.
    scale = max(8, round(size))
    sigma = max(0.8, 0.012 * scale)
    head, still, alpha = _head(person, scale, sigma)
    layer = Layer(head.copy(), scale, yaw, pitch)
    draw_features(layer, person, dict(action_units or {}), mouth_open, blink)
    place, soft = blurred_part(layer.image, cv2.absdiff(layer.image, head), sigma)
    picture = still.copy()
    picture[place] = soft

    zoom = size / 2 / scale
    cos, sin = zoom * np.cos(roll), zoom * np.sin(roll)
    matrix = np.array([[cos, -sin, 0], [sin, cos, 0]])
    matrix[:, 2] = np.asarray(centre) - matrix[:, :2] @ (np.array([-LEFT, -TOP]) * scale)
    height, width = canvas.shape[:2]
    # Only the part of the canvas that the patch can reach.
    corners = np.array([[0, 0], [1, 0], [0, 1], [1, 1]]) * picture.shape[1::-1]
    reach = corners @ matrix[:, :2].T + matrix[:, 2]
    x0, y0 = np.clip(np.floor(reach.min(0)), 0, (width, height)).astype(int)
    x1, y1 = np.clip(np.ceil(reach.max(0)), 0, (width, height)).astype(int)
    if x1 <= x0 or y1 <= y0:
        return
    matrix[:, 2] -= (x0, y0)
    box = (int(x1 - x0), int(y1 - y0))
    front = cv2.warpAffine(picture, matrix, box, borderMode=cv2.BORDER_REPLICATE)
    cover = cv2.warpAffine(alpha, matrix, box)
    target = canvas[y0:y1, x0:x1]
    cover = cv2.merge([cover, cover, cover])
    blended = cv2.add(
        cv2.multiply(front, cover, scale=1 / 255),
        cv2.multiply(target, cv2.bitwise_not(cover), scale=1 / 255),
    )
    target[:] = blended


@functools.lru_cache(maxsize=8)
def _head(person: Person, scale: int, sigma: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All that does not move in a face: hair, skin, ears, neck, clothes. RGB patch, the same blurred, and its alpha."""
    shape = (round((BOTTOM - TOP) * scale), round((RIGHT - LEFT) * scale), 3)
    layer = Layer(np.full(shape, person.skin, np.uint8), scale)
    cover = layer.mask()

    def both(points: np.ndarray, colour: Colour) -> None:
        layer.fill(points, colour)
        # Beyond its edge, where the alpha is not yet 0, there must be the same colour.
        layer.stroke(np.concatenate([points, points[:1]]), colour, 0.04)
        cover.fill(points, 255)

    width = person.half_width
    outline = _outline(person)
    if person.long_hair:
        angle = np.linspace(0, 2 * np.pi, 60)
        fall = np.stack([np.sin(angle) * (width + 0.22), 0.12 - np.cos(angle) * 1.28], -1)
        both(fall, tinted(person.hair, 0.8))
    else:
        both(outline * (1.07, 1.09) - (0, 0.02), tinted(person.hair, 0.9))
    both(np.array([[-0.3, 0.7], [0.3, 0.7], [0.36, 1.5], [-0.36, 1.5]]), tinted(person.skin, 0.78))
    both(ellipse(0, 2.05, 1.25, 0.78), person.clothes)
    for side in (-1, 1):
        if not person.long_hair:
            both(ellipse(side * (width + 0.01), 0.03, 0.09, 0.19), tinted(person.skin, 0.86))
    layer.fill(outline, person.skin)
    cover.fill(outline, 255)

    lit = _shaded(layer.image, person, outline, scale)
    hair, fringe = layer.like(lit), _fringe(person)
    hair.fill(fringe, tinted(person.hair, 1.05))
    cover.fill(fringe, 255)
    head = cv2.GaussianBlur(hair.image, (0, 0), sigma)
    return (
        head,
        cv2.GaussianBlur(head, (0, 0), sigma),
        cv2.GaussianBlur(cover.image, (0, 0), max(0.8, 0.015 * scale)),
    )


def _shaded(image: np.ndarray, person: Person, outline: np.ndarray, scale: int) -> np.ndarray:
    """Lambert's law on an ellipsoid under the person's lamp, on the face only."""
    height, width = image.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / scale
    nx, ny = (x + LEFT) / 0.85, (y + TOP) / 1.2
    nz = np.sqrt(np.clip(1 - nx**2 - ny**2, 0.02, 1))
    lamp = np.array([0.75 * person.light, -0.45, 0.8])
    lamp /= np.linalg.norm(lamp)
    light = np.clip(nx * lamp[0] + ny * lamp[1] + nz * lamp[2], 0, 1)
    shade = 1 + person.contrast * (light - 0.75)
    face = Layer(image, scale).mask()
    face.fill(outline, 255)
    weight = cv2.GaussianBlur(face.image, (0, 0), 0.02 * scale).astype(np.float32) / 255
    shade = 1 + weight * (shade - 1)
    # Blood under the skin of the cheeks.
    for side in (-1, 1):
        blush = np.exp(-(((x + LEFT - side * 0.42) / 0.2) ** 2 + ((y + TOP - 0.28) / 0.17) ** 2))
        image = image - (blush * weight)[..., None] * (-2, 14, 10)
    return np.clip(image * shade[..., None], 0, 255).astype(np.uint8)


def _outline(person: Person) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    x, y = np.sin(angle), -np.cos(angle)
    narrowing = 1 - person.jaw * np.clip(y, 0, 1) ** 1.5
    return np.stack([x * person.half_width * narrowing, y], -1)


def _fringe(person: Person) -> np.ndarray:
    """The hair over the forehead: the crown of the outline down to the hair line."""
    angle = np.linspace(-1.15, 1.15, 40)
    x = np.sin(angle) * person.half_width * 1.08
    crown = np.stack([x, -np.cos(angle) * 1.08 - 0.01], -1)
    line = -0.66 - 0.07 * np.cos(x / person.half_width * 2.6)
    return np.concatenate([crown, np.stack([x, line + 0.3 * np.abs(x) ** 3], -1)[::-1]])
