"""The audio front-end with small constants: 0.1 MB instead of 0.34 (40 bands) or 0.45 (128)."""

import math

import numpy as np
from keras import ops

from emotionnet.layers.audio import MFCC, LogMelSpectrogram
from emotionnet.layers.mel import hann_window
from emotionnet.layers.sound_vector import SoundVector

#: Mel filters that share a span of frequencies. Fewer make smaller matrices, and more of them.
_FILTERS = 8


class CompactMelDFT:
    """`emotionnet.layers.dft.MelDFT` with its first step in factors: window, rows, twiddle.

    One matrix then serves all columns. The mel matrix is stored in narrow blocks: in the order in
    which the second step leaves the frequencies, neighbouring filters need neighbouring ones.

    Args:
        window, hop_length, mel, power: as of `emotionnet.layers.dft.MelDFT`.
    """

    def __init__(self, window: np.ndarray, hop_length: int, mel: np.ndarray, power: float = 2.0):
        self.n_fft, self.hop_length, self.power = len(window), hop_length, power
        self.columns = max(d for d in range(1, math.isqrt(self.n_fft) + 1) if self.n_fft % d == 0)
        self.rows = self.n_fft // self.columns
        self.kept = self.rows // 2 + 1
        p, r = np.arange(self.kept), np.arange(self.rows)
        c = q = np.arange(self.columns)
        self._window = _constant(window.reshape(self.rows, self.columns).T[:, None, :])
        over_rows = np.exp(-2j * np.pi * r[:, None] * p / self.rows)
        self._cosine, self._sine = _constant(over_rows.real), _constant(over_rows.imag)
        twiddle = np.exp(-2j * np.pi * c[:, None, None] * p / self.n_fft)
        self._turn_real, self._turn_imag = _constant(twiddle.real), _constant(twiddle.imag)

        bins = p + self.rows * q[:, None]
        bins = np.minimum(bins, self.n_fft - bins)
        order = np.argsort(bins.min(axis=1), kind="stable")
        bins = bins[order].ravel()
        over_columns = np.exp(-2j * np.pi * q[order][:, None] * c / self.columns)
        self._second_real = _constant(np.hstack([over_columns.real, -over_columns.imag]))
        self._second_imag = _constant(np.hstack([over_columns.imag, over_columns.real]))
        # A frequency and its mirror image may both be there: each counts half.
        filters = mel[bins] / np.bincount(bins)[bins][:, None]
        self._blocks = []
        for first in range(0, mel.shape[1], _FILTERS):
            block = filters[:, first : first + _FILTERS]
            used = np.flatnonzero(block.any(axis=1))
            begin, end = (used[0], used[-1] + 1) if len(used) else (0, 1)
            self._blocks.append((int(begin), int(end), _constant(block[begin:end])))

    def __call__(self, signal):
        """(batch, (frames - 1) * hop_length + n_fft) samples to (n_mels, batch * frames)."""
        x = self._columns(signal)
        _, batch, frames, _ = x.shape
        # Said where it is known: the converter of TensorFlow 2.21 stumbles over -1.
        count = -1 if batch is None or frames is None else batch * frames
        x = ops.reshape(x, (self.columns, count, self.rows)) * self._window
        x = ops.reshape(x, (self.columns * count if count > 0 else -1, self.rows))
        real, imag = (
            ops.reshape(ops.matmul(x, m), (self.columns, count, self.kept))
            for m in (self._cosine, self._sine)
        )
        turned = [
            real * self._turn_real - imag * self._turn_imag,
            real * self._turn_imag + imag * self._turn_real,
        ]
        x = ops.concatenate([ops.reshape(part, (self.columns, -1)) for part in turned], axis=0)
        power = ops.square(ops.matmul(self._second_real, x))
        power = power + ops.square(ops.matmul(self._second_imag, x))
        if self.power == 1.0:
            power = ops.sqrt(power)
        power = ops.reshape(power, (self.columns, count, self.kept))
        power = ops.reshape(ops.transpose(power, (1, 0, 2)), (count, self.columns * self.kept))
        energies = [ops.matmul(power[:, begin:end], block) for begin, end, block in self._blocks]
        return ops.transpose(ops.concatenate(energies, axis=-1))

    def _columns(self, signal):
        """Overlapping frames, dealt into columns: (columns, batch, frames, rows)."""
        block = math.gcd(self.hop_length, self.n_fft)
        step, blocks = self.hop_length // block, self.n_fft // block
        length = signal.shape[1] or ops.shape(signal)[1]
        if block % self.columns == 0 and blocks <= 64:
            # Deal the signal once, then lay overlapping frames side by side from its blocks.
            dealt = ops.reshape(signal, (-1, length // block, block // self.columns, self.columns))
            dealt = ops.transpose(dealt, (3, 0, 1, 2))
            ends = [j - blocks + 1 or None for j in range(blocks)]
            return ops.concatenate(
                [dealt[:, :, j : ends[j] : step] for j in range(blocks)], axis=-1
            )
        frames = (length - self.n_fft) // self.hop_length + 1
        index = ops.expand_dims(ops.arange(frames) * self.hop_length, 1) + np.arange(self.n_fft)
        x = ops.reshape(ops.take(signal, index, axis=1), (-1, frames, self.rows, self.columns))
        return ops.transpose(x, (3, 0, 1, 2))


class _Compact:
    """The common part of the front-ends below."""

    def build(self, waveform_shape, lengths_shape=None):
        super().build(waveform_shape, lengths_shape)
        window = hann_window(self.win_length or self.n_fft, self.n_fft)
        self._dft = CompactMelDFT(window, self.hop_length, self._filters(), self.power)

    def _before(self, lengths, samples):
        # In rows, since a converter stores the numbers 0, 1, 2 ... that it is compared with.
        row = max(d for d in range(1, math.isqrt(samples) + 1) if samples % d == 0)
        left = lengths - row * ops.arange(samples // row, dtype="int32")
        before = ops.arange(row, dtype="int32") < ops.expand_dims(left, -1)
        return ops.reshape(before, (-1, samples))


class CompactSpectrogram(_Compact, LogMelSpectrogram):
    """`LogMelSpectrogram` on a `CompactMelDFT`."""


class CompactMFCC(_Compact, MFCC):
    """`MFCC` on a `CompactMelDFT`."""


class CompactSoundVector(_Compact, SoundVector):
    """`SoundVector` on a `CompactMelDFT`."""


def _constant(matrix: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(matrix, dtype=np.float32)
