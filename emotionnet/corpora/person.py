"""Who is drawn, and which action units an emotion moves.

Action units (AU) are numbered as in the Facial Action Coding System (Ekman & Friesen, 1978) and have
an intensity of about 0 to 1.
"""

from dataclasses import dataclass

import numpy as np

#: Action units of each emotion (after EMFACS), and how strong each is at the apex.
PROTOTYPES: dict[str, dict[int, float]] = {
    "neutral": {},
    "calm": {12: 0.2, 43: 0.25},
    "happy": {6: 0.9, 12: 1.0, 25: 0.35},
    "sad": {1: 1.0, 4: 0.4, 15: 1.0, 43: 0.25},
    "angry": {4: 1.0, 5: 0.5, 7: 0.8, 23: 1.0},
    "fearful": {1: 1.0, 2: 0.7, 4: 0.3, 5: 0.9, 20: 0.7, 26: 0.5},
    "disgust": {4: 0.3, 7: 0.5, 9: 1.0, 15: 0.5, 16: 0.8},
    "surprised": {1: 1.0, 2: 1.0, 5: 1.0, 26: 0.9},
}

Colour = tuple[int, int, int]

_SKIN = np.array([[247, 214, 190], [232, 184, 150], [205, 148, 110], [160, 106, 74], [112, 73, 52]])
_HAIR: tuple[Colour, ...] = (
    (38, 30, 28), (72, 48, 34), (116, 74, 44), (178, 138, 84), (128, 62, 40), (150, 146, 143),
)  # fmt: skip
_IRIS: tuple[Colour, ...] = ((70, 46, 30), (96, 70, 40), (84, 108, 132), (82, 104, 74))


@dataclass(frozen=True)
class Person:
    """What one drawn person looks like; lengths are in half face heights.

    Attributes:
        skin, hair, iris, clothes, wall: RGB, 0 to 255; ``wall`` is the background.
        long_hair: hair falls beside the face instead of ending above the ears.
        half_width: of the face, at the cheek bones.
        jaw: how much the face narrows towards the chin, 0 to 1.
        eye_x, eye_y, eye_size: place and size (1 is usual) of the eyes.
        brow_y, brow_thickness: distance from eye to brow; thickness (1 is usual).
        nose, mouth_y, mouth_width, lips: size of the nose, place of the mouth, fullness of the lips.
        rest_mouth, rest_brow, rest_lid: the face at rest: mouth corners up, inner brows up, lids low.
        light: x of the lamp, -1 (left) to 1; contrast: how strongly it shades.
    """

    skin: Colour
    hair: Colour
    iris: Colour
    clothes: Colour
    wall: Colour
    long_hair: bool
    half_width: float
    jaw: float
    eye_x: float
    eye_y: float
    eye_size: float
    brow_y: float
    brow_thickness: float
    nose: float
    mouth_y: float
    mouth_width: float
    lips: float
    rest_mouth: float
    rest_brow: float
    rest_lid: float
    light: float
    contrast: float


def rgb(values) -> Colour:
    """Rounds three numbers to RGB from 0 to 255."""
    return tuple(int(v) for v in np.clip(np.rint(values), 0, 255))


def random_person(rng: np.random.Generator, female: bool, tone: float | None = None) -> Person:
    """Draws a person.

    Args:
        rng: where all choices come from.
        female: longer hair, fuller lips, thinner brows, narrower jaw.
        tone: skin from light (0) to dark (1); drawn from ``rng`` by default.
    """
    tone = rng.uniform() if tone is None else tone
    steps = np.arange(len(_SKIN)) / (len(_SKIN) - 1)
    skin = [float(np.interp(tone, steps, _SKIN[:, channel])) for channel in range(3)]
    hair = _HAIR[rng.integers(3 if tone > 0.6 else len(_HAIR))]
    iris = _IRIS[rng.integers(2 if tone > 0.5 else len(_IRIS))]
    return Person(
        skin=rgb(skin + rng.normal(0, 4, 3)),
        hair=rgb(np.array(hair) * rng.uniform(0.85, 1.15)),
        iris=iris,
        clothes=rgb(rng.uniform(30, 200, 3)),
        wall=rgb(rng.uniform(90, 215) + rng.normal(0, 22, 3)),
        long_hair=bool(rng.uniform() < (0.85 if female else 0.08)),
        half_width=rng.uniform(0.66, 0.74) + (0 if female else 0.03),
        jaw=rng.uniform(0.16, 0.26) + (0.06 if female else 0),
        eye_x=rng.uniform(0.29, 0.34),
        eye_y=rng.uniform(-0.15, -0.08),
        eye_size=rng.uniform(0.9, 1.1) + (0.06 if female else 0),
        brow_y=rng.uniform(0.21, 0.27),
        brow_thickness=rng.uniform(0.75, 1.05) if female else rng.uniform(0.95, 1.4),
        nose=rng.uniform(0.85, 1.15),
        mouth_y=rng.uniform(0.50, 0.57),
        mouth_width=rng.uniform(0.25, 0.3),
        lips=rng.uniform(0.95, 1.35) if female else rng.uniform(0.75, 1.05),
        rest_mouth=rng.uniform(-0.12, 0.12),
        rest_brow=rng.uniform(-0.12, 0.12),
        rest_lid=rng.uniform(0.0, 0.12),
        light=rng.uniform(-1, 1),
        contrast=rng.uniform(0.25, 0.6),
    )
