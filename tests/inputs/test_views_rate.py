"""Frames at a fixed rate, and landmarks from a side field."""

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from tiny_run import make_clip  # noqa: E402

from emotionnet.clips.records import parse, serialize  # noqa: E402
from emotionnet.inputs.views import View  # noqa: E402


@pytest.fixture
def parsed():
    """Eight faces, one every tenth of a second."""
    return parse(tf.constant(serialize(make_clip("x"))))


def test_a_fixed_rate_takes_the_frames_that_are_on_then_and_masks_what_lies_beyond(parsed):
    inputs = View(6, 32, 16000, frame_hz=5.0)(parsed)
    # Segments of 0.2 s: their centres fall between two frames, of which the first is taken.
    whole = View(8, 32, 12800)(parsed)["faces"].numpy()
    assert inputs["frame_mask"].numpy().tolist() == [1, 1, 1, 1, 0, 0]
    for i, frame in enumerate((0, 2, 4, 6)):
        np.testing.assert_array_equal(inputs["faces"][i], whole[frame])
    assert not inputs["faces"].numpy()[4:].any()
    later = View(2, 32, 4800, frame_hz=10.0)(parsed, start_s=0.4)
    np.testing.assert_array_equal(later["faces"], whole[4:6])


def test_zero_is_equal_segments_as_before(parsed):
    one, other = (View(3, 32, 16000, **rate)(parsed) for rate in ({}, {"frame_hz": 0.0}))
    np.testing.assert_array_equal(one["faces"], other["faces"])
    assert one["frame_mask"].numpy().all()


def test_first_frames_are_skipped_on_demand(parsed):
    whole = View(8, 32, 12800)(parsed)["faces"].numpy()
    skipped = View(3, 32, 12800, skip_frames=5)(parsed)
    assert skipped["frame_mask"].numpy().all()
    np.testing.assert_array_equal(skipped["faces"], whole[5:])


def test_landmarks_come_from_the_field_and_are_masked_without_it(parsed):
    view = View(2, 32, 16000, landmarks=4)
    assert view.inputs[-2:] == ("landmarks", "landmark_mask")
    none = view(parsed)
    assert not none["landmark_mask"].numpy().any()
    points = np.arange(8 * 68 * 2, dtype=np.float32).reshape(8, 68, 2)
    points[4:6] = np.nan
    times_s = parsed["times_s"]
    field = {"landmarks68": tf.constant(points), "landmarks68_times_s": times_s}
    found = view({**parsed, **field})
    assert found["landmark_mask"].numpy().tolist() == [1, 1, 0, 1]
    for i, frame in enumerate((0, 2, None, 6)):
        expected = np.zeros((68, 2)) if frame is None else points[frame]
        np.testing.assert_array_equal(found["landmarks"][i], expected)
    # A clip without a picture has the tables' own times.
    sound = {**parsed, "jpegs": parsed["jpegs"][:0], "times_s": times_s[:0]}
    alone = view({**sound, **field})
    assert alone["landmark_mask"].numpy().sum() == 3
    assert not alone["frame_mask"].numpy().any()


def test_mirrored_twice_is_as_before_and_left_becomes_right():
    from emotionnet.inputs.mirror import mirrored

    rng = np.random.default_rng(0)
    inputs = {
        "faces": rng.integers(0, 256, (2, 3, 4, 4, 3)).astype(np.uint8),
        "landmarks": rng.random((2, 3, 68, 2)).astype(np.float32),
        "landmark_mask": np.float32([[1, 1, 0], [1, 0, 0]]),
        "waveform": rng.random((2, 5)).astype(np.float32),
    }
    inputs["landmarks"] *= inputs["landmark_mask"][..., None, None]
    once = mirrored(inputs)
    np.testing.assert_array_equal(once["faces"][..., 0, :], inputs["faces"][..., -1, :])
    # The chin's first point is its last one in the mirror.
    np.testing.assert_allclose(once["landmarks"][0, 0, 0, 0], 1 - inputs["landmarks"][0, 0, 16, 0])
    np.testing.assert_allclose(once["landmarks"][0, 0, 0, 1], inputs["landmarks"][0, 0, 16, 1])
    assert not once["landmarks"][0, 2].any()
    for name, value in mirrored(once).items():
        np.testing.assert_allclose(value, inputs[name], atol=1e-6, err_msg=name)
