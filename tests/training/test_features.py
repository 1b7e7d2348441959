"""What does not learn is computed once for all folds and seeds, and is never a stale one."""

import dataclasses
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from tiny_run import LABELS, make_clip, write_records

from emotionnet.clips.records import Records
from emotionnet.errors import UsageError
from emotionnet.files import write_json
from emotionnet.inputs import arrays
from emotionnet.inputs.augmentation import Augmentation
from emotionnet.inputs.kinds import inputs_of
from emotionnet.inputs.opening import open_source
from emotionnet.inputs.source import Source
from emotionnet.inputs.views import View
from emotionnet.systems.stages import Learn
from emotionnet.training import features
from emotionnet.training.front import Cut, Front
from emotionnet.training.settings import Settings
from emotionnet.training.unit import Unit, cut_of, is_still, trained_part


@pytest.fixture
def records(tmp_path):
    clips = [
        make_clip(f"{i:02d}", LABELS[i % 3], f"{i % 4}", seed=i, faces=i != 1, sound=i != 2)
        for i in range(11)
    ]
    return write_records(tmp_path / "records", clips)


def source_of(records) -> Source:
    return open_source(records, View(2, 32, 16000), LABELS)


def two_streams(seed=0) -> keras.Model:
    """A backbone on faces, energies of sound with their mask, and a classifier on all."""
    keras.utils.set_random_seed(seed)
    faces = keras.Input((2, 32, 32, 3), name="faces")
    mask = keras.Input((2,), name="frame_mask")
    sound = keras.Input((16000,), name="waveform")
    samples = keras.Input((), name="waveform_samples", dtype="int32")
    x = keras.layers.AveragePooling3D((1, 8, 8), name="pool")(faces)
    x = keras.layers.Dense(4, name="backbone")(keras.layers.Reshape((2, 48))(x))
    x = keras.layers.BatchNormalization(name="backbone_norm")(x)
    energy, valid = Energies(name="energies")(sound, samples)
    seen = keras.ops.sum(x * keras.ops.expand_dims(mask, -1), 1)
    heard = keras.ops.sum(energy * valid, 1, keepdims=True)
    joined = keras.layers.Concatenate()([seen, heard])
    inputs = {"faces": faces, "frame_mask": mask, "waveform": sound, "waveform_samples": samples}
    return keras.Model(inputs, keras.layers.Dense(3, name="classifier")(joined))


class Energies(keras.layers.Layer):
    """Energy of each tenth of a second, and whether it is real."""

    def call(self, sound, samples):
        energy = keras.ops.mean(keras.ops.reshape(sound, (-1, 10, 1600)) ** 2, -1)
        valid = keras.ops.arange(10) * 1600 < keras.ops.expand_dims(samples, 1)
        return energy, keras.ops.cast(valid, "float32")


def test_features_are_shared_by_parts_that_need_other_inputs_beside_them(records):
    model, source, found = two_streams(), source_of(records), []
    for layers in (("backbone_norm", "energies"), "backbone_norm"):
        front = Front(Cut(model, layers), source, {"clips": records.rows})
        (batch,) = front.inference_batches(records.rows)
        assert set(batch) == set(front.rest.input)
        found.append(np.asarray(front.rest(batch)))
    np.testing.assert_allclose(*found, rtol=1e-5)


def test_both_parts_together_are_the_whole(records):
    model, source = two_streams(), source_of(records)
    cut = Cut(model, ("backbone_norm", "energies"))
    assert set(cut.front.output) == {"backbone_norm", "energies", "energies_mask"}
    assert cut.inputs == ("frame_mask",)
    assert {w.path for w in cut.rest.weights} == {"classifier/kernel", "classifier/bias"}
    front = Front(cut, source, {"clips": records.rows})
    some = [records.rows[i] for i in (7, 0, 3, 2, 1)]
    whole = next(model.predict_on_batch(batch) for batch in source.inference_batches(some, 5))
    after = cut.rest.predict_on_batch(front.inference_batches(some)[0])
    np.testing.assert_allclose(after, whole, atol=1e-5)


def test_it_is_computed_once_until_something_changes(records, monkeypatch):
    source, computed = source_of(records), []
    real = features._batches

    def counted(front, source, rows, name, keys):
        computed.append(name)
        return real(front, source, rows, name, keys)

    monkeypatch.setattr(features, "_batches", counted)

    def get(model, source=source, rows=records.rows):
        cut = Cut(model, ("backbone_norm", "energies"))
        return Front(cut, source, {"clips": rows})(records.rows[:4])

    first = get(two_streams())
    assert computed == ["clips", "clips"]  # of faces and of sound, which share no input
    # Another process, fold or seed: Keras has counted up, the weights are the same.
    again = get(two_streams())
    assert len(computed) == 2
    for key, values in first.items():
        np.testing.assert_array_equal(again[key], values)
    get(two_streams(seed=1))
    assert len(computed) == 3, "other weights, of the part on faces alone"
    get(two_streams(), rows=[*records.rows, dataclasses.replace(records.rows[0], clip="x")])
    assert len(computed) == 5, "other clips"
    # Half of a set is as good as none.
    for index in (records.folder / "features").rglob("*.json"):
        index.unlink()
    get(two_streams())
    assert len(computed) == 7


def test_features_of_landmarks_that_were_made_anew_are_others(records):
    write_json(records.folder / "records.json", {**records.meta, "fields": {"landmarks68": {}}})
    source = source_of(Records.open(records.folder))
    model, keys = two_streams(), []
    for made in ("once", "anew"):
        write_json(records.folder / "landmarks68" / "shard-00000.json", {"sha256": made})
        of = [dataclasses.replace(source, inputs=inputs_of([s])) for s in ("geometry", "speech")]
        keys.append([features.front_key(model, each) for each in of])
    (geometry, speech), (geometry_anew, speech_anew) = keys
    assert geometry != geometry_anew
    assert speech == speech_anew == features.front_key(model, source_of(records))


def test_who_is_cut_behind_one_part_finds_what_another_left(records, monkeypatch):
    source, model = source_of(records), two_streams()
    both = Front(Cut(model, ("backbone_norm", "energies")), source, {"clips": records.rows})
    expected = both(records.rows)
    monkeypatch.setattr(features, "_batches", lambda *_: pytest.fail("it is there"))
    for layer in ("backbone_norm", "energies"):
        given = keras.tree.flatten(model.get_layer(layer).output)[0]
        stream = keras.Model(model.input, keras.layers.Dense(2)(given))
        alone = Front(Cut(stream, layer), source, {"clips": records.rows})(records.rows)
        assert layer in alone
        np.testing.assert_array_equal(alone[layer], expected[layer])


def test_it_works_where_nothing_can_be_written(records, monkeypatch):
    def refused(*_):
        raise PermissionError(13, "Permission denied")

    model = two_streams()
    before = Front(Cut(model, "energies"), source_of(records), {"clips": records.rows})
    expected = before(records.rows[:3])
    for path in (records.folder / "features").rglob("*.*"):
        path.unlink()
    monkeypatch.setattr(arrays, "open_memmap", refused)
    front = Front(Cut(model, "energies"), source_of(records), {"clips": records.rows})
    for key, values in front(records.rows[:3]).items():
        np.testing.assert_array_equal(values, expected[key])
    assert not list((records.folder / "features").rglob("*.npy"))


def unit(front=("backbone_norm", "energies")) -> Unit:
    model = two_streams()
    return Unit(Learn("joint", "", front), ("faces", "speech"), model)


FROZEN = ("backbone", "backbone_norm")


def test_a_front_that_learns_is_no_front():
    assert cut_of(unit("energies"), Settings()) is not None
    assert cut_of(unit(), Settings()) is None
    assert cut_of(unit(), Settings(frozen=("backbone",))) is None
    assert cut_of(unit(), Settings(frozen=FROZEN, frozen_epochs=3)) is None
    assert cut_of(unit(), Settings(frozen=FROZEN)) is not None
    assert cut_of(unit(""), Settings(frozen=FROZEN)) is None


def test_what_is_trained_behind_a_frozen_front_is_the_rest():
    settings = Settings(frozen=FROZEN, rate_scales={"backbone": 0.1, "classifier": 2.0})
    whole = unit()
    part = trained_part(whole, settings, None)
    assert part.from_front
    assert len(part.model.weights) == 2
    assert part.settings.frozen == ()
    assert part.settings.rate_scales == {"classifier": 2.0}
    faces_change = Augmentation(noise_share=0.0)
    part = trained_part(whole, settings, faces_change)
    assert not part.from_front
    assert part.model is whole.model
    assert part.settings == settings
    with pytest.raises(UsageError, match="no layer 'head'"):
        trained_part(whole, dataclasses.replace(settings, frozen=(*FROZEN, "head")), None)


def test_a_stage_that_trains_some_layers_alone_never_thaws_the_others():
    whole = unit()
    stage = dataclasses.replace(whole.stage, learns=("classifier",))
    few, settings = Unit(stage, whole.streams, whole.model), Settings(frozen_epochs=3)
    assert cut_of(few, settings) is not None
    part = trained_part(few, settings, Augmentation())
    assert part.model is whole.model
    assert set(FROZEN) <= set(part.settings.frozen)
    assert part.settings.frozen_epochs == 0


def test_a_stage_that_is_still_names_what_is_computed_once():
    with pytest.raises(ValueError, match="stage head: is still, and has no front"):
        Learn("head", "", still=True)


def test_sound_is_still_where_only_copies_are_made():
    speech, faces = (
        SimpleNamespace(stage=Learn(s, ""), inputs=inputs_of([s]), model=SimpleNamespace(layers=[]))
        for s in ("speech", "faces")
    )
    copies = Augmentation(noise_share=0.0, copies=("pitch",))
    assert is_still(speech, copies)
    assert is_still(speech, None)
    assert not is_still(faces, copies)
    assert not is_still(speech, Augmentation())
    assert not is_still(speech, Augmentation(noise_share=0.0, sound_shift_s=0.1))
    assert not is_still(faces, Augmentation(rotation_degrees=0.0, flip=0.0, brightness=0.0,
                                            contrast=0.0, scale=0.0, shift=0.0, frame_jitter=0.5))  # fmt: skip
