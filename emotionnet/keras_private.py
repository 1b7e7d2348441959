"""All that is used of Keras and TensorFlow without being promised by them, in one place.

A new version may rename any of it. ``tests/test_keras_private.py`` says when one is gone.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

#: What the optimizers of `emotionnet.training.updates` override or call of Keras's. A hook that Keras
#: no longer calls would be left out in silence.
OPTIMIZER_HOOKS = (
    "_apply_weight_decay",
    "_backend_update_step",
    "_update_model_variables_moving_average",
    "_use_weight_decay",
    "_var_key",
)


def layers_inside(layer, *, deep: bool = True) -> list:
    """The layers in a layer, without itself; ``deep``: those in them too, else its own alone."""
    return layer._flatten_layers(include_self=False, recursive=deep)


def made_from(tensor) -> list:
    """The symbolic tensors that the operation behind a symbolic tensor was called with."""
    made = tensor._keras_history
    return made.operation._inbound_nodes[made.node_index].input_tensors


def made_by(tensor):
    """The operation, mostly a layer, behind a symbolic tensor."""
    return tensor._keras_history.operation


def taken_by(model) -> list:
    """The symbolic tensors that a nested model was called with last, in the graph around it."""
    return list(model._inbound_nodes[-1].input_tensors)


def given_by(model) -> list:
    """The symbolic tensors that a nested model gives where it was called last, in the graph around it."""
    return list(model._inbound_nodes[-1].output_tensors)


@contextmanager
def keeping_history(tensors: Mapping) -> Iterator[None]:
    """Within, symbolic tensors may become inputs of other models; they stay part of their own.

    Keras hangs inputs that it keeps on a node of the new graph; the old one could not be saved then.
    """
    history = {name: tensor._keras_history for name, tensor in tensors.items()}
    try:
        yield
    finally:
        for name, tensor in tensors.items():
            tensor._keras_history = history[name]


def rate_variable(optimizer):
    """The variable that holds the learning rate of an optimizer."""
    return optimizer._learning_rate


def weight_averages(optimizer) -> list[tuple]:
    """Each weight that an optimizer trains, with the variable that holds its average (``use_ema``)."""
    return [*zip(optimizer._trainable_variables, optimizer._model_variables_moving_average)]


def adam_moments(optimizer, variable) -> tuple:
    """The variables that hold the averages of a weight's gradient, and of its square, in Adam."""
    number = optimizer._get_variable_index(variable)
    return optimizer._momentums[number], optimizer._velocities[number]


def sgd_momentum(optimizer, variable) -> tuple:
    """The variable that holds the momentum of a weight in SGD; none without momentum."""
    number = optimizer._get_variable_index(variable)
    return tuple(optimizer.momentums[number : number + 1])


def with_constants(concrete_function) -> Callable:
    """A concrete function of TensorFlow with its variables as constants."""
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    return convert_variables_to_constants_v2(concrete_function)


def loop_of(operation) -> tuple:
    """The graph of the body of a loop of TensorFlow (``While``), and how many rounds it makes at most.

    Where the number of rounds is computed (a masked recurrent layer), it is the length of what the loop
    walks along; 0 where nothing says it.
    """
    import tensorflow as tf

    function = operation.graph._get_function(operation.get_attr("body").name)
    rounds = tf.get_static_value(operation.inputs[1])
    lists = [each.op for each in operation.inputs if each.op.type == "TensorListFromTensor"]
    lengths = [each.inputs[0].shape[0] or 0 for each in lists]
    return function.graph, max(lengths, default=0) if rounds is None else int(rounds)


def only_calibrate(converter) -> None:
    """Has a TFLite converter note the ranges of all tensors, and leave them float."""
    converter._experimental_calibrate_only = True


def lite_schema():
    """TensorFlow's copy of the module that reads and writes ``.tflite`` files."""
    from tensorflow.lite.python import schema_py_generated

    return schema_py_generated


def quantizer() -> Callable:
    """The TFLite converter's own second step: quantises a file whose tensors carry ranges."""
    from tensorflow.lite.python.convert import mlir_quantize

    return mlir_quantize
