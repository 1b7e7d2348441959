"""Faces in live pictures: found a segment at a time, as well as in a recording."""

import av
import numpy as np
import pytest

from emotionnet.clips.detect import Face
from emotionnet.clips.faces import FaceFinder, Follower
from emotionnet.clips.frame import Frame
from emotionnet.streaming.pictures import Pictures

SIZE = (240, 320)


class WhiteSquares:
    """Finds white squares instead of faces."""

    def __init__(self):
        self.searched = 0

    def detect(self, pictures):
        self.searched += len(pictures)
        return [[face] if (face := self._face(picture)) else [] for picture in pictures]

    def refine(self, pictures, boxes):
        return [self._face(picture) for picture in pictures]

    def _face(self, picture):
        rows, columns = np.nonzero(picture[..., 0] > 128)
        if not len(rows):
            return None
        x, y = columns.min(), rows.min()
        w, h = columns.max() + 1 - x, rows.max() + 1 - y
        points = np.array([[0.3, 0.35], [0.7, 0.35], [0.5, 0.55], [0.35, 0.75], [0.65, 0.75]])
        return Face(np.array([x, y, w, h], float), points * [w, h] + [x, y], 0.99)


def frame(time_s, left, shown=True):
    picture = np.zeros((*SIZE, 3), np.uint8)
    if shown:
        picture[80:160, left : left + 80] = 255
    return Frame(av.VideoFrame.from_ndarray(picture, format="rgb24"), time_s)


def scene(n=45, rate=30):
    return [frame(i / rate, 40 + 2 * i, shown=not 20 <= i < 26) for i in range(n)]


def test_a_live_stream_is_followed_as_a_recording_is():
    expected = [face for _, face in FaceFinder(WhiteSquares()).follow(scene())]
    detector = WhiteSquares()
    follower = Follower(FaceFinder(detector))
    frames, found = scene(), []
    for first in range(0, len(frames), 12):  # 0.4 s at a time
        found += follower.see(frames[first : first + 12])
    assert [face is None for face in found] == [face is None for face in expected]
    off = [
        np.abs(a.landmarks - b.landmarks).max() for a, b in zip(found, expected) if a is not None
    ]
    assert max(off) < 3.0  # pixels, of a face of 80: smoothing lacks what comes later
    assert detector.searched < 15  # and not in every frame


def test_the_face_nearest_to_the_centre_is_cropped():
    import cv2

    pictures = Pictures(FaceFinder(WhiteSquares()))
    for shown in scene(24):
        pictures.add_frame(shown)
    jpeg = pictures.pick(0.2, 0.4)
    crop = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert crop.shape == (224, 224, 3)
    assert crop[112, 112].min() > 200
    # The second segment has faces in its first half only (frames 12 to 19).
    assert pictures.pick(0.6, 0.4) is not None
    assert pictures.pick(0.735, 0.13) is None


def test_a_long_segment_keeps_no_pictures():
    pictures = Pictures(FaceFinder(WhiteSquares()))
    for i in range(200):
        pictures.add_frame(frame(i / 30, 100))
        assert len(pictures._new) <= 30
    held = [crop for _, crop in pictures._candidates]
    assert all(isinstance(crop(), bytes) for crop in held)
    assert pictures.pick(3.0, 6.0) is not None


@pytest.mark.parametrize("rate", [30.0, 29.97, 25.0, 10.0, 3.0])
def test_frames_are_picked_as_the_view_picks_them(rate):
    """Against the very function that training and prediction use, with faces missing at random."""
    import tensorflow as tf

    from emotionnet.inputs.views import View

    rng = np.random.default_rng(int(rate))
    for segments in (3, 5, 12):
        n = int(rng.integers(round(1.5 * rate), round(4 * rate)))
        times = np.arange(n) / rate
        has = rng.random(n) < 0.7
        names = [b"%d" % i if ok else b"" for i, ok in enumerate(has)]
        view = View(segments, 32, 16000 * 6)
        parsed = {
            "jpegs": tf.constant(names),
            "times_s": tf.constant(times.astype(np.float32)),
            "waveform": tf.zeros(0),
        }
        expected = picked_by_view(view, parsed)
        pictures = Pictures(FaceFinder(WhiteSquares()), memory_s=10)
        for time_s, name in zip(times, names):
            pictures.add_face(float(time_s), name or None)
        hop_s = n / rate / segments
        got = [pictures.pick((i + 0.5) * hop_s, hop_s) or b"" for i in range(segments)]
        assert got == expected


def picked_by_view(view, parsed):
    """The JPEGs that the view would decode."""
    import tensorflow as tf

    real, picked = tf.map_fn, []

    def note(decode, jpegs, **kwargs):
        picked.extend(jpegs.numpy().tolist())
        size = view.image_size
        return tf.zeros((len(jpegs), size, size, 3), tf.uint8)

    tf.map_fn = note
    try:
        view(parsed, tf.constant(0.0))
    finally:
        tf.map_fn = real
    return picked
