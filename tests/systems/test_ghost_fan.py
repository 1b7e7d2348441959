"""System 1: what padding, absence and saving may not change; its counts: test_ghost_fan_counts.py."""

import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from tiny_model import CONFIG, tiny_inputs, tiny_model

keras = pytest.importorskip("keras")

from emotionnet.errors import EmotionNetError, UsageError  # noqa: E402
from emotionnet.inputs.kinds import STREAMS as KINDS  # noqa: E402
from emotionnet.systems import build_model, load_model  # noqa: E402
from emotionnet.systems.ghost_fan import NAME, Config, speech_stream, stages  # noqa: E402
from emotionnet.systems.headless import headless  # noqa: E402

pytestmark = pytest.mark.usefixtures("four_bottlenecks")
OUTPUTS = {"probabilities", "face_probabilities", "speech_probabilities"}


def answer(model, inputs) -> dict[str, np.ndarray]:
    return {name: np.array(value) for name, value in model(inputs, training=False).items()}


@pytest.fixture(scope="module")
def model():
    return tiny_model(4)  # with these weights both streams answer clearly


# --- What must not change an answer --------------------------------------------------------------


def test_inputs_and_outputs_by_name(model):
    assert set(model.input) == {"faces", "frame_mask", "waveform", "waveform_samples"}
    out = answer(model, tiny_inputs(model))
    assert set(out) == OUTPUTS
    for value in out.values():
        assert value.dtype == np.float32
        np.testing.assert_allclose(value.sum(-1), 1, atol=1e-6)
    for stage in stages(Config()):
        assert set(model.get_layer(stage.layer).input) == set(KINDS[stage.name].inputs)
        assert KINDS[stage.name].output in OUTPUTS


def test_bytes_and_floats_give_the_same(model):
    inputs = tiny_inputs(model)
    found = answer(model, {**inputs, "faces": inputs["faces"].astype(np.float32)})
    for name, value in answer(model, inputs).items():
        np.testing.assert_array_equal(value, found[name])


def test_padding_changes_nothing(model):
    inputs = tiny_inputs(model, clips=2)
    inputs["frame_mask"][:] = [1, 0, 1]
    inputs["waveform_samples"][:] = 9_000
    other = {name: value.copy() for name, value in inputs.items()}
    other["faces"][:, 1] = 255 - other["faces"][:, 1]
    other["waveform"][:, 9_000:] = np.nan
    short = tiny_model(samples=9_000)
    short.set_weights(model.get_weights())
    cut = {**inputs, "waveform": inputs["waveform"][:, :9_000]}
    expected = answer(model, inputs)
    assert np.ptp(expected["face_probabilities"]) > 0.05
    assert np.ptp(expected["speech_probabilities"]) > 0.05
    for found in (answer(model, other), answer(short, cut)):
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], value, atol=1e-5, err_msg=name)


def test_an_absent_stream_leaves_the_other_its_answer(model):
    inputs = tiny_inputs(model, clips=2)
    full = answer(model, inputs)
    mute = answer(model, {**inputs, "waveform_samples": np.zeros(2, np.int32)})
    blind = answer(model, {**inputs, "frame_mask": np.zeros_like(inputs["frame_mask"])})
    for found, stream in ((mute, "face_probabilities"), (blind, "speech_probabilities")):
        np.testing.assert_allclose(found["probabilities"], full[stream], atol=1e-6)
        other = (OUTPUTS - {"probabilities", stream}).pop()
        np.testing.assert_allclose(found[other], 1 / 3, atol=1e-6)
    assert np.abs(full["probabilities"] - full["face_probabilities"]).max() > 1e-3


@pytest.mark.parametrize("streams", [("faces",), ("speech",)])
def test_an_untrained_stream_never_answers(streams):
    model = tiny_model(streams=streams)
    out = answer(model, tiny_inputs(model))
    trained = KINDS[streams[0]].output
    np.testing.assert_allclose(out["probabilities"], out[trained], atol=1e-6)


def test_silence_and_broken_sound_are_finite(model):
    inputs = tiny_inputs(model, clips=2)
    for sound in (0.0, np.nan, 1.0):
        inputs["waveform"][:] = sound
        for value in answer(model, inputs).values():
            assert np.isfinite(value).all()


# --- Training, saving, precision -----------------------------------------------------------------


@pytest.fixture(scope="module")
def larger():
    """One of its own: training moves the statistics."""
    return tiny_model(image_size=64)


@pytest.mark.parametrize("stage", stages(Config()), ids=lambda stage: stage.name)
def test_gradients_reach_every_weight(larger, stage):
    tf = pytest.importorskip("tensorflow")
    inputs = tiny_inputs(larger)
    part = larger.get_layer(stage.layer)
    with tf.GradientTape() as tape:
        logits = part({name: inputs[name] for name in KINDS[stage.name].inputs}, training=True)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(
            np.array([0, 2]), logits
        )
    gradients = tape.gradient(loss, part.trainable_variables)
    assert len(gradients) >= 44
    for variable, gradient in zip(part.trainable_variables, gradients):
        assert gradient is not None, variable.path
        assert np.isfinite(gradient).all(), variable.path
    # A bias before a BatchNorm has no effect while training, so its gradient is rounding.
    without = [v.path for v, g in zip(part.trainable_variables, gradients) if not np.any(g)]
    assert not [path for path in without if not path.endswith("bias")], without


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "good.keras"
    model.save(path)
    return path


@pytest.fixture(scope="module")
def loaded(saved):
    return load_model(saved)


def test_saved_and_loaded_answers_the_same(model, loaded):
    inputs = tiny_inputs(model)
    found = answer(loaded, inputs)
    for name, value in answer(model, inputs).items():
        np.testing.assert_array_equal(found[name], value)


def test_models_answer_by_the_plain_graph(model, loaded, monkeypatch):
    """XLA, which Keras would choose, takes several times as long on a CPU."""
    monkeypatch.setattr(keras.Model, "_resolve_auto_jit_compile", lambda self: True)
    speech = model.get_layer("speech_stream")
    for each in (model, loaded, headless(speech)):
        assert not each.jit_compile


def code_in_place_of_mfcc(text: str) -> str:
    """The front-end's place taken by a Lambda, whose code would run on loading."""

    def walk(node):
        if isinstance(node, dict):
            if node.get("class_name") == "MFCC":
                code = {"class_name": "__lambda__", "config": {"code": "4wEAAAA="}}
                node.update(module="keras.layers", class_name="Lambda", registered_name=None)
                node["config"] = {"name": "mfcc", "function": code}
            node = list(node.values())
        if isinstance(node, list):
            for value in node:
                walk(value)

    config = json.loads(text)
    walk(config)
    return json.dumps(config)


@pytest.mark.parametrize(
    "change",
    [
        code_in_place_of_mfcc,
        lambda text: text.replace("emotionnet>MFCC", "x>Y").replace(
            "emotionnet.layers.audio", "os"
        ),
        lambda text: text.replace('"n_mfcc": 40', '"n_mfcc": -1'),
        lambda text: text.replace('"power": 2.0', '"power": 7.0'),
        lambda text: text[:-20],
    ],
    ids=["code", "another module", "negative size", "unsupported value", "cut off"],
)
def test_a_tampered_file_is_refused(saved, tmp_path, change):
    bad = tmp_path / "bad.keras"
    with zipfile.ZipFile(saved) as old, zipfile.ZipFile(bad, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "config.json":
                changed = change(data.decode())
                assert changed != data.decode()
                data = changed
            new.writestr(name, data)
    with pytest.raises(EmotionNetError, match=r"bad\.keras"):
        load_model(bad)


def test_files_that_are_no_model_are_refused(tmp_path):
    with pytest.raises(EmotionNetError, match="no such model"):
        load_model(tmp_path / "none.keras")
    (tmp_path / "text.keras").write_text("hello")
    with pytest.raises(EmotionNetError, match=r"text\.keras"):
        load_model(tmp_path / "text.keras")


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_keeps_sound_and_probabilities_in_float32(model, policy):
    keras.config.set_dtype_policy(policy)
    try:
        mixed = tiny_model()
    finally:
        keras.config.set_dtype_policy("float32")
    mixed.set_weights(model.get_weights())
    face, speech = (mixed.get_layer(stage.layer) for stage in stages(Config()))
    assert face.get_layer("classifier").compute_dtype == policy.removeprefix("mixed_")
    inputs = tiny_inputs(model)
    features = {
        m: np.array(
            keras.Model(part.input, part.get_layer("mean_over_time").output)(
                {name: inputs[name] for name in KINDS["speech"].inputs}
            )
        )
        for m, part in (("plain", model.get_layer("speech_stream")), ("mixed", speech))
    }
    np.testing.assert_array_equal(features["plain"], features["mixed"])
    out, expected = answer(mixed, inputs), answer(model, inputs)
    for name, value in out.items():
        assert value.dtype == np.float32
        np.testing.assert_allclose(value.sum(-1), 1, atol=1e-5)
        np.testing.assert_allclose(value, expected[name], atol=0.25)


@pytest.mark.real_data
def test_scaled_mfccs_are_about_as_large_as_each_other():
    root = os.environ.get("EMOTIONNET_DATA")
    if not root:
        pytest.skip("EMOTIONNET_DATA is not set: no real recordings here")
    soundfile = pytest.importorskip("soundfile")
    files = sorted(Path(root).glob("ravdess/Actor_*/03-01-*.flac"))[::30]
    assert len(files) >= 24
    sounds = [soundfile.read(file, dtype="float32")[0] for file in files]
    padded = np.stack([np.pad(y, (0, 96_000 - len(y))) for y in sounds])
    stream = speech_stream(Config(samples=96_000), 3)
    scaled = keras.Model(stream.input, stream.get_layer("scale").output)
    lengths = np.array([len(y) for y in sounds], np.int32)
    found = np.asarray(scaled({"waveform": padded, "waveform_samples": lengths}))
    assert np.abs(found.mean(0)).max() < 3
    assert 0.4 < found.std(0).min() <= found.std(0).max() < 2


# --- Settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "setting",
    [
        {"variant": "F5"},
        {"speech": "S4"},
        {"fusion": "max"},
        {"depthwise": "never"},
        {"streams": ()},
        {"streams": ("hands",)},
        {"frames": 0},
        {"dropout": 1.0},
    ],
    ids=str,
)
def test_bad_settings_are_named(setting):
    with pytest.raises(UsageError, match=next(iter(setting))):
        build_model(NAME, 8, **setting)


def test_unknown_names_list_the_known_ones():
    with pytest.raises(UsageError, match="ghost_fan"):
        build_model("ghost_van", 8)
    with pytest.raises(UsageError, match="variant"):
        build_model(NAME, 8, varient="F1")
    with pytest.raises(UsageError, match="two classes"):
        build_model(NAME, 1)


def test_a_configuration_survives_json():
    config = Config(streams=("faces",), **CONFIG)
    assert Config(**json.loads(json.dumps(config.__dict__))) == config
