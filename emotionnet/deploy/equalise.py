"""Channels of a map on one scale, before int8 gives all of them one range.

int8 has one step for a whole map. Where one channel reaches 17 and most stay below 5, these lose two of
their eight bits, and the one goes beyond what calibration has seen. A convolution may give a channel
divided by any positive number if the layers that take it multiply by the same one: ReLU lets it pass, so
in float nothing changes.

Source: Nagel, van Baalen, Blankevoort and Welling, "Data-Free Quantization Through Weight Equalization and
Bias Correction" (ICCV 2019), section 4.1. They take the numbers from weights; here they come from clips.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers, ops

from emotionnet.keras_private import made_from, taken_by

_CONVOLUTIONS = (layers.Conv1D, layers.Conv2D, layers.DepthwiseConv2D)
_TAKING = (*_CONVOLUTIONS, layers.Dense)
#: Of them a multiple of what comes in comes out multiplied, channel by channel.
_PASSING = (layers.MaxPooling2D, layers.AveragePooling2D, layers.GlobalAveragePooling2D)
#: A channel is enlarged twenty times at most: one that clips hardly fill may still be filled by others.
_LEAST = 0.05
#: Clips at a time.
_MANY = 8


def equalise(form: keras.Model, clips: Mapping[str, np.ndarray]) -> int:
    """Brings the channels between two layers of nested networks to one scale, in place.

    Args:
        form: a deploy form (`emotionnet.deploy.rewrite.deploy_form`).
        clips: its inputs, (clips, ...), of which the networks' maps are measured.

    Returns:
        How many maps were changed. What ``form`` answers changes by rounding only.
    """
    networks = _networks(form)
    for first in range(0, len(next(iter(clips.values()))), _MANY):
        given = {name: clips[name][first : first + _MANY] for name in form.input}
        for network in networks:
            network.measure(given)
    edges = [edge for network in networks for edge in network.every_edge()]
    for edge in edges:
        _rescale(edge)
    return len(edges)


@dataclass
class _Edge:
    """A convolution, the layers that take what it gives, the map between them, and the most of each channel."""

    source: layers.Layer
    takers: list[layers.Layer]
    between: keras.KerasTensor
    fill: np.ndarray | float = 0.0


class _Network:
    """A network nested in a model: what it is called with there, its edges, and the networks in it."""

    def __init__(self, network: keras.Model, around: keras.Model):
        self._before = keras.Model(around.input, taken_by(network))
        self._like = network.input
        self._edges = list(_edges(network))
        maps = [edge.between for edge in self._edges]
        most = [ops.max(ops.abs(x), axis=range(len(x.shape) - 1)) for x in maps]
        self._most = keras.Model(network.input, most) if most else None
        self._inner = _networks(network)

    def measure(self, given) -> None:
        """Sees how far the channels go, given inputs of the model around it."""
        values = keras.tree.flatten(self._before(given, training=False))
        values = keras.tree.pack_sequence_as(self._like, values)
        most = keras.tree.flatten(self._most(values)) if self._most else []
        for edge, fill in zip(self._edges, most):
            edge.fill = np.maximum(edge.fill, np.asarray(fill))
        for network in self._inner:
            network.measure(values)

    def every_edge(self) -> list[_Edge]:
        """Its own, and those of the networks in it."""
        return self._edges + [edge for network in self._inner for edge in network.every_edge()]


def _networks(model: keras.Model) -> list[_Network]:
    return [_Network(layer, model) for layer in model.layers if isinstance(layer, keras.Model)]


def _edges(network: keras.Model) -> Iterator[_Edge]:
    """Convolutions whose every taker can undo a scale."""
    takers: dict[int, list] = {}
    for operation in network.operations:
        for tensor in made_from(keras.tree.flatten(operation.output)[0]):
            takers.setdefault(id(tensor), []).append(operation)
    ends = {id(tensor) for tensor in network.outputs}

    def follow(tensor) -> tuple[list, keras.KerasTensor] | None:
        found, last = [], tensor
        if id(tensor) in ends:
            return None
        for taker in takers.get(id(tensor), ()):
            if isinstance(taker, _TAKING) and getattr(taker, "groups", 1) == 1:
                found.append(taker)
            elif _passes(taker, tensor) and (further := follow(taker.output)):
                found += further[0]
                last = further[1] if further[1].shape[-1] == tensor.shape[-1] else tensor
            else:
                return None
        return (found, last) if found else None

    for layer in network.layers:
        if isinstance(layer, _CONVOLUTIONS) and _is_homogeneous(layer.activation):
            behind = follow(layer.output)
            if behind:
                yield _Edge(layer, *behind)


def _is_homogeneous(activation) -> bool:
    return activation in (keras.activations.linear, keras.activations.relu)


def _passes(layer, tensor) -> bool:
    if isinstance(layer, layers.ReLU):
        return layer.max_value is None and not layer.threshold
    if isinstance(layer, layers.Activation):
        return _is_homogeneous(layer.activation)
    if isinstance(layer, layers.Reshape):  # places joined, channels running fastest
        return layer.output.shape[-1] % tensor.shape[-1] == 0
    return isinstance(layer, _PASSING)


def _rescale(edge: _Edge) -> None:
    """Divides what the source gives, and multiplies it where it is taken."""
    if not edge.fill.max() > 0:
        return
    scale = np.maximum(edge.fill / edge.fill.max(), _LEAST)
    kernel, *bias = edge.source.get_weights()
    depthwise = isinstance(edge.source, layers.DepthwiseConv2D)
    shape = kernel.shape[-2:] if depthwise else (-1,)
    edge.source.set_weights([kernel / scale.reshape(shape), *(b / scale for b in bias)])
    for taker in edge.takers:
        kernel, *bias = taker.get_weights()
        # Channels come before the last axis; of places that were joined they repeat.
        channels = np.tile(scale, kernel.shape[-2] // len(scale))
        taker.set_weights([kernel * channels[:, None], *bias])
