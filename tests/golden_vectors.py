"""What the crop and the picking of frames must give in every language: cases and Python's own results."""

import itertools
from functools import cache

import cv2
import numpy as np

from emotionnet.clips.crop import crop_box, crop_face

#: Sides of squares that are brought to `SIZE` pixels: smaller, equal, larger.
SIDES = (3, 11, 16, 17, 24, 40, 64, 97)
SIZE = 16


def squares():
    """Pairs of landmarks (5, 2) and the whole square around them: left, top, side."""
    random = np.random.default_rng(0)
    faces = [random.normal(0, 60, (5, 2)) + random.uniform(0, 1500, 2) for _ in range(300)]
    # Halves and degenerate faces: everything in one point; eyes level; mouth on the eyes.
    faces += [np.full((5, 2), 7.5), np.array([[10, 10], [12.5, 10], [0, 0], [10, 12], [12.5, 12]])]
    faces += [np.array([[0, 0], [n, 0], [0, 0], [0, n], [n, n]]) / 2.0 for n in range(1, 40)]
    return [(face, whole_square(face)) for face in faces]


def whole_square(landmarks):
    """Rule 5 on the square of `crop_box`."""
    x, y, side = crop_box(landmarks)
    side = max(2, round(side))
    return round(x - (side - 1) / 2), round(y - (side - 1) / 2), side


def picture():
    """(48, 64, 3) uint8."""
    random = np.random.default_rng(1)
    return cv2.GaussianBlur(random.integers(0, 256, (48, 64, 3)).astype(np.uint8), (0, 0), 1.0)


def crops(side):
    """Squares of this side in `picture`, some reaching outside, and the faces cut out of them."""
    # Level eyes at distance side / 3 with the mouth so close that the eyes set the scale.
    for x, y in itertools.product((-5.0, 20.0, 60.0), (4.0, 30.0)):
        points = np.array([[x, y], [x + side / 3, y], [0, 0], [x, y + 1], [x + side / 3, y + 1]])
        square = whole_square(points)
        assert square[2] == side
        yield square, crop_face(picture(), points, size=SIZE)


def check_crop(ours, theirs):
    """OpenCV calculates in fixed point: half-way values may fall on either side."""
    assert np.abs(ours.astype(int) - theirs).max() <= 1
    assert np.mean(ours != theirs) < 0.25


@cache
def picks(frame_hz=0.0):
    """Cases: segments, times of the frames, which have a face, end; and the frame of each segment."""
    from emotionnet.inputs.views import View

    jpegs = [cv2.imencode(".jpg", np.full((8, 8, 3), 4 * i, np.uint8))[1].tobytes()
             for i in range(60)]  # fmt: skip
    random = np.random.default_rng(1)
    cases = []
    for segments, n in itertools.product((1, 3, 15), (1, 2, 7, 31, 60)):
        for jitter, kept in ((0.0, 1.0), (0.012, 0.7), (0.0, 0.3)):
            times = np.arange(n) / 12 + random.uniform(0, jitter, n)
            times = times.astype(np.float32).astype(float)
            has = random.random(n) < kept
            parsed = {
                "jpegs": np.array([jpegs[i] if has[i] else b"" for i in range(n)], object),
                "times_s": times.astype(np.float32),
                "waveform": np.zeros(16000 * 4, np.float32),
            }
            viewed = View(frames=segments, image_size=8, samples=16000 * 6, frame_hz=frame_hz)(
                parsed
            )
            levels = np.asarray(viewed["faces"]).mean(axis=(1, 2, 3))
            mask = np.asarray(viewed["frame_mask"])
            picked = [round(v / 4) if m else -1 for v, m in zip(levels, mask)]
            end = max(4.0, float(times[-1] + (times[-1] - times[0]) / max(1, n - 1)))
            cases.append((segments, times.tolist(), has.tolist(), end, picked))
    return cases
