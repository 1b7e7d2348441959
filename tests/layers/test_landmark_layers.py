"""Landmarks over time: centring, key frames by kernel k-means, attention over regions."""

import itertools

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.decomposition import KernelPCA

keras = pytest.importorskip("keras")

from emotionnet.errors import UsageError  # noqa: E402
from emotionnet.layers import (  # noqa: E402
    CentredLandmarks,
    KeyFrames,
    RegionAttention,
    TakePoints,
)

FRAMES = 64


def face(frames=FRAMES, seed=0) -> np.ndarray:
    """A face of 68 points that moves, opens its mouth and raises its brows: (1, frames, 68, 2)."""
    rng = np.random.default_rng(seed)
    shape = rng.uniform(0.2, 0.8, (68, 2))
    t = np.linspace(0, 1, frames)
    points = np.repeat(shape[None], frames, axis=0)
    points[:, 48:, 1] += 0.08 * np.abs(np.sin(2 * np.pi * (2 * t + rng.uniform())))[:, None]
    points[:, 17:27, 1] -= 0.05 * (t > rng.uniform(0.3, 0.7))[:, None]
    points += 0.05 * np.cumsum(rng.normal(0, 0.1, (frames, 1, 2)), axis=0)
    points += rng.normal(0, 0.002, points.shape)
    return points[None].astype(np.float32)


def everything(points) -> np.ndarray:
    return np.ones(points.shape[:2], np.float32)


def key_frames(points, valid, **settings):
    """Key frames and their mask as NumPy, of landmarks as they come."""
    x = CentredLandmarks()(points, valid)
    return [np.asarray(v) for v in KeyFrames(**settings)(x, valid)]


def kernel_of(points) -> np.ndarray:
    """The kernel that key frames are found with, written anew: (frames, frames)."""
    x = np.asarray(CentredLandmarks()(points, everything(points)), np.float64)[0]
    x = x.reshape(len(x), -1)
    distance = ((x[:, None] - x) ** 2).sum(-1)
    return np.exp(-distance / distance.mean())


def objective(kernel, members) -> float:
    """Sum of squared distances from the centres of hard clusters, in the kernel's space."""
    inside = sum(kernel[np.ix_(m, m)].sum() / m.sum() for m in members.T.astype(bool) if m.any())
    return len(kernel) - inside


def test_centring_takes_place_and_size_away_and_leaves_the_shape():
    points = face()
    x = np.asarray(CentredLandmarks()(points, everything(points)))
    np.testing.assert_allclose(x.mean(axis=2), 0, atol=1e-5)
    np.testing.assert_allclose((x**2).sum(-1).mean(axis=2), 1, rtol=1e-5)
    moved = np.asarray(CentredLandmarks()(3 * points + 0.5, everything(points)))
    np.testing.assert_allclose(moved, x, atol=1e-4)


def test_what_is_masked_is_zero_even_if_it_is_nan():
    points, valid = face(), everything(face())
    points[0, 5:9], valid[0, 5:9] = np.nan, 0
    x = np.asarray(CentredLandmarks()(points, valid))
    assert np.isfinite(x).all()
    assert not x[0, 5:9].any()


def test_every_round_brings_frames_nearer_to_their_centres():
    points = face()
    kernel, valid = kernel_of(points), everything(points)
    x = CentredLandmarks()(points, valid)
    found = [
        objective(kernel, np.asarray(KeyFrames(8, rounds=n).clusters(x, valid)[0])[0])
        for n in range(1, 9)
    ]
    assert found[0] > found[-1]
    assert all(b <= a + 1e-5 for a, b in itertools.pairwise(found))


@pytest.mark.parametrize("seed", range(3))
def test_clusters_are_nearly_as_good_as_those_of_scikit_learn(seed):
    points = face(seed=seed)
    kernel, valid = kernel_of(points), everything(points)
    members = np.asarray(KeyFrames(8).clusters(CentredLandmarks()(points, valid), valid)[0])[0]
    rows = KernelPCA(kernel="precomputed").fit_transform(kernel)
    theirs = KMeans(8, n_init=10, random_state=0).fit(rows).labels_
    assert objective(kernel, members) < 1.15 * objective(kernel, np.eye(8)[theirs])


def test_key_frames_are_frames_of_the_clip_in_order_of_time():
    points = face()
    keys, mask = key_frames(points, everything(points))
    assert mask.tolist() == [[1.0] * 8]
    x = np.asarray(CentredLandmarks()(points, everything(points)))[0]
    found = [int(np.flatnonzero((x == key).all(axis=(1, 2)))[0]) for key in keys[0]]
    assert found == sorted(set(found))
    assert found[0] < 16
    assert found[-1] >= 48


def test_a_clip_repeated_frame_by_frame_has_the_same_key_frames():
    points = face()
    twice = np.repeat(points, 2, axis=1)
    for one, two in zip(
        key_frames(points, everything(points)), key_frames(twice, everything(twice))
    ):
        np.testing.assert_array_equal(one, two)


def test_masked_frames_are_never_chosen_and_change_nothing():
    points = face()
    valid = everything(points)
    valid[0, ::3] = 0
    only = points[:, valid[0] > 0]
    expected = key_frames(only, everything(only))
    for garbage in (0.0, np.nan, 1e6):
        broken = np.where(valid[..., None, None] > 0, points, garbage).astype(np.float32)
        for found, wanted in zip(key_frames(broken, valid), expected):
            np.testing.assert_allclose(found, wanted, atol=1e-6)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_fewer_frames_than_key_frames_leave_the_last_ones_masked(count):
    points, valid = face(), np.zeros((1, FRAMES), np.float32)
    seen = [40, 7, 22][:count]
    valid[0, seen] = 1
    keys, mask = key_frames(points, valid)
    assert mask[0].tolist() == [1.0] * count + [0.0] * (8 - count)
    assert not keys[0, count:].any()
    x = np.asarray(CentredLandmarks()(points, valid))[0]
    np.testing.assert_array_equal(keys[0, :count], x[sorted(seen)])


def test_a_still_face_has_key_frames_that_are_all_the_same():
    points = np.repeat(face()[:, :1], FRAMES, axis=1)
    keys, mask = key_frames(points, everything(points))
    assert np.isfinite(keys).all()
    assert mask.sum() >= 1
    shown = keys[0][mask[0] > 0]
    np.testing.assert_array_equal(shown, np.broadcast_to(shown[:1], shown.shape))


def test_clips_of_a_batch_do_not_touch_each_other():
    both = np.concatenate([face(seed=1), face(seed=2)])
    keys, mask = key_frames(both, everything(both))
    for i in range(2):
        alone = key_frames(both[i : i + 1], everything(both[i : i + 1]))
        np.testing.assert_allclose(keys[i : i + 1], alone[0], atol=1e-6)
        np.testing.assert_array_equal(mask[i : i + 1], alone[1])


def test_a_region_is_its_points():
    points = face()
    found = np.asarray(TakePoints(36, 42)(points))
    np.testing.assert_array_equal(found, points[:, :, 36:42].reshape(1, FRAMES, 12))


def test_attention_over_regions_scales_each_by_its_share():
    layer = RegionAttention()
    regions = [np.full((1, 4), v, np.float32) for v in (1.0, 2.0, 3.0)]
    layer.build([(1, 4)] * 3)
    assert layer.count_params() == 5
    layer.score.set_weights([np.full((4, 1), 0.25, np.float32), np.zeros(1, np.float32)])
    weights = np.exp([1.0, 2.0, 3.0]) / np.exp([1.0, 2.0, 3.0]).sum()
    expected = np.repeat(weights * [1.0, 2.0, 3.0], 4)[None]
    np.testing.assert_allclose(np.asarray(layer(regions)), expected, rtol=1e-5)


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(UsageError):
        KeyFrames(0)
