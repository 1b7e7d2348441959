"""The gradient of an answer with respect to an input, under TensorFlow and under JAX."""

from collections.abc import Callable, Mapping

import keras
import numpy as np

from emotionnet.errors import UsageError


def input_gradient(
    model: keras.Model, output: str, inputs: Mapping[str, np.ndarray], of: str
) -> Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]:
    """What gives the gradient of a probability with respect to one input.

    Nothing of the model changes: dropout is off, BatchNorm uses its moving statistics.

    Args:
        model: with inputs and outputs by name.
        output: a name of its outputs, (batch, classes).
        inputs: of one clip, (1, …); all but ``of`` stay as they are.
        of: the input to differentiate by; it is taken as float32.

    Returns:
        A function of values (batch, …) of that input and of a class: the outputs (batch,) of that class,
        and their gradients, shaped like the values.

    Raises:
        UsageError: no such input or output, or a backend that is neither TensorFlow nor JAX.
    """
    for name, known in ((of, model.input), (output, model.output)):
        if name not in known:
            raise UsageError(f"{name}: the model has no such tensor. It has {', '.join(known)}.")
    rest = {name: np.asarray(value) for name, value in inputs.items() if name != of}

    def given(values, like) -> dict:
        return {
            of: values,
            **{name: like(np.repeat(each, len(values), axis=0)) for name, each in rest.items()},
        }

    makers = {"tensorflow": _by_tensorflow, "jax": _by_jax}
    if keras.backend.backend() not in makers:
        raise UsageError("gradients need KERAS_BACKEND=tensorflow or jax.")
    return makers[keras.backend.backend()](model, output, given)


def _by_tensorflow(model, output: str, given: Callable):
    import tensorflow as tf

    def gradient(values: np.ndarray, number: int):
        values = tf.constant(values, tf.float32)
        with tf.GradientTape() as tape:
            tape.watch(values)
            answers = model(given(values, tf.constant), training=False)[output][:, number]
        return np.asarray(answers), np.asarray(tape.gradient(answers, values))

    return gradient


def _by_jax(model, output: str, given: Callable):
    import jax
    import jax.numpy as jnp

    trainable = [variable.value for variable in model.trainable_variables]
    fixed = [variable.value for variable in model.non_trainable_variables]

    def answers(values, number):
        outputs, _ = model.stateless_call(
            trainable, fixed, given(values, jnp.asarray), training=False
        )
        chosen = outputs[output][:, number]
        return chosen.sum(), chosen

    def gradient(values: np.ndarray, number: int):
        values = jnp.asarray(values, jnp.float32)
        (_, chosen), slopes = jax.value_and_grad(answers, has_aux=True)(values, number)
        return np.asarray(chosen), np.asarray(slopes)

    return gradient
