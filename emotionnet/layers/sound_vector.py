"""A clip's sound as one vector of classic measures, each a mean over time."""

import math

import keras
import numpy as np
from keras import ops

from emotionnet.errors import UsageError
from emotionnet.layers.audio import MFCC, length
from emotionnet.layers.frames import weighted_mean
from emotionnet.layers.mel import chroma_matrix
from emotionnet.layers.pitch import Pitch

#: What librosa takes for no sound when it looks for changes of sign, and to normalise chroma by.
_NEARLY_ZERO, _TINY = 1e-10, float(np.finfo(np.float32).tiny)
_CHROMA = 12


@keras.saving.register_keras_serializable(package="emotionnet")
class SoundVector(MFCC):
    """Zero-crossing rate, chroma, MFCCs, energy and mel bands: means over a clip's real frames.

    In this order, as librosa computes them (`feature.zero_crossing_rate`, `chroma_stft` with
    ``tuning=0``, `mfcc`, `rms`, `melspectrogram`), within 1e-5 of each one's range: 1, 12, 20, 1 and
    128 values, 162 in all. One DFT serves chroma, MFCCs and mel bands.

    Call it with ``waveform`` (batch, samples) in [-1, 1], and ``lengths`` (batch,), the true numbers
    of samples. Frames are those of the unpadded clip, centred and padded with zeros; what lies
    beyond a length changes nothing. NaN, infinite and absurdly large samples count as silence.

    Args:
        sample_rate: in Hz.
        n_fft: frame length in samples.
        hop_length: samples from one frame to the next.
        n_mfcc: number of MFCCs.
        n_mels: number of mel bands.
        log_mel: the mel means in decibels (ours). Else they are powers, as librosa's recipe has them.
        pitch: also the mean pitch in Hz of the frames that have a voice (0 where none has), as the
            last value (ours; the paper names pitch and does not say what of it).
        **kwargs: the other arguments of `MFCC`, but ``power``, ``center`` and ``return_mask``.

    Returns:
        (batch, 162) float32; 163 with pitch.

    Raises:
        UsageError: a value that is not supported.

    Source: DV EmotionNet names zero-crossing rate, MFCC, pitch and energy, and gives the size only;
    the split is that of a recipe which many programs on RAVDESS share.
    """

    def __init__(
        self,
        sample_rate: int = 16000,
        n_fft: int = 2048,
        hop_length: int = 512,
        n_mfcc: int = 20,
        n_mels: int = 128,
        log_mel: bool = False,
        pitch: bool = False,
        **kwargs,
    ):
        self.log_mel, self.pitch = log_mel, pitch
        super().__init__(sample_rate, n_mfcc, n_fft, hop_length, n_mels=n_mels, **kwargs)
        self._pitch_of = Pitch(sample_rate, name="pitch_of") if pitch else None

    def _check(self):
        super()._check()
        # Chroma and decibels are of energies; a clip shorter than a frame that is not centred has no frame;
        # and of means over time there is no mask.
        if self.power != 2 or not self.center or self.return_mask:
            raise UsageError(
                "SoundVector: needs power=2, center=True and return_mask=False. "
                f"Received: {self._settings()}"
            )

    def _filters(self) -> np.ndarray:
        chroma = chroma_matrix(self.sample_rate, self.n_fft, _CHROMA)
        return np.hstack([chroma, super()._filters()])

    def call(self, waveform, lengths=None):
        x, lengths = self._sound(waveform, lengths)
        frames = self._frames(length(x))
        padded = self._padded(x, frames)
        energies = ops.reshape(self._dft(padded), (_CHROMA + self.n_mels, -1, frames))
        valid = self._valid(energies, frames, lengths)
        weights = ops.cast(valid, "float32")
        share = weights / ops.sum(weights, axis=-1, keepdims=True)
        weights = ops.expand_dims(weights, -1)

        def mean(values):
            """Over time: of (width, batch, frames), (batch, width)."""
            return ops.transpose(ops.sum(values * share, axis=-1))

        chroma, mel = energies[:_CHROMA], energies[_CHROMA:]
        strongest = ops.max(chroma, axis=0, keepdims=True)
        chroma = chroma / ops.where(strongest < _TINY, 1.0, strongest)
        decibels = self._floored(self._decibels(mel), valid)
        mel = mean(mel)
        parts = [
            weighted_mean(self._crossings(x, lengths, frames), weights),
            mean(chroma),
            ops.matmul(mean(decibels), self._dct.T),  # of the mean, since that is the mean's too
            weighted_mean(ops.sqrt(self._means(ops.square(padded))), weights),
            self._decibels(mel) if self.log_mel else mel,
        ]
        if self.pitch:
            parts.append(self._voice_pitch(padded, frames, weights))
        return ops.concatenate(parts, axis=-1)

    def _means(self, padded):
        """Mean over the samples of each frame, (batch, frames, 1)."""
        block = math.gcd(self.n_fft, self.hop_length)
        blocks = ops.mean(ops.reshape(padded, (-1, length(padded) // block, block)), -1, True)
        return ops.average_pool(blocks, self.n_fft // block, self.hop_length // block, "valid")

    def _crossings(self, x, lengths, frames):
        """Changes of sign between the samples of a frame, as a share of them, (batch, frames, 1)."""
        negative = ops.cast(x < -_NEARLY_ZERO, "float32")
        changes = ops.abs(negative[:, 1:] - negative[:, :-1])
        if lengths is not None:  # from the last sample to the padding there is none
            inside = ops.arange(1, length(changes) + 1, dtype="int32") < lengths
            changes = ops.where(inside, changes, 0.0)
        changes = self._padded(ops.pad(changes, [[0, 0], [1, 0]]), frames)
        # A frame's first sample follows on none of the frame's.
        first = changes[:, : (frames - 1) * self.hop_length + 1 : self.hop_length]
        return self._means(changes) - ops.expand_dims(first, -1) / self.n_fft

    def _voice_pitch(self, padded, frames, weights):
        """Mean pitch in Hz of the valid frames that have one, (batch, 1)."""
        index = ops.expand_dims(ops.arange(frames) * self.hop_length, 1) + np.arange(self.n_fft)
        pieces = ops.reshape(ops.take(padded, index, axis=1), (-1, self.n_fft))
        hertz = ops.reshape(self._pitch_of(pieces), (-1, frames, 1))
        return weighted_mean(hertz, weights * ops.cast(hertz > 0, "float32"))

    def compute_output_shape(self, waveform_shape, lengths_shape=None):
        return (waveform_shape[0], self._width())

    def _width(self) -> int:
        return 1 + _CHROMA + self.n_mfcc + 1 + self.n_mels + int(self.pitch)

    def _settings(self) -> dict:
        return {**super()._settings(), "log_mel": self.log_mel, "pitch": self.pitch}
