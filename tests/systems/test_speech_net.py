"""The speech stream "logmel": its size, its place in a system, and the training that it asks for."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from emotionnet.systems import build_model, load_model  # noqa: E402
from emotionnet.systems.headless import headless  # noqa: E402

#: Each system has a face network too, of which nothing is asked here.
pytestmark = pytest.mark.usefixtures("four_bottlenecks")
SMALL = {"image_size": 32, "frames": 2, "samples": 32000, "speech": "logmel"}
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return build_model("ghost_fan", 4, **SMALL, streams=("speech",))


def inputs(batch=3):
    return {
        "faces": np.zeros((batch, 2, 32, 32, 3), np.float32),
        "frame_mask": np.zeros((batch, 2), np.float32),
        "waveform": RNG.normal(0, 0.1, (batch, 32000)).astype(np.float32),
        "waveform_samples": np.array([32000, 20000, 500][:batch], np.int32),
    }


def test_budget():
    """At most 0.6 M parameters and 60 M multiply-adds for a clip of 5.5 s, front-end included."""
    from emotionnet.deploy.cost import count
    from emotionnet.deploy.graphs import keras_graph

    model = build_model("ghost_fan", 8, **{**SMALL, "samples": 88000}, streams=("speech",))
    cost = count(keras_graph(model.get_layer("speech_stream")))
    assert model.get_layer("speech_stream").count_params() == 256_392
    assert 30e6 < cost.sum().multiply_adds <= 60e6


def test_saved_and_loaded(model, tmp_path):
    model.save(tmp_path / "m.keras")
    sound = inputs()
    expected, found = (
        np.asarray(each(sound, training=False)["speech_probabilities"])
        for each in (model, load_model(tmp_path / "m.keras"))
    )
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(expected.sum(1), 1, atol=1e-5)


def logits(stream, sound):
    heard = {key: sound[key] for key in ("waveform", "waveform_samples")}
    return np.asarray(stream(heard, training=False))


def test_level_does_not_matter(model):
    sound, stream = inputs(), model.get_layer("speech_stream")
    quiet = {**sound, "waveform": sound["waveform"] * 0.05}
    np.testing.assert_allclose(logits(stream, quiet), logits(stream, sound), atol=1e-3)


def test_deploy_form_is_the_same_function(model):
    from emotionnet.deploy.rewrite import deploy_form

    sound, stream = inputs(), model.get_layer("speech_stream")
    found = logits(deploy_form(stream), sound)
    np.testing.assert_allclose(found, logits(stream, sound), atol=1e-4)


def test_augmentation_learns_behind_the_front(model):
    from emotionnet.systems import stages_of
    from emotionnet.training.front import Cut

    (stage,) = stages_of("ghost_fan", {"speech": "logmel", "streams": ["speech"]})
    cut = Cut(model.get_layer("speech_stream"), stage.front)
    assert not cut.front.weights
    assert "member_1_augment" in [layer.name for layer in cut.rest.layers]
    features = {
        k: np.asarray(v) for k, v in cut.front({k: inputs()[k] for k in cut.front.input}).items()
    }
    first, second = (np.asarray(cut.rest(features, training=True)) for _ in range(2))
    assert np.abs(first - second).max() > 1e-4
    plain = build_model("ghost_fan", 4, **SMALL, streams=("speech",), augment_spectrogram=0)
    names = [layer.name for layer in plain.get_layer("speech_stream").layers]
    assert "member_1_augment" not in names


def test_members_hear_different_voices(model):
    stream = model.get_layer("speech_stream")
    augments = [stream.get_layer(f"member_{number}_augment") for number in (1, 2)]
    window = RNG.normal(size=(1, 184, 128)).astype(np.float32)
    first, second = (np.asarray(layer(window, training=True)) for layer in augments)
    assert np.abs(first - second).max() > 0.1


def test_its_recipe_and_that_of_the_paper_s_streams():
    from emotionnet.systems.usual import usual
    from emotionnet.training.plan import stream_settings

    own = stream_settings("ghost_fan", "ravdess", config={"speech": "logmel"})
    plain = stream_settings("ghost_fan", "ravdess", config={"speech": "S2"})
    assert own["speech"]["optimizer"] == "adamw"
    assert plain["speech"]["optimizer"] == "adam"
    assert own["faces"] == plain["faces"] == stream_settings("ghost_fan", "ravdess")["faces"]
    # Sound stays as it is, so that its spectrograms are computed once.
    own, plain = (
        usual("ghost_fan", "augmentation", {"speech": speech, "augment": "paper"})
        for speech in ("logmel", "S2")
    )
    assert own["noise_share"] == 0
    assert "noise_share" not in plain
    assert plain["noise_variance"] == own["noise_variance"] == 0.01
    assert not usual("ghost_fan", "augmentation", {"speech": "S2", "augment": "light"})


def test_int8_takes_the_convolutions_and_leaves_what_decides(model):
    from emotionnet.deploy.quantize import quantised_layers
    from emotionnet.deploy.rewrite import deploy_form

    # Nested, as in a whole model.
    stream = deploy_form(model.get_layer("speech_stream"))
    layers = quantised_layers(keras.Model(stream.input, stream(stream.input)))
    # Pooling and classifier are not among them, nor the first layer, which sees decibels.
    assert "speech_stream" not in layers
    for member in ("member_1_", "member_2_", "member_3_"):
        inside = [name for name in layers[f"{member}encoder"] if name.endswith("_folded")]
        assert inside == [f"{member}conv_{number}_folded" for number in (2, 3, 4, 5)]


def test_a_kernel_machine_has_as_much_to_say_as_the_committee(model):
    """Its statistics, the shares of the classes and its own numbers are fitted; the sum is theirs, one to one."""
    from emotionnet.systems import fits, stages_of
    from emotionnet.systems.stages import Fit

    config = {**SMALL, "speech": "logmel_ridge", "streams": ("speech",)}
    stream = build_model("ghost_fan", 4, **config).get_layer("speech_stream")
    stages = stages_of("ghost_fan", config)
    # What cannot be computed is told before the committee is trained.
    assert [stage.name for stage in stages] == ["even", "scaled", "ridge", "speech"]
    learnt = [w.path.split("/")[0] for w in stream.trainable_weights]
    assert not {"even", "scaled", "ridge"} & set(learnt)

    names = ("committee", "statistics", "scaled", "ridge")
    inside = keras.Model(stream.input, [stream.get_layer(name).output for name in names])
    targets = np.repeat(np.arange(4), (4, 8, 12, 16))
    beats = 1 + np.cos(
        np.outer(np.array([2, 5, 9, 14])[targets], np.arange(32000) / 16000 * 2 * np.pi)
    )
    heard = {
        "waveform": (beats * RNG.normal(0, 0.1, beats.shape)).astype(np.float32),
        "waveform_samples": np.full(40, 32000, np.int32),
    }
    for stage in stages:
        if isinstance(stage, Fit):
            on = np.asarray(inside(heard)[names.index(stage.on)])
            stream.get_layer(stage.layer).set_weights(stage.by(on, targets))
    committee, statistics, scaled, ridge = (np.asarray(each) for each in inside(heard))
    mean, deviation = fits.standard_scaler(statistics)
    np.testing.assert_allclose(scaled, (statistics - mean) / deviation, atol=1e-3)
    even = committee - np.log(np.bincount(targets) / 40)
    even -= even.mean(axis=1, keepdims=True) - committee.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(logits(stream, heard), (even + ridge) / 2, atol=1e-4)
    assert (ridge.argmax(axis=1) == targets).mean() > 0.9


def test_what_is_fitted_beside_the_committee_is_fitted_again_by_a_refit():
    """No network learns behind it; one that does would find other numbers than it was trained on."""
    from emotionnet.training.optimizer import find_layers
    from emotionnet.training.train import is_learnt_behind
    from emotionnet.training.unit import units_of

    config = {**SMALL, "speech": "logmel_ridge", "streams": ("speech",)}
    model = build_model("ghost_fan", 4, **config)
    units = units_of(model, {"system": "ghost_fan", "system_config": config, "streams": ["speech"]})
    for name in ("even", "scaled", "ridge"):
        assert not is_learnt_behind(find_layers(model, name)[0], units)
    assert is_learnt_behind(find_layers(model, "as_sequence")[0], units)


def test_features_are_those_of_the_committee_alone():
    heard = {name: inputs()[name] for name in ("waveform", "waveform_samples")}
    whole, committee = (
        build_model("ghost_fan", 4, **{**SMALL, "speech": name}).get_layer("speech_stream")
        for name in ("logmel_ridge", "logmel")
    )
    for layer in committee.layers:
        whole.get_layer(layer.name).set_weights(layer.get_weights())
    found, expected = (headless(each)(heard, training=False) for each in (whole, committee))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_with_all_points_it_stays_within_the_budget():
    model = build_model("ghost_fan", 8, **{**SMALL, "speech": "logmel_ridge"}, streams=("speech",))
    assert model.get_layer("speech_stream").count_params() == 532_117
