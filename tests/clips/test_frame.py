"""Pictures look as a player shows them: upright, round, not mirrored, in everyday brightness."""

from fractions import Fraction

import cv2
import numpy as np
import pytest
from recordings import Film, record
from scenes import woman

from emotionnet.clips.decode import read_frames

#: Display matrices a, b, c, d, and what NumPy makes of the stored picture.
ORIENTATIONS = {
    "as it is": ((1, 0, 0, 1), lambda p: p),
    "mirrored": ((-1, 0, 0, 1), lambda p: p[:, ::-1]),
    "upside down": ((1, 0, 0, -1), lambda p: p[::-1]),
    "half a turn": ((-1, 0, 0, -1), lambda p: p[::-1, ::-1]),
    "clockwise": ((0, 1, -1, 0), lambda p: np.rot90(p, -1)),
    "counterclockwise": ((0, -1, 1, 0), lambda p: np.rot90(p)),
    "transposed": ((0, 1, 1, 0), lambda p: p.transpose(1, 0, 2)),
    "transposed the other way": ((0, -1, -1, 0), lambda p: np.rot90(p, 2).transpose(1, 0, 2)),
}


def first(path):
    return next(read_frames(path))


def difference(picture, wanted):
    return np.abs(picture.astype(float) - wanted).mean()


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_turned_and_mirrored_pictures_are_shown_as_the_matrix_says(tmp_path, name):
    matrix, shown = ORIENTATIONS[name]
    frame = first(record(tmp_path / "a.mp4", Film([woman()] * 2, matrix=matrix)))
    wanted = shown(woman())
    assert frame.size == wanted.shape[:2]
    assert difference(frame.picture(), wanted) < 4
    small = cv2.resize(wanted, (wanted.shape[1] // 2, wanted.shape[0] // 2))
    assert difference(frame.picture(max(wanted.shape) // 2), small) < 5


@pytest.mark.parametrize("aspect", [2, Fraction(16, 15), Fraction(8, 9), Fraction(1, 2)])
@pytest.mark.parametrize("turned", [False, True])
def test_pixels_that_are_not_square_are_drawn_out(tmp_path, aspect, turned):
    height, width = woman().shape[:2]
    # What a camera with such pixels stores, of a picture whose longer side they keep.
    across, down = (
        (round(width / aspect), height) if aspect > 1 else (width, round(height * aspect))
    )
    across, down = across // 2 * 2, down // 2 * 2
    stored = cv2.resize(woman(), (across, down), interpolation=cv2.INTER_AREA)
    matrix = (0, 1, -1, 0) if turned else None
    film = Film([stored] * 2, aspect=Fraction(aspect), matrix=matrix)
    frame = first(record(tmp_path / "a.mp4", film))
    wanted = cv2.resize(woman(), (round(across * max(aspect, 1)), round(down / min(aspect, 1))))
    wanted = np.rot90(wanted, -1) if turned else wanted
    assert frame.size == wanted.shape[:2]
    assert difference(frame.picture(), wanted) < 5
    assert max(frame.picture(100).shape) == 100


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_is_shown_as_its_exif_says(tmp_path, orientation):
    from test_picture_files import jpeg_of

    photograph = jpeg_of(woman()[..., ::-1], orientation)
    (tmp_path / "a.jpg").write_bytes(photograph)
    frame = first(tmp_path / "a.jpg")
    # OpenCV turns and mirrors by itself.
    wanted = cv2.imdecode(np.frombuffer(photograph, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert frame.size == wanted.shape[:2]
    assert difference(frame.picture(), wanted) < 4


def test_an_impossible_pixel_is_square(tmp_path):
    film = Film([woman()] * 2, aspect=Fraction(1, 200))
    assert first(record(tmp_path / "a.mp4", film)).size == (180, 240)


def pq(nits):
    power = (np.maximum(nits, 0) / 10000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def hlg(nits):
    """Through the inverse of the screen's overall gamma of 1.2, of 1000 cd/m² at most."""
    luminance = (nits @ [0.2627, 0.6780, 0.0593])[..., None]
    scene = nits / 1000 / np.maximum(luminance / 1000, 1e-6) ** (0.2 / 1.2)
    return np.where(
        scene <= 1 / 12,
        np.sqrt(3 * scene),
        0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-6)) + 0.55991073,
    )


def recorded(path, picture, transfer, white=203):
    """An everyday picture as an HDR camera records it."""
    to_bt2020 = [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]
    nits = white * (picture / 255) ** 2.4 @ np.transpose(to_bt2020)
    code = {16: pq, 18: hlg}[transfer](nits)
    stored = np.rint(np.clip(code, 0, 1) * 65535).astype(np.uint16)
    film = Film([stored] * 2, codec="ffv1", pixel_format="yuv444p10le", colours=(transfer, 9, 9))
    return record(path, film)


@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_pictures_look_as_everyday_ones(tmp_path, transfer):
    picture = np.minimum(woman(), 215)  # no brighter than what keeps its brightness
    path = recorded(tmp_path / "a.mkv", picture, transfer)
    notes = []
    frame = next(frames := read_frames(path, notes))
    assert difference(frame.picture(), picture) < 4
    half = cv2.resize(picture, (120, 90), interpolation=cv2.INTER_AREA)
    assert difference(frame.picture(120), half) < 5
    landmarks = np.array([[105, 80], [135, 80], [120, 95], [108, 112], [132, 112]], float)
    from emotionnet.clips.crop import crop_face

    crop = frame.face(landmarks)
    assert crop.dtype == np.uint8
    assert difference(crop, crop_face(frame.picture(), landmarks)) < 1.5
    list(frames)
    assert len(notes) == 1
    assert "HDR" in notes[0]


@pytest.mark.parametrize("transfer", [16, 18])
def test_what_is_brighter_than_paper_is_pressed_together_and_not_cut(tmp_path, transfer):
    steps = np.repeat(np.arange(16, 256, 16, np.uint8)[:, None], 16, axis=1).repeat(16, axis=0)
    picture = np.dstack([steps] * 3)
    shown = first(recorded(tmp_path / "a.mkv", picture, transfer, white=800)).picture()
    column = shown[8::16, 8].mean(axis=-1)
    assert (np.diff(column) > 0).all()
    assert 225 < column[-1] <= 255


def test_everyday_ten_bit_pictures_are_left_as_they_are(tmp_path):
    film = Film([woman()] * 2, codec="ffv1", pixel_format="yuv444p10le")
    notes = []
    frame = next(frames := read_frames(record(tmp_path / "a.mkv", film), notes))
    assert not frame.hdr
    assert difference(frame.picture(), woman()) < 4
    list(frames)
    assert notes == []
