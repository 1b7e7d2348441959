import pytest

from emotionnet.evaluation.intervals import mean_and_sd, wilson, wilson_uar


def test_wilson_gives_the_published_interval():
    # EfficientNetV2-B0 on FER2013: 70.00 %, N = 3589, z = 2.33 -> [68.19, 71.75].
    low, high = wilson(0.70, 3589, z=2.33)
    assert (round(100 * low, 2), round(100 * high, 2)) == (68.19, 71.75)


def test_wilson_of_479_of_491():
    low, high = wilson(479 / 491, 491)
    assert (round(100 * low, 1), round(100 * high, 1)) == (95.8, 98.6)


def test_wilson_stays_inside_zero_and_one():
    assert wilson(0.0, 5)[0] == 0.0
    assert wilson(1.0, 5)[1] == 1.0
    assert wilson(1.0, 5)[0] == pytest.approx(5 / (5 + 1.959964**2), abs=1e-5)


@pytest.mark.parametrize(("rate", "n"), [(0.5, 0), (1.1, 10), (-0.1, 10), (float("nan"), 10)])
def test_wilson_refuses_what_is_no_rate(rate, n):
    with pytest.raises(ValueError, match="no rate"):
        wilson(rate, n)


def test_mean_and_sample_standard_deviation():
    assert mean_and_sd([0.2, 0.4, 0.6]) == pytest.approx((0.4, 0.2))
    assert mean_and_sd([0.2]) == (0.2, None)
    with pytest.raises(ValueError, match="no values"):
        mean_and_sd([])


def test_the_uar_of_equally_frequent_classes_has_the_interval_of_the_accuracy():
    assert wilson_uar(0.75, [10] * 8) == pytest.approx(wilson(0.75, 80))
    # One class of two clips decides half of a two-class UAR: wide, whatever the other's clips.
    low, high = wilson_uar(0.75, [2, 1000])
    assert high - low > 0.4
    low, high = wilson_uar(1.0, [4, 4])
    assert (low < 0.75, high) == (True, 1.0)
