import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from emotionnet.inputs.augment import Augmentation, augment, clip_seed, drop_modality  # noqa: E402

ONLY = Augmentation(
    rotation_degrees=0, flip=0, brightness=0, contrast=0, scale=0, shift=0, noise_share=0,
    modality_dropout=0.4,
)  # fmt: skip


def one_clip(faces: bool = True, sound: bool = True) -> dict:
    return {
        "faces": tf.fill((3, 16, 16, 3), tf.constant(9, tf.uint8)),
        "frame_mask": tf.constant([1.0, 0.0, 1.0]) * float(faces),
        "waveform": tf.ones(100),
        "waveform_samples": tf.constant(80 * sound),
    }


def left(clip: dict, epoch: int, name: str, strength: Augmentation = ONLY) -> tuple[bool, bool]:
    """Whether faces, and whether sound, are left of a clip in an epoch."""
    out = augment(clip, clip_seed(0, epoch, tf.constant(name)), strength)
    assert {key: (v.shape, v.dtype) for key, v in out.items()} == {
        key: (v.shape, v.dtype) for key, v in clip.items()
    }
    return bool(tf.reduce_any(out["frame_mask"] > 0)), int(out["waveform_samples"]) > 0


def test_now_and_then_one_is_gone_and_never_both():
    draws = [left(one_clip(), epoch, f"c{i}") for epoch in range(10) for i in range(40)]
    count = {kind: draws.count(kind) / len(draws) for kind in set(draws)}
    assert set(count) == {(True, True), (True, False), (False, True)}
    assert count[True, True] == pytest.approx(0.6, abs=0.08)
    assert count[True, False] == pytest.approx(count[False, True], abs=0.08)


def test_it_is_a_function_of_seed_epoch_and_clip():
    draws = [[left(one_clip(), epoch, f"c{i}") for i in range(20)] for epoch in (0, 0, 1)]
    assert draws[0] == draws[1]
    assert draws[0] != draws[2]


@pytest.mark.parametrize(("faces", "sound"), [(True, False), (False, True)])
def test_the_only_one_stays(faces, sound):
    clip = one_clip(faces, sound)
    assert {left(clip, epoch, "c") for epoch in range(20)} == {(faces, sound)}


def test_what_is_dropped_is_masked_and_nothing_else_moves():
    clip = one_clip()
    blind = drop_modality(clip, tf.constant([0.0, 0.1]), 0.5)
    deaf = drop_modality(clip, tf.constant([0.0, 0.9]), 0.5)
    spared = drop_modality(clip, tf.constant([0.6, 0.1]), 0.5)
    assert (blind["frame_mask"].numpy().tolist(), int(blind["waveform_samples"])) == ([0, 0, 0], 80)
    assert (deaf["frame_mask"].numpy().tolist(), int(deaf["waveform_samples"])) == ([1, 0, 1], 0)
    for name, value in spared.items():
        np.testing.assert_array_equal(value, clip[name])


def test_a_stream_by_itself_never_loses_what_it_has():
    for names in (("faces", "frame_mask"), ("waveform", "waveform_samples")):
        clip = {name: one_clip()[name] for name in names}
        for epoch in range(10):
            out = augment(clip, clip_seed(0, epoch, tf.constant("c")), ONLY)
            np.testing.assert_array_equal(out[names[1]], clip[names[1]])
        assert not ONLY.changes(names)
    assert ONLY.changes(tuple(one_clip()))


@pytest.mark.parametrize("library", ["tensorflow", "numpy"])
def test_of_three_streams_one_alone_is_left(library):
    clip = one_clip() | {
        "landmarks": tf.ones((4, 68, 2)),
        "landmark_mask": tf.constant([0.0, 1, 1, 0]),
    }
    if library == "numpy":
        from emotionnet.inputs.array_augment import drop_modality as drop

        clip = {name: value.numpy() for name, value in clip.items()}
    else:
        drop = drop_modality
    found = []
    for which in (0.1, 0.5, 0.9):
        after = {**clip, **drop(clip, np.float32([0.1, which]), 0.5)}
        found.append([name for name in ("frame_mask", "waveform_samples", "landmark_mask")
                      if np.any(np.asarray(after[name]) > 0)])  # fmt: skip
    assert found == [["landmark_mask"], ["waveform_samples"], ["frame_mask"]]
    clip["frame_mask"] = clip["frame_mask"] * 0
    after = {**clip, **drop(clip, np.float32([0.1, 0.9]), 0.5)}
    assert int(after["waveform_samples"]) > 0  # the first of the two that there are
    assert not np.any(np.asarray(after["landmark_mask"]))
