"""System 1 has the published numbers of weights; its multiply-adds: tests/deploy/test_cost.py."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from emotionnet.systems import build_model  # noqa: E402
from emotionnet.systems.ghost_fan import NAME, Config, face_stream, speech_stream  # noqa: E402


def trainable(model) -> int:
    return sum(int(np.prod(w.shape)) for w in model.trainable_weights)


@pytest.mark.parametrize(
    ("depthwise", "encoder_count", "whole_count"),
    [("faithful", 316_898, 920_756), ("stride2", 279_202, 883_060)],
)
def test_published_counts(depthwise, encoder_count, whole_count):
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


@pytest.mark.parametrize(
    ("speech", "classes", "count"),
    [("S1", 8, 444_680), ("S2", 8, 592_904), ("S3", 8, 728_840), ("S2", 6, 592_904 - 258)],
)
def test_counts_of_the_speech_grid(speech, classes, count):
    assert speech_stream(Config(speech=speech), classes).count_params() == count


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
    face = face_stream(Config(variant=variant), 8)
    assert face.get_layer("face_encoder").count_params() == encoder
    assert face.count_params() == encoder + rest
