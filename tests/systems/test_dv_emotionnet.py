"""System 4 as published: its three networks number by number, its rows, and what is fitted when."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from tiny_run import make_run  # noqa: E402

from emotionnet.errors import UsageError  # noqa: E402
from emotionnet.systems import build_model, load_model, make_config, stages_of  # noqa: E402
from emotionnet.systems.stages import Fit, Learn  # noqa: E402
from emotionnet.training.init import init_source, warm_start  # noqa: E402

NAME = "dv_emotionnet"
NETWORKS = ("speech_network", "face_network", "fused_network")
FITTED = ("sound_scale", "cell_scale", "components", "mfa")
SMALL = {"frames": 6, "image_size": 32, "samples": 16000}


def small(**config):
    """A small model whose fitted layers have numbers of their own."""
    keras.utils.set_random_seed(0)
    model = build_model(NAME, 3, **SMALL, **config)
    rng = np.random.default_rng(0)
    for name in FITTED:
        if name in [layer.name for layer in model.layers]:
            layer = model.get_layer(name)
            numbers = [rng.normal(0, 0.1, w.shape) for w in layer.weights]
            if name.endswith("scale"):
                numbers = [numbers[0], rng.uniform(0.5, 2, numbers[1].shape)]
            layer.set_weights(numbers)
    return model


@pytest.fixture(scope="module", params=["clip", "frame"])
def face_rows(request):
    return request.param


@pytest.fixture(scope="module", params=["paired", "pooled"])
def fusion(request):
    return request.param


@pytest.fixture(scope="module")
def form(fusion, face_rows):
    """A model of each form, for tests that change nothing of it."""
    return small(fusion=fusion, face_rows=face_rows)


def test_faces_begin_with_the_components_that_their_network_was_trained_behind(tmp_path):
    there = make_run(
        tmp_path / "there", model=small(), system=NAME, system_config=SMALL | {"cells": 8}
    )
    model = build_model(NAME, 3, **SMALL)
    config = {**there.config, "init_faces": init_source(there.folder)}
    before = {name: model.get_layer(name).get_weights() for name in (*NETWORKS, *FITTED)}
    lines = warm_start(model, config)
    mine, source = ("cell_scale", "components", "face_network"), there.model()
    assert [line.split()[2].strip(",") for line in lines] == [*mine]
    for name, values in before.items():
        wanted = source.get_layer(name).get_weights() if name in mine else values
        for a, b in zip(model.get_layer(name).get_weights(), wanted, strict=True):
            np.testing.assert_array_equal(a, b, err_msg=name)
    coarse = build_model(NAME, 3, **SMALL, cells=4)
    with pytest.raises(UsageError, match="cells is 8 there and 4 here"):
        warm_start(coarse, {**config, "system_config": {**SMALL, "cells": 4}})


def clips(model, count=3, seed=0):
    rng = np.random.default_rng(seed)
    _, frames, size = model.input["faces"].shape[:3]
    samples = model.input["waveform"].shape[1]
    return {
        "faces": rng.integers(0, 256, (count, frames, size, size, 3)).astype(np.float32),
        "frame_mask": np.ones((count, frames), np.float32),
        "waveform": rng.normal(0, 0.1, (count, samples)).astype(np.float32),
        "waveform_samples": np.full(count, samples, np.int32),
    }


def answers(model, inputs):
    return {name: np.asarray(value) for name, value in model(inputs, training=False).items()}


@pytest.mark.parametrize(("classes", "expected"), [(6, 152_614), (8, 153_128)])
def test_each_network_has_the_published_number_of_weights(classes, expected):
    model = build_model(NAME, classes, **SMALL)
    assert [model.get_layer(name).count_params() for name in NETWORKS] == [expected] * 3
    fitted = sum(model.get_layer(name).count_params() for name in FITTED)
    assert fitted == 2 * 162 + 2 * 448 + (448 + 1) * 162 + (324 + 1) * 162
    assert model.count_params() == 3 * expected + fitted
    assert sum(int(np.prod(w.shape)) for w in model.trainable_weights) == 3 * expected


def test_each_layer_is_the_published_one():
    network = build_model(NAME, 6, **SMALL).get_layer("fused_network")
    weighted = [layer for layer in network.layers if layer.weights]
    assert [layer.count_params() for layer in weighted] == [
        1_024, 98_432, 24_640, 12_352, 6_176, 8_448, 1_542,
    ]  # fmt: skip
    steps = [
        layer.output.shape[1]
        for layer in network.layers
        if isinstance(layer, keras.layers.Conv1D | keras.layers.MaxPooling1D)
    ]
    assert steps == [160, 53, 51, 17, 15, 5, 3, 1]
    rates = [x.rate for x in network.layers if isinstance(x, keras.layers.Dropout)]
    assert rates == [0.2] * 3
    assert network.get_layer("conv_1").activation is keras.activations.relu


def names(config):
    return [(type(stage).__name__, stage.name, stage.whole) for stage in stages_of(NAME, config)]


def test_what_is_fitted_and_learnt_in_which_order():
    sound = [("Fit", "sound_scale", False), ("Learn", "speech", False)]
    faces = [("Fit", "cell_scale", False), ("Fit", "components", False), ("Learn", "faces", False)]
    both = [("Fit", "mfa", True), ("Learn", "fused", True)]
    assert names({}) == sound + faces + both
    assert names({"streams": ("speech",)}) == sound
    assert names({"streams": ("faces",)}) == faces
    assert names({"fusion": "pooled"})[-2:] == [("Fit", "mfa", False), ("Learn", "fused", False)]


def test_stages_name_layers_that_are_there_and_numbers_that_fit(form, face_rows, fusion):
    rng = np.random.default_rng(0)
    for stage in stages_of(NAME, {"face_rows": face_rows, "fusion": fusion}):
        layer = form.get_layer(stage.layer)
        if isinstance(stage, Learn):
            fronts = (stage.front,) if isinstance(stage.front, str) else stage.front
            assert all(form.get_layer(front).output is not None for front in fronts)
            continue
        assert isinstance(stage, Fit)
        output = keras.tree.flatten(form.get_layer(stage.on).output)[0]
        values, labels = rng.normal(size=(30, output.shape[-1])), np.arange(30) % 3
        given = stage.by(values, labels)
        assert [each.shape for each in given] == [tuple(w.shape) for w in layer.weights]
        assert not layer.trainable_weights


def test_a_pair_is_projected_side_by_side_and_the_sound_stands_for_itself():
    model = small()
    given = clips(model)
    both = answers(model, given)
    quiet = answers(model, {**given, "waveform_samples": np.zeros(3, np.int32)})
    blind = answers(model, {**given, "frame_mask": np.zeros((3, 6), np.float32)})
    for name, other in (("face", quiet), ("speech", blind)):
        alone = both[f"{name}_probabilities"]
        np.testing.assert_allclose(other["probabilities"], alone, atol=1e-6)
        assert np.abs(both["probabilities"] - alone).max() > 1e-3  # the third network's own answer
    # The fused network is the only one that the fused answer comes from.
    for name in ("speech_network", "face_network"):
        network = model.get_layer(name)
        network.set_weights([w * 0 for w in network.get_weights()])
    np.testing.assert_allclose(
        answers(model, given)["probabilities"], both["probabilities"], atol=1e-6
    )


def test_pooled_rows_are_answered_one_by_one():
    model = small(fusion="pooled")
    given = clips(model)
    whole = answers(model, given)
    both = whole["probabilities"]
    blind = {**given, "frame_mask": np.zeros((3, 6), np.float32)}
    quiet = {**given, "waveform_samples": np.zeros(3, np.int32)}
    rows = [answers(model, each)["probabilities"] for each in (blind, quiet)]
    together = np.exp(np.mean(np.log(rows), axis=0))
    np.testing.assert_allclose(both, together / together.sum(-1, keepdims=True), atol=1e-6)
    # These are answers of the third network too: which stream it was told of, it does not know.
    assert np.abs(rows[0] - whole["speech_probabilities"]).max() > 1e-3


def test_frames_as_rows_are_answered_one_by_one():
    config = {"face_rows": "frame", "streams": ("faces",)}
    model = small(**config)
    rows = keras.Model(model.input, model.get_layer("face_logits_rows").output)
    given = clips(model)
    given["frame_mask"][0, 2:4] = 0
    each = model.get_layer("face_network")(rows(given, training=False), training=False)
    each = np.asarray(each).reshape(3, 6, 3)
    each = each - np.log(np.exp(each).sum(-1, keepdims=True))
    weights = given["frame_mask"][..., None]
    mean = (each * weights).sum(1) / weights.sum(1)
    expected = np.exp(mean) / np.exp(mean).sum(-1, keepdims=True)
    np.testing.assert_allclose(answers(model, given)["face_probabilities"], expected, atol=1e-6)


def test_nothing_at_all_is_uniform_and_odd_clips_are_finite(form):
    given = clips(form, 6)
    given["frame_mask"][0] = 0
    given["waveform_samples"][0] = 0
    given["frame_mask"][1, 1:] = 0  # a single frame
    given["faces"][2] = given["faces"][2, :1]  # a picture that stands still
    given["waveform"][3] = 0  # silence
    given["faces"][4] = 0
    given["waveform"][5], given["waveform_samples"][5] = np.nan, 3
    found = answers(form, given)
    for value in found.values():
        assert np.isfinite(value).all()
        np.testing.assert_allclose(value.sum(-1), 1, rtol=1e-5)
        np.testing.assert_allclose(value[0], 1 / 3, rtol=1e-6)


def test_one_stream_builds_no_more_than_it_needs():
    model = build_model(NAME, 3, **SMALL, streams=("speech",))
    names = {layer.name for layer in model.layers}
    assert "speech_network" in names
    assert not names & {"face_network", "fused_network", "interest_points"}
    found = answers(model, clips(model))
    np.testing.assert_array_equal(found["probabilities"], found["speech_probabilities"])
    np.testing.assert_allclose(found["face_probabilities"], 1 / 3, rtol=1e-6)


def test_pitch_and_moments_on_request():
    model = build_model(NAME, 6, **SMALL, pitch=True, moments=True)
    assert model.get_layer("sound_vector").output.shape == (None, 163)
    assert model.get_layer("cells").output.shape == (None, 6, 8 * 8 * 10)
    assert [model.get_layer(name).count_params() for name in NETWORKS] == [152_614] * 3


def test_a_file_holds_all_numbers(tmp_path):
    model = small()
    model.save(tmp_path / "model.keras")
    given = clips(model)
    found = answers(load_model(tmp_path / "model.keras"), given)
    for name, value in answers(model, given).items():
        np.testing.assert_array_equal(found[name], value)


@pytest.mark.parametrize(
    "wrong",
    [{"fusion": "mixed"}, {"face_rows": "video"}, {"streams": ("geometry",)}, {"dropout": 1.0}],
)
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        make_config(NAME, **wrong)
