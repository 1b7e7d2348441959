"""An embedding is what the classifier is given: with its weights it gives the answer of the model."""

import numpy as np
import pytest
from tiny_run import LABELS, SYSTEM_CONFIG

from emotionnet.inputs.kinds import OUTPUTS
from emotionnet.keras_private import layers_inside
from emotionnet.prediction.embeddings import Embedder
from emotionnet.systems import build_model

pytestmark = pytest.mark.usefixtures("four_bottlenecks")

CLIPS = 3
BOTH, FACES = ("faces", "speech"), ("faces",)
SIZES = SYSTEM_CONFIG


def make(system, streams, **fields):
    fields = {**SIZES, **fields, "streams": streams}
    model = build_model(system, len(LABELS), **fields)
    return model, Embedder(
        model, {"system": system, "system_config": fields, "streams": list(streams)}
    )


def inputs_of(fields=SIZES):
    """Clips of noise: whole, without sound, without a face."""
    rng = np.random.default_rng(0)
    size, frames = fields["image_size"], fields.get("frames", fields.get("segments"))
    return {
        "faces": rng.integers(0, 256, (CLIPS, frames, size, size, 3)).astype(np.uint8),
        "frame_mask": np.array([[1, 1], [1, 0], [0, 0]], np.float32)[:, :frames],
        "waveform": rng.normal(0, 0.1, (CLIPS, fields["samples"])).astype(np.float32),
        "waveform_samples": np.array([16000, 0, 9000], np.int32),
    }


def classified(model, features, name):
    """Probabilities by the weights of the classifier called ``name``."""
    (layer,) = (each for each in layers_inside(model) if each.name == name)
    kernel, bias = (np.asarray(weight) for weight in layer.weights)
    powers = np.exp(features @ kernel + bias)
    return powers / powers.sum(axis=1, keepdims=True)


def test_streams_of_their_own_stand_side_by_side():
    model, embed = make("ghost_fan", BOTH)
    inputs = inputs_of()
    found, answers = embed(inputs), model.predict_on_batch(inputs)
    there = {"faces": [True, True, False], "speech": [True, False, True]}
    for stream, nested in (("faces", "face_stream"), ("speech", "speech_stream")):
        features = found[stream]
        assert (~np.isnan(features).any(axis=1)).tolist() == there[stream]
        wanted = np.asarray(answers[OUTPUTS[stream]])[there[stream]]
        own = classified(model.get_layer(nested), features[there[stream]], "classifier")
        np.testing.assert_allclose(own, wanted, atol=1e-5)
    width = found["faces"].shape[1]
    np.testing.assert_array_equal(found["fused"][0, :width], found["faces"][0])
    np.testing.assert_array_equal(found["fused"][0, width:], found["speech"][0])
    assert not found["fused"][1, width:].any()
    assert not found["fused"][2, :width].any()


def test_networks_that_answer_as_one_stand_side_by_side():
    model, embed = make("ghost_fan", ("speech",), speech="logmel")
    inputs = inputs_of()
    found, answers = embed(inputs), model.predict_on_batch(inputs)
    heard = [True, False, True]
    logits, members = 0, np.split(found["speech"][heard], 3, axis=1)
    for number, features in enumerate(members, start=1):
        (layer,) = (
            each for each in layers_inside(model) if each.name == f"member_{number}_classifier"
        )
        kernel, bias = (np.asarray(weight) for weight in layer.weights)
        logits = logits + (features @ kernel + bias) / 3
    powers = np.exp(logits)
    wanted = np.asarray(answers["speech_probabilities"])[heard]
    np.testing.assert_allclose(powers / powers.sum(axis=1, keepdims=True), wanted, atol=1e-5)
    assert np.isnan(found["fused"][1]).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("system", "fields"),
    [
        ("segments", {"segments": 2}),
        ("cross_modal", {"backbone": "MobileNetV2", "backbone_weights": "none"}),
        ("faces", {"backbone": "MobileNetV2", "backbone_weights": "none"}),
    ],
)
def test_a_network_of_all_streams_is_shown_one_alone(system, fields):
    streams = FACES if system == "faces" else BOTH
    sizes = {k: v for k, v in SIZES.items() if not ("segments" in fields and k == "frames")}
    fields = {**sizes, **fields, "streams": streams}
    model = build_model(system, len(LABELS), **fields)
    config = {"system": system, "system_config": fields, "streams": list(streams)}
    inputs = inputs_of(fields)
    found, answers = Embedder(model, config)(inputs), model.predict_on_batch(inputs)
    for kind, features in found.items():
        there = ~np.isnan(features).any(axis=1)
        assert there.any()
        wanted = np.asarray(answers[OUTPUTS[kind]])[there]
        own = classified(model, features[there], "classifier")
        np.testing.assert_allclose(own, wanted, atol=1e-5)
