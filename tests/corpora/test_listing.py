"""Every file of a folder is a recording or is counted with the reason why not."""

import importlib
import os
import sys

import pytest

from emotionnet.corpora.listing import find_recordings, left_out
from emotionnet.errors import UsageError

KNOWN = (".wav", ".oga")


def put(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"recording")
    return root


def listed(root):
    ignored = []
    found = find_recordings(root, KNOWN, ignored)
    return sorted(str(path) for paths in found.values() for path in paths), dict(ignored)


def test_what_is_no_recording_is_counted_and_what_systems_leave_is_not(tmp_path):
    put(tmp_path, "a/1.wav", "a/2.OGA", "a/3.xyz", "notes.txt", "noending", "a/all.zip", "a/.4.wav")
    put(
        tmp_path,
        ".DS_Store",
        "a/._1.wav",
        "Thumbs.db",
        "a/desktop.ini",
        "__MACOSX/1.wav",
        ".git/x.wav",
    )
    found, ignored = listed(tmp_path)
    assert found == ["a/1.wav", "a/2.OGA"]
    assert set(ignored) == {"a/3.xyz", "notes.txt", "noending", "a/all.zip", "a/.4.wav"}
    assert ignored["a/3.xyz"].startswith(".xyz: ")
    assert "no ending" in ignored["noending"]
    assert "unpack" in ignored["a/all.zip"]
    assert "hidden" in ignored["a/.4.wav"]


def test_a_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    put(tmp_path, "happy/1.wav", "sad/1.wav")
    real = os.scandir

    def scandir(path):  # a test may run as root, who may read everything
        if os.path.basename(path) == "sad":
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    found, ignored = listed(tmp_path)
    assert found == ["happy/1.wav"]
    assert ignored == {"sad": "this folder cannot be read: Permission denied"}


def test_a_link_to_a_folder_that_is_read_already_is_named(tmp_path):
    put(tmp_path, "happy/1.wav")
    (tmp_path / "joy").symlink_to(tmp_path / "happy")
    (tmp_path / "happy" / "up").symlink_to(tmp_path)
    (tmp_path / "gone.wav").symlink_to(tmp_path / "nowhere")
    found, ignored = listed(tmp_path)
    assert found == ["happy/1.wav"]
    assert set(ignored) == {"joy", "gone.wav"}  # a loop holds nothing new
    assert "link to happy" in ignored["joy"]


def test_left_out_files_are_told_a_reason_a_line():
    ignored = [(f"{i}.txt", "text") for i in range(7)] + [
        ("a", "one"),
        ("b", "two"),
        ("c", "three"),
    ]
    lines = left_out(ignored, most=2)
    assert lines[0] == "left out: 10"
    assert lines[1].strip() == "7 files, first 0.txt: text"
    assert lines[2].strip() == "a: one"
    assert "2 more" in lines[3]
    assert left_out([]) == []


@pytest.mark.parametrize("words", [["predict", "run", ""], ["predict", "run", " "], ["predict", ""],
                                   ["fit", "--corpus", "folder", "--root", ""], ["fit", "--name="],
                                   ["label", "run", "--pool", ""], ["prepare", "--out", ""]])  # fmt: skip
def test_an_empty_argument_is_refused_before_anything_is_done(words, tmp_path, monkeypatch, capsys):
    from emotionnet.command import run_command

    put(tmp_path, "a.wav")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as left:
        run_command(importlib.import_module(f"emotionnet.{words[0]}").main)
    error = capsys.readouterr().err
    assert left.value.code == 2
    assert error.startswith("usage: ")
    assert "empty" in error
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


def test_an_empty_name_is_refused_in_python_too(tmp_path):
    import emotionnet

    with pytest.raises(UsageError, match="empty"):
        emotionnet.predict("run", [""])
    with pytest.raises(UsageError, match="empty"):
        emotionnet.prepare("folder", "", tmp_path / "records")
