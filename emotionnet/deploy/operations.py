"""A network's computation as plain data: operations between tensors, and how each is counted.

A Keras model, a ``.tflite`` and an ``.onnx`` file all become a `Graph` (`emotionnet.deploy.graphs`),
and one set of rules counts them.
"""

import math
import re
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Tensor:
    """What flows along an edge of the graph.

    Attributes:
        name: unique in its graph.
        shape: static, batch 1.
        itemsize: bytes of an element.
        constant: a weight or another number that the model holds.
    """

    name: str
    shape: tuple[int, ...]
    itemsize: int
    constant: bool = False

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes it takes."""
        return self.size * self.itemsize


@dataclass(frozen=True)
class Operation:
    """One operation.

    Attributes:
        kind: its name in the spelling of `kind_name`: ``conv2d``, ``matmul``.
        layer: the layer it belongs to, as a path: ``face_stream/face_encoder/stem``.
        inputs, outputs: tensors.
        terms: of a convolution or matrix product: products summed for each output element;
            of a pooling: elements in its window; of all else 0.
        times: how often it is done: in a loop once each round.
    """

    kind: str
    layer: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    terms: int = 0
    times: int = 1


@dataclass
class Graph:
    """A network in the order in which it is computed.

    Attributes:
        name: of the model or file.
        operations: in order.
        inputs, outputs: of the whole.
        parameters: weights of a layer by its path, those of its sublayers not included.
        layer_kinds: class (Keras) or operation (files) of a layer by its path.
        notes: what could not be counted.
    """

    name: str
    operations: list[Operation]
    inputs: list[Tensor]
    outputs: list[Tensor]
    parameters: dict[str, int]
    layer_kinds: dict[str, str]
    notes: list[str] = field(default_factory=list)


#: Convolutions and matrix products: the names of TensorFlow, TFLite and ONNX.
CONTRACTIONS = ("conv2d", "conv", "conv3d", "depthwiseconv2dnative", "depthwiseconv2d", "matmul",
                "batchmatmul", "fullyconnected", "gemm", "einsum")  # fmt: skip
POOLS = ("avgpool", "maxpool", "averagepool", "averagepool2d", "maxpool2d")
#: Loops of a Keras model's graph, whose bodies are counted.
LOOPS = ("while", "statelesswhile")
#: Loops and recurrent operations of files, whose cost does not show in their tensors' shapes.
UNCOUNTED = (*LOOPS, "loop", "scan", "lstm", "gru", "unidirectionalsequencelstm")
_PER_OUTPUT = {
    **dict.fromkeys(
        ("add", "sub", "mul", "realdiv", "div", "maximum", "minimum", "max2", "pow", "biasadd",
         "square", "log", "neg", "reciprocal", "greater", "greaterequal", "less", "lessequal",
         "equal", "notequal"), 1),
    **dict.fromkeys(("rsqrt", "squareddifference", "batchnormalization"), 2),
    "softmax": 5,
}  # fmt: skip
_MEANS = ("mean", "reducemean", "globalaveragepool")
_SUMS = ("sum", "reducesum", "argmax", "argmin")


def kind_name(name: str) -> str:
    """``BatchMatMulV2`` and ``BATCH_MATMUL`` in one spelling: ``batchmatmul``."""
    return re.sub(r"v\d$", "", name.replace("_", "").lower())


def multiply_adds(op: Operation) -> int:
    """Multiply-adds of convolutions and matrix products, 0 for all else.

    Source: equation 13 of system 1's paper (which calls them FLOPs), for any convolution.
    """
    return op.times * op.outputs[0].size * op.terms if op.kind in CONTRACTIONS else 0


def floating_operations(op: Operation) -> int:
    """Operations as TensorFlow's profiler counts them, of any operation.

    2 for a multiply-add, 1 for each element of a sum, product, quotient or comparison, and 1 for
    each element averaged or summed. Maxima over an axis, sigmoid, ReLU, padding and copies are
    not counted there, and not here.
    """
    return op.times * _once(op) if op.outputs else 0


def _once(op: Operation) -> int:
    out = op.outputs[0].size
    if op.kind in CONTRACTIONS:
        # In files the bias is the operation's third input; it adds once an element.
        bias = out if len(op.inputs) > 2 and op.kind != "einsum" else 0
        return 2 * out * op.terms + bias
    if op.kind in POOLS:
        return out * op.terms
    if op.kind in _MEANS:
        return op.inputs[0].size + out
    if op.kind in _SUMS:
        return op.inputs[0].size
    return out * _PER_OUTPUT.get(op.kind, 0)


def einsum_terms(equation: str, shapes: list[tuple[int, ...]]) -> int:
    """Products summed for each output element of ``equation``; 0 where there is one operand."""
    operands, _, result = equation.replace(" ", "").partition("->")
    operands = operands.split(",")
    if len(operands) < 2:
        return 0
    sizes: dict[str, int] = {}
    for labels, shape in zip(operands, shapes):
        named = labels.replace("...", "")
        sizes.update(zip(named, shape[len(shape) - len(named) :]))
    return math.prod(size for label, size in sizes.items() if label not in result)
