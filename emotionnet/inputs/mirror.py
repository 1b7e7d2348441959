"""What a model would have been given, had the person been filmed in a mirror."""

from collections.abc import Mapping

import numpy as np

from emotionnet.clips.landmarks import MIRROR_68
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
        flipped = given[points][..., MIRROR_68, :] * np.float32([-1, 1]) + np.float32([1, 0])
        given[points] = flipped * (given[known] > 0)[..., None, None]
    return given
