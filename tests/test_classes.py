import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotionnet.classes import LONGEST_SLUG, Classes
from emotionnet.corpora.manifest import ManifestRow
from emotionnet.emotions import EMOTIONS
from emotionnet.errors import UsageError

NEGATIVE = Classes.of("negative=angry+sad")


def test_rows_are_renamed_or_left_out():
    rows = [ManifestRow(e, "demo", e, sound="a.wav") for e in ("happy", "angry", "sad", "calm")]
    found = Classes.of(["negative=angry+sad"], "happy,negative").rows(rows)
    assert [(row.clip, row.emotion) for row in found] == [
        ("happy", "happy"),
        ("angry", "negative"),
        ("sad", "negative"),
    ]
    assert Classes().rows(rows) == rows


def test_probabilities_are_summed_and_brought_to_one_by_hand():
    emotions = ("happy", "sad", "angry", "disgust")
    table = np.array([[0.1, 0.2, 0.3, 0.4], [0, 0, 0, 1], [np.nan] * 4])
    found = Classes.of("negative=angry+sad", "happy,negative").probabilities(emotions, table)
    np.testing.assert_allclose(found[0], [0.1 / 0.6, 0.5 / 0.6])
    np.testing.assert_allclose(found[1], [0.5, 0.5])
    assert np.isnan(found[2]).all()
    assert NEGATIVE.labels(emotions) == ("happy", "disgust", "negative")
    np.testing.assert_allclose(NEGATIVE.probabilities(emotions, table)[0], [0.1, 0.4, 0.5])


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.sampled_from(["a", "b", "c", ""]), min_size=8, max_size=8),
    st.lists(st.floats(0.001, 1), min_size=8, max_size=8),
)
def test_rows_and_probabilities_follow_one_rule(groups, weights):
    """The class of a certain answer is the class that a clip of that emotion has."""
    merge = {
        name: [e for e, g in zip(EMOTIONS, groups) if g == name] for name in set(groups) - {""}
    }
    classes = Classes.of(merge)
    if len({classes.called(e) for e in EMOTIONS}) < 2:
        return
    labels = classes.labels(EMOTIONS)
    certain = classes.probabilities(EMOTIONS, np.eye(8))
    assert [labels[i] for i in certain.argmax(axis=1)] == [classes.called(e) for e in EMOTIONS]
    table = np.array([weights]) / sum(weights)
    np.testing.assert_allclose(classes.probabilities(EMOTIONS, table).sum(axis=1), 1)


def test_what_is_plain_data_comes_back():
    classes = Classes.of({"negative": "angry+sad"}, ["happy", "negative"])
    assert Classes.from_config({"classes": classes.plain()}) == classes
    assert Classes.from_config({}) == Classes()
    assert str(classes) == "negative = angry + sad; only happy, negative"
    assert classes.slug() == "negative=angry+sad_only_happy_negative"
    assert (str(Classes()), bool(Classes())) == ("", False)


def test_many_classes_have_a_name_that_fits_into_that_of_a_file():
    names = [f"gefühl{number:03}" for number in range(100)]
    slugs = {Classes.of(only=names[first:]).slug() for first in range(3)}
    assert len(slugs) == 3
    assert all(len(slug.encode()) <= LONGEST_SLUG for slug in slugs)
    assert all(slug.startswith("only_gefühl00") for slug in slugs)


@pytest.mark.parametrize(
    ("merge", "only", "words"),
    [
        (["negative"], None, "NAME=EMOTION"),
        (["=angry+sad"], None, "NAME=EMOTION"),
        (["a=angry+sad", "b=sad"], None, "sad is part of a already"),
        (["a=angry", "a=sad"], None, "given twice"),
        (["negative=angry+furious"], None, "furious: not known"),
        (["happy=angry+sad"], None, "is an emotion by itself"),
        (None, "happy,glad", "glad: not known"),
        (["negative=angry+sad"], "happy,angry", "angry: not known"),
        (None, "happy", "two classes are needed"),
        (["all=happy+sad+angry"], None, "two classes are needed"),
    ],
)
def test_what_cannot_be_is_said(merge, only, words):
    with pytest.raises(UsageError, match=words):
        Classes.of(merge, only).labels(("happy", "sad", "angry"))


def test_a_class_may_keep_the_name_of_one_of_its_emotions():
    classes = Classes.of("sad=sad+fearful")
    assert classes.labels(("happy", "sad", "fearful")) == ("happy", "sad")
