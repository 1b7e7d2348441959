"""``--init-faces``: the face encoder of another run moves over, whole, or the message says why not."""

import functools
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from tiny_model import tiny_model
from tiny_run import make_run

from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.files import write_csv, write_json
from emotionnet.inputs.protocols import split_rows
from emotionnet.runs import new
from emotionnet.systems import build_model
from emotionnet.training.init import init_source, note_leaks, warm_start
from emotionnet.training.optimizer import find_layers
from emotionnet.training.run import Run

pytestmark = pytest.mark.usefixtures("four_bottlenecks", "loaded_once")

SMALL = {"frames": 2, "image_size": 32, "samples": 16000}


def loaded(folder):
    return Run.open(folder).model()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run on single pictures of 32 px, with weights as a training leaves them."""
    config = SMALL | {
        "frames": 1,
        "variant": "F2",
        "streams": ["faces"],
        "batch_norm_momentum": 0.99,
    }
    folder = tmp_path_factory.mktemp("runs") / "faces"
    return make_run(folder, model=tiny_model(seed=5, **config), system_config=config)


def config_of(trained, **changes) -> dict:
    config = SMALL | {"variant": "F4", "streams": ["faces", "speech"]} | changes
    return {
        "system": "ghost_fan",
        "system_config": config,
        "streams": config["streams"],
        "labels": list(trained.labels),
        "init_faces": init_source(trained.folder),
    }


@functools.cache
def built(**changes):
    model = build_model("ghost_fan", 3, **SMALL | changes)
    return model, model.get_weights()


def untrained(**changes):
    """A small `ghost_fan` that learnt nothing; built once, for one test after the other."""
    model, weights = built(**changes)
    model.set_weights(weights)
    return model


def face_encoder(model):
    return find_layers(model, "face_encoder")[0]


def test_the_weights_really_move_to_another_size_and_number_of_faces(trained):
    changes = {"image_size": 64, "frames": 3}
    model = build_model("ghost_fan", 4, **SMALL | {"variant": "F4"} | changes)
    before = [np.array(w) for w in model.weights]
    (line,) = warm_start(model, config_of(trained, **changes))

    theirs, ours = face_encoder(loaded(trained.folder)), face_encoder(model)
    moved = sum(int(np.prod(w.shape)) for w in ours.weights)
    assert moved > 50_000
    assert f"face_encoder, {moved:,} numbers of {trained.folder}" in line
    for a, b in zip(theirs.weights, ours.weights, strict=True):
        np.testing.assert_array_equal(a, b, err_msg=a.path)
    own = {id(w) for w in ours.weights}
    for weight, value in zip(model.weights, before, strict=True):
        if id(weight) not in own:
            np.testing.assert_array_equal(weight, value, err_msg=weight.path)
    assert any(w.path.endswith("moving_variance") for w in ours.weights)


def test_the_encoder_then_answers_as_it_did_there(trained):
    model = untrained()
    warm_start(model, config_of(trained))
    picture = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype("float32")
    answers = [face_encoder(m)(picture, training=False) for m in (loaded(trained.folder), model)]
    np.testing.assert_allclose(*answers, atol=1e-5)
    assert np.abs(np.array(answers[0])).max() > 0


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"variant": "F3"}, "variant is 'F2' there and 'F3' here"),
        ({"depthwise": "stride2"}, "depthwise"),
        ({"tam_residual": False}, "attention"),
    ],
)
def test_another_kind_of_encoder_is_refused_by_name(trained, changes, says):
    model = untrained(**changes)
    before = [np.array(w) for w in model.weights]
    with pytest.raises(UsageError, match=says):
        warm_start(model, config_of(trained, **changes))
    for weight, value in zip(model.weights, before):
        np.testing.assert_array_equal(weight, value)


def test_a_system_without_faces_says_so(trained):
    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    with pytest.raises(UsageError, match="has no face encoder"):
        warm_start(model, config_of(trained))


def test_a_run_that_is_gone_unfinished_or_trained_anew_is_refused(trained, tmp_path):
    with pytest.raises(UsageError, match="no run here"):
        init_source(tmp_path)
    other = make_run(tmp_path / "other")
    source = init_source(other.folder)
    (other.folder / "model.keras").write_bytes(b"another")
    with pytest.raises(EmotionNetError, match="no longer the model"):
        warm_start(None, {**config_of(trained), "init_faces": source})
    (other.folder / "model.keras").unlink()
    with pytest.raises(EmotionNetError, match="not trained to the end"):
        init_source(other.folder)


@pytest.mark.parametrize("option", ["init", "init_faces", "init_speech"])
def test_a_misspelt_name_is_told_before_clips_are_prepared(tmp_path, monkeypatch, option):
    prepared = []
    monkeypatch.setattr(new, "clips_for", lambda *asked: prepared.append(asked))
    with pytest.raises(UsageError, match="peple: no run here"):
        new.fit(corpus="folder", root=tmp_path, out=tmp_path, **{option: "peple"})
    assert not prepared


def test_a_face_network_starts_the_backbone_of_cross_modal(tmp_path):
    """The second reading of system 3's paper: FER2013 first, then clips."""
    fields = {"backbone": "GhostNet", "backbone_weights": "none", "batch_norm_momentum": 0.9}
    keras.utils.set_random_seed(3)
    one = {**fields, "image_size": 32, "frames": 1, "head": "pool"}
    model = build_model("faces", 3, **one)
    trained = make_run(
        tmp_path / "fer", system="faces", model=model, system_config=one, streams=["faces"]
    )
    fields |= {"image_size": 32, "frames": 2, "streams": ["faces"]}
    config = {
        "system": "cross_modal",
        "system_config": fields,
        "streams": ["faces"],
        "labels": list(trained.labels),
        "init_faces": init_source(trained.folder),
    }
    model = build_model("cross_modal", len(trained.labels), **fields)
    assert not same(model, trained, "backbone")
    (line,) = warm_start(model, config)
    assert "face_encoder" in line
    assert same(model, trained, "backbone")


def begin(model, labels, **sources):
    config = {
        "system": "ghost_fan",
        "system_config": SMALL,
        "streams": ["faces", "speech"],
        "labels": labels,
        **{key: init_source(run.folder) for key, run in sources.items()},
    }
    return warm_start(model, config)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of both streams and three labels."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    return make_run(folder, model=tiny_model(seed=7, **SMALL), system_config=SMALL)


def same(model, other, name):
    ours, theirs = (find_layers(each, name)[0].weights for each in (model, loaded(other.folder)))
    return all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_every_part_that_agrees_is_taken_over_and_the_rest_is_named(whole):
    labels = list(whole.labels)
    model = untrained()
    lines = begin(model, labels, init=whole)
    assert not any("anew" in line for line in lines), lines
    assert same(model, whole, "face_stream")
    assert same(model, whole, "speech_stream")

    # Other labels, in the same number: what answers them is new, all else is not.
    model = untrained()
    lines = begin(model, [*labels[:2], "surprised"], init=whole)
    anew = [line for line in lines if "anew" in line]
    assert {line.split(": ")[1].split(",")[0] for line in anew} == {
        "face_stream/classifier", "speech_stream/classifier",
    }  # fmt: skip
    assert same(model, whole, "face_encoder")
    assert not same(model, whole, "face_stream/classifier")
    counted = sum(int(line.split(", ")[1].split()[0].replace(",", "")) for line in lines)
    assert counted == sum(int(np.prod(w.shape)) for w in model.weights)


def test_discriminants_of_other_labels_start_afresh(tmp_path):
    fields = {"streams": ["geometry"], "landmarks": 4, "key_frames": 2, "klda_points": 8,
              "backbone": "GhostNet", "backbone_weights": "none"}  # fmt: skip
    other = make_run(
        tmp_path / "points",
        model=build_model("racnn", 3, **fields),
        streams=["geometry"],
        system="racnn",
        system_config=fields,
    )
    labels = [other.labels[0], "bored", other.labels[2]]
    config = {
        "system": "racnn",
        "system_config": fields,
        "streams": ["geometry"],
        "labels": labels,
        "init": init_source(other.folder),
    }
    model = build_model("racnn", 3, **fields)
    before = np.array(model.get_layer("classifier").kernel)
    lines = warm_start(model, config)
    anew = {line.split(": ")[1].split(",")[0] for line in lines if "anew" in line}
    assert anew == {"projection", "classifier", "fused_classifier"}
    np.testing.assert_array_equal(model.get_layer("classifier").kernel, before)
    ours, theirs = (
        np.array(each.get_layer("fused_classifier").kernel)
        for each in (model, loaded(other.folder))
    )
    np.testing.assert_array_equal(ours[:, [0, 2]], theirs[:, [0, 2]])
    assert same(model, other, "regions")


def test_speech_alone_moves_by_init_speech(whole):
    model = untrained()
    begin(model, list(whole.labels), init_speech=whole)
    assert same(model, whole, "speech_stream")
    assert not same(model, whole, "face_encoder")


def test_a_run_with_nothing_in_common_is_refused(whole):
    model = build_model("segments", 3, segments=2, image_size=32, samples=16000)
    config = {
        "system": "segments",
        "system_config": {"segments": 2, "image_size": 32, "samples": 16000},
        "streams": ["faces", "speech"],
        "labels": ["x", "y", "z"],
        "init": init_source(whole.folder),
    }
    with pytest.raises(UsageError, match="nothing in common"):
        warm_start(model, config)


#: A clip of each of four people in each of two emotions.
ROWS = [
    SimpleNamespace(
        clip=f"{a}{e}", corpus="folder", emotion=e, actor=a, sex="", recording=f"{a}{e}"
    )
    for a in "abcd"
    for e in ("happy", "sad")
]


def test_a_run_that_begins_with_one_that_knows_its_test_people_says_that_it_leaks(tmp_path):
    lines = [{"clip": row.clip, "actor": row.actor, "part": "train"} for row in ROWS[2:]]
    write_csv(tmp_path / "split.csv", lines, list(lines[0]))
    write_csv(tmp_path / "later" / "split.csv", [], list(lines[0]))
    for corpus, leaks in (
        ("folder", [False, True]),
        ("fer2013+folder", [False, True]),
        ("other", [False, False]),
    ):
        write_json(tmp_path / "config.json", {"format": 1, "corpus": corpus})
        begun = {"init": {"run": str(tmp_path)}, "refit": {"run": str(tmp_path / "gone")}}
        write_json(tmp_path / "later" / "config.json", {"format": 1, "corpus": "other", **begun})
        splits = [split_rows(ROWS, fold=fold) for fold in (1, 2)]
        note_leaks(splits, {"init_faces": {"run": str(tmp_path / "later")}})
        assert [{row.actor for row in split.test} for split in splits] == [{"a"}, {"b"}]
        assert [split.leaky for split in splits] == leaks
        assert [split.description.endswith("leaks: nothing") for split in splits] == [
            not x for x in leaks
        ]
        known = [{row.actor for row in split.validation} - {"a"} for split in splits]
        told = "1 of the 1 actors that choose the epoch are among those that"
        assert [told in split.description for split in splits] == [
            corpus != "other" and bool(actors) for actors in known
        ]
        assert not any("epoch" in split.warning for split in splits)
        told = "1 of the 1 actors that are tested are among those that"
        assert [told in split.warning and told in split.description for split in splits] == leaks


def test_the_division_of_a_beginning_is_read_once_for_all_folds(tmp_path, monkeypatch):
    write_csv(tmp_path / "split.csv", [], ("clip", "actor", "part"))
    write_json(tmp_path / "config.json", {"format": 1, "corpus": "folder"})
    read, real = [], Run.split_lines
    monkeypatch.setattr(Run, "split_lines", lambda run: read.append(run.name) or real(run))
    splits = [split_rows(ROWS, fold=fold) for fold in (1, 2)]
    note_leaks(splits, {"init": {"run": str(tmp_path)}})
    assert read == [tmp_path.name]
