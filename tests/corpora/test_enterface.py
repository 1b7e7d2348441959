"""eNTERFACE'05: what the folders say, whatever the files are called, on a tiny imitation of the set."""

from collections import Counter
from pathlib import PurePosixPath

import numpy as np
import pytest

import emotionnet
from emotionnet import corpora
from emotionnet.clips.clip import read_clip
from emotionnet.corpora import canonical, enterface
from emotionnet.corpora.media import write_clip
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.inputs.protocols import number_of_folds, split_rows


def put(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("recording")
    return root


def imitate(root, subjects=(1, 2, 16), sentences=(1, 2)):
    """The set in small, with all that is odd about it."""
    for n in subjects:
        for emotion, (_, code) in enterface.EMOTIONS.items():
            for k in sentences:
                put(root, f"subject {n}/{emotion}/sentence {k}/s{n}_{code}_{k}.avi")
    return put(
        root,
        "subject 6/anger/s6_an.avi",
        "subject 11/fear/sentence 1/s12_fe_1.avi",
        "subject 12/fear/sentence 1/s12_fe_1.avi",
        "subject 3/surprise/sentence 1/s_3_su_1.avi",
        "subject 16/surprise/sentence 3/s16_su_3avi.avi",
        "subject-4/Sadness/sentence-5/s4_sa_5.avi",
        "subject 1/anger/sentence 1/s1_an_1.wav",
        "subject 1/anger/sentence 2/._s1_an_2.avi",
        "subject 1/anger/Thumbs.db",
    )


@pytest.fixture
def root(tmp_path):
    return imitate(tmp_path / "enterface database")


def test_folders_rule_and_not_the_names_of_files(root):
    ignored = []
    rows = {row.clip: row for row in corpora.scan("enterface", root, ignored)}
    assert len(rows) == 3 * 6 * 2 + 5
    assert rows["s11_fe_1"] == enterface.ManifestRow(
        clip="s11_fe_1", corpus="enterface", emotion="fearful", actor="11", statement="fe1",
        channel="speech", picture="subject 11/fear/sentence 1/s12_fe_1.avi",
    )  # fmt: skip
    assert rows["s12_fe_1"].actor == "12"
    assert rows["s03_su_1"].emotion == "surprised"
    assert rows["s16_su_3"].statement == "su3"
    assert rows["s04_sa_5"].picture == "subject-4/Sadness/sentence-5/s4_sa_5.avi"
    assert rows["s01_an_1"].sound == "subject 1/anger/sentence 1/s1_an_1.wav"
    assert rows["s01_an_2"].picture == "subject 1/anger/sentence 2/s1_an_2.avi"
    assert Counter(row.emotion for row in rows.values())["happy"] == 6
    assert ignored == [
        ("subject 6/anger/s6_an.avi", "subject 6 is an uncut recording, all sentences in one file")
    ]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("subject 45/anger/sentence 1/a.avi", "unknown subject 45"),
        ("subject 1/joy/sentence 1/a.avi", "not in the folder of an emotion"),
        ("subject 1/a.avi", "not in the folder of an emotion"),
        ("subject 1/anger/a.avi", "not in the folder of a sentence"),
        ("subject 1/anger/sentence 6/a.avi", "unknown sentence 6"),
        ("anger/sentence 1/s1_an_1.avi", "not in the folder of a subject"),
    ],
)
def test_what_lies_elsewhere_is_left_out_with_its_reason(path, said):
    with pytest.raises(ValueError, match=said):
        enterface.parse_path(PurePosixPath(path))


def test_one_folder_too_high_is_fine_and_too_low_is_explained(root, tmp_path):
    assert len(corpora.scan("enterface", tmp_path)) == 41
    for below, said in (
        ("subject 1", "is one subject"),
        ("subject 1/anger", "lies inside of 'subject 1'"),
        ("subject 1/anger/sentence 1", "lies inside of 'subject 1'"),
    ):
        with pytest.raises(UsageError, match=rf"{said}\. Give the folder that holds 'subject 1'"):
            corpora.scan("enterface", root / below)
    put(tmp_path / "flat", "s1_an_1.avi")
    with pytest.raises(EmotionNetError, match="not in the folder of a subject"):
        corpora.scan("enterface", tmp_path / "flat")
    # A second copy, converted by somebody, is not counted twice.
    put(tmp_path / "mp4", "subject 1/anger/sentence 1/s1_an_1.mp4")
    ignored = []
    rows = corpora.scan("enterface", tmp_path, ignored)
    assert len(rows) == 41
    assert any("another file of the clip is used" in reason for _, reason in ignored)


def test_five_groups_of_consecutive_subjects_and_the_words_in_the_description(tmp_path):
    folds = canonical.actor_folds("enterface")
    assert sorted(folds) == enterface.actors()
    assert "06" not in folds
    assert list(Counter(folds[actor] for actor in sorted(folds)).items()) == [
        (1, 9), (2, 9), (3, 9), (4, 8), (5, 8),
    ]  # fmt: skip
    rows = corpora.scan("enterface", imitate(tmp_path, subjects=range(1, 45), sentences=(1,)))
    assert {row.actor for row in rows} == set(folds)
    assert number_of_folds(rows) == 5
    split = split_rows(rows, fold=5)
    assert {row.actor for row in split.test} == {f"{n:02d}" for n in range(37, 45)}
    assert split.description.endswith("each emotion has its own sentences, so the words reveal it")


def test_a_video_without_sound_takes_the_wav_beside_it(tmp_path):
    folder = tmp_path / "subject 2" / "fear" / "sentence 3"
    tone = np.full(8000, 0.1, np.float32) * np.sin(np.arange(8000) / 5).astype(np.float32)
    grey = (np.full((96, 128, 3), 90, np.uint8) for _ in range(6))
    write_clip(folder / "s2_fe_3.avi", grey, 12)
    write_clip(folder / "s2_fe_3.wav", samples=tone, sound_codec="pcm_s16le")
    (row,) = corpora.scan("enterface", tmp_path)
    clip = read_clip(row, tmp_path, None)
    assert len(clip.waveform) == 8000
    assert any("has no sound" in note for note in clip.notes)


def test_download_only_says_that_it_is_done_by_hand():
    with pytest.raises(UsageError, match=r"by hand .*--corpus enterface --root"):
        emotionnet.download("enterface")
