"""What is used of Keras and TensorFlow beyond what they promise is there, and does what it did."""

import inspect

import keras
import numpy as np
import pytest

from emotionnet import keras_private


@pytest.fixture
def model():
    x = keras.Input((4,), name="x")
    inner = keras.Sequential([keras.layers.Dense(3, name="deep")], name="inner")
    return keras.Model(x, keras.layers.Dense(2, name="last")(inner(x)))


def test_layers_inside(model):
    assert [x.name for x in keras_private.layers_inside(model, deep=False)] == [
        "x",
        "inner",
        "last",
    ]
    assert "deep" in {x.name for x in keras_private.layers_inside(model)}


def test_what_a_tensor_was_made_from(model):
    (before,) = keras_private.made_from(model.output)
    assert before is model.get_layer("last").input
    assert keras_private.made_by(model.output) is model.get_layer("last")
    assert keras_private.made_from(model.input) == []


def test_what_a_nested_model_gives():
    x, y = keras.Input((4,)), keras.Input((4,))
    inner = keras.Model(x, keras.layers.Dense(3)(x))
    outer = inner(y)
    assert keras_private.given_by(inner) == [outer]
    assert outer is not inner.output


def test_tensors_keep_their_history(model):
    middle = model.get_layer("last").input
    with keras_private.keeping_history({"middle": middle}):
        keras.Model(middle, model.output)
    assert keras_private.made_from(middle)[0] is model.input


def test_averages_and_rate_of_an_optimizer(model):
    optimizer = keras.optimizers.SGD(0.5, use_ema=True, ema_momentum=0.9)
    optimizer.build(model.trainable_variables)
    for one in (1.0, 0.0):
        optimizer.apply([keras.ops.ones(w.shape) * one for w in model.trainable_variables])
    assert float(keras_private.rate_variable(optimizer)) == 0.5
    pairs = keras_private.weight_averages(optimizer)
    assert [id(w) for w, _ in pairs] == [id(w) for w in model.trainable_variables]
    for weight, average in pairs:
        # Keras takes the weights after the first step; they have not moved since.
        np.testing.assert_allclose(weight, average, atol=1e-6)


def test_keras_still_calls_what_the_optimizers_override(model):
    """A hook under another name would be left out in silence."""
    called = set()

    def noting(name):
        def hook(self, *args):
            called.add(name)
            return getattr(super(noted, self), name)(*args)

        return hook

    hooks = {name: noting(name) for name in keras_private.OPTIMIZER_HOOKS}
    noted = type("Noted", (keras.optimizers.SGD,), hooks)
    optimizer = noted(0.1, weight_decay=0.1, use_ema=True)
    optimizer.build(model.trainable_variables)
    optimizer.apply([keras.ops.ones(w.shape) for w in model.trainable_variables])
    assert called == set(keras_private.OPTIMIZER_HOOKS)


def test_tensorflow_gives_what_is_private():
    import tensorflow as tf

    twice = tf.Variable(2.0)
    concrete = tf.function(lambda x: twice * x).get_concrete_function(tf.TensorSpec((), tf.float32))
    frozen = keras_private.with_constants(concrete)
    assert not frozen.variables
    assert float(frozen(tf.constant(3.0))[0]) == 6.0
    assert "denylisted_nodes" in inspect.signature(keras_private.quantizer()).parameters
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
    assert hasattr(converter, "_experimental_calibrate_only")


def test_what_a_nested_model_was_called_with():
    x, y = keras.Input((4,)), keras.Input((4,))
    inner = keras.Model(x, keras.layers.Dense(3)(x))
    inner(y)
    assert keras_private.taken_by(inner) == [y]
