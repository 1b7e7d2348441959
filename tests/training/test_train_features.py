"""A whole run that learns from kept features and copies, averages and mixes, and is killed twice."""

import numpy as np
import pytest
from tiny_run import SYSTEM_CONFIG, make_clip, write_records

from emotionnet.files import read_csv
from emotionnet.inputs.protocols import split_rows
from emotionnet.training import features, loop
from emotionnet.training.run import Run
from emotionnet.training.settings import Settings, plain
from emotionnet.training.train import train_run


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    clips = [
        make_clip(f"{actor:02d}-{emotion}", emotion, f"{actor:02d}", seed=10 * actor)
        for actor in range(1, 7)
        for emotion in ("neutral", "happy", "sad")
    ]
    return write_records(tmp_path_factory.mktemp("features") / "records", clips)


def new_run(folder, records, **config) -> Run:
    settings = Settings(
        epochs=2, batch_size=8, patience=0, save_every_s=0.0, mixup=0.2, average=0.9,
        optimizer="adamw", weight_decay=0.05, warmup_epochs=1,
    )  # fmt: skip
    each = plain(settings)
    plain_config = {
        "system": "ghost_fan",
        "system_config": SYSTEM_CONFIG | {"streams": ["speech"], "speech": "logmel"},
        "labels": ["neutral", "happy", "sad"],
        "seed": 0, "streams": ["speech"], "joint": False, "protocol": "actor_folds",
        "settings": {"faces": each, "speech": each},
        "augment": "paper", "augmentation": {"noise_share": 0.0, "copies": ["noise20"]},
        "precision": "float32", "learning": {},
    } | config  # fmt: skip
    return Run.create(folder, plain_config, split_rows(records.rows, "actor_folds", 1, 0))


class Killed(Exception):
    """Stands for a SIGKILL: nothing after it runs."""


@pytest.mark.slow
def test_it_ends_with_the_same_bits_and_computes_features_once(records, tmp_path, monkeypatch):
    computed = []
    batches = features._batches
    monkeypatch.setattr(
        features, "_batches", lambda *args: computed.append(args[3]) or batches(*args)
    )
    whole = new_run(tmp_path / "whole", records)
    train_run(whole, records)
    assert computed == ["clips", "noise20"]
    history = read_csv(whole.folder / "history.csv")
    # Each labelled clip has a copy beside it.
    labels, steps = int(history[0]["labels_used"]), int(history[0]["steps"])
    assert steps == round(2 * labels / 8)

    killed, step, calls = new_run(tmp_path / "killed", records), loop._add, []

    def dying_step(*args):
        calls.append(1)
        if len(calls) == steps + 2:
            raise Killed
        return step(*args)

    def dying_save(self, model):
        raise Killed

    save = Run.save_model
    monkeypatch.setattr(loop, "_add", dying_step)
    with pytest.raises(Killed):
        train_run(killed, records)
    monkeypatch.setattr(loop, "_add", step)
    monkeypatch.setattr(Run, "save_model", dying_save)
    with pytest.raises(Killed):
        train_run(Run.open(killed.folder), records)
    monkeypatch.setattr(Run, "save_model", save)
    train_run(Run.open(killed.folder), records)
    assert len(computed) == 2
    for a, b in zip(whole.model().weights, killed.model().weights, strict=True):
        np.testing.assert_array_equal(a, b, err_msg=a.path)
