"""Random frames of each segment, and sound moved a little: what the segment system trains with."""

import cv2
import numpy as np
import pytest
import tensorflow as tf

from emotionnet.inputs.augment import Augmentation, augment, clip_seed, draw_jitter, shift_sound
from emotionnet.inputs.views import View
from emotionnet.layers import SegmentWindows

FRAMES, STEP_S = 60, 1 / 30


def numbered_clip(faces=range(FRAMES)):
    """A clip of 2 s whose frame ``i`` has the brightness ``4 i``, with a face where ``faces`` says."""
    jpegs = [
        cv2.imencode(".jpg", np.full((224, 224, 3), 4 * i, np.uint8))[1].tobytes()
        if i in faces
        else b""
        for i in range(FRAMES)
    ]
    return {
        "jpegs": tf.constant(jpegs),
        "times_s": tf.range(FRAMES, dtype=tf.float32) * STEP_S,
        "waveform": tf.ones(32000),
    }


def picked(clip, jitter=None, frames=5):
    view = View(frames, 32, 32000)(clip, jitter=jitter)
    numbers = np.round(view["faces"].numpy().mean(axis=(1, 2, 3)) / 4).astype(int)
    return numbers, view["frame_mask"].numpy()


def test_no_jitter_takes_the_centres():
    clip = numbered_clip()
    assert picked(clip)[0].tolist() == picked(clip, tf.zeros(5))[0].tolist()
    # 12 frames a segment: the centre lies between its sixth and its seventh.
    assert np.isin(picked(clip)[0] - 12 * np.arange(5), (5, 6)).all()


def test_each_frame_comes_from_its_own_segment():
    clip, seen = numbered_clip(), []
    for seed in range(30):
        jitter = draw_jitter(5, tf.constant([seed, 1]), Augmentation(frame_jitter=1.0))
        numbers, mask = picked(clip, jitter)
        assert (numbers // 12).tolist() == [0, 1, 2, 3, 4]
        assert mask.tolist() == [1] * 5
        seen.append(numbers % 12)
    places = np.concatenate(seen)
    assert len(np.unique(places)) == 12
    # Segments draw by themselves.
    assert any(len(set(numbers)) > 1 for numbers in seen)


def test_which_segments_have_a_face_does_not_depend_on_the_draw():
    clip = numbered_clip(faces=[0, 1, 2, 30, 58])
    wanted = picked(clip)[1].tolist()
    assert wanted == [1, 0, 1, 0, 1]
    for seed in range(20):
        jitter = draw_jitter(5, tf.constant([seed, 1]), Augmentation(frame_jitter=1.0))
        numbers, mask = picked(clip, jitter)
        assert mask.tolist() == wanted
        assert numbers[0] in (0, 1, 2)
        assert numbers[[2, 4]].tolist() == [30, 58]


@pytest.mark.parametrize("faces", [range(FRAMES), ()])
def test_a_moved_frame_moves_its_window(faces):
    """Each window of sound lies within 10 ms of its own frame, not of the centre of its segment."""
    clip = numbered_clip(faces)
    clip["waveform"] = tf.range(32000, dtype=tf.float32)
    strength = Augmentation(
        rotation_degrees=0, flip=0, brightness=0, contrast=0, scale=0, shift=0, noise_share=0,
        frame_jitter=1.0, window_shift_s=0.01,
    )  # fmt: skip
    cut, off = SegmentWindows(5, 400), []
    for seed in range(20):
        seed = tf.constant([seed, 1])
        jitter = draw_jitter(5, seed, strength)
        inputs = augment(View(5, 32, 32000)(clip, jitter=jitter), seed, strength)
        windows, _ = cut(
            inputs["waveform"][None], inputs["waveform_samples"][None], inputs["moves"][None]
        )
        middles = np.asarray(windows)[0, :, 200]
        if faces:
            numbers = np.round(inputs["faces"].numpy().mean(axis=(1, 2, 3)) / 4)
            wanted = (numbers + 0.5) * STEP_S * 16000
        else:
            wanted = (np.arange(5) + 0.5 + jitter.numpy()) * 6400
        off.append(middles - wanted)
        assert not np.allclose(wanted, (np.arange(5) + 0.5) * 6400, atol=300)
    assert np.abs(off).max() <= 161
    assert np.std(off) > 50
    assert np.std(np.std(off, axis=1)) > 5  # each window by a draw of its own


def test_without_jitter_nothing_is_drawn():
    assert draw_jitter(5, tf.constant([0, 1]), Augmentation()) is None


def test_sound_moves_both_ways_and_padding_stays_silent():
    waveform = tf.constant(np.r_[np.arange(1, 801), np.zeros(200)], tf.float32)
    later = shift_sound(waveform, tf.constant(800), tf.constant(0.01)).numpy()
    np.testing.assert_array_equal(later, np.r_[np.zeros(160), np.arange(1, 641), np.zeros(200)])
    earlier = shift_sound(waveform, tf.constant(800), tf.constant(-0.01)).numpy()
    np.testing.assert_array_equal(earlier, np.r_[np.arange(161, 801), np.zeros(360)])


def test_the_shift_is_a_function_of_seed_epoch_and_clip():
    strength = Augmentation(noise_share=0.0, sound_shift_s=0.01)
    sound = tf.cast(tf.range(1, 1001), tf.float32)
    clip = {"waveform": sound, "waveform_samples": tf.constant(1000)}

    def first(seed, epoch, name):
        moved = augment(clip, clip_seed(seed, epoch, tf.constant(name)), strength)["waveform"]
        return moved.numpy().tolist()

    assert first(0, 1, "a") == first(0, 1, "a")
    shifts = {tuple(first(0, epoch, "a")[400:402]) for epoch in range(20)}
    assert len(shifts) > 10
    assert all(abs(a - 401) <= 160 for a, _ in shifts)
