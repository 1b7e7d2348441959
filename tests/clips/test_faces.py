"""Following with a detector that is given where the faces are, then with MTCNN on drawn faces."""

import numpy as np
import pytest
from scenes import MAN, WOMAN, scene

from emotionnet.clips import faces as following
from emotionnet.clips.crop import crop_box
from emotionnet.clips.decode import read_frames
from emotionnet.clips.detect import Detector, Face
from emotionnet.clips.faces import FaceFinder, smooth
from emotionnet.clips.frame import Frame
from emotionnet.corpora.media import write_clip

POINTS = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]])


def face(x, y, side, confidence=0.99):
    corner = np.array([x - side / 2, y - side / 2], float)
    return Face(np.append(corner, [side, side]), corner + side * POINTS, confidence)


class Shot:
    """Stands for a `Frame`: its picture is the frame itself, and how much it was reduced."""

    def __init__(self, time_s, truth, size=(720, 1280)):
        self.time_s, self.truth, self.size = time_s, truth, size
        self.buffer_bytes = 1_000_000

    def picture(self, long_side=None):
        scale = 1.0 if long_side is None else min(1.0, long_side / max(self.size))
        return Reduced(self, scale)


class Reduced(np.ndarray):
    def __new__(cls, shot, scale):
        new = np.empty(0).view(cls)
        new.shot, new.scale = shot, scale
        return new


class Oracle(Detector):
    """Finds the true faces of at least 20 px by searching, and those near the box by looking."""

    def __init__(self):
        self.searched = []

    def detect(self, pictures):
        self.searched += [(p.shot.time_s, p.scale) for p in pictures]
        true = [[f.scaled(p.scale) for f in p.shot.truth] for p in pictures]
        return [[f for f in found if f.side >= 20] for found in true]

    def refine(self, pictures, boxes):
        found = []
        for picture, box in zip(pictures, boxes):
            true = [f.scaled(picture.scale) for f in picture.shot.truth]
            centre = box[:2] + box[2:] / 2
            near = [f for f in true if np.linalg.norm(f.centre - centre) < 0.5 * box[2]]
            found.append(near[0] if near else None)
        return found


def follow(truth, rate=30, company=None, **kwargs):
    """Where the face is in each frame (None: nowhere), and the detector."""
    oracle = Oracle()
    shots = (Shot(i / rate, faces, **kwargs) for i, faces in enumerate(truth))
    found = [f for _, f in FaceFinder(oracle).follow(shots, company)]
    return [None if f is None else f.centre for f in found], oracle


def boxes_of(found, side, rate=30):
    """Times and boxes of a person, as a clip keeps them."""
    corners = [(np.nan,) * 2 if f is None else f - side / 2 for f in found]
    boxes = np.column_stack([np.array(corners, float), np.full((len(found), 2), side)])
    return np.arange(len(found)) / rate, boxes


def test_a_moving_face_is_found_in_every_frame_with_two_searches_a_second():
    path = [face(200 + 4 * i, 300 + 40 * np.sin(i / 20), 250) for i in range(150)]
    found, oracle = follow([[f] for f in path])
    error = [np.linalg.norm(f - p.centre) for f, p in zip(found, path)]
    assert max(error[3:-3]) < 1
    assert len(oracle.searched) <= 12
    assert {round(scale, 3) for _, scale in oracle.searched} == {0.25}


def test_a_quick_move_between_key_frames_is_followed():
    x = np.interp(np.arange(60), [0, 18, 26, 60], [300, 300, 700, 700])
    found, _ = follow([[face(v, 300, 250)] for v in x])
    assert all(f is not None for f in found)


def test_absence_is_told_frame_by_frame_and_the_face_found_again():
    here = [face(600, 300, 200)]
    truth = [here] * 40 + [[]] * 43 + [here] * 40
    found, _ = follow(truth)
    assert [f is not None for f in found[:80]] == [bool(t) for t in truth[:80]]
    # Found at the next key frame, and held back to where it appeared within the chunk.
    assert all(f is not None for f in found[98:])


def test_the_largest_and_most_central_face_is_chosen():
    corner, middle, small = face(150, 120, 210), face(640, 360, 200), face(800, 360, 90)
    found, _ = follow([[corner, small, middle]] * 10)
    np.testing.assert_allclose(found, [middle.centre] * 10)


def test_nobody_takes_the_place_of_a_person_who_is_away():
    her, him = face(500, 360, 220), face(800, 360, 200)
    found, _ = follow([[her, him]] * 35 + [[him]] * 60 + [[her, him]] * 35)
    assert all(f is None or f[0] == pytest.approx(500) for f in found)
    assert sum(f is not None for f in found) >= 60


def test_somebody_who_stays_alone_long_enough_is_followed_in_the_end():
    her, him = face(500, 360, 220), face(800, 360, 200)
    found, _ = follow([[her, him]] * 30 + [[him]] * 300)
    assert found[-1][0] == pytest.approx(800)
    assert all(f is None for f in found[30:170])


def test_two_people_who_cross_keep_their_names():
    truth = [[face(300 + 5 * i, 300, 200), face(900 - 5 * i, 420, 160)] for i in range(100)]
    found, _ = follow(truth)
    np.testing.assert_allclose([f[1] for f in found], 300, atol=1)


def test_other_people_are_counted():
    her, him, them = face(500, 360, 220), face(800, 360, 200), face(1100, 200, 100)
    for truth, others in (
        ([[her]] * 90, 0),
        ([[her, him]] * 90, 1),
        ([[her, him, them]] * 90, 2),
        ([[her, him]] * 20 + [[her]] * 400, 0),  # somebody walks by
        ([[her, face(505, 362, 210)]] * 90, 0),  # one face, found twice
        ([[]] * 90, 0),
        ([[her, him]], 1),
    ):
        company = following.Company()
        follow(truth, company=company)
        assert company.others == others


def test_each_of_several_people_is_followed_in_turn():
    people = [face(300, 360, 260), face(800, 360, 200), face(1100, 200, 120)]
    truth = [people[:2]] * 60 + [people] * 60
    before = []
    for person in people:
        found, _ = follow(truth, company=following.Company(before, one_person=True))
        seen = [f for f in found if f is not None]
        np.testing.assert_allclose(seen, [person.centre] * len(seen), atol=1)
        assert len(seen) >= (50 if person is people[2] else 115)
        before.append(boxes_of(found, person.side))
    found, _ = follow(truth, company=following.Company(before, one_person=True))
    assert not any(f is not None for f in found)


def test_people_who_cross_are_followed_apart():
    truth = [[face(300 + 5 * i, 300, 200), face(900 - 5 * i, 420, 160)] for i in range(100)]
    first, _ = follow(truth, company=following.Company(one_person=True))
    before = [boxes_of(first, 200)]
    second, _ = follow(truth, company=following.Company(before, one_person=True))
    assert {round(f[1]) for f in first if f is not None} == {300}
    assert {round(f[1]) for f in second if f is not None} == {420}


def test_a_track_of_one_person_ends_with_them():
    her, him = face(500, 360, 220), face(800, 360, 200)
    company = following.Company(one_person=True)
    found, _ = follow([[her, him]] * 30 + [[him]] * 300, company=company)
    assert all(f is None for f in found[30:])


def test_small_faces_are_searched_for_in_larger_pictures_and_only_then():
    found, oracle = follow([[face(900, 200, 40)]] * 45)
    assert all(f is not None for f in found)
    assert max(scale for _, scale in oracle.searched) == 1.0
    _, oracle = follow([[face(900, 200, 400)]] * 45)
    assert max(scale for _, scale in oracle.searched) == 0.25


def test_an_empty_picture_is_searched_deeply_less_and_less():
    _, oracle = follow([[]] * 900)
    deep = [time for time, scale in oracle.searched if scale == 1.0]
    assert 5 <= len(deep) <= 11
    assert max(deep) > 20


def test_slow_videos_are_searched_frame_by_frame_and_single_frames_too():
    found, oracle = follow([[face(600, 300, 200)]] * 7, rate=1)
    assert all(f is not None for f in found)
    assert len(oracle.searched) == 7
    found, _ = follow([[face(600, 300, 200)]])
    assert found[0] is not None
    assert follow([])[0] == []


def test_memory_is_bounded(monkeypatch):
    held, most = set(), [0]

    class Counted(Shot):
        def __init__(self, *args):
            super().__init__(*args)
            held.add(id(self))
            most[0] = max(most[0], len(held))

        def __del__(self):
            held.discard(id(self))

    shots = (Counted(i / 30, [face(600, 300, 200)]) for i in range(300))
    assert sum(1 for _ in FaceFinder(Oracle()).follow(shots)) == 300
    # One chunk is searched while the next one is decoded.
    assert most[0] <= 2 * following.CHUNK_FRAMES + 2 * following.SMOOTHING_FRAMES + 4
    monkeypatch.setattr(following, "CHUNK_BYTES", 5_000_000)
    most[0] = 0
    shots = (Counted(i / 30, [face(600, 300, 200)]) for i in range(300))
    assert sum(1 for _ in FaceFinder(Oracle()).follow(shots)) == 300
    assert most[0] <= 2 * 5 + 2 * following.SMOOTHING_FRAMES + 4


def test_smoothing_calms_jitter_and_keeps_slow_motion():
    rng = np.random.default_rng(0)
    steady = [face(300 + 3 * i, 200, 200) for i in range(90)]
    shaky = [Face(f.box, f.landmarks + rng.normal(0, 2, (5, 2)), 1.0) for f in steady]
    pairs = [(Shot(i / 30, []), f) for i, f in enumerate(shaky)]
    smoothed = [f for _, f in smooth(pairs)]

    def shake(found):
        return np.std([a.landmarks - b.landmarks for a, b in zip(found[4:-4], steady[4:-4])])

    assert shake(smoothed) < 0.65 * shake(shaky)
    np.testing.assert_allclose(smoothed[40].box, steady[40].box, atol=1e-6)


def test_smoothing_leaves_gaps_alone_and_never_reaches_across_seconds():
    seen = face(300, 200, 200)
    pairs = [(Shot(t, []), f) for t, f in ((0, seen), (0.03, None), (5, face(900, 200, 200)))]
    (_, a), (_, b), (_, c) = smooth(pairs)
    assert b is None
    np.testing.assert_allclose([a.centre[0], c.centre[0]], [300, 900])


# MTCNN itself, on drawn faces.


@pytest.fixture(scope="module")
def finder():
    return FaceFinder()


def found_in(path, finder):
    return [face for _, face in finder.follow(read_frames(path))]


def test_mtcnn_follows_a_drawn_face_and_keeps_to_it(tmp_path, finder):
    xs = np.linspace(90, 150, 30)
    path = write_clip(tmp_path / "a.mp4", [scene((WOMAN, (x, 90), 110)) for x in xs], 15)
    found = found_in(path, finder)
    assert all(found)
    # The landmarks sit on the face: the eyes above its middle, the mouth below, all moving along.
    eyes = np.array([f.landmarks[:2].mean(0) for f in found])
    mouth = np.array([f.landmarks[3:].mean(0) for f in found])
    np.testing.assert_allclose(eyes[:, 0], xs, atol=8)
    assert (eyes[:, 1] < mouth[:, 1] - 15).all()
    assert all(f.landmarks[0, 0] < f.landmarks[1, 0] for f in found)
    sides = np.array([crop_box(f.landmarks)[2] for f in found])
    assert sides.std() < 0.05 * sides.mean()


def test_mtcnn_keeps_to_the_larger_of_two_drawn_faces(tmp_path, finder):
    pictures = [
        scene((MAN, (90, 110), 150), (WOMAN, (270, 130), 90), size=(240, 360)) for _ in range(12)
    ]
    found = found_in(write_clip(tmp_path / "a.mp4", pictures, 12), finder)
    assert all(f is not None and f.centre[0] < 180 for f in found)


def test_mtcnn_tells_the_frames_without_a_face(tmp_path, finder):
    pictures = [scene(*([(WOMAN, (120, 90), 110)] if i < 12 else [])) for i in range(24)]
    found = found_in(write_clip(tmp_path / "a.mp4", pictures, 12), finder)
    assert all(found[:12])
    assert not any(found[13:])


def test_mtcnn_sees_no_face_in_a_wall_or_in_tiny_pictures(tmp_path, finder):
    wall = write_clip(tmp_path / "a.mp4", [scene() for _ in range(4)], 12)
    assert not any(found_in(wall, finder))
    tiny = write_clip(tmp_path / "b.mp4", [np.zeros((16, 16, 3), np.uint8)] * 4, 12)
    assert not any(found_in(tiny, finder))
    flat = write_clip(tmp_path / "c.mp4", [np.zeros((24, 300, 3), np.uint8)] * 4, 12)
    assert not any(found_in(flat, finder))


@pytest.mark.parametrize("width", [40, 60])
def test_mtcnn_finds_a_distant_face_in_a_720p_frame(tmp_path, finder, width):
    pictures = [scene((WOMAN, (900, 300), 1.3 * width), size=(720, 1280)) for _ in range(2)]
    found = found_in(write_clip(tmp_path / "a.mp4", pictures, 4), finder)
    assert all(f is not None and np.linalg.norm(f.centre - (900, 300)) < width / 2 for f in found)


def test_frames_of_pyav_are_what_is_followed(tmp_path):
    frame = next(read_frames(write_clip(tmp_path / "a.mp4", [scene()], 5)))
    assert isinstance(frame, Frame)
    assert frame.buffer_bytes >= 180 * 240 * 1.5
