"""Sounds and drawn pictures for the tests of clips."""

import numpy as np

from emotionnet.corpora.drawing import PROTOTYPES, background, draw_face, random_person

WOMAN = random_person(np.random.default_rng(0), female=True)
MAN = random_person(np.random.default_rng(3), female=False)


def tone(seconds, rate=16000, hz=200.0, level=0.3):
    """(samples,) float32 sine."""
    return (level * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype("f4")


def scene(*faces, size=(180, 240)):
    """A picture with faces, each (person, centre, height from crown to chin)."""
    canvas = background(*size, WOMAN)
    for person, centre, height in faces:
        draw_face(canvas, centre, height, person, PROTOTYPES["happy"])
    return canvas


def woman(shift=0.0):
    """A 240 by 180 picture of one face."""
    return scene((WOMAN, (120 + shift, 90), 110))
