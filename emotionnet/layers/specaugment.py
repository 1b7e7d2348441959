"""Other voices from the existing ones: augmentation of spectrograms, in training only."""

import keras
import numpy as np
from keras import ops, random

from emotionnet.errors import UsageError


@keras.saving.register_keras_serializable(package="emotionnet")
class SpectrogramAugment(keras.layers.Layer):
    """Changes log-mel spectrograms (batch, time, bands) in training; otherwise gives them back.

    In this order, each clip by its own random numbers:

    - time is stretched about the middle and shifted: another pace;
    - bands are stretched and shifted: another pitch and another vocal tract;
    - a broken line over the bands is added: another microphone and room;
    - values are raised to a floor of noise: another distance;
    - stripes of time and bands become 0 (SpecAugment).

    Bands and steps of time beyond the border repeat the one at the border.

    Args:
        stretch: largest change of pace, as a natural logarithm.
        time_shift: largest shift in steps.
        band_scale: largest relative change of the band's number.
        band_shift: largest shift in bands.
        filter_std: standard deviation of the broken line's knots, in units of the spectrogram.
        noise: highest floor, as a share of what lies between the clip's softest and loudest value.
        time_mask, band_mask: largest width of a stripe.
        masks: stripes of each kind.
        seed: of all draws.

    Source: masks are Park et al., "SpecAugment" (Interspeech 2019); stretching the bands is Jaitly
    and Hinton, "Vocal Tract Length Perturbation" (ICML workshop 2013).
    """

    #: Knots of the line over the bands.
    KNOTS = 6
    #: Standard deviation of the noise about its floor, in units of the spectrogram.
    NOISE_STD = 0.35

    def __init__(
        self,
        stretch: float = 0.1,
        time_shift: float = 8.0,
        band_scale: float = 0.08,
        band_shift: float = 6.0,
        filter_std: float = 0.1,
        noise: float = 0.05,
        time_mask: int = 8,
        band_mask: int = 8,
        masks: int = 1,
        seed: int | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.stretch, self.time_shift = stretch, time_shift
        self.band_scale, self.band_shift = band_scale, band_shift
        self.filter_std, self.noise = filter_std, noise
        self.time_mask, self.band_mask, self.masks, self.seed = time_mask, band_mask, masks, seed
        if min(self._settings().values()) < 0 or noise > 1:
            raise UsageError("SpectrogramAugment: strengths must be >= 0, and noise <= 1.")
        self.generator = random.SeedGenerator(seed)

    def call(self, inputs, training=None):
        return self._changed(inputs) if training else inputs

    def _changed(self, x):
        time, bands = x.shape[1:]
        step = ops.arange(time, dtype=x.dtype) - (time - 1) / 2
        source = step * ops.exp(self._draw(x, self.stretch)) + self._draw(x, self.time_shift)
        x = ops.matmul(_reading(source + (time - 1) / 2, time), x)
        band = ops.arange(bands, dtype=x.dtype)
        source = band * (1 + self._draw(x, self.band_scale)) + self._draw(x, self.band_shift)
        x = ops.matmul(x, ops.transpose(_reading(source, bands), (0, 2, 1)))
        if self.filter_std:
            knots = self._normal((ops.shape(x)[0], self.KNOTS), x.dtype) * self.filter_std
            x = x + ops.expand_dims(
                ops.matmul(knots, ops.cast(_line(self.KNOTS, bands), x.dtype)), 1
            )
        if self.noise:
            low = ops.min(x, axis=(1, 2), keepdims=True)
            span = ops.max(x, axis=(1, 2), keepdims=True) - low
            share = ops.expand_dims(self._uniform(x, 0.0, self.noise), -1)
            noise = self._normal(ops.shape(x), x.dtype) * self.NOISE_STD
            x = ops.maximum(x, low + share * span + noise)
        for _ in range(self.masks):
            x = x * ops.expand_dims(self._mask(x, time, self.time_mask), 2)
            x = x * ops.expand_dims(self._mask(x, bands, self.band_mask), 1)
        return x

    def _mask(self, x, length: int, widest: float):
        """(batch, length): 0 in a stripe of up to ``widest``, 1 elsewhere."""
        width = self._uniform(x, 0.0, min(widest, length))
        first = self._uniform(x, 0.0, 1.0) * (length - width)
        number = ops.arange(length, dtype=x.dtype)
        inside = ops.logical_and(number >= first, number < first + width)
        return 1.0 - ops.cast(inside, x.dtype)

    def _draw(self, x, largest: float):
        return self._uniform(x, -largest, largest)

    def _uniform(self, x, low: float, high: float):
        shape = (ops.shape(x)[0], 1)
        return random.uniform(shape, low, high, dtype=x.dtype, seed=self.generator)

    def _normal(self, shape, dtype):
        return random.normal(shape, dtype=dtype, seed=self.generator)

    def compute_output_shape(self, input_shape):
        return input_shape

    def _settings(self) -> dict:
        names = ("stretch", "time_shift", "band_scale", "band_shift", "filter_std", "noise")
        names += ("time_mask", "band_mask", "masks")
        return {name: getattr(self, name) for name in names}

    def get_config(self):
        return {**super().get_config(), **self._settings(), "seed": self.seed}


def _reading(source, length: int):
    """Matrices (batch, n, length) that read a sequence at ``source`` (batch, n), linearly between."""
    source = ops.clip(source, 0.0, float(length - 1))
    apart = ops.expand_dims(source, -1) - ops.arange(length, dtype=source.dtype)
    return ops.maximum(1.0 - ops.abs(apart), 0.0)


def _line(knots: int, bands: int) -> np.ndarray:
    """(knots, bands): the share of each knot in each band, less its mean over the bands."""
    place = np.linspace(0, knots - 1, bands)
    share = np.maximum(0, 1 - np.abs(place - np.arange(knots)[:, None]))
    return share - share.mean(axis=1, keepdims=True)
