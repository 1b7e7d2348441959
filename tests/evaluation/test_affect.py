"""F1 by arousal and valence by hand, and tables that cannot be used."""

import numpy as np
import pytest

from emotionnet.errors import UsageError
from emotionnet.evaluation.affect import affect_of, by_affect, read_groups
from emotionnet.evaluation.metrics import score

LABELS = ("neutral", "happy", "sad", "angry")


def scored():
    targets = np.array([0, 1, 1, 2, 3, 3])
    answers = np.array([0, 1, 3, 0, 3, 1])  # happy and angry are taken for each other once
    return score(LABELS, targets, np.eye(4)[answers])


def test_groups_by_hand():
    found = {
        (g["mapping"], g["dimension"], g["group"]): g
        for g in by_affect(scored(), LABELS, read_groups(LABELS))
    }
    high = found["ours", "arousal", "high"]
    assert high["emotions"] == ["happy", "angry"]
    assert high["f1"] == pytest.approx(0.5)
    assert high["group_f1"] == 1  # whichever of the two is answered, it is the same arousal
    low = found["ours", "arousal", "low"]
    assert low["f1"] == pytest.approx((2 / 3 + 0) / 2)
    assert found["ours", "valence", "negative"]["emotions"] == ["sad", "angry"]
    assert found["ours", "valence", "negative"]["group_f1"] == pytest.approx(2 * 1 / (2 + 3))
    assert found["paper", "valence", "positive"]["emotions"] == ["happy", "angry"]


def test_each_kind_of_answer_has_its_groups_and_other_words_have_none():
    found = affect_of({"fused": scored(), "notes": []}, LABELS)
    assert list(found) == ["fused"]
    other = score(("a", "b"), np.array([0, 1]), np.eye(2))
    assert affect_of({"fused": other}, ("a", "b")) == {}


def test_tables_that_cannot_be_used_are_refused(tmp_path):
    table = tmp_path / "mine.csv"
    for text, said in (
        ("mapping,emotion,arousal,valence\nmine,bored,low,negative\n", "'bored' is no emotion"),
        ("mapping,emotion,arousal\nmine,sad,low\n", "lacks valence"),
        ("mapping,emotion,arousal,valence\nm,sad,low,\nm,sad,high,\n", "names sad twice"),
    ):
        table.write_text(text)
        with pytest.raises(UsageError, match=said):
            read_groups(LABELS, table)
    table.write_text("mapping,emotion,arousal,valence\n")
    with pytest.raises(UsageError, match="has no rows"):
        read_groups(LABELS, table)
    table.write_bytes("mapping,emotion,arousal,valence\nmine,sad,dépressif,\n".encode("latin-1"))
    with pytest.raises(UsageError, match=r"mine\.csv: is no CSV"):
        read_groups(LABELS, table)
    with pytest.raises(UsageError, match="no such file"):
        read_groups(LABELS, tmp_path / "other.csv")
    table.write_text("mapping,emotion,arousal,valence\nmine,bored,low,\n")
    assert read_groups((*LABELS, "bored"), table) == {"mine": {"arousal": {"low": ["bored"]}}}
