"""Paired tests: figures worked out by hand or by simulation, and what clustering does to them."""

import numpy as np
import pytest
from scipy import stats

from emotionnet.evaluation.paired import bootstrap_difference, holm, mcnemar


def discordant(only_a, only_b, both=10):
    a = [True] * only_a + [False] * only_b + [True] * both
    b = [False] * only_a + [True] * only_b + [True] * both
    return np.array(a), np.array(b)


def test_mcnemar_is_exact_for_few_clips():
    # 2 * (C(6,0) + C(6,1)) / 2^6
    found = mcnemar(*discordant(5, 1))
    assert found == {"only_a": 5, "only_b": 1, "p_value": pytest.approx(14 / 64), "exact": True}
    assert mcnemar(*discordant(0, 0))["p_value"] == 1.0


def test_mcnemar_for_many_clips_is_chi_squared_and_near_the_exact_one():
    found = mcnemar(*discordant(40, 20))
    assert not found["exact"]
    assert found["p_value"] == pytest.approx(stats.chi2.sf(19**2 / 60, 1))
    assert found["p_value"] == pytest.approx(stats.binomtest(40, 60).pvalue, rel=0.1)
    # Edwards' correction never turns an even result into a difference.
    assert mcnemar(*discordant(30, 30))["p_value"] == 1.0


def test_the_interval_over_clips_is_that_of_the_mean_of_the_differences():
    rng = np.random.default_rng(1)
    a, b = rng.random(400) < 0.7, rng.random(400) < 0.55
    targets = np.arange(400) % 4
    found = bootstrap_difference(targets, a, b)
    assert (found["drawn"], found["units"]) == ("clips", 400)
    difference = a.astype(float) - b
    low, high = found["accuracy"]["interval_95"]
    half = 1.96 * difference.std() / 20
    assert found["accuracy"]["difference"] == pytest.approx(difference.mean())
    assert (low, high) == pytest.approx(
        (difference.mean() - half, difference.mean() + half), abs=0.006
    )
    assert found["accuracy"]["p_value"] < 0.01


def test_clips_of_an_actor_that_go_together_widen_the_interval():
    actors = np.repeat([f"{i:02d}" for i in range(12)], 30)
    ahead = np.repeat(np.arange(12) % 3 == 0, 30)  # for a third of the actors, always
    targets = np.arange(360) % 3
    clips = bootstrap_difference(targets, ahead, np.zeros(360))
    people = bootstrap_difference(targets, ahead, np.zeros(360), actors)
    assert (people["drawn"], people["units"]) == ("actors", 12)

    def width(found):
        low, high = found["accuracy"]["interval_95"]
        return high - low

    assert people["accuracy"]["difference"] == pytest.approx(1 / 3)
    assert width(people) > 4 * width(clips)


def test_uar_weighs_classes_alike_and_accuracy_clips():
    targets = np.array([0] * 90 + [1] * 10)
    a = np.array([1.0] * 90 + [0.0] * 10)
    b = np.array([0.5] * 90 + [1.0] * 10)
    found = bootstrap_difference(targets, a, b)
    assert found["accuracy"]["difference"] == pytest.approx((45 - 10) / 100)
    assert found["uar"]["difference"] == pytest.approx((0.5 - 1.0) / 2)


def test_labels_are_numbered_as_they_come():
    # Labels 3 and 7 only: a class without clips is no class of recall 0.
    targets = np.array([3, 3, 7, 7])
    found = bootstrap_difference(targets, np.ones(4), np.zeros(4))
    assert found["uar"]["difference"] == 1.0


def test_one_actor_is_no_sample_of_people():
    found = bootstrap_difference([0, 1], [1, 1], [0, 1], ["01", "01"])
    assert found["units"] == 1
    assert found["accuracy"]["interval_95"] is None
    assert found["uar"]["difference"] == 0.5


def test_equal_systems_do_not_differ():
    found = bootstrap_difference([0, 1, 0, 1], [1, 0, 1, 0], [1, 0, 1, 0])
    assert found["uar"] == {"difference": 0.0, "interval_95": [0.0, 0.0], "p_value": 1.0}


def test_holm_adjusts_the_smallest_most():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
