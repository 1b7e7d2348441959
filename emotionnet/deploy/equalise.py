"""Channels of a map on one scale, before int8 gives all of them one range.

int8 has one step for a whole map. Where one channel reaches 17 and most stay below 5, these lose two of
their eight bits, and the one goes beyond what calibration has seen. A convolution may give a channel
divided by any positive number if the layers that take it multiply by the same one: ReLU lets it pass, so
in float nothing changes.

Source: Nagel, van Baalen, Blankevoort and Welling, "Data-Free Quantization Through Weight Equalization and
Bias Correction" (ICCV 2019), section 4.1. They take the numbers from weights; here they come from clips.
"""

from collections.abc import Iterator, Mapping
from typing import Any

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
    found: dict[int, tuple] = {}
    count = len(next(iter(clips.values())))
    for first in range(0, count, _MANY):
        given = {name: clips[name][first : first + _MANY] for name in form.input}
        for network, values in _inside(form, given):
            _, edges, measure = found.setdefault(id(network), _measured(network))
            if measure is not None:
                for edge, fill in zip(edges, keras.tree.flatten(measure(values))):
                    edge["fill"] = np.maximum(edge.get("fill", 0.0), np.asarray(fill))
    every = [edge for _, edges, _ in found.values() for edge in edges]
    for edge in every:
        _rescale(edge["from"], edge["to"], edge["fill"])
    return len(every)


def _inside(model: keras.Model, given) -> Iterator[tuple[keras.Model, Any]]:
    """The networks nested in a model, at any depth, and what each is called with."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            inner = keras.Model(model.input, taken_by(layer))
            values = keras.tree.flatten(inner(given, training=False))
            values = keras.tree.pack_sequence_as(layer.input, values)
            yield layer, values
            yield from _inside(layer, values)


def _measured(network: keras.Model) -> tuple:
    """The network, its maps that may be rescaled, and what measures the largest number of each channel."""
    edges = list(_edges(network))
    if not edges:
        return network, [], None
    fills = [ops.max(ops.abs(e["map"]), axis=range(len(e["map"].shape) - 1)) for e in edges]
    return network, edges, keras.Model(network.input, fills)


def _edges(network: keras.Model) -> Iterator[dict]:
    """Convolutions whose every taker can undo a scale: ``from``, ``to`` (layers), ``map`` (between them)."""
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
                yield {"from": layer, "to": behind[0], "map": behind[1]}


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


def _rescale(source, takers: list, fill: np.ndarray) -> None:
    """Divides what ``source`` gives, and multiplies it where it is taken."""
    if not fill.max() > 0:
        return
    scale = np.maximum(fill / fill.max(), _LEAST)
    kernel, *bias = source.get_weights()
    depthwise = isinstance(source, layers.DepthwiseConv2D)
    shape = kernel.shape[-2:] if depthwise else (-1,)
    source.set_weights([kernel / scale.reshape(shape), *(b / scale for b in bias)])
    for taker in takers:
        kernel, *bias = taker.get_weights()
        # Channels come before the last axis; of places that were joined they repeat.
        channels = np.tile(scale, kernel.shape[-2] // len(scale))
        taker.set_weights([kernel * channels[:, None], *bias])
