"""The sound vector against librosa, and what must not change it."""

import os
from pathlib import Path

import numpy as np
import pytest

keras = pytest.importorskip("keras")
librosa = pytest.importorskip("librosa")

from emotionnet.errors import UsageError  # noqa: E402
from emotionnet.layers import Pitch, SoundVector  # noqa: E402
from emotionnet.layers.mel import chroma_matrix  # noqa: E402

RATE = 16000
#: Name of each part, and its place in the vector.
PARTS = {
    "crossings": slice(0, 1),
    "chroma": slice(1, 13),
    "mfcc": slice(13, 33),
    "rms": slice(33, 34),
    "mel": slice(34, 162),
}


def voice(samples: int = 40123, seed: int = 0) -> np.ndarray:
    """Harmonics that glide, noise, and silence at both ends."""
    rng = np.random.default_rng(seed)
    t = np.arange(samples) / RATE
    phase = 2 * np.pi * np.cumsum(120 + 60 * np.sin(2 * np.pi * 0.7 * t + seed)) / RATE
    sound = sum(np.sin(k * phase) / k for k in range(1, 12)) + rng.normal(0, 0.05, samples)
    loudness = np.clip(3 * np.sin(np.pi * np.arange(samples) / samples) - 0.5, 0, 1)
    return (0.2 * loudness * sound).astype(np.float32)


def librosa_frames(y: np.ndarray) -> dict[str, np.ndarray]:
    """Part → (frames, width) as librosa gives them."""
    return {
        "crossings": librosa.feature.zero_crossing_rate(y).T,
        "chroma": librosa.feature.chroma_stft(y=y, sr=RATE, tuning=0).T,
        "mfcc": librosa.feature.mfcc(y=y, sr=RATE, n_mfcc=20).T,
        "rms": librosa.feature.rms(y=y).T,
        "mel": librosa.feature.melspectrogram(y=y, sr=RATE).T,
    }


def librosa_vector(y: np.ndarray) -> np.ndarray:
    return np.concatenate([part.mean(axis=0) for part in librosa_frames(y).values()])


def errors(found, expected, frames):
    """Largest difference of each part, as a share of the range of its values over the frames."""
    return {
        name: np.abs(found[part] - expected[part]).max() / np.ptp(frames[name])
        for name, part in PARTS.items()
    }


@pytest.mark.parametrize("settings", [(16000, 2048), (22050, 2048), (16000, 512), (8000, 501)])
@pytest.mark.parametrize("n_chroma", [12, 24])
def test_the_chroma_filters_are_librosas(settings, n_chroma):
    rate, n_fft = settings
    expected = librosa.filters.chroma(sr=rate, n_fft=n_fft, n_chroma=n_chroma, tuning=0)
    found = chroma_matrix(rate, n_fft, n_chroma).T
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("samples", [40123, 40960, 2048, 700, 3])
def test_it_is_librosas(samples):
    y = voice(samples)
    found = np.asarray(SoundVector()(y[None]))
    assert found.shape == (1, 162)
    if samples >= 2048:  # else there are too few frames for a range
        assert max(errors(found[0], librosa_vector(y), librosa_frames(y)).values()) <= 1e-5
    np.testing.assert_allclose(found[0], librosa_vector(y), rtol=1e-4, atol=2e-5)


def test_the_logarithm_of_the_mel_means():
    y = voice()[None]
    plain, decibels = np.asarray(SoundVector()(y))[0], np.asarray(SoundVector(log_mel=True)(y))[0]
    np.testing.assert_array_equal(decibels[:34], plain[:34])
    np.testing.assert_allclose(
        decibels[34:], 10 * np.log10(np.maximum(plain[34:], 1e-10)), atol=1e-3
    )


def test_pitch_is_the_mean_of_the_frames_with_a_voice():
    y = voice(20000)
    layer = SoundVector(pitch=True)
    found = np.asarray(layer(np.stack([y, 0 * y])))
    assert found.shape == (2, 163) == layer.compute_output_shape((2, 20000))
    frames = librosa.util.frame(np.pad(y, 1024), frame_length=2048, hop_length=512).T
    hertz = np.asarray(Pitch()(np.ascontiguousarray(frames)))[:, 0]
    assert 0 < (hertz > 0).mean() < 1
    np.testing.assert_allclose(found[:, -1], [hertz[hertz > 0].mean(), 0], rtol=1e-5)
    np.testing.assert_array_equal(found[0, :-1], np.asarray(SoundVector()(y[None]))[0])


@pytest.mark.parametrize("samples", [2048, 20000, 20480, 31999, 100])
def test_what_lies_beyond_a_length_changes_nothing(samples):
    y = voice(32000, seed=3)
    y[:samples] += 0.01  # so that it ends with a change of sign
    padded = y.copy()
    padded[samples:] = -7.0
    padded[samples + 5 :] = np.nan
    layer = SoundVector(pitch=True)
    alone = np.asarray(layer(y[None, :samples]))
    found = np.asarray(layer(padded[None], np.array([samples])))
    np.testing.assert_allclose(found, alone, rtol=1e-4, atol=1e-5)
    longer = np.pad(padded, (0, 8000))[None]
    np.testing.assert_allclose(
        np.asarray(layer(longer, np.array([samples]))), found, rtol=1e-4, atol=2e-5
    )


@pytest.mark.parametrize("wrong", [{"power": 1}, {"center": False}, {"return_mask": True}])
def test_what_is_not_as_librosa_has_it_is_refused(wrong):
    with pytest.raises(UsageError, match="SoundVector: needs power=2"):
        SoundVector(**wrong)


def test_silence_and_no_sound_are_finite_and_alike():
    layer = SoundVector(log_mel=True, pitch=True)
    found = np.asarray(layer(np.zeros((2, 8000), np.float32), np.array([8000, 0])))
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6)
    np.testing.assert_array_equal(found[0, 34:162], -100)


def test_broken_samples_count_as_silence():
    y = voice(20000)
    broken, silenced = y.copy(), y.copy()
    broken[[10, 5000]], broken[300] = np.nan, np.inf
    silenced[[10, 300, 5000]] = 0
    one, other = (np.asarray(SoundVector()(each[None])) for each in (broken, silenced))
    np.testing.assert_array_equal(one, other)


def test_no_weights_and_a_whole_configuration():
    settings = {"n_fft": 1024, "hop_length": 300, "n_mfcc": 13, "n_mels": 40, "fmax": 4000.0}
    layer = SoundVector(**settings, log_mel=True, pitch=True, name="sound")
    again = SoundVector.from_config(layer.get_config())
    y = voice(9000)[None]
    np.testing.assert_array_equal(np.asarray(layer(y)), np.asarray(again(y)))
    assert layer(y).shape == (1, 1 + 12 + 13 + 1 + 40 + 1)
    assert layer.count_params() == 0
    assert layer.get_config() == again.get_config()
    with pytest.raises(UsageError, match="n_mfcc"):
        SoundVector(n_mfcc=200)


@pytest.mark.real_data
def test_real_recordings():
    root = os.environ.get("EMOTIONNET_DATA")
    if not root:
        pytest.skip("EMOTIONNET_DATA is not set: no real recordings here")
    soundfile = pytest.importorskip("soundfile")
    files = sorted(Path(root).glob("ravdess/Actor_*/03-01-*.flac"))[::60]
    assert len(files) >= 24
    layer = SoundVector()
    for file in files:
        y = soundfile.read(file, dtype="float32")[0]
        found = errors(np.asarray(layer(y[None]))[0], librosa_vector(y), librosa_frames(y))
        assert max(found.values()) <= 1e-5, (file, found)
