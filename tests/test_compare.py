"""`compare`: runs side by side, and loudly not where they were not asked the same."""

import dataclasses
import json
import os
from unittest import mock

import numpy as np
import pytest
from tiny_run import LABELS

from emotionnet import compare as comparing
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.evaluation import comparison, side_by_side
from emotionnet.evaluation.answers import AnsweredClip, Answers, measure
from emotionnet.evaluation.comparison import (
    Candidate,
    RunResult,
    differences,
    paired_tests,
    table,
)
from emotionnet.evaluation.comparison_sections import history, learning
from emotionnet.evaluation.provenance import group_provenance, split_warnings
from emotionnet.evaluation.temperature import calibrated_scores
from emotionnet.files import read_csv, write_csv, write_json
from emotionnet.training.run import Run

#: For pages whose text is looked at: two tests draw their pictures.
unrendered = pytest.mark.usefixtures("unrendered")
CLIPS = [
    AnsweredClip(
        f"c{i:02d}",
        f"{i % 6 + 1:02d}",
        ("male", "female")[i % 2],
        LABELS[i % 3],
        frozenset(("faces", "speech")),
    )
    for i in range(36)
]


def make_run(
    folder, wrong=(), fold=1, seed=0, clips=CLIPS, train_actors=4, answered=range(36), **changes
):
    """An evaluated run folder, without a model: it answers rightly but for clips in ``wrong``."""
    streams = ["speech"]
    config = {
        "format": 1,
        "system": "ghost_fan",
        "system_config": {"streams": streams},
        "labels": list(LABELS),
        "corpus": "demo",
        "label_kind": "acted",
        "manifest_hash": "ab" * 32,
        "protocol": "actor_folds",
        "protocol_description": f"actor_folds, fold {fold}",
        "leaky": False,
        "fold": fold,
        "seed": seed,
        "streams": streams,
        "joint": False,
        "augment": "none",
        "settings": {"speech": {"epochs": 2}},
    } | changes
    targets = np.array([LABELS.index(clip.emotion) for clip in clips])
    named = np.where([clip.clip in wrong for clip in clips], (targets + 1) % 3, targets)
    probabilities = np.full((len(clips), 3), 0.1)
    probabilities[np.arange(len(clips)), named] = 0.8
    probabilities[[i not in answered for i in range(len(clips))]] = np.nan
    kinds = ("fused", *config["streams"])
    answers = Answers(LABELS, list(clips), dict.fromkeys(kinds, probabilities))
    answers.write(folder / "predictions.csv")
    metrics = {"run": folder.name, "commit": "0123abc", **measure(answers)}
    metrics["calibrated"] = calibrated_scores(
        answers, {k: {"temperature": 1.5, "clips": 9} for k in kinds}
    )
    write_json(folder / "config.json", config)
    write_json(folder / "metrics.json", metrics)
    epochs = [
        {"stream": "speech", "epoch": i + 1, "val_uar": i / 4, "seconds": 1.5} for i in range(2)
    ]
    write_csv(folder / "history.csv", epochs, list(epochs[0]))
    split = [{"clip": f"t{i}", "actor": f"t{i % train_actors}", "part": "train"} for i in range(24)]
    write_csv(folder / "split.csv", split, list(split[0]))
    (folder / "model.keras").write_bytes(b"")
    # The answers are the newer ones.
    for name in ("predictions.csv", "metrics.json"):
        (folder / name).touch()
    return folder


def candidate(name, *folders):
    return Candidate(name, [RunResult.read(folder) for folder in folders])


def names_of(clips):
    return {clip.clip for clip in clips}


def test_two_runs_on_the_same_clips_are_tested_as_a_pair(tmp_path):
    worse = make_run(tmp_path / "worse", wrong=names_of(CLIPS[:9]))
    better = make_run(tmp_path / "better", wrong={"c00", "c35"})
    result = comparing.compare([worse, better], tmp_path / "out")
    assert result["differences"] == []
    (pair,) = result["pairs"]
    assert (pair["first"], pair["other"], pair["kind"]) == ("worse", "better", "speech")
    assert (pair["mcnemar"]["only_a"], pair["mcnemar"]["only_b"]) == (8, 1)
    assert pair["by_clips"]["accuracy"]["difference"] == pytest.approx(7 / 36)
    assert pair["by_actors"]["units"] == 6
    text = (tmp_path / "out" / "compare.html").read_text()
    assert "8 : 1" in text
    assert "must not be compared" not in text


@unrendered
def test_runs_of_other_streams_are_tested_as_a_whole(tmp_path):
    faces = make_run(tmp_path / "faces", wrong=names_of(CLIPS[:9]), streams=["faces"])
    speech = make_run(tmp_path / "speech", wrong=names_of(CLIPS[:6]))
    both = make_run(tmp_path / "both", streams=["faces", "speech"])
    result = comparing.compare([both, faces, speech], tmp_path / "out")
    pairs = {(pair["other"], pair["kind"]): pair for pair in result["pairs"]}
    assert list(pairs) == [(n, k) for n in ("faces", "speech") for k in ("fused", n)]
    difference = pairs["faces", "fused"]["by_clips"]["accuracy"]["difference"]
    assert difference == pytest.approx(-9 / 36)
    page = (tmp_path / "out" / "compare.html").read_text()
    table = page[page.index("Is the difference real?") :]
    assert [table.count(f">{name}<") > 0 for name in ("faces", "faces, faces only")] == [True, True]
    result = comparing.compare([speech, faces], tmp_path / "out")
    (pair,) = result["pairs"]
    assert pair["mcnemar"]["only_b"] == 3
    told = comparing.summary(result)
    assert "faces less speech, each as a whole: UAR -8.3 points" in told


@unrendered
@pytest.mark.parametrize(("actor", "over"), [("01", ""), ("", ", 95 % over clips -9.1 to +0.0")])
def test_of_one_actor_or_unknown_ones_there_is_no_interval_over_actors(tmp_path, actor, over):
    clips = [dataclasses.replace(clip, actor=actor) for clip in CLIPS]
    runs = [make_run(tmp_path / "a", clips=clips), make_run(tmp_path / "b", {"c00"}, clips=clips)]
    told = comparing.summary(comparing.compare(runs, tmp_path / "out")).splitlines()
    assert told[1].split("  ")[-2].strip() == "100.0 %"
    assert told[3] == f"b less a, speech: UAR -2.8 points{over}"


@unrendered
def test_runs_that_answered_no_clip_in_common_are_not_tested(tmp_path):
    one = make_run(tmp_path / "faces", streams=["faces"], answered=range(18))
    two = make_run(tmp_path / "speech", answered=range(18, 36))
    (pair,) = comparing.compare([one, two], tmp_path / "out")["pairs"]
    assert pair["problem"] == "no clip was answered by both"


@unrendered
def test_the_page_says_how_runs_were_trained_and_what_they_began_with(tmp_path):
    plain = make_run(tmp_path / "plain")
    teachers = [{"run": f"/runs/group/fold_1_seed_{seed}"} for seed in (0, 1)]
    taught = make_run(
        tmp_path / "taught",
        settings={"speech": {"epochs": 7, "mixup": 0.25}},
        init_faces={"run": "/runs/stage"},
        teachers={"runs": [*teachers, {"run": "/runs/other"}], "share": 0.3},
    )
    comparing.compare([plain, taught], tmp_path / "out")
    text = (tmp_path / "out" / "compare.html").read_text()
    assert "speech: epochs 7, learning_rate" not in text  # which is as always
    assert "mixup 0.25" in text
    assert text.count("mixup") == 1
    told = "begins with the face encoder of stage; taught by group and other (30% of each target)"
    assert text.count(told) == 1


@unrendered
def test_the_csv_says_what_the_runs_are_worth(tmp_path):
    group = tmp_path / "group"
    for seed, wrong in enumerate((3, 6)):
        for fold, clips in ((1, CLIPS[:18]), (2, CLIPS[18:])):
            folder = group / f"fold_{fold}_seed_{seed}"
            make_run(folder, names_of(clips[:wrong]), fold, seed, clips)
    comparing.compare([group], tmp_path / "out")
    (row,) = read_csv(tmp_path / "out" / "compare.csv")
    accuracies = [15 / 18, 15 / 18, 12 / 18, 12 / 18]
    assert (row["runs"], row["clips"], row["answers"]) == ("4", "36", "72")
    assert float(row["accuracy_mean"]) == pytest.approx(np.mean(accuracies))
    assert float(row["accuracy_sd"]) == pytest.approx(np.std(accuracies, ddof=1))
    assert float(row["accuracy_sd_folds"]) == 0
    assert float(row["accuracy_sd_seeds"]) == pytest.approx(np.std([15 / 18, 12 / 18], ddof=1))
    assert float(row["uar_low_actors"]) < float(row["uar"]) < float(row["uar_high_actors"])
    # Wilson's interval is over the clips, not over the answers that two seeds gave.
    assert float(row["accuracy_high"]) - float(row["accuracy_low"]) > 0.25
    assert (row["folds"], row["seeds"], row["commit"]) == ("1 2", "0 1", "0123abc")
    assert row["temperature"] == "1.5 1.5 1.5 1.5"
    assert float(row["nll_calibrated"]) != float(row["nll"])
    assert float(row["recall_neutral"]) == pytest.approx(1 - 6 / 24)


@unrendered
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"protocol": "random", "leaky": True}, "They differ in protocol"),
        ({"manifest_hash": "cd" * 32}, "They differ in list of clips"),
        ({"label_kind": "perceived"}, "They differ in kind of labels"),
        ({"clips": CLIPS[:30]}, "tested on different clips"),
    ],
)
def test_what_was_not_asked_the_same_is_said_and_not_tested(tmp_path, changes, said):
    a, b = make_run(tmp_path / "a"), make_run(tmp_path / "b", **changes)
    result = comparing.compare([a, b], tmp_path / "out")
    assert any(said in sentence for sentence in result["differences"])
    assert [bool(pair["problem"]) for pair in result["pairs"]] == [True]
    text = (tmp_path / "out" / "compare.html").read_text()
    assert "These numbers must not be compared as they stand." in text
    assert said in text
    assert "Not tested against the first." in text
    assert f"warning: {result['differences'][0]}" in comparing.summary(result)
    of_the_first = comparing.summary(result).splitlines()[1]
    assert of_the_first.count(" – ") == 2, "a rate without its interval"


@unrendered
def test_across_protocols_the_same_clips_tell_what_the_protocol_is_worth(tmp_path):
    a = make_run(tmp_path / "a", wrong=names_of(CLIPS[:9]))
    b = make_run(tmp_path / "b", protocol="random_copies", leaky=True)
    c = make_run(tmp_path / "c", protocol="random_copies", leaky=True, clips=CLIPS[:30])
    result = comparing.compare([a, b, c], tmp_path / "out", across_protocols=True)
    assert [bool(pair["problem"]) for pair in result["pairs"]] == [False, True]
    assert any("protocol" in sentence for sentence in result["differences"])


def test_several_answers_a_clip_count_by_their_share_and_have_no_mcnemar(tmp_path):
    a = candidate("a", make_run(tmp_path / "a0"), make_run(tmp_path / "a1", {"c00"}, seed=1))
    per_clip = a.per_clip["speech"]
    assert per_clip.clips[0] == "c00"
    assert per_clip.right[0] == 0.5
    assert not per_clip.once
    once = candidate("b", make_run(tmp_path / "b", {"c01"}))
    assert differences([a, once]) == []
    (pair,) = paired_tests([a, once])
    assert pair["mcnemar"] is None
    assert pair["by_clips"]["accuracy"]["difference"] == pytest.approx((0.5 - 1) / 36)


def test_changed_copies_of_a_clip_are_answers_to_it(tmp_path):
    clips = [dataclasses.replace(c, clip=c.clip + kind) for c in CLIPS for kind in ("", "~pitch")]
    a, b = (
        candidate(name, make_run(tmp_path / name, wrong, clips=clips, answered=range(72)))
        for name, wrong in (("a", {"c00"}), ("b", {"c00", "c00~pitch"}))
    )
    per_clip = a.per_clip["speech"]
    assert (len(per_clip.clips), per_clip.right[0]) == (36, 0.5)
    (pair,) = paired_tests([a, b])
    assert (pair["clips"], pair["mcnemar"]) == (36, None)


def test_the_learning_curve_is_drawn_where_runs_differ_in_training_actors(tmp_path):
    four, two = make_run(tmp_path / "four"), make_run(tmp_path / "two", train_actors=2)
    comparing.compare([four], tmp_path / "one")
    assert "How much do more people help?" not in (tmp_path / "one/compare.html").read_text()
    comparing.compare([four, two], tmp_path / "both")
    assert "How much do more people help?" in (tmp_path / "both/compare.html").read_text()


def test_runs_of_one_name_are_told_apart_and_one_twice_is_refused(tmp_path):
    a, b = make_run(tmp_path / "x" / "run"), make_run(tmp_path / "y" / "run")
    assert side_by_side.names([a, b]) == ["x/run", "y/run"]
    with pytest.raises(UsageError, match="named twice"):
        side_by_side.names([a, a])


def test_folders_that_are_no_runs(tmp_path):
    with pytest.raises(UsageError, match="no run here"):
        comparing.compare([tmp_path], tmp_path / "out")
    broken = make_run(tmp_path / "broken")
    (broken / "predictions.csv").write_text("clip\nc0\n")
    with pytest.raises(EmotionNetError, match="Evaluate it again"):
        comparing.compare([broken], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def evaluates(asked: list):
    """What stands for `evaluate`: the run is noted, and its files are there and new."""

    def evaluate(run, records):
        asked.append(run)
        for name in ("predictions.csv", "metrics.json"):
            (run / name).write_text("{}")

    return evaluate


def test_a_run_that_changed_since_is_evaluated_again(tmp_path, monkeypatch):
    folder = make_run(tmp_path / "run")
    asked = []
    monkeypatch.setattr("emotionnet.evaluation.run_or_group.evaluate", evaluates(asked))
    assert side_by_side.evaluated_runs(folder) == ([folder], [])
    assert asked == []
    (folder / "metrics.json").unlink()
    side_by_side.evaluated_runs(folder)
    assert asked == [folder]


def test_answers_about_another_corpus_do_not_stand_for_the_runs_own(tmp_path, monkeypatch):
    folder = make_run(tmp_path / "run")
    (folder / "metrics.json").unlink()
    monkeypatch.setattr(
        "emotionnet.evaluation.run_or_group.evaluate",
        lambda run, records: (run / "metrics_unseen_emodb.json").touch(),
    )
    with pytest.raises(UsageError, match=r"another corpus than its own.*--records"):
        side_by_side.evaluated_runs(folder)


def test_a_run_of_two_corpora_is_not_compared(tmp_path, monkeypatch):
    folder = make_run(tmp_path / "both", combined={"faces": {}}, corpus="fer2013+ravdess")
    (folder / "metrics.json").unlink()
    asked = []
    monkeypatch.setattr("emotionnet.evaluation.run_or_group.evaluate", evaluates(asked))
    with pytest.raises(UsageError, match="combined out of runs of two corpora"):
        side_by_side.evaluated_runs(folder)
    assert asked == []


def test_how_a_combined_run_is_evaluated_again_is_said_with_its_records(tmp_path):
    folder = make_run(tmp_path / "a run")
    (folder / "predictions.csv").unlink()
    for combined, hint in (({}, "'"), ({"faces": {}}, "' --records DIR")):
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"combined": combined}))
        with pytest.raises(EmotionNetError) as told:
            RunResult.read(folder)
        assert f"`python -m emotionnet.evaluate '{folder}{hint}`" in str(told.value)


@pytest.mark.parametrize("older", ["predictions.csv", "metrics.json"])
def test_answers_or_numbers_of_an_earlier_model_are_not_compared(tmp_path, older, monkeypatch):
    folder = make_run(tmp_path / "run")
    asked = []
    monkeypatch.setattr("emotionnet.evaluation.run_or_group.evaluate", evaluates(asked))
    trained_s = (folder / "model.keras").stat().st_mtime
    os.utime(folder / older, (trained_s - 60, trained_s - 60))
    side_by_side.evaluated_runs(folder)
    assert asked == [folder]


@unrendered
def test_runs_that_are_still_trained_are_named(tmp_path):
    for fold, clips in ((1, CLIPS[:18]), (2, CLIPS[18:])):
        make_run(tmp_path / "group" / f"fold_{fold}", fold=fold, clips=clips)
    (tmp_path / "group" / "fold_2" / "model.keras").unlink()
    result = comparing.compare([tmp_path / "group"], tmp_path / "out")
    assert [row["clips"] for row in result["rows"]] == [18]
    assert result["differences"] == ["group: not trained to the end yet, left out: fold_2."]


@unrendered
def test_the_folds_of_a_group_are_in_order_and_its_page_has_the_pooled_rates(tmp_path):
    for fold in (2, 10):
        clips = CLIPS[:18] if fold == 2 else CLIPS[18:]
        wrong = names_of(CLIPS[:9])
        make_run(tmp_path / "group" / f"fold_{fold}", wrong, fold=fold, clips=clips)
    (row,) = comparing.compare([tmp_path / "group"], tmp_path / "out")["rows"]
    assert (row["folds"], row["accuracy"]) == ("2 10", 0.75)
    assert row["accuracy_low"] < 0.75 < row["accuracy_high"]
    assert "75.0 % (58.9 – 86.2 %)" in (tmp_path / "out" / "compare.html").read_text()


def test_the_interval_over_actors_is_of_the_rate_beside_it(tmp_path):
    clips = [
        AnsweredClip(f"{actor}{label}", actor, "", label, frozenset(["speech"]))
        for actor in "abcdefghijkl"
        for label in LABELS
    ]
    often, once = clips[:18], clips[18:]
    runs = [make_run(tmp_path / f"1_{seed}", seed=seed, clips=often) for seed in range(6)]
    runs.append(make_run(tmp_path / "2_0", names_of(once), fold=2, clips=once))
    (row,) = table([candidate("group", *runs)])
    assert row["uar"] == pytest.approx(6 / 7)
    draws = np.random.default_rng(1).binomial(
        12, 0.5, 20000
    )  # of twelve people those answered often
    expected = np.percentile(6 * draws / (6 * draws + 12 - draws), (2.5, 97.5))
    assert [row["uar_low_actors"], row["uar_high_actors"]] == pytest.approx(list(expected))


@unrendered
def test_the_interval_over_actors_is_drawn_once_for_table_and_page(tmp_path, monkeypatch):
    draw = mock.Mock(wraps=comparison.bootstrap_difference)
    monkeypatch.setattr(comparison, "bootstrap_difference", draw)
    comparing.compare([make_run(tmp_path / "a")], tmp_path / "out")
    draw.assert_called_once()


def test_seeds_with_other_folds_do_not_differ_by_them(tmp_path):
    halves = (CLIPS[:18], CLIPS[18:])
    wrong = names_of(CLIPS[18:24])  # the second fold is the harder one

    def made(fold, seed):
        name, clips = f"fold_{fold}_seed_{seed}", halves[fold - 1]
        return make_run(tmp_path / name, wrong, fold=fold, seed=seed, clips=clips)

    whole = [made(fold, seed) for fold in (1, 2) for seed in (0, 1)]
    found = candidate("whole", *whole).over("speech", "uar")
    assert found["sd_folds"] > 0.1
    assert found["sd_seeds"] == 0
    found = candidate("one is missing", *whole[:3]).over("speech", "uar")
    assert found["runs"] == 3
    assert found["sd"] > 0.1
    assert (found["sd_folds"], found["sd_seeds"]) == (None, None)


def test_runs_of_a_group_that_differ_in_more_than_fold_and_seed_are_told(tmp_path):
    def runs(name, **changes):
        return candidate(
            name,
            make_run(tmp_path / name / "1", clips=CLIPS[:18]),
            make_run(tmp_path / name / "2", fold=2, clips=CLIPS[18:], **changes),
        )

    alike, mixed = runs("alike"), runs("mixed", augment="ours")
    assert differences([alike]) == []
    said = ["The runs of mixed were trained otherwise from each other (augment)."]
    assert differences([alike, mixed]) == said


def test_one_fold_that_leaks_makes_the_group_leak(tmp_path):
    told = {"leaky": True, "split_warning": "3 of 18 test clips are trained on"}
    folders = (
        make_run(tmp_path / "1", clips=CLIPS[:18]),
        make_run(tmp_path / "2", fold=2, clips=CLIPS[18:], **told),
    )
    (row,) = table([candidate("group", *folders)])
    assert row["leaky"] == 1
    runs = [Run.open(folder) for folder in folders]
    about = group_provenance(runs)
    assert about["leaky"]
    assert about["protocol_text"].endswith("leaks: in fold 2")
    assert split_warnings(runs) == [told["split_warning"]]


def test_a_group_of_runs_that_were_trained_otherwise_says_so(tmp_path):
    runs = [Run.open(make_run(tmp_path / str(fold), fold=fold)) for fold in (1, 2)]
    for run in runs:
        run.config |= {"augment": "ours", "settings": {"speech": {"epochs": 5, "mixup": 0.1}}}
    assert split_warnings(runs) == []
    del runs[0].config["settings"]["speech"]["mixup"]  # of an earlier version
    assert split_warnings(runs) == []
    runs[1].config["settings"] = {"speech": {"epochs": 3}}
    runs[1].config["augment"] = "none"
    said = "Its runs were trained otherwise from each other (settings, augment)."
    assert split_warnings(runs) == [said]


def test_a_learning_curve_is_of_one_setting(tmp_path):
    plain = candidate("plain", make_run(tmp_path / "plain"))
    changes = {"less": {}, "corpus": {"corpus": "crema_d"}, "begun": {"init": {"run": "/runs/x"}}}
    drawn = [
        bool(learning([plain, candidate(name, make_run(tmp_path / name, train_actors=2, **other))]))
        for name, other in changes.items()
    ]
    assert drawn == [True, False, False]


def test_no_validation_curve_is_drawn_where_no_clip_validated(tmp_path):
    folder = make_run(tmp_path / "refit")
    measured = candidate("chosen", folder)
    write_csv(
        folder / "history.csv", [{"stream": "speech", "val_uar": "nan"}], ("stream", "val_uar")
    )
    assert history([candidate("refit", folder)]) == []
    assert history([candidate("refit", folder), measured])


@unrendered
def test_the_command_line(tmp_path, capsys):
    folders = [str(make_run(tmp_path / name)) for name in ("a", "b")]
    assert comparing.main([*folders, "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().out
    assert "b less a, speech: UAR +0.0 points" in told
    assert json.loads((tmp_path / "a" / "config.json").read_text())["fold"] == 1
