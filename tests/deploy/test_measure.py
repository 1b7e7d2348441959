"""A bundle's files against Keras: of each stream only the clips that have it are counted."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from emotionnet.deploy.measure import accuracy, benchmark

EVEN = (0.5, 0.5)
#: Of four clips the last two have no face, the first none has sound.
FACES = np.array([(0.9, 0.1), (0.1, 0.9), EVEN, EVEN])
SPEECH = np.array([EVEN, (0.2, 0.8), (0.7, 0.3), (0.4, 0.6)])
CLIPS = {
    "frame_mask": np.array([(1, 1), (0, 1), (0, 0), (0, 0)], "float32"),
    "waveform_samples": np.array([0, 9, 9, 9], "int32"),
}
OUTPUTS = {
    "probabilities": (FACES + SPEECH) / 2,
    "face_probabilities": FACES,
    "speech_probabilities": SPEECH,
}


def file_that(answers):
    """An opened file that gives ``answers`` one clip after another."""
    count = iter(range(len(CLIPS["waveform_samples"])))

    def run(entry, inputs):
        at = next(count)
        return {name: values[at : at + 1] for name, values in answers.items()}

    return SimpleNamespace(run=run)


def test_a_stream_is_compared_on_the_clips_that_have_it():
    other = OUTPUTS | {"face_probabilities": np.array([(0.9, 0.1), (0.8, 0.2), EVEN, EVEN])}
    found = accuracy(
        {"int8": file_that(other)}, CLIPS, np.array([0, 1, 1, 1]), OUTPUTS, ("faces", "speech")
    )
    counts = {kind: each["clips"] for kind, each in found["int8"].items()}
    assert counts == {"fused": 4, "faces": 2, "speech": 3}
    assert found["keras"]["faces"]["accuracy"] == 1
    assert found["keras"]["speech"]["accuracy"] == pytest.approx(2 / 3)
    assert (found["int8"]["faces"]["agreement"], found["int8"]["faces"]["accuracy"]) == (0.5, 0.5)


def test_what_no_clip_has_is_not_there():
    silent = CLIPS | {"waveform_samples": np.zeros(4, "int32")}
    found = accuracy({}, silent, np.array([0, 1, 1, 1]), OUTPUTS, ("faces", "speech"))
    assert set(found["keras"]) == {"fused", "faces"}
    assert found["keras"]["fused"]["clips"] == 2


def test_timing_writes_nothing_beside_its_answer(capfd):
    """LiteRT tells of every accelerator that it looks for."""
    pytest.importorskip("ai_edge_litert")
    bundle = Path(__file__).parents[2] / "saved_models" / "demo_bundle"
    files = {"int8": {"file": "emotion_int8.tflite"}}
    found = benchmark(bundle, files, ["fuse"])
    assert found["times"]["int8"]["fuse"]["median_ms"] > 0
    assert not any(capfd.readouterr())
