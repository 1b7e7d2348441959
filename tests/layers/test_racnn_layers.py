"""Parts of RACNN: 3-D operations by 2-D ones, attention, and the stack of spectrogram windows."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")
librosa = pytest.importorskip("librosa")

from emotionnet.errors import UsageError  # noqa: E402
from emotionnet.layers import (  # noqa: E402
    ChannelAttention,
    DepthMean,
    DepthNeighbours,
    SpatialAttention,
    SpectrogramWindows,
    WeightedSum,
)
from emotionnet.layers.segments import resampling_matrix  # noqa: E402

TIME, LENGTH, BANDS = 60, 41, 20


def volume(seed=0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(2, 5, 8, 6, 3)).astype(np.float32)


def test_neighbours_and_a_2d_convolution_are_a_3d_convolution():
    x = volume()
    deep = keras.layers.Conv3D(4, (3, 2, 2), strides=(1, 2, 2))
    expected = np.asarray(deep(x))
    flat = keras.layers.Conv2D(4, 2, strides=2)
    beside = DepthNeighbours(3)(x)
    flat.build((None, 8, 6, 9))
    kernel, bias = deep.get_weights()
    flat.set_weights([kernel.transpose(1, 2, 0, 3, 4).reshape(2, 2, 9, 4), bias])
    found = np.asarray(flat(np.asarray(beside).reshape(-1, 8, 6, 9))).reshape(expected.shape)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_mean_over_depth_is_an_average_pool():
    x = volume()
    expected = keras.layers.AveragePooling3D((3, 1, 1), strides=1)(x)
    np.testing.assert_allclose(np.asarray(DepthMean(3)(x)), np.asarray(expected), atol=1e-6)


def test_attention_is_a_gate_that_keeps_the_shape():
    x = volume()
    channels, places = ChannelAttention(reduction=2), SpatialAttention(3)
    gated = np.asarray(channels(x)) / x
    # One gate a clip and channel, one a clip and place.
    np.testing.assert_allclose(gated, np.broadcast_to(gated[:, :1, :1, :1], x.shape), rtol=1e-4)
    assert ((gated > 0) & (gated < 1)).all()
    gated = np.asarray(places(x)) / x
    np.testing.assert_allclose(gated, np.broadcast_to(gated[..., :1], x.shape), rtol=1e-4)
    assert channels.count_params() == 3 * 1 + 1 + 1 * 3 + 3
    assert places.count_params() == 3 * 3 * 2


def spectrogram(seed=0):
    """A spectrogram of which the last frames are filling, and its mask."""
    x = np.random.default_rng(seed).normal(size=(1, TIME, BANDS)).astype(np.float32)
    valid = (np.arange(TIME) < LENGTH).astype(np.float32)[None]
    return x, valid


def test_windows_are_the_spectrogram_and_its_slopes_resampled():
    x, valid = spectrogram()
    layer = SpectrogramWindows(windows=3, size=16, mean=0.5, scale=(2.0, 0.5, 0.25))
    found = np.asarray(layer(x, valid))[0]
    assert found.shape == (3, 16, 16, 3)
    colours = [x[0, :LENGTH] - 0.5]
    for _ in range(2):  # librosa's delta of width 5 is the same regression
        colours.append(librosa.feature.delta(colours[-1].T, width=5, mode="nearest").T)
    bands = resampling_matrix(BANDS, 16)
    # Three windows that share halves are four halves of 8 columns.
    columns = resampling_matrix(LENGTH, 32)
    for colour, (values, scale) in enumerate(zip(colours, (2.0, 0.5, 0.25))):
        picture = (columns.T @ (values / scale) @ bands).T
        for window in range(3):
            expected = picture[:, 8 * window : 8 * window + 16]
            np.testing.assert_allclose(found[window, :, :, colour], expected, atol=1e-5)


@pytest.mark.parametrize("filling", [0.0, -80.0, 1e4])
def test_filling_and_more_of_it_change_nothing(filling):
    x, valid = spectrogram()
    layer = SpectrogramWindows(windows=4, size=12)
    expected = np.asarray(layer(x[:, :LENGTH], valid[:, :LENGTH]))
    x[0, LENGTH:] = filling
    np.testing.assert_allclose(np.asarray(layer(x, valid)), expected, atol=1e-5)


def test_a_recording_of_one_frame_and_one_of_none_give_numbers():
    x, valid = spectrogram()
    for length in (1, 0):
        valid[0] = np.arange(TIME) < length
        found = np.asarray(SpectrogramWindows(size=8)(x, valid))
        assert np.isfinite(found).all()
        assert not found[..., 1:].any()  # no slope
        assert found.any() == (length == 1)


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(UsageError, match="even size"):
        SpectrogramWindows(size=15)


def test_a_weighted_sum_bears_what_is_absent():
    a, b = np.full((4, 3), 1.0, np.float32), np.full((4, 3), 5.0, np.float32)
    a_there = np.array([[1], [1], [0], [0]], np.float32)
    b_there = np.array([[1], [0], [1], [0]], np.float32)
    layer = WeightedSum()
    found = np.asarray(layer(a, b, a_there, b_there))
    np.testing.assert_allclose(found[:, 0], [3, 1, 5, 0])
    layer.set_weights([np.float32(np.log(3.0))])  # three quarters
    np.testing.assert_allclose(np.asarray(layer(a, b, a_there, b_there))[:, 0], [2, 1, 5, 0])
