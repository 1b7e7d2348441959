"""Votes of a crowd: from the tables of FER+ and CREMA-D to rows, classes and targets."""

import contextlib
import os
from collections import Counter

import cv2
import numpy as np
import pytest

from emotionnet.classes import Classes
from emotionnet.corpora import crema_d, ferplus, scan
from emotionnet.corpora.manifest import ManifestRow, manifest_hash
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.inputs.source import Source
from emotionnet.votes import read_votes, shares, write_votes

DATA = os.environ.get("EMOTIONNET_DATA", "")
HEADER = ("image", *ferplus.CLASSES, *ferplus.NO_EMOTION)


def row(emotion="sad", **votes):
    return ManifestRow("a", "folder", emotion, votes=write_votes(votes))


def test_votes_change_the_hash_and_rows_without_them_keep_theirs():
    voted, plain = row(sad=7, angry=3), ManifestRow("b", "folder", "sad", part="test")
    # What the hash of rows without votes was before there were any.
    assert manifest_hash([plain]).startswith("da4f98441ddeb45e")
    assert manifest_hash([voted]) != manifest_hash([row()])


def test_targets_are_the_shares_and_the_label_where_nobody_voted():
    source = Plain(None, _View(), ("happy", "sad", "angry"))
    rows = [row(sad=6, angry=2), row(), row(fearful=3)]
    targets = source.training_targets(rows)
    np.testing.assert_allclose(targets, [[0, 0.75, 0.25], [0, 1, 0], [0, 1, 0]])
    taught = Plain(None, _View(), ("happy", "sad"), taught={"a": np.array([0.5, 0.5])})
    np.testing.assert_allclose(taught.training_targets([row(sad=6)]), [[0.5, 0.5]])


class Plain(Source):
    """A source whose batches nobody asks for."""

    batches_of = inference_batches = copies = check = None


class _View:
    inputs = ("faces", "frame_mask")


def test_votes_follow_their_classes():
    rows = [row(sad=4, angry=3, happy=2), ManifestRow("b", "folder", "happy")]
    merged = Classes.of({"negative": "angry+sad"}).rows(rows)
    assert (merged[0].emotion, read_votes(merged[0].votes)) == (
        "negative",
        {"negative": 7, "happy": 2},
    )
    only = Classes.of(only="sad,angry").rows(rows)
    assert [read_votes(each.votes) for each in only] == [{"sad": 4, "angry": 3}]
    assert shares(only[0].votes, ("happy",)) is None


PICTURES = {
    "train/angry/Training_1.jpg": (1, 0, 0, 2, 7, 0, 0, 0, 0, 0),
    "train/fear/Training_2.jpg": (5, 0, 0, 5, 0, 0, 0, 0, 0, 0),
    "train/sad/Training_3.jpg": (0, 0, 0, 3, 0, 0, 0, 0, 7, 0),
    "train/sad/Training_4.jpg": (0, 0, 0, 0, 0, 0, 0, 0, 0, 10),
    "train/happy/Training_5.jpg": ("",) * 10,
    "test/happy/PublicTest_6.jpg": (2, 6, 0, 0, 0, 0, 0, 2, 0, 0),
}


@pytest.fixture
def pictures(tmp_path):
    for i, name in enumerate([*PICTURES, "test/happy/PublicTest_7.jpg"]):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / name), np.full((48, 48), 20 * i, np.uint8))
    return tmp_path


def write(path, lines, header=HEADER):
    text = [",".join(map(str, line)) for line in (header, *lines)]
    path.write_text("\n".join(text) + "\n")
    return path


def test_ferplus_joins_votes_to_pictures_by_name(pictures, tmp_path):
    lines = [(name, *votes) for name, votes in PICTURES.items()]
    table = write(tmp_path / "votes.csv", [*lines, ("train/sad/Training_9.jpg", *[1] * 10)])
    ignored, notes = [], []
    rows = scan("fer2013", pictures, ignored, notes, labels="ferplus", table=table)
    assert [(r.clip, r.emotion, read_votes(r.votes)) for r in rows] == [
        ("test/happy/PublicTest_6", "happy", {"neutral": 2, "happy": 6, "contempt": 2}),
        # One vote is a slip.
        ("train/angry/Training_1", "angry", {"sad": 2, "angry": 7}),
    ]
    assert {path.rpartition("_")[2]: reason for path, reason in ignored if "FER+" in reason} == {
        "2.jpg": "FER+: no majority of the votes",
        "3.jpg": "FER+: most say unknown",
        "4.jpg": "FER+: most say no face",
        "5.jpg": "FER+: the table has no votes for it",
        "7.jpg": "FER+: not in the table of votes",
    }
    assert any("1 of its 7 pictures are not here" in note for note in notes)


def test_ferplus_goes_line_by_line_beside_the_csv_of_the_challenge(tmp_path):
    pixels = " ".join(["7"] * 2304)
    (tmp_path / "fer2013.csv").write_text(
        "emotion,pixels,Usage\n" + "".join(f"{i},{pixels},Training\n" for i in (0, 3))
    )
    with pytest.raises(UsageError, match=r"fer2013new\.csv"):
        scan("fer2013", tmp_path, labels="ferplus")
    votes = [(0, 0, 0, 0, 2, 0, 8, 0, 0, 0), (0, 9, 0, 0, 0, 0, 0, 0, 1, 0)]
    write(tmp_path / "fer2013new.csv", votes, HEADER[1:])
    rows = scan("fer2013", tmp_path, labels="ferplus")
    assert [(r.clip, r.emotion) for r in rows] == [
        ("train/angry/00000", "fearful"), ("train/happy/00001", "happy"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("parts", "fits"),
    [
        (("Training", "Training", "PublicTest"), True),
        (("Training", "Training"), True),  # the challenge's train.csv
        (("", "", ""), True),
        (("Training", "PublicTest"), False),  # one was taken out
        (("Training",), False),
        (("Training", "PublicTest", "Training"), False),
    ],
)
def test_votes_of_other_lines_than_the_pictures_are_refused(tmp_path, parts, fits):
    pixels = " ".join(["7"] * 2304)
    columns = "emotion,pixels,Usage" if any(parts) else "emotion,pixels"
    lines = [f"0,{pixels}{part and ','}{part}" for part in parts]
    (tmp_path / "fer2013.csv").write_text("\n".join([columns, *lines]))
    usages = ("Training", "Training", "PublicTest")
    votes = [(usage, 0, 9, 0, 0, 0, 0, 0, 0, 1, 0) for usage in usages]
    write(tmp_path / "fer2013new.csv", votes, ("Usage", *HEADER[1:]))
    with contextlib.nullcontext() if fits else pytest.raises(EmotionNetError, match="line by line"):
        assert len(scan("fer2013", tmp_path, labels="ferplus")) == len(parts)


@pytest.mark.parametrize(
    ("lines", "header", "message"),
    [
        ([("a/b/c.jpg", *[1] * 10)] * 2, HEADER, "line 3: a/b/c.jpg is in it twice"),
        ([("a/b/c.jpg", -1, *[1] * 9)], HEADER, "line 2: '-1' votes for neutral"),
        ([("a/b/c.jpg", "", *[1] * 9)], HEADER, "line 2: '' votes for neutral"),
        ([[1] * 10], HEADER[1:], "column 'image' is missing"),
        ([("a/b/c.jpg", *[1] * 9)], HEADER[:-1], "column 'NF' is missing"),
    ],
)
def test_a_bad_table_of_votes_is_named(pictures, tmp_path, lines, header, message):
    table = write(tmp_path / "votes.csv", lines, header)
    with pytest.raises((UsageError, EmotionNetError), match=message):
        scan("fer2013", pictures, labels="ferplus", table=table)


def test_options_that_do_not_go_together(pictures, tmp_path):
    for options, message in (
        ({"labels": "crowd"}, "labels are fer2013 or ferplus"),
        ({"table": "votes.csv"}, "for --labels ferplus"),
        ({"labels": "ferplus"}, "needs the votes"),
        ({"labels": "ferplus", "table": tmp_path / "none.csv"}, "no such file"),
    ):
        with pytest.raises(UsageError, match=message):
            scan("fer2013", pictures, **options)


def test_crema_d_learns_from_the_votes_about_the_whole_clip(tmp_path):
    for clip in ("1001_DFA_ANG_XX", "1001_IEO_FEA_HI", "1001_DFA_HAP_XX"):
        (tmp_path / f"{clip}.wav").write_text("recording")
    with pytest.raises(UsageError, match="processedResults/tabulatedVotes"):
        crema_d.scan(tmp_path, labels="votes")
    header = ("", *"ADFHNS", "fileName")
    lines = [
        ("100062", 6, 2, 0, 0, 1, 0, "1001_DFA_ANG_XX"),
        ("300062", 9, 0, 1, 0, 0, 0, "1001_DFA_ANG_XX"),
        ("300012", 0, 1, 8, 0, 1, 0, "1001_IEO_FEA_HI"),
    ]
    table = write(tmp_path / "votes.csv", lines, header)
    ignored = []
    rows = crema_d.scan(tmp_path, ignored, labels="votes", table=table)
    assert [(r.clip, r.label_kind, read_votes(r.votes)) for r in rows] == [
        ("1001_DFA_ANG_XX", "perceived", {"angry": 9, "fearful": 1}),
        ("1001_IEO_FEA_HI", "perceived", {"fearful": 8, "neutral": 1, "disgust": 1}),
    ]
    assert "no line for it" in dict(ignored)["1001_DFA_HAP_XX.wav"]
    write(tmp_path / "votes.csv", [lines[1]] * 2, header)
    with pytest.raises(EmotionNetError, match="twice"):
        crema_d.scan(tmp_path, labels="votes", table=table)
    with pytest.raises(UsageError, match="for --labels votes"):
        crema_d.scan(tmp_path, table=table)


@pytest.mark.skipif(not DATA, reason="EMOTIONNET_DATA is not set")
def test_the_real_table_covers_the_real_pictures():
    ignored = []
    table = f"{DATA}/facts/ferplus_for_fer2013_zip.csv"
    rows = scan("fer2013", f"{DATA}/fer2013.zip", ignored, labels="ferplus", table=table)
    assert len(rows) == 28258
    assert Counter(r.clip.partition("/")[0] for r in rows) == {"train": 25059, "test": 3199}
    assert sum("no votes for it" in reason for _, reason in ignored) == 159
