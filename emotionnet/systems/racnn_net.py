"""RACNN: the attention CNN of system 5 on a stack of pictures of sound, a 3-D network in 2-D layers."""

import keras
from keras import layers

from emotionnet.layers import (
    ChannelAttention,
    DepthMean,
    DepthNeighbours,
    FoldFrames,
    SpatialAttention,
    UnfoldFrames,
)

#: Pictures in a stack, maps of the last convolution, and the groups of the normalization (ours).
WINDOWS, WIDTH, GROUPS = 9, 288, 8
#: Table I, after the first convolution and its pool: the three residual attention blocks, each two
#: convolutions: filters, and kernel and stride in the plane of the first; the second has depth 2.
BLOCKS = ((32, 1), (96, 2), (288, 2))


def racnn(size: int, name: str = "racnn") -> keras.Model:
    """RACNN: nine pictures (9, S, S, 3) to the map of its average pool, 3 x S/32 x S/32 x 288.

    358,144 parameters: 313,312 of the convolutions (Table I), 1,728 of the normalizations, 12,090 of
    channel attention, 294 of spatial attention and 30,720 of shortcuts.

    Args:
        size: height and width of a picture in pixels, a multiple of 32.
        name: of the model.

    Returns:
        keras.Model, (batch, 3 * S/32 * S/32, 288): 147 steps for 224 pixels, depth first.
    """
    pictures = keras.Input((WINDOWS, size, size, 3), name="pictures")
    x = _convolution(pictures, 32, depth=3, plane=2, number=1)
    x = _on_planes(layers.MaxPooling2D(2, name="max_pool"), x)
    for number, (filters, plane) in enumerate(BLOCKS, start=1):
        x = _residual_attention(x, filters, plane, number)
    x = _on_planes(layers.AveragePooling2D(2, name="average_pool"), x)
    x = layers.Reshape((-1, WIDTH), name="steps")(x)
    return keras.Model(pictures, x, name=name)


def _residual_attention(x, filters: int, plane: int, number: int):
    """Two convolutions, attention over channels and places, and the shortcut around them.

    The shortcut is averaged to the new shape, and widened by a 1x1x1 convolution where there are more
    maps (ours, as is that nothing follows the sum).
    """
    name = f"ra{number}"
    single = 1 + (plane == 1)  # depth of the first kernel: 2x1x1, or 1x2x2
    shortcut = DepthMean(single + 1, name=f"{name}_depth_mean")(x)
    if plane > 1:
        shortcut = _on_planes(layers.AveragePooling2D(plane, name=f"{name}_mean"), shortcut)
        shortcut = layers.Dense(filters, use_bias=False, name=f"{name}_widen")(shortcut)
    x = _convolution(x, filters, single, plane, 2 * number)
    x = _convolution(x, filters, 2, 1, 2 * number + 1)
    x = ChannelAttention(name=f"{name}_channels")(x)
    x = SpatialAttention(name=f"{name}_places")(x)
    return layers.Add(name=f"{name}_sum")([x, shortcut])


def _convolution(x, filters: int, depth: int, plane: int, number: int):
    """A 3-D convolution of kernel depth x plane x plane and stride 1 x plane x plane, with its
    normalization (over depth and plane) and ReLU."""
    if depth > 1:
        x = DepthNeighbours(depth, name=f"neighbours{number}")(x)
    x = _on_planes(layers.Conv2D(filters, plane, strides=plane, name=f"conv{number}"), x)
    x = layers.GroupNormalization(GROUPS, name=f"norm{number}")(x)
    return layers.ReLU(name=f"relu{number}")(x)


def _on_planes(layer, x):
    """A layer for pictures on each picture of the depth."""
    depth = x.shape[1]
    x = layer(FoldFrames(name=f"{layer.name}_fold")(x))
    return UnfoldFrames(depth, name=f"{layer.name}_unfold")(x)
