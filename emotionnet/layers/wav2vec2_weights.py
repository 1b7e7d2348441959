"""Weights of wav2vec 2.0 from a local Hugging Face ``safetensors`` file, checked name by name.

PyTorch's layouts are turned into Keras's. Nothing is downloaded.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from emotionnet.errors import EmotionNetError
from emotionnet.layers.wav2vec2 import Wav2Vec2

#: Parts of Hugging Face's models around ``Wav2Vec2Model`` (pretraining, CTC, classification).
_AROUND = ("quantizer.", "project_hid.", "project_q.", "lm_head.", "projector.", "classifier.")
_PREFIX = "wav2vec2."
_POSITIONS = "encoder.pos_conv_embed.conv."
#: Weight normalisation as PyTorch names it since 2.1, and its older names.
_NEW_NAMES = {
    f"{_POSITIONS}parametrizations.weight.original0": f"{_POSITIONS}weight_g",
    f"{_POSITIONS}parametrizations.weight.original1": f"{_POSITIONS}weight_v",
}
_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}


def load_weights(layer: Wav2Vec2, path: str | os.PathLike) -> None:
    """Gives a built `Wav2Vec2` the weights of a Hugging Face ``model.safetensors``.

    Every weight must be there under its name and in its shape, and every tensor of the file must be
    known: nothing is skipped in silence but the parts around the model that it does not have.

    Args:
        layer: built, for example by calling it.
        path: the file, for example of ``facebook/wav2vec2-base``.

    Raises:
        EmotionNetError: the file is missing, damaged, or of another model; says which names.
    """
    tensors = {}
    for name, tensor in read_safetensors(path).items():
        name = name.removeprefix(_PREFIX)
        if not name.startswith(_AROUND):
            tensors[_NEW_NAMES.get(name, name)] = tensor
    wanted = dict(_named_weights(layer))
    missing, unknown = sorted(set(wanted) - set(tensors)), sorted(set(tensors) - set(wanted))
    if missing or unknown:
        found = [
            f"{len(names)} {what} (first {names[0]})"
            for what, names in (("missing", missing), ("unknown", unknown))
            if names
        ]
        raise EmotionNetError(
            f"{path}: not the weights of this wav2vec 2.0 model: {', '.join(found)}. Give the "
            "model.safetensors of a base model such as facebook/wav2vec2-base."
        )
    for name, (variable, layout) in wanted.items():
        value = layout(tensors[name])
        if value.shape != tuple(variable.shape):
            raise EmotionNetError(
                f"{path}: {name} has shape {tensors[name].shape}, which does not fit "
                f"{tuple(variable.shape)}. Give the weights of a base model."
            )
    for name, (variable, layout) in wanted.items():
        variable.assign(layout(tensors[name]))


def read_safetensors(path: str | os.PathLike) -> Mapping[str, np.ndarray]:
    """Tensors by name of a ``safetensors`` file: a JSON header with offsets, then the bytes.

    Raises:
        EmotionNetError: missing, cut off, or of a type that is not read.
    """
    path = Path(path)
    if not path.is_file():
        raise EmotionNetError(f"{path}: no such file. Download it first; nothing is fetched here.")
    try:
        size = path.stat().st_size
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > size - 8:
                raise ValueError("its header is cut off")
            header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        data = np.memmap(path, np.uint8, "r", offset=8 + length)
        tensors = {}
        for name, about in header.items():
            begin, end = about["data_offsets"]
            if not 0 <= begin <= end <= len(data):
                raise ValueError(f"the file ends before {name}")
            if about["dtype"] not in _DTYPES:
                raise ValueError(f"{name} is of type {about['dtype']}, which is not read")
            raw = data[begin:end].view(_DTYPES[about["dtype"]])
            tensors[name] = raw.reshape(about["shape"])
        return tensors
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EmotionNetError(
            f"{path}: not a safetensors file that can be read ({error}). Download it again."
        ) from error


def _named_weights(layer: Wav2Vec2):
    """(PyTorch name, (variable, function from PyTorch's layout)) of every weight."""

    def plain(x):
        return x

    def both(name, dense):  # weight and bias of a linear layer
        yield f"{name}.weight", (dense.kernel, np.transpose)
        yield f"{name}.bias", (dense.bias, plain)

    def norm(name, of):
        yield f"{name}.weight", (of.gamma, plain)
        yield f"{name}.bias", (of.beta, plain)

    yield "masked_spec_embed", (layer._mask_embedding, plain)
    for i, convolution in enumerate(layer._convolutions):
        name = f"feature_extractor.conv_layers.{i}.conv.weight"
        yield name, (convolution.kernel, lambda x: np.transpose(x, (2, 1, 0)))
    yield from norm("feature_extractor.conv_layers.0.layer_norm", layer._group_norm)
    yield from norm("feature_projection.layer_norm", layer._projection_norm)
    yield from both("feature_projection.projection", layer._projection)
    yield f"{_POSITIONS}weight_g", (layer._positions.scale, np.ravel)
    yield (
        f"{_POSITIONS}weight_v",
        (layer._positions.direction, lambda x: np.transpose(x, (2, 1, 0))),
    )
    yield f"{_POSITIONS}bias", (layer._positions.bias, plain)
    yield from norm("encoder.layer_norm", layer._norm)
    for i, block in enumerate(layer._transformer):
        name = f"encoder.layers.{i}"
        for key, dense in (
            ("q_proj", block._query),
            ("k_proj", block._key),
            ("v_proj", block._value),
            ("out_proj", block._out),
        ):
            yield from both(f"{name}.attention.{key}", dense)
        yield from norm(f"{name}.layer_norm", block._attention_norm)
        yield from both(f"{name}.feed_forward.intermediate_dense", block._up)
        yield from both(f"{name}.feed_forward.output_dense", block._down)
        yield from norm(f"{name}.final_layer_norm", block._norm)
