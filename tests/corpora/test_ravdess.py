"""RAVDESS names, layouts, partners, and what is left out and why."""

import os
from pathlib import Path

import pytest

from emotionnet import corpora
from emotionnet.corpora import ravdess
from emotionnet.errors import EmotionNetError, UsageError


def put(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"recording")
    return root


def test_name_is_read_in_full():
    modality, row = ravdess.parse_name("02-01-06-02-02-01-14")
    assert modality == "02"
    assert row == ravdess.ManifestRow(
        clip="01-06-02-02-01-14", corpus="ravdess", emotion="fearful", actor="14", sex="female",
        intensity="strong", statement="dogs", repetition="1", channel="speech",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("01-01-09-01-01-01-01", "unknown emotion code 09"),
        ("01-01-00-01-01-01-01", "unknown emotion code 00"),
        ("04-01-01-01-01-01-01", "unknown modality code 04"),
        ("01-01-03-01-01-01-25", "unknown actor code 25"),
        ("01-01-01-02-01-01-01", "no strong neutral"),
        ("01-02-08-01-01-01-01", "no surprised song"),
        ("01-02-03-01-01-01-18", "did not sing"),
        ("holiday", "seven two-digit numbers"),
        ("01-01-03-01-01-01-01-1", "seven two-digit numbers"),
    ],
)
def test_names_that_are_not_of_the_set(name, reason, tmp_path):
    with pytest.raises(ValueError, match=reason):
        ravdess.parse_name(name)
    put(tmp_path, f"{name}.mp4", "01-01-03-01-01-01-01.mp4")
    ignored = []
    assert len(ravdess.scan(tmp_path, ignored)) == 1
    assert [path for path, _ in ignored] == [f"{name}.mp4"]
    assert reason in ignored[0][1]


def test_takes_of_all_layouts_with_partners(tmp_path):
    put(
        tmp_path,
        "Video_Speech_Actor_01/Actor_01/01-01-03-01-01-01-01.mp4",
        "Video_Speech_Actor_01/Actor_01/02-01-03-01-01-01-01.mp4",
        "Audio_Speech_Actors_01-24/Actor_01/03-01-03-01-01-01-01.wav",
        "Actor_02/02-01-04-01-01-01-02.MP4",
        "03-01-05-01-01-01-03.flac",
        "01-01-06-01-01-01-04.mp4",
    )
    ignored = []
    rows = ravdess.scan(tmp_path, ignored)
    video = "Video_Speech_Actor_01/Actor_01/"
    assert [(row.clip, row.picture, row.sound) for row in rows] == [
        (
            "01-03-01-01-01-01",
            f"{video}01-01-03-01-01-01-01.mp4",
            "Audio_Speech_Actors_01-24/Actor_01/03-01-03-01-01-01-01.wav",
        ),
        ("01-04-01-01-01-02", "Actor_02/02-01-04-01-01-01-02.MP4", ""),
        ("01-05-01-01-01-03", "", "03-01-05-01-01-01-03.flac"),
        ("01-06-01-01-01-04", "01-01-06-01-01-01-04.mp4", ""),
    ]
    assert not ignored


def test_wav_goes_before_flac_and_the_second_file_is_named(tmp_path):
    put(tmp_path, "a/03-01-05-01-01-01-03.flac", "b/03-01-05-01-01-01-03.wav")
    ignored = []
    (row,) = ravdess.scan(tmp_path, ignored)
    assert row.sound == "b/03-01-05-01-01-01-03.wav"
    assert ignored == [("a/03-01-05-01-01-01-03.flac", f"the same recording as {row.sound}")]


def test_channel(tmp_path):
    put(tmp_path, "01-01-03-01-01-01-01.mp4", "01-02-03-01-01-01-01.mp4")
    assert [row.channel for row in ravdess.scan(tmp_path)] == ["speech"]
    assert [row.channel for row in ravdess.scan(tmp_path, channel="song")] == ["song"]
    assert len(ravdess.scan(tmp_path, channel="all")) == 2
    with pytest.raises(UsageError, match="speech, song, all"):
        ravdess.scan(tmp_path, channel="whisper")


def test_only_the_other_channel_is_there(tmp_path):
    put(tmp_path, "01-02-03-01-01-01-01.mp4")
    with pytest.raises(EmotionNetError, match="channel=all"):
        ravdess.scan(tmp_path)


def test_copy_is_left_out_visibly_and_can_be_kept(tmp_path):
    copy, original = "03-01-03-01-02-02-07.wav", "03-01-03-01-02-01-07.wav"
    put(tmp_path, copy, original)
    ignored = []
    assert [row.sound for row in ravdess.scan(tmp_path, ignored)] == [original]
    assert ignored[0][0] == copy
    assert "byte-identical" in ignored[0][1]
    assert len(ravdess.scan(tmp_path, keep_copies=True)) == 2
    (tmp_path / original).unlink()
    assert [row.sound for row in ravdess.scan(tmp_path)] == [copy]


def test_missing_and_empty_folder(tmp_path):
    with pytest.raises(UsageError, match=r"no such folder.*Actor_01"):
        ravdess.scan(tmp_path / "absent")
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="is a file"):
        ravdess.scan(tmp_path / "file")
    (tmp_path / "Video_Speech_Actor_01.zip").write_bytes(b"PK")
    with pytest.raises(EmotionNetError, match="no usable clip") as caught:
        ravdess.scan(tmp_path)
    assert "Actor_01/01-01-03-02-01-01-01.mp4" in str(caught.value)
    assert "unpack it first" in str(caught.value)
    assert not isinstance(caught.value, UsageError)


def test_hidden_files_links_and_loops(tmp_path):
    put(tmp_path, "set/Actor_01/._01-01-03-01-01-01-01.mp4", "real/01-01-03-01-01-01-01.mp4")
    os.symlink(tmp_path / "real", tmp_path / "set" / "Actor_02")
    os.symlink(tmp_path / "set", tmp_path / "set" / "loop")
    ignored = []
    assert [row.picture for row in ravdess.scan(tmp_path / "set", ignored)] == [
        "Actor_02/01-01-03-01-01-01-01.mp4"
    ]
    assert not ignored


def test_get_corpus_and_options(tmp_path):
    assert corpora.get_corpus("RAVDESS") is ravdess
    with pytest.raises(UsageError, match=r"crema_d, demo.*fer2013, folder.*ravdess"):
        corpora.get_corpus("nobodys")
    assert corpora.corpus_options("ravdess") == {"channel": "speech", "keep_copies": False}
    with pytest.raises(UsageError, match=r"no option 'labels'.*channel"):
        corpora.scan("ravdess", tmp_path, labels="acted")
    put(tmp_path, "01-02-03-01-01-01-01.mp4", "x.mp4")
    ignored = []
    assert len(corpora.scan("ravdess", tmp_path, ignored, channel="song")) == 1
    assert len(ignored) == 1


@pytest.mark.real_data
def test_real_recordings():
    data = os.environ.get("EMOTIONNET_DATA")
    if not data or not Path(data, "ravdess").is_dir():
        pytest.skip("needs EMOTIONNET_DATA with the folder ravdess")
    ignored = []
    rows = ravdess.scan(Path(data, "ravdess"), ignored)
    assert len(rows) == 1439
    assert sum(bool(row.picture) for row in rows) == 12
    assert all(row.sound for row in rows)
    assert [path for path, _ in ignored] == ["Actor_07/03-01-03-01-02-02-07.flac"]
    takes = {row.clip: row for row in ravdess.takes()}
    assert {row.clip for row in rows} <= set(takes)
