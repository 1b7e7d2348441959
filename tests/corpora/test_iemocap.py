"""IEMOCAP: labels of EmoEvaluation, speakers, sessions as folds, on a tiny imitation of the set."""

import shutil

import pytest

import emotionnet
from emotionnet import corpora
from emotionnet.corpora import canonical, iemocap
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.inputs.protocols import number_of_folds, split_rows

HEAD = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
#: Turns of each dialog: who speaks, and the raters' majority.
DIALOGS = {
    "impro01": [("F", "neu"), ("M", "ang"), ("F", "hap"), ("M", "exc"), ("F", "fru"), ("M", "xxx")],
    "script01_1b": [
        ("F", "sad"),
        ("M", "sad"),
        ("F", "exc"),
        ("M", "neu"),
        ("F", "hap"),
        ("M", "ang"),
    ],
}


def block(turn, code):
    return (
        f"[6.2901 - 8.2357]\t{turn}\t{code}\t[2.5000, 2.5000, 2.5000]\n"
        "C-E2:\tNeutral; Sadness;\t()\nC-F1:\tAnger;\t(curious)\nA-E3:\tval 3; act 2; dom  2;\t()\n\n"
    )


def put(path, text="recording"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode("latin-1"))


def imitate(root, sessions=(1, 2)):
    """The set in small, with all that is odd about it."""
    for n in sessions:
        session = root / f"Session{n}"
        for letter, (dialog, turns) in zip("FM", DIALOGS.items()):
            name = f"Ses0{n}{letter}_{dialog}"
            numbered = [(f"{name}_{who}{i:03d}", code) for i, (who, code) in enumerate(turns)]
            for turn, _ in numbered:
                put(session / "sentences" / "wav" / name / f"{turn}.wav")
            text = HEAD + "".join(block(turn, code) for turn, code in numbered)
            put(
                session / "dialog" / "EmoEvaluation" / f"{name}.txt",
                text.replace("curious", "café"),
            )
            put(session / "dialog" / "wav" / f"{name}.wav")
            put(session / "dialog" / "avi" / "DivX" / f"{name}.avi")
    first = root / "Session1"
    labels = first / "dialog" / "EmoEvaluation"
    with open(labels / "Ses01F_impro01.txt", "a") as file:
        file.write(block("Ses01F_impro01_F099", "neu"))  # without a wav
    put(
        first / "sentences" / "wav" / "Ses01F_impro01" / "Ses01F_impro01_M098.wav"
    )  # without a label
    put(first / "sentences" / "wav" / "Ses01F_impro01" / "._Ses01F_impro01_F000.wav")
    put(labels / "._Ses01F_impro01.txt", block("Ses01F_impro01_F000", "ang"))
    put(labels / "Categorical" / "Ses01F_impro01_e2_cat.txt", block("Ses01F_impro01_F000", "ang"))
    return root


@pytest.fixture
def root(tmp_path):
    return imitate(tmp_path / "IEMOCAP_full_release")


def test_four_classes_by_majority_with_the_speaker_by_the_last_letter(root):
    ignored = []
    rows = {row.clip: row for row in corpora.scan("iemocap", root, ignored)}
    assert len(rows) == 2 * (4 + 6)
    man = rows["Ses01F_impro01_M001"]
    assert man == iemocap.ManifestRow(
        clip="Ses01F_impro01_M001", corpus="iemocap", emotion="angry", actor="01M", sex="male",
        statement="impro01", channel="speech", label_kind="perceived",
        sound="Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_M001.wav",
    )  # fmt: skip
    assert rows["Ses02M_script01_1b_F000"].actor == "02F"
    assert rows["Ses02M_script01_1b_F000"].statement == "script01_1b"
    assert rows["Ses01F_impro01_F000"].emotion == "neutral"  # whatever one rater and macOS say
    excited = rows["Ses01F_impro01_M003"]
    assert (excited.emotion, excited.intensity) == ("happy", "excited")
    assert rows["Ses01F_impro01_F002"].intensity == ""
    reasons = dict(ignored)
    wavs = "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01"
    assert reasons[f"{wavs}_F004.wav"] == "rated frustrated: none of the four classes"
    assert reasons[f"{wavs}_M005.wav"] == "its raters did not agree on an emotion"
    assert reasons[f"{wavs}_M098.wav"] == "no label in dialog/EmoEvaluation"
    labels = "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"
    assert reasons[f"{labels}: Ses01F_impro01_F099"] == "its wav is missing in sentences/wav"
    assert len(ignored) == 2 * 2 + 2


def test_excited_turns_may_be_left_out_and_every_number_says_which_it_was(root):
    merged, alone = (corpora.scan("iemocap", root, happy=happy) for happy in iemocap.HAPPY)
    assert (len(merged), len(alone)) == (20, 16)
    imitate(root, sessions=(3,))
    for rows, said in (
        (corpora.scan("iemocap", root), "6 of 12 happy turns were rated excited (happy=merged)"),
        (corpora.scan("iemocap", root, happy="alone"), "excited turns are left out (happy=alone)"),
    ):
        assert split_rows(rows).description.endswith(f"; {said}")
    with pytest.raises(UsageError, match=r"unknown happy 'both'\. Known: merged, alone"):
        corpora.scan("iemocap", root, happy="both")


def test_sessions_are_the_folds_and_the_next_one_validates(root):
    rows = corpora.scan("iemocap", imitate(root, sessions=range(1, 6)))
    assert number_of_folds(rows) == 5
    for fold in range(1, 6):
        split = split_rows(rows, fold=fold)
        assert {row.actor for row in split.test} == {f"0{fold}F", f"0{fold}M"}
        following = fold % 5 + 1
        assert {row.actor for row in split.validation} == {f"0{following}F", f"0{following}M"}
        assert "canonical folds" in split.description
    folds = canonical.actor_folds("iemocap")
    assert [folds[actor] for actor in sorted(folds)] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


@pytest.mark.parametrize(("protocol", "folds"), [("actor_folds", 4), ("holdout", 1)])
def test_whoever_talks_with_each_other_is_in_one_part_without_a_session_too(root, protocol, folds):
    with pytest.raises(UsageError, match=r"needs at least 3 sessions, found 2 \(01, 02\)"):
        split_rows(corpora.scan("iemocap", root), protocol)
    rows = corpora.scan("iemocap", imitate(root, sessions=(4, 5)))
    assert number_of_folds(rows, protocol) == folds
    for fold in range(1, folds + 1):
        split = split_rows(rows, protocol, fold)
        parts = [
            {row.actor for row in part} for part in (split.train, split.validation, split.test)
        ]
        assert [len(part) for part in parts] == [4, 2, 2]
        sessions = [session for part in parts for session in {actor[:2] for actor in part}]
        assert sorted(sessions) == ["01", "02", "04", "05"]


def test_one_folder_too_high_is_fine_and_too_low_is_explained(root, tmp_path):
    assert len(corpora.scan("iemocap", tmp_path)) == 20
    for below, said in (
        ("Session1", "is one session"),
        ("Session1/sentences/wav", "lies inside of Session1"),
        ("Session1/dialog/EmoEvaluation", "lies inside of Session1"),
    ):
        with pytest.raises(UsageError, match=rf"{said}\. Give the folder that holds Session1"):
            corpora.scan("iemocap", root / below)
    (tmp_path / "other" / "x").mkdir(parents=True)
    with pytest.raises(EmotionNetError, match="no usable clip"):
        corpora.scan("iemocap", tmp_path / "other")
    # A second copy beside the first is not counted twice.
    shutil.copytree(root, tmp_path / "copy")
    ignored = []
    assert len(corpora.scan("iemocap", tmp_path, ignored)) == 20
    assert sum("another copy of the set" in reason for _, reason in ignored) == 20


def test_a_second_wav_of_a_turn_is_named_and_not_used(root):
    wavs = root / "Session1" / "sentences" / "wav"
    shutil.copytree(wavs / "Ses01F_impro01", wavs / "other" / "Ses01F_impro01")
    ignored = []
    rows = {row.clip: row for row in corpora.scan("iemocap", root, ignored)}
    used, other = (
        f"Session1/sentences/wav/{folder}Ses01F_impro01/Ses01F_impro01_F000.wav"
        for folder in ("", "other/")
    )
    assert rows["Ses01F_impro01_F000"].sound == used
    assert dict(ignored)[other] == f"another file of the turn is used: {used}"


def test_missing_wavs_and_labels_are_named(root):
    shutil.rmtree(root / "Session1" / "sentences")
    ignored = []
    rows = corpora.scan("iemocap", root, ignored)
    assert {row.actor for row in rows} == {"02F", "02M"}
    assert dict(ignored)["Session1/sentences/wav"].startswith("no such folder")
    shutil.rmtree(root / "Session2" / "dialog" / "EmoEvaluation")
    with pytest.raises(EmotionNetError, match=r"labels in SessionN/dialog/EmoEvaluation") as error:
        corpora.scan("iemocap", root)
    assert "the labels of this session are missing" in str(error.value)


def test_download_only_says_that_it_has_to_be_asked_for():
    with pytest.raises(UsageError, match=r"on request .*--corpus iemocap --root"):
        emotionnet.download("iemocap")
