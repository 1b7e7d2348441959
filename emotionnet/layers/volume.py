"""Pictures one behind the other, (batch, depth, height, width, channels), by 2-D operations alone.

A convolution of depth d lays d neighbouring pictures side by side as channels; nothing slides along the
depth. So a 3-D network needs no 3-D convolution or pool, which TensorFlow Lite's builtins lack.
"""

import keras
from keras import layers, ops

from emotionnet.layers.configured import Configured


def _pictures(x, first: int, count: int):
    """``count`` pictures of the depth.

    By a split: the gradient of TensorFlow's slice is two thirds of a training step on a CPU.
    """
    bounds = [i for i in (first, first + count) if 0 < i < x.shape[1]]
    return ops.split(x, bounds, axis=1)[int(first > 0)] if bounds else x


@keras.saving.register_keras_serializable(package="emotionnet")
class DepthNeighbours(Configured):
    """Each picture with those behind it as further channels.

    A 2-D convolution of the result is the 3-D convolution of depth ``reach``, stride 1 along the depth,
    "valid"; its kernel (height, width, reach * channels, filters) is the 3-D one with the depth moved
    in front of the channels.

    Args:
        reach: pictures that are laid side by side.

    Returns:
        (batch, depth - reach + 1, height, width, reach * channels).
    """

    def __init__(self, reach: int, **kwargs):
        super().__init__(**kwargs)
        self.reach = reach

    def call(self, inputs):
        depth = inputs.shape[1] - self.reach + 1
        return ops.concatenate([_pictures(inputs, i, depth) for i in range(self.reach)], axis=-1)

    def compute_output_shape(self, input_shape):
        batch, depth, *plane, channels = input_shape
        return (batch, depth - self.reach + 1, *plane, self.reach * channels)


@keras.saving.register_keras_serializable(package="emotionnet")
class DepthMean(Configured):
    """The mean of each picture and those behind it: an average pool of depth ``reach``, stride 1.

    Args:
        reach: pictures that are averaged.

    Returns:
        (batch, depth - reach + 1, height, width, channels).
    """

    def __init__(self, reach: int, **kwargs):
        super().__init__(**kwargs)
        self.reach = reach

    def call(self, inputs):
        depth = inputs.shape[1] - self.reach + 1
        total = _pictures(inputs, 0, depth)
        for i in range(1, self.reach):
            total = total + _pictures(inputs, i, depth)
        return total * (1.0 / self.reach)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[1] - self.reach + 1, *input_shape[2:])


@keras.saving.register_keras_serializable(package="emotionnet")
class ChannelAttention(Configured):
    """Which channels matter: a gate for each, from its mean and its maximum over depth and plane.

    Both go through the same two dense layers; their sum ends in a sigmoid. The shape stays.

    Args:
        reduction: how many times narrower the dense layers are in the middle.

    Source: Woo et al., "CBAM: Convolutional Block Attention Module" (ECCV 2018), section 3.
    """

    def __init__(self, reduction: int = 16, **kwargs):
        super().__init__(**kwargs)
        self.reduction = reduction

    def build(self, input_shape):
        channels = input_shape[-1]
        hidden, policy = max(1, channels // self.reduction), self.dtype_policy
        self.down = layers.Dense(hidden, activation="relu", dtype=policy, name="down")
        self.up = layers.Dense(channels, dtype=policy, name="up")
        self.down.build((input_shape[0], channels))
        self.up.build((input_shape[0], hidden))
        self.built = True

    def call(self, inputs):
        shape = inputs.shape[1:]
        places = 1
        for side in shape[:-1]:
            places *= side
        flat = ops.reshape(inputs, (-1, places, shape[-1]))
        gate = self.up(self.down(ops.mean(flat, axis=1))) + self.up(
            self.down(ops.max(flat, axis=1))
        )
        return inputs * ops.reshape(ops.sigmoid(gate), (-1, *[1] * (len(shape) - 1), shape[-1]))

    def compute_output_shape(self, input_shape):
        return input_shape


@keras.saving.register_keras_serializable(package="emotionnet")
class SpatialAttention(Configured):
    """Where in each picture to look: a gate for each place, from the mean and maximum of its channels.

    One convolution without bias, the same for every picture of the depth. The shape stays.

    Args:
        kernel_size: of the convolution.

    Source: Woo et al., "CBAM: Convolutional Block Attention Module" (ECCV 2018), section 3.
    """

    def __init__(self, kernel_size: int = 7, **kwargs):
        super().__init__(**kwargs)
        self.kernel_size = kernel_size
        self.convolution = layers.Conv2D(
            1, kernel_size, padding="same", use_bias=False, dtype=self.dtype_policy, name="gate"
        )

    def build(self, input_shape):
        self.convolution.build((None, *input_shape[-3:-1], 2))
        self.built = True

    def call(self, inputs):
        depth, height, width, _ = inputs.shape[1:]
        reduced = [f(inputs, axis=-1, keepdims=True) for f in (ops.mean, ops.max)]
        reduced = ops.reshape(ops.concatenate(reduced, axis=-1), (-1, height, width, 2))
        gate = ops.sigmoid(self.convolution(reduced))
        return inputs * ops.reshape(gate, (-1, depth, height, width, 1))

    def compute_output_shape(self, input_shape):
        return input_shape
