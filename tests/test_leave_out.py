"""Training without each emotion in turn, on records of noise."""

import numpy as np
import pytest
from tiny_run import SYSTEM_CONFIG, TOY, make_clip, write_records

from emotionnet.classes import Classes
from emotionnet.errors import UsageError
from emotionnet.evaluation.answers import Answers
from emotionnet.files import read_csv
from emotionnet.leave_out import leave_out

pytestmark = pytest.mark.usefixtures("plain_reports")

EMOTIONS = ("neutral", "happy", "sad")


def noise_records(folder, emotions):
    clips = [
        make_clip(f"{actor}-{emotion}-{take}", emotion, actor, seed=100 * i + 10 * k + take)
        for i, actor in enumerate(("01", "02", "03", "04"))
        for k, emotion in enumerate(emotions)
        for take in (1, 2)
    ]
    return write_records(folder / "records", clips)


@pytest.mark.slow
def test_each_emotion_is_left_out_beside_the_full_model_masked(tmp_path):
    options = {
        "records": noise_records(tmp_path, EMOTIONS).folder, "out": tmp_path, "system": TOY,
        "streams": "speech", "epochs": 1, "batch_size": 8, "augment": "none", "protocol": "actor_folds",
        "system_config": SYSTEM_CONFIG,
    }  # fmt: skip
    rows = leave_out(**options)
    top = tmp_path / "leave_out"
    assert [row["without"] for row in rows] == list(EMOTIONS)
    assert [row["without"] for row in read_csv(top / "leave_out.csv")] == list(EMOTIONS)

    full = Answers.read(top / "full" / "predictions.csv", EMOTIONS)
    for row in rows:
        rest = tuple(each for each in EMOTIONS if each != row["without"])
        masked = full.under(Classes(only=rest))
        right = [
            rest[answer.argmax()] == clip.emotion
            for clip, answer in zip(masked.clips, masked.probabilities["speech"])
        ]
        assert row["full_masked"] == pytest.approx(np.mean(right))
        alone = read_csv(top / f"without_{row['without']}" / "predictions.csv")
        assert {each["clip"] for each in alone} == {clip.clip for clip in masked.clips}
        assert row["clips"] == len(right)
        assert not row["problem"]
        assert row["p_mcnemar"] is not None

    trained = {path: path.stat().st_mtime_ns for path in top.glob("*/model.keras")}
    assert len(trained) == 4
    assert leave_out(**options) == rows
    assert {path: path.stat().st_mtime_ns for path in trained} == trained


def test_of_two_emotions_none_can_be_left_out(tmp_path):
    records = noise_records(tmp_path, ("happy", "sad"))
    with pytest.raises(UsageError, match="only happy and sad are there"):
        leave_out(records=records.folder, out=tmp_path, streams="speech")
    assert not (tmp_path / "leave_out").exists()


def test_a_division_that_depends_on_the_classes_is_refused(tmp_path):
    records = noise_records(tmp_path, EMOTIONS)
    with pytest.raises(UsageError, match="stratified tests other clips where neutral is missing"):
        leave_out(
            records=records.folder, out=tmp_path, system=TOY, streams="speech", protocol="stratified",
            epochs=1, system_config=SYSTEM_CONFIG,
        )  # fmt: skip
    assert not (tmp_path / "leave_out").exists()
