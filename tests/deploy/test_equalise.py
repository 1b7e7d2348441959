"""Channels are brought to one scale before int8, and the model answers what it did."""

import keras
import numpy as np
from keras import layers

from emotionnet.deploy.equalise import equalise
from emotionnet.deploy.rewrite import deploy_form
from emotionnet.systems import build_model


def _form():
    """A network whose first map has one loud channel; its last two maps are added, so they must stay."""
    x = keras.Input((8, 8, 2), name="picture")
    y = layers.Conv2D(4, 3, padding="same", activation="relu", name="first")(x)
    y = layers.DepthwiseConv2D(3, padding="same", name="each")(y)
    y = layers.ReLU(name="relu")(y)
    a = layers.Conv2D(4, 1, name="added")(layers.Reshape((8, 2, 16), name="joined")(y))
    b = layers.Conv2D(4, 1, name="also_added")(a)
    network = keras.Model(x, layers.Add(name="sum")([a, b]), name="network")
    clip = keras.Input((8, 8, 2), name="clip")
    kernel, bias = network.get_layer("first").get_weights()
    network.get_layer("first").set_weights([kernel * [20, 1, 1, 3], bias])
    return keras.Model({"clip": clip}, {"sum": network(clip)})


def _answers(form, clips):
    return {name: np.asarray(x) for name, x in form(clips, training=False).items()}


def test_maps_are_on_one_scale_and_answers_stay():
    keras.utils.set_random_seed(0)
    form = _form()
    clips = {"clip": np.random.default_rng(0).normal(size=(9, 8, 8, 2)).astype(np.float32)}
    before = _answers(form, clips)
    network = form.get_layer("network")
    added = network.get_layer("added").get_weights()[1].copy()
    assert equalise(form, clips) == 2
    np.testing.assert_allclose(_answers(form, clips)["sum"], before["sum"], rtol=1e-4, atol=1e-4)
    for name in ("first", "relu"):
        seen = keras.Model(network.input, network.get_layer(name).output)(clips["clip"])
        most = np.max(seen, axis=(0, 1, 2))
        np.testing.assert_allclose(most, most.max(), rtol=1e-4)
    assert (network.get_layer("added").get_weights()[1] == added).all()


def test_a_network_of_one_map():
    x, clip = keras.Input((9, 1), name="x"), keras.Input((9, 1), name="clip")
    y = layers.Conv1D(3, 3, activation="relu", name="first")(x)
    network = keras.Model(x, layers.Conv1D(2, 3)(y), name="network")
    form = keras.Model({"clip": clip}, {"out": network(clip)})
    clips = {"clip": np.random.default_rng(0).normal(size=(5, 9, 1)).astype(np.float32)}
    before = _answers(form, clips)["out"]
    assert equalise(form, clips) == 1
    np.testing.assert_allclose(_answers(form, clips)["out"], before, atol=1e-5)


def test_a_whole_system_answers_what_it_did():
    keras.utils.set_random_seed(0)
    model = build_model("ghost_fan", 3, frames=2, image_size=32, samples=16000, speech="logmel")
    rng = np.random.default_rng(0)
    for weight in model.weights:  # as if trained: channels differ
        weight.assign(weight + 0.2 * rng.uniform(0, 1, weight.shape) * (len(weight.shape) == 1))
    clips = {
        "faces": rng.integers(0, 256, (2, 2, 32, 32, 3)).astype(np.float32),
        "frame_mask": np.ones((2, 2), np.float32),
        "waveform": rng.normal(0, 0.1, (2, 16000)).astype(np.float32),
        "waveform_samples": np.full(2, 16000, np.int32),
    }
    form = deploy_form(model)
    before = _answers(form, clips)
    assert equalise(form, clips) > 20
    for name, answer in _answers(form, clips).items():
        np.testing.assert_allclose(answer, before[name], atol=1e-4)
