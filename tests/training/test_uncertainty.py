"""Which clip's label is used when: a function of clips, seed and model, and resumable to the bit."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
from tiny_run import SYSTEM_CONFIG, TOY, make_clip, write_records

from emotionnet.errors import UsageError
from emotionnet.inputs.opening import open_source
from emotionnet.inputs.protocols import split_rows
from emotionnet.inputs.views import View
from emotionnet.systems import build_model
from emotionnet.training import loop
from emotionnet.training.front import Cut, Front, uncertainty
from emotionnet.training.run import Run
from emotionnet.training.stream_data import augmentation, stream_data
from emotionnet.training.train import train_run
from emotionnet.training.uncertainty import LabelPool, Learning, divide_by_person, entropy_bits
from emotionnet.training.unit import trained_part, unit_of


def rows(actors=6, clips=4):
    return [
        SimpleNamespace(clip=f"{a:02d}-{c}", actor=f"{a:02d}", corpus="x")
        for a in range(1, actors + 1)
        for c in range(clips)
    ]


def names(some):
    return [row.clip for row in some]


def test_entropy_is_in_bits():
    sure, fair, uniform = [1.0, 0, 0, 0], [0.5, 0.5, 0, 0], [0.25] * 4
    np.testing.assert_allclose(entropy_bits([sure, fair, uniform]), [0, 1, 2])


def test_start_set_and_pool_share_no_actor_and_no_order():
    everything = rows()
    start, pool = divide_by_person(everything, 1 / 3, seed=0)
    assert len({row.actor for row in start}) == 2
    assert not {row.actor for row in start} & {row.actor for row in pool}
    assert sorted(names(start + pool)) == sorted(names(everything))

    again = divide_by_person(everything[::-1], 1 / 3, seed=0)
    assert (names(again[0]), names(again[1])) == (names(start), names(pool))
    others = {tuple(names(divide_by_person(everything, 1 / 3, seed)[0])) for seed in range(8)}
    assert len(others) > 1


def test_clips_of_unknown_actors_are_people_of_their_own():
    unknown = [SimpleNamespace(clip=f"c{i}", actor="", corpus="x") for i in range(9)]
    start, pool = divide_by_person(unknown, 1 / 3, seed=0)
    assert (len(start), len(pool)) == (3, 6)


def test_the_most_uncertain_move_whatever_the_order_of_rows():
    everything = rows()
    bits = {row.clip: i * 7 % 24 / 10 for i, row in enumerate(everything)}
    picked = []
    for order in (everything, everything[::-1]):
        moved = []
        pool = LabelPool(order, Learning("uncertainty", "1/3", 5), 0, moved)
        before, used = pool.waiting, len(pool.labelled)
        chosen = pool.move(0, lambda asked: np.array([bits[row.clip] for row in asked]))
        wanted = sorted(names(before), key=lambda clip: -bits[clip])[:5]
        assert names(chosen) == wanted
        assert names(pool.labelled)[used:] == wanted
        assert not set(names(pool.waiting)) & set(wanted)
        assert [(clip, epoch) for clip, epoch, _ in moved] == [(clip, 1) for clip in wanted]
        picked.append(names(pool.labelled))
    assert picked[0] == picked[1]


def test_random_moves_others_and_the_same_again():
    def moves(seed):
        moved = []
        pool = LabelPool(rows(), Learning("random", "1/3", 5), seed, moved)
        for epoch in range(2):
            pool.move(epoch, lambda asked: pytest.fail("random asks no model"))
        return moved

    assert moves(0) == moves(0)
    first = [clip for clip, epoch, _ in moves(0) if epoch == 1]
    pool = LabelPool(rows(), Learning("uncertainty", "1/3", 5), 0, [])
    assert first != names(pool.waiting)[:5]
    assert len({clip for clip, *_ in moves(0)}) == 10


def test_the_pool_runs_dry():
    pool = LabelPool(rows(3, 4), Learning("random", "1/3", 3), 0, [])
    sizes = []
    for epoch in range(5):
        assert pool.size(epoch) == len(pool.labelled)
        sizes.append(pool.size(epoch))
        pool.move(epoch, None)
    assert sizes == [4, 7, 10, 12, 12]
    assert pool.waiting == []


def test_asking_less_often_moves_more_at_once():
    pool, asked = LabelPool(rows(), Learning("uncertainty", "1/3", 2, every=3), 0, []), []
    sizes = []
    for epoch in range(7):
        assert pool.size(epoch) == len(pool.labelled)
        sizes.append(pool.size(epoch))
        pool.move(epoch, lambda waiting: asked.append(epoch) or np.arange(len(waiting)))  # noqa: B023
    assert sizes == [8, 8, 8, 14, 14, 14, 20]
    assert asked == [2, 5]


def test_all_uses_every_label_in_the_given_order():
    pool = LabelPool(rows()[::-1], Learning(), 0, [])
    assert names(pool.labelled) == names(rows())[::-1]
    assert pool.move(0, None) == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("certainty",), "Choose one of all, uncertainty, random"),
        (("random", "a third"), "start-fraction"),
        (("random", "1/0"), "start-fraction"),
        (("random", 0), "start-fraction"),
        (("random", 1.5), "start-fraction"),
        (("random", 0.5, 0), "per-epoch"),
        (("random", 0.5, 1, 0), "pool-every"),
    ],
)
def test_bad_settings_are_explained(settings, message):
    with pytest.raises(UsageError, match=message):
        Learning(*settings)


def test_one_actor_leaves_no_pool():
    with pytest.raises(UsageError, match="at least two training actors"):
        LabelPool(rows(1), Learning("uncertainty"), 0, [])


# --- on records, with real models


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    clips = [
        make_clip(f"{actor:02d}-{emotion}-{take}", emotion, f"{actor:02d}", seed=10 * actor + take)
        for actor in range(1, 6)
        for emotion in ("neutral", "happy", "sad")
        for take in (1, 2)
    ]
    return write_records(tmp_path_factory.mktemp("pool") / "records", clips)


def make_run(folder, records, learning, system="ghost_fan", streams=("speech",), **config):
    split = split_rows(records.rows, "actor_folds", 1, 0)
    extra = {"segments": 2, "image_size": 32, "samples": 16000, "window_s": 1.0}
    system_config = (extra if system == "segments" else SYSTEM_CONFIG) | {"streams": list(streams)}
    if system == "segments":
        system_config["n_fft"], system_config["hop_length"] = 1024, 256
    each = {"epochs": 4, "batch_size": 4, "learning_rate": 1e-3, "patience": 0,
            "save_every_s": 0.0}  # fmt: skip
    settings = dict.fromkeys(("faces", "speech", "joint"), each)
    plain = {
        "system": system, "system_config": system_config, "labels": ["neutral", "happy", "sad"],
        "seed": 0, "streams": list(streams), "joint": False, "settings": settings,
        "augment": "none", "precision": "float32",
        "learning": {"scheme": learning, "start_fraction": 0.34, "per_epoch": 3},
    } | config  # fmt: skip
    return Run.create(folder, plain, split), split


class Killed(Exception):
    """Stands for a SIGKILL: nothing after it runs."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("system", "streams", "augment"),
    [
        ("ghost_fan", ("speech",), "none"),
        (TOY, ("speech",), "light"),
        ("segments", ("faces", "speech"), "paper"),
        ("segments", ("speech",), "none"),
    ],
)
def test_a_killed_training_ends_with_the_same_bits_and_labels(
    records, tmp_path, monkeypatch, system, streams, augment
):
    config = {"system": system, "streams": streams, "augment": augment}
    whole, _ = make_run(tmp_path / "whole", records, "uncertainty", **config)
    train_run(whole, records)

    killed, _ = make_run(tmp_path / "killed", records, "uncertainty", **config)
    step, calls = loop._add, []

    def dying_step(*args):
        calls.append(1)
        if len(calls) == 6:  # inside an epoch, after clips have moved
            raise Killed
        return step(*args)

    monkeypatch.setattr(loop, "_add", dying_step)
    with pytest.raises(Killed):
        train_run(killed, records)
    monkeypatch.undo()
    assert killed.checkpoint.exists()
    train_run(Run.open(killed.folder), records)

    for a, b in zip(whole.model().weights, killed.model().weights, strict=True):
        np.testing.assert_array_equal(a, b, err_msg=a.path)
    moved = [(run.folder / "labelled.csv").read_text() for run in (whole, killed)]
    assert moved[0] == moved[1]
    assert len(moved[0].splitlines()) == 1 + 3 * 3  # not after the last epoch


@pytest.mark.slow
@pytest.mark.parametrize("learning", ["uncertainty", "random"])
def test_what_is_learnt_from_is_apart_from_what_is_tested_on(records, tmp_path, learning):
    from emotionnet.files import read_csv

    run, split = make_run(tmp_path / "run", records, learning, system=TOY)
    train_run(run, records)
    history = read_csv(run.folder / "history.csv")
    moved = read_csv(run.folder / "labelled.csv")
    start = int(history[0]["labels_used"])
    assert [int(row["labels_used"]) for row in history] == [start + 3 * i for i in range(4)]
    by_clip = {row.clip: row for row in records.rows}
    pool = {by_clip[line["clip"]].actor for line in moved}
    held = {row.actor for row in (*split.validation, *split.test)}
    assert pool
    assert not pool & held
    assert len({line["clip"] for line in moved}) == len(moved) == 9
    assert all((line["bits"] == "") == (learning == "random") for line in moved)


@pytest.mark.slow
def test_the_front_and_the_rest_are_the_whole_stream(records):
    keras.utils.set_random_seed(0)
    model = build_model("ghost_fan", 3, **SYSTEM_CONFIG)
    config = {"system": "ghost_fan", "streams": ["speech"]}
    unit = unit_of(model, config, "speech")
    source = open_source(records, View(2, 32, 16000), ("neutral", "happy", "sad"), unit.inputs)
    cut = Cut(unit.model, unit.stage.front)
    front = Front(cut, source, {"clips": records.rows})
    assert cut.front.weights == []
    assert [w.path for w in front.rest.weights] == [w.path for w in unit.model.weights]

    some = records.rows[3:14]
    whole = uncertainty(unit.model, source.inference_batches(some, 4), logits=True)
    after = uncertainty(front.rest, front.inference_batches(some), logits=True)
    np.testing.assert_allclose(after, whole, atol=1e-5)

    order = {"batch_size": 4, "seed": 1, "epoch": 2, "start_step": 1}
    there = list(source.training_batches(some, **order))
    here = list(front.training_batches(some, **order))
    assert len(here) == len(there) == 2

    def made(inputs):
        return cut.front.predict_on_batch(inputs)[unit.stage.front]

    for (features, targets), (inputs, wanted) in zip(here, there):
        np.testing.assert_array_equal(targets, wanted)
        np.testing.assert_allclose(features[unit.stage.front], made(inputs), atol=1e-3)


def test_a_stream_scores_its_own_pool(records, tmp_path):
    run, split = make_run(tmp_path / "run", records, "uncertainty", streams=("faces", "speech"))
    model, parts = run.build(), {"train": split.train, "validation": split.validation}
    state = {}
    settings = loop.Settings(epochs=2, batch_size=4)
    for name in ("faces", "speech"):
        unit = unit_of(model, run.config, name)
        part = trained_part(unit, settings, augmentation(run.config))
        data = stream_data(run, records, parts, unit, part, state.setdefault(name, []))
        assert data.after_epoch(0)["labels_used"] > 0
    assert len(state["faces"]) == len(state["speech"]) == 3
    assert [bits for *_, bits in state["faces"]] != [bits for *_, bits in state["speech"]]
