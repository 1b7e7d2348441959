"""The gradient of an answer, under TensorFlow and under JAX: by an input, or by what layers give."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import keras
import numpy as np

from emotionnet.errors import UsageError

#: Of values, a list of arrays, and the number of a class: its answers (batch,), and a gradient a value.
Gradient = Callable[[Sequence[np.ndarray], int], tuple[np.ndarray, list[np.ndarray]]]


class InputGradient:
    """What gives the gradient of a probability with respect to one input: called with the inputs of a clip, a `Gradient`.

    Nothing of the model changes: dropout is off, BatchNorm uses its moving statistics. The graph is made once.

    Args:
        model: with inputs and outputs by name.
        output: a name of its outputs, (batch, classes).
        of: the input to differentiate by, the one value of the `Gradient`; it is taken as float32.

    Raises:
        UsageError: no such input or output, or a backend that is neither TensorFlow nor JAX.
    """

    def __init__(self, model: keras.Model, output: str, of: str):
        _check(model, output, of)
        self._of = of

        def answer(call: Callable, values: Sequence, rest: Mapping):
            return call({of: values[0], **_repeated(rest, values[0].shape[0])})

        self._gradient = _maker()(model, output, answer)

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> Gradient:
        """The gradient at a clip whose inputs are (1, …)."""
        rest = _as_tensors({name: each for name, each in inputs.items() if name != self._of})
        return lambda values, number: self._gradient(values, rest, number)


class FeatureGradient:
    """As `InputGradient`, with respect to what some layers give.

    Values of the `Gradient` are of each layer, (batch * n, …), where it gives (n, …) of the clip.

    Args:
        model, output: as for `InputGradient`.
        layers: at any depth in the model, none behind another. One that gives features and a mask keeps
            its mask.
    """

    def __init__(self, model: keras.Model, output: str, layers: Sequence[keras.Layer]):
        _check(model, output)
        self._model, self._layers = model, layers

        def answer(call: Callable, values: Sequence, rest: tuple):
            inputs, given = rest
            clips = values[0].shape[0] // given[0][0].shape[0]
            outs = [
                (
                    value,
                    *(
                        keras.ops.tile(mask, (clips,) + (1,) * (len(mask.shape) - 1))
                        for mask in masks
                    ),
                )
                for value, (_, *masks) in zip(values, given, strict=True)
            ]
            instead = {
                layer: lambda *_, out=out, **__: out if len(out) > 1 else out[0]
                for layer, out in zip(layers, outs, strict=True)
            }
            with _calls(instead):
                return call(_repeated(inputs, clips))

        self._gradient = _maker()(model, output, answer)

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> Gradient:
        """The gradient at a clip whose inputs are (1, …)."""
        given = layer_outputs(self._model, inputs, self._layers)
        tensors = tuple(tuple(map(keras.ops.convert_to_tensor, each)) for each in given)
        rest = (_as_tensors(inputs), tensors)
        return lambda values, number: self._gradient(values, rest, number)


def layer_outputs(
    model: keras.Model, inputs: Mapping[str, np.ndarray], layers: Sequence[keras.Layer]
) -> list[tuple[np.ndarray, ...]]:
    """What each of ``layers``, at any depth in the model, gives of ``inputs``: its outputs in order."""
    found = {}

    def noting(layer):
        def call(*args, **kwargs):
            found[layer] = type(layer).call(layer, *args, **kwargs)
            return found[layer]

        return call

    with _calls({layer: noting(layer) for layer in layers}):
        model(_as_tensors(inputs), training=False)
    return [tuple(map(np.asarray, keras.tree.flatten(found[layer]))) for layer in layers]


@contextmanager
def _calls(instead: Mapping[keras.Layer, Callable]) -> Iterator[None]:
    """Within, these are called instead of what the layers compute."""
    for layer, call in instead.items():
        layer.__dict__["call"] = call
    try:
        yield
    finally:
        for layer in instead:
            del layer.__dict__["call"]


def _check(model: keras.Model, output: str, of: str | None = None) -> None:
    for name, known in ((of, model.input), (output, model.output)):
        if name is not None and name not in known:
            raise UsageError(f"{name}: the model has no such tensor. It has {', '.join(known)}.")


def _as_tensors(inputs: Mapping[str, np.ndarray]) -> dict:
    return {name: keras.ops.convert_to_tensor(value) for name, value in inputs.items()}


def _repeated(inputs: Mapping, clips: int) -> dict:
    return {name: keras.ops.repeat(each, clips, axis=0) for name, each in inputs.items()}


def _maker() -> Callable:
    makers = {"tensorflow": _by_tensorflow, "jax": _by_jax}
    if keras.backend.backend() not in makers:
        raise UsageError("gradients need KERAS_BACKEND=tensorflow or jax.")
    return makers[keras.backend.backend()]


def _by_tensorflow(model, output: str, answer: Callable) -> Callable:
    import tensorflow as tf

    def call(inputs: Mapping):
        return model(inputs, training=False)

    @tf.function(autograph=False)
    def both(values, rest, number):
        with tf.GradientTape() as tape:
            tape.watch(values)
            answers = answer(call, values, rest)[output][:, number]
        return answers, tape.gradient(answers, values, unconnected_gradients="zero")

    def gradient(values: Sequence[np.ndarray], rest, number: int):
        tensors = [tf.constant(value, tf.float32) for value in values]
        answers, slopes = both(tensors, rest, tf.constant(number))
        return np.asarray(answers), [np.asarray(slope) for slope in slopes]

    return gradient


def _by_jax(model, output: str, answer: Callable) -> Callable:
    import jax
    import jax.numpy as jnp

    def answers(values, rest, number, weights):
        def call(inputs: Mapping):
            return model.stateless_call(*weights, inputs, training=False)[0]

        chosen = answer(call, values, rest)[output][:, number]
        return chosen.sum(), chosen

    def gradient(values: Sequence[np.ndarray], rest, number: int):
        values = [jnp.asarray(value, jnp.float32) for value in values]
        weights = tuple(
            [variable.value for variable in variables]
            for variables in (model.trainable_variables, model.non_trainable_variables)
        )
        by_values = jax.value_and_grad(answers, has_aux=True)
        (_, chosen), slopes = by_values(values, rest, number, weights)
        return np.asarray(chosen), [np.asarray(slope) for slope in slopes]

    return gradient
