import numpy as np
import pytest

from emotionnet.clips.crop import CROP_SIZE, crop_box, crop_face

#: Left eye, right eye, nose, left and right mouth corner of a face that looks ahead.
FACE = np.array([[100, 100], [160, 100], [130, 135], [108, 166], [152, 166]], float)


def test_the_box_of_a_face_that_looks_ahead_follows_the_distance_of_the_eyes():
    # scale 60 (0.8 * 66 = 52.8 is less): centre 36 below the eyes, side 180
    assert crop_box(FACE) == pytest.approx((130, 136, 180))


def test_opening_the_mouth_changes_nothing():
    opened = FACE + np.array([[0, 0], [0, 0], [0, 0], [3, 9], [-3, 9]])
    assert crop_box(opened) == pytest.approx(crop_box(FACE))


def test_turning_the_head_hardly_changes_the_side():
    turned = FACE.copy()
    turned[:, 0] = 130 + 0.6 * (turned[:, 0] - 130)
    assert crop_box(turned)[2] == pytest.approx(0.8 * 66 * 3)
    nodding = FACE.copy()
    nodding[:, 1] = 100 + 0.6 * (nodding[:, 1] - 100)
    assert crop_box(nodding)[2] == pytest.approx(180)


@pytest.mark.parametrize("degrees", [-40, 15, 90])
def test_the_box_moves_grows_and_turns_with_the_face(degrees):
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    x, y, side = crop_box(FACE)
    moved = crop_box(1.7 * FACE @ turn + [30, -20])
    assert moved[:2] == pytest.approx(tuple(1.7 * np.array([x, y]) @ turn + [30, -20]))
    assert moved[2] == pytest.approx(1.7 * side)


def test_landmarks_on_one_spot_give_a_box_all_the_same():
    picture = np.full((50, 50, 3), 9, np.uint8)
    assert (crop_face(picture, np.full((5, 2), 25.0)) == 9).all()


def test_reduction_is_the_average_of_the_area():
    picture = np.random.default_rng(0).integers(0, 256, (400, 400, 3)).astype(np.uint8)
    # side 180: left 130 - 89.5 = 40.5 -> 40, top 136 - 89.5 = 46.5 -> 46
    square = picture[46:226, 40:220].astype(float)
    wanted = square.reshape(60, 3, 60, 3, 3).mean(axis=(1, 3))
    assert np.abs(crop_face(picture, FACE, size=60).astype(float) - wanted).max() <= 0.51


def test_enlarging_is_bilinear_with_centres_aligned():
    ramp = np.repeat(np.arange(200, dtype=np.uint8)[None, :, None], 200, 0).repeat(3, 2)
    small = 130 + (FACE - 130) / 3  # side 60
    crop = crop_face(ramp, small, size=120)
    left = round(crop_box(small)[0] - 59 / 2)
    wanted = np.clip(left + (np.arange(120) + 0.5) / 2 - 0.5, left, left + 59)
    assert np.abs(crop[60, :, 0] - wanted).max() <= 0.51


def test_what_lies_outside_the_picture_is_black():
    picture = np.full((170, 170, 3), 200, np.uint8)
    crop = crop_face(picture, FACE)  # x 40 to 220, y 46 to 226
    edge = round((170 - 40) / 180 * CROP_SIZE)
    assert crop.shape == (224, 224, 3)
    assert (crop[:100, : edge - 2] == 200).all()
    assert (crop[:, edge + 2 :] == 0).all()
    assert (crop_face(picture, FACE + 1000) == 0).all()


def test_upright_levels_the_eyes_and_is_off_by_default():
    picture = np.zeros((300, 300, 3), np.uint8)
    angle = np.radians(20)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    tilted = (FACE - 130) @ turn + 150
    for x, y in tilted[:2].round().astype(int):
        picture[y - 4 : y + 5, x - 4 : x + 5] = 255

    def eye_heights(crop):
        halves = crop[:, :112, 0].astype(float), crop[:, 112:, 0].astype(float)
        return [(half.sum(1) @ np.arange(224)) / half.sum() for half in halves]

    left, right = eye_heights(crop_face(picture, tilted))
    assert abs(left - right) > 20
    left, right = eye_heights(crop_face(picture, tilted, upright=True))
    assert abs(left - right) < 2
