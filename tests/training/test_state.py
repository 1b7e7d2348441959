import numpy as np
import pytest

from emotionnet.errors import EmotionNetError
from emotionnet.training.state import TrainingState


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

    def full_disk(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full_disk)
    with pytest.raises(OSError, match="No space"):
        a_state().save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["state.npz"]
