"""What a split promises: parts that are apart, nothing lost, the same for any listing order."""

import random
from dataclasses import replace

import pytest

from emotionnet.corpora import canonical
from emotionnet.corpora.manifest import COLUMNS, ManifestRow
from emotionnet.emotions import EMOTIONS
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.inputs.protocols import (
    PROTOCOLS,
    check_disjoint,
    number_of_folds,
    split_rows,
)


def made(actors: int, takes: int = 2, emotions=EMOTIONS, corpus="demo") -> list[ManifestRow]:
    return [
        ManifestRow(
            clip=f"{actor:02d}-{emotion}-{take}",
            corpus=corpus,
            emotion=emotion,
            actor=f"{actor:02d}",
            sex="male" if actor % 2 else "female",
        )
        for actor in range(1, actors + 1)
        for emotion in emotions
        for take in range(takes)
    ]


def canonical_rows(corpus: str, channel: str = "speech") -> list[ManifestRow]:
    facts = canonical.clip_list(corpus)
    rows = [ManifestRow(**{c: raw[c] for c in COLUMNS if c in raw}) for raw in facts.values()]
    return [r for r in rows if channel in (r.channel, "all") and not facts[r.clip]["problem"]]


def actors(rows) -> set[str]:
    return {row.actor for row in rows}


def clips(rows) -> list[str]:
    return [row.clip for row in rows]


ROWS = made(14)
#: Those for any corpus.
GENERAL = [name for name in PROTOCOLS if name not in ("actors_16_4_4", "given", "rows")]


@pytest.mark.parametrize("protocol", GENERAL)
def test_every_fold_is_a_division(protocol):
    folds = number_of_folds(ROWS, protocol)
    tested = []
    for fold in range(1, folds + 1):
        split = split_rows(ROWS, protocol, fold)
        together = clips(split.train) + clips(split.validation) + clips(split.test)
        assert sorted(together) == sorted(clips(ROWS))
        assert split.train
        assert split.validation
        assert split.test
        assert split.warning == ""
        assert (split.fold, split.folds, split.leaky) == (fold, folds, PROTOCOLS[protocol].leaky)
        tested += clips(split.test)
    assert len(tested) == len(set(tested))
    if folds > 1:
        assert sorted(tested) == sorted(clips(ROWS))


@pytest.mark.parametrize("protocol", ["actor_folds", "holdout"])
def test_a_sex_that_only_some_clips_say_is_that_of_the_person(protocol):
    last = {max(row.clip for row in ROWS if row.actor == actor) for actor in ("01", "02", "05")}
    some = [replace(row, sex="") if row.clip in last else row for row in ROWS]
    for part in ("train", "validation", "test"):
        one, other = (getattr(split_rows(rows, protocol), part) for rows in (ROWS, some))
        assert clips(one) == clips(other)


@pytest.mark.parametrize("protocol", GENERAL)
def test_listing_order_does_not_matter(protocol):
    shuffled = random.Random(3).sample(ROWS, len(ROWS))
    assert split_rows(shuffled, protocol, seed=5) == split_rows(ROWS, protocol, seed=5)


@pytest.mark.parametrize("protocol", GENERAL)
def test_seed_moves_only_the_leaky_ones(protocol):
    a, b = (clips(split_rows(ROWS, protocol, seed=seed).test) for seed in (0, 1))
    assert (a != b) == PROTOCOLS[protocol].leaky


@pytest.mark.parametrize("protocol", GENERAL)
def test_validation_can_stay_in_train(protocol):
    split = split_rows(ROWS, protocol, validation=False)
    assert split.validation == []
    assert split.test == split_rows(ROWS, protocol).test
    assert len(split.train) + len(split.test) == len(ROWS)


def test_canonical_ravdess_folds():
    rows = canonical_rows("ravdess", "all")
    assert number_of_folds(rows) == 6
    for fold in range(1, 7):
        split = split_rows(rows, fold=fold)
        following = fold % 6
        assert actors(split.test) == {f"{a:02d}" for a in range(4 * fold - 3, 4 * fold + 1)}
        assert actors(split.validation) == {
            f"{a:02d}" for a in range(4 * following + 1, 4 * following + 5)
        }
        assert len(actors(split.train)) == 16
        assert "canonical" in split.description
        assert "leaks: nothing" in split.description


def test_canonical_crema_d_folds():
    rows = canonical_rows("crema_d")
    assert len(rows) == 7437
    sizes = []
    for fold in range(1, 6):
        split = split_rows(rows, fold=fold)
        sizes.append(len(split.test))
        assert len(actors(split.validation)) == 8
        women = {row.actor for row in split.validation if row.sex == "female"}
        assert len(women) in (3, 4, 5)
    assert sizes == [1463, 1470, 1475, 1474, 1555]


def test_sixteen_four_four():
    rows = canonical_rows("ravdess")
    assert number_of_folds(rows, "actors_16_4_4") == 5
    for fold in range(1, 6):
        split = split_rows(rows, "actors_16_4_4", fold)
        assert actors(split.test) == actors(split_rows(rows, "actor_folds", fold).test)
        assert actors(split.validation) == actors(split_rows(rows, "actor_folds", fold + 1).test)
        assert [len(actors(part)) for part in (split.train, split.validation)] == [16, 4]
        assert len(split.test) == 240
        assert not split.leaky
        assert split.by_actor
        kept = split_rows(rows, "actors_16_4_4", fold, validation=False)
        assert len(actors(kept.train)) == 20
    with pytest.raises(UsageError, match="not fold 6"):
        split_rows(rows, "actors_16_4_4", 6)
    for other in (ROWS, [row for row in rows if row.actor != "07"]):
        with pytest.raises(UsageError, match="actor_folds"):
            split_rows(other, "actors_16_4_4")


def test_part_of_a_corpus_gets_folds_of_its_own_and_says_so():
    rows = [row for row in canonical_rows("ravdess") if row.actor <= "07"]
    assert number_of_folds(rows) == 5
    split = split_rows(rows, fold=4)
    assert "not the canonical folds" in split.warning
    assert "folds 3, 4, 5, 6 of 6" in split.warning
    assert split.test


def test_folds_over_actors_are_balanced():
    for fold in range(1, 6):
        split = split_rows(ROWS, fold=fold)
        sexes = {row.actor: row.sex for row in split.test}
        assert len(sexes) in (2, 3)
        assert set(sexes.values()) == {"female", "male"}


def test_folds_spread_the_rarer_sex():
    rows = [replace(r, sex="male" if int(r.actor) % 5 == 0 else "female") for r in made(15)]
    men = {"05", "10", "15"}
    assert [len(actors(split_rows(rows, fold=k).test) & men) for k in range(1, 6)] == [
        0,
        0,
        1,
        1,
        1,
    ]


def test_holdout_of_the_demo():
    split = split_rows(ROWS, "holdout")
    assert [len(actors(p)) for p in (split.train, split.validation, split.test)] == [8, 2, 4]
    assert len(split.test) == 64
    for part in (split.train, split.validation, split.test):
        women = {row.actor for row in part if row.sex == "female"}
        assert len(women) * 2 == len(actors(part))


def test_random_has_the_published_sizes():
    """491 of 2,452 and 1,488 of 7,437 are the test sets of the lightweight system's paper."""
    for corpus, channel, size in (("ravdess", "all", 491), ("crema_d", "speech", 1488)):
        split = split_rows(canonical_rows(corpus, channel), "random", validation=False)
        assert abs(len(split.test) - size) <= 1  # a copy goes with its original


def test_stratified_keeps_the_shares():
    for fold in range(1, 6):
        split = split_rows(ROWS, "stratified", fold)
        counts = [clips(split.test), clips(split.validation)]
        for part in counts:
            each = [sum(f"-{emotion}-" in clip for clip in part) for emotion in EMOTIONS]
            assert max(each) - min(each) <= 1


@pytest.mark.parametrize("protocol", ["stratified", "random"])
def test_copies_stay_together(protocol):
    rows = canonical_rows("ravdess")
    for seed in range(8):
        for fold in range(1, number_of_folds(rows, protocol) + 1):
            split = split_rows(rows, protocol, fold, seed)
            for part in (split.train, split.validation, split.test):
                pair = {"01-03-01-02-01-07", "01-03-01-02-02-07"} & set(clips(part))
                assert len(pair) in (0, 2)


def test_class_missing_from_a_fold_is_named():
    rows = [r for r in ROWS if r.emotion != "calm" or r.actor == "03"]
    fold = next(k for k in range(1, 6) if "03" in actors(split_rows(rows, fold=k).test))
    split = split_rows(rows, fold=fold)
    assert split.warning == f"fold {fold}: no clip of calm in the training part"
    other = split_rows(rows, fold=fold % 5 + 1)
    assert "no clip of calm in the test part" in other.warning


def test_rare_class_in_stratified_is_named_not_fatal():
    rows = [*ROWS, replace(ROWS[0], clip="one", emotion="proud")]
    warned = [split_rows(rows, "stratified", fold).warning for fold in range(1, 6)]
    assert sum("no clip of proud in the test part" in text for text in warned) == 4
    assert all("proud" in text for text in warned)


@pytest.mark.parametrize("protocol", ["stratified", "random"])
def test_the_only_clip_of_a_class_to_learn_from_does_not_choose_the_epoch(protocol):
    for happy in range(2, 12):
        rows = [*made(1, happy, ("happy",)), *made(1, 2, ("sad",))]
        for seed in range(4):
            split = split_rows(rows, protocol, seed=seed)
            learnt = [row.emotion for row in split.train]
            assert split.test
            assert "happy" in learnt
            assert "sad" in learnt or protocol == "random"  # by chance both sad ones may test
            left = [row.emotion for row in (*split.train, *split.validation)]
            assert {*learnt} == {*left}


def test_too_few_people():
    with pytest.raises(UsageError, match=r"at least 3 actors, found 1 \(01\).*stratified"):
        split_rows(made(1))
    with pytest.raises(UsageError, match="found 2"):
        split_rows(made(2), "holdout")
    with pytest.raises(UsageError, match="found 1"):
        number_of_folds(made(1))
    assert number_of_folds(made(3)) == 3
    for fold in (1, 2, 3):
        split = split_rows(made(3), fold=fold)
        assert [len(actors(p)) for p in (split.train, split.validation, split.test)] == [1, 1, 1]
    assert split_rows(made(1), "stratified").test


def test_bad_requests():
    with pytest.raises(
        UsageError, match="actor_folds, actors_16_4_4, holdout, given, stratified, random"
    ):
        split_rows(ROWS, "loso")
    with pytest.raises(UsageError, match="folds 1 to 5 here, not fold 6"):
        split_rows(ROWS, fold=6)
    with pytest.raises(UsageError, match=r"only fold 1 here, not fold 2.*seed"):
        split_rows(ROWS, "random", fold=2)
    with pytest.raises(UsageError, match="two classes"):
        split_rows(made(4, emotions=("happy",)))
    with pytest.raises(UsageError, match="listed twice"):
        split_rows([*ROWS, ROWS[0]])
    with pytest.raises(UsageError, match="no clip"):
        split_rows([])
    with pytest.raises(UsageError, match="too few"):
        split_rows(made(1, takes=1, emotions=("happy", "sad")), "stratified")


def test_same_actor_number_in_two_corpora_is_two_people():
    rows = made(2) + made(2, corpus="other")
    split = split_rows(rows)
    assert split.folds == 4
    named = {f"{row.corpus}/{row.actor}" for row in split.train}
    assert f"actors {' '.join(sorted(named))}; validation" in split.description


def test_check_disjoint_finds_what_is_wrong():
    split = split_rows(ROWS)
    check_disjoint(split)
    someone = next(row for row in split.test)
    with pytest.raises(EmotionNetError, match=r"clip .* in both train and test"):
        check_disjoint(replace(split, train=[*split.train, someone]))
    with pytest.raises(
        EmotionNetError, match=f"actor in both train and test, first {someone.actor}"
    ):
        check_disjoint(replace(split, train=[*split.train, replace(someone, clip="new")]))
    with pytest.raises(EmotionNetError, match="listed twice"):
        check_disjoint(replace(split, test=[*split.test, someone]))
    with pytest.raises(EmotionNetError, match="no actor"):
        check_disjoint(replace(split, train=[replace(split.train[0], actor="")]))
    moved = replace(split.validation[0], clip="new")
    with pytest.raises(EmotionNetError, match="actor in both train and validation"):
        check_disjoint(replace(split, train=[*split.train, moved]))
    mixed = split_rows(ROWS, "stratified")
    assert actors(mixed.train) & actors(mixed.test)
    check_disjoint(mixed)


def test_check_disjoint_knows_copies():
    rows = {row.clip: row for row in canonical_rows("ravdess")}
    split = split_rows(list(rows.values()), "random")
    copy, original = rows["01-03-01-02-02-07"], rows["01-03-01-02-01-07"]
    with pytest.raises(EmotionNetError, match="copy"):
        check_disjoint(replace(split, train=[original], validation=[], test=[copy]))


WITH_COPIES = sorted(
    ROWS
    + [replace(row, clip=f"{row.clip}~{kind}") for row in ROWS for kind in ("noise15", "pitch")],
    key=lambda row: row.clip,
)


def test_rows_divides_recordings_and_copies_alike_and_says_that_it_leaks():
    split = split_rows(WITH_COPIES, "rows", seed=3)
    assert split.leaky
    assert "of most recordings some of the three rows are in each" in split.description
    assert len(split.test) == round(len(WITH_COPIES) / 4)
    together = clips(split.train) + clips(split.validation) + clips(split.test)
    assert sorted(together) == clips(WITH_COPIES)
    learnt = {clip.partition("~")[0] for clip in clips(split.train)}
    tested = {clip.partition("~")[0] for clip in clips(split.test)}
    assert len(learnt & tested) > 0.9 * len(tested)
    with pytest.raises(UsageError, match="--copies"):
        split_rows(ROWS, "rows")


@pytest.mark.parametrize("protocol", ["actor_folds", "stratified", "random"])
def test_elsewhere_copies_that_are_clips_stay_with_their_recording(protocol):
    split = split_rows(WITH_COPIES, protocol)
    parts = [
        {c.partition("~")[0] for c in clips(p)} for p in (split.train, split.validation, split.test)
    ]
    assert not parts[0] & parts[2]
    assert not parts[1] & parts[2]
    assert not parts[0] & parts[1]
