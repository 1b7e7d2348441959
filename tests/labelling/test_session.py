"""Answers on disk: whole, resumable, and in the form that the folder corpus reads."""

import pytest

from emotionnet.corpora import folder
from emotionnet.corpora.media import write_clip
from emotionnet.errors import UsageError
from emotionnet.files import read_csv
from emotionnet.labelling.queue import Scored
from emotionnet.labelling.session import Session

LABELS = ("neutral", "happy", "sad")


@pytest.fixture
def pool(tmp_path):
    import numpy as np

    for name in ("anna/a.wav", "anna/b.wav", 'bob/c, "d" é.wav'):
        samples = np.random.default_rng(0).normal(0, 0.1, 8000)
        write_clip(tmp_path / name, samples=samples, sound_codec="pcm_s16le")
    return tmp_path


def session(pool, out="labels.csv", run="r1"):
    files = ("anna/a.wav", "anna/b.wav", 'bob/c, "d" é.wav')
    clips = [Scored(file, "1", "1", run, 1.5) for file in files]
    return Session(pool, pool / out, clips, LABELS, run)


def test_the_folder_corpus_reads_the_answers(pool):
    s = session(pool)
    s.answer("anna/a.wav", "happy", " anna  b ")
    s.answer('bob/c, "d" é.wav', "sad", "bob")
    s.answer("anna/b.wav", "")  # skipped: not a row
    ignored = []
    rows = folder.scan(pool, ignored, table="labels.csv")
    # A skipped clip is counted among what is not used, and so is the table itself.
    assert ("anna/b.wav", "not listed in labels.csv") in ignored
    assert not {"anna/a.wav", 'bob/c, "d" é.wav'} & {path for path, _ in ignored}
    found = {row.sound: (row.emotion, row.actor, row.label_kind) for row in rows}
    assert found == {
        "anna/a.wav": ("happy", "anna b", "given"),
        'bob/c, "d" é.wav': ("sad", "bob", "given"),
    }


def test_a_row_without_an_emotion_is_asked_about(pool):
    (pool / "labels.csv").write_text("file,emotion\nanna/a.wav,\nanna/b.wav,nan\n")
    assert session(pool).answers() == {}
    session(pool).answer("anna/b.wav", "sad")
    assert session(pool).answers() == {"anna/b.wav": {"emotion": "sad", "actor": ""}}


def test_a_sitting_goes_on_where_it_was_left(pool):
    s = session(pool)
    s.answer("anna/a.wav", "happy", "anna")
    s.answer("anna/b.wav", "")
    assert (
        session(pool).answers()
        == s.answers()
        == {
            "anna/a.wav": {"emotion": "happy", "actor": "anna"},
            "anna/b.wav": {"emotion": "", "actor": ""},
        }
    )
    s.answer("anna/a.wav", None)
    s.answer("anna/b.wav", "sad")
    assert session(pool).answers() == {"anna/b.wav": {"emotion": "sad", "actor": ""}}
    # What was skipped when another model asked is asked again.
    s.answer("anna/b.wav", "")
    assert session(pool, run="r2").answers() == {}


def test_rows_and_columns_of_others_are_kept(pool):
    out = pool / "labels.csv"
    out.write_text("file,emotion,actor,note\nold.wav,calm,zoe,keep me\nanna/a.wav,sad,anna,mine\n")
    session(pool).answer("anna/a.wav", "happy", "anna")
    rows = {row["file"]: row for row in read_csv(out)}
    assert rows["old.wav"]["emotion"] == "calm"
    assert rows["old.wav"]["note"] == "keep me"
    assert rows["anna/a.wav"]["emotion"] == "happy"
    assert rows["anna/a.wav"]["note"] == "mine"


def test_a_file_is_one_clip_however_a_table_writes_its_place(pool):
    out = pool / "labels.csv"
    out.write_text("file,emotion,note\n./anna/a.wav,sad,mine\nanna//b.wav,,\n./old.wav,calm,\n")
    assert session(pool).answers() == {"anna/a.wav": {"emotion": "sad", "actor": ""}}
    session(pool).answer("anna/a.wav", "happy")
    rows = {row["file"]: (row["emotion"], row["note"]) for row in read_csv(out)}
    assert rows == {
        "anna/a.wav": ("happy", "mine"), "anna//b.wav": ("", ""), "./old.wav": ("calm", ""),
    }  # fmt: skip
    out.write_text("file,emotion\nanna/a.wav,sad\n./anna/a.wav,calm\n")
    with pytest.raises(UsageError, match=r"names anna/a\.wav more than once"):
        session(pool)


def test_columns_of_others_outlive_a_label_that_is_taken_back(pool):
    (pool / "labels.csv").write_text("file,emotion,note\nanna/a.wav,,loud\nanna/b.wav,,\n")
    for answer in (None, "", None):
        session(pool).answer("anna/a.wav", "sad")
        session(pool).answer("anna/b.wav", "sad")
        session(pool).answer("anna/a.wav", answer)
        session(pool).answer("anna/b.wav", answer)
        (row,) = read_csv(pool / "labels.csv")
        assert (row["file"], row["emotion"], row["note"], row["run"]) == (
            "anna/a.wav",
            "",
            "loud",
            "",
        )
        skipped = {"emotion": "", "actor": ""}
        assert session(pool).answers().get("anna/a.wav") == (skipped if answer == "" else None)


def test_two_sittings_at_once_keep_the_answers_of_both(pool):
    one, other = session(pool), session(pool, run="r2")
    one.answer("anna/a.wav", "happy")
    one.answer("anna/b.wav", "")
    other.answer('bob/c, "d" é.wav', "sad")
    other.answer("anna/b.wav", "")
    one.answer("anna/a.wav", "sad")
    rows = {row["file"]: row["emotion"] for row in read_csv(pool / "labels.csv")}
    assert rows == {"anna/a.wav": "sad", 'bob/c, "d" é.wav': "sad"}
    for run in ("r1", "r2"):
        assert session(pool, run=run).answers()["anna/b.wav"]["emotion"] == ""


def test_what_another_sitting_took_back_does_not_return(pool):
    session(pool).answer("anna/a.wav", "happy")
    one, other = session(pool), session(pool)
    one.answer("anna/a.wav", None)
    other.answer("anna/b.wav", "sad")
    assert [row["file"] for row in read_csv(pool / "labels.csv")] == ["anna/b.wav"]


def test_a_list_of_parts_of_files_loses_none_of_them(pool):
    out = pool / "labels.csv"
    out.write_text("file,emotion,start,end\nanna/a.wav,calm,0,1\nanna/a.wav,sad,1,2\n")
    with pytest.raises(UsageError, match=r"names anna/a\.wav more than once"):
        session(pool)


def test_another_kind_of_file_is_never_overwritten(pool):
    out = pool / "labels.csv"
    out.write_text("name,age\nanna,3\n")
    with pytest.raises(UsageError, match="lacks the columns file and emotion"):
        session(pool)
    assert out.read_text() == "name,age\nanna,3\n"
    out.write_bytes("file,emotion\nanna/é.wav,sad\n".encode("latin-1"))
    with pytest.raises(UsageError, match=r"labels\.csv: is no CSV .* Save it as CSV UTF-8"):
        session(pool)
    out.unlink()
    out.mkdir()
    with pytest.raises(UsageError, match=r"labels\.csv: is a folder"):
        session(pool)


@pytest.mark.parametrize(
    ("file", "actor"),
    [
        ("anna/b.wav", "anna"),
        ("anna/2024-05-01/b.wav", "anna"),
        ("Actor_01/Happy/audio/b.wav", "Actor_01"),
        ("2024-05-01/b.wav", ""),
        ("b.wav", ""),
    ],
)
def test_a_folder_that_is_called_after_no_person_names_none(pool, file, actor):
    assert session(pool).actor_of(file) == actor


def test_only_clips_and_labels_of_the_sitting_are_taken(pool):
    s = session(pool)
    for file, emotion in (("../secret.wav", "happy"), ("anna/a.wav", "bored")):
        with pytest.raises(ValueError, match="not"):
            s.answer(file, emotion)
    assert not (pool / "labels.csv").exists()


def test_an_answer_that_cannot_be_written_is_not_taken(pool, monkeypatch):
    s = session(pool)

    def full(*args):
        raise OSError(28, "No space left on device", "labels.csv")

    monkeypatch.setattr("emotionnet.labelling.session.write_labels", full)
    with pytest.raises(OSError, match="No space"):
        s.answer("anna/a.wav", "happy")
    assert s.answers() == {}
