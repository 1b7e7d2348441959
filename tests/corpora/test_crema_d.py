"""CREMA-D names, partners, labels, pointer files and the clips that are known to be broken."""

import os
from pathlib import Path

import pytest

from emotionnet.corpora import crema_d
from emotionnet.errors import EmotionNetError, UsageError

POINTER = (
    "version https://git-lfs.github.com/spec/v1\n"
    "oid sha256:4cac19622fc3ada9c0fdeadb33f88f367b541f38b89102a3f1261ac81fd5bcb5\nsize 84977079\n"
)


def put(root: Path, *names: str, content: str = "recording") -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


def test_rows_with_partners(tmp_path):
    put(
        tmp_path,
        "VideoFlash/1001_DFA_ANG_XX.flv",
        "AudioWAV/1001_DFA_ANG_XX.wav",
        "AudioMP3/1001_DFA_ANG_XX.mp3",
        "VideoFlash/1002_IEO_FEA_HI.flv",
        "AudioWAV/1003_IEO_SAD_LO.wav",
        "AudioMP3/1004_TIE_NEU_XX.mp3",
    )
    ignored = []
    rows = crema_d.scan(tmp_path, ignored)
    assert [(row.picture, row.sound) for row in rows] == [
        ("VideoFlash/1001_DFA_ANG_XX.flv", "AudioWAV/1001_DFA_ANG_XX.wav"),
        ("VideoFlash/1002_IEO_FEA_HI.flv", ""),
        ("", "AudioWAV/1003_IEO_SAD_LO.wav"),
        ("", "AudioMP3/1004_TIE_NEU_XX.mp3"),
    ]
    assert rows[1] == crema_d.ManifestRow(
        clip="1002_IEO_FEA_HI", corpus="crema_d", emotion="fearful", actor="1002", sex="female",
        intensity="HI", statement="IEO", channel="speech", picture="VideoFlash/1002_IEO_FEA_HI.flv",
    )  # fmt: skip
    assert [path for path, _ in ignored] == ["AudioMP3/1001_DFA_ANG_XX.mp3"]


def test_broken_and_misnamed_clips_are_left_out_with_their_reason(tmp_path):
    put(
        tmp_path,
        "1001_DFA_ANG_XX.wav",
        "1040_ITH_SAD_X.wav",
        "1064_IEO_DIS_MD.flv",
        "1076_MTI_NEU_XX.wav",
        "1001_DFA_JOY_XX.wav",
        "2001_DFA_ANG_XX.wav",
        "notes about it.mp3",
    )
    ignored = []
    assert len(crema_d.scan(tmp_path, ignored)) == 1
    reasons = dict(ignored)
    assert "this is 1040_ITH_SAD_XX" in reasons["1040_ITH_SAD_X.wav"]
    assert "one minute long" in reasons["1064_IEO_DIS_MD.flv"]
    assert "broken" in reasons["1076_MTI_NEU_XX.wav"]
    assert "unknown emotion code JOY" in reasons["1001_DFA_JOY_XX.wav"]
    assert "not one of the 7,442" in reasons["2001_DFA_ANG_XX.wav"]
    assert "actor_sentence_emotion_level" in reasons["notes about it.mp3"]


def test_mp3_that_holds_another_clip_is_not_used(tmp_path):
    put(tmp_path, "1071_WSI_ANG_XX.mp3", "1071_WSI_ANG_XX.flv", "1070_IWL_SAD_XX.mp3")
    ignored = []
    (row,) = crema_d.scan(tmp_path, ignored)
    assert (row.picture, row.sound) == ("1071_WSI_ANG_XX.flv", "")
    assert {path for path, _ in ignored} == {"1071_WSI_ANG_XX.mp3", "1070_IWL_SAD_XX.mp3"}


def test_git_lfs_pointers_are_named_as_such(tmp_path):
    put(tmp_path, "VideoFlash/1001_DFA_ANG_XX.flv", content=POINTER)
    with pytest.raises(EmotionNetError, match=r"git-lfs pointer.*git lfs pull"):
        crema_d.scan(tmp_path)
    put(tmp_path, "AudioWAV/1001_DFA_ANG_XX.wav")
    ignored = []
    (row,) = crema_d.scan(tmp_path, ignored)
    assert (row.picture, row.sound) == ("", "AudioWAV/1001_DFA_ANG_XX.wav")
    assert ignored[0][0] == "VideoFlash/1001_DFA_ANG_XX.flv"


def test_perceived_labels(tmp_path):
    # By the crowd: 1001_IOM_ANG_XX is a tie of fear and neutral, 1001_IOM_DIS_XX looks angry.
    put(tmp_path, "1001_DFA_ANG_XX.wav", "1001_IOM_ANG_XX.wav", "1001_IOM_DIS_XX.wav")
    acted = crema_d.scan(tmp_path)
    assert [row.emotion for row in acted] == ["angry", "angry", "disgust"]
    assert {row.label_kind for row in acted} == {"acted"}
    ignored = []
    perceived = crema_d.scan(tmp_path, ignored, labels="perceived")
    assert [(row.clip, row.emotion) for row in perceived] == [
        ("1001_DFA_ANG_XX", "angry"),
        ("1001_IOM_DIS_XX", "angry"),
    ]
    assert {row.label_kind for row in perceived} == {"perceived"}
    assert ignored[0][0] == "1001_IOM_ANG_XX.wav"
    assert "tie" in ignored[0][1]
    with pytest.raises(UsageError, match="acted, perceived"):
        crema_d.scan(tmp_path, labels="true")


def test_missing_and_empty_folder(tmp_path):
    with pytest.raises(UsageError, match="no such folder"):
        crema_d.scan(tmp_path / "absent")
    with pytest.raises(EmotionNetError, match=r"VideoFlash/1001_DFA_ANG_XX.flv"):
        crema_d.scan(tmp_path)


@pytest.mark.real_data
def test_real_recordings():
    data = os.environ.get("EMOTIONNET_DATA")
    if not data or not Path(data, "crema_d").is_dir():
        pytest.skip("needs EMOTIONNET_DATA with the folder crema_d")
    ignored = []
    rows = crema_d.scan(Path(data, "crema_d"), ignored)
    assert len(rows) == 17
    assert sum(bool(row.picture) for row in rows) == 4
    assert not ignored
