from dataclasses import replace

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from emotionnet.inputs.augment import Augmentation, augment, augment_faces, clip_seed  # noqa: E402

STILL = Augmentation(rotation_degrees=0, flip=0, brightness=0, contrast=0, scale=0, shift=0)


def one_clip() -> dict:
    rng = np.random.default_rng(0)
    return {
        "faces": tf.constant(rng.integers(0, 256, (3, 16, 16, 3)), tf.uint8),
        "frame_mask": tf.ones(3),
        "waveform": tf.constant(np.r_[rng.normal(size=80), np.zeros(20)], tf.float32),
        "waveform_samples": tf.constant(80),
    }


def test_it_is_a_function_of_seed_epoch_and_clip():
    def run(seed, epoch, clip):
        return augment(one_clip(), clip_seed(seed, epoch, tf.constant(clip)), Augmentation())

    same, again = run(1, 2, "a"), run(1, 2, "a")
    for name in same:
        np.testing.assert_array_equal(same[name], again[name])
    for other in (run(2, 2, "a"), run(1, 3, "a"), run(1, 2, "b")):
        assert not np.array_equal(same["faces"], other["faces"])


def test_shapes_types_and_padding_stay():
    clip = one_clip()
    for epoch in range(8):
        out = augment(clip, clip_seed(0, epoch, tf.constant("x")), Augmentation(noise_share=1.0))
        for name, value in clip.items():
            assert out[name].dtype == value.dtype
            assert out[name].shape == value.shape
        assert not np.any(out["waveform"][80:])
        assert not np.array_equal(out["waveform"][:80], clip["waveform"][:80])


def test_no_draw_changes_nothing_and_a_flip_is_a_flip():
    faces = one_clip()["faces"]
    np.testing.assert_array_equal(augment_faces(faces, tf.zeros(7), STILL), faces)
    mirror = replace(STILL, flip=1)
    np.testing.assert_array_equal(augment_faces(faces, tf.zeros(7), mirror), faces[:, :, ::-1])


def dot_at(row: int, column: int) -> tf.Tensor:
    faces = np.zeros((1, 33, 33, 3), np.uint8)
    faces[0, row, column] = 255
    return tf.constant(faces)


def brightest(faces: tf.Tensor) -> tuple[int, int]:
    return tuple(int(i) for i in np.unravel_index(faces[0, :, :, 0].numpy().argmax(), (33, 33)))


def test_rotation_turns_about_the_middle():
    draws = tf.constant([1.0, 0, 0, 0, 0, 0, 0])
    turned = augment_faces(dot_at(16, 26), draws, replace(STILL, rotation_degrees=90))
    row, column = brightest(turned)
    assert (abs(row - 16), column) == (10, 16)


def test_scale_and_shift_move_the_crop_and_not_the_middle():
    wider = tf.constant([0, 0, 0, 0, 1.0, 0, 0])
    # A crop twice as wide shows a point half as far from its middle.
    assert brightest(augment_faces(dot_at(16, 26), wider, replace(STILL, scale=1.0))) == (16, 21)
    moved = tf.constant([0, 0, 0, 0, 0, 1.0, -1.0])
    # A crop moved right and up shows everything further left and down, by 3 of 33 pixels.
    assert brightest(augment_faces(dot_at(16, 16), moved, replace(STILL, shift=1 / 11))) == (19, 13)


def test_noise_of_a_printed_variance_is_as_loud_in_every_clip():
    strength = Augmentation(noise_share=1.0, noise_std=0.0, noise_variance=0.01)
    for level in (0.0, 0.5):
        clip = {"waveform": tf.fill([16000], level), "waveform_samples": tf.constant(16000)}
        noisy = augment(clip, tf.constant([1, 2]), strength)["waveform"].numpy()
        assert abs(noisy.std() - 0.1) < 0.005
