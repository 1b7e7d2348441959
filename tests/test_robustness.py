import dataclasses
import html
import json

import numpy as np
import pytest
from tiny_run import LABELS, make_clip, make_run, write_records

from emotionnet import robustness as measuring
from emotionnet.errors import UsageError
from emotionnet.evaluation.answers import AnsweredClip
from emotionnet.evaluation.disturbances import disturbances
from emotionnet.evaluation.robustness import CLEAN, Disturbed
from emotionnet.evaluation.robustness_text import summary
from emotionnet.files import read_csv, write_json

pytestmark = pytest.mark.usefixtures("plain_reports")

HITS = disturbances(("faces", "speech"))
CONDITIONS = 1 + sum(len(d.levels) for d in HITS)


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    clips = [
        make_clip(
            f"c{i}", LABELS[i % 3], actor=f"{i % 2 + 1:02d}", faces=i != 4, sound=i != 5, seed=i
        )
        for i in range(8)
    ]
    return write_records(tmp_path_factory.mktemp("data") / "records", clips)


@pytest.fixture(scope="module")
def run(records, tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "demo", records, records.rows)


@pytest.fixture(scope="module")
def disturbed(run, records):
    from emotionnet.evaluation.robustness import answer_disturbed

    return answer_disturbed(
        run.model(), run.view(), records, records.rows, LABELS, ("faces", "speech"), 3
    )


@pytest.fixture(scope="module")
def result(run):
    return measuring.robustness(run.folder)


def test_clean_answers_are_those_of_an_evaluation(result, run):
    from emotionnet.evaluate import evaluate

    metrics = evaluate(run.folder)
    for kind in ("fused", "faces", "speech"):
        clean = [p for p in result["points"] if (p["disturbance"], p["kind"]) == ("clean", kind)]
        assert len(clean) == 1
        assert clean[0]["uar"] == metrics[kind]["uar"] == result[kind]["uar"]
        assert clean[0]["n"] == metrics[kind]["n"]
        assert clean[0]["same"] == 1


def test_every_condition_is_measured_on_the_same_clips(result):
    assert len(result["points"]) == 3 * CONDITIONS
    for kind, n in (("fused", 8), ("faces", 7), ("speech", 7)):
        assert {p["n"] for p in result["points"] if p["kind"] == kind} == {n}
    for p in result["points"]:
        assert p["uar_low"] - 1e-9 <= p["uar"] <= p["uar_high"] + 1e-9


@pytest.mark.parametrize("disturbance", HITS, ids=lambda d: d.name)
def test_the_stream_that_is_hit_answers_otherwise_and_the_other_stays(disturbed, disturbance):
    clean = disturbed.probabilities["clean", None]
    other = "speech" if disturbance.stream == "faces" else "faces"
    for level in disturbance.levels:
        tables = disturbed.probabilities[disturbance.name, level]
        np.testing.assert_allclose(tables[other], clean[other], atol=1e-6)
    assert not np.array_equal(tables[disturbance.stream], clean[disturbance.stream])


def test_with_all_of_a_stream_gone_the_other_answers(disturbed):
    everything = disturbed.probabilities
    for condition, left in ((("lost_sound", 1.0), "faces"), (("dropped_frames", 1.0), "speech")):
        tables = everything[condition]
        np.testing.assert_allclose(tables["fused"], tables[left], atol=1e-6)
        gone = {"faces": "speech", "speech": "faces"}[left]
        np.testing.assert_allclose(tables[gone], 1 / 3, atol=1e-6)
    points = [p for p in disturbed.points() if p["kind"] == "speech" and p["level"] == 1.0]
    lost = next(p for p in points if p["disturbance"] == "lost_sound")
    assert lost["uar"] == pytest.approx(1 / 3)


def test_it_comes_out_the_same_whatever_the_batches(disturbed, run, records):
    from emotionnet.evaluation.robustness import answer_disturbed

    other = answer_disturbed(
        run.model(), run.view(), records, records.rows, LABELS, ("faces", "speech"), 8
    )
    for condition, tables in disturbed.probabilities.items():
        np.testing.assert_allclose(
            other.probabilities[condition]["fused"], tables["fused"], atol=1e-5
        )


def test_the_folder_gets_table_picture_page_and_numbers(result, run):
    rows = read_csv(run.folder / "robustness.csv")
    assert len(rows) == len(result["points"])
    assert {row["protocol"] for row in rows} == {"holdout"}
    assert json.loads((run.folder / "robustness.json").read_text()) == result
    assert (run.folder / "robustness.png").read_bytes().startswith(b"\x89PNG")
    page = (run.folder / "robustness.html").read_text()
    assert "holdout: actors 01 and 02 are tested" in page
    for disturbance in HITS:
        assert disturbance.about in html.unescape(page)
    text = summary(result)
    assert "holdout" in text
    assert "white noise, 0" in text
    assert "shifted sound, -0.5" in text


def test_a_run_of_one_stream_gets_the_curves_of_that_stream(records, tmp_path, monkeypatch):
    own = {"streams": ("speech",), "split_warning": "few people"}
    run = make_run(tmp_path / "shipped" / "voices", records, records.rows, **own)
    # By its name, as one that comes with EmotionNet: its files go to it.
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("emotionnet.shipped.PLACES", [tmp_path / "shipped"])
    result = measuring.robustness("voices")
    assert (run.folder / "robustness.json").is_file()
    assert not (tmp_path / "voices").exists()
    assert "note: few people" in summary(result)
    hit = {p["disturbance"] for p in result["points"]}
    assert hit == {"clean", *(d.name for d in HITS if d.stream == "speech")}
    assert {p["kind"] for p in result["points"]} == {"fused"}
    assert {p["n"] for p in result["points"]} == {7}
    assert "speech only" in summary(result)
    assert "fused" not in summary(result)


def test_a_group_pools_its_runs_and_counts_a_clip_once(result, run, records, tmp_path):
    for seed in (0, 1):
        make_run(tmp_path / f"seed_{seed}", records, records.rows, run.model(), seed=seed)
    group = measuring.robustness(tmp_path)
    assert group["seed"] == [0, 1]
    for both, one in zip(group["points"], result["points"], strict=True):
        assert both["n"] == 2 * one["n"]
        for measured in ("uar", "uar_low", "uar_high", "same"):
            assert both[measured] == pytest.approx(one[measured])


def test_changed_copies_of_a_clip_make_no_interval_narrower():
    shown = frozenset(["speech"])
    clips = [AnsweredClip(f"c{i}", "", "", LABELS[i % 3], shown) for i in range(6)]
    copies = [dataclasses.replace(clip, clip=f"{clip.clip}~pitch") for clip in clips]
    table = np.eye(3)[[0, 1, 2, 0, 1, 0]]
    one, two = (
        Disturbed(LABELS, ("speech",), those, {CLEAN: {"fused": np.resize(table, (len(those), 3))}})
        for those in (clips, clips + copies)
    )
    assert two.points() == [{**one.points()[0], "n": 12}]


def test_unseen_clips_are_not_described_by_the_division_of_the_run(run, tmp_path):
    clips = [make_clip(f"other{i}", LABELS[i % 2], seed=20 + i) for i in range(3)]
    for clip in clips:
        clip.row = dataclasses.replace(clip.row, corpus="folder")
    other = write_records(tmp_path / "other", clips)
    run.config |= {"leaky": True}
    write_json(run.folder / "config.json", run.config)
    result = measuring.robustness(run.folder, other.folder, "unseen")
    run.config |= {"leaky": False}
    write_json(run.folder / "config.json", run.config)
    assert result["protocol_text"].startswith("clips of folder that the run neither trained on")
    assert (result["part"], result["on"], result["leaky"]) == ("unseen", "folder", False)
    assert (run.folder / "robustness_unseen_folder.html").is_file()
    assert result["notes"] == ["No clips of sad were tested: UAR is over the other 2 emotions."]


def test_bad_usage_is_named(run, tmp_path):
    with pytest.raises(UsageError, match="--part nonsense"):
        measuring.robustness(run.folder, part="nonsense")
    with pytest.raises(UsageError, match="no run here"):
        measuring.robustness(tmp_path)
