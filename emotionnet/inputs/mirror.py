"""A model's inputs with the picture mirrored."""

from collections.abc import Mapping

import numpy as np

from emotionnet.inputs.crop_moves import MIRRORED, move_landmarks
from emotionnet.inputs.kinds import STREAMS


def mirrored(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A batch of inputs with pictures and landmarks mirrored; sound has no sides.

    Args:
        inputs: by name, (batch, …); landmarks in units of the crop.
    """
    given = dict(inputs)
    faces, points, known = (
        STREAMS["faces"].content.name, *STREAMS["geometry"].inputs
    )  # fmt: skip
    if faces in given:
        given[faces] = given[faces][..., ::-1, :]
    if points in given:
        given[points] = move_landmarks(
            np, np.asarray(given[points]), np.asarray(given[known]), MIRRORED
        )
    return given
