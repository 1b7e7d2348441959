"""How a crop is moved in training, and its landmarks with it.

Place ``x`` of the moved crop shows place ``turn @ (x - 0.5) + 0.5 + shift`` of the crop, in units of its side.
In NumPy; `emotionnet.inputs.augment` has the same in tf.data.
"""

import math

import numpy as np

from emotionnet.clips.landmarks import MIRROR_68
from emotionnet.inputs.augmentation import Augmentation

#: Of a crop whose person stands in front of a mirror.
MIRRORED = np.diag([-1.0, 1.0])


def drawn_move(draws: np.ndarray, strength: Augmentation) -> tuple[np.ndarray, np.ndarray]:
    """The move that is drawn for the faces of a clip.

    Args:
        draws: at least seven numbers in [-1, 1), as `emotionnet.inputs.augment.augment_faces` has them.
        strength: how much.

    Returns:
        ``turn`` (2, 2), which mirrors where its determinant is negative; ``shift`` (2,).
    """
    angle = draws[0] * math.radians(strength.rotation_degrees)
    mirror = -1.0 if draws[1] < 2 * strength.flip - 1 else 1.0
    side = 1 + draws[4] * strength.scale
    cos, sin = side * math.cos(angle), side * math.sin(angle)
    turn = np.array([[mirror * cos, -mirror * sin], [sin, cos]])
    return turn, np.array([draws[5], draws[6]]) * strength.shift


def move_landmarks(
    points: np.ndarray, known: np.ndarray, turn: np.ndarray, shift: np.ndarray | float = 0.0
) -> np.ndarray:
    """Landmarks (..., frames, 68, 2) of a crop as they are in the moved crop.

    Args:
        points: in units of the crop.
        known: (..., frames), above 0 where there are any; others become 0.
        turn, shift: of the move.
    """
    moved = (points - 0.5 - shift) @ np.linalg.inv(turn).T + 0.5
    if np.linalg.det(turn) < 0:  # what was the left eye is the right one
        moved = moved[..., MIRROR_68, :]
    return np.where(known[..., None, None] > 0, moved, 0).astype(points.dtype)
