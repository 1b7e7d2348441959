"""The deploy form answers as the trained model does, and really is another form."""

import keras
import numpy as np
import pytest
from tiny_model import few_bottlenecks, tiny_inputs, tiny_model

from emotionnet.deploy.frontend import CompactMFCC, CompactSoundVector, CompactSpectrogram
from emotionnet.deploy.rewrite import deploy_form
from emotionnet.errors import EmotionNetError
from emotionnet.layers import MFCC, GhostModule, LogMelSpectrogram, SoundVector, TripletAttention
from emotionnet.systems import ghost_fan

#: gamma, beta, mean and variance of three channels.
NORM = list(np.array([[0.5, 2, 1], [1, 0, 1], [0.1, 0.2, 0.3], [1, 2, 3]], np.float32))


def _nested(model, *names):
    for name in names:
        model = model.get_layer(name)
    return model


@pytest.fixture(scope="module")
def whole():
    """A model with all bottlenecks of the default, its weights, and its deploy form."""
    model = tiny_model()
    before = [np.array(w) for w in model.weights]
    return model, before, deploy_form(model)


@pytest.fixture
def few(monkeypatch):
    """A bottleneck of each kind: the rest would be the same again."""
    monkeypatch.setattr(ghost_fan, "BOTTLENECKS", few_bottlenecks())


def test_same_answers(whole):
    model, _, form = whole
    _check_same_answers(model, form)


@pytest.mark.parametrize(
    "config",
    [
        {"depthwise": "stride2", "tam_residual": False, "image_size": 50, "fusion": "AM"},
        {"variant": "F1", "speech": "S1"},
    ],
    ids=["stride2 without residual, odd maps", "plain"],
)
@pytest.mark.usefixtures("few")
def test_same_answers_of_other_forms(config):
    model = tiny_model(**config)
    _check_same_answers(model, deploy_form(model))


def _check_same_answers(model, form):
    inputs = tiny_inputs(model, clips=3)
    expected, got = model(inputs, training=False), form(inputs, training=False)
    assert set(got) == set(expected)
    for name in expected:
        np.testing.assert_allclose(got[name], expected[name], atol=1e-5, err_msg=name)
    faces = inputs["faces"][0].astype(np.float32)
    want = _nested(model, "face_stream", "face_encoder")(faces, training=False)
    have = _nested(form, "face_stream", "face_encoder")(faces, training=False)
    assert np.std(want) > 0.01
    np.testing.assert_allclose(have, want, atol=1e-5 * float(np.max(np.abs(want))))


def test_no_norm_and_no_dropout_are_left_and_the_model_is_untouched(whole):
    model, before, form = whole
    kinds = {type(layer) for layer in form._flatten_layers()}
    assert not kinds & {keras.layers.BatchNormalization, keras.layers.Dropout, TripletAttention}
    assert {"face_stream", "speech_stream"} <= {layer.name for layer in form.layers}
    assert len(model.weights) == len(before)
    assert all(np.array_equal(a, b) for a, b in zip(model.weights, before))


def test_narrow_ghost_modules_join_nothing(whole):
    """Their halves come side by side out of the convolutions."""
    encoder = _nested(whole[2], "face_stream", "face_encoder")
    names = {layer.name for layer in encoder.layers}
    assert {"bottleneck_1_expand_cheap_beside", "bottleneck_2_expand_join"} <= names
    assert not {"bottleneck_1_expand_join", "bottleneck_1_project_join"} & names


def test_means_of_short_axes_are_convolutions():
    """For int8; and the gates answer as before, whichever axis is short."""
    inputs = keras.Input((9, 12, 10))
    model = keras.Model(inputs, TripletAttention(name="attention")(inputs))
    form = deploy_form(model)
    kinds = {layer.name: type(layer) for layer in form.layers}
    assert kinds["attention_width_channels_mean"] is keras.layers.DepthwiseConv2D
    assert "attention_height_channels_mean" not in kinds
    x = np.random.default_rng(0).normal(size=(2, 9, 12, 10)).astype(np.float32)
    np.testing.assert_allclose(form(x), model(x, training=False), atol=1e-5)


def test_a_narrow_ghost_module_with_an_even_kernel_keeps_its_first_half():
    inputs = keras.Input((5, 5, 3))
    model = keras.Model(inputs, GhostModule(8, kernel_size=4)(inputs))
    x = np.random.default_rng(0).normal(size=(2, 5, 5, 3)).astype(np.float32)
    np.testing.assert_allclose(deploy_form(model)(x), model(x, training=False), atol=1e-5)


def test_layers_in_a_wrapper_are_float32_too():
    inputs = keras.Input((4, 3))
    gru = keras.layers.GRU(2, dtype="mixed_bfloat16")
    both = keras.layers.Bidirectional(gru, dtype="mixed_bfloat16", name="both")
    form = deploy_form(keras.Model(inputs, both(inputs))).get_layer("both")
    parts = (form, form.forward_layer, form.forward_layer.cell, form.backward_layer)
    assert {part.compute_dtype for part in parts} == {"float32"}


def test_a_norm_that_follows_no_convolution_stays():
    inputs = keras.Input((4, 4, 3))
    x = keras.layers.BatchNormalization()(keras.layers.ReLU()(inputs))
    model = keras.Model(inputs, x)
    model.layers[-1].set_weights(NORM)
    x = np.random.default_rng(0).normal(size=(2, 4, 4, 3)).astype(np.float32)
    np.testing.assert_allclose(deploy_form(model)(x), model(x, training=False), atol=1e-6)


def test_a_convolution_that_is_used_twice_keeps_its_own_answer():
    inputs = keras.Input((8, 2))
    plain = keras.layers.Conv1D(3, 3, padding="same")(inputs)
    norm = keras.layers.BatchNormalization()
    model = keras.Model(inputs, keras.layers.Add()([plain, norm(plain)]))
    norm.set_weights(NORM)
    x = np.random.default_rng(0).normal(size=(2, 8, 2)).astype(np.float32)
    np.testing.assert_allclose(deploy_form(model)(x), model(x, training=False), atol=1e-6)


@pytest.mark.parametrize("settings", [{}, {"n_fft": 400, "hop_length": 160, "n_mels": 40}])
@pytest.mark.parametrize(
    "kinds",
    [
        (MFCC, CompactMFCC),
        (LogMelSpectrogram, CompactSpectrogram),
        (SoundVector, CompactSoundVector),
    ],
)
def test_compact_front_end(kinds, settings):
    rng = np.random.default_rng(0)
    sound = rng.normal(0, 0.1, (2, 16000)).astype(np.float32)
    sound[1, 100] = np.nan
    lengths = np.array([16000, 7001])
    wide, compact = (np.array(kind(**settings)(sound, lengths)) for kind in kinds)
    assert np.abs(compact - wide).max() <= 1e-6 * np.ptp(wide)


@pytest.mark.usefixtures("few")
def test_nan_in_weights_is_named():
    model = tiny_model()
    bias = _nested(model, "speech_stream", "classifier").bias
    bias.assign(np.full(bias.shape, np.nan))
    with pytest.raises(EmotionNetError, match=r"classifier/bias.*NaN"):
        deploy_form(model)


def test_normalization_becomes_numbers_of_the_graph():
    """Its own tensors would become inputs of an ONNX file."""
    inputs = keras.Input((4,))
    layer = keras.layers.Normalization(mean=[1.0, 2, 3, 4], variance=[1.0, 4, 9, 0])
    model = keras.Model(inputs, layer(inputs))
    form = deploy_form(model)
    assert not any(isinstance(part, keras.layers.Normalization) for part in form.layers)
    x = np.random.default_rng(0).normal(size=(2, 4)).astype(np.float32)
    np.testing.assert_allclose(form(x), model(x), rtol=1e-5)
