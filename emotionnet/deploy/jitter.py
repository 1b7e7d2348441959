"""How much answers depend on where exactly faces are cut out, measured on the stored crops.

All crops of a clip are moved alike, as another face finder's landmarks would move them. What lies
beyond a crop's edge is not known any more: its outermost pixels are repeated. (`benchmarks/box_jitter.py`
cuts anew from the clips.)
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

#: Of the crop's side.
SCALE = 0.1
_SIDES = ((1, 0), (-1, 0), (0, 1), (0, -1))
#: Kind to its moves: shift to the right and down as a share of the side, change of the side in `SCALE`.
KINDS = {
    "shift_5_percent": [(0.05 * x, 0.05 * y, 0) for x, y in _SIDES],
    "shift_10_percent": [(0.1 * x, 0.1 * y, 0) for x, y in _SIDES],
    "side_90_percent": [(0.0, 0.0, -1)],
    "side_110_percent": [(0.0, 0.0, 1)],
}


def crop_sensitivity(
    answer: Callable[[Mapping[str, np.ndarray]], np.ndarray],
    clips: Mapping[str, np.ndarray],
    margin: float,
) -> dict[str, Any]:
    """The share of answers that stay when the crops move.

    Args:
        answer: the inputs of clips to probabilities (clips, classes).
        clips: the inputs of the model, (clips, ...).
        margin: lead over the second answer from which on a clip is clear.

    Returns:
        ``clips``, ``clear`` (their numbers), and each kind of `KINDS` with ``same_answer``
        and ``same_answer_clear`` (None where no clip is clear).
    """
    found = answer(clips)
    best, ordered = found.argmax(axis=1), np.sort(found, axis=1)
    clear = ordered[:, -1] - ordered[:, -2] >= margin
    result: dict[str, Any] = {"clips": len(best), "clear": int(clear.sum())}
    for kind, moves in KINDS.items():
        answers = [answer({**clips, "faces": _moved(clips["faces"], move)}) for move in moves]
        same = np.stack(answers).argmax(axis=2) == best
        result[kind] = {
            "same_answer": round(float(same.mean()), 4),
            "same_answer_clear": round(float(same[:, clear].mean()), 4) if clear.any() else None,
        }
    return result


def _moved(faces: np.ndarray, move: tuple[float, float, int]) -> np.ndarray:
    """(clips, frames, S, S, 3) uint8 as if the boxes had been shifted, or larger or smaller."""
    import tensorflow as tf

    from emotionnet.inputs.augment import augment_faces
    from emotionnet.inputs.augmentation import Augmentation

    right, down, larger = move
    only_moves = Augmentation(
        rotation_degrees=0, flip=0, brightness=0, contrast=0, scale=SCALE, shift=1.0
    )
    draws = tf.constant([0, 0, 0, 0, larger, right, down], tf.float32)
    return np.stack([augment_faces(tf.constant(f), draws, only_moves) for f in faces])
