"""Interest points against SciPy, and what must not change them."""

import numpy as np
import pytest
from scipy import ndimage

keras = pytest.importorskip("keras")

from emotionnet.errors import UsageError  # noqa: E402
from emotionnet.layers import CellHistogram, InterestPoints  # noqa: E402

SIZE = 32


def clip(frames=12, size=SIZE, seed=0) -> np.ndarray:
    """(frames, size, size, 3) uint8: soft noise at rest, in it a disc that comes and goes."""
    rng = np.random.default_rng(seed)
    still = ndimage.gaussian_filter(rng.normal(size=(size, size)), 2)
    y, x = np.mgrid[:size, :size]
    disc = np.exp(-((x - size / 2) ** 2 + (y - 0.6 * size) ** 2) / (size / 12) ** 2)
    blink = np.sin(np.arange(frames) * 0.9 + seed)
    grey = (
        128
        + 200 * still
        + 60 * blink[:, None, None] * disc
        + rng.normal(0, 2, (frames, size, size))
    )
    colour = grey[..., None] * [1.1, 1.0, 0.8]
    return np.clip(colour, 0, 255).astype(np.uint8)


def scipy_points(faces, oval=(0.40, 0.48)):
    """H of one clip in float64, with SciPy's filters; and the diagonal of the matrix."""
    grey = faces.astype(np.float64) @ [0.299, 0.587, 0.114]
    grey = (grey - grey.mean()) / grey.std()

    def blur(x, variance_xy, variance_t):
        for axis in (1, 2):
            x = ndimage.gaussian_filter1d(x, np.sqrt(variance_xy), axis, mode="nearest")
        weight = ndimage.gaussian_filter1d(np.ones(len(x)), np.sqrt(variance_t), mode="constant")
        x = ndimage.gaussian_filter1d(x, np.sqrt(variance_t), 0, mode="constant")
        return x / weight[:, None, None]

    x = blur(grey, 4, 2)
    slope = [
        unit * ndimage.correlate1d(x, [-0.5, 0, 0.5], axis, mode="nearest")
        for axis, unit in ((2, 2), (1, 2), (0, np.sqrt(2)))
    ]
    matrix = np.empty((*x.shape, 3, 3))
    for i in range(3):
        for j in range(3):
            matrix[..., i, j] = blur(slope[i] * slope[j], 8, 4)
    place = (np.arange(faces.shape[1]) + 0.5) / faces.shape[1] - 0.5
    inside = (place / oval[0]) ** 2 + (place[:, None] / oval[1]) ** 2 <= 1
    trace = np.trace(matrix, axis1=-2, axis2=-1)
    floor = 0.1 * trace[:, inside].mean()
    response = np.linalg.det(matrix / (trace + floor)[..., None, None])
    response -= 0.005 * (trace / (trace + floor)) ** 3
    return response * inside, np.diagonal(matrix, axis1=-2, axis2=-1)


def points(faces, mask=None, **settings):
    mask = np.ones(faces.shape[:2], np.float32) if mask is None else np.float32(mask)
    return keras.tree.map_structure(np.asarray, InterestPoints(**settings)(faces, mask))


def test_they_are_scipys():
    faces = np.stack([clip(), clip(seed=5)])
    found, moments = points(faces, moments=True)
    for one, squares, each in zip(found, moments, faces, strict=True):
        expected, diagonal = scipy_points(each)
        assert expected.max() > 0.003  # there are some
        np.testing.assert_allclose(one, expected, atol=1e-6 * np.ptp(expected) + 2e-8)
        np.testing.assert_allclose(squares, diagonal, atol=2e-6 * diagonal.max())


def test_a_point_is_where_something_moves_and_has_a_place():
    found = points(clip()[None])[0].max(axis=0)
    y, x = np.unravel_index(found.argmax(), found.shape)
    assert np.hypot(x - SIZE / 2, y - 0.6 * SIZE) < 4
    assert found[4:10, 12:20].max() < found.max() / 3


@pytest.mark.parametrize("case", ["at the end", "at the beginning"])
def test_masked_frames_at_an_end_are_as_if_they_were_not_there(case):
    faces, garbage = (
        clip(9),
        np.random.default_rng(1).integers(0, 256, (4, SIZE, SIZE, 3), np.uint8),
    )
    alone, squares = points(faces[None], moments=True)
    order = (faces, garbage) if case == "at the end" else (garbage, faces)
    there = np.repeat([len(part) == 9 for part in order], [len(part) for part in order])
    found, others = points(np.concatenate(order)[None], there[None], moments=True)
    np.testing.assert_allclose(found[:, there], alone, atol=1e-7)
    np.testing.assert_allclose(others[:, there], squares, rtol=1e-5, atol=1e-6)
    assert not found[:, ~there].any()
    assert not others[:, ~there].any()


def test_what_stands_in_a_masked_frame_does_not_matter():
    faces = clip().astype(np.float32)[None]
    mask = np.ones((1, 12), np.float32)
    mask[0, [0, 4, 5, 11]] = 0
    other = faces.copy()
    other[0, [0, 4]], other[0, [5, 11]] = np.nan, 255
    np.testing.assert_array_equal(points(faces, mask), points(other, mask))


def test_far_from_a_gap_little_changes():
    faces, mask = clip(30)[None], np.ones((1, 30), np.float32)
    mask[0, 4:7] = 0
    whole, gap = points(faces), points(faces, mask)
    assert np.abs(gap - whole)[0, 20:].max() < 0.05 * whole.max()
    assert np.abs(gap - whole)[0, [3, 7]].max() < whole.max()


def test_the_light_does_not_matter():
    faces = 0.4 * clip().astype(np.float32)[None]
    expected = points(faces)
    np.testing.assert_allclose(points(2 * faces + 30), expected, atol=1e-3 * expected.max())


@pytest.mark.parametrize("case", ["black", "still", "one frame", "no frame", "two"])
def test_nothing_moves(case):
    faces, mask = clip(12)[None], np.ones((1, 12), np.float32)
    if case == "black":
        faces = np.zeros_like(faces)
    elif case == "still":
        faces = np.repeat(faces[:, :1], 12, axis=1)
    else:
        mask[0, {"one frame": 1, "no frame": 0, "two": 2}[case] :] = 0
    found, moments = points(faces, mask, moments=True)
    cells = np.asarray(CellHistogram()(found, moments))
    assert np.isfinite(found).all()
    assert np.isfinite(cells).all()
    if case != "two":
        assert found.max() <= 0


def test_any_number_of_frames_in_one_model():
    faces, mask = keras.Input((None, SIZE, SIZE, 3)), keras.Input((None,))
    model = keras.Model([faces, mask], CellHistogram()(InterestPoints()(faces, mask)))
    for frames in (5, 20):
        given = [clip(frames)[None].astype(np.float32), np.ones((1, frames), np.float32)]
        found = model.predict_on_batch(given)
        assert found.shape == (1, frames, 448)
        expected = np.asarray(CellHistogram()(points(given[0])))
        np.testing.assert_allclose(found, expected, atol=0.05)  # a share is a count
        np.testing.assert_allclose(found.mean(), expected.mean(), rtol=1e-3)


def test_the_whole_picture_on_request():
    inside, whole = points(clip()[None]), points(clip()[None], oval=None)
    assert not inside[..., 0, 0].any()
    assert whole[..., 0, 0].any()


def test_cells_are_counted_by_hand():
    response = np.random.default_rng(0).normal(0, 0.01, (2, 3, 32, 32)).astype(np.float32)
    moments = np.random.default_rng(1).uniform(0, 2, (2, 3, 32, 32, 3)).astype(np.float32)
    layer = CellHistogram()
    found = np.asarray(layer(response))
    assert found.shape == (2, 3, 448) == layer.compute_output_shape(response.shape)
    cells = found.reshape(2, 3, 8, 8, 7)
    cell = response[1, 2, 20:24, 4:8]  # the sixth row's second
    expected = [(cell > t).mean() for t in layer.thresholds] + [np.maximum(cell, 0).mean()]
    np.testing.assert_allclose(cells[1, 2, 5, 1], expected, rtol=1e-5)
    both = np.asarray(CellHistogram()(response, moments)).reshape(2, 3, 8, 8, 10)
    np.testing.assert_array_equal(both[..., :7], cells)
    expected = np.log(moments[1, 2, 20:24, 4:8].mean(axis=(0, 1)))
    np.testing.assert_allclose(both[1, 2, 5, 1, 7:], expected, rtol=1e-4, atol=1e-5)


def test_whole_configurations_and_no_weights():
    layer = InterestPoints(3.0, 1.0, 1.5, 0.01, 0.2, (0.3, 0.4), True, name="points")
    cells = CellHistogram(4, (0.0, 0.01), name="cells")
    faces, mask = clip()[None], np.ones((1, 12), np.float32)
    one = cells(*layer(faces, mask))
    again = InterestPoints.from_config(layer.get_config())
    other = CellHistogram.from_config(cells.get_config())(*again(faces, mask))
    np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
    assert layer.get_config() == again.get_config()
    assert layer.count_params() == cells.count_params() == 0


def test_what_is_not_supported_is_refused():
    for wrong in ({"floor": 0}, {"spatial_variance": -1}, {"oval": (0.4, 0)}):
        with pytest.raises(UsageError, match=next(iter(wrong))):
            InterestPoints(**wrong)
    with pytest.raises(UsageError, match="square"):
        points(np.zeros((1, 2, 16, 24, 3), np.uint8))
    with pytest.raises(UsageError, match="30 px"):
        CellHistogram()(np.zeros((1, 2, 30, 30), np.float32))
