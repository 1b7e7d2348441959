"""Mel energies through a DFT written as two matrix products: no complex numbers, no FFT op.

The length is split into ``rows * columns`` (2048 = 64 * 32). With ``n = columns * r + c`` and
``k = p + rows * q`` the transform is (Cooley and Tukey, 1965)

    X[k] = sum_c  W_columns^(c q) * { W_N^(c p)  sum_r  W_rows^(r p) x[n] },   W_N = exp(-2 pi i / N)

The braces are one real matrix a column ``c``, which holds the window too; the sum over ``c`` is one
matrix for all ``p``. As ``x`` is real, ``p <= rows / 2`` gives every frequency. These come in a
scattered order, which the mel matrix absorbs: its rows are laid out in the same order. A prime
length has ``columns = 1``, which is the dense DFT.

So it needs matrix products and slices only, which TensorFlow, JAX, TFLite's builtins and ONNX all
have, and whose constants stay small: 0.8 MB for 2048 with 128 mel bands, where a dense DFT has 17.
"""

import math

import numpy as np
from keras import ops


class MelDFT:
    """Frames of sound to mel energies.

    Args:
        window: (n_fft,), multiplied into every frame.
        hop_length: samples from one frame to the next.
        mel: (1 + n_fft // 2, n_mels) filters over the bins.
        power: 2 sums energies, 1 magnitudes.
    """

    def __init__(self, window: np.ndarray, hop_length: int, mel: np.ndarray, power: float = 2.0):
        self.n_fft, self.hop_length, self.power = len(window), hop_length, power
        self.columns = max(d for d in range(1, math.isqrt(self.n_fft) + 1) if self.n_fft % d == 0)
        self.rows = self.n_fft // self.columns
        self.kept = self.rows // 2 + 1
        p, r = np.arange(self.kept), np.arange(self.rows)
        c = q = np.arange(self.columns)
        phase = r[:, None] * p / self.rows + c[:, None, None] * p / self.n_fft
        windowed = window.reshape(self.rows, self.columns).T[:, :, None]
        first = windowed * np.exp(-2j * np.pi * phase)
        self._first = _float32(
            np.stack([first.real, first.imag], -1).reshape(self.columns, self.rows, -1)
        )

        bins = p[:, None] + self.rows * q
        bins = np.minimum(bins, self.n_fft - bins)
        order = np.argsort(bins.min(axis=0), kind="stable")
        bins = bins[:, order]
        # p = 0 (and rows / 2) holds a frequency and its mirror image: each counts half.
        share = 1.0 / np.bincount(bins.ravel())[bins]
        filters = mel[bins] * share[..., None]
        second = np.exp(-2j * np.pi * c[:, None] * q[order] / self.columns)
        # Low filters need few frequencies: groups of filters, each with the columns that it needs.
        groups = 4 if self.columns >= 8 else 1
        self._bands = []
        for group in np.array_split(np.arange(mel.shape[1]), groups):
            used = np.flatnonzero(filters[:, :, group].any(axis=(0, 2)))
            span = slice(used[0], used[-1] + 1) if len(used) else slice(0, 1)
            turn = second[:, span]
            turn = np.stack([np.hstack([turn.real, turn.imag]), np.hstack([-turn.imag, turn.real])])
            turn = turn.transpose(1, 0, 2).reshape(2 * self.columns, -1)
            self._bands.append(
                (_float32(turn), _float32(filters[:, span][:, :, group].reshape(-1, len(group))))
            )

    def __call__(self, signal):
        """(batch, (frames - 1) * hop_length + n_fft) samples to (batch, frames, n_mels)."""
        columns = self._columns(signal)
        frames = columns.shape[2] or ops.shape(columns)[2]
        x = ops.reshape(columns, (self.columns, -1, self.rows))
        x = ops.reshape(ops.matmul(x, self._first), (self.columns, -1, 2))
        x = ops.reshape(ops.transpose(x, (1, 0, 2)), (-1, 2 * self.columns))
        energies = []
        for turn, filters in self._bands:
            width = turn.shape[1] // 2
            square = ops.square(ops.matmul(x, turn))
            power = square[:, :width] + square[:, width:]
            if self.power == 1.0:
                power = ops.sqrt(power)
            energies.append(ops.matmul(ops.reshape(power, (-1, self.kept * width)), filters))
        energies = ops.concatenate(energies, axis=-1)
        return ops.reshape(energies, (-1, frames, energies.shape[-1]))

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
            parts = [dealt[:, :, j : ends[j] : step] for j in range(blocks)]
            return ops.concatenate(parts, axis=-1)
        frames = (length - self.n_fft) // self.hop_length + 1
        index = ops.expand_dims(ops.arange(frames) * self.hop_length, 1) + np.arange(self.n_fft)
        x = ops.take(signal, index, axis=1)
        x = ops.reshape(x, (-1, frames, self.rows, self.columns))
        return ops.transpose(x, (3, 0, 1, 2))


def _float32(matrix: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(matrix, dtype=np.float32)
