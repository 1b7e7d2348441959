"""Smaller precisions of a ``.tflite`` file in float32; the audio front-end stays float32 in all.

- float16: the weights of the networks are stored in 16 bits and computed with in 32.
- dynamic: weights in int8 a channel; activations are quantised while it runs.
- int8: weights and activations of the networks in int8, ranges from calibration clips. What decides
  an answer with few numbers (first layer after the front-end, frame attention, logits, fusion)
  stays float32; `quantised_layers` says which layers are quantised.
"""

import contextlib
import importlib
import io
import logging
import re
from collections.abc import Iterable, Mapping

import flatbuffers
import keras
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from emotionnet.deploy.litert import operators
from emotionnet.deploy.pixels import take_pixels_as_integers, widen_pixel_ranges
from emotionnet.errors import EmotionNetError
from emotionnet.keras_private import quantizer
from emotionnet.layers.audio import LogMelSpectrogram
from emotionnet.layers.volume import ChannelAttention, SpatialAttention

_WEIGHTED = (
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.DepthwiseConv2D,
    keras.layers.Dense,
)
#: Networks on pictures: quantised as a whole.
_ENCODERS = ("face_encoder", "visual_net")
#: In them: not a layer, a model that is looked into, and what scales pixels.
_SCALING = (keras.layers.InputLayer, keras.Model, keras.layers.Rescaling)
#: Not between two layers that are quantised either: variances and gates have no range that one scale serves.
_FLOAT = (LogMelSpectrogram, keras.layers.GroupNormalization, ChannelAttention, SpatialAttention)
_ENCODERS_OF_SOUND = ("speech_stream", "audio_net")
#: Width of an int8 range over what calibration clips filled (ours; measured on clips of other people).
HEADROOM = 1.15


def quantised_layers(model: keras.Model) -> dict[str, list[str]]:
    """The layers that int8 may compute in integers, by the nested model that holds them.

    All of a face encoder but the scaling of its pixels, which are integers already
    (`emotionnet.deploy.pixels`). Of another stream those between its first and its last layer with weights: the first sees audio features,
    which one scale would have to serve although they differ in size, and is tiny; the last gives
    logits.

    Args:
        model: a deploy form.
    """
    found = {}
    inside_encoders = set()
    for network in _networks(model):
        if network.name in _ENCODERS:
            for path, part in _paths(network):
                found[path] = [
                    layer.name for layer in part.layers if not isinstance(layer, _SCALING)
                ]
                inside_encoders.add(part.name)
    for network in _networks(model):
        weighted = [i for i, layer in enumerate(network.layers) if isinstance(layer, _WEIGHTED)]
        taken = any(name in found for name in (network.name, *_parts(network)))
        if len(weighted) > 2 and not taken and network.name not in inside_encoders:
            between = network.layers[weighted[0] + 1 : weighted[-1]]
            found[network.name] = [x.name for x in between if not isinstance(x, _FLOAT)]
    return found


def _paths(network: keras.Model, above: str = "") -> Iterable[tuple[str, keras.Model]]:
    """A model and those nested in it, each with the names that lead to it, joined by "/"."""
    path = above + network.name
    yield path, network
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from _paths(layer, f"{path}/")


def _networks(model: keras.Model) -> Iterable[keras.Model]:
    """The models nested in a model, at any depth, the inner ones first."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _networks(layer)
            yield layer


def _parts(network: keras.Model) -> list[str]:
    return [part.name for part in _networks(network)]


def scope(layers: Mapping[str, Iterable[str]]) -> str:
    """A regular expression for the names of the tensors that `quantised_layers` give."""
    number = r"(_\d+)?"
    scopes = []
    for path, names in layers.items():
        models = path.split("/")
        # Operations between layers have no own scope, only their model's.
        bare = r"|[^/]+$" if models[0] in _ENCODERS else ""
        where = "/".join(rf"{re.escape(name)}{number}" for name in models)
        names = "|".join(re.escape(name) for name in names)
        scopes.append(rf"(^|/|;){where}/((({names}){number}/){bare})")
    return "|".join(scopes) or "(?!)"


def to_float16(content: bytes, layers: Mapping[str, Iterable[str]]) -> bytes:
    """The file with the networks' weights in float16."""
    algorithm_manager, qtyping = _quantizer("algorithm_manager", "qtyping")
    weights = qtyping.TensorQuantizationConfig(num_bits=16, dtype=qtyping.TensorDataType.FLOAT)
    config = qtyping.OpQuantizationConfig(
        weight_tensor_config=weights,
        compute_precision=qtyping.ComputePrecision.FLOAT,
        explicit_dequantize=True,
    )
    algorithm = algorithm_manager.AlgorithmName.FLOAT_CASTING
    return _quantize(
        content, layers, "update_quantization_recipe", op_config=config, algorithm_key=algorithm
    )


def to_dynamic(content: bytes, layers: Mapping[str, Iterable[str]]) -> bytes:
    """The file with the networks' weights in int8, activations quantised while it runs."""
    return _quantize(content, layers, "add_dynamic_config", num_bits=8)


def _quantize(content: bytes, layers, method: str, **settings) -> bytes:
    quantizer, qtyping = _quantizer("quantizer", "qtyping")
    logging.getLogger().setLevel(logging.ERROR)  # it warns of each tensor that entry points share
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        made = quantizer.Quantizer(content)
        for kind in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
            name = qtyping.TFLOperationName[kind]
            # It matches from the beginning of a name.
            getattr(made, method)(regex=f".*({scope(layers)})", operation_name=name, **settings)
        return bytes(made.quantize().quantized_model)


def _quantizer(*names: str) -> list:
    try:
        return [importlib.import_module(f"ai_edge_quantizer.{name}") for name in names]
    except ImportError:
        raise EmotionNetError(
            "float16 and dynamic need ai-edge-quantizer: pip install 'emotionnet[tflite]'."
        ) from None


def to_int8(calibrated: bytes, layers: Mapping[str, Iterable[str]]) -> bytes:
    """The file in full int8.

    Args:
        calibrated: a file in float32 whose tensors carry the ranges that calibration has seen.
        layers: of `quantised_layers`.
    """
    inside = re.compile(scope(layers))
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(calibrated, 0))
    _unite_ranges(model, layers)
    _leave_headroom(model)
    widen_pixel_ranges(model)
    stay = set()
    for subgraph in model.subgraphs:
        touched = set()
        for operator in subgraph.operators:
            names = [subgraph.tensors[output].name.decode() for output in operator.outputs]
            if any(inside.search(name) for name in names):
                touched.update((*operator.inputs, *operator.outputs))
            else:
                stay.update(names)
        # A tensor without a range cannot be quantised, also where operators that change no value
        # are merged into one of another name.
        for number, tensor in enumerate(subgraph.tensors):
            if number not in touched:
                tensor.quantization = None
    builder = flatbuffers.Builder(len(calibrated))
    builder.Finish(model.Pack(builder), b"TFL3")
    # The step is called by itself since only here names can be excluded.
    quantised = quantizer()(bytes(builder.Output()), denylisted_nodes=stay)
    quantised = take_pixels_as_integers(quantised)
    check_front_end_is_float(quantised)
    return quantised


def check_front_end_is_float(
    content: bytes, front_ends: Iterable[str] = ("mfcc", "log_mel")
) -> None:
    """Raises EmotionNetError where an operator of a layer of ``front_ends`` touches an integer."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    for operator in operators(model):
        small = {"INT8", "UINT8", "INT16"} & set(operator["types"])
        if small and any(f"/{name}" in f"/{operator['output']}" for name in front_ends):
            raise EmotionNetError(
                f"the converter made {operator['output']} {small.pop()}, a part of the audio "
                "front-end, which int8 destroys. Export without int8 (--precisions float32)."
            )


def _unite_ranges(model, layers: Iterable[str]) -> None:
    """Gives the same tensor the same range in every entry point.

    So the frames need to go through ``encode_face`` only, and it answers as ``classify`` does.
    """
    ranges: dict[str, list[np.ndarray]] = {}
    tensors = [t for subgraph in model.subgraphs for t in subgraph.tensors]
    calibrated = [t for t in tensors if has_range(t)]
    for tensor in calibrated:
        low, high = tensor.quantization.min, tensor.quantization.max
        known = ranges.setdefault(canonical(tensor.name.decode(), layers), [low, high])
        known[:] = np.minimum(known[0], low), np.maximum(known[1], high)
    for tensor in calibrated:
        low, high = ranges[canonical(tensor.name.decode(), layers)]
        tensor.quantization.min, tensor.quantization.max = low, high


def _leave_headroom(model) -> None:
    """Widens every range by `HEADROOM`: clips that calibration has not seen go a little beyond it.

    What is cut off at the end of a range costs more than coarser steps, see docs/results/handoff.md.
    """
    for tensor in (t for subgraph in model.subgraphs for t in subgraph.tensors if has_range(t)):
        ends = tensor.quantization.min, tensor.quantization.max
        tensor.quantization.min, tensor.quantization.max = (
            (HEADROOM * np.asarray(end, np.float32)).astype(np.float32) for end in ends
        )


def has_range(tensor) -> bool:
    """Whether calibration has seen a tensor."""
    quantization = tensor.quantization
    return quantization is not None and quantization.min is not None and len(quantization.min) > 0


def canonical(name: str, layers: Iterable[str]) -> str:
    """A tensor's name without the scopes around the network that it belongs to: equal in all entry points.

    Of operations that were merged into one the first counts, which gives the tensor: which others are named
    differs from one entry point to the other.

    Args:
        name: of a tensor.
        layers: the paths of `quantised_layers`.
    """
    networks = (*_ENCODERS, *_ENCODERS_OF_SOUND, *(path.split("/")[0] for path in layers))
    inside = "|".join(re.escape(network) for network in networks)
    first, *more = name.split(";")
    parts = first.split("/")
    starts = [i for i, p in enumerate(parts) if re.match(inside, p)]
    inner = "/".join(parts[starts[-1] :] if starts else parts)
    return f"{inner};{more[-1]}" if more and more[-1].isdigit() else inner
