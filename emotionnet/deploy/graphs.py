"""Readers: a Keras model, a ``.tflite`` or an ``.onnx`` file as a `Graph` of counted operations."""

import functools
import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from emotionnet.deploy.operations import (
    CONTRACTIONS,
    LOOPS,
    POOLS,
    UNCOUNTED,
    Graph,
    Operation,
    Tensor,
    einsum_terms,
    kind_name,
)
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.keras_private import layers_inside, loop_of

_MARK = re.compile(r"\bat(\d+)at(?:_\d+)?/")


def keras_graph(model) -> Graph:
    """Reads a Keras model of any system, whatever its layers do: its traced graph is counted.

    Args:
        model: a built keras.Model; traced with batch 1 and without training.

    Raises:
        EmotionNetError: a shape is not static, or the backend is not TensorFlow.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        raise EmotionNetError("cost of a Keras model needs KERAS_BACKEND=tensorflow.")
    import tensorflow as tf

    layers = dict(_layers(model))
    paths = list(layers)
    specs = tf.nest.map_structure(
        lambda x: tf.TensorSpec([1, *x.shape[1:]], x.dtype, name=x.name.split(":")[0]), model.input
    )
    with _marked(layers), _inlined():
        answer = tf.function(lambda x: model(x, training=False), autograph=False)
        traced = answer.get_concrete_function(specs)
    resources = {captured.name for captured in traced.graph.internal_captures}
    tensors: dict[str, Tensor] = {}
    operations, inputs, notes = [], [], []
    asked = _needed(traced.outputs)

    def walk(graph, prefix: str = "", times: int = 1, around: str = "") -> None:
        """Adds the operations of a graph that runs ``times`` times; those of a loop's body too."""
        for op in graph.get_operations():
            kind = kind_name(op.type)
            given = kind == "placeholder"
            if kind in ("noop",) or (given and not prefix and op.outputs[0].name in resources):
                continue
            if not given and not prefix and op.name not in asked:
                continue  # a loop is tried once before it is made, and what that gave is thrown away
            marks = _MARK.findall(op.name)
            layer = paths[int(marks[-1])] if marks else around
            constant = kind in ("const", "readvariableop")
            outputs = tuple(_tensor(out, prefix, constant) for out in op.outputs)
            tensors.update((made.name, made) for made in outputs)
            if given:
                inputs.extend(() if prefix else outputs)
            elif not constant:
                names = (prefix + i.name for i in op.inputs)
                taken = tuple(tensors[name] for name in names if name in tensors)
                terms = _keras_terms(op, kind, taken)
                operations.append(Operation(kind, layer, taken, outputs, terms, times))
                if kind in LOOPS:
                    body, rounds = loop_of(op)
                    if not rounds:
                        notes.append(f"{layer}: a loop of unknown length; one round is counted.")
                    walk(body, f"{prefix}{op.name}/", times * (rounds or 1), layer)

    walk(traced.graph)
    outputs = [tensors[t.name] for t in traced.outputs if t.name in tensors]
    own = {path: _own_parameters(layer) for path, layer in layers.items()}
    kinds = {path: type(layer).__name__ for path, layer in layers.items()}
    return Graph(model.name, operations, inputs, outputs, own, kinds, notes)


def _needed(outputs) -> set[str]:
    """Names of the operations that ``outputs`` come from."""
    todo, seen = [tensor.op for tensor in outputs], set()
    while todo:
        op = todo.pop()
        if op.name not in seen:
            seen.add(op.name)
            todo += [tensor.op for tensor in op.inputs]
    return seen


def _tensor(out, prefix: str, constant: bool) -> Tensor:
    name, itemsize = prefix + out.name, out.dtype.size or 0
    if constant and out.dtype.is_integer:
        itemsize = 0  # constant shapes and axes are compiled in: they are not read
    if out.dtype.name in ("variant", "resource"):  # what a loop passes on as a whole
        return Tensor(name, (), 0, constant)
    if out.shape.rank is None or None in out.shape:
        raise EmotionNetError(f"{out.name}: its shape {out.shape} is not static.")
    return Tensor(name, tuple(out.shape), itemsize, constant)


def _layers(layer, path: str = "") -> Iterator[tuple[str, object]]:
    """Every layer inside ``layer``, and itself, by path; a layer that is shared comes once."""
    seen = set()

    def walk(layer, path):
        if id(layer) in seen:
            return
        seen.add(id(layer))
        yield path, layer
        for child in layers_inside(layer, deep=False):
            yield from walk(child, f"{path}/{child.name}".lstrip("/"))

    yield from walk(layer, path)


@contextmanager
def _inlined() -> Iterator[None]:
    """Within, a function that a layer compiles for itself is traced as a part of the whole.

    Keras compiles a convolution in groups (ConvNeXt's depthwise ones); a call would hide what it does.
    """
    import tensorflow as tf

    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


def _own_parameters(layer) -> int:
    children = layers_inside(layer, deep=False)
    inner = {id(weight) for child in children for weight in child.weights}
    return sum(math.prod(w.shape) for w in layer.weights if id(w) not in inner)


@contextmanager
def _marked(layers: dict) -> Iterator[None]:
    """Within, every layer writes its number into the names of the operations that it makes.

    Keras names operations after layers too, but appends numbers to make names unique, so that
    ``dense_1`` may be the second call of ``dense``.
    """
    import tensorflow as tf

    def scoped(call, mark):
        @functools.wraps(call)
        def wrapper(*args, **kwargs):
            with tf.name_scope(mark):
                return call(*args, **kwargs)

        return wrapper

    for number, layer in enumerate(layers.values()):
        layer.call = scoped(layer.call, f"at{number}at")
    try:
        yield
    finally:
        for layer in layers.values():
            del layer.call  # the class's own shows again


def _keras_terms(op, kind: str, inputs: tuple[Tensor, ...]) -> int:
    if kind in POOLS:
        return math.prod(op.get_attr("ksize"))
    if kind not in CONTRACTIONS:
        return 0
    if kind == "einsum":
        equation = op.get_attr("equation").decode()
        return einsum_terms(equation, [tensor.shape for tensor in inputs])
    left, kernel = inputs[0].shape, inputs[1].shape
    if kind == "depthwiseconv2dnative":
        return math.prod(kernel[:2])
    if kind in ("conv2d", "conv3d"):
        return math.prod(kernel[:-1])
    transposed = op.get_attr("transpose_a" if kind == "matmul" else "adj_x")
    return left[-2] if transposed else left[-1]


def tflite_graph(path: str | os.PathLike, signature: str | None = None) -> Graph:
    """Reads a ``.tflite`` file; each operation is a layer.

    Args:
        path: the file.
        signature: which one of several; by default ``classify``, else the first.

    Raises:
        EmotionNetError: no TFLite file.
        UsageError: no such signature.
    """
    try:
        from ai_edge_litert import schema_py_generated as schema
        from ai_edge_litert.tools import flatbuffer_utils
    except ImportError as error:
        raise EmotionNetError(f"{path}: reading it needs `pip install ai-edge-litert`.") from error
    data = Path(path).read_bytes()
    if data[4:8] != b"TFL3":
        raise EmotionNetError(f"{path}: no TFLite file (it does not say TFL3 at its beginning).")
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(data))
    subgraph = model.subgraphs[_subgraph(path, model, signature)]
    names = {v: k for k, v in vars(schema.BuiltinOperator).items() if isinstance(v, int)}
    sizes = {
        getattr(schema.TensorType, name): size
        for name, size in (("FLOAT32", 4), ("FLOAT16", 2), ("INT32", 4), ("UINT8", 1), ("INT64", 8),
                           ("INT16", 2), ("INT8", 1), ("BOOL", 1), ("FLOAT64", 8))
    }  # fmt: skip

    def tensor(index: int) -> Tensor:
        raw = subgraph.tensors[index]
        shape = tuple(int(d) for d in raw.shape) if raw.shape is not None else ()
        stored = model.buffers[raw.buffer].data
        held = raw.buffer != 0 and stored is not None and len(stored) > 0
        return Tensor(f"{index} {(raw.name or b'').decode()}", shape, sizes.get(raw.type, 1), held)

    rows = []
    for op in subgraph.operators:
        code = model.operatorCodes[op.opcodeIndex]
        builtin = max(code.builtinCode, code.deprecatedBuiltinCode)
        name = names.get(builtin, "CUSTOM")
        taken = tuple(tensor(i) for i in op.inputs if i >= 0)
        made = tuple(tensor(i) for i in op.outputs)
        options = op.builtinOptions
        window = getattr(options, "filterHeight", 0) * getattr(options, "filterWidth", 0)
        rows.append((name, taken, made, _tflite_terms(name, taken, options) or window))
    return _file_graph(
        Path(path).name,
        rows,
        [tensor(i) for i in subgraph.inputs],
        [tensor(i) for i in subgraph.outputs],
    )


def _subgraph(path, model, signature: str | None) -> int:
    keys = {s.signatureKey.decode(): s.subgraphIndex for s in model.signatureDefs or []}
    if signature is None:
        return keys.get("classify", next(iter(keys.values()), 0))
    if signature not in keys:
        raise UsageError(
            f"{path}: no signature {signature!r}. It has: {', '.join(keys) or 'none'}."
        )
    return keys[signature]


def _tflite_terms(name: str, inputs: tuple[Tensor, ...], options) -> int:
    if name in ("CONV_2D", "FULLY_CONNECTED"):
        return math.prod(inputs[1].shape[1:])
    if name == "DEPTHWISE_CONV_2D":
        return math.prod(inputs[1].shape[1:3])
    if name == "BATCH_MATMUL":
        return inputs[0].shape[-2 if options is not None and options.adjX else -1]
    return 0


def onnx_graph(path: str | os.PathLike) -> Graph:
    """Reads an ``.onnx`` file; each node is a layer. Open dimensions count as 1.

    Raises:
        EmotionNetError: no ONNX file.
    """
    try:
        import onnx
    except ImportError as error:
        raise EmotionNetError(f"{path}: reading it needs `pip install onnx`.") from error
    try:
        model = onnx.shape_inference.infer_shapes(onnx.load(path), data_prop=True)
    except Exception as error:  # protobuf and onnx have many
        raise EmotionNetError(f"{path}: no ONNX file, or damaged ({error}).") from error
    tensors = {"": None}
    for info in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        kind = info.type.tensor_type
        shape = tuple(max(1, d.dim_value) for d in kind.shape.dim)
        itemsize = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).itemsize
        tensors[info.name] = Tensor(info.name, shape, itemsize)
    for held in model.graph.initializer:
        itemsize = onnx.helper.tensor_dtype_to_np_dtype(held.data_type).itemsize
        tensors[held.name] = Tensor(held.name, tuple(held.dims), itemsize, constant=True)
    unknown = Tensor("?", (0,), 0)
    rows = []
    for node in model.graph.node:
        if node.op_type == "Constant":
            continue
        taken = tuple(tensors.get(name) or unknown for name in node.input)
        made = tuple(tensors.get(name) or unknown for name in node.output)
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        rows.append((node.op_type, taken, made, _onnx_terms(node.op_type, taken, attributes)))
    held = {tensor.name for tensor in model.graph.initializer}
    return _file_graph(
        Path(path).name,
        rows,
        [tensors[i.name] for i in model.graph.input if i.name not in held],
        [tensors[o.name] for o in model.graph.output],
    )


def _onnx_terms(name: str, inputs: tuple[Tensor, ...], attributes: dict) -> int:
    if name == "Conv":
        return math.prod(inputs[1].shape[1:])
    if name == "MatMul":
        return inputs[0].shape[-1] if inputs[0].shape else 0
    if name == "Gemm":
        return inputs[0].shape[0 if attributes.get("transA") else -1]
    if name == "Einsum":
        return einsum_terms(attributes["equation"].decode(), [t.shape for t in inputs])
    return math.prod(attributes.get("kernel_shape", [0]))


def _file_graph(name, rows, inputs, outputs) -> Graph:
    operations, parameters, kinds, notes, counted = [], {}, {}, [], set()
    for number, (op_name, taken, made, terms) in enumerate(rows):
        kind, layer = kind_name(op_name), f"{number:03d} {op_name}"
        operations.append(Operation(kind, layer, taken, made, terms))
        kinds[layer] = op_name
        # Shapes, axes and paddings are constants too, but no weights. Those in float16 are widened first.
        weights = [t for t in taken if t.constant and t.name not in counted]
        real = kind in (*CONTRACTIONS, "add", "mul", "sub", "prelu", "div", "gather", "dequantize")
        parameters[layer] = sum(t.size for t in weights) if real else 0
        counted |= {t.name for t in weights}
        if kind in UNCOUNTED:
            notes.append(f"{layer}: a loop; its multiply-adds are not counted.")
    return Graph(name, operations, inputs, outputs, parameters, kinds, notes)
