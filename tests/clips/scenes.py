"""Drawn pictures (and sounds) for the tests of clips."""

import numpy as np
from recordings import tone as tone

from emotionnet.corpora.drawing import PROTOTYPES, background, draw_face, random_person

WOMAN = random_person(np.random.default_rng(0), female=True)
MAN = random_person(np.random.default_rng(3), female=False)


def scene(*faces, size=(180, 240)):
    """A picture with faces, each (person, centre, height from crown to chin)."""
    canvas = background(*size, WOMAN)
    for person, centre, height in faces:
        draw_face(canvas, centre, height, person, PROTOTYPES["happy"])
    return canvas


def woman(shift=0.0):
    """A 240 by 180 picture of one face."""
    return scene((WOMAN, (120 + shift, 90), 110))
