"""`fit --resume auto`, and trainings that are killed at any moment."""

import json
import resource
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tiny_run import SYSTEM_CONFIG, TOY, make_clip, write_records

from emotionnet.command import run_command
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.files import read_csv
from emotionnet.fit import fit, main
from emotionnet.training.begin import open_run
from emotionnet.training.config import asked
from emotionnet.training.plan import plan_runs
from emotionnet.training.state import TrainingState, recover

EMOTIONS = ("neutral", "happy", "sad")


pytestmark = pytest.mark.usefixtures("plain_reports")


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    clips = [
        make_clip(
            f"{actor}-{emotion}-{take}", emotion, actor, "female", seed=100 * i + 10 * k + take
        )
        for i, actor in enumerate(("01", "02", "03", "04"))
        for k, emotion in enumerate(EMOTIONS)
        for take in (1, 2)
    ]
    return write_records(tmp_path_factory.mktemp("preemption") / "records", clips)


def options(records, **changes):
    return {
        "records": str(records.folder),
        "system": TOY,
        "streams": "speech",
        "epochs": 3,
        "batch_size": 2,
        "augment": "light",
        "protocol": "actor_folds",
        "system_config": SYSTEM_CONFIG,
        "train": {"save_every_s": 0.0},
        "resume": "auto",
        **changes,
    }


@pytest.mark.slow
def test_a_run_killed_again_and_again_ends_with_the_same_bits(records, tmp_path):
    def train(kills, name):
        words = [str(kills), json.dumps(options(records, name=name, system="ghost_fan"))]
        program = Path(__file__).with_name("killed_often.py")
        result = subprocess.run(
            [sys.executable, "-u", program, tmp_path, *words], capture_output=True, text=True
        )
        assert result.returncode == 0, result.stderr[-3000:]
        return result.stdout, json.loads(result.stdout.splitlines()[-1])

    train(0, "whole")
    said, attempts = train(2, "killed")
    assert None not in attempts[:2], "it ended before it could be killed"
    assert attempts[2] is True
    assert "there is none, it starts" in said
    assert "it resumes, speech: " in said
    assert "it resumes, speech: 3 epochs and 0 steps done" in said

    from emotionnet.training.run import Run

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for a, b in zip(Run.open(whole).model().weights, Run.open(killed).model().weights, strict=True):
        np.testing.assert_array_equal(a, b, err_msg=a.path)
    assert (whole / "predictions.csv").read_bytes() == (killed / "predictions.csv").read_bytes()
    histories = [
        [(row["epoch"], row["loss"], row["val_loss"]) for row in read_csv(run / "history.csv")]
        for run in (whole, killed)
    ]
    assert histories[0] == histories[1]
    assert len(histories[0]) == 3
    assert not list(killed.rglob("*partial*"))
    assert not (killed / "checkpoint").exists()


@pytest.fixture
def trained(monkeypatch):
    """Folders that were trained, in their order: here a training is no more than an empty model."""
    folders = []

    def train_run(run, *rest):
        folders.append(run.folder.name)
        (run.folder / "model.keras").touch()
        return []

    def evaluate(folder, **rest):
        (Path(folder) / "metrics.json").write_text("{}")

    monkeypatch.setattr("emotionnet.training.train.train_run", train_run)
    monkeypatch.setattr("emotionnet.evaluation.run_or_group.evaluate", evaluate)
    return folders


def test_auto_starts_what_is_missing_and_leaves_alone_what_is_finished(
    records, tmp_path, trained, capsys
):
    words = options(records, out=tmp_path, name="group")
    fit(**words, folds=[1, 2])
    assert trained == ["fold_1_seed_0", "fold_2_seed_0"]
    fit(**words, folds="all", seeds=[0])
    assert trained == [f"fold_{i}_seed_0" for i in (1, 2, 3, 4)]
    said = capsys.readouterr().out
    assert f"{tmp_path / 'group' / 'fold_2_seed_0'}: it is finished" in said
    assert f"{tmp_path / 'group' / 'fold_3_seed_0'}: there is none, it starts" in said
    (tmp_path / "group" / "fold_3_seed_0" / "model.keras").unlink()
    fit(**words, folds="all")
    assert trained[4:] == ["fold_3_seed_0"]
    assert "fold_3_seed_0: it was started, nothing is trained yet" in capsys.readouterr().out
    with pytest.raises(UsageError, match="is a group of runs, not a run"):
        fit(**words)


def test_auto_takes_the_last_of_the_default_names(records, tmp_path, trained):
    name, words = f"{TOY}-demo-actor_folds-speech", options(records, out=tmp_path)
    assert fit(**words) == tmp_path / name
    assert fit(**words) == tmp_path / name
    assert fit(**{**words, "resume": False}) == tmp_path / f"{name}-2"
    assert fit(**words) == tmp_path / f"{name}-2"
    assert trained == [name, f"{name}-2"]
    with pytest.raises(UsageError, match="other settings"):
        fit(**{**words, "epochs": 2})
    with pytest.raises(UsageError, match="is a run, not a group"):
        fit(**words, folds=[1, 2])


def test_a_disk_that_is_full_ends_with_a_message_and_the_state_before(
    records, tmp_path, monkeypatch, capsys
):
    save, saved = TrainingState.save, []
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def save_and_fill(self, *arguments):
        save(self, *arguments)
        saved.append(1)
        if len(saved) == 2:  # a limit on the size of files stands for a disk that is full
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))

    monkeypatch.setattr(TrainingState, "save", save_and_fill)
    words = ["--records", records.folder, "--out", tmp_path, "--name", "run", "--streams", "speech",
             "--protocol", "actor_folds", "--epochs", "1", "--batch-size", "4", "--augment", "light",
             "--system", TOY, "--train", "save_every_s=0", "--resume", "auto"]  # fmt: skip
    for key, value in SYSTEM_CONFIG.items():
        words += ["--set", f"{key}={value}"]
    try:
        with pytest.raises(SystemExit) as end:
            run_command(lambda _: main([*map(str, words)]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    said = capsys.readouterr().err
    assert end.value.code == 1, said
    assert "Traceback" not in said
    assert "state.npz: the disk is full" in said
    assert "--resume auto resumes" in said
    folder = tmp_path / "run" / "checkpoint"
    assert {path.name for path in folder.iterdir()} == {"state.npz", "state.previous.npz"}
    assert recover(folder / "state.npz") == "speech: 0 epochs and 2 steps done"


def test_a_run_that_resumes_with_replaced_recordings_says_so(records, tmp_path, capsys):
    config = plan_runs(asked(options(records)), records).config
    split = SimpleNamespace(train=[], validation=[], test=[])
    assert config["content_hash"] == records.content_hash
    open_run(tmp_path / "run", config, split, "auto")
    for changes, told in (({}, False), ({"content_hash": "another"}, True)):
        open_run(tmp_path / "run", {**config, **changes}, split, "auto")
        assert ("records have changed" in capsys.readouterr().out) is told


def test_what_resume_takes_and_where_runs_go(records, tmp_path):
    with pytest.raises(UsageError, match="--resume maybe"):
        main(["--records", str(records.folder), "--out", str(tmp_path), "--resume", "maybe"])
    with pytest.raises(UsageError, match=r"--out gs://bucket/runs: a run is written to a folder"):
        main(["--records", str(records.folder), "--out", "gs://bucket/runs"])
    with pytest.raises(EmotionNetError, match="nothing here reads"):
        main(["--records", "nosuch://bucket/records", "--out", str(tmp_path)])
    assert not list(tmp_path.iterdir())
