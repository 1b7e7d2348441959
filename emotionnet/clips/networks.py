"""MTCNN's three networks as TensorFlow Lite models, made of the weights that the package ``mtcnn`` ships.

The package itself computes with TensorFlow, which takes seconds to start; LiteRT takes milliseconds. Its
weights (MIT licence) are read from the installed package, nothing of it is imported.

Source:
    Zhang et al. (2016), IEEE Signal Processing Letters 23, 1499-1503, figure 2; layers as in ``mtcnn`` 1.0.
"""

import importlib.util
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from emotionnet.errors import EmotionNetError
from emotionnet.interpreter import ready

#: Network to the pool after each of its convolutions: side and padding, always of stride 2.
POOLS = {
    "pnet": ((2, "SAME"), None, None),
    "rnet": ((3, "SAME"), (3, "VALID"), None),
    "onet": ((3, "SAME"), (3, "VALID"), (2, "SAME"), None),
}
#: Inputs that are answered in one call, most first: what is left over goes through the next smaller.
BATCHES = (32, 8, 1)


class Network:
    """One of the three networks, on one thread; the same bits however many inputs come at once.

    Args:
        name: a key of `POOLS`.
        size: height and width of its inputs.
        batches: how many inputs may be answered in one call, most first; the last is 1.
    """

    def __init__(self, name: str, size: tuple[int, int], batches: Sequence[int] = BATCHES):
        self._name, self._size, self._batches = name, size, batches
        self._interpreters: dict[int, object] = {}

    def __call__(self, pictures: np.ndarray) -> list[np.ndarray]:
        """Answers for pictures (n, height, width, 3) float32 in [-1, 1), each output (n, …)."""
        parts, start = [], 0
        while start < len(pictures):
            batch = next(b for b in self._batches if b <= len(pictures) - start)
            parts.append(self._answer(pictures[start : start + batch]))
            start += batch
        return [np.concatenate(outputs) for outputs in zip(*parts)]

    def _answer(self, pictures: np.ndarray) -> list[np.ndarray]:
        batch = len(pictures)
        if batch not in self._interpreters:
            self._interpreters[batch] = ready(tflite(self._name, (batch, *self._size, 3)))
        own = self._interpreters[batch]
        own.set_tensor(own.get_input_details()[0]["index"], pictures)
        own.invoke()
        return [own.get_tensor(output["index"]) for output in own.get_output_details()]


def tflite(name: str, shape: tuple[int, int, int, int]) -> bytes:
    """A network as the content of a ``.tflite`` file.

    Args:
        name: a key of `POOLS`.
        shape: of its input, (batch, height, width, 3).

    Returns:
        The model. Its outputs are offsets of a box's edges, landmarks (``onet`` alone), and the
        probabilities of no face and of a face.
    """
    weights, graph = iter(_weights(name)), _Graph(shape)
    x = graph.input
    for pool in POOLS[name]:
        x = graph.convolve(x, next(weights), next(weights))
        x = graph.prelu(x, next(weights))
        if pool:
            x = graph.pool(x, *pool)
    if name != "pnet":
        _, height, width, channels = graph.shape(x)
        x = graph.flatten(x)
        # The weights want the columns of the map one after the other.
        kernel = next(weights).reshape(width, height, channels, -1)
        kernel = kernel.transpose(1, 0, 2, 3).reshape(height * width * channels, -1)
        x = graph.prelu(graph.dense(x, kernel, next(weights)), next(weights))
    heads = []
    for kernel in weights:
        head = graph.convolve if kernel.ndim == 4 else graph.dense
        heads.append(head(x, kernel, next(weights)))
    heads[-1] = graph.softmax(heads[-1])
    return graph.content(heads)


@cache
def _weights(name: str) -> list[np.ndarray]:
    import joblib

    package = importlib.util.find_spec("mtcnn")
    if package is None:
        raise EmotionNetError("the package mtcnn is not installed: pip install 'mtcnn>=1.0,<2'.")
    path = Path(package.submodule_search_locations[0], "assets", "weights", f"{name}.lz4")
    try:
        return joblib.load(path)
    except (OSError, ValueError) as error:
        raise EmotionNetError(
            f"{path}: the weights of MTCNN cannot be read ({error}). Install mtcnn again."
        ) from None


def _schema():
    try:
        from ai_edge_litert import schema_py_generated as schema
    except ImportError:
        from emotionnet.keras_private import lite_schema

        return lite_schema()
    return schema


class _Graph:
    """Builds a float32 model operator by operator; tensors are numbers."""

    def __init__(self, shape: tuple[int, ...]):
        self._schema = _schema()
        self._buffers = [self._schema.BufferT()]
        self._tensors, self._operators, self._codes = [], [], []
        self.input = self._tensor(shape)

    def shape(self, tensor: int) -> tuple[int, ...]:
        return tuple(self._tensors[tensor].shape)

    def convolve(self, x: int, kernel: np.ndarray, bias: np.ndarray) -> int:
        batch, height, width, _ = self.shape(x)
        side, _, _, filters = kernel.shape
        options = self._schema.Conv2DOptionsT()
        options.padding = self._schema.Padding.VALID
        options.strideH = options.strideW = 1
        inputs = [x, self._constant(kernel.transpose(3, 0, 1, 2)), self._constant(bias)]
        out = (batch, height - side + 1, width - side + 1, filters)
        return self._operator("CONV_2D", inputs, out, options)

    def dense(self, x: int, kernel: np.ndarray, bias: np.ndarray) -> int:
        inputs = [x, self._constant(kernel.T), self._constant(bias)]
        options = self._schema.FullyConnectedOptionsT()
        out = (self.shape(x)[0], kernel.shape[1])
        return self._operator("FULLY_CONNECTED", inputs, out, options)

    def prelu(self, x: int, slopes: np.ndarray) -> int:
        return self._operator("PRELU", [x, self._constant(slopes)], self.shape(x))

    def pool(self, x: int, side: int, padding: str) -> int:
        batch, *plane, channels = self.shape(x)
        options = self._schema.Pool2DOptionsT()
        options.padding = getattr(self._schema.Padding, padding)
        options.filterHeight = options.filterWidth = side
        options.strideH = options.strideW = 2
        lost = 0 if padding == "SAME" else side - 1
        out = (batch, *(-(-(length - lost) // 2) for length in plane), channels)
        return self._operator("MAX_POOL_2D", [x], out, options)

    def flatten(self, x: int) -> int:
        batch, *rest = self.shape(x)
        options, out = self._schema.ReshapeOptionsT(), (batch, int(np.prod(rest)))
        options.newShape = list(out)
        inputs = [x, self._constant(np.array(out, np.int32))]
        return self._operator("RESHAPE", inputs, out, options)

    def softmax(self, x: int) -> int:
        options = self._schema.SoftmaxOptionsT()
        options.beta = 1.0
        return self._operator("SOFTMAX", [x], self.shape(x), options)

    def content(self, outputs: list[int]) -> bytes:
        """The model as bytes."""
        import flatbuffers

        subgraph, model = self._schema.SubGraphT(), self._schema.ModelT()
        subgraph.tensors, subgraph.operators = self._tensors, self._operators
        subgraph.inputs, subgraph.outputs = [self.input], outputs
        model.version, model.subgraphs, model.buffers = 3, [subgraph], self._buffers
        model.operatorCodes = self._codes
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def _operator(self, name: str, inputs: list[int], out: tuple[int, ...], options=None) -> int:
        operator, code = self._schema.OperatorT(), self._schema.OperatorCodeT()
        code.builtinCode = getattr(self._schema.BuiltinOperator, name)
        code.deprecatedBuiltinCode = code.builtinCode
        operator.opcodeIndex = len(self._codes)
        self._codes.append(code)
        operator.inputs, operator.outputs = inputs, [self._tensor(out)]
        if options is not None:
            kind = type(options).__name__.removesuffix("T")
            operator.builtinOptionsType = getattr(self._schema.BuiltinOptions, kind)
            operator.builtinOptions = options
        self._operators.append(operator)
        return operator.outputs[0]

    def _constant(self, values: np.ndarray) -> int:
        buffer = self._schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        self._buffers.append(buffer)
        return self._tensor(values.shape, values.dtype, len(self._buffers) - 1)

    def _tensor(self, shape: tuple[int, ...], dtype=np.float32, buffer: int = 0) -> int:
        tensor = self._schema.TensorT()
        kind = {np.dtype(np.float32): "FLOAT32", np.dtype(np.int32): "INT32"}[np.dtype(dtype)]
        tensor.type = getattr(self._schema.TensorType, kind)
        tensor.shape, tensor.buffer, tensor.name = list(shape), buffer, str(len(self._tensors))
        self._tensors.append(tensor)
        return len(self._tensors) - 1
