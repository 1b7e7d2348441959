import os
import pathlib

import numpy as np
import pytest

from emotionnet.errors import EmotionNetError
from emotionnet.training.state import TrainingState, previous_path, recover


def a_state() -> TrainingState:
    state = TrainingState(fingerprint="abc", stream="speech", epoch=2, step=3)
    state.sums = {"clips": 24.0, "loss": 0.1 + 0.2, "accuracy": 1 / 3}
    state.best["speech"] = {"epoch": 1, "score": [0.5, -1.25]}
    state.best_weights["speech"] = [np.arange(6.0).reshape(2, 3), np.ones(2)]
    state.history.append({"stream": "speech", "epoch": 1, "loss": 0.3})
    return state


def test_a_state_comes_back_bit_for_bit(tmp_path):
    state = a_state()
    variables = [np.float32(np.random.default_rng(0).normal(size=(3, 4))), np.uint32([7, 9])]
    state.save(tmp_path / "state.npz", variables)

    again, values = TrainingState.load(tmp_path / "state.npz", "abc")

    assert again.sums == state.sums
    assert (again.stream, again.epoch, again.step) == ("speech", 2, 3)
    assert again.history == state.history
    assert [v.dtype for v in values] == [np.float32, np.uint32]
    assert all(np.array_equal(a, b) for a, b in zip(values, variables))
    best = zip(again.best_weights["speech"], state.best_weights["speech"])
    assert all(np.array_equal(a, b) for a, b in best)


def test_many_variables_keep_their_order(tmp_path):
    variables = [np.full(1, i) for i in range(120)]
    TrainingState(fingerprint="x").save(tmp_path / "s.npz", variables)
    _, values = TrainingState.load(tmp_path / "s.npz", "x")
    assert [int(v[0]) for v in values] == list(range(120))


def test_a_state_of_other_settings_is_refused(tmp_path):
    a_state().save(tmp_path / "state.npz")
    with pytest.raises(EmotionNetError, match="other settings"):
        TrainingState.load(tmp_path / "state.npz", "another")


def test_a_damaged_state_is_explained(tmp_path):
    a_state().save(tmp_path / "state.npz")
    whole = (tmp_path / "state.npz").read_bytes()
    (tmp_path / "state.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(EmotionNetError, match="cannot be read"):
        TrainingState.load(tmp_path / "state.npz", "abc")


def test_a_save_that_fails_leaves_the_old_state(tmp_path, monkeypatch):
    path = tmp_path / "state.npz"
    a_state().save(path)
    before = path.read_bytes()

    def full_disk(self, data):
        with open(self, "wb") as file:
            file.write(data[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pathlib.Path, "write_bytes", full_disk)
    with pytest.raises(EmotionNetError, match=r"state.npz: the disk is full.*--resume auto"):
        a_state().save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["state.npz"]


def test_a_disk_that_says_only_in_the_end_that_it_is_full(tmp_path, monkeypatch):
    path = tmp_path / "state.npz"
    a_state().save(path)
    before = path.read_bytes()

    def full_disk(file):
        raise OSError(122, "Disk quota exceeded")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(EmotionNetError, match="the disk is full"):
        a_state().save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["state.npz"]


@pytest.mark.parametrize("damage", ["gone", "empty", "cut", "changed"])
def test_the_state_before_stands_in_for_one_that_was_lost(tmp_path, damage):
    path = tmp_path / "state.npz"
    state = a_state()
    state.save(path, [np.arange(1000.0)])
    state.step = 4
    state.save(path, [np.arange(1000.0)])
    (tmp_path / ".state.123.partial.npz").write_bytes(b"what a killed writer leaves")
    assert recover(path) == "speech: 2 epochs and 4 steps done"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["state.npz", "state.previous.npz"]

    whole = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
    elif damage == "changed":
        whole[len(whole) // 2] ^= 1
        path.write_bytes(whole)
    else:
        path.write_bytes(whole[: len(whole) // 2 if damage == "cut" else 0])
    assert recover(path) == "speech: 2 epochs and 3 steps done"
    assert TrainingState.load(path, "abc")[0].step == 3


def test_where_nothing_can_be_recovered_what_is_there_is_left(tmp_path):
    assert recover(tmp_path / "checkpoint" / "state.npz") == ""
    path = tmp_path / "state.npz"
    path.write_bytes(b"half")
    previous_path(path).write_bytes(b"")
    assert recover(path) == ""
    assert path.read_bytes() == b"half"
