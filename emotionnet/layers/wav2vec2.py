"""wav2vec 2.0 in ``keras.ops``.

The "base" form of Baevski et al. (2020): seven convolutions over the samples (a group norm after the
first), a projection, positions by a grouped convolution, and transformer blocks that normalise after
each half. `emotionnet.layers.wav2vec2_weights` reads trained weights.
"""

import math

import keras
from keras import layers, ops

from emotionnet.layers.configured import Configured

#: Channels, kernels and strides of the base form's convolutions: 49 steps a second of 16 kHz.
CHANNELS = (512,) * 7
KERNELS = (10, 3, 3, 3, 3, 2, 2)
STRIDES = (5, 2, 2, 2, 2, 2, 2)
EPSILON = 1e-5


@keras.saving.register_keras_serializable(package="emotionnet")
class Wav2Vec2(layers.Layer):
    """Sound to contextual features, as Hugging Face's ``Wav2Vec2Model`` gives them.

    The sound is brought to mean 0 and variance 1 first, over all its samples. In training a share of
    the steps is masked, as in fine-tuning (SpecAugment over time). The base form has 94,371,712
    parameters.

    Args:
        channels, kernels, strides: of the convolutions over the samples.
        width: of the features.
        blocks: transformer blocks.
        heads: of their attention.
        hidden: width inside the blocks' feed-forward part.
        position_kernel, position_groups: of the convolution that gives positions.
        dropout: rate in the transformer.
        mask_share: share of the steps masked in training, before overlaps.
        mask_length: steps masked together.

    Returns:
        (batch, steps, width) for (batch, samples).
    """

    def __init__(
        self,
        channels: tuple[int, ...] = CHANNELS,
        kernels: tuple[int, ...] = KERNELS,
        strides: tuple[int, ...] = STRIDES,
        width: int = 768,
        blocks: int = 12,
        heads: int = 12,
        hidden: int = 3072,
        position_kernel: int = 128,
        position_groups: int = 16,
        dropout: float = 0.1,
        mask_share: float = 0.05,
        mask_length: int = 10,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.channels, self.kernels, self.strides = tuple(channels), tuple(kernels), tuple(strides)
        self.width, self.blocks, self.heads, self.hidden = width, blocks, heads, hidden
        self.position_kernel, self.position_groups = position_kernel, position_groups
        self.dropout, self.mask_share, self.mask_length = dropout, mask_share, mask_length
        self._seed = keras.random.SeedGenerator()
        self._convolutions = [
            layers.Conv1D(c, k, s, use_bias=False, name=f"conv_{i}")
            for i, (c, k, s) in enumerate(zip(self.channels, self.kernels, self.strides))
        ]
        self._group_norm = layers.GroupNormalization(
            self.channels[0], epsilon=EPSILON, name="group_norm"
        )
        self._projection_norm = _norm("projection_norm")
        self._projection = layers.Dense(width, name="projection")
        self._positions = PositionConvolution(position_kernel, position_groups, name="positions")
        self._norm = _norm("norm")
        self._drop = layers.Dropout(dropout, name="dropout")
        self._transformer = [
            TransformerBlock(heads, hidden, dropout, name=f"block_{i}") for i in range(blocks)
        ]

    def build(self, waveform_shape):
        shape = (None, None, 1)
        for convolution in self._convolutions:
            convolution.build(shape)
            shape = (None, None, convolution.filters)
        self._group_norm.build((None, None, self.channels[0]))
        self._projection_norm.build(shape)
        self._projection.build(shape)
        shape = (None, None, self.width)
        self._mask_embedding = self.add_weight(
            name="mask_embedding", shape=(self.width,), initializer="random_uniform"
        )
        for layer in (self._positions, self._norm, *self._transformer):
            layer.build(shape)
        self.built = True

    def call(self, waveform, training=False):
        x = ops.cast(waveform, "float32")
        x = x - ops.mean(x, axis=1, keepdims=True)
        x = x / ops.sqrt(ops.mean(ops.square(x), axis=1, keepdims=True) + 1e-7)
        x = ops.cast(ops.expand_dims(x, -1), self.compute_dtype)
        for i, convolution in enumerate(self._convolutions):
            x = convolution(x)
            if i == 0:
                x = self._group_norm(x)
            x = ops.gelu(x, approximate=False)
        x = self._projection(self._projection_norm(x))
        if training and self.mask_share > 0:
            x = self._mask(x)
        x = self._norm(x + self._positions(x))
        x = self._drop(x, training=training)
        for block in self._transformer:
            x = block(x, training=training)
        return x

    def _mask(self, x):
        """Replaces stretches of steps by the mask embedding."""
        batch, steps = ops.shape(x)[0], x.shape[1]
        begins = keras.random.uniform((batch, steps, 1), seed=self._seed)
        begins = ops.cast(begins < self.mask_share / self.mask_length, "float32")
        begins = ops.pad(begins, [[0, 0], [self.mask_length - 1, 0], [0, 0]])
        masked = ops.max_pool(begins, self.mask_length, 1, "valid")
        return ops.where(masked > 0, ops.cast(self._mask_embedding, x.dtype), x)

    def compute_output_shape(self, waveform_shape):
        steps = waveform_shape[1]
        for kernel, stride in zip(self.kernels, self.strides):
            steps = None if steps is None else (steps - kernel) // stride + 1
        return (waveform_shape[0], steps, self.width)

    def get_config(self):
        names = ("channels", "kernels", "strides", "width", "blocks", "heads", "hidden")
        names += ("position_kernel", "position_groups", "dropout", "mask_share", "mask_length")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable(package="emotionnet")
class PositionConvolution(Configured):
    """A grouped convolution over time with weight normalisation, and GELU.

    The kernel is ``direction`` scaled to length ``scale`` at each of its places. Groups are written
    out, since TensorFlow has no gradient for them on a CPU.

    Args:
        kernel: steps that it sees.
        groups: of channels.
    """

    def __init__(self, kernel: int, groups: int, **kwargs):
        super().__init__(**kwargs)
        self.kernel, self.groups = kernel, groups

    def build(self, input_shape):
        width = input_shape[-1]
        self.direction = self.add_weight(
            name="direction", shape=(self.kernel, width // self.groups, width)
        )
        self.scale = self.add_weight(name="scale", shape=(self.kernel,), initializer="ones")
        self.bias = self.add_weight(name="bias", shape=(width,), initializer="zeros")
        self.built = True

    def call(self, x):
        direction, scale = ops.cast(self.direction, "float32"), ops.cast(self.scale, "float32")
        length = ops.sqrt(ops.sum(ops.square(direction), axis=(1, 2), keepdims=True))
        kernel = ops.cast(direction / length * ops.reshape(scale, (-1, 1, 1)), x.dtype)
        before = self.kernel // 2
        padded = ops.pad(x, [[0, 0], [before, self.kernel - 1 - before], [0, 0]])
        parts = [
            ops.conv(part, own, padding="valid")
            for part, own in zip(
                ops.split(padded, self.groups, axis=-1), ops.split(kernel, self.groups, axis=-1)
            )
        ]
        x = ops.concatenate(parts, axis=-1) + ops.cast(self.bias, x.dtype)
        return ops.gelu(x, approximate=False)

    def compute_output_shape(self, input_shape):
        return input_shape


@keras.saving.register_keras_serializable(package="emotionnet")
class TransformerBlock(layers.Layer):
    """Self-attention and a feed-forward part, each added to its input and then normalised.

    Args:
        heads: of the attention; they share the width.
        hidden: width inside the feed-forward part.
        dropout: rate on attention weights and on what is added.
    """

    def __init__(self, heads: int, hidden: int, dropout: float = 0.1, **kwargs):
        super().__init__(**kwargs)
        self.heads, self.hidden, self.dropout = heads, hidden, dropout

    def build(self, input_shape):
        width = input_shape[-1]
        self._query, self._key, self._value, self._out = (
            layers.Dense(width, name=name) for name in ("query", "key", "value", "out")
        )
        self._attention_norm, self._norm = _norm("attention_norm"), _norm("norm")
        self._up, self._down = (
            layers.Dense(self.hidden, name="up"),
            layers.Dense(width, name="down"),
        )
        self._drop = layers.Dropout(self.dropout, name="dropout")
        for layer in (self._query, self._key, self._value, self._out, self._attention_norm):
            layer.build(input_shape)
        self._up.build(input_shape)
        self._down.build((*input_shape[:-1], self.hidden))
        self._norm.build(input_shape)
        self.built = True

    def call(self, x, training=False):
        x = self._attention_norm(x + self._drop(self._attend(x, training), training=training))
        y = ops.gelu(self._up(x), approximate=False)
        y = self._down(self._drop(y, training=training))
        return self._norm(x + self._drop(y, training=training))

    def _attend(self, x, training):
        steps, width = ops.shape(x)[1], x.shape[-1]
        each = width // self.heads

        def split(y):
            return ops.transpose(ops.reshape(y, (-1, steps, self.heads, each)), (0, 2, 1, 3))

        query = split(self._query(x)) / math.sqrt(each)
        weights = ops.matmul(query, ops.transpose(split(self._key(x)), (0, 1, 3, 2)))
        weights = self._drop(ops.softmax(weights), training=training)
        y = ops.transpose(ops.matmul(weights, split(self._value(x))), (0, 2, 1, 3))
        return self._out(ops.reshape(y, (-1, steps, width)))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        settings = {"heads": self.heads, "hidden": self.hidden, "dropout": self.dropout}
        return {**super().get_config(), **settings}


def _norm(name: str) -> layers.LayerNormalization:
    return layers.LayerNormalization(epsilon=EPSILON, name=name)
