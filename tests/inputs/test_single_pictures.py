"""Batches of single pictures: the same picture as the general pipeline gives, and a given division."""

import cv2
import numpy as np
import pytest
import tensorflow as tf

from emotionnet.clips.records import Records
from emotionnet.corpora.manifest import ManifestRow
from emotionnet.errors import UsageError
from emotionnet.inputs.augment import Augmentation, augment_faces
from emotionnet.inputs.opening import open_source
from emotionnet.inputs.pictures import DRAWS, erased, vary
from emotionnet.inputs.protocols import split_rows
from emotionnet.inputs.views import View
from emotionnet.prepare import prepare

INPUTS = ("faces", "frame_mask")


def face(seed: int, size: int = 48) -> np.ndarray:
    noise = np.random.default_rng(seed).uniform(0, 255, (6, 6)).astype(np.float32)
    return np.clip(cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC), 0, 255).astype(
        np.uint8
    )


def row(clip: str, emotion: str, repetition: str = "") -> ManifestRow:
    return ManifestRow(clip, "fer2013", emotion, repetition=repetition or clip)


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    root = tmp_path_factory.mktemp("fer2013")
    for part, count in (("train", 12), ("test", 4)):
        for i in range(count):
            path = root / part / ("happy" if i % 2 else "sad") / f"{i}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), face(i + 100 * (part == "test")))
    out = tmp_path_factory.mktemp("out") / "records"
    return Records.open(prepare("fer2013", root, out))


@pytest.mark.parametrize("draw", range(4))
def test_varied_as_the_general_pipeline_does(draw):
    draws = np.random.default_rng(draw).uniform(-1, 1, DRAWS)
    strength = Augmentation(rotation_degrees=15, shift=0.1, scale=0.2, flip=0.5)
    picture = face(draw)
    ours = vary(picture, 48, draws, strength)
    faces = tf.constant(np.repeat(picture[None, ..., None], 3, -1))
    theirs = augment_faces(faces, tf.constant(draws[:7], tf.float32), strength)[0, ..., 0].numpy()
    difference = np.abs(ours.astype(int) - theirs.astype(int))
    # OpenCV places samples to a 32nd of a pixel.
    assert np.percentile(difference, 99) <= 4


def test_without_strength_nothing_moves():
    none = Augmentation(
        rotation_degrees=0, flip=0, scale=0, shift=0, brightness=0, contrast=0, erase_share=0
    )
    picture = face(0)
    draws = np.full(DRAWS, 0.7)
    np.testing.assert_array_equal(vary(picture, 48, draws, none), picture)
    larger = cv2.resize(picture, (96, 96), interpolation=cv2.INTER_LINEAR)
    assert np.abs(vary(picture, 96, draws, none).astype(int) - larger).max() <= 2


def test_erasing_takes_a_rectangle_of_the_size_asked_for():
    rng = np.random.default_rng(0)
    for _ in range(200):
        top, left, bottom, right = erased(64, rng.uniform(-1, 1, 4), 0.2)
        assert 0 <= top < bottom <= 64
        assert 0 <= left < right <= 64
        assert 0.015 <= (bottom - top) * (right - left) / 64**2 <= 0.21
    flat = Augmentation(
        rotation_degrees=0, flip=0, scale=0, shift=0, brightness=0, contrast=0, erase_share=1
    )
    picture = face(1)
    changed = vary(picture, 48, np.zeros(DRAWS), flat) != picture
    assert 0.05 < changed.mean() < 0.15


def test_training_batches_show_the_clips_that_inference_shows(records):
    source = open_source(records, View(1, 64, 16000), ("happy", "sad"), INPUTS)
    order = {"batch_size": 4, "seed": 3, "epoch": 0}
    batches = list(source.training_batches(records.rows, **order))
    plain = next(iter(source.inference_batches(records.rows, 16)))
    seen = np.concatenate([inputs["faces"].numpy() for inputs, _ in batches])
    targets = np.concatenate([wanted.numpy() for _, wanted in batches])
    assert seen.shape == (16, 1, 64, 64, 3)
    assert targets.sum(0).tolist() == [8, 8]
    differences = np.abs(seen[:, None].astype(int) - plain["faces"].numpy()[None].astype(int))
    differences = differences.max(axis=(2, 3, 4, 5))
    # Each is one of the clips, to the rounding of two ways to enlarge it, and of the right emotion.
    assert differences.min(1).max() <= 2
    found = differences.argmin(1)
    assert sorted(found) == list(range(16))
    wanted = [["happy", "sad"].index(records.rows[i].emotion) for i in found]
    assert targets.argmax(1).tolist() == wanted


def test_an_epoch_can_be_taken_up_in_the_middle(records):
    source = open_source(records, View(1, 48, 16000), ("happy", "sad"), INPUTS)
    order = {"batch_size": 4, "seed": 3, "strength": Augmentation(erase_share=0.5)}
    whole = list(source.training_batches(records.rows, epoch=2, **order))
    rest = list(source.training_batches(records.rows, epoch=2, start_step=2, **order))
    assert len(rest) == len(whole) - 2
    for (a, _), (b, _) in zip(whole[2:], rest):
        np.testing.assert_array_equal(a["faces"], b["faces"])
    other = next(iter(source.training_batches(records.rows, epoch=3, **order)))
    assert (other[0]["faces"].numpy() != whole[0][0]["faces"].numpy()).any()


@pytest.mark.parametrize("inputs", [INPUTS, (*INPUTS, "waveform", "waveform_samples")])
def test_no_epoch_waits_for_the_tuner_at_its_end(records, inputs):
    source = open_source(records, View(1, 48, 16000), ("happy", "sad"), inputs)
    order = {"batch_size": 4, "seed": 3, "epoch": 0}
    for strength in (None, Augmentation()):
        batches = source.training_batches(records.rows, strength=strength, **order)
        assert batches.options().autotune.enabled is False
    kept = source.inference_batches(records.rows, 4, keep=True)
    assert kept.options().autotune.enabled is False
    assert records.dataset(records.rows).options().autotune.enabled is False


def test_given_division_keeps_copies_out_of_the_training():
    rows = [row(f"train/{e}/{i}", e) for e in ("happy", "sad") for i in range(40)]
    rows += [row("train/happy/copy", "happy", "train/happy/7")]
    rows += [row("train/sad/leak", "sad", "test/happy/0")]
    rows += [row(f"test/happy/{i}", "happy") for i in range(5)]
    rows += [row("private/sad/0", "sad")]
    for seed in range(5):
        split = split_rows(rows, "given", seed=seed)
        assert len(split.test) == 5
        assert len(split.train) + len(split.validation) == 81
        assert "train/sad/leak" not in {r.clip for r in (*split.train, *split.validation)}
        assert sorted(r.emotion for r in split.validation).count("sad") == 4
        part = [{r.clip for r in p} for p in (split.train, split.validation)]
        assert any({"train/happy/copy", "train/happy/7"} <= p for p in part)
    assert "1 training clips that are byte-identical" in split.description
    assert "1 clips of private stay aside" in split.description
    assert not split_rows(rows, "given", validation=False).validation


def test_given_division_needs_a_corpus_that_brings_one():
    rows = [
        ManifestRow(f"{e}{i}", "ravdess", e, actor="1") for e in ("sad", "happy") for i in range(4)
    ]
    with pytest.raises(UsageError, match="brings no division"):
        split_rows(rows, "given")
    with pytest.raises(UsageError, match="--records"):
        split_rows([row(f"test/{e}/1", e) for e in ("happy", "sad")], "given")
