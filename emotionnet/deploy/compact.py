"""A smaller flatbuffer with the same content: short names, and what is equal is stored once.

A file with several entry points repeats names, shapes and quantisation parameters in each of them;
of a small network in int8 that is a quarter of the file.
"""

import re

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

#: What the schema asks of the data of weights, in bytes.
_ALIGNMENT = 16


def compact(content: bytes) -> bytes:
    """Packs a ``.tflite`` file again.

    Tensor names keep the layer and the operation ("face_encoder/stem_folded/BiasAdd"); numbers that
    TensorFlow appends to scopes go away.
    """
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    if any(buffer.offset > 1 for buffer in model.buffers):
        return content  # its weights lie behind the flatbuffer, where packing would lose them
    for subgraph in model.subgraphs:
        for tensor in subgraph.tensors:
            tensor.name = short_name((tensor.name or b"").decode())
    builder = _Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def short_name(name: str) -> str:
    """The last layer scopes and the operation of a tensor's name."""
    first, *more = name.split(";")
    parts = [re.sub(r"_1$", "", part) for part in first.split("/")]
    return "/".join(parts[-3:]) + (f";{more[-1]}" if more and more[-1].isdigit() else "")


class _Builder(flatbuffers.Builder):
    """Writes equal strings and equal vectors of numbers once."""

    __slots__ = ("_written",)

    def __init__(self, size: int):
        super().__init__(size)
        self._written: dict = {}

    def CreateString(self, text, *args, **kwargs):  # noqa: N802 (the library's name)
        if text not in self._written:
            self._written[text] = super().CreateString(text, *args, **kwargs)
        return self._written[text]

    def CreateNumpyVector(self, values):  # noqa: N802
        key = (values.dtype.str, values.tobytes())
        if key not in self._written:
            # Bytes are the data of weights: their alignment is more than that of a byte.
            align = _ALIGNMENT if values.dtype == np.uint8 else values.dtype.itemsize
            data = np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<")).tobytes()
            self.StartVector(values.dtype.itemsize, values.size, align)
            self.head = self.head - len(data)
            self.Bytes[self.head : self.head + len(data)] = data
            self._written[key] = self.EndVector()
        return self._written[key]
