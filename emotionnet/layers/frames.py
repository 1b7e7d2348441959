"""Layers that handle the time axis: fold frames into the batch and back, mean over valid steps."""

import keras
from keras import ops

from emotionnet.layers.configured import Configured


@keras.saving.register_keras_serializable(package="emotionnet")
class FoldFrames(keras.layers.Layer):
    """(batch, frames, ...) to (batch * frames, ...): a picture network then sees pictures."""

    def call(self, inputs):
        return ops.reshape(inputs, (-1, *inputs.shape[2:]))

    def compute_output_shape(self, input_shape):
        batch, frames = input_shape[:2]
        whole = None if batch is None or frames is None else batch * frames
        return (whole, *input_shape[2:])


@keras.saving.register_keras_serializable(package="emotionnet")
class UnfoldFrames(Configured):
    """(batch * frames, ...) to (batch, frames, ...): undoes `FoldFrames`.

    Args:
        frames: frames of a clip.
    """

    def __init__(self, frames: int, **kwargs):
        super().__init__(**kwargs)
        self.frames = frames

    def call(self, inputs):
        return ops.reshape(inputs, (-1, self.frames, *inputs.shape[1:]))

    def compute_output_shape(self, input_shape):
        whole = input_shape[0]
        return (None if whole is None else whole // self.frames, self.frames, *input_shape[1:])


@keras.saving.register_keras_serializable(package="emotionnet")
class MaskedMean(keras.layers.Layer):
    """Mean over time of the valid steps; zeros where no step is valid.

    Call it with ``values`` (batch, time, width) and ``valid`` (batch, time), 1 for valid steps.

    Returns:
        (batch, width).
    """

    def call(self, values, valid):
        weights = ops.expand_dims(ops.cast(valid, values.dtype), -1)
        return weighted_mean(values, weights)

    def compute_output_shape(self, values_shape, valid_shape):
        return (values_shape[0], values_shape[2])


@keras.saving.register_keras_serializable(package="emotionnet")
class JoinSteps(keras.layers.Layer):
    """Two sequences one after the other, and their masks too.

    Call it with ``first`` and ``second`` (batch, steps, width), and ``first_valid`` and
    ``second_valid`` (batch, steps).

    Returns:
        (batch, all steps, width), and (batch, all steps) float32.
    """

    def call(self, first, second, first_valid, second_valid):
        masks = [ops.cast(valid, "float32") for valid in (first_valid, second_valid)]
        return ops.concatenate([first, second], axis=1), ops.concatenate(masks, axis=1)

    def compute_output_shape(self, first_shape, second_shape, *others):
        counts = first_shape[1], second_shape[1]
        steps = (first_shape[0], None if None in counts else sum(counts))
        return (*steps, first_shape[2]), steps


def weighted_mean(values, weights):
    """Mean over axis 1 of ``values`` (batch, time, width), ``weights`` (batch, time, 1) >= 0.

    Zeros where all weights are zero. What stands at a weight of zero does not matter.
    """
    total = ops.sum(weights, axis=1)
    # + 1 only where all weights are zero: no division by zero, and no epsilon that bends answers.
    safe = total + ops.cast(ops.equal(total, 0), total.dtype)
    return ops.sum(weights * values, axis=1) / safe


@keras.saving.register_keras_serializable(package="emotionnet")
class StepsPresent(Configured):
    """A mask for steps that are all there or all absent: 1 where a count (batch,) is above 0.

    Args:
        steps: number of them.

    Returns:
        (batch, steps) float32.
    """

    def __init__(self, steps: int, **kwargs):
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        self.steps = steps

    def call(self, count):
        there = ops.cast(ops.expand_dims(count, -1) > 0, "float32")
        return ops.tile(there, (1, self.steps))

    def compute_output_shape(self, input_shape):
        return (*input_shape, self.steps)


@keras.saving.register_keras_serializable(package="emotionnet")
class AnyStep(Configured):
    """Whether any step of a mask is valid: (batch, steps) to (batch, 1), 1 or 0, float32."""

    def __init__(self, **kwargs):
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)

    def call(self, valid):
        return ops.cast(ops.max(valid, axis=1, keepdims=True) > 0, "float32")

    def compute_output_shape(self, input_shape):
        return (input_shape[0], 1)
