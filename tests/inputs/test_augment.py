import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from emotionnet.inputs.augment import Augmentation, augment, augment_faces, clip_seed  # noqa: E402


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
    calm = Augmentation(rotation_degrees=0, flip=0, brightness=0, contrast=0)
    np.testing.assert_array_equal(augment_faces(faces, tf.zeros(4), calm), faces)
    mirror = Augmentation(rotation_degrees=0, flip=1, brightness=0, contrast=0)
    np.testing.assert_array_equal(augment_faces(faces, tf.zeros(4), mirror), faces[:, :, ::-1])


def test_rotation_turns_about_the_middle():
    dot = np.zeros((1, 33, 33, 3), np.uint8)
    dot[0, 16, 26] = 255  # right of the middle, 10 pixels
    strength = Augmentation(rotation_degrees=90, flip=0, brightness=0, contrast=0)
    turned = augment_faces(tf.constant(dot), tf.constant([1.0, 0, 0, 0]), strength).numpy()
    row, column = np.unravel_index(turned[0, :, :, 0].argmax(), (33, 33))
    assert (abs(row - 16), column) == (10, 16)
