"""The division that the data bring: what tests, what validates, what is said."""

import dataclasses

import pytest

from emotionnet.clips.records import RecordRow
from emotionnet.errors import UsageError
from emotionnet.inputs.given import given_parts, is_division
from emotionnet.inputs.protocols import split_rows


def rows(part, count, actor="", first=0):
    return [
        RecordRow(f"{part}/{e}/{i}", "folder", e, actor and f"{actor}{i % 3}", part=part,
                  recording=f"{part}/{e}/{i}")
        for e in ("happy", "sad") for i in range(first, first + count)
    ]  # fmt: skip


def sizes(split):
    return len(split.train), len(split.validation), len(split.test)


def test_the_own_validation_part_validates():
    split = split_rows([*rows("train", 20), *rows("validation", 4), *rows("test", 5)], "given")
    assert sizes(split) == (40, 8, 10)
    assert {row.part for row in split.validation} == {"validation"}
    assert "epoch chosen on its validation part" in split.description
    assert "not everybody is named" in split.description
    assert "leaks: nothing" not in split.description
    whole = split_rows(
        [*rows("train", 20), *rows("validation", 4), *rows("test", 5)], "given", validation=False
    )
    assert sizes(whole) == (48, 0, 10)


def test_without_one_a_tenth_validates_and_without_a_test_part_the_validation_part_tests():
    split = split_rows([*rows("train", 20), *rows("test", 5)], "given")
    assert sizes(split) == (36, 4, 10)
    split = split_rows([*rows("train", 20), *rows("validation", 4)], "given")
    assert sizes(split) == (36, 4, 8)
    assert "its part validation tests" in split.description


def test_the_only_training_clip_of_a_class_trains():
    few = [row for row in rows("train", 4) if row.emotion == "happy" or row.clip.endswith("/0")]
    split = split_rows([*few, *rows("test", 2)], "given")
    assert {row.emotion for row in split.train} == {"happy", "sad"}
    assert [row.emotion for row in split.validation] == ["happy"]


def test_other_parts_and_clips_in_none_stay_aside():
    data = [*rows("train", 20), *rows("test", 5), *rows("private", 3), *rows("", 2)]
    split = split_rows(data, "given")
    assert sizes(split) == (36, 4, 10)
    assert "10 clips of no part and private stay aside" in split.description


def test_people_on_both_sides_are_a_leak():
    apart = split_rows([*rows("train", 20, "a"), *rows("test", 6, "b")], "given")
    assert apart.description.endswith("leaks: nothing")
    assert not apart.leaky
    shared = split_rows([*rows("train", 20, "a"), *rows("test", 6, "a")], "given")
    assert shared.leaky
    assert "leaks: 3 of the 3 people who are tested are trained on too" in shared.description


def test_copies_between_the_parts_leave_the_training():
    data = [*rows("train", 20), *rows("validation", 4), *rows("test", 5)]
    data[0] = dataclasses.replace(data[0], recording="test/happy/0")
    data[1] = dataclasses.replace(data[1], recording="validation/happy/0")
    split = split_rows(data, "given")
    assert sizes(split) == (38, 8, 10)
    assert "2 training clips that are byte-identical" in split.description
    held = next(i for i, row in enumerate(data) if row.part == "validation")
    data[held] = dataclasses.replace(data[held], recording="test/happy/0")
    assert len(split_rows(data, "given").validation) == 7


def test_the_same_clips_to_train_and_to_test_are_refused():
    train, test = rows("train", 5), rows("test", 5)
    same = [dataclasses.replace(b, recording=a.clip) for a, b in zip(train, test)]
    with pytest.raises(UsageError, match="all 10 training clips repeat a clip of another part"):
        split_rows([*train, *same], "given")


def test_no_division_is_refused_in_words():
    assert not is_division(given_parts(rows("", 5)))
    with pytest.raises(UsageError, match="brings no division"):
        split_rows(rows("", 5), "given")
    with pytest.raises(UsageError, match=r"clips of test only.*stratified"):
        split_rows(rows("test", 5), "given")
    with pytest.raises(UsageError, match="clips of train only"):
        split_rows(rows("train", 5), "given")
