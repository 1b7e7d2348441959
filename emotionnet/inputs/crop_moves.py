"""How a crop is moved in training, and its landmarks with it.

Place ``x`` of the moved crop shows place ``turn @ (x - 0.5) + 0.5 + shift`` of the crop, in units of its side.
``xp`` is what computes: NumPy for batches from a cache, `tensorflow.experimental.numpy` inside tf.data.
"""

import math
from typing import Any

import numpy as np

from emotionnet.clips.landmarks import MIRROR_68
from emotionnet.inputs.augmentation import Augmentation

Array = Any
#: Of a mirrored crop.
MIRRORED = np.diag([-1.0, 1.0])


def drawn_move(xp, draws: Array, strength: Augmentation) -> tuple[Array, Array]:
    """The move that is drawn for the faces of a clip.

    Args:
        xp: what computes.
        draws: at least seven numbers in [-1, 1), as `emotionnet.inputs.augment.augment_faces` has them.
        strength: how much.

    Returns:
        ``turn`` (2, 2), which mirrors where its determinant is negative; ``shift`` (2,).
    """
    angle = draws[0] * math.radians(strength.rotation_degrees)
    mirror = xp.where(draws[1] < 2 * strength.flip - 1, np.float32(-1), np.float32(1))
    side = 1 + draws[4] * strength.scale
    cos, sin = side * xp.cos(angle), side * xp.sin(angle)
    turn = xp.stack([xp.stack([mirror * cos, mirror * -sin]), xp.stack([sin, cos])])
    return turn, draws[5:7] * strength.shift


def move_landmarks(
    xp, points: Array, known: Array, turn: Array, shift: Array | float = 0.0
) -> Array:
    """Landmarks (..., frames, 68, 2) of a crop as they are in the moved crop.

    Args:
        xp: what computes.
        points: in units of the crop.
        known: (..., frames), above 0 where there are any; others become 0.
        turn, shift: of the move.
    """
    turn, shift = xp.asarray(turn, points.dtype), xp.asarray(shift, points.dtype)
    a, b, d, e = turn[0, 0], turn[0, 1], turn[1, 0], turn[1, 1]
    det = a * e - b * d
    back = xp.stack([xp.stack([e, -d]), xp.stack([-b, a])]) / det  # the inverse, transposed
    moved = xp.tensordot(points - 0.5 - shift, back, 1) + 0.5
    # What was the left eye is the right one in a mirror.
    moved = xp.where(det < 0, xp.take(moved, MIRROR_68, axis=-2), moved)
    return xp.where(known[..., None, None] > 0, moved, np.float32(0))
