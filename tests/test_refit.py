"""`refit`: a trained run continues on its validation part too; its test part stays as it was."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from tiny_run import SYSTEM_CONFIG, TOY, clips_of, make_run, write_records

from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.files import read_csv
from emotionnet.fit import fit
from emotionnet.refit import main, refit
from emotionnet.training.loop import train_stream
from emotionnet.training.refit import refit_config, refit_split
from emotionnet.training.run import LEARNT_ON, Run

EMOTIONS = ("neutral", "happy", "sad")


pytestmark = pytest.mark.usefixtures("plain_reports")


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    clips = clips_of(("01", "02", "03", "04"), EMOTIONS, sex="female")
    return write_records(tmp_path_factory.mktemp("refit") / "records", clips)


@pytest.fixture(scope="module")
def group(records, tmp_path_factory):
    return fit(
        records=records.folder,
        out=tmp_path_factory.mktemp("runs"),
        name="first",
        system=TOY,
        streams="speech",
        epochs=3,
        batch_size=3,
        learning_rate=1e-3,
        augment="none",
        protocol="actor_folds",
        folds=(1, 2),
        system_config=SYSTEM_CONFIG,
    )


def people(folder, part) -> set:
    return {row["actor"] for row in read_csv(folder / "split.csv") if row["part"] == part}


def test_a_group_learns_on_from_everyone_but_those_who_test(group):
    top = refit(group)
    assert top == group.parent / "first-refit"
    for before in sorted(group.glob("fold_*")):
        after = top / before.name
        assert people(after, "test") == people(before, "test")
        assert people(after, "train") == people(before, "train") | people(before, "validation")
        assert not people(after, "validation")
        config = Run.open(after).config
        assert LEARNT_ON in config["protocol_description"]
        # A quarter of three epochs, rounded up, at half the rate; it did learn something.
        assert config["settings"]["speech"]["epochs"] == 1
        assert config["settings"]["speech"]["learning_rate"] == 5e-4
        pairs = list(zip(Run.open(before).model().weights, Run.open(after).model().weights))
        assert any(not np.array_equal(a, b) for a, b in pairs)
        tested = [{r["clip"] for r in read_csv(f / "predictions.csv")} for f in (before, after)]
        assert tested[0] == tested[1]
    metrics = json.loads((top / "metrics.json").read_text())
    assert len(metrics["runs"]) == 2
    assert LEARNT_ON in metrics["protocol_text"]
    # No people are left to fit a temperature on.
    assert metrics["calibrated"] == {}
    assert LEARNT_ON in (top / "report.html").read_text()
    assert "No clip was left to validate on" in (after / "report.html").read_text()
    assert "nan" not in (after / "report.html").read_text().lower()


@pytest.mark.usefixtures("unevaluated")
def test_it_begins_with_the_weights_that_were_chosen(group):
    first = group / "fold_1_seed_0"
    folder = refit(first, epochs=1, learning_rate=1e-9, name="still")
    before, after = Run.open(first).model(), Run.open(folder).model()
    learnt = [(a, b) for a, b in zip(before.weights, after.weights) if a.trainable]
    for a, b in learnt:
        np.testing.assert_allclose(a, b, atol=1e-6, err_msg=a.path)
    assert any(np.abs(np.array(a)).max() > 0.01 for a, _ in learnt)


@pytest.mark.usefixtures("unevaluated")
def test_killed_between_two_streams_it_still_begins_with_the_weights_of_the_second(
    records, tmp_path, monkeypatch
):
    settings = {"records": records.folder, "out": tmp_path, "system": TOY, "epochs": 1,
                "batch_size": 3, "augment": "none", "protocol": "actor_folds", "system_config": SYSTEM_CONFIG}  # fmt: skip
    first = fit(**settings, name="first")

    def learning_on(kind, name, resume=False):
        if kind == "refit":
            return refit(first, name=name, resume=resume)
        return fit(**settings, name=name, init=first, resume=resume)

    def copied_before_speech(model, name, data, how, state, checkpoint, **words):
        folder = checkpoint.parents[1]
        if name == "speech":  # as a kill would leave it
            shutil.copytree(folder, folder.with_name(f"killed-{folder.name}"))
        train_stream(model, name, data, how, state, checkpoint, **words)

    for kind in ("refit", "init"):
        with monkeypatch.context() as patch:
            patch.setattr("emotionnet.training.train.train_stream", copied_before_speech)
            whole = learning_on(kind, kind)
        again = learning_on(kind, f"killed-{kind}", resume=True)
        weights = [Run.open(each).model().weights for each in (whole, again)]
        for a, b in zip(*weights, strict=True):
            np.testing.assert_array_equal(a, b, err_msg=f"{kind} {a.path}")


def test_who_has_learnt_on_does_not_do_so_again(group, capsys):
    folder = refit(group / "fold_1_seed_0")
    assert folder == group.parent / "first-fold_1_seed_0-refit"
    with pytest.raises(UsageError, match="already trained on its validation part"):
        refit(folder)
    with pytest.raises(UsageError, match="a run already"):
        refit(group / "fold_1_seed_0")
    model = (folder / "model.keras").read_bytes()
    assert main([str(group / "fold_1_seed_0"), "--resume", "auto"]) == 0
    assert (folder / "model.keras").read_bytes() == model
    assert "it is finished" in capsys.readouterr().out


@pytest.mark.parametrize(("frozen_epochs", "stays"), [(0, True), (20, False), (40, True)])
def test_what_has_thawed_goes_on_learning(tmp_path, frozen_epochs, stays):
    settings = {"epochs": 40, "frozen": ["stem"], "frozen_epochs": frozen_epochs}
    run = make_run(tmp_path / "tuned", streams=["speech"], settings={"speech": settings})
    its = refit_config(run)["settings"]["speech"]
    assert its["frozen"] == ["stem"] * stays
    assert (its["epochs"], its["frozen_epochs"]) == (10, 0)


def test_where_copies_are_divided_as_rows_they_stay_so():
    train, validation, test = (
        SimpleNamespace(clip=clip, corpus="folder", actor="")
        for clip in ("a", "a~pitch", "a~noise15")
    )
    config = {"protocol": "rows", "protocol_description": "rows", "leaky": True}
    run = SimpleNamespace(
        config={**config, "fold": 1, "folds": 1, "seed": 0},
        split_rows=lambda _: {"train": [train], "validation": [validation], "test": [test]},
    )
    split = refit_split(run, None)
    assert (split.train, split.validation, split.test) == ([train, validation], [], [test])


def test_what_cannot_learn_on_is_told_why(group, records, tmp_path):
    with pytest.raises(UsageError, match="no run here"):
        refit(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="--epochs 0"):
        refit(group, epochs=0)
    with pytest.raises(UsageError, match="are not there"):
        refit(group, records=tmp_path / "gone", name="other")
    alone = make_run(
        tmp_path / "alone", records, test=records.rows, streams=["speech"], settings={"speech": {"epochs": 4}}
    )  # fmt: skip
    with pytest.raises(UsageError, match="has no validation part"):
        refit(alone.folder)
    alone.config["learning"] = {"scheme": "uncertainty"}
    with pytest.raises(UsageError, match="few labels"):
        refit_config(alone)
    (alone.folder / "model.keras").unlink()
    with pytest.raises(EmotionNetError, match="not trained to the end"):
        refit(alone.folder)
