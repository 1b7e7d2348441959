"""Optimizers that change a weight by one operation of TensorFlow learn what Keras's own learn."""

import dataclasses

import keras
import numpy as np
import pytest

from emotionnet.training.optimizer import make_optimizer
from emotionnet.training.settings import Settings

RATE = 0.01
PLAIN = Settings(learning_rate=RATE, clip_norm=0.0)
RNG = np.random.default_rng(0)


def two_layers() -> keras.Model:
    keras.utils.set_random_seed(1)
    x = keras.Input((3,))
    first = keras.layers.Dense(4, name="first")(x)
    return keras.Model(x, keras.layers.Dense(2, name="second")(first))


GRADIENTS = [[RNG.normal(size=w.shape) for w in two_layers().weights] for _ in range(5)]


def learnt(optimizer, model, weights=slice(None)) -> list:
    """The variables of some weights and of their optimizer after five steps, as one graph has them."""
    import tensorflow as tf

    trained = model.trainable_variables[weights]
    optimizer.build(trained)
    step = tf.function(lambda gradients: optimizer.apply(gradients, trained), autograph=False)
    for gradients in GRADIENTS:
        step([tf.constant(each, tf.float32) for each in gradients[weights]])
    return [*trained, *optimizer.variables]


def check_same(ours, keras_own):
    for a, b in zip(ours, keras_own, strict=True):
        assert a.name == b.name
        # 1 - 0.999 is 5e-5 off in float32, which is what TensorFlow computes in.
        np.testing.assert_allclose(a, b, rtol=6e-5, atol=2e-6, err_msg=a.path)


@pytest.mark.parametrize(
    ("settings", "keras_own"),
    [
        ({}, keras.optimizers.Adam(RATE)),
        ({"weight_decay": 0.1}, keras.optimizers.Adam(RATE, weight_decay=0.1)),
        ({"optimizer": "adamw", "weight_decay": 0.1, "clip_norm": 0.5, "average": 0.9},
         keras.optimizers.AdamW(RATE, weight_decay=0.1, global_clipnorm=0.5, use_ema=True, ema_momentum=0.9)),
        ({"accumulate": 2}, keras.optimizers.Adam(RATE, gradient_accumulation_steps=2)),
        ({"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.1},
         keras.optimizers.SGD(RATE, momentum=0.9, weight_decay=0.1)),
        ({"optimizer": "sgd", "momentum": 0.0}, keras.optimizers.SGD(RATE)),
    ],
)  # fmt: skip
def test_weights_and_state_are_those_of_keras(settings, keras_own):
    mine, its = two_layers(), two_layers()
    keras_own.exclude_from_weight_decay(var_names=["bias"])
    ours = make_optimizer(mine, dataclasses.replace(PLAIN, **settings))
    check_same(learnt(ours, mine), learnt(keras_own, its))


@pytest.mark.parametrize("name", ["adam", "sgd"])
def test_a_layer_with_a_rate_of_its_own(name):
    mine, its = two_layers(), two_layers()
    settings = dataclasses.replace(PLAIN, optimizer=name, rate_scales={"first": 0.1})
    learnt(make_optimizer(mine, settings), mine)
    plain = {"adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD}[name]
    momentum = {"momentum": settings.momentum} if name == "sgd" else {}
    for part, rate in ((slice(0, 2), RATE * 0.1), (slice(2, 4), RATE)):
        learnt(plain(rate, **momentum), its, part)
    check_same(mine.weights, its.weights)


def test_an_update_of_a_weight_is_one_operation():
    """Keras's takes dozens, which are traced and started for each of hundreds of weights."""
    import tensorflow as tf

    model = two_layers()
    optimizer = make_optimizer(model, PLAIN)
    optimizer.build(model.trainable_variables)
    given = [tf.TensorSpec(w.shape) for w in model.trainable_variables]
    graph = tf.function(lambda *g: optimizer.apply(g)).get_concrete_function(*given).graph
    kinds = [operation.type for operation in graph.get_operations()]
    assert kinds.count("ResourceApplyAdam") == 4
    assert kinds.count("Sqrt") == 1  # of the correction that all share
