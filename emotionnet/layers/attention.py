"""Triplet attention inside a picture, and frame attention over a clip."""

import keras
import numpy as np
from keras import layers, ops

from emotionnet.layers.configured import Configured
from emotionnet.layers.frames import weighted_mean


@keras.saving.register_keras_serializable(package="emotionnet")
class TripletAttention(Configured):
    """Three gates on a map, one for each pair of its dimensions; the shape stays.

    Each gate reduces the third dimension to its maximum and its mean, convolves the small map of
    two channels (7x7), and ends in BatchNorm and a sigmoid. The mean gate is multiplied in.

    The published form transposes the whole map so that each pair takes the place of height and
    width. Here only the reduced maps are transposed, and the gates are summed before *one*
    product: the same function. The gate of height and channels has the height first, where
    the published code for channels-first maps has a transposed kernel.

    Args:
        residual: also add the input, ``x * (1 + gate)`` (system 1), else ``x * gate``.
        kernel_size: of the gates' convolutions.
        momentum: of the BatchNorms.

    Source: Misra et al., "Rotate to Attend: Convolutional Triplet Attention Module" (WACV 2021).
    """

    def __init__(
        self, residual: bool = True, kernel_size: int = 7, momentum: float = 0.99, **kwargs
    ):
        super().__init__(**kwargs)
        self.residual, self.kernel_size, self.momentum = residual, kernel_size, momentum
        policy = self.dtype_policy
        # The axis that each gate reduces: it weighs the other two against each other.
        self.axes = {"height_width": 3, "height_channels": 2, "width_channels": 1}
        self.convolutions = [
            layers.Conv2D(
                1, kernel_size, padding="same", use_bias=False, dtype=policy, name=f"{pair}_conv"
            )
            for pair in self.axes
        ]
        self.norms = [
            layers.BatchNormalization(momentum=momentum, dtype=policy, name=f"{pair}_norm")
            for pair in self.axes
        ]

    def build(self, input_shape):
        for axis, convolution, norm in zip(self.axes.values(), self.convolutions, self.norms):
            plane = [d for i, d in enumerate(input_shape) if i != axis]
            convolution.build((*plane, 2))
            norm.build((*plane, 1))
        self.built = True

    def call(self, inputs, training=None):
        gates = []
        for axis, convolution, norm in zip(self.axes.values(), self.convolutions, self.norms):
            reduced = [reduce(inputs, axis=axis) for reduce in (ops.max, ops.mean)]
            gate = (_by_band if training else _plainly)(convolution, *reduced)
            gate = ops.sigmoid(norm(gate, training=training))
            # From (batch, a, b, 1) to the order of a and b in the input.
            gates.append(gate if axis == 3 else ops.expand_dims(ops.squeeze(gate, -1), axis))
        gate = (gates[0] + gates[1] + gates[2]) / 3.0
        return inputs * (1.0 + gate if self.residual else gate)

    def compute_output_shape(self, input_shape):
        return input_shape


def _plainly(convolution: layers.Conv2D, *maps):
    """Maps (batch, a, b), convolved to one (batch, a, b, 1)."""
    return convolution(ops.stack(maps, axis=-1))


#: The length of a plane's shorter side up to which `_by_band` is faster.
_FEW = 64


def _by_band(convolution: layers.Conv2D, *maps):
    """The same as a convolution over the longer side, with the shorter one as channels.

    Convolutions of two channels to one are slow everywhere: this is up to three times as fast, gradient included.
    """
    _, a, b = maps[0].shape
    if min(a, b) > _FEW:
        return _plainly(convolution, *maps)
    kernel = ops.cast(convolution.kernel, maps[0].dtype)[..., 0]
    if a < b:
        maps = [ops.transpose(each, (0, 2, 1)) for each in maps]
        kernel = ops.transpose(kernel, (1, 0, 2))
    plane = ops.conv(ops.concatenate(maps, -1), banded(kernel, min(a, b)), padding="same")
    return ops.expand_dims(ops.transpose(plane, (0, 2, 1)) if a < b else plane, -1)


def banded(kernel, size: int):
    """A 2-D "same" convolution as a 1-D one with the second axis as channels.

    Args:
        kernel: (taps, taps, maps); the first axis is the one that stays a convolution.
        size: length of the second axis.

    Returns:
        (taps, maps * size, size): input channel ``m * size + i`` is map ``m`` at ``i``.
    """
    taps, across, maps = kernel.shape
    places = np.arange(size)
    # Which tap leads from a place to another.
    tap = places[:, None] - places + (across - 1) // 2
    leads = (tap == np.arange(across)[:, None, None]).reshape(across, -1)
    by_map = ops.reshape(ops.transpose(kernel, (0, 2, 1)), (taps * maps, across))
    band = ops.matmul(by_map, ops.cast(leads, by_map.dtype))
    return ops.reshape(band, (taps, maps * size, size))


@keras.saving.register_keras_serializable(package="emotionnet")
class FrameAttention(layers.Layer):
    """The feature of a clip from those of its frames, weighted twice.

    alpha_i = sigmoid(dense f_i) weighs the frames to an anchor a = sum(alpha f) / sum(alpha);
    beta_i = sigmoid(dense [f_i; a]) compares each frame with it; the clip is
    sum(alpha beta [f; a]) / sum(alpha beta), which is [sum(alpha beta f) / sum(alpha beta); a].
    Dense [f; a] is written as f w1 + a w2, so nothing is repeated over the frames.

    Call it with ``features`` (batch, frames, width) and ``valid`` (batch, frames), 1 where there
    is a face. Another frame never counts; a clip without any frame gives zeros.

    Returns:
        (batch, 2 * width).

    Source: Meng et al., "Frame Attention Networks for Facial Expression Recognition in Videos"
    (ICIP 2019), as system 1 uses it.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        policy = self.dtype_policy
        self.alpha = layers.Dense(1, dtype=policy, name="alpha")
        self.beta_frame = layers.Dense(1, dtype=policy, name="beta_frame")
        self.beta_anchor = layers.Dense(1, use_bias=False, dtype=policy, name="beta_anchor")

    def build(self, features_shape, valid_shape):
        batch, _, width = features_shape
        self.alpha.build(features_shape)
        self.beta_frame.build(features_shape)
        self.beta_anchor.build((batch, 1, width))
        self.built = True

    def call(self, features, valid):
        valid = ops.expand_dims(ops.cast(valid, features.dtype), -1)
        alpha = valid * ops.sigmoid(self.alpha(features))
        anchor = weighted_mean(features, alpha)
        against_anchor = self.beta_anchor(ops.expand_dims(anchor, 1))
        beta = ops.sigmoid(self.beta_frame(features) + against_anchor)
        return ops.concatenate([weighted_mean(features, alpha * beta), anchor], axis=-1)

    def compute_output_shape(self, features_shape, valid_shape):
        return (features_shape[0], 2 * features_shape[2])
