"""Pixels into an int8 network as the integers that they are.

Left to itself the converter casts pictures to floats, scales, shifts and quantises them: four maps of
floats, and a bit lost, since ``p / 127.5 - 1`` lies half a step beside the grid of int8. But pixels *are*
the integers of a tensor with that step, half a step aside; and what half a step does to a convolution is
a constant, which goes into its bias. Only at the border, where zeros are padded, half a step remains.

A convolution that takes every other pixel then takes them in pairs, as one of twice the channels: kernels
sum up 8 channels at a time, of which three fill less than half.
"""

from dataclasses import dataclass

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from emotionnet.deploy.litert import operator_name

_KIND, _TYPE = schema.BuiltinOperator, schema.TensorType
#: Channels that int8 convolutions sum up at a time.
_SUMMED = 8


@dataclass(frozen=True)
class _Chain:
    """The first operation on pixels: tensor ``end`` holds scale * pixel + offset."""

    operators: list
    end: int
    scale: float
    offset: float


def widen_pixel_ranges(model) -> None:
    """Gives scaled pixels the range of all 256 values, whatever calibration has seen of them.

    Args:
        model: a ``ModelT`` in float32 whose tensors carry ranges.
    """
    for subgraph in model.subgraphs:
        for _, chain in _chains(model, subgraph):
            quantization = subgraph.tensors[chain.end].quantization
            ends = sorted((chain.offset, chain.offset + 255 * chain.scale))
            quantization.min, quantization.max = (np.float32([end]) for end in ends)


def take_pixels_as_integers(content: bytes) -> bytes:
    """An int8 file whose pictures reach their first convolution without arithmetic on floats.

    Pictures that meet something other than one convolution stay as they were.

    Args:
        content: a file that was quantised after `widen_pixel_ranges`.
    """
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    # Buffer of before to buffer of now, since entry points share them.
    kernels: dict[int, int] = {}
    biases: dict[int, int] = {}
    changed = False
    for subgraph in model.subgraphs:
        for pixels, chain in _chains(model, subgraph):
            users = [op for op in subgraph.operators if chain.end in op.inputs]
            if len(users) == 1 and _fits(model, subgraph, chain, users[0]):
                _take_pairs(model, subgraph, chain, users[0], kernels)
                _replace(model, subgraph, pixels, chain)
                _correct_bias(model, subgraph, chain, users[0], biases)
                changed = True
    if not changed:
        return content
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _fits(model, subgraph, chain: _Chain, user) -> bool:
    """Whether one step of the int8 tensor is one of the pixels, and a convolution takes it whose
    kernel serves nothing else."""
    tensor = subgraph.tensors[chain.end]
    if tensor.type != _TYPE.INT8 or operator_name(model, user) != "CONV_2D":
        return False
    if sum(user.inputs[1] in operator.inputs for operator in subgraph.operators) > 1:
        return False
    return bool(np.isclose(tensor.quantization.scale[0], chain.scale, rtol=1e-5))


def _take_pairs(model, subgraph, chain: _Chain, convolution, kernels: dict[int, int]) -> None:
    """The same sums over pairs of pixels, where a convolution is 3 wide and steps by 2."""
    pixels, kernel = subgraph.tensors[chain.end], subgraph.tensors[convolution.inputs[1]]
    options = convolution.builtinOptions
    count, height, width, channels = pixels.shape
    geometry = options.strideW, options.dilationWFactor, kernel.shape[2], width % 2
    if geometry != (2, 1, 3, 0) or 2 * channels > _SUMMED:
        return
    if kernel.buffer not in kernels:
        values = _numbers(model, kernel, np.int8).reshape(kernel.shape)
        values = np.pad(values, ((0, 0), (0, 0), (0, 1), (0, 0)))  # the pair's other pixel
        kernels[kernel.buffer] = _buffer(model, values)
    kernel.buffer = kernels[kernel.buffer]
    kernel.shape = np.int32([*kernel.shape[:2], 2, 2 * channels])
    pixels.shape = np.int32([count, height, width // 2, 2 * channels])
    options.strideW = 1


def _replace(model, subgraph, pixels: int, chain: _Chain) -> None:
    """Another look at the same bytes, to floats, to int8: the last two undo each other but for the
    type. A direct step from uint8 to int8 is a slow loop outside of the delegate."""
    end = subgraph.tensors[chain.end]
    seen = schema.QuantizationParametersT()
    seen.scale = np.float32([end.quantization.scale[0]])
    seen.zeroPoint = np.int64([end.quantization.zeroPoint[0] + 128])
    shape, first = _buffer(model, np.int32(end.shape)), len(subgraph.tensors)
    subgraph.tensors += [
        _tensor(end.name + b"_shape", _TYPE.INT32, [len(end.shape)], shape),
        _tensor(end.name + b"_pixels", _TYPE.UINT8, end.shape, 0, seen),
        _tensor(end.name + b"_floats", _TYPE.FLOAT32, end.shape, 0),
    ]
    steps = [
        _operator(model, _KIND.RESHAPE, [pixels, first], first + 1),
        _operator(model, _KIND.DEQUANTIZE, [first + 1], first + 2),
        _operator(model, _KIND.QUANTIZE, [first + 2], chain.end),
    ]
    gone = {id(op) for op in chain.operators}
    subgraph.operators = steps + [op for op in subgraph.operators if id(op) not in gone]


def _correct_bias(model, subgraph, chain: _Chain, convolution, biases: dict[int, int]) -> None:
    """Takes out of a bias what the grid adds to each pixel."""
    kernel, bias = (subgraph.tensors[number] for number in convolution.inputs[1:3])
    if bias.buffer not in biases:
        zero_point = int(subgraph.tensors[chain.end].quantization.zeroPoint[0])
        aside = -128 - zero_point - chain.offset / chain.scale
        sums = _numbers(model, kernel, np.int8).reshape(kernel.shape).sum((1, 2, 3), dtype=np.int64)
        values = _numbers(model, bias, np.int32) - np.rint(aside * sums)
        biases[bias.buffer] = _buffer(model, np.int32(values))
    bias.buffer = biases[bias.buffer]


def _chains(model, subgraph) -> list[tuple[int, _Chain]]:
    """Each uint8 input, and what scales and shifts it, up to its QUANTIZE where there is one."""
    found = []
    for number in subgraph.inputs:
        if subgraph.tensors[number].type == _TYPE.UINT8:
            chain = _Chain([], number, 1.0, 0.0)
            while (longer := _follow(model, subgraph, chain)) is not None:
                chain = longer
            if chain.scale != 1.0:
                found.append((number, chain))
    return found


def _follow(model, subgraph, chain: _Chain) -> _Chain | None:
    """The chain with the operator behind it; None where that is no part of one."""
    users = [op for op in subgraph.operators if chain.end in op.inputs]
    if subgraph.tensors[chain.end].type == _TYPE.INT8 or len(users) != 1:
        return None
    name = operator_name(model, users[0])
    scale, offset = chain.scale, chain.offset
    if name in ("MUL", "ADD"):
        number = _numbers(model, subgraph.tensors[users[0].inputs[1]], np.float32)
        if number.size != 1:
            return None
        if name == "MUL":
            scale, offset = scale * float(number[0]), offset * float(number[0])
        else:
            offset += float(number[0])
    elif name not in ("CAST", "RESHAPE", "QUANTIZE"):
        return None
    return _Chain([*chain.operators, users[0]], users[0].outputs[0], scale, offset)


def _numbers(model, tensor, dtype) -> np.ndarray:
    data = model.buffers[tensor.buffer].data
    return np.frombuffer(b"" if data is None else np.uint8(data).tobytes(), dtype)


def _buffer(model, values) -> int:
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(np.asarray(values).tobytes(), np.uint8)
    model.buffers.append(buffer)
    return len(model.buffers) - 1


def _tensor(name: bytes, kind: int, shape, buffer: int, quantization=None):
    tensor = schema.TensorT()
    tensor.name, tensor.type, tensor.shape = name, kind, np.int32(shape)
    tensor.buffer, tensor.quantization = buffer, quantization
    return tensor


def _operator(model, kind: int, inputs: list[int], output: int):
    code, operator = schema.OperatorCodeT(), schema.OperatorT()
    code.builtinCode = code.deprecatedBuiltinCode = kind
    code.version = 1
    model.operatorCodes.append(code)
    operator.opcodeIndex = len(model.operatorCodes) - 1
    operator.inputs, operator.outputs = np.int32(inputs), np.int32([output])
    return operator
