"""Numbers count as long as they are of the model that is beside them."""

import os

import pytest

from emotionnet.files import file_sha256, write_json
from emotionnet.training.measured import MODEL, on_other_clips, read_metrics


@pytest.fixture
def run(tmp_path):
    (tmp_path / "model.keras").write_bytes(b"weights")
    return tmp_path


def numbers(run, name="metrics.json", model="", aged_s=0, **said):
    path = run / name
    write_json(path, {"n": 1, **({MODEL: model} if model else {}), **said})
    trained_s = (run / "model.keras").stat().st_mtime
    os.utime(path, (trained_s - aged_s, trained_s - aged_s))
    return path


def test_which_model_they_are_of_is_told_by_its_bytes_whenever_files_were_copied(run):
    path = numbers(run, model=file_sha256(run / "model.keras"), aged_s=60)
    assert read_metrics(path)["n"] == 1
    (run / "model.keras").write_bytes(b"others")
    os.utime(run / "model.keras", (1, 1))
    assert read_metrics(path) is None
    (run / "model.keras").unlink()
    assert read_metrics(path)["n"] == 1


@pytest.mark.parametrize("noted", [True, False])
def test_those_of_a_group_are_of_the_models_of_its_runs(tmp_path, noted):
    members = [tmp_path / name for name in ("fold_1", "fold_2")]
    for member in members:
        member.mkdir()
        (member / "model.keras").write_bytes(b"weights")
    model = {MODEL: file_sha256(members[0] / "model.keras")} if noted else {}
    path = tmp_path / "metrics.json"
    write_json(path, {"n": 2, "runs": [{"run": each.name, **model} for each in members]})
    assert read_metrics(path)["n"] == 2
    (members[1] / "model.keras").write_bytes(b"others")
    later_s = path.stat().st_mtime + 60
    os.utime(members[1] / "model.keras", (later_s, later_s))
    assert read_metrics(path) is None


def test_from_before_that_was_noted_by_the_times_of_change(run):
    beside = numbers(run, "predictions.csv", aged_s=60)
    path = numbers(run)
    assert read_metrics(path)["n"] == 1
    assert read_metrics(path, beside) is None
    assert read_metrics(numbers(run, aged_s=60)) is None


def test_none_where_there_are_none_or_half_of_them(run):
    assert read_metrics(run / "metrics.json") is None
    (run / "metrics.json").write_text('{"n":')
    assert read_metrics(run / "metrics.json") is None


def test_a_card_has_those_of_other_clips_that_are_of_the_model(run):
    numbers(run)
    numbers(run, "metrics_ravdess.json", on="ravdess")
    numbers(run, "metrics_masked_speech_ravdess.json", on="ravdess", mask="speech")
    numbers(run, "metrics_fer2013.json", model="that of an earlier one", on="fer2013")
    assert [each["on"] for each in on_other_clips(run)] == ["ravdess"]
