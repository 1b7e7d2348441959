import dataclasses
import json
import shutil

import numpy as np
import pytest
from tiny_run import LABELS, build_model, make_clip, make_run, write_records

from emotionnet import evaluate as evaluating
from emotionnet import robustness
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.evaluation import measuring
from emotionnet.evaluation.answers import Answers
from emotionnet.evaluation.temperature import fit_temperatures
from emotionnet.files import file_sha256, read_csv, write_csv, write_json
from emotionnet.training.measured import MODEL

FUSED = ("fused", "faces", "speech")


pytestmark = pytest.mark.usefixtures("plain_reports")


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    clips = [
        make_clip(
            f"c{i}",
            LABELS[i % 3],
            actor=f"{i % 2 + 1:02d}",
            sex=("male", "female")[i % 2],
            faces=i != 4,
            sound=i != 5,
            seed=i,
        )
        for i in range(8)
    ]
    return write_records(tmp_path_factory.mktemp("data") / "records", clips)


@pytest.fixture(scope="module")
def run(records, tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "demo", records, records.rows)


@pytest.fixture(scope="module")
def metrics(run):
    return evaluating.evaluate(run.folder)


def answers_of(run, name="predictions.csv"):
    return Answers.read(run.folder / name, LABELS)


def test_the_run_folder_gets_predictions_metrics_and_report(run, metrics):
    rows = read_csv(run.folder / "predictions.csv")
    assert [row["clip"] for row in rows] == [f"c{i}" for i in range(8)]
    assert json.loads((run.folder / "metrics.json").read_text()) == metrics
    assert "EmotionNet report: demo" in (run.folder / "report.html").read_text()
    assert [metrics[kind]["n"] for kind in FUSED] == [8, 7, 7]
    about = {
        key: metrics[key] for key in ("protocol", "fold", "seed", "corpus", "label_kind", "leaky")
    }
    assert about == {
        "protocol": "holdout",
        "fold": 1,
        "seed": 0,
        "corpus": "demo",
        "label_kind": "drawn",
        "leaky": False,
    }


def test_answers_are_those_of_the_model_on_the_view(run, records, metrics):
    model, view = run.model(), run.view()
    for i, example in enumerate(records.dataset(records.rows)):
        inputs = {k: np.asarray(v)[None] for k, v in view(records.parse(example)).items()}
        expected = np.asarray(model(inputs)["probabilities"])[0]
        np.testing.assert_allclose(answers_of(run).probabilities["fused"][i], expected, atol=1e-5)


def test_masked_at_the_input_the_fused_answer_is_the_other_streams(run, metrics):
    tables = answers_of(run).probabilities
    np.testing.assert_allclose(tables["without_faces"], tables["speech"], atol=1e-5)
    np.testing.assert_allclose(tables["without_speech"], tables["faces"], atol=1e-5)
    assert metrics["masked"]["faces"]["accuracy"] == metrics["speech"]["accuracy"]
    assert metrics["masked"]["speech"]["uar"] == metrics["faces"]["uar"]
    # The streams disagree, or the above would say nothing.
    both = ~np.isnan(tables["faces"] + tables["speech"])
    assert np.abs(tables["faces"] - tables["speech"])[both].max() > 0.1


@pytest.mark.parametrize(("mask", "left", "gone"), [("audio", "faces", "speech"),
                                                    ("faces", "speech", "faces")])  # fmt: skip
def test_a_masked_run_is_the_other_stream_and_replaces_nothing(
    run, metrics, tmp_path, mask, left, gone
):
    folder = tmp_path / "run"
    shutil.copytree(run.folder, folder)
    before = (folder / "metrics.json").read_bytes()
    masked = evaluating.evaluate(folder, mask=mask)
    assert (folder / "metrics.json").read_bytes() == before
    assert masked["fused"]["confusion"] == masked[left]["confusion"] == metrics[left]["confusion"]
    assert gone not in masked
    assert not any("not trained" in note for note in masked["notes"])
    assert json.loads((folder / f"metrics_masked_{gone}.json").read_text()) == masked
    tables = Answers.read(folder / f"predictions_masked_{gone}.csv", LABELS).probabilities
    np.testing.assert_allclose(
        tables["fused"], answers_of(run).probabilities[f"without_{gone}"], atol=1e-5
    )
    assert f"Without {gone}." in (folder / f"report_masked_{gone}.html").read_text()
    assert f"{gone} removed" in evaluating.summary(masked)


def test_masks_that_leave_nothing_or_are_unknown(records, tmp_path):
    run = make_run(tmp_path / "run", records, records.rows, streams=("speech",))
    with pytest.raises(UsageError, match="nothing is left"):
        evaluating.evaluate(run.folder, mask="audio")
    with pytest.raises(UsageError, match="--mask smell"):
        evaluating.evaluate(run.folder, mask="smell")


def test_mirrored_is_the_mean_of_both_answers_and_replaces_nothing(run, metrics, records, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(run.folder, folder)
    before = (folder / "metrics.json").read_bytes()
    mirrored = evaluating.evaluate(folder, mirror=True)
    assert (folder / "metrics.json").read_bytes() == before
    assert mirrored["mirror"]
    assert mirrored["fused"]["n"] == metrics["fused"]["n"]
    table = Answers.read(folder / "predictions_mirrored.csv", LABELS).probabilities["fused"]
    model, view, moved = run.model(), run.view(), 0.0
    for i, example in enumerate(records.dataset(records.rows)):
        inputs = {k: np.asarray(v)[None] for k, v in view(records.parse(example)).items()}
        one = np.asarray(model(inputs)["probabilities"])[0]
        other = np.asarray(
            model({**inputs, "faces": inputs["faces"][:, :, :, ::-1]})["probabilities"]
        )[0]
        np.testing.assert_allclose(table[i], (one + other) / 2, atol=1e-5)
        moved = max(moved, np.abs(one - other).max())
    assert moved > 1e-3
    assert "Mirrored too." in (folder / "report_mirrored.html").read_text()
    assert "faces mirrored too" in evaluating.summary(mirrored)


def test_without_faces_nothing_can_be_mirrored(run, records, tmp_path):
    alone = make_run(tmp_path / "run", records, records.rows, streams=("speech",))
    for asked in ({"run": alone.folder}, {"run": run.folder, "mask": "faces"}):
        with pytest.raises(UsageError, match="--mirror"):
            evaluating.evaluate(**asked, mirror=True)


def test_another_part_does_not_replace_the_test_part(run, metrics, records, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(run.folder, folder)
    split = read_csv(folder / "split.csv")
    for line in split[:3]:
        line["part"] = "validation"
    write_csv(folder / "split.csv", split, tuple(split[0]))
    before = (folder / "metrics.json").read_bytes()
    assert evaluating.evaluate(folder, part="validation")["fused"]["n"] == 3
    assert (folder / "metrics.json").read_bytes() == before
    assert json.loads((folder / "metrics_validation.json").read_text())["part"] == "validation"
    assert "These are validation clips" in (folder / "report_validation.html").read_text()
    with pytest.raises(EmotionNetError, match="train part of this run has no clips"):
        evaluating.evaluate(folder, part="train")
    with pytest.raises(UsageError, match="--part nonsense"):
        evaluating.evaluate(folder, part="nonsense")


def test_temperatures_come_from_validation_clips_and_change_no_answer(records, tmp_path):
    run = make_run(tmp_path / "run", records, records.rows[:4])
    split = read_csv(run.folder / "split.csv")
    split += [
        {"clip": row.clip, "actor": row.actor, "emotion": row.emotion, "part": "validation"}
        for row in records.rows[4:]
    ]
    write_csv(run.folder / "split.csv", split, tuple(split[0]))
    metrics = evaluating.evaluate(run.folder)
    assert set(metrics["calibrated"]) == set(FUSED)
    for kind, calibrated in metrics["calibrated"].items():
        assert calibrated["fitted_on"] == (4 if kind == "fused" else 3)
        before, after = (
            [[b["n"], b["accuracy"]] for b in scores["reliability"] if b["n"]]
            for scores in (metrics[kind], calibrated)
        )
        right = sum(n * accuracy for n, accuracy in before)
        assert sum(n * accuracy for n, accuracy in after) == pytest.approx(right)
    # As fitted on the validation clips alone: evaluated by themselves they have the same answers.
    validation = answers_of(run, "predictions_validation.csv")
    assert [clip.clip for clip in validation.clips] == ["c4", "c5", "c6", "c7"]
    fitted = fit_temperatures(validation)["fused"]["temperature"]
    assert metrics["calibrated"]["fused"]["temperature"] == pytest.approx(fitted, rel=1e-3)
    assert "at its temperature" in (run.folder / "report.html").read_text()


def test_a_group_pools_answers_at_the_temperatures_of_their_runs(records, run, tmp_path):
    for fold in (1, 2):
        folder = tmp_path / f"fold_{fold}"
        rows = records.rows[:4] if fold == 1 else records.rows[4:]
        made = make_run(folder, records, rows, run.model(), fold=fold)
        split = read_csv(folder / "split.csv")
        held = [{**line, "part": "validation"} for line in read_csv(run.folder / "split.csv")]
        others = [line for line in held if line["clip"] not in {row.clip for row in rows}]
        write_csv(folder / "split.csv", split + others, tuple(split[0]))
        assert made.finished
    metrics = evaluating.evaluate(tmp_path)
    pooled = metrics["calibrated"]["fused"]
    each = [
        json.loads((tmp_path / f"fold_{i}" / "metrics.json").read_text())["calibrated"]["fused"]
        for i in (1, 2)
    ]
    assert pooled["temperature"] == [one["temperature"] for one in each]
    assert pooled["nll"] == pytest.approx(np.mean([one["nll"] for one in each]))


def test_a_stream_that_was_not_trained_is_absent(records, tmp_path):
    run = make_run(tmp_path / "run", records, records.rows, streams=("speech",))
    metrics = evaluating.evaluate(run.folder)
    assert "faces" not in metrics
    assert "masked" not in metrics
    assert metrics["fused"]["n"] == metrics["speech"]["n"] == 7
    assert any("faces stream was not trained" in note for note in metrics["notes"])
    assert not any(
        name.startswith("faces_") for name in read_csv(run.folder / "predictions.csv")[0]
    )


def test_records_that_are_gone_or_others_are_named(records, tmp_path):
    run = make_run(tmp_path / "run", records, records.rows[:4])
    run.config["records"] = str(tmp_path / "gone")
    write_json(run.folder / "config.json", run.config)
    with pytest.raises(UsageError, match=r"gone.*--records"):
        evaluating.evaluate(run.folder)
    assert evaluating.evaluate(run.folder, records=records.folder)["fused"]["n"] == 4

    relabelled = write_records(
        tmp_path / "relabelled", [make_clip(f"c{i}", "bored", seed=i) for i in range(8)]
    )
    with pytest.raises(EmotionNetError, match="clips of bored, which this run does not know"):
        evaluating.evaluate(run.folder, records=relabelled.folder)

    other_seeds = [make_clip(f"c{i}", "sad", seed=i) for i in range(8)]
    changed = write_records(tmp_path / "changed", other_seeds)
    notes = evaluating.evaluate(run.folder, records=changed.folder)["notes"]
    assert any("have changed since" in note for note in notes)


def test_recordings_that_were_replaced_under_their_names_are_other_records(records, tmp_path):
    again = [make_clip(r.clip, r.emotion, r.actor, r.sex, seed=99) for r in records.rows]
    replaced = write_records(tmp_path / "replaced", again)
    assert replaced.manifest_hash == records.manifest_hash
    for noted, told in (
        (records.content_hash, True),
        (replaced.content_hash, False),
        (f"{records.content_hash}+{replaced.content_hash}", False),  # of a combined run
        (f"{records.content_hash}+", False),  # one of the two did not note it
        ("", False),
    ):
        run = make_run(tmp_path / f"run-{noted}", records, records.rows, content_hash=noted)
        notes = evaluating.evaluate(run.folder, records=replaced.folder)["notes"]
        assert any("have changed since" in note for note in notes) is told


def test_a_model_that_answers_nan_is_an_error(records, tmp_path):
    model = build_model()
    kernel, _ = model.get_layer("speech_classifier").weights
    kernel.assign(np.full(kernel.shape, np.nan))
    run = make_run(tmp_path / "run", records, records.rows, model)
    with pytest.raises(EmotionNetError, match="NaN for 7 of 8 inputs: its training diverged"):
        evaluating.evaluate(run.folder)


def test_a_group_is_its_folds_pooled_and_averaged(run, records, tmp_path):
    group = tmp_path / "group"
    model = run.model()
    folds = {1: records.rows[:4], 2: records.rows[4:]}
    for fold, rows in folds.items():
        text = f"fold {fold} of 2"
        make_run(
            group / f"fold_{fold}_seed_0", records, rows, model,
            fold=fold, folds=2, protocol_description=text,
        )  # fmt: skip
    unfinished = make_run(group / "fold_3_seed_0", records, records.rows[:1], model, fold=3)
    (unfinished.folder / "model.keras").unlink()
    metrics = evaluating.evaluate(group)
    whole = evaluating.evaluate(run.folder)
    for kind in FUSED:
        assert metrics[kind]["n"] == whole[kind]["n"]
        assert metrics[kind]["confusion"] == whole[kind]["confusion"]
        assert metrics[kind]["interval_95"] == pytest.approx(whole[kind]["interval_95"])
        of_folds = [entry[kind]["accuracy"] for entry in metrics["runs"]]
        over = metrics["over_runs"][kind]
        assert over["accuracy_mean"] == pytest.approx(np.mean(of_folds))
        assert over["accuracy_sd"] == pytest.approx(np.std(of_folds, ddof=1))
    assert metrics["fold"] == [1, 2]
    masked = evaluating.evaluate(group, mask="audio")
    assert masked["fused"]["confusion"] == whole["faces"]["confusion"]
    assert json.loads((group / "metrics.json").read_text())["fused"] == metrics["fused"]
    assert metrics["protocol_text"].startswith("one fixed division over actors")
    assert any("fold_3_seed_0" in note for note in metrics["notes"])
    assert (group / "fold_1_seed_0" / "report.html").is_file()
    assert "±" in (group / "report.html").read_text()
    assert "±" in evaluating.summary(metrics)


def test_a_group_answers_again_only_where_the_model_is_another(run, records, tmp_path, monkeypatch):
    group = tmp_path / "group"
    make_run(group / "fold_1_seed_0", records, records.rows[:4], run.model())
    (answered,) = evaluating.evaluate(group)["runs"]
    assert answered[MODEL] == file_sha256(group / "fold_1_seed_0" / "model.keras")
    again = []
    monkeypatch.setattr(measuring, "evaluate_run", lambda run, *rest: again.append(run.name))
    (group / "fold_1_seed_0" / "model.keras").touch()  # as where a run is copied
    evaluating.evaluate(group)
    assert again == []
    (group / "fold_1_seed_0" / "metrics.json").unlink()
    with pytest.raises(FileNotFoundError):
        evaluating.evaluate(group)
    assert again == ["fold_1_seed_0"]


def test_a_group_is_asked_about_the_records_that_are_named(run, records, tmp_path):
    group = tmp_path / "group"
    made = make_run(group / "fold_1_seed_0", records, records.rows, run.model())
    before = evaluating.evaluate(group)["fused"]
    clips = [
        make_clip(row.clip, row.emotion, row.actor, row.sex, seed=50 + i)
        for i, row in enumerate(records.rows)
    ]
    noisy = write_records(tmp_path / "noisy", clips)
    asked = evaluating.evaluate(group, noisy.folder)["fused"]
    alone = evaluating.evaluate(made.folder, noisy.folder)["fused"]
    assert asked["nll"] == pytest.approx(alone["nll"])
    assert asked["nll"] != pytest.approx(before["nll"])


def test_a_group_says_what_is_to_be_known_of_its_runs(run, records, tmp_path):
    model, group = run.model(), tmp_path / "group"
    for fold, changes in ((1, {}), (2, {"manifest_hash": "ab" * 32})):
        rows = records.rows[4 * fold - 4 : 4 * fold]
        make_run(group / f"fold_{fold}", records, rows, model, fold=fold, **changes)
    notes = evaluating.evaluate(group)["notes"]
    assert "Its runs divide different lists of clips (manifests)." in notes
    assert any("have changed since the run was trained" in note for note in notes)
    clips = [make_clip(f"o{i}", name, seed=i) for i, name in enumerate(("happy", "bored", "sad"))]
    for clip in clips:
        clip.row = dataclasses.replace(clip.row, corpus="other")
    other = write_records(tmp_path / "other", clips)
    notes = evaluating.evaluate(group, other.folder)["notes"]
    assert [note.split(",")[0] for note in notes] == [
        "Left out: 1 clips of bored",
        "Not answered: neutral",
    ]


def test_runs_that_differ_are_not_averaged(run, records, tmp_path):
    for fold, protocol in ((1, "holdout"), (2, "random")):
        make_run(
            tmp_path / f"fold_{fold}",
            records,
            records.rows,
            run.model(),
            fold=fold,
            protocol=protocol,
        )
    with pytest.raises(EmotionNetError, match="differ in protocol"):
        evaluating.evaluate(tmp_path)


@pytest.mark.parametrize("verb", [evaluating.evaluate, robustness.robustness])
def test_a_batch_without_a_clip_is_bad_usage(tmp_path, verb):
    with pytest.raises(UsageError, match="--batch-size 0"):
        verb(tmp_path, batch_size=0)


def test_a_folder_without_a_run_is_bad_usage(tmp_path):
    with pytest.raises(UsageError, match="no run here"):
        evaluating.evaluate(tmp_path)


def test_what_is_no_run_but_near_one_is_said(run, tmp_path):
    from emotionnet.training.run import Run

    shutil.copytree(run.folder, tmp_path / "group" / "fold_1_seed_0")
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "contract.json").touch()
    for place, words in (
        (tmp_path / "group", "give one of them, such as .*fold_1_seed_0"),
        (tmp_path / "bundle", "a bundle, which only answers"),
        ("hf://somebody/run", "hf download USER/NAME"),
        (run.folder / "model.keras", f"give the folder of the run, perhaps {run.folder}"),
    ):
        with pytest.raises(UsageError, match=words):
            Run.open(place)


def test_classes_are_merged_in_files_of_their_own_and_said(run, metrics, records):
    answers = Answers.read(run.folder / "predictions.csv", LABELS)
    before = (run.folder / "metrics.json").read_bytes()
    found = evaluating.evaluate(run.folder, merge=["low=neutral+sad"], only="happy,low")
    assert (run.folder / "metrics.json").read_bytes() == before
    place = run.folder / "metrics_low=neutral+sad_only_happy_low.json"
    assert json.loads(place.read_text())["classes"] == "low = neutral + sad; only happy, low"
    assert found["labels"] == ["happy", "low"]
    assert "classes: low = neutral + sad" in evaluating.summary(found)
    # A model that is asked about two classes says what it said about three, added up.
    table = answers.probabilities["fused"]
    right = [
        (p[1] > p[0] + p[2]) == (clip.emotion == "happy")
        for p, clip in zip(table, answers.clips)
        if not np.isnan(p).any()
    ]
    assert found["fused"]["accuracy"] == pytest.approx(np.mean(right))
    assert "calibrated" not in found


def test_clips_of_a_class_that_does_not_count_are_left_out(run, records):
    found = evaluating.evaluate(run.folder, only=("happy", "sad"))
    kept = [row for row in records.rows if row.emotion in ("happy", "sad")]
    rows = read_csv(run.folder / "predictions_only_happy_sad.csv")
    assert sorted(row["clip"] for row in rows) == sorted(row.clip for row in kept)
    sums = [float(row["fused_happy"]) + float(row["fused_sad"]) for row in rows if row["fused_sad"]]
    np.testing.assert_allclose(sums, 1, atol=1e-5)
    assert "fused_neutral" not in rows[0]
    assert found["fused"]["n"] == len(sums)


def test_clips_that_the_run_has_no_name_for_can_be_given_one(run, tmp_path):
    clips = [
        make_clip(f"other{i}", emotion, f"{i:02d}", seed=40 + i)
        for i, emotion in enumerate(("happy", "calm", "sad"))
    ]
    others = write_records(tmp_path / "records", clips)
    with pytest.raises(EmotionNetError, match="clips of calm"):
        evaluating.evaluate(run.folder, others.folder)
    merged = evaluating.evaluate(run.folder, others.folder, merge={"neutral": ("neutral", "calm")})
    assert merged["fused"]["per_class"]["neutral"]["support"] == 1
    left_out = evaluating.evaluate(run.folder, others.folder, only="happy,sad")
    assert left_out["fused"]["n"] == 2
