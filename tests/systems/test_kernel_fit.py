"""Kernel discriminants: equal to scikit-learn's own way, to linear ones, and to the layer they go into."""

import numpy as np
import pytest
from sklearn.datasets import load_digits, make_moons
from sklearn.decomposition import KernelPCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from emotionnet.errors import EmotionNetError
from emotionnet.systems import fits


def digits(each=20, classes=6):
    """Pictures of digits, 0...1, as many of each class."""
    data = load_digits()
    rows = np.concatenate([np.flatnonzero(data.target == c)[:each] for c in range(classes)])
    return data.data[rows] / 16.0, data.target[rows]


def projected(values, arrays):
    points, gamma, kernel, bias = (array.astype(np.float64) for array in arrays)
    distance = ((values[:, None] - points) ** 2).sum(-1)
    return np.exp(-gamma * distance) @ kernel + bias


def check_same_axes(found, expected, atol):
    """Column by column the same, but for the sign."""
    assert found.shape == expected.shape
    signs = np.sign(np.sum(found * expected, axis=0))
    np.testing.assert_allclose(found * signs, expected, atol=atol * np.abs(expected).max())


def test_with_all_rows_as_points_it_is_kernel_pca_and_lda():
    values, labels = digits()
    gamma = 0.05
    arrays = fits.kernel_discriminant(
        values, labels, points=len(values), gamma=gamma, shrinkage=0.1, units=5
    )
    pca = KernelPCA(kernel="rbf", gamma=gamma, eigen_solver="dense").fit(values)
    rank = int(np.sum(pca.eigenvalues_ > 1e-6 * pca.eigenvalues_[0]))
    components = pca.transform(values)[:, :rank]
    lda = LinearDiscriminantAnalysis(solver="eigen", shrinkage=0.1).fit(components, labels)
    expected = lda.transform(components)[:, :5]
    check_same_axes(projected(values, arrays), expected - expected.mean(axis=0), 1e-3)


def test_where_the_kernel_is_linear_it_is_lda():
    """A Gaussian so wide that it is a plane over all rows: its kernel is that of a product."""
    values, labels = digits()
    median = 1.0 / fits._median_gamma(values)
    wide = fits.kernel_discriminant(
        values, labels, points=len(values), gamma=1e-4 / median, shrinkage=0.1
    )
    lda = LinearDiscriminantAnalysis(solver="eigen", shrinkage=0.1).fit(values, labels)
    expected = lda.transform(values)[:, :5]
    check_same_axes(projected(values, wide), expected - expected.mean(axis=0), 0.02)


def test_it_tells_apart_what_no_plane_does():
    values, labels = make_moons(400, noise=0.1, random_state=0)

    def fisher(x):
        means = np.stack([x[labels == c].mean() for c in (0, 1)])
        return np.ptp(means) ** 2 / np.mean([x[labels == c].var() for c in (0, 1)])

    curved = projected(values, fits.kernel_discriminant(values, labels, points=64))[:, 0]
    straight = LinearDiscriminantAnalysis(solver="eigen").fit(values, labels).transform(values)
    assert fisher(curved) > 3 * fisher(straight[:, 0])


def test_fewer_rows_than_points_are_filled_up_with_points_that_do_not_count():
    values, labels = digits(each=5)
    few = fits.kernel_discriminant(values, labels, points=30)
    more = fits.kernel_discriminant(values, labels, points=100)
    assert [a.shape for a in more] == [(100, 64), (), (100, 5), (5,)]
    assert all(a.dtype == np.float32 for a in more)
    assert not more[2][30:].any()
    np.testing.assert_allclose(projected(values, more), projected(values, few), atol=1e-4)


def test_copies_of_few_rows_are_borne():
    """What a network has learnt by heart lies nearly in one place for each class."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 50)
    values = rng.normal(size=(4, 16))[labels] + 1e-4 * rng.normal(size=(200, 16))
    arrays = fits.kernel_discriminant(values, labels, points=128)
    assert max(np.abs(a).max() for a in arrays) < 1e4
    rows = projected(values, arrays)
    spread = np.stack([rows[labels == c].std(axis=0) for c in range(4)]).max()
    assert spread < 0.1 * np.ptp(rows, axis=0).min()


def test_the_same_rows_and_seed_give_the_same_arrays():
    values, labels = digits()
    first, again, other = (
        fits.kernel_discriminant(values, labels, points=40, seed=seed) for seed in (1, 1, 2)
    )
    assert all(np.array_equal(a, b) for a, b in zip(first, again))
    assert not np.array_equal(first[0], other[0])


def test_a_missing_class_is_named():
    values, labels = digits()
    keep = labels != 2
    with pytest.raises(EmotionNetError, match="no training row has class 2"):
        fits.kernel_discriminant(values[keep], labels[keep], points=32, num_classes=6)


def test_the_layer_gives_what_scikit_learn_gives(tmp_path):
    keras = pytest.importorskip("keras")
    from emotionnet.layers import KernelProjection

    values, labels = digits()
    arrays = fits.kernel_discriminant(values, labels, points=64)
    model = keras.Sequential([keras.Input((64,)), KernelProjection(64, 5, name="projection")])
    assert not model.trainable_weights
    assert not np.asarray(model(values)).any()
    model.layers[-1].set_weights(arrays)
    expected = projected(values, arrays)
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras", safe_mode=True)
    answer = loaded.predict_on_batch(values.astype(np.float32))
    np.testing.assert_allclose(answer, expected, atol=1e-4 * np.abs(expected).max())
