"""A user's own clips: class folders, a CSV, odd names."""

from pathlib import Path

import pytest

from emotionnet.corpora import folder
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.inputs.protocols import split_rows


def put(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"recording")
    return root


def test_class_folders_actors_and_partners(tmp_path):
    put(
        tmp_path,
        "happy/a.MOV",
        "happy/a.wav",
        "Anger/anna/b.mp4",
        "Anger/anna/sub/c.m4a",
        "proud/d.webm",
    )
    rows = folder.scan(tmp_path)
    assert [(r.clip, r.emotion, r.actor, r.picture, r.sound) for r in rows] == [
        ("Anger/anna/b", "angry", "anna", "Anger/anna/b.mp4", ""),
        ("Anger/anna/sub/c", "angry", "anna", "", "Anger/anna/sub/c.m4a"),
        ("happy/a", "happy", "", "happy/a.MOV", "happy/a.wav"),
        ("proud/d", "proud", "", "proud/d.webm", ""),
    ]
    assert {row.label_kind for row in rows} == {"given"}


def test_left_out_files_are_named(tmp_path):
    put(tmp_path, "loose.mp4", "happy/a.mp4", "happy/a.mov", "happy/readme.txt", "all.zip")
    ignored = []
    assert [row.picture for row in folder.scan(tmp_path, ignored)] == ["happy/a.mp4"]
    assert {path for path, _ in ignored} == {
        *("loose.mp4", "happy/a.mov", "all.zip", "happy/readme.txt"),
    }


ODD = (
    "with space",
    "Grüße 你好 🙂",
    "quote\"and'",
    "a,b;c",
    "line\nbreak",
    "x" * 240,
    "dot.ted.name",
)


@pytest.mark.parametrize("name", ODD)
def test_odd_names_survive_a_scan(name, tmp_path):
    put(tmp_path / "set", f"happy/{name}.wav")
    rows = folder.scan(tmp_path / "set")
    assert rows[0].clip == f"happy/{name}"
    assert (tmp_path / "set" / rows[0].sound).is_file()


def test_name_that_is_no_text(tmp_path):
    put(tmp_path, "happy/good.wav")
    try:
        (tmp_path / "happy" / "bad\udcff.wav").write_bytes(b"recording")
    except (OSError, UnicodeError):
        pytest.skip("this file system takes valid UTF-8 names only")
    ignored = []
    assert len(folder.scan(tmp_path, ignored)) == 1
    assert "rename" in ignored[0][1]
    ignored[0][0].encode("utf-8")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_table(tmp_path, delimiter):
    put(tmp_path, "clips/a b.mp4", "clips/a b.wav", "c.wav", "other/d.mp4", "other/voice.wav")
    lines = [
        ("File", "emotion", "actor", "sex", "sound"),
        ("clips/a b.mp4", "Happiness", "anna", "F", ""),
        ("c.wav", "tired", "bob", "male", ""),
        ("other\\d.mp4", "sad", "anna", "f", "other/voice.wav"),
    ]
    text = "\ufeff" + "\r\n".join(delimiter.join(line) for line in lines)
    (tmp_path / "clips.csv").write_text(text, encoding="utf-8")
    ignored = []
    rows = folder.scan(tmp_path, ignored)
    assert [(r.clip, r.emotion, r.actor, r.sex, r.picture, r.sound) for r in rows] == [
        ("c", "tired", "bob", "male", "", "c.wav"),
        ("clips/a b", "happy", "anna", "female", "clips/a b.mp4", "clips/a b.wav"),
        ("other/d", "sad", "anna", "female", "other/d.mp4", "other/voice.wav"),
    ]
    assert not ignored


def test_lines_of_a_table_that_cannot_be_used(tmp_path):
    put(tmp_path / "set", "a.mp4", "notes.txt")
    put(tmp_path, "outside.mp4")
    (tmp_path / "set" / "mine.csv").write_text(
        "file,emotion\na.mp4,happy\na.mp4,sad\nabsent.mp4,sad\n../outside.mp4,sad\nnotes.txt,sad\n"
        ",sad\nshort\n",
    )
    ignored = []
    assert len(folder.scan(tmp_path / "set", ignored, table="mine.csv")) == 1
    reasons = [reason for _, reason in ignored]
    expected = ["listed twice", "no such file", "lies outside", ".txt", "no file", "no such file"]
    assert len(reasons) == len(expected)
    for number, (reason, words) in enumerate(zip(reasons, expected), start=3):
        assert reason.startswith(f"mine.csv, line {number}: ")
        assert words in reason


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"path,emotion\na.mp4,happy\n", "column 'file' is missing. Found: path, emotion"),
        (b"", "column 'file' is missing. Found: nothing"),
        ("file,emotion\na.mp4,fr\xf6hlich\n".encode("latin-1"), "not UTF-8"),
    ],
)
def test_table_that_cannot_be_read(tmp_path, content, message):
    (tmp_path / "clips.csv").write_bytes(content)
    with pytest.raises(UsageError, match=message):
        folder.scan(tmp_path)


def test_missing_and_empty(tmp_path):
    with pytest.raises(UsageError, match="no such folder"):
        folder.scan(tmp_path / "absent")
    with pytest.raises(UsageError, match="no such CSV"):
        folder.scan(tmp_path, table="mine.csv")
    with pytest.raises(EmotionNetError, match="one folder a class"):
        folder.scan(tmp_path)


def test_without_actors_the_protocols_over_people_refuse(tmp_path):
    put(tmp_path, *(f"{emotion}/{i}.wav" for emotion in ("happy", "sad") for i in range(6)))
    rows = folder.scan(tmp_path)
    for protocol in ("actor_folds", "holdout"):
        with pytest.raises(
            UsageError, match=r"12 of 12 clips have no actor.*--protocol stratified"
        ):
            split_rows(rows, protocol)
    assert split_rows(rows, "stratified").leaky
