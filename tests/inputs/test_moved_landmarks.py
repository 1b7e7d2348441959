"""Landmarks move with the faces: a mark on a picture stays under its point."""

import numpy as np
import pytest

from emotionnet.clips.landmarks import MIRROR_68
from emotionnet.inputs import array_augment
from emotionnet.inputs.augmentation import Augmentation
from emotionnet.inputs.mirror import mirrored

tf = pytest.importorskip("tensorflow")

from emotionnet.inputs.augment import augment, clip_seed  # noqa: E402

SIDE = 48


def moves(**fields) -> Augmentation:
    """Moves alone, large ones."""
    still = {"brightness": 0, "contrast": 0, "noise_share": 0}
    return Augmentation(rotation_degrees=20, scale=0.2, shift=0.1, **still, **fields)


def marked() -> dict[str, np.ndarray]:
    """68 frames of one face, of which frame ``i`` shows a mark at point ``i`` alone; one is not tracked."""
    points = np.random.default_rng(0).uniform(0.3, 0.7, (68, 2)).astype(np.float32)
    row, column = np.mgrid[:SIDE, :SIDE] + 0.5
    x, y = (points * SIDE).T[..., None, None]
    marks = 255 * np.exp(-((column - x) ** 2 + (row - y) ** 2) / 8)
    known = np.ones(68, np.float32)
    known[9] = 0
    return {
        "faces": np.repeat(np.round(marks)[..., None], 3, axis=-1).astype(np.uint8),
        "frame_mask": np.ones(68, np.float32),
        "landmarks": np.tile(points, (68, 1, 1)) * known[:, None, None],
        "landmark_mask": known,
    }


def marks_of(faces: np.ndarray) -> np.ndarray:
    """Where the mark of each frame is, in units of the crop."""
    weight = faces[..., 0].astype(np.float64)
    weight /= weight.sum(axis=(1, 2), keepdims=True)
    place = (np.arange(SIDE) + 0.5) / SIDE
    return np.stack([weight.sum(axis=1) @ place, weight.sum(axis=2) @ place], axis=1)


def check(given: dict, got: dict, is_mirrored: bool) -> None:
    order = np.array(MIRROR_68 if is_mirrored else range(68))
    known = np.flatnonzero(given["landmark_mask"])
    points = np.asarray(got["landmarks"])
    assert points.dtype == np.float32
    assert not points[9].any()
    # Within a quarter of a pixel; without moving along, points would be several pixels off.
    under = points[known[0]][order]
    assert np.abs(marks_of(np.asarray(got["faces"])) - under).max() < 0.25 / SIDE
    np.testing.assert_array_equal(points[known], np.tile(points[known[0]], (67, 1, 1)))


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_points_stay_on_their_marks(flip):
    clip, strength = marked(), moves(flip=flip)
    off = 0.0
    for epoch in range(3):
        for got in (
            augment(
                {k: tf.constant(v) for k, v in clip.items()},
                clip_seed(0, epoch, tf.constant("a")),
                strength,
            ),
            array_augment.augment(clip, array_augment.clip_generator(0, epoch, "a"), strength),
        ):
            check(clip, got, bool(flip))
            off = max(off, np.abs(np.asarray(got["landmarks"]) - clip["landmarks"]).max())
    assert off > 3 / SIDE
    check(clip, {k: v[0] for k, v in mirrored({k: v[None] for k, v in clip.items()}).items()}, True)


def test_landmarks_alone_are_other_ones_in_each_epoch_only_where_faces_move():
    names = ("landmarks", "landmark_mask")
    clip = {name: value for name, value in marked().items() if name in names}
    assert moves().changes(names)
    got = array_augment.augment(clip, array_augment.clip_generator(0, 0, "a"), moves())
    assert np.abs(got["landmarks"] - clip["landmarks"]).max() > 0.01
    light = Augmentation(rotation_degrees=0, flip=0, scale=0, shift=0)
    assert not light.changes(names)
    got = array_augment.augment(clip, array_augment.clip_generator(0, 0, "a"), light)
    np.testing.assert_array_equal(got["landmarks"], clip["landmarks"])
