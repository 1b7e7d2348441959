"""Two streams that know different classes answer as one: what one lacks it leaves to the other."""

import numpy as np
import pytest

from emotionnet.errors import UsageError
from emotionnet.layers import JoinedFusion, LateFusion

#: Classes 0 neutral, 1 happy, 2 contempt; faces: neutral, happy, contempt; speech: neutral, calm, happy.
FACES, SPEECH = (0, 1, 2), (0, 0, 1)
F, S = np.array([[0.2, 0.5, 0.3]]), np.array([[0.1, 0.3, 0.6]])
THERE, SAMPLES = np.ones((1, 2), "float32"), np.array([100], "int32")


def answers(layer, faces=F, speech=S, mask=THERE, samples=SAMPLES):
    logits = [np.log(p).astype("float32") + 3 for p in (faces, speech)]
    return [np.array(p) for p in layer(*logits, mask, samples)]


@pytest.mark.parametrize("mode", ["GM", "AM"])
def test_a_class_that_one_lacks_is_answered_from_the_other(mode):
    fused, faces, speech = answers(JoinedFusion(3, FACES, SPEECH, mode))
    np.testing.assert_allclose(faces, F, rtol=1e-5)
    np.testing.assert_allclose(speech, [[0.4, 0.6, 0]], rtol=1e-5)
    # Speech takes the 0.3 of contempt from the faces, and shares 0.7 as it answered.
    left = np.array([[0.7 * 0.4, 0.7 * 0.6, 0.3]])
    wanted = (F + left) / 2 if mode == "AM" else np.sqrt(F * left)
    np.testing.assert_allclose(fused, wanted / wanted.sum(), rtol=1e-5)


def test_both_may_lack_classes():
    # Classes 0 neutral, 1 contempt (faces alone), 2 bored (speech alone).
    fused, faces, speech = answers(
        JoinedFusion(3, (0, 1), (0, 2), "AM"), np.array([[0.6, 0.4]]), np.array([[0.9, 0.1]])
    )
    np.testing.assert_allclose(faces, [[0.6, 0.4, 0]], rtol=1e-5)
    np.testing.assert_allclose(speech, [[0.9, 0, 0.1]], rtol=1e-5)
    wanted = (np.array([0.6 * 0.9, 0.4 * 0.9, 0.1]) + np.array([0.9 * 0.6, 0.4, 0.1 * 0.6])) / 2
    np.testing.assert_allclose(fused, [wanted], rtol=1e-5)
    assert fused.sum() == pytest.approx(1)


def test_labels_that_are_left_out_do_not_count():
    _, faces, _ = answers(JoinedFusion(2, (0, 1, -1), SPEECH))
    np.testing.assert_allclose(faces, [[2 / 7, 5 / 7]], rtol=1e-5)


@pytest.mark.parametrize("mode", ["GM", "AM"])
def test_with_equal_classes_it_is_late_fusion(mode):
    rng = np.random.default_rng(0)
    faces, speech = (rng.dirichlet(np.ones(3), 4) for _ in range(2))
    mask = np.array([[1, 1], [0, 1], [0, 0], [0, 0]], "float32")
    samples = np.array([9, 0, 9, 0], "int32")
    mine, other = (
        answers(layer, faces, speech, mask, samples)
        for layer in (JoinedFusion(3, (0, 1, 2), (0, 1, 2), mode), LateFusion(mode))
    )
    for one, two in zip(mine, other):
        np.testing.assert_allclose(one, two, atol=1e-6)


def test_an_absent_stream_leaves_the_answer_to_the_other():
    layer = JoinedFusion(3, FACES, SPEECH)
    fused, faces, speech = answers(layer, samples=SAMPLES * 0)
    np.testing.assert_array_equal(fused, faces)
    np.testing.assert_allclose(speech, np.full((1, 3), 1 / 3))
    fused, faces, speech = answers(layer, mask=THERE * 0)
    np.testing.assert_array_equal(fused, speech)
    fused, *_ = answers(layer, mask=THERE * 0, samples=SAMPLES * 0)
    np.testing.assert_allclose(fused, np.full((1, 3), 1 / 3))


def test_certain_opposites_are_a_number():
    fused, *_ = answers(
        JoinedFusion(2, (0, 1), (0, 1)), np.array([[1, 1e-44]]), np.array([[1e-44, 1]])
    )
    assert np.isfinite(fused).all()


@pytest.mark.parametrize(
    "numbers", [(3, (0, 1), (0, 1)), (2, (0,), (1,)), (1, (-1, -1), (0,))], ids=str
)
def test_classes_that_nobody_or_not_both_know_are_refused(numbers):
    with pytest.raises(UsageError, match="each class needs a stream"):
        JoinedFusion(*numbers)


def test_its_config_makes_it_again():
    layer = JoinedFusion(3, FACES, SPEECH, "AM")
    again = JoinedFusion.from_config(layer.get_config())
    np.testing.assert_array_equal(answers(again)[0], answers(layer)[0])
