"""The audio front-end against librosa, and what must not change its answer."""

import os
from pathlib import Path

import numpy as np
import pytest

keras = pytest.importorskip("keras")
librosa = pytest.importorskip("librosa")

from emotionnet.errors import UsageError  # noqa: E402
from emotionnet.layers import MFCC, LogMelSpectrogram, MaskedMean  # noqa: E402
from emotionnet.layers.mel import dct_matrix, mel_matrix  # noqa: E402

RATE = 16000


def voice(samples: int = 40123, seed: int = 0) -> np.ndarray:
    """Harmonics that glide, noise that swells, and a silent end: 100 dB from loud to quiet."""
    rng = np.random.default_rng(seed)
    t = np.arange(samples) / RATE
    phase = 2 * np.pi * np.cumsum(120 + 60 * t) / RATE
    tone = sum(np.sin(k * phase) / k for k in range(1, 30))
    y = 0.2 * tone * np.sin(np.pi * t / t[-1]) + 0.02 * rng.standard_normal(samples) * t / t[-1]
    y[-8000:] *= 1e-4
    return y.astype(np.float32)


def error(found, expected) -> float:
    """The largest difference relative to the expected range."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    assert found.shape == expected.shape
    return np.abs(found - expected).max() / np.ptp(expected)


def librosa_mfcc(y, **settings):
    return librosa.feature.mfcc(
        y=y, sr=RATE, **{"n_mfcc": 40, "n_fft": 2048, "hop_length": 512, **settings}
    ).T


def librosa_log_mel(y, top_db=80.0, **settings):
    settings = {"n_fft": 2048, "hop_length": 512, **settings}
    mel = librosa.feature.melspectrogram(y=y, sr=RATE, **settings)
    return librosa.power_to_db(mel, top_db=top_db).T


@pytest.mark.parametrize("settings", [{}, {"htk": True, "norm": None}, {"fmin": 60, "fmax": 7000}])
def test_mel_matrix_is_librosas(settings):
    expected = librosa.filters.mel(sr=RATE, n_fft=1024, n_mels=64, **settings)
    np.testing.assert_allclose(mel_matrix(RATE, 1024, 64, **settings).T, expected, atol=1e-8)


def test_dct_matrix_is_orthonormal():
    matrix = dct_matrix(32, 32)
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(32), atol=1e-12)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"n_fft": 400, "hop_length": 160, "n_mels": 40, "n_mfcc": 13},
        {"n_fft": 512, "win_length": 400, "hop_length": 160, "n_mels": 64},
        {"hop_length": 441},
        {"n_fft": 509, "hop_length": 128, "n_mels": 40},
        {"n_fft": 1023, "hop_length": 300},
        {"n_fft": 512, "hop_length": 1024, "n_mels": 64},
        {"n_fft": 256, "hop_length": 256, "n_mels": 40},
        {"htk": True, "mel_norm": None, "fmin": 50, "fmax": 7000},
        {"lifter": 22},
        {"power": 1.0},
        {"center": False},
    ],
    ids=str,
)
def test_mfcc_is_librosas(settings):
    y = voice()
    found = MFCC(**settings)(y[None])[0]
    assert error(found, librosa_mfcc(y, **settings)) <= 1e-5


@pytest.mark.parametrize("settings", [{}, {"top_db": None}, {"top_db": 30.0}, {"n_mels": 40}])
def test_log_mel_is_librosas(settings):
    y = voice()
    found = LogMelSpectrogram(**settings)(y[None])[0]
    # Without a floor every bit of rounding in silence shows; the range is then 100 dB and more.
    assert error(found, librosa_log_mel(y, **settings)) <= 1e-5


def test_every_clip_of_a_batch_has_its_own_floor():
    loud, quiet = voice(), 1e-3 * voice(seed=1)
    found = LogMelSpectrogram()(np.stack([loud, quiet]))
    assert error(found[1], librosa_log_mel(quiet)) <= 1e-5


def test_the_window_of_system_2_gives_43_columns():
    y = voice(24000)
    found = LogMelSpectrogram(center=False)(y[None])
    assert found.shape == (1, 43, 128)
    assert error(found[0], librosa_log_mel(y, center=False)) <= 1e-5


@pytest.mark.parametrize("layer", [MFCC, LogMelSpectrogram])
@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("length", [2048, 20000, 20480, 31999])
def test_padding_never_changes_a_valid_frame(layer, center, length):
    y = voice(32000)
    padded = y.copy()
    padded[length:] = 7.0  # not even silence
    layer = layer(center=center, return_mask=True)
    alone, all_valid = (np.array(x) for x in layer(y[None, :length]))
    found, valid = (np.array(x) for x in layer(padded[None], np.array([length])))
    assert all_valid.all()
    frames = 1 + length // 512 if center else 1 + (length - 2048) // 512
    np.testing.assert_array_equal(valid[0], np.arange(valid.shape[1]) < frames)
    assert alone.shape[1] == frames
    assert error(found[:, :frames], alone) <= 1e-5


def test_mean_over_valid_frames_is_the_unpadded_mean():
    y = voice(30000)
    padded = np.zeros((1, 64000), np.float32)
    padded[0, :30000] = y
    features, valid = MFCC(return_mask=True)(padded, np.array([30000]))
    expected = librosa_mfcc(y).mean(axis=0)
    assert error(MaskedMean()(features, valid)[0], expected) <= 1e-5
    # What the mask is there for: padding moves the plain mean by much more than that.
    assert error(np.mean(features, axis=1)[0], expected) > 0.05


def test_no_valid_frame_is_finite():
    layer = MFCC(center=False, return_mask=True)
    features, valid = layer(voice(8000)[None], np.array([100]))
    assert not np.any(valid)
    assert np.isfinite(features).all()


def test_broken_samples_count_as_silence():
    y = voice(20000)
    broken, silenced = y.copy(), y.copy()
    broken[[10, 5000]], broken[300], broken[301] = np.nan, np.inf, 1e30
    silenced[[10, 300, 301, 5000]] = 0
    np.testing.assert_array_equal(MFCC()(broken[None]), MFCC()(silenced[None]))


@pytest.mark.parametrize("level", [0.0, 1e-12, 32767.0, 1e8])
def test_finite_at_every_level(level):
    assert np.isfinite(MFCC()(level * voice(8000)[None])).all()


def test_integer_samples_are_taken_as_they_are():
    y = np.round(voice(8000) * 20000).astype(np.int16)
    np.testing.assert_array_equal(MFCC()(y[None]), MFCC()(y[None].astype(np.float32)))


def test_any_length_in_a_functional_model():
    waveform = keras.Input((None,))
    model = keras.Model(waveform, MFCC()(waveform))
    assert model.output_shape == (None, None, 40)
    y = voice(9999)
    assert error(model.predict(y[None], verbose=0)[0], librosa_mfcc(y)) <= 1e-5


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_float32_under_mixed_precision(policy):
    y = voice(8000)[None]
    keras.config.set_dtype_policy(policy)
    try:
        waveform = keras.Input((8000,), dtype="float32")
        model = keras.Model(waveform, MFCC()(waveform))
        inner = keras.Input((8000,), dtype="float32")
        nested = keras.Model(inner, model(inner))
        found = nested(y)
    finally:
        keras.config.set_dtype_policy("float32")
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    np.testing.assert_array_equal(found, MFCC()(y))


def test_no_weights_and_a_whole_configuration():
    settings = {"n_mfcc": 13, "n_mels": 40, "fmin": 50.0, "center": False, "lifter": 10}
    layer = MFCC(**settings, mel_norm=None, htk=True, power=1.0, top_db=60.0, return_mask=True)
    again = MFCC.from_config(layer.get_config())
    y = voice(8000)[None]
    for one, other in zip(layer(y), again(y)):
        np.testing.assert_array_equal(one, other)
    assert layer.count_params() == 0
    assert layer.get_config() == again.get_config()


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"power": 3.0}, "power"),
        ({"norm": "ortho2"}, "norm"),
        ({"mel_norm": "sum"}, "norm"),
        ({"fmax": 9000}, "fmax"),
        ({"win_length": 4096}, "win_length"),
        ({"n_mfcc": 200}, "n_mfcc"),
        ({"hop_length": 0}, "hop_length"),
        ({"ref": np.max}, "ref"),
        ({"top_db": -1}, "top_db"),
    ],
)
def test_what_is_not_supported_is_refused(settings, named):
    with pytest.raises(UsageError, match=named):
        MFCC(**settings)


def test_wrong_shapes_are_refused():
    with pytest.raises(UsageError, match="samples"):
        MFCC()(np.zeros((2, 8000, 1), np.float32))
    with pytest.raises(UsageError, match="shorter than one frame"):
        MFCC(center=False)(np.zeros((1, 1000), np.float32))


@pytest.mark.real_data
def test_real_recordings():
    root = os.environ.get("EMOTIONNET_DATA")
    if not root:
        pytest.skip("EMOTIONNET_DATA is not set: no real recordings here")
    soundfile = pytest.importorskip("soundfile")
    files = sorted(Path(root).glob("ravdess/Actor_*/03-01-*.flac"))[::60]
    assert len(files) >= 24
    mfcc, log_mel = MFCC(), LogMelSpectrogram()
    for file in files:
        y = soundfile.read(file, dtype="float32")[0]
        assert error(mfcc(y[None])[0], librosa_mfcc(y)) <= 1e-5, file
        assert error(log_mel(y[None])[0], librosa_log_mel(y)) <= 1e-5, file
