"""System 1: the published counts, and what padding, absence and saving may not change."""

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
from emotionnet.keras_private import with_constants  # noqa: E402
from emotionnet.systems import build_model, load_model  # noqa: E402
from emotionnet.systems.ghost_fan import NAME, Config, stages  # noqa: E402
from emotionnet.systems.headless import headless  # noqa: E402

OUTPUTS = {"probabilities", "face_probabilities", "speech_probabilities"}


def trainable(model) -> int:
    return sum(int(np.prod(w.shape)) for w in model.trainable_weights)


def answer(model, inputs) -> dict[str, np.ndarray]:
    return {name: np.array(value) for name, value in model(inputs, training=False).items()}


@pytest.fixture(scope="module")
def model():
    return tiny_model()


# --- The published counts ------------------------------------------------------------------------


def profiler_giga(function, *shape) -> float:
    """Multiply-adds of a call in 10^9, as the FLOPs that TensorFlow's profiler counts, halved."""
    tf = pytest.importorskip("tensorflow")
    concrete = tf.function(function).get_concrete_function(tf.TensorSpec(shape, tf.float32))
    graph = with_constants(concrete).graph
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    return tf.compat.v1.profiler.profile(graph, options=options).total_float_ops / 2e9


@pytest.mark.parametrize(
    ("depthwise", "encoder_count", "whole_count", "giga"),
    [("faithful", 316_898, 920_756, 0.760), ("stride2", 279_202, 883_060, 0.684)],
)
def test_published_counts(depthwise, encoder_count, whole_count, giga):
    """The networks of a clip; the front-end has no weights, and is not among the published 0.77 G."""
    model = build_model(NAME, 8, depthwise=depthwise)
    face, speech = model.get_layer("face_stream"), model.get_layer("speech_stream")
    encoder = face.get_layer("face_encoder")
    assert encoder.count_params() == encoder_count
    assert face.get_layer("frame_pool").count_params() == 1_730
    assert face.get_layer("classifier").count_params() == 9_224
    assert speech.count_params() == 592_904
    assert model.count_params() == whole_count
    if depthwise == "faithful":
        assert trainable(encoder) == 303_964

    behind_mean = keras.Model(speech.get_layer("as_sequence").output, speech.output)
    faces = 15 * profiler_giga(lambda x: encoder(x, training=False), 1, 224, 224, 3)
    sound = profiler_giga(lambda x: behind_mean(x, training=False), 1, 40, 1)
    assert faces == pytest.approx(giga, abs=1e-3)
    assert sound == pytest.approx(0.00680, abs=5e-5)
    assert faces + sound <= 0.77


@pytest.mark.parametrize(
    ("speech", "classes", "count"),
    [("S1", 8, 444_680), ("S2", 8, 592_904), ("S3", 8, 728_840), ("S2", 6, 592_904 - 258)],
)
def test_counts_of_the_speech_grid(speech, classes, count):
    model = build_model(NAME, classes, speech=speech, frames=1, image_size=32)
    assert model.get_layer("speech_stream").count_params() == count


@pytest.mark.parametrize(
    ("variant", "encoder", "rest"),
    [
        ("F1", 314_144, 4_616),
        ("F2", 316_898, 4_616),
        ("F3", 314_144, 10_954),
        ("F4", 316_898, 10_954),
    ],
)
def test_counts_of_the_face_grid(variant, encoder, rest):
    face = build_model(NAME, 8, variant=variant, frames=2, image_size=32).get_layer("face_stream")
    assert face.get_layer("face_encoder").count_params() == encoder
    assert face.count_params() == encoder + rest


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
    floats = {**inputs, "faces": inputs["faces"].astype(np.float32)}
    for name, value in answer(model, inputs).items():
        np.testing.assert_array_equal(value, answer(model, floats)[name])


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
    for name, value in expected.items():
        np.testing.assert_allclose(answer(model, other)[name], value, atol=1e-5, err_msg=name)
        np.testing.assert_allclose(answer(short, cut)[name], value, atol=1e-5, err_msg=name)


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


@pytest.mark.parametrize("stage", stages(Config()), ids=lambda stage: stage.name)
def test_gradients_reach_every_weight(stage):
    tf = pytest.importorskip("tensorflow")
    model = tiny_model(image_size=64)
    inputs = tiny_inputs(model)
    part = model.get_layer(stage.layer)
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


def test_saved_and_loaded_answers_the_same(model, saved):
    inputs = tiny_inputs(model)
    again = load_model(saved)
    for name, value in answer(model, inputs).items():
        np.testing.assert_array_equal(answer(again, inputs)[name], value)


def test_models_answer_by_the_plain_graph(model, saved, monkeypatch):
    """XLA, which Keras would choose, takes several times as long on a CPU."""
    monkeypatch.setattr(keras.Model, "_resolve_auto_jit_compile", lambda self: True)
    speech = model.get_layer("speech_stream")
    for each in (model, load_model(saved), headless(speech)):
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
    stream = tiny_model(samples=96_000).get_layer("speech_stream")
    scaled = keras.Model(stream.input, stream.get_layer("scale").output)
    lengths = np.array([len(y) for y in sounds], np.int32)
    found = scaled.predict_on_batch({"waveform": padded, "waveform_samples": lengths})
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
