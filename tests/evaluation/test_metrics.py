import json
import math
from types import SimpleNamespace

import numpy as np
import pytest

from emotionnet.errors import EmotionNetError
from emotionnet.evaluation.metrics import calibration, score

LABELS = ("neutral", "happy", "sad")


def one_hot_answers(answers, confidence=0.8):
    table = np.full((len(answers), len(LABELS)), (1 - confidence) / (len(LABELS) - 1))
    table[np.arange(len(answers)), answers] = confidence
    return table


# 6 clips, worked out by hand:
# true     n n n h h s
# answered n n h h s s
TARGETS = [0, 0, 0, 1, 1, 2]
ANSWERS = [0, 0, 1, 1, 2, 2]
PEOPLE = [("female", "a"), ("female", "a"), ("male", "b"), ("male", "b"), ("", ""), ("male", "c")]
ROWS = [
    SimpleNamespace(clip=f"c{i}", sex=sex, actor=actor) for i, (sex, actor) in enumerate(PEOPLE)
]


@pytest.fixture
def scored():
    return score(LABELS, TARGETS, one_hot_answers(ANSWERS), ROWS)


def test_accuracy_uar_and_confusion_by_hand(scored):
    assert scored["n"] == 6
    assert scored["accuracy"] == pytest.approx(4 / 6)
    assert scored["uar"] == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    assert scored["confusion"] == [[2, 1, 0], [0, 1, 1], [0, 0, 1]]


def test_per_class_by_hand(scored):
    happy = scored["per_class"]["happy"]
    assert happy == pytest.approx({"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 2})
    assert scored["per_class"]["sad"]["precision"] == pytest.approx(0.5)
    assert scored["per_class"]["sad"]["f1"] == pytest.approx(2 / 3)
    assert scored["macro_f1"] == pytest.approx((0.8 + 0.5 + 2 / 3) / 3)


def test_averages_are_those_of_scikit_learn():
    from sklearn.metrics import classification_report

    # "sad" is never answered: its precision is undefined, and counts as 0.
    targets, answers = [0, 0, 0, 1, 1, 2], [0, 1, 0, 1, 0, 1]
    wanted = classification_report(targets, answers, output_dict=True, zero_division=0)
    found = score(LABELS, targets, one_hot_answers(answers))["averages"]
    for name in ("macro", "weighted"):
        of = wanted[f"{name} avg"]
        assert found[name] == pytest.approx(
            {"precision": of["precision"], "recall": of["recall"], "f1": of["f1-score"]}
        )


def test_averages_leave_out_a_class_without_clips():
    found = score(LABELS, [0, 0, 1, 1], one_hot_answers([0, 2, 1, 1]))
    assert found["averages"]["macro"]["recall"] == pytest.approx(found["uar"])
    assert found["averages"]["weighted"]["recall"] == pytest.approx(found["accuracy"])


def test_nll_is_the_mean_log_of_the_true_label(scored):
    assert scored["nll"] == pytest.approx(-(4 * math.log(0.8) + 2 * math.log(0.1)) / 6)


def test_nll_is_not_cut_off_where_an_answer_is_sure_and_wrong():
    table = np.array([[1 - 1e-20, 1e-20, 0], [0, 1, 0]])
    assert score(LABELS, [1, 1], table)["nll"] == pytest.approx(20 * math.log(10) / 2)
    assert math.isfinite(score(LABELS, [2, 1], table)["nll"])


def test_brier_is_the_squared_distance_to_the_truth(scored):
    right, wrong = 0.2**2 + 2 * 0.1**2, 0.9**2 + 0.8**2 + 0.1**2
    assert scored["brier"] == pytest.approx((4 * right + 2 * wrong) / 6)


def test_groups_leave_out_unknown_sex_and_actor(scored):
    sexes = {sex: (s["accuracy"], s["n"]) for sex, s in scored["per_sex"].items()}
    assert sexes == {"female": (1.0, 2), "male": (pytest.approx(2 / 3), 3)}
    assert {actor: s["n"] for actor, s in scored["per_actor"].items()} == {"a": 2, "b": 2, "c": 1}


def test_changed_copies_of_a_clip_make_no_interval_narrower(scored):
    changed = [SimpleNamespace(**{**vars(row), "clip": f"{row.clip}~pitch"}) for row in ROWS]
    twice = score(LABELS, 2 * TARGETS, one_hot_answers(2 * ANSWERS), ROWS + changed)
    assert (twice["n"], twice["clips"]) == (12, 12)
    assert twice["interval_95"] == scored["interval_95"]
    for people in ("per_sex", "per_actor"):
        for name, own in scored[people].items():
            assert twice[people][name]["interval_95"] == own["interval_95"]


def test_a_class_without_clips_is_named_and_left_out_of_uar():
    scored = score(LABELS, [0, 0, 1, 1], one_hot_answers([0, 2, 1, 1]))
    assert scored["absent_classes"] == ["sad"]
    assert scored["uar_classes"] == 2
    assert scored["uar"] == pytest.approx(0.75)
    assert scored["per_class"]["sad"] == {
        "precision": 0.0,
        "recall": None,
        "f1": None,
        "support": 0,
    }


def test_a_class_never_answered_has_no_precision_but_an_f1_of_zero():
    scored = score(LABELS, [0, 1, 2], one_hot_answers([0, 1, 1]))
    assert scored["per_class"]["sad"] == {"precision": None, "recall": 0.0, "f1": 0.0, "support": 1}
    assert scored["macro_f1"] == pytest.approx((1 + 2 / 3 + 0) / 3)


def test_repeated_clips_count_once_in_the_intervals(scored):
    again = score(LABELS, TARGETS * 5, one_hot_answers(ANSWERS * 5), ROWS * 5)
    assert again["n"] == 30
    assert again["interval_95"] == pytest.approx(scored["interval_95"])
    assert again["per_actor"]["a"]["interval_95"] == scored["per_actor"]["a"]["interval_95"]
    alone = score(LABELS, TARGETS * 5, one_hot_answers(ANSWERS * 5))
    assert alone["interval_95"][0] > scored["interval_95"][0]


def test_scores_are_plain_json(scored):
    assert json.loads(json.dumps(scored, allow_nan=False)) == scored


def test_no_clips_and_nan_are_refused_in_words():
    with pytest.raises(EmotionNetError, match="no clips"):
        score(LABELS, [], np.zeros((0, 3)))
    with pytest.raises(EmotionNetError, match="are NaN or infinite"):
        score(LABELS, [0, 1], np.array([[1, 0, 0], [math.nan, 0, 0]]))
    with pytest.raises(EmotionNetError, match="3 labels were expected"):
        score(LABELS, [0, 1], np.ones((2, 4)) / 4)


def test_calibration_of_a_perfect_toy_is_zero():
    # 10 answers at 0.7 of which 7 are right, 10 at 0.9 of which 9 are.
    confidence = np.repeat([0.7, 0.9], 10)
    right = np.array([True] * 7 + [False] * 3 + [True] * 9 + [False])
    error, bins = calibration(confidence, right)
    assert error == pytest.approx(0, abs=1e-12)
    assert [b["n"] for b in bins if b["n"]] == [10, 10]
    assert len(bins) == 15


def test_calibration_of_a_broken_toy_is_its_overconfidence():
    # Always sure, right half of the time; and a bin that is right yet modest.
    confidence = np.array([1.0] * 8 + [0.6] * 2)
    right = np.array([True, False] * 4 + [True, True])
    error, _ = calibration(confidence, right)
    assert error == pytest.approx(0.8 * 0.5 + 0.2 * 0.4)


def test_edges_of_the_calibration_bins():
    _, bins = calibration(np.array([0.0, 1 / 15, 1.0]), np.array([False, True, True]))
    assert bins[0]["n"] == 2  # a bin holds its upper edge, the first one 0 as well
    assert bins[-1]["n"] == 1
