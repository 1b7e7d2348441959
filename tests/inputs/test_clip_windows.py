"""Windows of a clip are those that a view gives of its record, to the bit."""

import dataclasses

import cv2
import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from tiny_run import make_clip  # noqa: E402

from emotionnet.clips.fields.field import FieldValues  # noqa: E402
from emotionnet.clips.records import parse, parsed_of, serialize  # noqa: E402
from emotionnet.inputs.clip_windows import clip_seconds, clip_windows, decode_face  # noqa: E402
from emotionnet.inputs.views import View  # noqa: E402


def same(clip, view, starts_s, points=None):
    parsed = parse(tf.constant(serialize(clip)))
    if points is not None:
        parsed |= {"landmarks68": points.values, "landmarks68_times_s": points.times_s}
    unrecorded = parsed_of(clip, {"landmarks68": points} if points else {})
    found = clip_windows(clip, view, starts_s, points)
    assert set(found) == set(view.inputs)
    for i, start_s in enumerate(starts_s):
        viewed = view(unrecorded, start_s)
        for name, wanted in view(parsed, start_s).items():
            np.testing.assert_array_equal(found[name][i], wanted, err_msg=name)
            np.testing.assert_array_equal(viewed[name], wanted, err_msg=name)


@pytest.mark.parametrize("seed", range(12))
def test_they_are_those_of_the_record(seed):
    rng = np.random.default_rng(seed)
    clip, number = make_clip("a", seed=seed), rng.integers(0, 30)
    fps = rng.choice([4, 12, 25, 29.97, 60])
    times_s = (rng.choice([0, 0.4]) + np.arange(number) / fps).astype(np.float32)
    faces = [clip.faces[i % 8] if rng.random() < 0.7 else b"" for i in range(number)]
    sound = rng.integers(-900, 900, rng.choice([0, 9000, 30000])).astype(np.int16)
    known = rng.random((number, 1, 1)) < 0.7
    values = np.where(known, rng.random((number, 68, 2)), np.nan).astype(np.float32)
    clip = dataclasses.replace(
        clip, times_s=times_s, faces=faces, waveform=sound,
        boxes=np.zeros((number, 4), np.float32), landmarks=np.zeros((number, 5, 2), np.float32),
    )  # fmt: skip
    view = View(
        frames=int(rng.integers(1, 9)),
        image_size=32,
        samples=int(rng.integers(4000, 32000)),
        frame_hz=float(rng.choice([0, 25])),
        landmarks=int(rng.integers(0, 9)),
        skip_frames=int(rng.choice([0, 3])),
    )
    points = FieldValues(times_s, values) if view.landmarks else None
    same(clip, view, [0.0, *rng.uniform(0, 1, 2)], points)
    assert clip_seconds(clip) == pytest.approx(clip.seconds, abs=0.04)


def test_sound_alone_and_landmarks_that_nobody_added():
    clip = make_clip("a", faces=False, seed=1)
    clip = dataclasses.replace(clip, times_s=np.zeros(0, np.float32), faces=[])
    view = View(frames=2, image_size=32, samples=4000, landmarks=2)
    same(clip, view, [0.0, 0.21234, 0.55, 0.7])


def test_a_window_of_silence_has_no_sound():
    loud = np.random.default_rng(0).integers(-9000, 9000, 16000).astype(np.int16)
    waveform = np.concatenate([loud, np.zeros(32000, np.int16), loud])
    clip = dataclasses.replace(make_clip("a"), waveform=waveform)
    view = View(frames=1, image_size=32, samples=16000)
    same(clip, view, [0.0, 0.5, 1.5])
    assert clip_windows(clip, view, [0.5, 1.5])["waveform_samples"].tolist() == [16000, 0]
    assert int(view(parse(tf.constant(serialize(clip))))["waveform_samples"]) == 0


@pytest.mark.parametrize("side", [224, 48])
@pytest.mark.parametrize("size", [224, 112, 96, 64, 48])
def test_faces_are_decoded_alike(side, size):
    picture = np.random.default_rng(0).integers(0, 256, (side, side, 3)).astype(np.uint8)
    jpeg = cv2.imencode(".jpg", cv2.GaussianBlur(picture, (0, 0), 2))[1].tobytes()
    wanted = View(1, size, 16000).decode(tf.constant(jpeg)).numpy()
    far = np.abs(decode_face(jpeg, size).astype(int) - wanted)
    # Where a picture is made larger, halves may be rounded the other way.
    assert far.max() <= (side < size)
    assert (far > 0).mean() < 0.01
