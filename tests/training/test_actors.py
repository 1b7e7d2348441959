"""``--train-actors``: fewer people to learn from, men and women alike, the rest of the split untouched."""

import dataclasses
from types import SimpleNamespace

import pytest

from emotionnet.errors import UsageError
from emotionnet.inputs.split import Split
from emotionnet.training.actors import with_actors


def split(men=6, women=6) -> Split:
    people = [(f"m{i}", "male") for i in range(men)] + [(f"w{i}", "female") for i in range(women)]
    rows = [
        SimpleNamespace(
            clip=f"{actor}-{take}",
            corpus="x",
            actor=actor,
            sex=sex,
            emotion=("sad", "happy")[take % 2],
        )
        for actor, sex in people
        for take in range(3)
    ]
    other = [SimpleNamespace(clip="o", corpus="x", actor="other", sex="male")]
    return Split(rows, other, other, "actor_folds", description="fold 1 of 6")


def actors(part) -> set:
    return {row.actor for row in part}


def test_half_are_men_and_half_women_and_all_their_clips_stay():
    whole = split()
    for seed in range(5):
        some = with_actors(whole, 6, seed)
        assert sorted(a[0] for a in actors(some.train)) == ["m"] * 3 + ["w"] * 3
        assert len(some.train) == 18
        assert (some.validation, some.test) == (whole.validation, whole.test)
    assert len(actors(whole.train)) == 12
    assert "only 6 of 12 (18 clips, actors m" in some.description


def test_an_emotion_that_only_others_show_is_named():
    whole = split()
    assert with_actors(whole, 1, 0).warning == ""
    (only,) = actors(with_actors(whole, 1, 0).train)
    for row in whole.train:
        if row.actor == only:
            row.emotion = "sad"
    few = with_actors(dataclasses.replace(whole, warning="mind this"), 1, 0)
    assert few.warning == "mind this; fold 1: no clip of happy in the training part"


def test_it_is_drawn_by_the_seed_and_grows():
    drawn = [frozenset(actors(with_actors(split(), 4, seed).train)) for seed in range(12)]
    assert len(set(drawn)) > 1
    assert drawn[3] == actors(with_actors(split(), 4, 3).train)
    first = {min(actors(with_actors(split(), 1, seed).train))[0] for seed in range(12)}
    assert first == {"m", "w"}
    for count in range(1, 12):
        assert actors(with_actors(split(), count, 3).train) < actors(
            with_actors(split(), count + 1, 3).train
        )


def test_where_one_sex_runs_out_the_other_goes_on():
    assert len(actors(with_actors(split(5, 1), 6, 0).train)) == 6


def test_who_is_of_no_sex_in_some_clips_counts_once():
    some = split(3, 3)
    for row in some.train[::3]:
        row.sex = ""
    assert len(actors(with_actors(some, 4, 0).train)) == 4
    with pytest.raises(UsageError, match="from 1 to 6"):
        with_actors(some, 7, 0)


@pytest.mark.parametrize("count", [0, 13, -1])
def test_an_impossible_number_says_how_many_there_are(count):
    with pytest.raises(UsageError, match="from 1 to 12"):
        with_actors(split(), count, 0)


def test_clips_without_actors_cannot_be_counted():
    unknown = split()
    unknown.train[0].actor = ""
    with pytest.raises(UsageError, match="no actor"):
        with_actors(unknown, 2, 0)
