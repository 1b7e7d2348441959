"""Pitch of short pieces of sound by autocorrelation, in products and comparisons alone."""

import keras
import numpy as np
from keras import ops

from emotionnet.errors import UsageError
from emotionnet.layers.audio import LOUDEST
from emotionnet.layers.configured import Configured

#: Pitch is looked for in sound of this rate: a quarter of the work of 16 kHz. At 4 kHz octaves are
#: missed half as often again.
_RATE_HZ = 8000
#: The low-pass filter in front: where it halves, and how long it is in new samples.
_CUT_HZ, _TAPS = 3000.0, 16


@keras.saving.register_keras_serializable(package="emotionnet")
class Pitch(Configured):
    """Fundamental frequency in Hz of each piece of sound; 0 where it is silent or has no voice.

    The sound is brought to 8 kHz. With W samples and their copies ``lag`` later,

        d(lag) = sum_j (x_j - x_(j + lag))^2,   d'(lag) = d(lag) / mean(d(1), ..., d(lag)),

    which is autocorrelation without its liking for loud ends. The pitch is at the first minimum of d'
    below ``threshold``, else at the lowest, refined by a parabola through its neighbours. It
    counts as voiced where d' there is at most ``voiced``; silence (a root mean square of at most
    ``quiet``) never does. Of librosa's `yin`, which answers something in every frame, it keeps
    the answers on voiced ones.

    float32 whatever the dtype policy. NaN, infinite and absurdly large samples count as silence.

    Args:
        sample_rate: in Hz, a multiple of 8000.
        fmin, fmax: lowest and highest pitch in Hz.
        threshold: the first minimum of d' below it is the pitch.
        voiced: most d' of a voice.
        quiet: root mean square, full scale 1, up to which a piece is silent.

    Returns:
        (batch, 1) float32 from (batch, samples), of which all are used, so that the pitch is that at
        its middle. It takes two periods of ``fmin`` at least.

    Raises:
        UsageError: a rate or range that is not supported, or pieces that are too short.

    Source: de Cheveigne and Kawahara, "YIN, a fundamental frequency estimator for speech and
    music" (JASA 111, 2002), equations 6 and 8 and steps 4 and 5.
    """

    def __init__(
        self,
        sample_rate: int = 16000,
        fmin: float = 65.0,
        fmax: float = 600.0,
        threshold: float = 0.1,
        voiced: float = 0.4,
        quiet: float = 1e-4,
        **kwargs,
    ):
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        if sample_rate % _RATE_HZ:
            raise UsageError(f"Pitch: sample_rate is a multiple of {_RATE_HZ}, not {sample_rate}.")
        if not 0 < fmin < fmax <= _RATE_HZ / 8:
            raise UsageError(f"Pitch: needs 0 < fmin ({fmin}) < fmax ({fmax}) <= {_RATE_HZ // 8}.")
        self.sample_rate, self.fmin, self.fmax = sample_rate, fmin, fmax
        self.threshold, self.voiced, self.quiet = threshold, voiced, quiet
        self._first, self._last = int(_RATE_HZ / fmax), int(np.ceil(_RATE_HZ / fmin))

    def build(self, input_shape):
        self._step = self.sample_rate // _RATE_HZ
        self._kernel = low_pass(_CUT_HZ / self.sample_rate, _TAPS * self._step + 1)
        self._length = (input_shape[1] - len(self._kernel)) // self._step + 1
        self._lags = self._last + 2  # a neighbour on each side of the longest
        if self._length < self._lags + self._last:
            needed = (self._lags + self._last - 1) * self._step + len(self._kernel)
            raise UsageError(
                f"Pitch: {input_shape[1]} samples are too few to find {self.fmin:g} Hz in; at "
                f"least {needed}. Give longer pieces, or a higher fmin."
            )
        lag = np.arange(1, self._lags)
        # The mean over lags 1 to lag, as a matrix: column lag - 1.
        self._means = ((lag[:, None] <= lag) / lag).astype(np.float32)
        self.built = True

    def call(self, sound):
        x = ops.cast(sound, "float32")
        x = ops.where(ops.abs(x) < LOUDEST, x, 0.0)
        x = ops.conv(ops.expand_dims(x, -1), self._kernel[:, None, None], self._step, "valid")
        x = ops.reshape(x, (-1, self._length))
        width = self._length - self._lags + 1
        # Rows one longer than the piece that is repeated: row i begins i samples later.
        rows = ops.tile(x, (1, self._lags + 1))[:, : self._lags * (self._length + 1)]
        rows = ops.reshape(rows, (-1, self._lags, self._length + 1))[:, :, :width]
        difference = ops.sum(ops.square(rows[:, 1:] - rows[:, :1]), axis=2)
        mean = ops.matmul(difference, self._means)
        curve = difference / ops.maximum(mean, 1e-20)
        lag, depth = self._minimum(curve)
        loud = ops.mean(ops.square(x), axis=1, keepdims=True) > self.quiet**2
        return ops.where(loud, ops.where(depth <= self.voiced, _RATE_HZ / lag, 0.0), 0.0)

    def _minimum(self, curve):
        """Lag of the chosen minimum and d' there, (batch, 1) each; ``curve`` begins at lag 1."""
        first, last = self._first, self._last
        before, here, after = (curve[:, first - 2 + i : last - 1 + i] for i in range(3))
        trough = here <= ops.minimum(before, after)
        deep = ops.where(trough, ops.cast(here < self.threshold, "float32"), 0.0)
        # The first deep trough, else the lowest value: by rank, since argmax takes the first of equals.
        any_deep = ops.max(deep, axis=1, keepdims=True)
        rank = any_deep * deep + (any_deep - 1.0) * here
        # As integers, since Keras looks at the bits of floats here, which TFLite's builtins cannot.
        rank = ops.cast(rank * 1e6, "int32")
        place = ops.one_hot(ops.argmax(rank, axis=1), last - first + 1, dtype="float32")
        before, here, after = (
            ops.sum(place * value, axis=1, keepdims=True) for value in (before, here, after)
        )
        lag = ops.sum(place * np.arange(first, last + 1, dtype=np.float32), axis=1, keepdims=True)
        bend = before - 2.0 * here + after
        shift = 0.5 * (before - after) / ops.maximum(bend, 1e-9)
        return lag + ops.clip(shift, -0.5, 0.5), here

    def compute_output_shape(self, input_shape):
        return (input_shape[0], 1)


def low_pass(cut: float, taps: int) -> np.ndarray:
    """A low-pass filter (taps,) float32: a sinc under a Hann window, with sum 1.

    Args:
        cut: where it halves the amplitude, as a share of the sample rate.
        taps: its odd length.
    """
    place = np.arange(taps) - (taps - 1) / 2
    kernel = np.sinc(2 * cut * place) * np.hanning(taps + 2)[1:-1]
    return (kernel / kernel.sum()).astype(np.float32)
