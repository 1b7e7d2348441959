"""Batch and group normalization in few operations of TensorFlow trains as Keras's does."""

from contextlib import nullcontext

import keras
import numpy as np
import pytest

from emotionnet.training.devices import ONE
from emotionnet.training.norms import fused
from emotionnet.training.optimizer import compile_stream
from emotionnet.training.settings import Settings

RNG = np.random.default_rng(0)
BATCH = (
    RNG.normal(3, 2, (6, 5, 4, 3)).astype(np.float32),
    np.eye(2, dtype=np.float32)[[0, 1, 1, 0, 1, 0]],
)


def network() -> keras.Model:
    """With maps of two axes, of one and of none; norms without scale or centre, one that does not learn."""
    keras.utils.set_random_seed(1)
    norm, of_groups = keras.layers.BatchNormalization, keras.layers.GroupNormalization
    x = inputs = keras.Input((5, 4, 3))
    x = norm(momentum=0.9, name="of_pictures")(x)
    x = norm(trainable=False, name="frozen")(x)
    x = of_groups(2)(keras.layers.Conv2D(6, 1)(x))
    x = of_groups(3, scale=False)(x)
    x = of_groups(1, center=False)(keras.layers.Reshape((5, 4, 1, 6))(x))
    x = keras.layers.Dense(3)(keras.layers.Reshape((5, 4, 6))(x))
    x = norm(scale=False, epsilon=1e-5, name="of_rows")(keras.layers.Reshape((20, 3))(x))
    x = norm(center=False, epsilon=1e-4, name="of_vectors")(keras.layers.Flatten()(x))
    model = keras.Model(inputs, keras.layers.Dense(2)(x))
    compile_stream(model, Settings(learning_rate=0.1, optimizer="sgd"), True)
    return model


def learnt(how) -> tuple[dict, list]:
    """What three steps say, and the network that they leave."""
    model = network()
    with how(model):
        step = ONE.training_step(model)
        logs = [step(*BATCH) for _ in range(3)]
    return logs, model


@pytest.fixture(scope="module")
def both():
    return learnt(lambda model: nullcontext()), learnt(fused)


def test_losses_weights_and_statistics_are_those_of_keras(both):
    (its, keras_own), (ours, model) = both
    np.testing.assert_allclose([x["loss"] for x in ours], [x["loss"] for x in its], rtol=1e-5)
    for a, b in zip(model.weights, keras_own.weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5, err_msg=a.path)
    before, after = network().get_layer("of_vectors"), model.get_layer("of_vectors")
    assert not np.allclose(before.moving_variance, after.moving_variance)


def test_answers_are_those_of_keras_and_the_layers_as_they_were(both):
    (_, keras_own), (_, model) = both
    with fused(model):
        answers = model(BATCH[0], training=False)
    np.testing.assert_allclose(answers, keras_own(BATCH[0], training=False), rtol=1e-4, atol=1e-5)
    kinds = {type(x) for x in model.layers if "norm" in x.name or x.name.startswith("of_")}
    assert kinds == {keras.layers.BatchNormalization, keras.layers.GroupNormalization}


@pytest.mark.parametrize(
    "norm", [keras.layers.BatchNormalization, lambda: keras.layers.GroupNormalization(3)]
)
def test_half_precision_stays_half_outside_of_the_norm(norm):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = keras.Sequential([keras.Input((4, 4, 3)), norm()])
    finally:
        keras.config.set_dtype_policy("float32")
    with fused(model):
        answer = model(BATCH[0][:, :4], training=True)
    assert keras.backend.standardize_dtype(answer.dtype) == "bfloat16"
    np.testing.assert_allclose(np.mean(np.float32(answer), (0, 1, 2)), 0, atol=2e-2)


def test_the_gradient_of_group_normalization_is_kerass():
    import tensorflow as tf

    layer = keras.layers.GroupNormalization(4)
    inputs = keras.Input((7, 6, 5, 8))
    model = keras.Model(inputs, layer(inputs))
    for weight in layer.weights:
        weight.assign(RNG.normal(size=weight.shape))
    x = tf.constant(RNG.normal(30, 2, (3, 7, 6, 5, 8)), tf.float32)  # a mean far from zero
    dy = tf.constant(RNG.normal(size=x.shape), tf.float32)

    def all_of_it():
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = model(x, training=True)
        return y, *tape.gradient(y, [x, layer.gamma.value, layer.beta.value], dy)

    its = all_of_it()
    with fused(model):
        assert type(layer) is not keras.layers.GroupNormalization
        ours = all_of_it()
    for a, b in zip(its, ours, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-4 * float(np.abs(a).max()))


def test_batch_norm_is_one_operation():
    import tensorflow as tf

    model = network()
    with fused(model):
        function = tf.function(lambda x: model(x, training=True), autograph=False)
        graph = function.get_concrete_function(tf.TensorSpec((None, 5, 4, 3))).graph
    kinds = [operation.type for operation in graph.get_operations()]
    assert kinds.count("FusedBatchNormV3") == 3  # the frozen one has its statistics
