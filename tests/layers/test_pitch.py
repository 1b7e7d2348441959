"""Pitch: of tones, of silence, and of real voices beside librosa's."""

import os
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("keras")

from emotionnet.errors import UsageError
from emotionnet.layers import Pitch

PIECE = 1600


def voice(hertz, level=0.1, samples=PIECE):
    t = np.arange(samples) / 16000
    return level * sum(np.sin(2 * np.pi * hertz * k * t + k) / k for k in range(1, 12))


@pytest.mark.parametrize("hertz", [70.0, 100.0, 163.7, 251.3, 400.0, 580.0])
def test_the_pitch_of_a_voice(hertz):
    found = np.asarray(Pitch()(voice(hertz)[None].astype(np.float32)))
    np.testing.assert_allclose(found, [[hertz]], rtol=0.005)


def test_level_does_not_matter_until_it_is_silence():
    levels = np.array([0.3, 0.01, 0.001, 1e-5, 0.0])[:, None]
    found = np.asarray(Pitch()((levels * voice(200, 1.0)).astype(np.float32)))[:, 0]
    np.testing.assert_allclose(found, [200, 200, 200, 0, 0], rtol=0.005)


def test_noise_has_no_pitch():
    noise = np.random.default_rng(0).normal(0, 0.1, (50, PIECE)).astype(np.float32)
    assert (np.asarray(Pitch()(noise)) > 0).mean() <= 0.04


def test_broken_samples_do_not_spread():
    pieces = np.stack([voice(200)] * 2).astype(np.float32)
    pieces[0, 800:810] = np.nan
    found = np.asarray(Pitch()(pieces))[:, 0]
    assert np.isfinite(found).all()
    assert abs(found[1] - 200) < 1


def test_wrong_settings_are_refused():
    with pytest.raises(UsageError, match="multiple"):
        Pitch(44100)
    with pytest.raises(UsageError, match="fmin"):
        Pitch(fmin=300, fmax=200)
    with pytest.raises(UsageError, match="too few"):
        Pitch()(np.zeros((1, 320), np.float32))


@pytest.mark.slow
@pytest.mark.real_data
def test_it_agrees_with_librosa_on_real_voices():
    """Voiced: where librosa's `pyin` finds a voice, at most 30 dB below the clip's loudest moment.

    Every such frame counts, also those that the layer itself would call unvoiced.
    """
    librosa, soundfile = pytest.importorskip("librosa"), pytest.importorskip("soundfile")
    data = os.environ.get("EMOTIONNET_DATA")
    if not data:
        pytest.skip("EMOTIONNET_DATA does not name the folder of real recordings")
    files = sorted(Path(data, "ravdess").glob("Actor_*/03-01-*.flac"))[::59]  # all emotions
    assert len(files) >= 20
    hop, errors, heard, invented = 320, [], [], []
    settings = {"fmin": 65, "fmax": 600, "sr": 16000, "frame_length": 2048, "hop_length": hop}
    always = Pitch(voiced=np.inf, quiet=0.0)
    for file in files:
        sound, _ = soundfile.read(file, dtype="float32")
        reference = librosa.yin(sound, **settings)
        voiced = librosa.pyin(sound, **settings)[1]
        padded = np.pad(sound, (PIECE // 2, PIECE))
        pieces = np.stack([padded[i * hop :][:PIECE] for i in range(len(reference))])
        loud = np.sqrt(np.mean(pieces[:, 640:960] ** 2, axis=1))
        clear = voiced & (loud > loud.max() * 10 ** (-30 / 20))
        found = np.asarray(always(pieces))[:, 0]
        errors.append((np.abs(found - reference) / reference)[clear])
        own = np.asarray(Pitch()(pieces))[:, 0] > 0
        heard.append(own[clear])
        invented.append(own[~voiced])
    errors, heard, invented = (np.concatenate(x) for x in (errors, heard, invented))
    print(f"{len(errors)} voiced frames of {len(files)} recordings: median {np.median(errors):.4f}, "
          f"gross {np.mean(errors > 0.2):.4f}; voiced {heard.mean():.3f} of them, "
          f"{invented.mean():.3f} of the unvoiced")  # fmt: skip
    assert np.median(errors) <= 0.02
    assert np.mean(errors > 0.2) <= 0.05
    assert heard.mean() > 0.75
    assert invented.mean() < 0.10
