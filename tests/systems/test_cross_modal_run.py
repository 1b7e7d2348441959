"""System 3 from records to answers: trained, killed, resumed, evaluated, asked, exported."""

import json

import numpy as np
import pytest
from tiny_run import LABELS, make_clip, write_records

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.slow

CONFIG = {"frames": 2, "image_size": 32, "backbone": "MobileNetV2", "variant": "id"}
#: The paper's optimizer and schedule, in steps of four.
TRAIN = {"optimizer": "sgd", "weight_decay": 0.01, "decay": "plateau", "accumulate": 2}


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Five actors, each with a whole clip, one without sound and one without faces."""
    clips = [
        make_clip(
            f"{actor}_{i}", label, actor, faces=i != 2, sound=i != 1, seed=10 * int(actor) + i
        )
        for actor in ("01", "02", "03", "04", "05")
        for i, label in enumerate(LABELS)
    ]
    return write_records(tmp_path_factory.mktemp("records") / "records", clips)


def options(records, out, **changes):
    return {
        "records": records.folder, "out": out, "system": "cross_modal", "system_config": CONFIG,
        "protocol": "actor_folds", "epochs": 2, "batch_size": 4, "train": TRAIN, **changes,
    }  # fmt: skip


@pytest.fixture(scope="module")
def whole(records, tmp_path_factory):
    from emotionnet.fit import fit

    return fit(**options(records, tmp_path_factory.mktemp("runs"), name="whole"))


def test_every_kind_of_clip_is_answered(whole):
    from emotionnet.evaluation.answers import Answers

    answers = Answers.read(whole / "predictions.csv", LABELS)
    has = {(clip.has_faces, clip.has_sound) for clip in answers.clips}
    assert has == {(True, True), (True, False), (False, True)}
    assert np.isfinite(answers.probabilities["fused"]).all()
    metrics = json.loads((whole / "metrics.json").read_text())
    assert {"fused", "faces", "speech", "masked"} <= set(metrics)


def test_a_run_that_was_killed_ends_with_the_same_bits(whole, records, tmp_path, monkeypatch):
    from emotionnet.fit import fit
    from emotionnet.training import train
    from emotionnet.training.run import Run

    class Killed(BaseException):
        pass

    def kill(*args):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(train, "_log_epoch", kill)
        with pytest.raises(Killed):
            fit(**options(records, tmp_path, name="killed"))
    again = fit(**options(records, tmp_path, name="killed", resume=True))
    for a, b in zip(Run.open(whole).model().weights, Run.open(again).model().weights, strict=True):
        np.testing.assert_array_equal(a, b, err_msg=a.path)


def test_a_frozen_backbone_is_computed_once(records, tmp_path):
    from emotionnet.fit import fit
    from emotionnet.training.run import Run

    train = {**TRAIN, "frozen": ["face_encoder"]}
    folder = fit(**options(records, tmp_path, name="frozen", augment="none", train=train))
    run = Run.open(folder)
    kept = list((records.folder / "features").rglob("*face_features.npy"))
    assert [np.load(path).shape for path in kept] == [(15, 2, 1280)]
    assert all(np.isfinite(np.load(path)).all() for path in kept)
    assert run.model().get_layer("fusion").count_params() > 0


def test_its_bundle_is_true(whole, tmp_path):
    for package in ("ai_edge_litert", "tf2onnx", "onnxruntime"):
        pytest.importorskip(package)
    from emotionnet.export import export
    from emotionnet.verify import verify

    out = export(whole, tmp_path / "bundle", precisions=("float32", "onnx"))
    contract = json.loads((out / "contract.json").read_text())
    assert contract["faces"]["frames"] == 2
    assert contract["sound"]["window_s"] == 3.6
    assert contract["front_end"]["n_fft"] == 320
    assert {row["precision"] for row in verify(out)} == {"float32", "onnx"}
