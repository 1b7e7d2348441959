"""EMO-DB names, speakers and folds, and names that are not its."""

import os
from collections import Counter
from pathlib import Path

import pytest

from emotionnet import corpora
from emotionnet.corpora import canonical, emodb
from emotionnet.errors import EmotionNetError
from emotionnet.inputs.protocols import number_of_folds

DATA = os.environ.get("EMOTIONNET_DATA", "")


def put(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("recording")
    return root


def test_a_row_says_who_and_what(tmp_path):
    rows = corpora.scan(
        "emodb", put(tmp_path, "wav/08b10Wc.wav", "wav/03a01Fa.wav", "16a04La.flac")
    )
    assert [(row.clip, row.emotion) for row in rows] == [
        ("03a01Fa", "happy"), ("08b10Wc", "angry"), ("16a04La", "bored"),
    ]  # fmt: skip
    assert rows[1] == emodb.ManifestRow(
        clip="08b10Wc", corpus="emodb", emotion="angry", actor="08", sex="female", statement="b10",
        repetition="c", channel="speech", sound="wav/08b10Wc.wav",
    )  # fmt: skip
    # An even number may be a man: the list says it, not the number.
    assert corpora.scan("emodb", put(tmp_path / "b", "10a01Na.wav"))[0].sex == "male"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("03a01fa", "in this case"),
        ("03A01Fa", "in this case"),
        ("03-01-03-01-01-01-01", "speaker, text, emotion"),
        ("1001_DFA_ANG_XX", "speaker, text, emotion"),
        ("07a01Fa", "unknown speaker 07"),
        ("03a03Fa", "unknown text a03"),
        ("03a01Xa", "unknown emotion X"),
    ],
)
def test_other_names_are_left_out_with_the_reason(tmp_path, name, reason):
    ignored = []
    assert len(emodb.scan(put(tmp_path, "03a01Fa.wav", f"{name}.wav"), ignored)) == 1
    assert reason in dict(ignored)[f"{name}.wav"]


def test_a_take_counts_once_and_none_is_an_error(tmp_path):
    ignored = []
    rows = emodb.scan(put(tmp_path, "a/03a01Fa.wav", "b/03a01Fa.flac"), ignored)
    assert len(rows) == 1
    assert "another file of the clip is used: a/03a01Fa.wav" in ignored[0][1]
    with pytest.raises(EmotionNetError, match="EMO-DB names"):
        emodb.scan(put(tmp_path / "other", "song.wav"))


def test_every_speaker_is_left_out_in_turn(tmp_path):
    names = [f"{speaker}a01{code}a.wav" for speaker in emodb.SPEAKERS for code in "NW"]
    rows = corpora.scan("emodb", put(tmp_path, *names))
    assert number_of_folds(rows, "actor_folds") == 10
    assert sorted(canonical.actor_folds("emodb").values()) == list(range(1, 11))


@pytest.mark.skipif(not DATA, reason="EMOTIONNET_DATA is not set")
def test_the_four_complete_emotions():
    rows = corpora.scan("emodb", f"{DATA}/emodb")
    assert Counter(row.emotion for row in rows) == {
        "angry": 127,
        "happy": 71,
        "neutral": 79,
        "sad": 62,
    }
    assert len({row.actor for row in rows}) == 10
