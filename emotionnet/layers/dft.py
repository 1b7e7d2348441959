"""Mel energies through a DFT written as matrix products: no complex numbers, no FFT op.

A length is split into ``rows * columns`` (2048 = 64 * 32). With ``n = columns * r + c`` and
``k = p + rows * q`` the transform is (Cooley and Tukey, 1965)

    X[k] = sum_c  W_columns^(c q) * { W_N^(c p)  sum_r  W_rows^(r p) x[n] },   W_N = exp(-2 pi i / N)

- The braces are one small real matrix a column ``c``. As ``x`` is real, ``p <= rows / 2`` gives every
  frequency. Before it, where ``rows`` is even, ``x_r +- x_(r + half)`` separates even from odd ``p``.
- The sum over ``c`` is one small matrix for all ``p``. Before it ``x_c +- x_(c + half)`` separates even
  from odd ``q``. As in an FFT, each of these halves the products.
- Rounding stays that of an FFT, though these are plain products: what follows on a loud tone must
  cancel before it is summed up, so ``c`` is beside ``c + half`` in the remaining sum; and the sum
  over ``r``, where it cannot cancel, is a sum of (up to) four.
- The frequencies come in a scattered order, which the mel matrix absorbs: its columns are laid out in
  that order. Low filters need few frequencies, so filters go in groups that look at a part each;
  filters that need nearly all (chroma) are a separate group.
- Frames are the *last* axis, so every product has a constant on its left and long rows on its
  right, and nothing is transposed on the way.

A prime length has one column, which is the dense DFT. Products, sums and slices are what TensorFlow,
JAX, TFLite's builtins and ONNX all have. The constants take 0.45 MB for 2048 and 128 mel bands; a
dense DFT would take 17.
"""

import itertools
import math

import numpy as np
from keras import ops


class MelDFT:
    """Frames of sound to mel energies.

    Args:
        window: (n_fft,), multiplied into every frame.
        hop_length: samples from one frame to the next.
        mel: (1 + n_fft // 2, n_mels) filters over the bins, those that need most bins first.
        power: 2 sums energies, 1 magnitudes.
    """

    def __init__(self, window: np.ndarray, hop_length: int, mel: np.ndarray, power: float = 2.0):
        self.n_fft, self.hop_length, self.power = len(window), hop_length, power
        self.columns = max(d for d in range(1, math.isqrt(self.n_fft) + 1) if self.n_fft % d == 0)
        self.rows = self.n_fft // self.columns
        self._block = math.gcd(self.hop_length, self.n_fft)
        self._blocks = self.n_fft // self._block
        self._dealt = self._block % self.columns == 0 and 2 <= self._blocks <= 64
        self._paired = (self._blocks if self._dealt else self.rows) % 2 == 0
        # Where c stands: with halves (i, j) of c = (i, j, rest), in the order (i, rest, j).
        halves = 2 if self.columns % 4 == 0 else 1
        self._split = (halves, halves, self.columns // halves**2)
        self._order = np.arange(self.columns).reshape(self._split).transpose(0, 2, 1).ravel()
        window = window.reshape(self.rows, self.columns).T[self._order, :, None]
        self._window = window.astype(np.float32)
        p, q = np.arange(self.rows // 2 + 1), np.arange(self.columns)
        # p = 0 (and rows / 2) holds a frequency and its mirror image: each counts half.
        mel = mel / np.bincount(self._bins(q, p).ravel())[:, None]
        half = self._order[: self.columns // 2]
        stages = [(half, q[1::2]), (half, q[::2])] if halves == 2 else [(self._order, q)]
        self._parts = [
            (self._first_sum(p), [self._second_sum(c, q, p, mel) for c, q in stages])
            for p in ((p[::2], p[1::2]) if self._paired else (p,))
        ]

    def _first_sum(self, p):
        """(columns, real and imaginary of every p, rows, or half of these)."""
        r = np.arange(self.rows // 2 if self._paired else self.rows)
        p, c = p[:, None], self._order[:, None, None]
        turn = np.exp(-2j * np.pi * (p * r / self.rows + p * c / self.n_fft))
        return np.concatenate([turn.real, turn.imag], axis=1).astype(np.float32)

    def _second_sum(self, c, q, p, mel):
        """The matrix over columns ``c`` for frequencies ``q``, and the mel filters of these.

        The filters are groups ``(first, last, matrix)`` over a range of the sorted ``q``.
        """
        q = q[np.argsort(self._bins(q, p).min(axis=1), kind="stable")]
        turn = np.exp(-2j * np.pi * q[:, None] * c / self.columns)
        # Complex times complex, as rows (real of all q, imaginary of all q), columns (c, re and im).
        real = np.stack([turn.real, -turn.imag], axis=-1).reshape(len(q), -1)
        imaginary = np.stack([turn.imag, turn.real], axis=-1).reshape(len(q), -1)
        turn = np.concatenate([real, imaginary]).astype(np.float32)
        filters = mel[self._bins(q, p)]
        wide = int(np.argmin(np.count_nonzero(mel, axis=0) > len(mel) / 2))
        narrow = np.array_split(filters[..., wide:], 4 if self.columns >= 8 else 1, axis=2)
        groups = []
        for group in [filters[..., :wide], *narrow] if wide else narrow:
            used = np.flatnonzero(group.any(axis=(1, 2)))
            first, last = (used[0], used[-1] + 1) if len(used) else (0, 1)
            matrix = group[first:last].reshape(-1, group.shape[2]).T
            groups.append((first, last, np.ascontiguousarray(matrix, dtype=np.float32)))
        return turn, groups

    def _bins(self, q, p):
        """The bin that (q, p) holds, or whose mirror image it holds."""
        bins = q[:, None] * self.rows + p
        return np.minimum(bins, self.n_fft - bins)

    def __call__(self, signal):
        """(batch, (frames - 1) * hop_length + n_fft) samples to (n_mels, batch * frames)."""
        pieces, row = [], 0
        for piece in self._pieces(signal):
            pieces.append(piece * self._window[:, row : row + piece.shape[1]])
            row += piece.shape[1]
        halves = [pieces]
        if self._paired:
            pairs = list(zip(pieces[: len(pieces) // 2], pieces[len(pieces) // 2 :]))
            halves = [[a + b for a, b in pairs], [a - b for a, b in pairs]]
        energies = []
        for pieces, (turn, stages) in zip(halves, self._parts):
            energies += self._energies(self._over_rows(pieces, turn), stages)
        energies = [sum(group[1:], start=group[0]) for group in zip(*energies)]
        return ops.concatenate(energies, axis=0) if len(energies) > 1 else energies[0]

    def _over_rows(self, pieces, turn):
        """The first sum, (columns, real and imaginary of some p, batch * frames)."""
        sums, row = [], 0
        for piece in pieces:
            sums.append(ops.matmul(turn[:, :, row : row + piece.shape[1]], piece))
            row += piece.shape[1]
        while len(sums) > 1:
            sums = [sum(sums[i : i + 2]) for i in range(0, len(sums), 2)]
        return sums[0]

    def _energies(self, x, stages):
        """The second sum: for each stage the energies of each group of filters."""
        parts, half = [x], self.columns // 2
        if len(stages) == 2:
            parts = [x[:half] - x[half:], x[:half] + x[half:]]
        for part, (turn, groups) in zip(parts, stages):
            square = ops.square(ops.matmul(turn, ops.reshape(part, (turn.shape[1], -1))))
            power = square[: turn.shape[0] // 2] + square[turn.shape[0] // 2 :]
            if self.power == 1:
                power = ops.sqrt(power)
            # Rows (q, p), so that a range of q is a range of rows.
            count = groups[0][2].shape[1] // (groups[0][1] - groups[0][0])
            power = ops.reshape(power, (turn.shape[0] // 2 * count, -1))
            yield [
                ops.matmul(matrix, power[first * count : last * count])
                for first, last, matrix in groups
            ]

    def _pieces(self, signal):
        """Overlapping frames, dealt into columns: up to four times (columns, rows, frames)."""
        block, blocks = self._block, self._blocks
        step = self.hop_length // block
        length = signal.shape[1] or ops.shape(signal)[1]
        if not self._dealt:
            frames = (length - self.n_fft) // self.hop_length + 1
            index = ops.expand_dims(ops.arange(frames) * self.hop_length, 1)
            x = ops.take(signal, index + np.arange(self.n_fft), axis=1)
            x = ops.reshape(x, (-1, self.rows, *self._split))
            x = ops.reshape(ops.transpose(x, (2, 4, 3, 1, 0)), (self.columns, self.rows, -1))
            cuts = [self.rows * i // 4 for i in range(5)]
            return [x[:, a:b] for a, b in itertools.pairwise(cuts) if a < b]
        # Deal the signal once, then take overlapping frames from its blocks.
        # Two transpositions with long rows take half the time of one with short rows.
        high, count = block // self.columns, length // block
        x = ops.transpose(ops.reshape(signal, (-1, count, block)), (0, 2, 1))
        x = ops.transpose(ops.reshape(x, (-1, high, *self._split, count)), (2, 4, 3, 1, 0, 5))
        x = ops.reshape(x, (self.columns, high, -1, count))
        ends = [j - blocks + 1 or None for j in range(blocks)]
        pieces = [x[..., j : ends[j] : step] for j in range(blocks)]
        pieces = [ops.reshape(piece, (self.columns, high, -1)) for piece in pieces]
        groups = [pieces[blocks * i // 4 : blocks * (i + 1) // 4] for i in range(4)]
        return [ops.concatenate(g, axis=1) if len(g) > 1 else g[0] for g in groups if g]
