"""A spectrogram as a few hundred numbers: how its bands and cepstra are spread, change and pulse."""

import keras
import numpy as np
from keras import ops

from emotionnet.errors import UsageError
from emotionnet.layers.configured import Configured
from emotionnet.layers.frames import weighted_mean
from emotionnet.layers.mel import dct_matrix

#: Rates of change in Hz, each from one number to the next: phrases, words, syllables, sounds.
RATES_HZ = (0.3, 2.0, 4.0, 8.0, 16.0)
#: Added before roots and logarithms, and to divisors: of a clip of silence nothing changes.
_SMALL = 1e-3
_SMALL_POWER = 1e-2


@keras.saving.register_keras_serializable(package="emotionnet")
class SpectrogramStatistics(Configured):
    """Statistics over time of a log-mel spectrogram (batch, time, bands): one vector a clip.

    A frame is described by the means of ``groups`` groups of neighbouring bands, the first ``cepstra``
    coefficients of its DCT, and its loudest band. Each of these tracks gives nine numbers: mean, standard
    deviation and skewness, mean size and deviation of its change over two frames, all of the frames that are
    `heard`; and the logarithm of its mean power at four rates of change (`RATES_HZ`), under a Hann window, of
    all frames.

    Few clips are enough to learn from such vectors. It computes in float32 whatever the dtype policy.

    Args:
        frame_rate: frames of the spectrogram a second.
        reach: as of `heard`, in the spectrogram's units.
        groups: divides the number of bands.
        cepstra: coefficients, the first of which is the level.

    Returns:
        (batch, 9 * (groups + cepstra + 1)) float32.

    Source: functionals over a clip are those of Schuller et al., "The INTERSPEECH 2009 Emotion Challenge";
    which ones, and the rates of change beside them, are ours.
    """

    def __init__(
        self, frame_rate: float, reach: float, groups: int = 16, cepstra: int = 20, **kwargs
    ):
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        if frame_rate <= 2 * RATES_HZ[-1] or reach <= 0 or groups < 1 or cepstra < 1:
            raise UsageError(
                f"SpectrogramStatistics: frame_rate must be above {2 * RATES_HZ[-1]:g}, reach above 0, groups "
                f"and cepstra at least 1. Received: {frame_rate}, {reach}, {groups}, {cepstra}"
            )
        self.frame_rate, self.reach = frame_rate, reach
        self.groups, self.cepstra = groups, cepstra

    def build(self, input_shape):
        time, bands = input_shape[1:]
        if bands % self.groups or bands < self.cepstra:
            raise UsageError(
                f"SpectrogramStatistics: {bands} bands cannot give {self.groups} equal groups and "
                f"{self.cepstra} cepstra."
            )
        size = bands // self.groups
        means = np.kron(np.eye(self.groups), np.full((size, 1), 1 / size))
        self._tracks = np.hstack([means, dct_matrix(bands, self.cepstra)]).astype(np.float32)
        self._rates, self._shares = _rates(time, self.frame_rate)
        self.built = True

    def call(self, inputs):
        x = ops.cast(inputs, "float32")
        counts = heard(x, self.reach)
        x = ops.concatenate([ops.matmul(x, self._tracks), ops.max(x, axis=2, keepdims=True)], -1)
        change, both = changes(x, counts, 2)
        # Cosines, then sines: (batch, 2 * rates, tracks).
        waves = ops.matmul(self._rates, x - ops.mean(x, axis=1, keepdims=True))
        power = ops.log(ops.matmul(self._shares, ops.square(waves)) + _SMALL_POWER)
        pulse = ops.reshape(power, (-1, power.shape[1] * power.shape[2]))
        sizes = [weighted_mean(ops.abs(change), both), moments(change, both)[1]]
        return ops.concatenate([*moments(x, counts), *sizes, pulse], axis=-1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], 9 * (self.groups + self.cepstra + 1))


def heard(spectrogram, reach: float):
    """1 for frames whose loudest band comes within ``reach`` of the loudest of all: (batch, time, 1)."""
    loudness = ops.max(spectrogram, axis=2, keepdims=True)
    return ops.cast(loudness >= ops.max(loudness, axis=1, keepdims=True) - reach, "float32")


def moments(x, counts) -> tuple:
    """Mean, standard deviation and skewness of the frames that count, (batch, tracks) each."""
    mean = weighted_mean(x, counts)
    centred = x - ops.expand_dims(mean, 1)
    square = ops.square(centred)
    deviation = ops.sqrt(weighted_mean(square, counts) + _SMALL**2)
    return mean, deviation, weighted_mean(square * centred, counts) / (deviation**3 + _SMALL)


def changes(x, counts, distance: int) -> tuple:
    """How ``x`` (batch, time, tracks) changes over ``distance`` frames, and 1 where both ends count."""
    return x[:, distance:] - x[:, :-distance], counts[:, distance:] * counts[:, :-distance]


def _rates(time: int, frame_rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Hann-windowed cosines and sines (2 * rates, time), and which of them make the mean power of a band."""
    hertz = np.fft.rfftfreq(time, 1 / frame_rate)
    band = np.digitize(hertz, RATES_HZ)  # 1 for the first band
    inside = (band > 0) & (band < len(RATES_HZ))
    angles = 2 * np.pi / frame_rate * hertz[inside, None] * np.arange(time)
    waves = np.hanning(time) * np.concatenate([np.cos(angles), np.sin(angles)])
    shares = (band[inside] == np.arange(1, len(RATES_HZ))[:, None]).astype(float)
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1)
    return waves.astype(np.float32), np.tile(shares, 2).astype(np.float32)
