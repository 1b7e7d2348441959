"""Statistics of pitch from a log-mel spectrogram: of voices whose pitch is known, of noise, of silence."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from emotionnet.errors import UsageError  # noqa: E402
from emotionnet.layers import LogMelSpectrogram, PitchStatistics  # noqa: E402

RATE, SECONDS = 16000, 3
SETTINGS = {"frame_rate": 62.5, "reach": 35 / 15, "decibels": 15.0, "fmin": 50.0, "fmax": 8000.0}
#: Where some of the statistics are.
MEAN, DEVIATION, SLOPE, CHANGE = 0, 1, 3, 4
CLEARNESS, CLEARNESS_SPREAD, VOICED, HEARD = 10, 11, 14, 16


def statistics(*sounds):
    mel = LogMelSpectrogram(RATE, 1024, 256, n_mels=128, fmin=50.0)
    return np.asarray(
        PitchStatistics(**SETTINGS)(np.asarray(mel(np.float32(sounds))) / SETTINGS["decibels"])
    )


def voice(octaves):
    """Eleven harmonics of a pitch that lies ``octaves`` (a number, or one a sample) above 100 Hz."""
    hertz = 100 * 2.0 ** (np.zeros(RATE * SECONDS) + octaves)
    angle = 2 * np.pi * np.cumsum(hertz) / RATE
    return 0.05 * sum(np.sin(k * angle + k) / k for k in range(1, 12))


def test_a_steady_voice():
    octaves = np.log2([0.8, 1.0, 1.637, 2.513, 4.0])
    found = statistics(*(voice(octave) for octave in octaves))
    assert found.shape == (5, 17)
    np.testing.assert_allclose(found[:, MEAN], octaves, atol=0.04)
    assert (found[:, CLEARNESS] > 0.4).all()
    np.testing.assert_allclose(found[:, VOICED], 1, atol=0.05)
    np.testing.assert_allclose(found[:, [SLOPE, CHANGE]], 0, atol=0.02)


def test_a_voice_that_rises():
    rising = np.linspace(0.5, 1.25, RATE * SECONDS)
    up, down = statistics(voice(rising), voice(rising[::-1]))
    np.testing.assert_allclose([up[SLOPE], down[SLOPE]], [0.25, -0.25], atol=0.02)
    np.testing.assert_allclose([up[DEVIATION], down[DEVIATION]], rising.std(), atol=0.03)
    np.testing.assert_allclose(up[CHANGE], 0.25 / 62.5, atol=0.004)
    np.testing.assert_allclose(up[MEAN], down[MEAN], atol=0.02)


def test_noise_has_no_voice_and_a_pause_is_not_heard():
    noise = np.random.default_rng(0).normal(0, 0.1, RATE * SECONDS)
    half = np.where(np.arange(RATE * SECONDS) < RATE * SECONDS / 2, voice(1.0), 0)
    noisy, paused, whole = statistics(noise, half, voice(1.0))
    assert noisy[VOICED] < 0.15 < 0.95 < paused[VOICED]
    np.testing.assert_allclose(paused[HEARD], 0.5, atol=0.03)
    np.testing.assert_allclose(paused[MEAN], whole[MEAN], atol=0.02)


def test_silence_is_finite():
    found = statistics(np.zeros(RATE * SECONDS), np.full(RATE * SECONDS, np.nan))
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[:, CLEARNESS_SPREAD], 0, atol=2e-3)


def test_saved_and_loaded(tmp_path):
    given = keras.Input((60, 128))
    model = keras.Model(given, PitchStatistics(**SETTINGS)(given))
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras", safe_mode=True)
    clips = np.random.default_rng(0).normal(size=(2, 60, 128)).astype(np.float32)
    np.testing.assert_array_equal(loaded.predict_on_batch(clips), model.predict_on_batch(clips))


@pytest.mark.parametrize("wrong", [{"reach": 0}, {"frame_rate": 0}, {"fmin": 2000}, {"fmax": 900}])
def test_what_cannot_be(wrong):
    with pytest.raises(UsageError, match="PitchStatistics"):
        PitchStatistics(**{**SETTINGS, **wrong})
    with pytest.raises(UsageError, match="frames"):
        PitchStatistics(**SETTINGS)(np.zeros((1, 16, 128), np.float32))
