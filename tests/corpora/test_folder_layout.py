"""What the levels of folders mean, found out from their names; and what is refused."""

import unicodedata
from pathlib import Path, PurePosixPath

import pytest

from emotionnet.corpora import folder, words
from emotionnet.corpora.layout import read_layout
from emotionnet.errors import EmotionNetError, UsageError

EMOTIONS = ("angry", "happy", "sad")
PEOPLE = ("anna", "bob", "cara")


def put(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"recording")
    return root


def each(pattern: str) -> list[str]:
    """A file for every emotion, person and take of a pattern."""
    return [
        pattern.format(e=e, E=e.title(), a=a, n=11 + i, part="train" if i else "test", t=t)
        for e in EMOTIONS
        for i, a in enumerate(PEOPLE)
        for t in (1, 2)
    ]


def read(root, **options):
    ignored, notes = [], []
    rows = folder.scan(root, ignored, notes, **options)
    return rows, notes, ignored


#: Pattern, how it is read, and whether people and parts are found.
LAYOUTS = {
    "class folders": ("{e}/{a}_{t}.wav", "emotion", 0, 0),
    "people in them": ("{e}/{a}/{t}.wav", "emotion/actor", 3, 0),
    "ESD": ("00{n}/{E}/00{n}_{t}.wav", "actor/emotion", 3, 0),
    "ESD with parts": ("00{n}/{E}/{part}/{t}.wav", "actor/emotion/part", 3, 2),
    "names first": ("{a}/{e}/{t}.wav", "actor/emotion", 3, 0),
    "eNTERFACE": ("subject {n}/{e}/sentence {t}/s.avi", "actor/emotion/statement", 3, 0),
    "MEAD": ("M0{n}/video/front/{e}/level_1/{t}.mp4", "actor/media/camera/emotion/intensity", 3, 0),
    "Kaggle": ("{part}/{e}/{a}_{t}.wav", "part/emotion", 0, 2),
    "with people": ("{part}/{e}/{a}/{t}.wav", "part/emotion/actor", 3, 2),
    "parts inside": ("{e}/{part}/{a}_{t}.wav", "emotion/part", 0, 2),
    "AFEW": ("{part}_AFEW/{E}/{a}{t}.avi", "part/emotion", 0, 2),
    "wrapper": ("dataset/{e}/{a}/{t}.wav", "*/emotion/actor", 3, 0),
    "two wrappers": ("archive/clips/{e}/{t}_{a}.wav", "*/*/emotion", 0, 0),
    "wrapper and people": ("My Data/Actor_{n}/{e}/{t}.wav", "*/actor/emotion", 3, 0),
    "wrapper of initials": ("ESD/{e}/{a}/{t}.wav", "*/emotion/actor", 3, 0),
    "media": ("audio/{e}/{a}/{t}.wav", "media/emotion/actor", 3, 0),
    "sessions": ("Session{t}/{e}/{a}/1.wav", "*/emotion/actor", 3, 0),
    "dates": ("2024-01-{n}/{e}/{a}{t}.wav", "*/emotion", 0, 0),
    "films": ("{e}/video{n}/{a}{t}.mp4", "emotion/*", 0, 0),
    "rates": ("{n}kHz/{e}/{a}{t}.wav", "*/emotion", 0, 0),
    "numbered classes": ("0{t}/{E}/x{a}.wav", "actor/emotion", 2, 0),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts_that_people_have(name, tmp_path):
    pattern, order, people, parts = LAYOUTS[name]
    rows, notes, ignored = read(put(tmp_path, *each(pattern)))
    assert len(rows) == 18
    assert {row.emotion for row in rows} == set(EMOTIONS)
    assert len({row.actor for row in rows} - {""}) == people
    assert {row.part for row in rows} == ({"train", "test"} if parts else {""})
    assert notes[0].startswith(f"read as {order}: 3 emotions (happy, sad, angry); ")
    assert not ignored


def test_unknown_classes_stand_above_their_people_as_documented(tmp_path):
    put(tmp_path, *(f"{c}/{a}/1.wav" for c in ("engaged", "absent") for a in PEOPLE))
    rows, notes, _ = read(tmp_path)
    assert {row.emotion for row in rows} == {"engaged", "absent"}
    assert "no known emotions, kept as classes: absent, engaged" in notes
    assert any("--layout actor/emotion" in note for note in notes)
    rows, notes, _ = read(tmp_path, layout="actor/emotion")
    assert {row.emotion for row in rows} == set(PEOPLE)
    assert len(notes) == 1


@pytest.mark.parametrize(
    ("files", "words_said"),
    [
        (each("Actor_{n}/{e}_{t}.wav"), ("people", "--layout emotion", "clips.csv")),
        (each("{n}/{a}_{t}.wav"), ("people", "--layout emotion")),
        (each("{a}/{e}/day{t}x/1.wav"), ("--layout actor/emotion", "--layout */emotion/actor")),
        (["happy/sad/1.wav", "sad/happy/1.wav"], ("two levels", "--layout emotion/actor", "--layout actor/emotion")),
        ([f"{a}/{t}.wav" for a in ("DC", "JE", "KL") for t in "ab"], ("look like people", "--layout emotion")),
        (each("{a}_{e}/{t}.wav"), ("more than an emotion", "--layout actor_emotion")),
        ([*each("{part}/{e}/{t}.wav"), "extra/happy/1.wav"], ("'test'", "extra", "--layout")),
        ([*each("{e}/{t}.wav"), "train/1.wav", "test/1.wav"], ("'test'", "angry", "--layout")),
        ([f"{i:03d}_x/{t}/1.wav" for i in range(14) for t in "ab"], ("many", "--layout actor/emotion")),
    ],
)  # fmt: skip
def test_two_readings_are_refused_with_the_layouts_to_choose_from(tmp_path, files, words_said):
    put(tmp_path, *files)
    with pytest.raises(UsageError) as error:
        read(tmp_path)
    for word in words_said:
        assert word in str(error.value)


def test_a_layout_may_be_given(tmp_path):
    put(tmp_path, *each("{n}/{e}/{t}.wav"), "loose.wav")
    rows, _, ignored = read(tmp_path, layout="emotion/*")
    assert {row.emotion for row in rows} == {"11", "12", "13"}
    assert [file for file, _ in ignored] == ["loose.wav"]
    put(tmp_path / "joined", *each("{a}_{e}/{t}.wav"))
    rows, _, _ = read(tmp_path / "joined", layout="actor_emotion/file")
    assert {(row.actor, row.emotion) for row in rows} == {(a, e) for a in PEOPLE for e in EMOTIONS}
    for wrong in ("class/actor", "actor", "emotion/emotion", "/"):
        with pytest.raises(UsageError, match="--layout"):
            read(tmp_path, layout=wrong)


def test_parts_of_every_spelling_and_what_eval_means(tmp_path):
    put(tmp_path / "a", *(f"{p}/{e}/1.wav" for p in ("Training", "dev", "TEST") for e in EMOTIONS))
    assert {row.part for row in read(tmp_path / "a")[0]} == {"train", "validation", "test"}
    put(tmp_path / "b", *(f"{p}/{e}/1.wav" for p in ("train", "evaluation") for e in EMOTIONS))
    assert {row.part for row in read(tmp_path / "b")[0]} == {"train", "test"}
    put(
        tmp_path / "c",
        *(f"{p}/{e}/1.wav" for p in ("train", "evaluation", "test") for e in EMOTIONS),
    )
    assert {row.part for row in read(tmp_path / "c")[0]} == {"train", "validation", "test"}


def test_a_person_may_be_called_val(tmp_path):
    rows, _, _ = read(
        put(tmp_path, *(f"{e}/{a}/1.wav" for e in EMOTIONS for a in ("anna", "Val", "dev")))
    )
    assert {row.actor for row in rows} == {"anna", "Val", "dev"}


def test_only_parts_and_no_classes(tmp_path):
    put(tmp_path, "train/1.wav", "test/2.wav")
    with pytest.raises(EmotionNetError, match="not in a class folder"):
        read(tmp_path)


def test_emotions_in_the_names_of_files_alone(tmp_path):
    put(tmp_path, *(f"{a}/{e}{t}.wav" for a in PEOPLE for e in EMOTIONS for t in (1, 2)))
    with pytest.raises(UsageError, match=r"most files do \(first anna/angry1.wav\).*clips.csv"):
        read(tmp_path)
    rows, _, _ = read(tmp_path, layout="emotion")
    assert {row.emotion for row in rows} == set(PEOPLE)


def test_people_who_are_counted_by_sex(tmp_path):
    put(
        tmp_path,
        *(f"{s}/{e}/0{n}/1.wav" for s in ("female", "male") for e in EMOTIONS for n in (1, 2)),
    )
    put(tmp_path, "male/sad/03/1.wav")
    rows, _, _ = read(tmp_path)
    people = {"female 01", "female 02", "male 01", "male 02", "03"}
    assert {row.actor for row in rows} == people
    assert {row.sex for row in rows if row.actor == "female 01"} == {"female"}


@pytest.mark.parametrize(
    "variants", [("original", "noise", "pitch_shifted"), ("Clean", "Noisy", "Reverb")]
)
def test_variants_of_recordings_are_no_people(tmp_path, variants):
    put(tmp_path, *(f"{v}/{e}/{t}.wav" for v in variants for e in EMOTIONS for t in (1, 2)))
    rows, notes, _ = read(tmp_path)
    assert {row.actor for row in rows} == {""}
    assert notes[0].startswith("read as */emotion:")


def test_sound_and_picture_of_one_clip_in_folders_of_their_own(tmp_path):
    for a in ("M003", "W009"):
        for e in EMOTIONS:
            put(
                tmp_path,
                f"{a}/video/front/{e}/level_1/001.mp4",
                f"{a}/video/left_30/{e}/level_1/001.mp4",
            )
            put(tmp_path, f"{a}/audio/{e}/level_1/001.m4a", f"{a}/audio/{e}/level_2/001.m4a")
    rows, _, ignored = read(tmp_path)
    assert not ignored
    assert len(rows) == 18  # two views and a sound without a picture, for each
    for row in rows:
        assert row.sound == f"{row.actor}/audio/{row.emotion}/{row.intensity}/001.m4a"
        assert bool(row.picture) == (row.intensity == "level_1")


def test_names_that_differ_in_spelling_only_are_one_and_that_is_said(tmp_path):
    for form in ("NFC", "NFD"):
        put(
            tmp_path,
            *(unicodedata.normalize(form, f"{c}/{form}.wav") for c in ("fröhlich", "müde")),
        )
    rows, notes, _ = read(tmp_path)
    assert {row.emotion for row in rows} == {"fröhlich", "müde"}
    assert len({row.clip for row in rows}) == 4
    other = put(tmp_path / "other", "Bored/anna/1.wav", "bored/Anna /2.wav", "very_keen/B 01/1.wav",
                "Very Keen/b1/2.wav", "very-keen/anna/3.wav")  # fmt: skip
    rows, notes, _ = read(other)
    assert {row.emotion for row in rows} == {"Bored", "Very Keen"}
    assert len({row.actor for row in rows}) == 2
    said = "\n".join(notes)
    assert "Bored = bored" in said
    assert "anna = Anna" in said


@pytest.mark.parametrize(
    ("text", "name"),
    [("Happiness", "happy"), ("01_ANGER", "angry"), ("Pleasant_Surprise", "surprised"), ("fear", "fearful"),
     ("Contempt", "Contempt"), ("FRÖHLICH", "FRÖHLICH"), (" calm ", "calm"), ("2-neutral", "neutral")],
)  # fmt: skip
def test_words_for_emotions(text, name):
    assert words.emotion_name(text) == name
    assert words.is_emotion(text)


def test_spellings_of_one_person():
    same = [
        ("Anna", "anna "),
        ("01", "1"),
        ("1.0", "1"),
        ("Actor_01", "actor 1"),
        ("A  B", "a b"),
        ("007", "7"),
    ]
    assert all(words.person_key(a) == words.person_key(b) for a, b in same)
    other = [("10", "1"), ("1 1", "11"), ("1-1", "11"), ("anna1", "anna10"), ("0", "00x")]
    assert all(words.person_key(a) != words.person_key(b) for a, b in other)


def test_nothing_to_read():
    assert read_layout([]).order == ""
    assert read_layout([PurePosixPath("a.wav")]).places[PurePosixPath("a.wav")].emotion == ""
