"""Batches from a cache: as those from the records, and augmented alike by other draws."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_run import LABELS, make_clip, write_records

from emotionnet.errors import UsageError
from emotionnet.inputs import array_augment, augment
from emotionnet.inputs.augmentation import Augmentation
from emotionnet.inputs.cache_writer import write_cache
from emotionnet.inputs.opening import open_clips, open_source
from emotionnet.inputs.pictures import DRAWS, vary
from emotionnet.inputs.views import View

VIEW = View(frames=2, image_size=32, samples=16000)
ORDER = {"batch_size": 4, "seed": 5, "epoch": 1}


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    clips = [
        make_clip(f"{i:02d}", LABELS[i % 3], f"{i % 4}", seed=i, faces=i != 1, sound=i != 2)
        for i in range(11)
    ]
    return write_records(tmp_path_factory.mktemp("arrays") / "records", clips)


@pytest.fixture(scope="module")
def cache(records, tmp_path_factory):
    return write_cache(records, VIEW, tmp_path_factory.mktemp("arrays") / "cache")


def same(one, other):
    assert list(one) == list(other)
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def test_batches_are_those_of_the_records(records, cache):
    from_records, from_cache = (open_source(r, VIEW, LABELS) for r in (records, cache))
    there = list(from_records.training_batches(records.rows, **ORDER, start_step=1))
    here = list(from_cache.training_batches(cache.rows, **ORDER, start_step=1))
    assert len(here) == len(there) == 2
    for (inputs, targets), (wanted, wanted_targets) in zip(here, there):
        same(inputs, wanted)
        np.testing.assert_array_equal(targets, wanted_targets)
    there = list(from_records.inference_batches(records.rows, 4))
    here = from_cache.inference_batches(cache.rows, 4, keep=True)
    for _ in range(2):  # as often as it is gone through
        for inputs, wanted in zip(here, there, strict=True):
            same(inputs, wanted)


def test_augmented_batches_are_a_function_of_seed_epoch_and_clip(cache):
    source = open_source(cache, VIEW, LABELS)
    strength = Augmentation(noise_share=1.0, sound_shift_s=0.01, modality_dropout=0.3)
    whole = list(source.training_batches(cache.rows, **ORDER, strength=strength))
    rest = list(source.training_batches(cache.rows, **ORDER, start_step=2, strength=strength))
    for (inputs, _), (wanted, _) in zip(rest, whole[2:], strict=True):
        same(inputs, wanted)
    # A batch is made by its number alone, by whatever worker, as Keras's own training asks for it.
    batches = source.training_batches(cache.rows, **ORDER, strength=strength)
    assert isinstance(batches, keras.utils.PyDataset)
    same(batches[1][0], whole[1][0])
    clip = cache.inputs(cache.rows[:1], source.inputs)
    clip = {name: values[0] for name, values in clip.items()}
    drawn = [
        array_augment.augment(clip, array_augment.clip_generator(*key), strength)["waveform"]
        for key in ((0, 0, "a"), (0, 0, "a"), (1, 0, "a"), (0, 1, "a"), (0, 0, "b"))
    ]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert all(not np.array_equal(drawn[0], other) for other in drawn[2:])


@pytest.mark.parametrize("draw", range(3))
def test_each_change_is_that_of_the_general_pipeline(draw):
    rng = np.random.default_rng(draw)
    strength = Augmentation(rotation_degrees=15, shift=0.1, scale=0.2, noise_share=0.9)
    noise = rng.uniform(0, 255, (3, 6, 6, 3)).astype(np.uint8)
    faces = tf.cast(tf.round(tf.image.resize(noise, (48, 48), "bicubic")), tf.int32)
    faces = np.clip(faces, 0, 255).astype(np.uint8)
    draws = rng.uniform(-1, 1, DRAWS)
    theirs = augment.augment_faces(tf.constant(faces), tf.constant(draws[:7], tf.float32), strength)
    difference = np.abs(vary(faces, 48, draws, strength).astype(int) - theirs.numpy().astype(int))
    # OpenCV places samples to a 32nd of a pixel.
    assert np.percentile(difference, 99) <= 4

    sound = np.r_[rng.normal(size=800), np.zeros(200)].astype(np.float32)
    for shift_s in (-0.07, -0.01, 0.0, 0.02):
        np.testing.assert_array_equal(
            array_augment.shift_sound(sound, 800, shift_s),
            augment.shift_sound(tf.constant(sound), tf.constant(800), tf.constant(shift_s)),
        )
    white, two = rng.normal(size=1000).astype(np.float32), rng.uniform(-1, 1, 2)
    np.testing.assert_allclose(
        array_augment.add_noise(sound, 800, white, two, strength),
        augment.add_noise(
            tf.constant(sound), tf.constant(800), white, tf.constant(two, tf.float32), strength
        ),
        atol=1e-6,
    )
    for mask, samples in (([1, 0], 5), ([0, 0], 5), ([1, 1], 0)):
        clip = {"frame_mask": np.float32(mask), "waveform_samples": np.int32(samples)}
        tensors = {name: tf.constant(value) for name, value in clip.items()}
        for chance in ((0.1, 0.2), (0.1, 0.8), (0.9, 0.2)):
            ours = clip | array_augment.drop_modality(clip, np.array(chance), 0.5)
            same(ours, augment.drop_modality(tensors, tf.constant(chance), 0.5))


def test_a_single_picture_may_lose_a_rectangle_and_a_clip_may_not():
    still = Augmentation(0, 0, 0, 0, 0, 0, erase_share=1.0)
    faces = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.uint8)
    draws = np.zeros(DRAWS)
    np.testing.assert_array_equal(vary(faces, 32, draws, still), faces)
    assert (vary(faces[:1], 32, draws, still) != faces[:1]).any()
    draw = array_augment.clip_generator(0, 0, "clip")
    assert (array_augment.augment({"faces": faces[:1]}, draw, still)["faces"] != faces[:1]).any()
    assert still.changes(["faces"])


def test_one_stream_needs_the_room_of_one(records, tmp_path):
    speech = write_cache(records, VIEW, tmp_path / "speech", ["speech"])
    assert not (tmp_path / "speech" / "faces.npy").exists()
    (whole,) = open_source(records, VIEW, LABELS).inference_batches(records.rows, 16)
    (batch,) = open_source(speech, VIEW, LABELS).inference_batches(speech.rows, 16)
    np.testing.assert_array_equal(batch["waveform"], whole["waveform"])
    # What a clip has is reported all the same; the pixels are black.
    np.testing.assert_array_equal(batch["frame_mask"], whole["frame_mask"])
    assert not batch["faces"].any()
    with pytest.raises(UsageError, match="a cache of speech alone"):
        speech.check_streams(["faces", "speech"])
    with pytest.raises(UsageError, match="a cache of speech alone"):
        write_cache(records, VIEW, tmp_path / "speech")


def test_it_holds_copies_of_the_sound(records, tmp_path, cache):
    kinds = ("noise20", "noise10")
    holds = write_cache(records, VIEW, tmp_path / "cache", ["speech"], kinds)
    assert open_clips(tmp_path / "cache").copied == holds.copied
    inputs = ("waveform", "waveform_samples")
    from_records, from_cache = (open_source(r, VIEW, LABELS, inputs) for r in (records, holds))
    sounding = [row for row in records.rows if row.samples > 0][:3]
    copies = [source.copies(sounding, kinds) for source in (from_records, from_cache)]
    assert [row.clip for row in copies[0]] == [row.clip for row in copies[1]]
    (wanted,) = from_records.inference_batches([sounding[0], *copies[0]], 16)
    (found,) = from_cache.inference_batches([sounding[0], *copies[1]], 16)
    same(found, wanted)
    # Classes that are merged name a crowd's votes anew, and the copies' too.
    voted = [dataclasses.replace(row, votes='{"sad": 1, "happy": 3}') for row in sounding]
    for source in (from_records, from_cache):
        made = source.copies(voted, kinds)
        expected = np.repeat([[0, 0.75, 0.25]], len(made), 0)
        np.testing.assert_array_equal(source.training_targets(made), expected)
    with pytest.raises(UsageError, match="no copies of the sound of kind pitch"):
        from_cache.copies(sounding, ["pitch"])
    with pytest.raises(UsageError, match="no copies"):
        open_source(cache, VIEW, LABELS).copies(sounding, kinds)


def test_what_a_cache_cannot_give_is_said(records, cache, tmp_path, monkeypatch):
    with pytest.raises(UsageError, match=r"2 faces of 32 px.*3 faces of 32 px"):
        open_source(cache, dataclasses.replace(VIEW, frames=3), LABELS)
    jitter = Augmentation(frame_jitter=1.0)
    with pytest.raises(UsageError, match="frame_jitter=0"):
        open_source(cache, VIEW, LABELS).check(jitter)
    sound = ("waveform", "waveform_samples")
    open_source(cache, VIEW, LABELS, sound).check(jitter)
    with pytest.raises(UsageError, match="frame_jitter=0"):
        open_source(cache, VIEW, LABELS, (*sound, "moves")).check(jitter)
    open_source(records, VIEW, LABELS).check(jitter)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(Exception, match="GB are free"):
        write_cache(records, VIEW, tmp_path / "full")
    assert not (tmp_path / "full").exists()


def test_another_backend_gets_arrays_from_records(records, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    source = open_source(records, VIEW, LABELS)
    batches = source.inference_batches(records.rows, 16, keep=True)
    for _ in range(2):
        (batch,) = batches
        assert {type(values) for values in batch.values()} == {np.ndarray}
    (inputs, targets), *_ = source.training_batches(records.rows, **ORDER)
    assert {type(values) for values in (*inputs.values(), targets)} == {np.ndarray}
