"""System 2: the published counts, and what segments, padding and absence may and may not change."""

import os
import subprocess
import sys

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from emotionnet.errors import UsageError  # noqa: E402
from emotionnet.layers import SegmentWindows  # noqa: E402
from emotionnet.systems import build_model, load_model, make_config  # noqa: E402
from emotionnet.systems.segments import Config, stages  # noqa: E402

SMALL = {"image_size": 64, "samples": 40000}
OUTPUTS = ["probabilities", "face_probabilities", "speech_probabilities"]


def trainable(model) -> int:
    return sum(int(np.prod(w.shape)) for w in model.trainable_weights)


def random_inputs(clips=2, segments=5, size=64, samples=40000, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "faces": rng.integers(0, 256, (clips, segments, size, size, 3)).astype(np.float32),
        "frame_mask": np.ones((clips, segments), np.float32),
        "waveform": (0.1 * rng.normal(size=(clips, samples))).astype(np.float32),
        "waveform_samples": np.full(clips, samples, np.int32),
    }


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return build_model("segments", 6, **SMALL)


def answer(model, inputs):
    return {k: np.asarray(v) for k, v in model(inputs, training=False).items()}


@pytest.mark.parametrize(("classes", "wanted"), [(6, 2_715_218), (8, 2_716_500)])
def test_the_published_count(classes, wanted):
    assert trainable(build_model("segments", classes)) == wanted


def test_the_published_counts_layer_by_layer(model):
    encoder = model.get_layer("segment_encoder")
    for name, wanted in (
        ("visual_net", [192, 4_704, 18_624, 2_621_952]),
        ("audio_net", [48, 312, 900, 64_640]),
    ):
        net, letter = encoder.get_layer(name), name[0]
        found = [
            trainable(net.get_layer(f"conv{i}_{letter}"))
            + trainable(net.get_layer(f"norm{i}_{letter}"))
            for i in (1, 2, 3)
        ]
        assert [*found, trainable(net.get_layer(f"linear_{letter}"))] == wanted
        assert trainable(net) == sum(wanted)
    assert encoder.get_layer("audio_net").input.shape == (None, 128, 43, 1)
    assert encoder.get_layer("visual_net").input.shape == (None, 98, 80, 1)
    assert trainable(model.get_layer("classifier")) == 3_846


@pytest.mark.slow
def test_the_published_count_of_unshared_networks():
    unshared = build_model("segments", 8, shared=False, segments=12, image_size=64)
    assert trainable(unshared) == 32_598_000


def test_unshared_networks_see_their_own_segment():
    unshared = build_model("segments", 3, shared=False, segments=2, **SMALL)
    assert trainable(unshared) == 2 * (2_715_218 - 3_846 + 640 * 3 + 3)
    inputs = random_inputs(1, 2)
    before = answer(unshared, inputs)["probabilities"]
    for weight in unshared.get_layer("segment_encoder_02").trainable_weights:
        weight.assign(np.zeros(weight.shape))
    assert not np.allclose(answer(unshared, inputs)["probabilities"], before)
    inputs["frame_mask"][0, 1] = 0
    inputs["waveform_samples"][0] = 0
    alone = answer(unshared, inputs)["probabilities"]
    inputs["faces"][0, 1] = 0
    np.testing.assert_array_equal(answer(unshared, inputs)["probabilities"], alone)


def test_outputs_are_probabilities(model):
    for value in answer(model, random_inputs()).values():
        assert value.shape == (2, 6)
        np.testing.assert_allclose(value.sum(axis=1), 1, rtol=1e-5)


def test_padding_does_not_matter(model):
    inputs = random_inputs()
    inputs["waveform_samples"][:] = 30000
    inputs["frame_mask"][:, 3] = 0
    first = answer(model, inputs)
    inputs["waveform"][:, 30000:] = 0.7
    inputs["faces"][:, 3] = 255
    second = answer(model, inputs)
    for name in OUTPUTS:
        np.testing.assert_allclose(first[name], second[name], atol=1e-6)


def test_an_answer_without_a_stream_is_the_other_streams_answer(model):
    inputs = random_inputs()
    whole = answer(model, inputs)
    deaf = answer(model, inputs | {"waveform_samples": np.zeros(2, np.int32)})
    blind = answer(model, inputs | {"frame_mask": np.zeros((2, 5), np.float32)})
    np.testing.assert_allclose(deaf["probabilities"], whole["face_probabilities"], atol=1e-6)
    np.testing.assert_allclose(blind["probabilities"], whole["speech_probabilities"], atol=1e-6)
    np.testing.assert_allclose(deaf["speech_probabilities"], 1 / 6, atol=1e-6)
    np.testing.assert_allclose(blind["face_probabilities"], 1 / 6, atol=1e-6)
    assert not np.allclose(whole["face_probabilities"], whole["speech_probabilities"], atol=1e-3)


def test_a_clip_with_nothing_is_answered_uniformly(model):
    inputs = random_inputs(1)
    inputs["frame_mask"][:] = 0
    inputs["waveform_samples"][:] = 0
    for value in answer(model, inputs).values():
        np.testing.assert_allclose(value, 1 / 6, atol=1e-6)


def test_segment_by_segment_gives_the_clips_answer(model):
    inputs = random_inputs(1)
    inputs["waveform_samples"][:] = 33333
    inputs["frame_mask"][0, 2] = 0
    windows, heard = SegmentWindows(5, 24000)(inputs["waveform"], inputs["waveform_samples"])
    encoder, classifier = model.get_layer("segment_encoder"), model.get_layer("classifier")
    logits = []
    for i in range(5):
        segment = {
            "face": inputs["faces"][:, i],
            "face_mask": inputs["frame_mask"][:, i],
            "window": np.asarray(windows)[:, i],
            "window_mask": np.asarray(heard)[:, i],
        }
        embedding = np.asarray(encoder(segment, training=False))
        assert embedding.shape == (1, 640)
        assert bool(np.any(embedding[:, :512])) == (i != 2)
        logits.append(np.asarray(classifier(embedding)))
    mean = np.mean(logits, axis=0)
    probabilities = np.exp(mean - mean.max()) / np.exp(mean - mean.max()).sum()
    np.testing.assert_allclose(answer(model, inputs)["probabilities"], probabilities, atol=1e-6)


def test_the_number_of_segments_may_differ_at_inference(model):
    other = build_model("segments", 6, **SMALL, segments=9)
    other.set_weights(model.get_weights())
    assert trainable(other) == trainable(model)
    # Nine equal pictures and silence: the mean over nine is the mean over five.
    five, nine = random_inputs(1), random_inputs(1, 9)
    five["faces"][:] = five["faces"][:, :1]
    nine["faces"][:] = five["faces"][:, :1]
    for inputs in (five, nine):
        inputs["waveform_samples"][:] = 0
    np.testing.assert_allclose(
        answer(model, five)["probabilities"], answer(other, nine)["probabilities"], atol=1e-6
    )


def test_every_weight_learns():
    keras.utils.set_random_seed(0)
    model = build_model("segments", 3, segments=2, dropout=0.0, **SMALL)
    logits = keras.Model(model.input, model.get_layer(stages(Config())[0].layer).output)
    before = [np.array(w) for w in logits.trainable_weights]
    assert len(before) == len(model.trainable_weights)
    loss = keras.losses.CategoricalCrossentropy(True)
    logits.compile(keras.optimizers.SGD(0.1), loss, run_eagerly=True)
    logits.train_on_batch(random_inputs(4, 2), np.eye(3, dtype="float32")[[0, 1, 2, 0]])
    for weight, old in zip(logits.trainable_weights, before):
        # A bias in front of BatchNorm has no effect but rounding: all others must move.
        if not (weight.name == "bias" and weight.path.startswith("conv")):
            assert np.abs(np.array(weight) - old).max() > 0, weight.path


@pytest.mark.parametrize("stream", ["faces", "speech"])
def test_a_network_that_is_not_trained_is_left_out(stream):
    model = build_model("segments", 3, streams=(stream,), **SMALL)
    width = {"faces": (2_645_472, 512), "speech": (65_900, 128)}[stream]
    assert trainable(model) == width[0] + 3 * width[1] + 3
    whole = answer(model, random_inputs())
    mine, other = OUTPUTS[1:] if stream == "faces" else OUTPUTS[:0:-1]
    np.testing.assert_allclose(whole[mine], whole["probabilities"], atol=1e-6)
    np.testing.assert_allclose(whole[other], 1 / 3, atol=1e-6)


def test_it_comes_back_from_a_file(model, tmp_path):
    model.save(tmp_path / "model.keras")
    inputs = random_inputs()
    again = answer(load_model(tmp_path / "model.keras"), inputs)
    for name, value in answer(model, inputs).items():
        np.testing.assert_array_equal(again[name], value)


@pytest.mark.slow
def test_it_answers_the_same_under_jax(model, tmp_path):
    has_jax = subprocess.run([sys.executable, "-c", "import jax"], capture_output=True)
    if has_jax.returncode:
        pytest.skip("jax is not installed")
    model.save(tmp_path / "model.keras")
    inputs = random_inputs()
    np.savez(tmp_path / "inputs.npz", **inputs)
    script = (
        "import numpy as np, sys; from emotionnet.systems import load_model\n"
        "model = load_model('model.keras'); x = dict(np.load('inputs.npz'))\n"
        "np.savez('outputs.npz', **{k: np.asarray(v) for k, v in model.predict_on_batch(x).items()})"
    )
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, check=True)
    under_jax = np.load(tmp_path / "outputs.npz")
    for name, value in answer(model, inputs).items():
        np.testing.assert_allclose(under_jax[name], value, atol=1e-5)


@pytest.mark.parametrize(
    "wrong",
    [
        {"audio": "mp3"},
        {"segments": 0},
        {"sample_rate": 0},
        {"hop_length": -1},
        {"streams": ("smell",)},
        {"streams": ()},
        {"window_s": 0.5},
        {"dropout": 1.0},
        {"audio_weights": "x.safetensors"},
        {"colour": True},
    ],
)
def test_bad_settings_are_refused(wrong):
    with pytest.raises(UsageError):
        make_config("segments", **wrong)
