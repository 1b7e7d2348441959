"""``model.onnx``: the entry point ``classify`` for ONNX Runtime, in float32."""

import os
from collections.abc import Callable

import tensorflow as tf

from emotionnet.errors import EmotionNetError

#: Old enough for every runtime of today.
OPSET = 17


def write(function: Callable, path: str | os.PathLike) -> None:
    """Writes ``classify`` as ONNX, with the same names.

    Args:
        function: of `emotionnet.deploy.tflite.save`.
        path: of the file.
    """
    import onnx
    import tf2onnx

    specs = {spec.name: spec for spec in function.structured_input_signature[0]}
    names = sorted(specs)

    @tf.function(input_signature=[specs[name] for name in names], autograph=False)
    def classify(*inputs):
        return function(**dict(zip(names, inputs)))

    model, _ = tf2onnx.convert.from_function(
        classify, input_signature=[specs[name] for name in names], opset=OPSET
    )
    _rename(model.graph, sorted(function.structured_outputs))
    strange = {tensor.name for tensor in model.graph.input} - set(names)
    if strange:
        raise EmotionNetError(
            "ONNX: a layer of the model holds tensors that are neither weights nor constants; "
            f"they became inputs ({len(strange)} of them). Rewrite that layer in "
            "emotionnet.deploy.rewrite, or leave onnx out of --precisions."
        )
    onnx.checker.check_model(model)
    onnx.save(model, os.fspath(path))


def _rename(graph, outputs: list[str]) -> None:
    """Gives inputs and outputs their plain names ("faces:0" and "Identity:0" otherwise)."""
    names = {tensor.name: tensor.name.split(":")[0] for tensor in graph.input}
    # tf2onnx keeps the order of the flattened outputs, which is that of their names.
    names |= {tensor.name: name for tensor, name in zip(graph.output, outputs)}
    for tensor in (*graph.input, *graph.output):
        tensor.name = names[tensor.name]
    for node in graph.node:
        for side in (node.input, node.output):
            side[:] = [names.get(name, name) for name in side]
