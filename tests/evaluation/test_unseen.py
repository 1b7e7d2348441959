"""A run measured on records other than its own."""

import dataclasses
import json
from types import SimpleNamespace

import pytest
from tiny_run import LABELS, make_clip, make_run, write_records

from emotionnet import evaluate as evaluating
from emotionnet.errors import EmotionNetError
from emotionnet.evaluation import measuring
from emotionnet.evaluation.asked import Asked
from emotionnet.evaluation.measuring import about_answers
from emotionnet.files import read_csv, write_csv, write_json
from emotionnet.training.run import Run


def clips(names: str, seed: int = 0) -> list:
    return [make_clip(n, LABELS[i % 3], seed=seed + i) for i, n in enumerate(names)]


@pytest.fixture
def run(tmp_path):
    records = write_records(tmp_path / "own", clips("abcdef"))
    run = make_run(tmp_path / "run", records, records.rows[:3])
    split = read_csv(run.folder / "split.csv")
    split += [{"clip": c, "actor": "01", "emotion": "sad", "part": "train"} for c in "def"]
    write_csv(run.folder / "split.csv", split, list(split[0]))
    return run


def test_records_without_its_test_clips_are_unseen_ones(run, tmp_path):
    other = write_records(tmp_path / "other", clips("defxyz"))
    metrics = evaluating.evaluate(run.folder, other.folder)
    # d, e and f were trained on.
    assert metrics["part"] == "unseen"
    assert metrics["fused"]["n"] == 3
    assert "neither trained on" in metrics["protocol_text"]
    answered = read_csv(run.folder / "predictions_unseen.csv")
    assert [row["clip"] for row in answered] == ["x", "y", "z"]
    assert json.loads((run.folder / "metrics_unseen.json").read_text()) == metrics
    assert not (run.folder / "metrics.json").exists()


def test_clips_of_another_corpus_are_others_though_their_names_are_the_same(run, tmp_path):
    named = clips("abcdef", seed=20)
    for clip in named:
        clip.row = dataclasses.replace(clip.row, corpus="folder")
    other = write_records(tmp_path / "other", named)
    with pytest.raises(EmotionNetError, match="6 clips of this run are not in these records"):
        run.split_rows(other)
    metrics = evaluating.evaluate(run.folder, other.folder)
    assert (metrics["part"], metrics["on"], metrics["fused"]["n"]) == ("unseen", "folder", 6)


def test_a_changed_copy_of_what_was_learnt_from_is_not_unseen(tmp_path):
    parts = {"a": "train", "b": "validation", "c": "test", "c~pitch": "train"}
    split = [{"clip": clip, "part": part} for clip, part in parts.items()]
    write_csv(tmp_path / "split.csv", split, ("clip", "part"))
    same = {"e": "a", "f": "f"}  # e has the sound of a
    names = (*parts, "a~noise15", "b~pitch", "d", "d~pitch", *same)
    rows = [SimpleNamespace(clip=c, corpus="folder", recording=same.get(c, "")) for c in names]
    own = {"format": 1, "corpus": "folder"}
    unseen = Run(tmp_path, own).unseen_rows(SimpleNamespace(rows=rows))
    assert [row.clip for row in unseen] == ["c", "d", "d~pitch", "f"]
    # Clips of another corpus are others, whatever they are called.
    unseen = Run(tmp_path, own | {"corpus": "demo"}).unseen_rows(SimpleNamespace(rows=rows))
    assert unseen == rows
    # One that began with this run on other clips has seen the same; its own test clips stay.
    write_json(tmp_path / "config.json", own)
    split = [{"clip": "b", "part": "test"}, {"clip": "d", "part": "train"}]
    write_csv(tmp_path / "tuned" / "split.csv", split, ("clip", "part"))
    tuned = Run(tmp_path / "tuned", own | {"init": {"run": str(tmp_path)}})
    unseen = tuned.unseen_rows(SimpleNamespace(rows=rows))
    assert [row.clip for row in unseen] == ["b", "c", "b~pitch", "f"]
    # Save those that were learnt from.
    split[0]["clip"] = "a"
    write_csv(tmp_path / "tuned" / "split.csv", split, ("clip", "part"))
    unseen = tuned.unseen_rows(SimpleNamespace(rows=rows))
    assert [row.clip for row in unseen] == ["c", "f"]


def test_clips_of_another_corpus_do_not_leak_however_the_own_ones_were_divided(monkeypatch):
    about = {"labels": LABELS, "classes": "", "corpus": "demo+ravdess", "leaky": True}

    def leaks(asked, begun=()):
        monkeypatch.setattr(measuring, "beginnings", lambda config: config["begun"])
        return about_answers(about, asked, [Run(".", {"begun": begun})], "records")["leaky"]

    assert [leaks(Asked("unseen", on=on)) for on in ("", "ravdess", "emodb")] == [True, True, False]
    assert leaks(Asked("test", on="emodb"))
    # Save where the run began with one that knows the people of that corpus.
    begun = [Run(".", {"corpus": "emodb", "leaky": known}) for known in (False, True)]
    asked = Asked("unseen", on="emodb")
    assert [leaks(asked, [each]) for each in begun] == [False, True]
    assert not leaks(Asked("unseen", on="iemocap"), begun)


def test_answers_to_validation_clips_of_one_corpus_of_several_are_named_after_it(
    tmp_path, monkeypatch
):
    written = []
    monkeypatch.setattr(measuring, "answer_rows", lambda *_: SimpleNamespace(write=written.append))
    monkeypatch.setattr(measuring, "fit_temperatures", lambda _: {})
    run = SimpleNamespace(
        folder=tmp_path, config={"streams": []}, view=dict, labels=LABELS,
        split_rows=lambda _: {"validation": [1]},
    )  # fmt: skip
    for on in ("", "ravdess"):
        measuring._calibrated(run, None, None, None, Asked(on=on), 8)
    assert [path.name for path in written] == [
        "predictions_validation.csv",
        "predictions_validation_ravdess.csv",
    ]


def test_records_that_lost_clips_are_no_other_ones(run, tmp_path):
    broken = write_records(tmp_path / "broken", clips("abde"))
    with pytest.raises(EmotionNetError, match="--part unseen"):
        evaluating.evaluate(run.folder, broken.folder)
    metrics = evaluating.evaluate(run.folder, broken.folder, part="unseen")
    assert metrics["fused"]["n"] == 2


def test_a_group_means_the_same_and_answers_each_records_anew(run, tmp_path):
    (tmp_path / "group").mkdir()
    run.folder.rename(tmp_path / "group" / "fold_1_seed_0")
    for name, new in (("one", "xyz"), ("two", "wv")):
        other = write_records(tmp_path / name, clips(f"de{new}"))
        metrics = evaluating.evaluate(tmp_path / "group", other.folder)
        assert metrics["part"] == "unseen"
        assert metrics["fused"]["n"] == len(new)
        assert "neither trained on" in metrics["protocol_text"]
