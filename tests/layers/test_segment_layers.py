"""Grey faces and windows of sound: against plain NumPy, and what must not matter."""

import numpy as np
import pytest

pytest.importorskip("keras")

from keras import ops

from emotionnet.errors import UsageError
from emotionnet.layers import GreyFaces, KeepFeatures, SegmentWindows, TakeSegment

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("size", [224, 112, 64])
def test_grey_goes_from_black_to_white(size):
    grey = GreyFaces()
    for value, wanted in ((0, -1.0), (255, 1.0), (127.5, 0.0)):
        out = np.asarray(grey(np.full((1, size, size, 3), value, np.float32)))
        assert out.shape == (1, 98, 80, 1)
        np.testing.assert_allclose(out, wanted, atol=1e-5)


def test_a_face_is_not_squeezed():
    # A ramp in x, seen in the middle 80/98 of the picture, and a ramp in y over all of it.
    size, luma = 196, 1.0
    x = np.broadcast_to(np.arange(size, dtype=np.float32), (size, size))
    for ramp, axis in ((x, 1), (x.T, 0)):
        picture = np.repeat(ramp[None, :, :, None] * luma, 3, axis=-1)
        out = (np.asarray(GreyFaces()(picture))[0, :, :, 0] + 1) * 127.5
        line = out.mean(axis=1 - axis)
        steps = np.diff(line)[2:-2]  # edges repeat
        np.testing.assert_allclose(steps, 2.0, atol=1e-3)
        np.testing.assert_allclose(line[len(line) // 2 - 1 : len(line) // 2 + 1].mean(), 97.5, 1e-4)


def test_no_aliasing():
    stripes = np.zeros((1, 224, 224, 3), np.float32)
    stripes[:, :, ::2] = 255  # finer than the new pixels: grey, not moire
    out = np.asarray(GreyFaces()(stripes))[0, 2:-2, 2:-2]
    assert np.abs(out).max() < 0.25


def windows_by_hand(waveform, length, segments, window):
    out = np.zeros((segments, window), np.float32)
    for i in range(segments):
        begin = (2 * i + 1) * length // (2 * segments) - window // 2
        for k in range(window):
            if 0 <= begin + k < length:
                out[i, k] = waveform[begin + k]
    return out


@pytest.mark.parametrize("length", [1, 37, 100, 300])
def test_windows_lie_around_the_centres_of_the_segments(length):
    waveform = RNG.normal(size=(1, 300)).astype(np.float32)
    windows, heard = SegmentWindows(4, 60)(waveform, np.array([length], np.int32))
    wanted = windows_by_hand(waveform[0], length, 4, 60)
    np.testing.assert_array_equal(np.asarray(windows)[0], wanted)
    np.testing.assert_array_equal(heard, np.ones((1, 4)))


def test_no_sound_is_silence_and_not_heard():
    waveform = RNG.normal(size=(2, 300)).astype(np.float32)
    windows, heard = SegmentWindows(3, 50)(waveform, np.array([0, 300], np.int32))
    assert not np.asarray(windows)[0].any()
    np.testing.assert_array_equal(heard, [[0, 0, 0], [1, 1, 1]])


def test_what_follows_the_end_does_not_matter():
    waveform = RNG.normal(size=(1, 300)).astype(np.float32)
    other = waveform.copy()
    other[:, 120:] = 9.0
    layer, length = SegmentWindows(5, 64), np.array([120], np.int32)
    np.testing.assert_array_equal(layer(waveform, length)[0], layer(other, length)[0])


def test_segments_of_a_padded_clip_beyond_its_end_have_no_sound():
    waveform = RNG.normal(size=(1, 300)).astype(np.float32)
    layer = SegmentWindows(3, 60, padded=True)
    windows, heard = layer(waveform, np.array([170], np.int32))
    np.testing.assert_array_equal(heard, [[1, 1, 0]])
    np.testing.assert_array_equal(windows[0, 0], waveform[0, 20:80])
    np.testing.assert_array_equal(np.asarray(windows)[0, 1, 50:], 0)
    np.testing.assert_array_equal(layer(waveform, np.array([0], np.int32))[1], 0)
    assert SegmentWindows.from_config(layer.get_config()).padded


def test_keep_and_take():
    x = RNG.normal(size=(2, 3, 5)).astype(np.float32)
    kept = np.asarray(KeepFeatures(1, 3)(x))
    np.testing.assert_array_equal(kept[..., 1:3], x[..., 1:3])
    assert not kept[..., [0, 3, 4]].any()
    np.testing.assert_array_equal(TakeSegment(1)(ops.convert_to_tensor(x)), x[:, 1])


def test_bad_settings_are_refused():
    with pytest.raises(UsageError):
        GreyFaces(80, 98)
    with pytest.raises(UsageError):
        SegmentWindows(0, 10)
