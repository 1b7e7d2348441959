"""Kernel ridge regression as logits: as scikit-learn's, with rows left out one at a time; and even classes."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn import linear_model
from sklearn.datasets import load_digits, make_moons
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.preprocessing import KernelCenterer

from emotionnet.errors import EmotionNetError
from emotionnet.systems import fits


def digits(counts):
    data = load_digits()
    rows = np.concatenate([np.flatnonzero(data.target == c)[:n] for c, n in enumerate(counts)])
    return data.data[rows] / 16.0, data.target[rows]


def logits(values, arrays):
    points, gamma, kernel, bias = (array.astype(np.float64) for array in arrays)
    return np.exp(-gamma * ((values[:, None] - points) ** 2).sum(-1)) @ kernel + bias


def centred_ridge(values, targets, gamma, alpha, asked):
    """Kernel ridge regression with an intercept: scikit-learn's, which has none, on a centred kernel."""

    def near(rows):
        return np.exp(-gamma * ((rows[:, None] - values) ** 2).sum(-1))

    centre = KernelCenterer().fit(near(values))
    ridge = KernelRidge(alpha=alpha, kernel="precomputed")
    ridge.fit(centre.transform(near(values)), targets - targets.mean(axis=0))
    return ridge.predict(centre.transform(near(asked))) + targets.mean(axis=0)


def test_equal_to_leaving_rows_out_one_by_one():
    values, labels = digits((9, 6, 7))
    targets, gamma, alpha = np.eye(3)[labels], 0.1, 0.3
    everyone = np.arange(len(values))
    left_out = np.concatenate(
        [
            centred_ridge(values[everyone != i], targets[everyone != i], gamma, alpha, values[[i]])
            for i in everyone
        ]
    )
    logistic = LogisticRegression(class_weight="balanced", max_iter=1000).fit(left_out, labels)
    asked = digits((30, 30, 30))[0]
    expected = logistic.predict_proba(centred_ridge(values, targets, gamma, alpha, asked))
    arrays = fits.kernel_ridge(values, labels, points=len(values), gamma=gamma, ridges=(alpha,))
    np.testing.assert_allclose(softmax(logits(asked, arrays), axis=1), expected, atol=1e-3)


def test_two_classes_that_no_plane_tells_apart():
    values, labels = make_moons(300, noise=0.1, random_state=0)
    found = logits(values, fits.kernel_ridge(values[:200], labels[:200], points=64))
    assert (found.argmax(axis=1) == labels)[200:].mean() > 0.95
    np.testing.assert_allclose(found.sum(axis=1), 0, atol=1e-4)


def test_of_several_ridges_it_takes_one_that_generalises():
    rng = np.random.default_rng(0)
    labels = np.repeat((0, 1), 40)
    values = rng.normal(size=(80, 30)) + 0.5 * labels[:, None]
    chosen = fits.kernel_ridge(values, labels, points=80, ridges=(1e-4, 1.0))
    by_heart, borne = (
        fits.kernel_ridge(values, labels, points=80, ridges=(each,)) for each in (1e-4, 1.0)
    )
    np.testing.assert_array_equal(chosen[2], borne[2])
    assert np.abs(by_heart[2]).max() > np.abs(borne[2]).max()


def test_answers_without_the_mean_of_the_targets_give_the_same(monkeypatch):
    """As scikit-learn 1.5 keeps them."""

    class Older(RidgeCV):
        def fit(self, values, targets):
            super().fit(values, targets)
            self.cv_results_ = self.cv_results_ - targets.mean(axis=0)[:, None]
            return self

    values, labels = digits((9, 6, 30))
    expected = fits.kernel_ridge(values, labels, points=30)
    monkeypatch.setattr(linear_model, "RidgeCV", Older)
    for found, its in zip(fits.kernel_ridge(values, labels, points=30), expected):
        np.testing.assert_allclose(found, its, atol=1e-4)


def test_points_that_are_left_over_do_not_count():
    values, labels = digits((5, 5, 5))
    few, more = (fits.kernel_ridge(values, labels, points=n) for n in (15, 40))
    assert [a.shape for a in more] == [(40, 64), (), (40, 3), (3,)]
    assert all(a.dtype == np.float32 for a in more)
    np.testing.assert_allclose(logits(values, more), logits(values, few), atol=1e-4)


def test_a_missing_class_is_named():
    values, labels = digits((5, 0, 5))
    with pytest.raises(EmotionNetError, match="no training row has class 1"):
        fits.kernel_ridge(values, labels, points=8, num_classes=3)


def test_even_classes_divide_by_the_shares():
    labels = np.repeat((0, 1, 2), (1, 2, 5))
    kernel, bias = fits.even_classes(np.zeros((8, 4)) + np.arange(8)[:, None], labels)
    answers = np.array([[0.5, 0.25, 0.25]])
    found = softmax(np.log(answers) @ kernel + bias, axis=1)
    expected = answers / np.array([1, 2, 5])
    np.testing.assert_allclose(found, expected / expected.sum(), rtol=1e-5)
    assert abs(bias.mean()) < 1e-6
