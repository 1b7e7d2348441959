"""Recurrent layers in ``.tflite`` files: they stay float, what stands before them may be int8.

A rolled recurrent layer is a loop, whose body is a separate subgraph. TensorFlow's calibrator crashes
on a file with loops, so ranges are taken from a file of what stands before them, and put into the file of
the whole by the names of tensors. Names in the bodies repeat, which ai-edge-quantizer refuses.
"""

from collections.abc import Iterable

import flatbuffers
import keras
from ai_edge_litert import schema_py_generated as schema

from emotionnet.deploy.quantize import canonical, has_range
from emotionnet.keras_private import layers_inside, made_by, made_from

#: What loops. Unrolled ones do not, but their files are several times as large and as slow.
RECURRENT = (keras.layers.RNN, keras.layers.Bidirectional)
#: Names that the converter gives to outputs of the whole: those of one file are not those of another.
_OUTPUTS = b"StatefulPartitionedCall"


def before_recurrence(model: keras.Model) -> keras.Model | None:
    """The part of a functional model that needs no recurrent layer; None where there are none.

    Returns:
        A model with the same name, inputs and layers. Its outputs, numbered, are all that recurrent
        layers, and what comes after them, are given.
    """
    after: dict[int, bool] = {}
    border: dict[int, keras.KerasTensor] = {}

    def comes_after(tensor) -> bool:
        if id(tensor) not in after:
            given = made_from(tensor)
            behind = [comes_after(other) for other in given]
            after[id(tensor)] = any(behind) or _recurrent(made_by(tensor))
            if after[id(tensor)]:
                border.update({id(t): t for t, late in zip(given, behind) if not late})
        return after[id(tensor)]

    outputs = keras.tree.flatten(model.output)
    late = [comes_after(tensor) for tensor in outputs]
    if not any(late):
        return None
    border.update({id(t): t for t, later in zip(outputs, late) if not later})
    made = [tensor for tensor in border.values() if made_from(tensor)]
    named = {f"before_{i:02d}": tensor for i, tensor in enumerate(made)}
    return keras.Model(model.input, named, name=model.name)


def _recurrent(layer) -> bool:
    if isinstance(layer, RECURRENT):
        return True
    return isinstance(layer, keras.Layer) and any(
        isinstance(part, RECURRENT) for part in layers_inside(layer)
    )


def with_ranges(content: bytes, calibrated: bytes, layers: Iterable[str]) -> bytes:
    """A float file of the whole with the ranges that a file of its part carries, in every entry point.

    Args:
        content: the float file.
        calibrated: the file of the part.
        layers: the paths of `emotionnet.deploy.quantize.quantised_layers`.
    """

    def place(tensor) -> str:
        return canonical(tensor.name.decode(), layers)

    ranges = {}
    for subgraph in _graph(calibrated).subgraphs:
        for tensor in subgraph.tensors:
            if has_range(tensor) and not tensor.name.startswith(_OUTPUTS):
                ranges[place(tensor)] = tensor.quantization
    model = _graph(content)
    for tensor in (tensor for subgraph in model.subgraphs for tensor in subgraph.tensors):
        if place(tensor) in ranges:
            tensor.quantization = ranges[place(tensor)]
    return _packed(model, len(content))


def with_unique_names(content: bytes) -> bytes:
    """The same file; tensors in the bodies of loops have the number of their subgraph in their names."""
    model = _graph(content)
    entries = {entry.subgraphIndex for entry in model.signatureDefs or ()}
    inner = [i for i in range(len(model.subgraphs)) if i not in entries]
    if not inner:
        return content
    for number in inner:
        for place, tensor in enumerate(model.subgraphs[number].tensors):
            tensor.name = (tensor.name or b"") + f";{number}.{place}".encode()
    return _packed(model, len(content))


def _graph(content: bytes):
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))


def _packed(model, size: int) -> bytes:
    builder = flatbuffers.Builder(size)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
