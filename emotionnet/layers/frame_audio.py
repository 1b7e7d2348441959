"""Layers that describe the sound around each face of a clip by a vector."""

import keras
import numpy as np
from keras import ops

from emotionnet.errors import UsageError
from emotionnet.layers.audio import LOUDEST
from emotionnet.layers.configured import Configured


@keras.saving.register_keras_serializable(package="emotionnet")
class Energy(Configured):
    """Energy in decibels (full scale 0) of the middle of each piece of sound.

    float32 whatever the dtype policy. NaN, infinite and absurdly large samples count as silence.

    Args:
        samples: length of the middle.
        amin: floor of the mean square, so that silence has -100 dB.

    Returns:
        (batch, 1) float32 from (batch, samples of a piece).

    Raises:
        UsageError: the middle is empty, or longer than the piece.
    """

    def __init__(self, samples: int, amin: float = 1e-10, **kwargs):
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        self.samples, self.amin = samples, amin

    def build(self, sound_shape):
        if not 1 <= self.samples <= sound_shape[1]:
            raise UsageError(
                f"Energy: the middle has {self.samples} samples, of pieces of {sound_shape[1]}."
            )
        self.built = True

    def call(self, sound):
        begin = (sound.shape[1] - self.samples) // 2
        x = ops.cast(sound[:, begin : begin + self.samples], "float32")
        x = ops.where(ops.abs(x) < LOUDEST, x, 0.0)
        power = ops.mean(ops.square(x), axis=1, keepdims=True)
        return ops.log(ops.maximum(power, self.amin)) * (10.0 / float(np.log(10.0)))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], 1)


@keras.saving.register_keras_serializable(package="emotionnet")
class Derivatives(Configured):
    """Features at the middle of a few steps of time, with their first and second derivative.

    A derivative is the slope of the line that fits best over ``2 * reach + 1`` steps; the second is
    the derivative of the first, so ``4 * reach + 1`` steps are used. All three are one
    product with constants.

    Args:
        reach: steps to either side.

    Returns:
        (batch, 3 * width) from (batch, steps, width), steps odd: features, first, second derivative.

    Source: the regression of Young et al., "The HTK Book", "Delta and acceleration coefficients".
    """

    def __init__(self, reach: int = 2, **kwargs):
        super().__init__(**kwargs)
        self.reach = reach

    def build(self, input_shape):
        steps = input_shape[1]
        if steps < 4 * self.reach + 1 or steps % 2 == 0:
            raise UsageError(
                f"Derivatives: needs an odd number of steps from {4 * self.reach + 1}, not {steps}."
            )
        place = np.arange(-self.reach, self.reach + 1)
        slope = place / np.sum(place**2)
        weights = np.zeros((3, steps))
        for row, kernel in enumerate(([1.0], slope, np.convolve(slope, slope))):
            begin = (steps - len(kernel)) // 2
            weights[row, begin : begin + len(kernel)] = kernel
        self._weights = weights.astype(np.float32)
        self.built = True

    def call(self, inputs):
        x = ops.matmul(ops.cast(self._weights, inputs.dtype), inputs)
        return ops.reshape(x, (-1, 3 * inputs.shape[2]))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], 3 * input_shape[2])


@keras.saving.register_keras_serializable(package="emotionnet")
class NeighbourContext(Configured):
    """Each step's features between those of its neighbours; zeros beyond the ends.

    Args:
        before, after: neighbours on either side.

    Returns:
        (batch, steps, (before + 1 + after) * width) from (batch, steps, width), in order of time.
    """

    def __init__(self, before: int = 2, after: int = 1, **kwargs):
        super().__init__(**kwargs)
        self.before, self.after = before, after

    def call(self, inputs):
        steps = inputs.shape[1]
        padded = ops.pad(inputs, [[0, 0], [self.before, self.after], [0, 0]])
        each = [padded[:, i : i + steps] for i in range(self.before + 1 + self.after)]
        return ops.concatenate(each, axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:2], (self.before + 1 + self.after) * input_shape[2])
