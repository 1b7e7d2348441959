"""The audio front-end as layers: from samples to log-mel bands or MFCCs, as librosa computes them.

The layers have no weights: window, DFT, mel and DCT matrices are constants rebuilt from the
configuration. They compute in float32 whatever the dtype policy, since decibels of small energies
and coefficients of several hundred do not survive half precision.
"""

import keras
import numpy as np
from keras import ops

from emotionnet.errors import UsageError
from emotionnet.layers.dft import MelDFT
from emotionnet.layers.mel import dct_matrix, hann_window, mel_matrix

#: Samples beyond this magnitude (or NaN) are broken, and count as silence. int16 values pass.
LOUDEST = 1e9
#: Natural logarithms of powers to decibels.
_DECIBELS = 10.0 / float(np.log(10.0))


@keras.saving.register_keras_serializable(package="emotionnet")
class LogMelSpectrogram(keras.layers.Layer):
    """Log-mel spectrogram in decibels, as `librosa.power_to_db(librosa.feature.melspectrogram(y))`.

    Names and meanings of the arguments are librosa's; so is the result, within 1e-5 of its range
    (1.1e-5 in one of the 1,440 speech recordings of RAVDESS, less in all others; MFCCs 1.7e-6). That
    is full float32 precision, which `emotionnet.precision` sees to.
    Framing pads with zeros (librosa's default), the window is a periodic Hann.

    Call it with ``waveform`` (batch, samples), best in [-1, 1], and optionally ``lengths``
    (batch,), the true numbers of samples. What lies beyond a length never changes the valid
    frames, which are those of the unpadded clip: ``1 + length // hop_length`` of them where
    ``center``, else ``1 + (length - n_fft) // hop_length``. Frames that follow are filling.
    NaN, infinite and absurdly large samples (magnitude from 1e9) count as silence.

    Args:
        sample_rate: in Hz (librosa's ``sr``).
        n_fft: frame length in samples, of any factorisation (a prime one costs most).
        hop_length: samples from one frame to the next.
        win_length: length of the window, zero-padded to ``n_fft``; ``None`` is ``n_fft``.
        n_mels: number of mel bands.
        fmin, fmax: lowest and highest frequency in Hz; ``None`` is half the sample rate.
        power: 2 for energies, 1 for magnitudes.
        center: frame ``t`` is centred at sample ``t * hop_length``, else it begins there.
        htk: HTK's mel scale instead of Slaney's.
        norm: "slaney" (each filter has area 1) or ``None``.
        ref: the power that is 0 dB.
        amin: floor of powers before the logarithm.
        top_db: values are raised to this far below the clip's loudest valid one; ``None``: not.
        return_mask: also return (batch, frames) float32, 1 for valid frames and 0 for filling.

    Returns:
        (batch, frames, n_mels) float32. Time comes before bands, unlike librosa.

    Raises:
        UsageError: a value that is not supported, or sound shorter than one uncentred frame.
    """

    def __init__(
        self,
        sample_rate: int = 16000,
        n_fft: int = 2048,
        hop_length: int = 512,
        win_length: int | None = None,
        n_mels: int = 128,
        fmin: float = 0.0,
        fmax: float | None = None,
        power: float = 2.0,
        center: bool = True,
        htk: bool = False,
        norm: str | None = "slaney",
        ref: float = 1.0,
        amin: float = 1e-10,
        top_db: float | None = 80.0,
        return_mask: bool = False,
        **kwargs,
    ):
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        self.sample_rate, self.n_fft, self.hop_length = sample_rate, n_fft, hop_length
        self.win_length, self.n_mels, self.fmin, self.fmax = win_length, n_mels, fmin, fmax
        self.power, self.center, self.htk, self.norm = power, center, htk, norm
        self.ref, self.amin, self.top_db, self.return_mask = ref, amin, top_db, return_mask
        self._check()

    def _check(self):
        top_hz = self.sample_rate / 2 if self.fmax is None else self.fmax
        for ok, wrong in (
            (self.sample_rate > 0, "sample_rate must be positive"),
            (self.n_fft >= 2 and self.hop_length >= 1, "n_fft must be >= 2 and hop_length >= 1"),
            (self.win_length is None or 1 <= self.win_length <= self.n_fft, "win_length > n_fft"),
            (self.n_mels >= 1, "n_mels must be >= 1"),
            (
                0 <= self.fmin < top_hz <= self.sample_rate / 2,
                "needs 0 <= fmin < fmax <= sample_rate / 2",
            ),
            (self.power in (1, 2), "power must be 1 (magnitudes) or 2 (energies)"),
            (self.norm in ("slaney", None), 'norm must be "slaney" or None'),
            (self.amin > 0, "amin must be positive"),
            (
                isinstance(self.ref, (int, float)) and self.ref > 0,
                "ref must be a positive number (functions such as np.max are not supported)",
            ),
            (self.top_db is None or self.top_db >= 0, "top_db must be >= 0 or None"),
        ):
            if not ok:
                raise UsageError(f"{type(self).__name__}: {wrong}. Received: {self._settings()}")

    def build(self, waveform_shape, lengths_shape=None):
        if len(waveform_shape) != 2:
            raise UsageError(
                f"{type(self).__name__} takes (batch, samples); received {tuple(waveform_shape)}."
            )
        self._frames(waveform_shape[1])
        window = hann_window(self.win_length or self.n_fft, self.n_fft)
        self._dft = MelDFT(window, self.hop_length, self._filters(), self.power)
        self._log_ref = float(np.log(max(self.amin, self.ref)))
        self.built = True

    def _filters(self) -> np.ndarray:
        """What gathers the bins of the DFT, (1 + n_fft // 2, n_mels)."""
        return mel_matrix(
            *(self.sample_rate, self.n_fft, self.n_mels, self.fmin, self.fmax, self.htk, self.norm)
        )

    def call(self, waveform, lengths=None):
        x, lengths = self._sound(waveform, lengths)
        frames = self._frames(length(x))
        energies = ops.reshape(self._dft(self._padded(x, frames)), (self.n_mels, -1, frames))
        valid = self._valid(energies, frames, lengths)
        features = self._features(self._floored(self._decibels(energies), valid))
        features = ops.transpose(features, (1, 2, 0))
        return (features, ops.cast(valid, "float32")) if self.return_mask else features

    def _sound(self, waveform, lengths):
        """The samples, 0 where they are broken or beyond ``lengths``; and these as (batch, 1)."""
        x = ops.cast(waveform, "float32")
        x = ops.where(ops.abs(x) < LOUDEST, x, 0.0)
        if lengths is not None:
            lengths = ops.expand_dims(ops.cast(lengths, "int32"), -1)
            # Not by `logical_and`, for which runtimes have a slow loop only.
            x = ops.where(self._before(lengths, length(x)), x, 0.0)
        return x, lengths

    def _before(self, lengths, samples):
        """Whether a sample is one of the clip's, (batch, samples)."""
        return ops.arange(samples, dtype="int32") < lengths

    def _padded(self, x, frames):
        """``x`` with zeros, from half a frame before it to the end of its last frame."""
        samples = length(x)
        before = self.n_fft // 2 if self.center else 0
        end = (frames - 1) * self.hop_length + self.n_fft - before
        if isinstance(samples, int) and end >= samples:
            return ops.pad(x, [[0, 0], [before, end - samples]])
        return ops.pad(x, [[0, 0], [before, before]])[:, : before + end]

    def _floored(self, decibels, valid):
        """Decibels, none further than ``top_db`` below the clip's loudest valid one."""
        if self.top_db is None:
            return decibels
        heard = ops.where(valid, decibels, self._decibels(0.0))
        loudest = ops.max(heard, axis=(0, 2), keepdims=True)
        return ops.maximum(decibels, loudest - self.top_db)

    def _decibels(self, power):
        return _DECIBELS * (ops.log(ops.maximum(power, self.amin)) - self._log_ref)

    def _features(self, decibels):
        """(n_mels, batch, frames) to (width, batch, frames): frames last, as `MelDFT` has them."""
        return decibels

    def _frames(self, samples):
        if samples is None:
            return None
        length = samples if self.center else samples - self.n_fft
        if isinstance(length, int) and length < 0:
            raise UsageError(
                f"{type(self).__name__}: {samples} samples are shorter than one frame of "
                f"{self.n_fft}. Use a longer input, or center=True."
            )
        return 1 + length // self.hop_length

    def _valid(self, energies, frames, lengths):
        """Whether a frame is one of the unpadded clip's, (batch, frames)."""
        if lengths is None:
            return ops.ones_like(energies[0], dtype="bool")
        needed = ops.arange(frames, dtype="int32") * self.hop_length
        return needed + (0 if self.center else self.n_fft) <= lengths

    def compute_output_shape(self, waveform_shape, lengths_shape=None):
        shape = (waveform_shape[0], self._frames(waveform_shape[1]))
        features = (*shape, self._width())
        return (features, shape) if self.return_mask else features

    def _width(self) -> int:
        return self.n_mels

    def _settings(self) -> dict:
        names = ("sample_rate", "n_fft", "hop_length", "win_length", "n_mels", "fmin", "fmax")
        names += ("power", "center", "htk", "norm", "ref", "amin", "top_db", "return_mask")
        return {name: getattr(self, name) for name in names}

    def get_config(self):
        return {**super().get_config(), **self._settings()}


def length(x):
    """Samples of ``x`` (batch, samples): a number where it is known, else a tensor."""
    return x.shape[1] or ops.shape(x)[1]


@keras.saving.register_keras_serializable(package="emotionnet")
class MFCC(LogMelSpectrogram):
    """Mel-frequency cepstral coefficients, as `librosa.feature.mfcc(y=y)`.

    The orthonormal DCT-II of a `LogMelSpectrogram`, which see for calling with true lengths.

    Args:
        sample_rate: in Hz (librosa's ``sr``).
        n_mfcc: number of coefficients kept.
        n_fft: frame length in samples.
        hop_length: samples from one frame to the next.
        norm: normalisation of the DCT; "ortho" is the only one.
        lifter: 0 for none; else the strength of sinusoidal liftering.
        mel_norm: ``norm`` of the mel filters, "slaney" or ``None``.
        **kwargs: the other arguments of `LogMelSpectrogram`.

    Returns:
        (batch, frames, n_mfcc) float32. Time comes before coefficients, unlike librosa.
    """

    def __init__(
        self,
        sample_rate: int = 16000,
        n_mfcc: int = 40,
        n_fft: int = 2048,
        hop_length: int = 512,
        norm: str = "ortho",
        lifter: float = 0.0,
        mel_norm: str | None = "slaney",
        **kwargs,
    ):
        self.n_mfcc, self.dct_norm, self.lifter = n_mfcc, norm, lifter
        super().__init__(sample_rate, n_fft, hop_length, norm=mel_norm, **kwargs)

    def _check(self):
        super()._check()
        if not 1 <= self.n_mfcc <= self.n_mels:
            raise UsageError(f"MFCC: needs 1 <= n_mfcc ({self.n_mfcc}) <= n_mels ({self.n_mels}).")
        if self.dct_norm != "ortho":
            raise UsageError(f'MFCC: norm must be "ortho". Received: {self.dct_norm!r}')
        if self.lifter < 0:
            raise UsageError(f"MFCC: lifter must not be negative. Received: {self.lifter}")

    def build(self, waveform_shape, lengths_shape=None):
        super().build(waveform_shape, lengths_shape)
        self._dct = dct_matrix(self.n_mels, self.n_mfcc, self.lifter).T.astype(np.float32)

    def _features(self, decibels):
        shape = (self.n_mfcc, *ops.shape(decibels)[1:])
        return ops.reshape(ops.matmul(self._dct, ops.reshape(decibels, (self.n_mels, -1))), shape)

    def _width(self) -> int:
        return self.n_mfcc

    def _settings(self) -> dict:
        settings = super()._settings()
        settings["mel_norm"] = settings.pop("norm")
        return {"n_mfcc": self.n_mfcc, "norm": self.dct_norm, "lifter": self.lifter, **settings}
