"""System 3: the published counts, and what masks, padding and absence may and may not change."""

import numpy as np
import pytest
from tiny_model import answers_to

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

import cv2  # noqa: E402

from emotionnet.errors import EmotionNetError, UsageError  # noqa: E402
from emotionnet.inputs.views import View  # noqa: E402
from emotionnet.systems import build_model, cross_modal, load_model, make_config  # noqa: E402
from emotionnet.systems.cross_modal import Config, sound_scale, stages  # noqa: E402
from emotionnet.training.front import Cut  # noqa: E402

#: A small backbone: what is tested here is what stands behind it.
SMALL = {"image_size": 32, "frames": 5, "backbone": "GhostNet", "backbone_weights": "none"}
pytestmark = pytest.mark.usefixtures("four_bottlenecks")
OUTPUTS = ["probabilities", "face_probabilities", "speech_probabilities"]


def random_inputs(clips=2, frames=5, size=32, samples=57600, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "faces": rng.integers(0, 256, (clips, frames, size, size, 3)).astype(np.float32),
        "frame_mask": np.ones((clips, frames), np.float32),
        "waveform": (0.1 * rng.normal(size=(clips, samples))).astype(np.float32),
        "waveform_samples": np.full(clips, samples, np.int32),
    }


def answer(model, inputs):
    return {k: np.asarray(v) for k, v in model(inputs, training=False).items()}


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return build_model("cross_modal", 6, **SMALL)


@pytest.fixture(scope="module")
def answers(model):
    """All that is asked of it with the same two clips; each test looks at some of the answers."""
    inputs = random_inputs()
    silent = inputs["waveform"].copy()
    silent[:, 30000:] = 0
    padded, other = ({name: value.copy() for name, value in inputs.items()} for _ in range(2))
    padded["waveform_samples"][:] = other["waveform_samples"][:] = 30000
    padded["frame_mask"][:, 3] = other["frame_mask"][:, 3] = 0
    other["waveform"][:, 30000:] = 0.7
    other["faces"][:, 3] = 255
    pause, broken = inputs["waveform"].copy(), inputs["waveform"].copy()
    pause[0, 28000:30000] = 0
    broken[0, 28000:30000] = np.nan
    cases = {
        "whole": inputs,
        "padded": padded,
        "other padding": other,
        "silent end": inputs | {"waveform": silent},
        "no end": inputs | {"waveform": silent, "waveform_samples": np.full(2, 30000, np.int32)},
        "deaf": inputs | {"waveform_samples": np.zeros(2, np.int32)},
        "blind": inputs | {"frame_mask": np.zeros((2, 5), np.float32)},
        "pause": inputs | {"waveform": pause},
        "broken": inputs | {"waveform": broken},
    }
    return answers_to(model, cases)


@pytest.fixture(scope="module", params=["baseline", "id", "sa"])
def variant(request):
    """A model of each variant, of three classes."""
    keras.utils.set_random_seed(0)
    return build_model("cross_modal", 3, dropout=0.0, variant=request.param, **SMALL)


def test_the_published_counts_as_a_whole_and_part_by_part(monkeypatch):
    encoder = cross_modal.face_encoder(make_config("cross_modal", backbone_weights=None))
    monkeypatch.setattr(cross_modal, "face_encoder", lambda config: encoder)
    assert encoder.count_params() == 5_919_312
    for variant, wanted in (("baseline", 12_786_648), ("id", 12_788_696), ("sa", 14_630_616)):
        model = build_model("cross_modal", 8, variant=variant, backbone_weights=None)
        assert model.get_layer("face_encoder") is encoder
        assert model.count_params() == wanted
    assert model.get_layer("sound_encoder").count_params() == 0
    fusion = model.get_layer("fusion")
    counts = {layer.name: layer.count_params() for layer in fusion.layers if layer.weights}
    assert counts == {
        "face_projection": 163_968,
        "av": 3_350_656,
        "va": 3_350_656,
        "self_faces": 919_936,
        "self_sound": 919_936,
        "classifier": 768 * 8 + 8,
    }


def test_outputs_are_probabilities(answers):
    for value in answers["whole"].values():
        assert value.shape == (2, 6)
        np.testing.assert_allclose(value.sum(axis=1), 1, rtol=1e-5)


def test_what_is_padded_or_masked_does_not_matter(answers):
    for name in OUTPUTS:
        first, second = (answers[case][name] for case in ("padded", "other padding"))
        np.testing.assert_allclose(first, second, atol=1e-6)


def test_a_padded_second_is_not_a_silent_second(answers):
    silent, padded = (answers[case]["probabilities"] for case in ("silent end", "no end"))
    assert np.abs(silent - padded).max() > 1e-4


def test_an_answer_without_a_stream_is_the_other_streams_answer(answers):
    whole, deaf, blind = (answers[case] for case in ("whole", "deaf", "blind"))
    np.testing.assert_allclose(deaf["probabilities"], whole["face_probabilities"], atol=1e-6)
    np.testing.assert_allclose(blind["probabilities"], whole["speech_probabilities"], atol=1e-6)
    np.testing.assert_allclose(deaf["speech_probabilities"], 1 / 6, atol=1e-6)
    np.testing.assert_allclose(blind["face_probabilities"], 1 / 6, atol=1e-6)
    assert not np.allclose(whole["face_probabilities"], whole["speech_probabilities"], atol=1e-3)


def test_a_clip_with_nothing_is_answered_uniformly(variant):
    inputs = random_inputs(1)
    inputs["frame_mask"][:] = 0
    inputs["waveform_samples"][:] = 0
    for value in answer(variant, inputs).values():
        np.testing.assert_allclose(value, 1 / 3, atol=1e-6)


def test_broken_samples_count_as_silence(answers):
    for name in OUTPUTS:
        np.testing.assert_allclose(answers["pause"][name], answers["broken"][name], atol=1e-6)


def test_sound_values_are_of_about_one_size(model):
    """Speech-like sound must not be swamped by the level or the pitch."""
    t = np.arange(57600) / 16000
    tone = sum(np.sin(2 * np.pi * 150 * k * t) / k for k in range(1, 20))
    inputs = random_inputs(1)
    inputs["waveform"][0] = 0.01 * tone
    names = ("sound_features", "sound_features_mask")
    part = keras.Model(model.input, [model.get_layer(name).output for name in names])
    features, heard = map(np.asarray, part(inputs, training=False))
    assert features.shape == (1, 5, 128)
    assert heard.tolist() == [[1] * 5]
    assert np.abs(features).max() < 6
    # 32 values a step; the step itself stands third, behind two neighbours.
    pitch = features[0, :, 2 * 32 + 30] * sound_scale()[1][30]
    np.testing.assert_allclose(pitch, 150, rtol=0.01)
    np.testing.assert_array_equal(features[0, 0, :64], 0)
    np.testing.assert_array_equal(features[0, 2, 32:64], features[0, 1, 64:96])


def test_a_short_clip_may_be_padded_before_its_moments_are_picked():
    """As in the paper: of 3.6 s, a clip of 1.8 s has the first half; faces and sound lack the same."""
    padded = Config(pad_clip=True, frames=6)
    assert View(6, 32, padded.samples, frame_hz=padded.frame_hz).frame_hz == pytest.approx(6 / 3.6)
    keras.utils.set_random_seed(0)
    small = SMALL | {"frames": 6}
    model = build_model("cross_modal", 3, **small, pad_clip=True)
    heard = keras.Model(model.input, model.get_layer("sound_features_mask").output)
    inputs = random_inputs(1, frames=6)
    inputs["waveform_samples"][:] = 28800
    assert np.asarray(heard(inputs, training=False)).tolist() == [[1, 1, 1, 0, 0, 0]]
    parsed = {
        "jpegs": [cv2.imencode(".jpg", np.full((224, 224, 3), 9, np.uint8))[1].tobytes()] * 54,
        "times_s": np.arange(54, dtype=np.float32) / 30,
        "waveform": np.ones(28800, np.float32),
    }
    view = View(6, 32, padded.samples, frame_hz=padded.frame_hz)
    parsed = {name: tf.constant(value) for name, value in parsed.items()}
    assert view(parsed)["frame_mask"].numpy().tolist() == [1, 1, 1, 0, 0, 0]
    moved = view(parsed, jitter=tf.constant([0.2] * 6))["moves"].numpy()
    np.testing.assert_allclose(moved[:3], 0.2 * 9600, atol=300)  # to the nearest frame
    np.testing.assert_array_equal(moved[3:], 1920)


def test_every_weight_learns(variant):
    logits = keras.Model(variant.input, variant.get_layer(stages(Config())[0].layer).output)
    assert len(logits.trainable_weights) == len(variant.trainable_weights)
    before = [np.array(w) for w in logits.trainable_weights]
    loss = keras.losses.CategoricalCrossentropy(True)
    logits.compile(keras.optimizers.SGD(0.1), loss, run_eagerly=True)
    logits.train_on_batch(random_inputs(4), np.eye(3, dtype="float32")[[0, 1, 2, 0]])
    for weight, old in zip(logits.trainable_weights, before):
        # A bias on the keys moves all scores of a query alike: softmax does not see it.
        if "key/bias" not in weight.path:
            assert np.abs(np.array(weight) - old).max() > 0, weight.path


@pytest.mark.parametrize("stream", ["faces", "speech"])
def test_a_stream_that_is_not_trained_is_absent(stream):
    model = build_model("cross_modal", 3, streams=(stream,), **SMALL)
    whole = answer(model, random_inputs())
    mine, other = OUTPUTS[1:] if stream == "faces" else OUTPUTS[:0:-1]
    np.testing.assert_allclose(whole[mine], whole["probabilities"], atol=1e-6)
    np.testing.assert_allclose(whole[other], 1 / 3, atol=1e-6)
    gone = random_inputs(seed=1)
    kept = ("faces", "frame_mask") if stream == "faces" else ("waveform", "waveform_samples")
    changed = answer(model, gone | {name: random_inputs()[name] for name in kept})
    np.testing.assert_allclose(changed["probabilities"], whole["probabilities"], atol=1e-6)
    if stream == "speech":
        assert model.count_params() < 9e6  # no backbone


@pytest.mark.parametrize("streams", [("faces", "speech"), ("faces",), ("speech",)])
def test_it_can_be_cut_behind_the_backbone(streams):
    """So that the features of a frozen backbone are computed once."""
    model = build_model("cross_modal", 3, **{**SMALL, "streams": streams})
    before = model.to_json()
    logits = keras.Model(model.input, model.get_layer(stages(Config())[0].layer).output)
    cut = Cut(logits, stages(Config())[0].front)
    inputs = random_inputs()
    inputs["waveform_samples"][1] = 0
    features = answer(cut.front, {name: inputs[name] for name in cut.front.input})
    rest = {name: inputs[name] for name in cut.inputs}
    np.testing.assert_allclose(
        cut.rest(features | rest, training=False), logits(inputs, training=False), atol=1e-5
    )
    assert "faces" not in rest
    assert "waveform" not in rest
    encoder = model.get_layer("face_encoder").count_params() if "faces" in streams else 0
    assert cut.front.count_params() == encoder
    assert model.to_json() == before  # the cut leaves the model whole, as a file would hold it


def test_it_comes_back_from_a_file(model, tmp_path):
    model.save(tmp_path / "model.keras")
    inputs = random_inputs()
    again = answer(load_model(tmp_path / "model.keras"), inputs)
    for name, value in answer(model, inputs).items():
        np.testing.assert_array_equal(again[name], value)


def test_half_precision_stays_finite():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = build_model("cross_modal", 3, **SMALL)
    finally:
        keras.config.set_dtype_policy(before)
    inputs = random_inputs()
    inputs["frame_mask"][0] = 0
    inputs["waveform_samples"][1] = 0
    for value in answer(model, inputs).values():
        assert value.dtype == np.float32
        np.testing.assert_allclose(value.sum(axis=1), 1, rtol=1e-5)


def test_weights_come_from_a_local_file_only_when_they_fit(tmp_path):
    # Few layers, so that it is built quickly.
    small = {**SMALL, "backbone": "VGG16", "streams": ("faces",)}
    first = build_model("cross_modal", 3, **small)
    network = first.get_layer("face_encoder").get_layer("backbone").layers[-1]
    path = tmp_path / "mine.weights.h5"
    network.save_weights(path)
    second = build_model("cross_modal", 3, **{**small, "backbone_weights": str(path)})
    faces = random_inputs()["faces"][0]
    np.testing.assert_array_equal(
        *(m.get_layer("face_encoder")(faces, training=False) for m in (first, second))
    )
    with pytest.raises(EmotionNetError, match=r"absent\.h5"):
        build_model("cross_modal", 3, **{**small, "backbone_weights": str(tmp_path / "absent.h5")})


@pytest.mark.parametrize(
    "wrong",
    [
        {"variant": "best"},
        {"frames": 0},
        {"streams": ("smell",)},
        {"streams": ()},
        {"sample_rate": 44100},
        {"sample_rate": 0},
        {"dropout": 1.0},
        {"colour": True},
        {"backbone": "AlexNet"},
        {"backbone": "GhostNet", "backbone_weights": "imagenet"},
        {"backbone": "Xception", "backbone_weights": "none", "image_size": 64},
    ],
)
def test_bad_settings_are_refused(wrong):
    with pytest.raises(UsageError):
        make_config("cross_modal", **wrong)
