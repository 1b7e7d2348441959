"""System 3 from records to answers: trained, killed, resumed, evaluated, asked, exported."""

import json

import numpy as np
import pytest
from tiny_run import LABELS, make_clip, write_records

pytest.importorskip("tensorflow")
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("plain_reports")]

CONFIG = {"frames": 2, "image_size": 32, "backbone": "GhostNet"}
#: The paper's optimizer and schedule, in steps of four.
TRAIN = {"optimizer": "sgd", "weight_decay": 0.01, "decay": "plateau", "accumulate": 2}


@pytest.fixture(scope="module", autouse=True)
def two_bottlenecks():
    """Of eleven: nothing here is about the backbone, and each layer is traced for every run."""
    from emotionnet.systems import ghost_fan

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ghost_fan, "BOTTLENECKS", ghost_fan.BOTTLENECKS[:2])
        yield


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


def options(records, out, variant="id", **changes):
    return {
        "records": records.folder, "out": out, "system": "cross_modal",
        "system_config": {**CONFIG, "variant": variant}, "protocol": "actor_folds",
        "epochs": 2, "batch_size": 4, "train": TRAIN, **changes,
    }  # fmt: skip


@pytest.fixture(scope="module")
def wholes(records, tmp_path_factory):
    """A finished run by variant, trained when it is first asked for."""
    from emotionnet.fit import fit

    out, made = tmp_path_factory.mktemp("runs"), {}

    def whole(variant="id"):
        if variant not in made:
            made[variant] = fit(**options(records, out, variant, name=variant))
        return made[variant]

    return whole


@pytest.mark.parametrize("variant", ["baseline", "id", "sa"])
def test_every_kind_of_clip_is_answered(wholes, variant):
    from emotionnet.evaluation.answers import Answers

    folder = wholes(variant)
    answers = Answers.read(folder / "predictions.csv", LABELS)
    has = {(clip.has("faces"), clip.has("speech")) for clip in answers.clips}
    assert has == {(True, True), (True, False), (False, True)}
    assert np.isfinite(answers.probabilities["fused"]).all()
    metrics = json.loads((folder / "metrics.json").read_text())
    assert {"fused", "faces", "speech", "masked"} <= set(metrics)


@pytest.mark.parametrize(("mask", "left"), [("audio", "faces"), ("faces", "speech")])
def test_a_stream_that_is_taken_away_leaves_the_answers_of_the_other(wholes, records, mask, left):
    from emotionnet.evaluate import evaluate
    from emotionnet.evaluation.answers import Answers
    from emotionnet.inputs.kinds import stream_named

    folder = wholes()
    evaluate(folder, records=records.folder, mask=mask)
    gone = stream_named(mask, "--mask")
    masked = Answers.read(folder / f"predictions_masked_{gone}.csv", LABELS).probabilities["fused"]
    alone = Answers.read(folder / "predictions.csv", LABELS).probabilities[left]
    there = np.isfinite(alone).all(axis=1)
    assert there.any()
    np.testing.assert_allclose(masked[there], alone[there], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("variant", "precision"), [("id", "float32"), ("sa", "mixed_bfloat16")])
def test_a_run_that_was_killed_ends_with_the_same_bits(
    wholes, records, tmp_path, monkeypatch, variant, precision
):
    from emotionnet.fit import fit
    from emotionnet.training import train
    from emotionnet.training.run import Run

    class Killed(BaseException):
        pass

    def kill(*args):
        raise Killed

    if precision == "float32":
        whole = wholes(variant)
    else:
        whole = fit(**options(records, tmp_path, variant, name="whole", precision=precision))
    asked = options(records, tmp_path, variant, name="killed", precision=precision)
    with monkeypatch.context() as patch:
        patch.setattr(train, "_log_epoch", kill)
        with pytest.raises(Killed):
            fit(**asked)
    again = fit(**asked, resume=True)
    for a, b in zip(Run.open(whole).model().weights, Run.open(again).model().weights, strict=True):
        assert np.isfinite(a).all(), a.path
        np.testing.assert_array_equal(a, b, err_msg=a.path)
    history = (again / "history.csv").read_text().splitlines()
    assert len(history) == 1 + 2


def test_a_frozen_backbone_is_computed_once(records, tmp_path):
    from emotionnet.fit import fit
    from emotionnet.training.run import Run

    train = {**TRAIN, "frozen": ["face_encoder"]}
    folder = fit(**options(records, tmp_path, name="frozen", augment="none", train=train))
    run = Run.open(folder)
    kept = list((records.folder / "features").rglob("*face_features.npy"))
    assert [np.load(path).shape for path in kept] == [(15, 2, 576)]
    assert all(np.isfinite(np.load(path)).all() for path in kept)
    assert run.model().get_layer("fusion").count_params() > 0


def test_absent_weights_are_said_in_three_lines_and_leave_nothing(records, tmp_path):
    from emotionnet.errors import EmotionNetError
    from emotionnet.fit import fit

    asked = options(records, tmp_path, name="absent", backbone_weights=tmp_path / "weights")
    asked["system_config"] = {**asked["system_config"], "backbone": "MobileNetV2"}
    with pytest.raises(EmotionNetError) as raised:
        fit(**asked)
    what, where, otherwise = str(raised.value).splitlines()
    assert "MobileNetV2 are not at" in what
    assert "mobilenet_v2" in where
    assert "https://" in where
    assert "--backbone-weights none" in otherwise
    assert not (tmp_path / "absent").exists()


def test_its_bundle_is_true(wholes, tmp_path):
    for package in ("ai_edge_litert", "tf2onnx", "onnxruntime"):
        pytest.importorskip(package)
    from emotionnet.export import export
    from emotionnet.verify import verify

    out = export(wholes(), tmp_path / "bundle", precisions=("float32", "int8", "onnx"))
    contract = json.loads((out / "contract.json").read_text())
    assert contract["faces"]["frames"] == 2
    assert contract["sound"]["window_s"] == 3.6
    assert contract["front_end"]["n_fft"] == 320
    assert {row["precision"] for row in verify(out)} == {"float32", "int8", "onnx"}
