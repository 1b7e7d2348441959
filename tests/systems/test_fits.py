"""What is fitted in closed form: against theory, against brute force, and where nothing can be fitted."""

from functools import partial

import numpy as np
import pytest
from scipy.linalg import subspace_angles
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from emotionnet.errors import EmotionNetError
from emotionnet.systems import fits


def blobs(classes=4, each=30, width=12, apart=1.0, seed=0):
    """Balanced classes that lie about random centres, with features of unlike scales."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), each)
    values = apart * rng.normal(size=(classes, width))[labels] + rng.normal(
        size=(len(labels), width)
    )
    return values @ (np.diag(rng.uniform(0.1, 10, width)) + rng.normal(size=(width, width))), labels


def projected(values, arrays):
    kernel, bias = (array.astype(np.float64) for array in arrays)
    return values @ kernel + bias


def angle(first, second):
    """Largest angle in degrees between what the columns of two kernels span."""
    return np.degrees(subspace_angles(np.float64(first), np.float64(second)).max())


def one_nearest(rows, labels):
    far = ((rows[:, None] - rows) ** 2).sum(-1)
    np.fill_diagonal(far, np.inf)
    return np.mean(labels[far.argmin(axis=1)] == labels)


def test_the_scaler_brings_features_to_mean_0_and_deviation_1():
    values, labels = blobs()
    values[:, 3] = 7.0
    mean, deviation = fits.standard_scaler(values, labels)
    scaled = (values - mean) / deviation
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(np.delete(scaled.std(axis=0), 3), 1, rtol=1e-5)
    assert deviation[3] == 1


def test_principal_components_keep_all_of_the_variance_that_there_is():
    values, _ = blobs(width=12)
    values = np.concatenate([values[:, :5], values[:, :5] @ np.ones((5, 3))], axis=1)  # rank 5
    kernel, bias = fits.pca(values, units=7)
    rows = projected(values, (kernel, bias))
    assert kernel.shape == (8, 7)
    assert not kernel[:, 5:].any()
    assert not bias[5:].any()
    np.testing.assert_allclose(rows.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(rows.var(axis=0).sum(), values.var(axis=0).sum(), rtol=1e-5)
    scaled = projected(values, fits.pca(values, units=7, scaled=True))
    np.testing.assert_allclose(scaled[:, :5].var(axis=0).mean(), 1, rtol=1e-5)
    np.testing.assert_allclose(scaled, rows * scaled.std() / rows.std(), atol=1e-4)


def test_marginal_fisher_with_full_graphs_is_linear_discriminant_analysis():
    """Of balanced classes: the within graph's matrix is n_c S_w, the other's (n - n_c) S_w + n S_b."""
    values, labels = blobs(classes=4, each=25)
    kernel, _ = fits.marginal_fisher(
        values, labels, units=3, neighbours=10**6, pairs=10**6, ridge=1e-12
    )
    lda = LinearDiscriminantAnalysis(solver="eigen").fit(values, labels)
    reference = lda.scalings_[:, :3]
    assert angle(kernel, reference) < 1e-3  # float32 kernels
    sparse, _ = fits.marginal_fisher(values, labels, units=3, neighbours=3, pairs=20)
    assert angle(sparse, reference) > 1  # the graphs do matter


def test_the_matrix_of_a_graph_is_the_sum_over_its_edges():
    values, labels = blobs(each=8)
    for graph in (
        fits._within_graph(values, labels, 3),
        fits._between_graph(values, labels, 15),
    ):
        dense = graph.toarray()
        assert (dense == dense.T).all()
        assert set(np.unique(dense)) == {0, 1}
        differences = values[:, None] - values
        brute = np.einsum("ij,ijk,ijl->kl", dense, differences, differences)
        np.testing.assert_allclose(2 * fits._scatter(values, graph), brute, rtol=1e-9, atol=1e-6)


def test_the_graphs_hold_the_pairs_that_they_should(monkeypatch):
    values, labels = blobs(classes=3, each=20)
    far = ((values[:, None] - values) ** 2).sum(-1)
    same = labels[:, None] == labels
    near = np.zeros_like(far)
    for i in range(len(far)):
        own = [j for j in np.argsort(far[i]) if same[i, j] and j != i][:4]
        near[i, own] = near[own, i] = 1
    assert (fits._within_graph(values, labels, 4).toarray() == near).all()
    pairs = np.zeros_like(far)
    for label in range(3):
        inside = [(i, j) for i in np.flatnonzero(labels == label) for j in np.flatnonzero(~same[i])]
        for i, j in sorted(inside, key=lambda pair: far[pair])[:17]:
            pairs[i, j] = pairs[j, i] = 1
    assert (fits._between_graph(values, labels, 17).toarray() == pairs).all()
    monkeypatch.setattr(fits, "_BLOCK_BYTES", 8 * 40 * 3)  # three rows at a time
    assert (fits._between_graph(values, labels, 17).toarray() == pairs).all()


def test_classes_that_can_be_told_apart_are():
    values, labels = blobs(classes=5, each=40, width=20, apart=3.0)
    rows = projected(values, fits.marginal_fisher(values, labels, units=4))
    assert one_nearest(rows, labels) == 1
    np.testing.assert_allclose(rows.var(axis=0).mean(), 1, rtol=1e-4)
    np.testing.assert_allclose(rows.mean(axis=0), 0, atol=1e-4)


@pytest.mark.parametrize("name", ["pca", "marginal_fisher"])
def test_unseen_rows_are_told_apart_after_a_fit_to_fewer_rows_than_features(name):
    rng = np.random.default_rng(0)
    labels = np.tile(np.arange(4), 40)
    values = rng.normal(size=(160, 100)) * np.geomspace(3, 0.3, 100)
    values[:, :20] += 4 * rng.normal(size=(4, 20))[labels]
    fit = {"pca": partial(fits.pca, scaled=True), "marginal_fisher": fits.marginal_fisher}[name]
    rows = projected(values, fit(values[:60], labels[:60], units=59))
    far = ((rows[60:, None] - rows[:60]) ** 2).sum(-1)
    assert (labels[far.argmin(axis=1)] == labels[60:]).mean() > 0.9


FITS = {
    "pca": lambda values, labels: fits.pca(values, units=5),
    "marginal_fisher": lambda values, labels: fits.marginal_fisher(values, labels, units=5),
}


@pytest.mark.parametrize("name", FITS)
def test_the_order_of_rows_does_not_matter_and_signs_are_fixed(name):
    values, labels = blobs()
    kernel, bias = FITS[name](values, labels)
    assert kernel.dtype == bias.dtype == np.float32
    again = FITS[name](values, labels)
    assert all((a == b).all() for a, b in zip((kernel, bias), again, strict=True))
    order = np.random.default_rng(1).permutation(len(values))
    other, _ = FITS[name](values[order], labels[order])
    np.testing.assert_allclose(other, kernel, rtol=1e-3, atol=1e-5 * np.abs(kernel).max())
    largest = np.take_along_axis(kernel, np.abs(kernel).argmax(axis=0)[None], axis=0)
    assert (largest > 0).all()


def test_fewer_rows_than_directions_leave_columns_of_zeros():
    values, labels = blobs(classes=3, each=4, width=40)
    for fit in (
        lambda: fits.pca(values, units=30),
        lambda: fits.marginal_fisher(values, labels, units=30, num_classes=3),
    ):
        kernel, bias = fit()
        assert kernel.shape == (40, 30)
        assert np.isfinite(kernel).all()
        assert np.isfinite(bias).all()
        assert kernel[:, :11].any(axis=0).all()
        assert not kernel[:, 11:].any()


def test_constant_features_do_no_harm():
    values, labels = blobs()
    values[:, [2, 5]] = [0.0, 3.0]
    for fit in FITS.values():
        kernel, _ = fit(values, labels)
        assert np.isfinite(projected(values, (kernel, np.zeros(1)))).all()
        np.testing.assert_allclose(kernel[[2, 5]], 0, atol=1e-6 * np.abs(kernel).max())


def spoilt(change):
    values, labels = blobs(classes=3, each=5)
    return change(values, labels) or (values, labels)


BAD = {
    "nan": (lambda v, y: v.__setitem__((4, 2), np.nan), "1 of 15 training rows.*row 4"),
    "same": (lambda v, y: (v * 0 + 1, y), "all 15 training rows have the same features"),
    "none": (lambda v, y: (v[:0], y[:0]), "nothing to fit to"),
    "class": (lambda v, y: (v[y != 1], y[y != 1]), "no training row has class 1"),
    "few": (lambda v, y: (v[[0, 5, 10]], y[[0, 5, 10]]), "3 training rows are too few for 3"),
    "labels": (lambda v, y: (v, y[:-1]), "15 rows have labels of the shape"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_fitted_is_said(case):
    change, message = BAD[case]
    values, labels = spoilt(change)
    with pytest.raises(EmotionNetError, match=message):
        fits.marginal_fisher(values, labels, units=2, num_classes=3)
    if case in ("class", "few", "labels"):
        with pytest.raises(EmotionNetError, match=message):
            fits.kernel_ridge(values, labels, points=8, num_classes=3)
    else:
        with pytest.raises(EmotionNetError, match=message):
            fits.standard_scaler(values, labels)


def test_one_class_has_no_discriminants():
    values, labels = blobs(classes=1)
    with pytest.raises(EmotionNetError, match="the same class"):
        fits.marginal_fisher(values, labels, units=2)


def test_marginal_fisher_is_quick_and_small():
    import time

    values, labels = blobs(classes=8, each=540, width=162)
    began = time.process_time()
    fits.marginal_fisher(values, labels, units=162)
    assert time.process_time() - began < 30  # seconds of CPU; two cores take half of it
