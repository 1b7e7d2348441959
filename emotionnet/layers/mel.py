"""The constant matrices of the audio front-end, in NumPy: window, mel and chroma filters, DCT.

Conventions are librosa's (Slaney's mel scale and area normalisation, or HTK's scale; orthonormal
DCT-II), so that features agree with `librosa.feature`. Nothing here needs Keras or librosa.
"""

import numpy as np

# Slaney's scale: linear up to 1 kHz (15 mel), then 27 steps for each factor of 6.4.
_LINEAR_HZ_PER_MEL = 200.0 / 3.0
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _LINEAR_HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27.0


def hz_to_mel(frequency_hz: np.ndarray, htk: bool = False) -> np.ndarray:
    """Hz to mel, on Slaney's scale or HTK's ``2595 log10(1 + f / 700)``."""
    hz = np.asarray(frequency_hz, dtype=np.float64)
    if htk:
        return 2595.0 * np.log10(1.0 + hz / 700.0)
    logarithmic = _BREAK_MEL + np.log(np.maximum(hz, _BREAK_HZ) / _BREAK_HZ) / _LOG_STEP
    return np.where(hz < _BREAK_HZ, hz / _LINEAR_HZ_PER_MEL, logarithmic)


def mel_to_hz(mel: np.ndarray, htk: bool = False) -> np.ndarray:
    """The inverse of `hz_to_mel`."""
    mel = np.asarray(mel, dtype=np.float64)
    if htk:
        return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)
    logarithmic = _BREAK_HZ * np.exp(_LOG_STEP * (np.maximum(mel, _BREAK_MEL) - _BREAK_MEL))
    return np.where(mel < _BREAK_MEL, mel * _LINEAR_HZ_PER_MEL, logarithmic)


def mel_frequencies(count: int, fmin: float, fmax: float, htk: bool = False) -> np.ndarray:
    """Frequencies in Hz, evenly spaced in mel from ``fmin`` to ``fmax``, as `librosa.mel_frequencies`."""
    return mel_to_hz(np.linspace(hz_to_mel(fmin, htk), hz_to_mel(fmax, htk), count), htk)


def mel_matrix(
    sample_rate: int,
    n_fft: int,
    n_mels: int = 128,
    fmin: float = 0.0,
    fmax: float | None = None,
    htk: bool = False,
    norm: str | None = "slaney",
) -> np.ndarray:
    """Triangular mel filters over the bins of a DFT, as `librosa.filters.mel` (transposed).

    Args:
        sample_rate: in Hz.
        n_fft: length of the DFT.
        n_mels: number of filters.
        fmin, fmax: lowest and highest frequency in Hz; ``None`` is half the sample rate.
        htk: HTK's mel scale instead of Slaney's.
        norm: "slaney" gives each triangle the area 1; ``None`` gives each the height 1.

    Returns:
        (1 + n_fft // 2, n_mels), float64.
    """
    fmax = sample_rate / 2 if fmax is None else fmax
    bins_hz = np.fft.rfftfreq(n_fft, 1.0 / sample_rate)[:, None]
    corners = mel_frequencies(n_mels + 2, fmin, fmax, htk)
    low, centre, high = corners[:-2], corners[1:-1], corners[2:]
    rising = (bins_hz - low) / (centre - low)
    falling = (high - bins_hz) / (high - centre)
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return triangles * (2.0 / (high - low)) if norm == "slaney" else triangles


def chroma_matrix(sample_rate: int, n_fft: int, n_chroma: int = 12) -> np.ndarray:
    """Filters that gather the bins of a DFT by pitch class, as `librosa.filters.chroma` (transposed).

    A bin counts for the classes about its own, in a bump as wide as the bin is on the scale of pitch
    (one class at least), of length 1 over the classes; and less the further it lies from the fifth
    octave. The first class is C, and A has 440 Hz.

    Args:
        sample_rate: in Hz.
        n_fft: length of the DFT.
        n_chroma: classes in an octave, a multiple of 12 so that one of them is C.

    Returns:
        (1 + n_fft // 2, n_chroma), float64.
    """
    bins_hz = np.arange(1, n_fft // 2 + 2) * sample_rate / n_fft
    octaves = np.log2(bins_hz / 27.5)
    # Bin 0 has no pitch: it is put one and a half octaves below bin 1.
    octaves = np.concatenate([[octaves[0] - 1.5], octaves])
    width = np.maximum(np.diff(octaves) * n_chroma, 1.0)[:, None]
    octaves = octaves[:-1, None]
    around = n_chroma // 2
    class_of_c = 3 * (n_chroma // 12)  # the scale of octaves begins at an A
    distance = octaves * n_chroma - (np.arange(n_chroma) + class_of_c)
    distance = np.mod(distance + around, n_chroma) - around
    bumps = np.exp(-2.0 * (distance / width) ** 2)
    bumps /= np.linalg.norm(bumps, axis=1, keepdims=True)
    return bumps * np.exp(-0.5 * ((octaves - 5.0) / 2.0) ** 2)


def dct_matrix(n_mels: int, n_mfcc: int, lifter: float = 0.0) -> np.ndarray:
    """The orthonormal DCT-II that turns log-mel bands into cepstral coefficients.

    Args:
        n_mels: number of bands.
        n_mfcc: number of coefficients kept, the lowest first.
        lifter: 0 for none; else coefficient ``n`` (from 1) is scaled by
            ``1 + lifter / 2 * sin(pi * n / lifter)``.

    Returns:
        (n_mels, n_mfcc), float64.
    """
    band, order = np.arange(n_mels)[:, None], np.arange(n_mfcc)
    matrix = np.sqrt(2.0 / n_mels) * np.cos(np.pi * (band + 0.5) * order / n_mels)
    matrix[:, 0] /= np.sqrt(2.0)
    if lifter > 0:
        matrix *= 1.0 + lifter / 2.0 * np.sin(np.pi * (order + 1) / lifter)
    return matrix


def hann_window(win_length: int, n_fft: int) -> np.ndarray:
    """A periodic Hann window of ``win_length``, zero-padded on both sides to ``n_fft``."""
    window = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(win_length) / win_length)
    before = (n_fft - win_length) // 2
    return np.pad(window, (before, n_fft - win_length - before))
