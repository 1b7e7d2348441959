"""System 5 from records to a bundle: sound and landmarks, since faces cost most and are tested elsewhere.

That a run with fitted stages resumes to the same bits is tested with a smaller system, in
``test_three_streams.py``.
"""

import json

import numpy as np
import pytest
from tiny_run import LABELS, make_clip, write_records

from emotionnet.clips.fields import Field, FieldValues, get_field
from emotionnet.clips.fields.add import add_field
from emotionnet.files import read_csv
from emotionnet.training.run import Run

pytest.importorskip("tensorflow")
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("plain_reports")]

CONFIG = {
    "frames": 2,
    "image_size": 32,
    "backbone": "GhostNet",
    "backbone_weights": "none",
    "picture_size": 32,
    "landmarks": 6,
    "key_frames": 3,
    "klda_points": 8,
    "samples": 16000,
}
STAGES = ["speech", "fused", "head", "speech_head"]


class Points(Field):
    """Landmarks that say which emotion it is; of the third clip of an actor none."""

    name, shape, meaning = "landmarks68", (68, 2), "points for tests"
    version = get_field("landmarks68").version

    def compute(self, parsed, row):
        count = 0 if row.clip.endswith("2") else len(parsed["times_s"])
        rng = np.random.default_rng(sum(row.clip.encode()))
        points = rng.normal(0, 1 + LABELS.index(row.emotion), (count, 68, 2))
        return FieldValues(parsed["times_s"][:count], points)


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Five actors, each with three clips; one lacks sound and one landmarks."""
    clips = [
        make_clip(f"{actor}_{i}", label, actor, sound=i != 1, seed=10 * int(actor) + i)
        for actor in ("01", "02", "03", "04", "05")
        for i, label in enumerate(LABELS)
    ]
    records = write_records(tmp_path_factory.mktemp("records") / "records", clips)
    add_field(records, Points(), workers=0)
    return type(records).open(records.folder)


@pytest.fixture(scope="module")
def run(records, tmp_path_factory):
    from emotionnet.fit import fit

    out = tmp_path_factory.mktemp("runs")
    options = {
        "epochs": 1,
        "batch_size": 4,
        "protocol": "actor_folds",
        "streams": "speech+geometry",
    }
    return Run.open(
        fit(records=records.folder, out=out, system="racnn", system_config=CONFIG, **options)
    )


def test_every_stage_is_done_and_every_stream_answers(run):
    history = read_csv(run.folder / "history.csv")
    assert list(dict.fromkeys(row["stream"] for row in history)) == STAGES
    metrics = json.loads((run.folder / "metrics.json").read_text())
    assert {"fused", "speech", "geometry"} <= metrics.keys()
    assert set(metrics["masked"]) == {"speech", "geometry"}
    projection = run.model().get_layer("projection")
    points, gamma, kernel, _ = projection.get_weights()
    assert gamma > 0
    assert np.abs(kernel).max() > 0
    assert points.shape == (8, 256)


def test_its_bundle_is_true(run, tmp_path):
    from emotionnet.deploy.litert import LiteModel
    from emotionnet.export import export
    from emotionnet.verify import verify

    out = export(run.folder, tmp_path / "bundle", precisions=("float32", "int8", "onnx"))
    contract = json.loads((out / "contract.json").read_text())
    entries = {"classify", "front_end", "encode_points", "encode_speech", "fuse"}
    assert entries <= set(contract["signatures"])
    assert {row["precision"] for row in verify(out)} == {"float32", "int8", "onnx"}

    def integer_convolutions(entry):
        operators = LiteModel(out / "emotion_int8.tflite").operators()
        return sum(
            x["subgraph"] == entry and x["op"] == "CONV_2D" and "INT8" in x["types"]
            for x in operators
        )

    assert integer_convolutions("encode_speech") == integer_convolutions("classify") > 0
