"""`fit --resume auto`, and trainings that are killed at any moment."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_run import SYSTEM_CONFIG, make_clip, write_records

from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.files import read_csv
from emotionnet.fit import fit, main

EMOTIONS = ("neutral", "happy", "sad")


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
        "streams": "speech",
        "epochs": 4,
        "batch_size": 2,
        "augment": "light",
        "protocol": "actor_folds",
        "system_config": SYSTEM_CONFIG,
        "train": {"save_every_s": 0.0},
        **changes,
    }


@pytest.mark.slow
def test_a_group_killed_again_and_again_ends_with_the_same_bits(records, tmp_path):
    def train(kills, name):
        words = [str(kills), json.dumps(options(records, folds=[1, 2], name=name))]
        program = Path(__file__).with_name("killed_often.py")
        result = subprocess.run(
            [sys.executable, program, tmp_path, *words], capture_output=True, text=True
        )
        assert result.returncode == 0, result.stderr[-3000:]
        return result.stdout, json.loads(result.stdout.splitlines()[-1])

    train(0, "whole")
    said, attempts = train(5, "killed")
    assert sum(attempt["states"] is not None for attempt in attempts) >= 3, attempts
    assert "it starts" in said
    assert "it goes on, speech: " in said
    assert "it is finished" in said

    from emotionnet.training.run import Run

    for fold in ("fold_1_seed_0", "fold_2_seed_0"):
        whole, killed = (tmp_path / name / fold for name in ("whole", "killed"))
        for a, b in zip(
            Run.open(whole).model().weights, Run.open(killed).model().weights, strict=True
        ):
            np.testing.assert_array_equal(a, b, err_msg=a.path)
        assert (whole / "predictions.csv").read_bytes() == (killed / "predictions.csv").read_bytes()
        assert [row["loss"] for row in read_csv(whole / "history.csv")] == [
            row["loss"] for row in read_csv(killed / "history.csv")
        ]
        assert not list(killed.rglob("*partial*"))
        assert not (killed / "checkpoint").exists()
    # What was finished was left alone.
    for path, stamp in attempts[-1]["models"].items():
        assert Path(path).stat().st_mtime_ns == stamp


def test_auto_starts_goes_on_and_leaves_alone(records, tmp_path, capsys, monkeypatch):
    from emotionnet.training import state

    class Killed(BaseException):
        """Stands for a SIGKILL: nothing after it runs."""

    saved, save = [], state.TrainingState.save

    def save_and_die(self, path, variables=()):
        save(self, path, variables)
        saved.append(path)
        if len(saved) in (3, 6):  # within the only epoch, and at its end
            raise Killed

    words = options(records, epochs=1, out=tmp_path, resume="auto")
    with monkeypatch.context() as context:
        context.setattr(state.TrainingState, "save", save_and_die)
        for _ in range(2):
            with pytest.raises(Killed):
                fit(**words)
    name = "ghost_fan-demo-actor_folds-speech"
    said = capsys.readouterr().out
    assert f"{tmp_path / name}: there is none, it starts" in said
    assert "it goes on, speech: 0 epochs and 3 steps done" in said

    folder = fit(**words)
    assert folder == tmp_path / name
    assert "it goes on, speech: 1 epoch and 0 steps done" in capsys.readouterr().out
    assert [row["epoch"] for row in read_csv(folder / "history.csv")] == ["1"]

    model = (folder / "model.keras").stat().st_mtime_ns
    assert fit(**words) == folder
    assert "it is finished" in capsys.readouterr().out
    assert (folder / "model.keras").stat().st_mtime_ns == model
    assert [path.name for path in tmp_path.iterdir()] == [name]

    with pytest.raises(UsageError, match="other settings"):
        fit(**{**words, "epochs": 2})
    with pytest.raises(UsageError, match="is a run, not a group"):
        fit(**words, folds=[1, 2])


def test_a_disk_that_is_full_ends_with_a_message_and_the_state_before(records, tmp_path):
    import resource

    program = """
import resource, sys
from emotionnet.command import run_command
from emotionnet.fit import main
from emotionnet.training.state import TrainingState

save, saved = TrainingState.save, []

def save_and_fill(self, *arguments):
    save(self, *arguments)
    saved.append(1)
    if len(saved) == 2:  # a limit on the size of files stands for a disk that is full
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))

TrainingState.save = save_and_fill
run_command(main)
"""
    words = ["--records", records.folder, "--out", tmp_path, "--name", "run", "--streams", "speech",
             "--protocol", "actor_folds", "--epochs", "1", "--batch-size", "4", "--augment", "light",
             "--train", "save_every_s=0", "--resume", "auto"]  # fmt: skip
    for key, value in SYSTEM_CONFIG.items():
        words += ["--set", f"{key}={value}"]
    result = subprocess.run(
        [sys.executable, "-c", program, *map(str, words)], capture_output=True, text=True
    )
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 100_000
    assert result.returncode == 1, result.stderr
    assert "Traceback" not in result.stderr
    assert "state.npz: the disk is full" in result.stderr
    assert "--resume auto goes on" in result.stderr
    names = {path.name for path in (tmp_path / "run" / "checkpoint").iterdir()}
    assert names == {"state.npz", "state.previous.npz"}
    assert main([*map(str, words)]) == 0
    assert (tmp_path / "run" / "metrics.json").is_file()


def test_what_resume_takes_and_where_runs_go(records, tmp_path):
    with pytest.raises(UsageError, match="--resume maybe"):
        main(["--records", str(records.folder), "--out", str(tmp_path), "--resume", "maybe"])
    with pytest.raises(UsageError, match=r"--out gs://bucket/runs: a run is written to a folder"):
        main(["--records", str(records.folder), "--out", "gs://bucket/runs"])
    with pytest.raises(EmotionNetError, match="nothing here reads"):
        main(["--records", "nosuch://bucket/records", "--out", str(tmp_path)])
    assert not list(tmp_path.iterdir())
