"""BatchNorm as one operation of TensorFlow trains as Keras's does."""

from contextlib import nullcontext

import keras
import numpy as np
import pytest

from emotionnet.training.batch_norm import fused
from emotionnet.training.devices import ONE
from emotionnet.training.optimizer import compile_stream
from emotionnet.training.settings import Settings

RNG = np.random.default_rng(0)
BATCH = (
    RNG.normal(3, 2, (6, 5, 4, 3)).astype(np.float32),
    np.eye(2, dtype=np.float32)[[0, 1, 1, 0, 1, 0]],
)


def network() -> keras.Model:
    """With maps of two axes, of one and of none; one norm without scale, one that does not learn."""
    keras.utils.set_random_seed(1)
    norm = keras.layers.BatchNormalization
    x = inputs = keras.Input((5, 4, 3))
    x = norm(momentum=0.9, name="of_pictures")(x)
    x = norm(trainable=False, name="frozen")(x)
    x = norm(scale=False, name="of_rows")(keras.layers.Reshape((20, 3))(x))
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
    assert {type(x) for x in model.layers if hasattr(x, "moving_mean")} == {
        keras.layers.BatchNormalization
    }


def test_half_precision_stays_half_outside_of_the_norm():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        layer = keras.layers.BatchNormalization()
        model = keras.Sequential([keras.Input((4, 4, 3)), layer])
    finally:
        keras.config.set_dtype_policy("float32")
    with fused(model):
        answer = model(BATCH[0][:, :4], training=True)
    assert keras.backend.standardize_dtype(answer.dtype) == "bfloat16"
    np.testing.assert_allclose(np.mean(np.float32(answer), (0, 1, 2)), 0, atol=2e-2)


def test_it_is_one_operation():
    import tensorflow as tf

    model = network()
    with fused(model):
        function = tf.function(lambda x: model(x, training=True), autograph=False)
        graph = function.get_concrete_function(tf.TensorSpec((None, 5, 4, 3))).graph
    kinds = [operation.type for operation in graph.get_operations()]
    assert kinds.count("FusedBatchNormV3") == 3  # the frozen one has its statistics
