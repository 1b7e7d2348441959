"""System 4 from records to answers: fitted and trained, killed, resumed, evaluated, asked, exported."""

import json

import numpy as np
import pytest
from tiny_run import LABELS, make_clip, write_records

pytest.importorskip("tensorflow")
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("plain_reports")]

CONFIG = {"frames": 6, "frame_hz": 10.0, "image_size": 32, "samples": 12800}


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Five actors with two clips of each label; the first lacks sound once, and the last faces."""
    clips = [
        make_clip(
            f"{actor}_{label}_{take}", label, actor, seed=100 * int(actor) + 10 * i + take,
            faces=(take, i) != (1, 2), sound=(take, i) != (0, 0),
        )
        for actor in ("01", "02", "03", "04", "05")
        for i, label in enumerate(LABELS)
        for take in range(2)
    ]  # fmt: skip
    return write_records(tmp_path_factory.mktemp("records") / "records", clips)


def train(records, out, name="run", fusion="paired", **changes):
    from emotionnet.fit import fit

    options = {
        "records": records.folder, "out": out, "name": name, "system": "dv_emotionnet",
        "system_config": {**CONFIG, "fusion": fusion}, "protocol": "actor_folds", "epochs": 2,
        "batch_size": 8, "augment": "light",
    }  # fmt: skip
    return fit(**options | changes)


@pytest.fixture(scope="module")
def run(records, tmp_path_factory):
    return train(records, tmp_path_factory.mktemp("runs"))


def numbers(folder, name):
    from emotionnet.training.run import Run

    return [np.asarray(w) for w in Run.open(folder).model().get_layer(name).weights]


def test_every_kind_of_clip_is_answered(run):
    from emotionnet.evaluation.answers import Answers

    answers = Answers.read(run / "predictions.csv", LABELS)
    has = {(clip.has("faces"), clip.has("speech")) for clip in answers.clips}
    assert has == {(True, True), (True, False), (False, True)}
    assert np.isfinite(answers.probabilities["fused"]).all()
    metrics = json.loads((run / "metrics.json").read_text())
    assert {"fused", "faces", "speech", "masked"} <= set(metrics)
    history = (run / "history.csv").read_text()
    assert [history.count(f"\n{name},") for name in ("speech", "faces", "fused")] == [2, 2, 2]


def test_what_is_fitted_is_what_the_training_clips_say(run, records):
    from emotionnet.systems.fits import standard_scaler
    from emotionnet.training.run import Run

    opened = Run.open(run)
    rows = [row for row in opened.split_rows(records)["train"] if row.samples]
    sounds = []
    from emotionnet.inputs.opening import open_source
    from emotionnet.training.front import Cut

    model = opened.model()
    source = open_source(records, opened.view(), opened.labels)
    front = Cut(model, "sound_vector").front
    for batch in source.inference_batches(rows, 4):
        sounds.append(front.predict_on_batch({k: batch[k] for k in front.input})["sound_vector"])
    expected = standard_scaler(np.concatenate(sounds))
    for found, wanted in zip(numbers(run, "sound_scale"), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)
    for name in ("cell_scale", "components", "mfa"):
        kernel, bias = numbers(run, name)
        assert np.isfinite(kernel).all()
        assert np.ptp(bias) > 0


def test_features_of_a_clip_are_computed_once_for_all_stages_folds_and_seeds(
    run, records, tmp_path
):
    def kept():
        return sorted(p for p in (records.folder / "features").rglob("*.npy"))

    before = {path: path.stat().st_mtime_ns for path in kept()}
    # Of all clips with faces, of all with sound; and both for those that have both.
    assert sorted(p.name.rpartition("-")[2] for p in before) == sorted(
        2 * ["cell_means.npy", "frame_mask.npy", "sound_vector.npy", "waveform_samples.npy"]
    )
    train(records, tmp_path, folds=[2], seeds=[3], epochs=1)
    assert {path: path.stat().st_mtime_ns for path in kept()} == before


@pytest.mark.parametrize("moment", ["mfa", "faces"])
def test_a_run_that_was_killed_ends_with_the_same_bits(run, records, tmp_path, monkeypatch, moment):
    from emotionnet.training.state import TrainingState

    class Killed(BaseException):
        pass

    save = TrainingState.save

    def dying(self, path, variables=()):
        save(self, path, variables)
        if self.done and self.done[-1] == moment:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(TrainingState, "save", dying)
        with pytest.raises(Killed):
            train(records, tmp_path)
    again = train(records, tmp_path, resume=True)
    for name in ("sound_scale", "cell_scale", "components", "mfa",
                 "speech_network", "face_network", "fused_network"):  # fmt: skip
        for a, b in zip(numbers(run, name), numbers(again, name), strict=True):
            np.testing.assert_array_equal(a, b, err_msg=name)


def test_pooled_rows_and_frames_as_rows(records, tmp_path):
    folder = train(
        records, tmp_path, fusion="pooled",
        system_config={**CONFIG, "fusion": "pooled", "face_rows": "frame"},
    )  # fmt: skip
    metrics = json.loads((folder / "metrics.json").read_text())
    # Each kind of row by itself: what the third network says of faces alone, and of sound alone.
    assert set(metrics["masked"]) == {"faces", "speech"}


def test_copies_of_the_sound_are_rows_of_their_own(records, tmp_path):
    folder = train(
        records, tmp_path, augment="paper", streams="speech", epochs=1, protocol="random_copies"
    )
    assert json.loads((folder / "config.json").read_text())["leaky"]
    assert {p.name.partition("-")[0] for p in (records.folder / "copies").rglob("*.json")} == {
        "noise15", "stretch_pitch+0.7",
    }  # fmt: skip


def test_a_class_that_nobody_trains_is_said(records, tmp_path):
    from emotionnet.errors import EmotionNetError

    with pytest.raises(EmotionNetError, match=r"stage 'mfa'.*sad"):
        train(only_some(records, tmp_path / "some"), tmp_path)


def only_some(records, folder):
    """Records in which no clip of one class has both picture and sound."""
    clips = [
        make_clip(f"{actor}_{label}_{take}", label, actor, seed=int(actor) + take,
                  faces=label != "sad" or take == 0, sound=label != "sad" or take == 1)
        for actor in ("01", "02", "03", "04", "05") for label in LABELS for take in range(2)
    ]  # fmt: skip
    return write_records(folder, clips)


def test_its_bundle_is_true(run, tmp_path):
    for package in ("ai_edge_litert", "tf2onnx", "onnxruntime"):
        pytest.importorskip(package)
    from emotionnet.export import export
    from emotionnet.verify import verify

    out = export(run, tmp_path / "bundle", precisions=("float32", "int8", "onnx"))
    contract = json.loads((out / "contract.json").read_text())
    assert {"encode_face", "encode_sound", "fuse"} <= set(contract["signatures"])
    assert {row["precision"] for row in verify(out)} == {"float32", "int8", "onnx"}
