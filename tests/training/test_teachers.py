"""`fit --teachers`: a run learns from what others answer, and none of them may tell what is tested."""

import dataclasses

import numpy as np
import pytest
from tiny_run import LABELS, SYSTEM_CONFIG, TOY, build_model, make_clip, make_run, write_records

from emotionnet.clips.records import Records
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.evaluate import evaluate
from emotionnet.files import read_csv
from emotionnet.fit import fit
from emotionnet.inputs.opening import open_source
from emotionnet.inputs.protocols import split_rows
from emotionnet.refit import refit
from emotionnet.systems.stages import Learn
from emotionnet.training.init import init_source
from emotionnet.training.run import Run
from emotionnet.training.teachers import taught_targets, teachers_of
from emotionnet.training.train import train_run
from emotionnet.votes import write_votes

pytestmark = pytest.mark.usefixtures("plain_reports")


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    clips = [
        make_clip(f"{actor}-{e}", e, actor, faces=(actor, e) != ("03", "sad"), seed=10 * i + k)
        for i, actor in enumerate(("01", "02", "03", "04"))
        for k, e in enumerate(LABELS)
    ]
    return write_records(tmp_path_factory.mktemp("teachers") / "records", clips)


@pytest.fixture(scope="module")
def splits(records):
    return [split_rows(records.rows, "actor_folds", fold, 0) for fold in (1, 2)]


@pytest.fixture(scope="module")
def group(records, splits, tmp_path_factory):
    """Two teachers of fold 1, who disagree, and one of fold 2."""
    top = tmp_path_factory.mktemp("runs") / "group"
    for fold, seed in ((1, 0), (1, 1), (2, 0)):
        model = build_model()
        for weight in model.trainable_weights:
            weight.assign(np.roll(weight, seed, axis=-1))
        make_run(
            top / f"fold_{fold}_seed_{seed}", records, model=model, fold=fold, seed=seed,
            precision="float32", train=splits[fold - 1].train,
        )  # fmt: skip
    return top


@pytest.fixture(scope="module")
def pupil(records, splits, group):
    """A run that was begun, of streams and all as one."""
    teachers = {"runs": teachers_of([group], splits[0], LABELS), "share": 0.3}
    return make_run(group.parent / "pupil", records, train=splits[0].train, teachers=teachers)


def answers(folder, kind) -> dict[str, np.ndarray]:
    lines = read_csv(folder / "predictions_train_mirrored.csv")
    cells = {line["clip"]: [line[f"{kind}_{label}"] for label in LABELS] for line in lines}
    return {clip: np.array(each, float) for clip, each in cells.items() if "" not in each}


@pytest.mark.parametrize(("name", "kind"), [("faces", "faces"), ("joint", "fused")])
def test_targets_are_labels_and_the_mean_of_what_all_of_a_fold_answer(
    name, kind, pupil, group, records
):
    members = [group / f"fold_1_seed_{seed}" for seed in (0, 1)]
    assert [each["run"] for each in pupil.config["teachers"]["runs"]] == list(map(str, members))
    for member in members:
        evaluate(member, part="train", mirror=True)
    first, second = (answers(member, kind) for member in members)
    (pupil.folder / "teachers.csv").unlink(missing_ok=True)
    targets = taught_targets(pupil, records, [name])[name]
    rows = {row.clip: row for row in pupil.split_rows(records)["train"]}
    assert set(targets) == set(first)
    assert set(rows) - set(first) == ({"03-sad"} & set(rows) if name == "faces" else set())
    assert max(np.abs(first[clip] - second[clip]).max() for clip in first) > 0.05
    for clip, target in targets.items():
        one_hot = np.eye(len(LABELS))[LABELS.index(rows[clip].emotion)]
        expected = 0.3 * (first[clip] + second[clip]) / 2 + 0.7 * one_hot
        np.testing.assert_allclose(target, expected, atol=1e-5)


def test_a_crowds_votes_are_mixed_with_what_they_answer(pupil, records):
    (pupil.folder / "teachers.csv").unlink(missing_ok=True)
    plain = taught_targets(pupil, records, ["faces"])["faces"]
    voted = pupil.split_rows(records)["train"][0]
    row = dataclasses.replace(voted, votes=write_votes({LABELS[0]: 1, LABELS[1]: 3}))
    rows = [row if each.clip == row.clip else each for each in records.rows]
    crowd = taught_targets(pupil, dataclasses.replace(records, rows=rows), ["faces"])["faces"]
    one_hot = np.eye(len(LABELS))[LABELS.index(row.emotion)]
    expected = plain[row.clip] + 0.7 * (np.array([0.25, 0.75, 0]) - one_hot)
    np.testing.assert_allclose(crowd.pop(row.clip), expected, atol=1e-6)
    for clip, target in crowd.items():
        np.testing.assert_array_equal(target, plain[clip])


def test_batches_hold_them_for_clips_and_copies_and_labels_for_the_rest(pupil, records):
    rows = pupil.split_rows(records)["train"]
    targets = {rows[0].clip: np.array([0.2, 0.5, 0.3], np.float32)}
    source = open_source(records, pupil.view(), LABELS, ("faces", "frame_mask"), targets)
    ((_, batch),) = source.training_batches(rows, batch_size=len(rows), seed=0, epoch=0)
    expected = np.eye(len(LABELS), dtype=np.float32)[source.targets(rows)]
    expected[0] = targets[rows[0].clip]
    assert sorted(map(tuple, np.asarray(batch))) == sorted(map(tuple, expected))
    copy = type(rows[0])(**{**vars(rows[0]), "clip": f"{rows[0].clip}~pitch"})
    np.testing.assert_array_equal(source.training_targets([copy])[0], expected[0])
    # A name that looks like a copy's and is none: it is not taught what another clip is.
    named = [dataclasses.replace(rows[0], clip=f"{rows[0].clip}~{n}") for n in (1, 2)]
    source = dataclasses.replace(source, taught={**targets, named[0].clip: expected[1]})
    own = np.eye(len(LABELS))[LABELS.index(rows[0].emotion)]
    np.testing.assert_array_equal(source.training_targets(named), [expected[1], own])


@pytest.mark.usefixtures("unevaluated")
def test_a_run_learns_from_them_and_needs_them_once(records, group):
    common = {
        "records": records.folder, "out": group.parent, "system": TOY, "streams": "speech", "epochs": 1,
        "batch_size": 3, "augment": "none", "protocol": "actor_folds", "system_config": SYSTEM_CONFIG,
    }  # fmt: skip
    plain = fit(name="plain", **common)
    taught = fit(name="taught", teachers=[group], teachers_share=1, **common)
    before, after = (Run.open(each).model().get_weights() for each in (plain, taught))
    assert any(not np.array_equal(a, b) for a, b in zip(before, after))
    # A refit asks them about the validation clips too.
    asked = [
        {line["clip"] for line in read_csv(run / "teachers.csv")} for run in (taught, refit(taught))
    ]
    parts = Run.open(taught).split_rows(records)
    assert asked[0] == {row.clip for row in parts["train"]}
    assert asked[1] == {row.clip for row in (*parts["train"], *parts["validation"])}
    # The same again, from what they have said; they themselves are gone.
    (taught / "model.keras").unlink()
    group.rename(group.parent / "moved")
    try:
        run = Run.open(taught)
        train_run(run, Records.open(records.folder))
    finally:
        (group.parent / "moved").rename(group)
    for a, b in zip(after, run.model().get_weights()):
        np.testing.assert_array_equal(a, b)


def test_who_cannot_teach_is_told_why(records, splits, group, pupil, tmp_path):
    of_fold_1 = group / "fold_1_seed_0"
    with pytest.raises(UsageError, match="clips that this run validates or tests on"):
        teachers_of([of_fold_1], splits[1], LABELS)
    with pytest.raises(UsageError, match="no run of fold 3"):
        teachers_of([group], split_rows(records.rows, "actor_folds", 3, 0), LABELS)
    with pytest.raises(UsageError, match="no run here"):
        teachers_of([tmp_path], splits[0], LABELS)
    with pytest.raises(UsageError, match="its labels are neutral, happy, sad, this run's are sad"):
        teachers_of([of_fold_1], splits[0], ("sad", "happy"))
    # Of other recordings, but of people who are tested here.
    stranger = make_run(tmp_path / "stranger", records, train=splits[0].test, labels=list(LABELS))
    lines = (stranger.folder / "split.csv").read_text()
    for row in splits[0].test:
        lines = lines.replace(f"{row.clip},", f"other-{row.clip},")
    (stranger.folder / "split.csv").write_text(lines)
    with pytest.raises(UsageError, match="actors that this run validates or tests on"):
        teachers_of([stranger.folder], splits[0], LABELS)
    # By itself it has not met them, but the run that it began with has.
    begun = {"init": init_source(group / "fold_2_seed_0")}
    later = make_run(tmp_path / "later", records, train=splits[0].train, **begun)
    with pytest.raises(UsageError, match=r"by way of .*fold_2_seed_0, which it begins with"):
        teachers_of([later.folder], splits[0], LABELS)
    # Of another corpus with actors of the same names.
    theirs = [dataclasses.replace(row, corpus="ravdess") for row in splits[0].test]
    other = make_run(tmp_path / "other", records, train=theirs, corpus="ravdess")
    assert teachers_of([other.folder], splits[0], LABELS)
    deaf = make_run(tmp_path / "deaf", records, train=splits[0].train, streams=["faces"])
    other = Run(tmp_path, {**pupil.config, "teachers": {"runs": [init_source(deaf.folder)]}})
    other.split_rows = pupil.split_rows
    with pytest.raises(UsageError, match="was trained on faces, so it cannot teach speech"):
        taught_targets(other, records, ["speech"])
    with (deaf.folder / "model.keras").open("ab") as file:
        file.write(b"x")
    with pytest.raises(
        EmotionNetError, match="is no longer the model that this run was to start from"
    ):
        taught_targets(other, records, ["faces"])


def test_a_stage_of_sound_alone_learns_what_is_answered_to_sound(records, pupil, monkeypatch):
    stage = Learn("speech_head", "", streams=("speech",))
    monkeypatch.setattr("emotionnet.training.teachers.run_stages", lambda config: [stage])
    table = pupil.folder / "teachers.csv"
    found = []
    for name in ("speech", "speech_head", "joint"):
        table.unlink(missing_ok=True)
        found.append(taught_targets(pupil, records, [name])[name])
    table.unlink()
    speech, head, joint = found
    assert speech.keys() == head.keys()
    for clip, target in speech.items():
        np.testing.assert_array_equal(head[clip], target)
    assert any(not np.array_equal(joint[clip], target) for clip, target in speech.items())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"teachers_share": 1.5}, r"--teachers-share 1\.5"),
        ({"teachers_share": 0}, "--teachers-share 0"),
        ({"learning": "random"}, "--learning is about few"),
    ],
)
def test_fit_refuses_what_makes_no_sense(changes, message, records, group, tmp_path):
    with pytest.raises(UsageError, match=message):
        fit(
            records=records.folder, out=tmp_path, teachers=[group], protocol="actor_folds",
            system_config=SYSTEM_CONFIG, **changes,
        )  # fmt: skip
    assert not list(tmp_path.iterdir())
