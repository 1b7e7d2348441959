"""A run from beginning to end, without a training: it ends before, or was trained already."""

import gc
import os
import threading
import weakref
from types import SimpleNamespace

import pytest

from emotionnet.clips.records import RecordRow
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.evaluation import run_or_group
from emotionnet.locks import alone
from emotionnet.runs.whole import train_and_evaluate
from emotionnet.training import begin, train
from emotionnet.training.devices import ONE
from emotionnet.training.run import Run


def test_a_run_that_cannot_be_trained_leaves_its_name_and_what_was_there_before(
    tmp_path, monkeypatch
):
    def refuse(*_):
        raise EmotionNetError("no clip has sound")

    monkeypatch.setattr(train, "train_run", refuse)
    config = {"system": "ghost_fan", "system_config": {"image_size": 32}, "streams": ["speech"]}
    config |= {"corpus": "folder", "labels": ["happy", "sad"]}
    split = SimpleNamespace(train=[], validation=[], test=[], description="", warning="")
    own = tmp_path / "mine" / "recordings" / "clip.wav"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"of the user")
    for folder in (tmp_path / "new", tmp_path / "mine"):
        with pytest.raises(EmotionNetError, match="no clip has sound"):
            train_and_evaluate(folder, config, split, None, False, ONE)
    assert not (tmp_path / "new").exists()
    assert own.read_bytes() == b"of the user"
    assert [each.name for each in own.parents[1].iterdir()] == ["recordings"]


def test_it_is_said_that_of_long_clips_the_middle_is_used(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(train, "train_run", lambda *_: [])
    monkeypatch.setattr(run_or_group, "evaluate", lambda folder, records: None)
    sizes = {"image_size": 32, "samples": 32000}
    config = {"system": "ghost_fan", "system_config": sizes, "streams": ["faces", "speech"]}
    config |= {"corpus": "folder", "labels": ["happy", "sad"]}
    lasting = {"a": (32000, 60), "b": (32001, 0), "c": (0, 60), "d": (0, 61)}
    rows = [
        RecordRow(clip, "folder", "happy", samples=samples, frames=frames)
        for clip, (samples, frames) in lasting.items()
    ]
    for name, train_rows, said in (("long", rows, True), ("short", rows[::2], False)):
        split = SimpleNamespace(train=train_rows, validation=[], test=[])
        split.description = split.warning = ""
        records = SimpleNamespace(address="records")
        train_and_evaluate(tmp_path / name, config, split, records, False, ONE)
        line = "window     2 s: of 2 clips that are longer, their middle\n"
        assert (line in capsys.readouterr().out) == said


def test_a_model_that_was_trained_anew_is_evaluated_anew(tmp_path, monkeypatch):
    for seconds, name in enumerate(("model.keras", "predictions.csv", "metrics.json")):
        (tmp_path / name).write_text("{}")
        os.utime(tmp_path / name, (seconds, seconds))
    asked = []
    monkeypatch.setattr(begin, "open_run", lambda folder, *_: Run(folder, {}))
    monkeypatch.setattr(run_or_group, "evaluate", lambda folder, records: asked.append(folder))
    records = SimpleNamespace(address="records")
    train_and_evaluate(tmp_path, {}, None, records, True, ONE)
    assert not asked
    os.utime(tmp_path / "model.keras", (9, 9))
    train_and_evaluate(tmp_path, {}, None, records, True, ONE)
    assert asked == [tmp_path]


def test_a_second_process_waits_and_finds_the_run_trained(tmp_path, monkeypatch, capsys):
    opened, pause = [], threading.Event()

    def open_run(folder, *_):
        opened.append(folder)
        return Run(folder, {})

    monkeypatch.setattr(begin, "open_run", open_run)
    monkeypatch.setattr(run_or_group, "evaluate", lambda folder, records: None)
    folder = tmp_path / "run"
    folder.mkdir()
    arguments = (folder, {}, None, SimpleNamespace(address="records"), "auto", ONE)
    with alone(folder):
        second = threading.Thread(target=train_and_evaluate, args=arguments)
        second.start()
        while "waiting" not in capsys.readouterr().err:
            assert second.is_alive()
            pause.wait(0.05)
        assert not opened
        (folder / "model.keras").write_text("trained meanwhile")
    second.join(20)
    assert len(opened) == 1
    assert not second.is_alive()


def test_a_name_that_is_taken_is_not_waited_for(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.json").touch()
    with alone(folder), pytest.raises(UsageError, match="there is a run already"):
        train_and_evaluate(folder, {}, None, SimpleNamespace(address="records"), False, ONE)


def test_a_model_is_gone_when_its_training_is_over(tmp_path, monkeypatch):
    """Folds and seeds of large models would fill the memory: Python seldom looks for what holds itself."""
    models = []

    class Model:
        pass

    def train_run(*_):
        model = Model()
        model.itself = model
        models.append(weakref.ref(model))
        return []

    monkeypatch.setattr(train, "train_run", train_run)
    monkeypatch.setattr(run_or_group, "evaluate", lambda folder, records: None)
    config = {"system": "ghost_fan", "system_config": {"image_size": 32}, "streams": ["speech"]}
    config |= {"corpus": "folder", "labels": ["happy", "sad"]}
    split = SimpleNamespace(train=[], validation=[], test=[], description="", warning="")
    gc.disable()
    try:
        train_and_evaluate(
            tmp_path / "run", config, split, SimpleNamespace(address="records"), False, ONE
        )
    finally:
        gc.enable()
    assert models[0]() is None
