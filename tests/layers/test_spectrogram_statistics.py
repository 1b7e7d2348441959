"""Statistics of a spectrogram over time: equal to NumPy's and SciPy's, and finite for silence."""

import numpy as np
import pytest
from scipy.fft import dct
from scipy.stats import skew

keras = pytest.importorskip("keras")

from emotionnet.errors import UsageError  # noqa: E402
from emotionnet.layers import SpectrogramStatistics  # noqa: E402

FRAME_RATE, ALL = 62.5, 1e9
CLIPS = np.random.default_rng(0).gamma(1.0, 4.0, (3, 184, 128)).astype(np.float32)


def tracks(clips):
    """What each frame is described by: 16 groups of bands, 20 cepstra, the loudest band."""
    groups = clips.reshape(*clips.shape[:2], 16, 8).mean(axis=3)
    cepstra = dct(clips, axis=2, norm="ortho")[:, :, :20]
    return np.concatenate([groups, cepstra, clips.max(axis=2, keepdims=True)], axis=2)


def test_moments_and_changes():
    x = tracks(CLIPS.astype(np.float64))
    change = x[:, 2:] - x[:, :-2]
    expected = [x.mean(1), x.std(1), skew(x, axis=1), np.abs(change).mean(1), change.std(1)]
    found = np.asarray(SpectrogramStatistics(FRAME_RATE, ALL)(CLIPS))
    assert found.shape == (3, 333)
    np.testing.assert_allclose(
        found[:, :185], np.concatenate(expected, axis=1), rtol=0.01, atol=1e-3
    )


@pytest.mark.parametrize(("hertz", "band"), [(1.0, 0), (3.0, 1), (6.0, 2), (12.0, 3), (25.0, None)])
def test_pulse_is_seen_at_its_own_rate(hertz, band):
    time = np.arange(184) / FRAME_RATE
    pulsing = np.cos(2 * np.pi * hertz * time)[None, :, None] * np.ones((1, 1, 128))
    found = np.asarray(SpectrogramStatistics(FRAME_RATE, ALL)(pulsing.astype(np.float32)))[0, 185:]
    rates = found.reshape(4, 37)[:, :16]  # of groups of bands, in which all pulse alike
    if band is None:
        assert rates.max() < -3
    else:
        assert (rates.argmax(axis=0) == band).all()
        assert (np.delete(rates, band, axis=0) < rates[band] - 5).all()


def test_pauses_do_not_count():
    heard = CLIPS[:1, :100]
    pause = np.full((1, 84, 128), heard.max() - 100, np.float32)
    found = np.asarray(SpectrogramStatistics(FRAME_RATE, 99.0)(np.concatenate([heard, pause], 1)))
    alone = np.asarray(SpectrogramStatistics(FRAME_RATE, 99.0)(heard))
    np.testing.assert_allclose(found[:, :185], alone[:, :185], rtol=1e-4, atol=1e-4)


def test_silence_is_finite_and_says_nothing():
    found = np.asarray(
        SpectrogramStatistics(FRAME_RATE, ALL)(np.full((1, 184, 128), -1.0, np.float32))
    )
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[0, 37:185], 0, atol=2e-3)


def test_saved_and_loaded(tmp_path):
    given = keras.Input((184, 128))
    model = keras.Model(given, SpectrogramStatistics(FRAME_RATE, ALL, groups=8, cepstra=5)(given))
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras", safe_mode=True)
    assert loaded.output_shape == (None, 9 * 14)
    np.testing.assert_array_equal(loaded.predict_on_batch(CLIPS), model.predict_on_batch(CLIPS))


@pytest.mark.parametrize(
    "arguments", [(30.0, ALL), (FRAME_RATE, 0), (FRAME_RATE, ALL, 0), (FRAME_RATE, ALL, 16, 0)]
)
def test_what_cannot_be(arguments):
    with pytest.raises(UsageError, match="SpectrogramStatistics"):
        SpectrogramStatistics(*arguments)


def test_groups_that_do_not_divide_the_bands():
    with pytest.raises(UsageError, match="128 bands"):
        SpectrogramStatistics(FRAME_RATE, ALL, groups=10)(CLIPS)
