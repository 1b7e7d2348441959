"""Export writes a whole bundle or nothing, and says why."""

import json
import os
import sys

import numpy as np
import pytest
from tiny_model import exportable_run, tiny_model
from tiny_run import SYSTEM_CONFIG, make_clip, make_run, write_records

from emotionnet.deploy import convert as converting
from emotionnet.deploy.clips import spread
from emotionnet.deploy.exporting import Export
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.export import export
from emotionnet.export import files as told
from emotionnet.files import write_json

pytestmark = pytest.mark.usefixtures("four_bottlenecks", "loaded_once")

EMOTIONS = ("neutral", "happy", "sad")


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    clips = [make_clip(f"clip_{i}", EMOTIONS[i % 3], seed=i) for i in range(4)]
    return write_records(tmp_path_factory.mktemp("records") / "r", clips)


@pytest.fixture(scope="module")
def model():
    return tiny_model(**SYSTEM_CONFIG)


@pytest.fixture(scope="module")
def run(records, model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    rows = records.rows
    return exportable_run(folder, records, train=rows[:2], test=rows[2:], model=model)


def _nothing_left(folder):
    return not list(folder.iterdir())


def test_how_often_a_file_answers_as_the_run_does_is_said(tmp_path):
    files = {
        "int8": {"file": "a_int8.tflite", "bytes": 1_400_000},
        "onnx": {"file": "a.onnx", "bytes": 1},
    }
    write_json(tmp_path / "contract.json", {"files": files})
    assert list(told(tmp_path)) == ["a_int8.tflite  1.40 MB", "a.onnx  0.00 MB"]
    scores = {"int8": {"fused": {"agreement": 0.625, "clips": 64}}}
    write_json(tmp_path / "accuracy.json", scores)
    line, _ = told(tmp_path)
    assert line == "a_int8.tflite  1.40 MB, the run's answer to 62.5 % of 64 clips"


@pytest.mark.parametrize("page", [False, True])
def test_phones_and_browsers_need_a_file_that_they_run(run, tmp_path, page):
    with pytest.raises(UsageError, match=r"phones and browsers need a \.tflite file"):
        export(run.folder, tmp_path / "bundle", precisions=("onnx",), page=page)
    assert _nothing_left(tmp_path)


def test_a_crash_of_the_converter_leaves_nothing(run, tmp_path, monkeypatch):
    dies = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    monkeypatch.setattr(converting, "COMMAND", (sys.executable, "-c", dies))
    with pytest.raises(EmotionNetError, match=r"crashed \(SIGSEGV\).*nothing was written"):
        export(run.folder, tmp_path / "bundle", precisions=("float32",))
    assert _nothing_left(tmp_path)


def test_a_converter_that_takes_too_long(run, tmp_path):
    with pytest.raises(EmotionNetError, match=r"more than 0 s"):
        export(run.folder, tmp_path / "bundle", precisions=("float32",), timeout_s=0.2)
    assert _nothing_left(tmp_path)


def test_a_layer_that_needs_flex(tmp_path):
    """Said with the operator's name, from the process of its own."""
    import keras

    inputs = {
        "faces": keras.Input((2, 8, 8, 3), name="faces"),
        "frame_mask": keras.Input((2,), name="frame_mask"),
        "waveform": keras.Input((64,), name="waveform"),
        "waveform_samples": keras.Input((), name="waveform_samples", dtype="int32"),
    }
    # A determinant has no builtin operator.
    square = keras.layers.Reshape((8, 8))(inputs["waveform"])
    answer = keras.layers.Activation("sigmoid")(keras.ops.det(square)[:, None])
    model = keras.Model(inputs, {"probabilities": answer})
    model.save(tmp_path / "model.keras")
    job = {"model": str(tmp_path / "model.keras"), "precisions": ["float32"], "onnx": False}
    with pytest.raises(EmotionNetError, match="MatrixDeterminant"):
        converting.convert(tmp_path, job)


def test_nan_in_the_weights(records, model, tmp_path):
    bias = model.get_layer("face_stream").get_layer("classifier").bias
    before = np.array(bias)
    bias.assign(np.full(bias.shape, np.nan))
    run = exportable_run(tmp_path / "run", records, model=model)
    bias.assign(before)
    with pytest.raises(EmotionNetError, match="NaN"):
        export(run.folder, tmp_path / "bundle", precisions=("float32",))
    assert not (tmp_path / "bundle").exists()


def test_no_clips_to_calibrate_with(records, model, tmp_path):
    run = exportable_run(tmp_path / "run", records, test=records.rows, model=model)
    with pytest.raises(EmotionNetError, match="no training clip to calibrate"):
        export(run.folder, tmp_path / "bundle", precisions=("int8",))
    moved = make_run(tmp_path / "moved", None)
    with pytest.raises(UsageError, match="--records"):
        export(moved.folder, tmp_path / "bundle", precisions=("int8",))


def test_behind_a_link_the_folder_is_replaced(run, tmp_path, monkeypatch):
    def write(job, *counts):
        (job.bundle / "contract.json").write_text("{}")

    monkeypatch.setattr("emotionnet.deploy.exporting.Export.write", write)
    (tmp_path / "disk").mkdir()
    (tmp_path / "bundle").symlink_to(tmp_path / "disk")
    for _ in range(2):
        export(run.folder, tmp_path / "bundle", precisions=("float32",))
        assert (tmp_path / "bundle").is_symlink()
        assert {path.name for path in (tmp_path / "disk").iterdir()} == {
            "SHA256SUMS",
            "contract.json",
        }
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(UsageError, match="the folder you are in"):
        export(run.folder, ".", precisions=("float32",))


def test_bad_usage(run, tmp_path):
    with pytest.raises(UsageError, match="float31"):
        export(run.folder, tmp_path / "bundle", precisions=("float31",))
    with pytest.raises(UsageError, match="no run here"):
        export(tmp_path, tmp_path / "bundle")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it")
    with pytest.raises(UsageError, match="something else in it"):
        export(run.folder, tmp_path / "mine")


def test_a_run_of_another_version(run, tmp_path):
    folder = make_run(tmp_path / "old", None).folder
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"format": 99}))
    with pytest.raises(EmotionNetError, match="format 99"):
        export(folder, tmp_path / "bundle")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to(run, tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    with pytest.raises(PermissionError):
        export(run.folder, locked / "bundle", precisions=("float32",))


def test_spread_takes_emotions_in_turn(records):
    picked = spread(records.rows, 3, seed=5)
    assert {row.emotion for row in picked} == set(EMOTIONS)
    assert spread(records.rows, 3, seed=5) == picked
    assert len(spread(records.rows, 99)) == len(records.rows)


def test_where_few_clips_have_all_streams_others_fill_up(model, tmp_path):
    clips = [make_clip(f"c{i}", EMOTIONS[i % 3], seed=i, faces=i == 2) for i in range(5)]
    records = write_records(tmp_path / "r", clips)
    rows = records.rows
    run = exportable_run(tmp_path / "run", records, train=rows[:1], test=rows, model=model)
    job = Export(run, tmp_path, tmp_path, ["float32"], None, 1)
    for count in (1, 3, 9):
        ((rows, inputs),) = job._clips("test", count, seed=0)
        assert len({row.clip for row in rows}) == len(rows) == min(count, 5)
        assert rows[0].clip == "c2"
        assert len(inputs["faces"]) == len(rows)
    assert job._crop_sensitivity([(rows, inputs)])["clips"] == 1  # where there is a face to move
