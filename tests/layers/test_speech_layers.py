"""The window about the speech, augmentation of spectrograms, and attentive pooling."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from emotionnet.errors import UsageError  # noqa: E402
from emotionnet.layers import AttentivePooling, SpectrogramAugment, SpeechWindow  # noqa: E402

RNG = np.random.default_rng(0)
FLOOR, TIME, BANDS = -70.0, 60, 8
WORD = RNG.normal(-10, 4, (12, BANDS)).astype(np.float32)


def clip(start: int, gain: float = 0.0, valid: int = TIME):
    """Decibels (1, TIME, BANDS) with a word in silence, and which frames are valid."""
    x = np.full((1, TIME, BANDS), FLOOR, np.float32)
    x[0, start : start + len(WORD)] = WORD
    return x + gain, (np.arange(TIME)[None] < valid).astype(np.float32)


def window(*sound, **config):
    return np.asarray(SpeechWindow(**{"frames": 20, **config})(*sound))


def test_window_follows_the_speech_and_its_level():
    found = window(*clip(5))
    assert found.shape == (1, 20, BANDS)
    np.testing.assert_allclose(window(*clip(31)), found, atol=1e-5)
    np.testing.assert_allclose(window(*clip(31, gain=-25)), found, atol=1e-4)
    # The word stands in the middle, its mean is 0 and its differences stay.
    np.testing.assert_allclose(found[0, 4:16], (WORD - WORD.mean()) / 15, atol=1e-5)


def test_window_is_clamped_to_the_recording():
    sound, valid = clip(0)
    np.testing.assert_allclose(window(sound, valid)[0, :12], (WORD - WORD.mean()) / 15, atol=1e-5)


def test_filling_is_never_seen():
    sound, valid = clip(10, valid=30)
    filled = sound.copy()
    filled[:, 30:] = 40.0
    np.testing.assert_array_equal(window(filled, valid), window(sound, valid))


def test_noise_below_the_dynamic_range_does_not_matter():
    sound, valid = clip(20)
    noisy = np.where(sound == FLOOR, FLOOR + RNG.uniform(0, 3, sound.shape), sound)
    np.testing.assert_allclose(
        window(noisy, valid, dynamic_db=40), window(sound, valid, dynamic_db=40), atol=1e-5
    )


def test_window_longer_than_the_recording_and_nothing_valid():
    assert window(*clip(5), frames=100).shape == (1, 100, BANDS)
    assert np.isfinite(window(*clip(5, valid=0))).all()


def spectrograms(batch=4):
    return RNG.normal(size=(batch, TIME, BANDS)).astype(np.float32)


OFF = {
    "stretch": 0, "time_shift": 0, "band_scale": 0, "band_shift": 0,
    "filter_std": 0, "noise": 0, "time_mask": 0, "band_mask": 0, "masks": 0,
}  # fmt: skip


def test_augmentation_is_for_training_and_by_its_seed():
    x = spectrograms()
    layer = SpectrogramAugment(seed=3)
    np.testing.assert_array_equal(layer(x), x)
    first, second = (np.asarray(layer(x, training=True)) for _ in range(2))
    assert first.shape == x.shape
    assert np.abs(first - second).max() > 0.1
    again = SpectrogramAugment.from_config(layer.get_config())
    np.testing.assert_array_equal(again(x, training=True), first)


def test_all_off_is_nothing():
    x = spectrograms()
    np.testing.assert_allclose(SpectrogramAugment(**OFF)(x, training=True), x, atol=1e-6)


def test_time_and_bands_are_moved():
    x = np.zeros((50, TIME, BANDS), np.float32)
    x[:, 30, 4] = 1
    late = np.asarray(SpectrogramAugment(**{**OFF, "time_shift": 5, "seed": 1})(x, training=True))
    np.testing.assert_allclose(late.sum((1, 2)), 1, atol=1e-5)
    places = late[..., 4] @ np.arange(TIME)
    assert 25 <= places.min() < 28
    assert 32 < places.max() <= 35
    high = np.asarray(SpectrogramAugment(**{**OFF, "band_shift": 2, "seed": 1})(x, training=True))
    places = high[:, 30] @ np.arange(BANDS)
    assert 2 <= places.min() < 3
    assert 5 < places.max() <= 6


def test_stretch_changes_the_length():
    x = np.zeros((50, TIME, 1), np.float32)
    x[:, 20:40] = 1
    found = np.asarray(SpectrogramAugment(**{**OFF, "stretch": 0.3})(x, training=True))
    lengths = found.sum((1, 2))
    assert lengths.min() < 17
    assert lengths.max() > 24
    assert lengths.min() > 20 * np.exp(-0.3) - 1
    assert lengths.max() < 20 * np.exp(0.3) + 1


def test_filter_keeps_the_level_and_every_moment():
    x = spectrograms()
    change = np.asarray(SpectrogramAugment(**{**OFF, "filter_std": 0.3})(x, training=True)) - x
    assert np.abs(change).max() > 0.1
    np.testing.assert_allclose(change, np.broadcast_to(change[:, :1], x.shape), atol=1e-5)
    np.testing.assert_allclose(change.mean(-1), 0, atol=1e-5)


def test_masks_are_stripes():
    x = spectrograms(20) + 10
    layer = SpectrogramAugment(**{**OFF, "time_mask": 10, "band_mask": 3, "masks": 1})
    gone = np.asarray(layer(x, training=True)) == 0
    in_time, in_bands = gone.all(2).sum(1), gone.all(1).sum(1)
    assert in_time.max() <= 10
    assert in_bands.max() <= 3
    assert in_time.sum()
    assert in_bands.sum()
    np.testing.assert_array_equal(gone, gone.all(2)[:, :, None] | gone.all(1)[:, None])


def test_noise_only_raises():
    x = spectrograms()
    found = np.asarray(SpectrogramAugment(**{**OFF, "noise": 0.5})(x, training=True))
    assert (found >= x - 1e-5).all()
    assert found.mean() > x.mean()


def test_wrong_strengths():
    with pytest.raises(UsageError, match="strengths"):
        SpectrogramAugment(stretch=-1)
    with pytest.raises(UsageError, match="positive"):
        SpeechWindow(frames=0)


def test_pooling():
    layer = AttentivePooling(heads=2, hidden=4)
    constant = np.broadcast_to(RNG.normal(size=(3, 1, 6)).astype(np.float32), (3, 5, 6))
    np.testing.assert_allclose(
        layer(constant), np.concatenate([constant[:, 0]] * 2, axis=1), atol=1e-6
    )
    x = RNG.normal(size=(3, 5, 6)).astype(np.float32)
    found = np.asarray(layer(x))
    np.testing.assert_allclose(found[:, 6:], x.max(1), atol=1e-6)
    # One weighting for the three channels of a head.
    inner = np.tanh(x @ np.asarray(layer.inner.kernel) + np.asarray(layer.inner.bias))
    score = np.exp(inner @ np.asarray(layer.score.kernel) + np.asarray(layer.score.bias))
    weights = np.repeat(score / score.sum(1, keepdims=True), 3, axis=2)
    np.testing.assert_allclose(found[:, :6], (weights * x).sum(1), atol=1e-5)


def test_pooling_needs_channels_for_every_head():
    with pytest.raises(UsageError, match="4 heads"):
        AttentivePooling(heads=4)(np.zeros((1, 3, 6), np.float32))
