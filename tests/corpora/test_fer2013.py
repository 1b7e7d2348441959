"""FER2013 in its three layouts: parts, emotions, copies, and what is left out."""

import os
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from emotionnet.clips.pictures import PictureFiles, picture_clip, read_pictures
from emotionnet.corpora import fer2013, scan
from emotionnet.corpora.manifest import ManifestRow
from emotionnet.errors import BadClip, EmotionNetError, UsageError
from emotionnet.inputs.protocols import split_rows

DATA = os.environ.get("EMOTIONNET_DATA", "")


def jpeg(value: int) -> bytes:
    pixels = np.full((48, 48), value, np.uint8)
    return cv2.imencode(".jpg", pixels)[1].tobytes()


def make_folders(root: Path) -> Path:
    for name, value in (
        ("train/angry/Training_1.jpg", 10),
        ("train/fear/Training_2.jpg", 20),
        ("train/fear/Training_3.jpg", 10),
        ("test/happy/PublicTest_4.jpg", 30),
        ("test/happy/PrivateTest_5.jpg", 40),
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(jpeg(value))
    return root


CLIPS = [
    "private/happy/PrivateTest_5",
    "test/happy/PublicTest_4",
    "train/angry/Training_1",
    "train/fearful/Training_2",
    "train/fearful/Training_3",
]


def test_folders_give_parts_emotions_and_copies(tmp_path):
    rows = scan("fer2013", make_folders(tmp_path))
    assert [row.clip for row in rows] == CLIPS
    assert [row.emotion for row in rows] == ["happy", "happy", "angry", "fearful", "fearful"]
    assert [fer2013.given_part(row) for row in rows] == ["private", "test", *["train"] * 3]
    assert {row.actor for row in rows} == {""}
    of = {row.clip: row.repetition for row in rows}
    assert of["train/angry/Training_1"] == of["train/fearful/Training_3"]
    assert len(set(of.values())) == 4


def test_a_zip_is_read_as_the_folders_in_it(tmp_path):
    folders = make_folders(tmp_path / "folders")
    with zipfile.ZipFile(tmp_path / "fer2013.zip", "w") as archive:
        for path in sorted(folders.rglob("*.jpg")):
            archive.write(path, f"archive/{path.relative_to(folders)}")
    plain = scan("fer2013", folders)
    for root in (tmp_path / "fer2013.zip", tmp_path):
        if root.is_dir():
            # A folder that holds fer2013.zip: what else is in it does not count.
            assert (root / "folders").is_dir()
        rows = scan("fer2013", root)
        assert [(r.clip, r.repetition) for r in rows] == [(r.clip, r.repetition) for r in plain]
        read = dict(read_pictures(rows, root))
        for row, other in zip(rows, plain):
            assert read[row].faces == [(folders / other.picture).read_bytes()]


@pytest.mark.parametrize("header", ["emotion,pixels,Usage", "emotion, Usage, pixels"])
def test_the_csv_of_the_challenge(tmp_path, header):
    pixels = [" ".join([str(v)] * 2304) for v in (7, 200, 90)]
    table = [("0", "Training", pixels[0]), ("6", "PublicTest", pixels[1])]
    table.append(("3", "PrivateTest", pixels[2]))
    order = [
        header.lower().replace(" ", "").split(",").index(c) for c in ("emotion", "usage", "pixels")
    ]
    lines = [header]
    for fields in table:
        line = [""] * 3
        for place, field in zip(order, fields):
            line[place] = field
        lines.append(",".join(line))
    (tmp_path / "fer2013.csv").write_text("\n".join(lines) + "\n")
    rows = scan("fer2013", tmp_path)
    assert [row.clip for row in rows] == [
        "private/happy/00002",
        "test/neutral/00001",
        "train/angry/00000",
    ]
    for (_, clip), value in zip(read_pictures(rows, tmp_path), (90, 200, 7)):
        face = cv2.imdecode(np.frombuffer(clip.faces[0], np.uint8), cv2.IMREAD_UNCHANGED)
        assert face.shape == (48, 48)
        assert np.abs(face.astype(int) - value).max() <= 1


def test_class_folders_alone_are_test_pictures(tmp_path):
    for name in ("sad/a.png", "surprise/b.png", "notes/c.png"):
        (tmp_path / name).parent.mkdir()
        cv2.imwrite(str(tmp_path / name), np.zeros((60, 50, 3), np.uint8))
    ignored = []
    rows = scan("fer2013", tmp_path, ignored)
    assert [row.clip for row in rows] == ["test/sad/a", "test/surprised/b"]
    assert [path for path, _ in ignored] == ["notes/c.png"]


def test_pictures_in_no_part_are_not_of_the_test_part(tmp_path):
    root = make_folders(tmp_path / "set")
    (root / "augmented" / "happy").mkdir(parents=True)
    for name in ("PublicTest-4.jpg", "4.jpg"):
        (root / "augmented" / "happy" / name).write_bytes(jpeg(99))
    (root / "test" / "happy" / "4.jpg").write_bytes(jpeg(50))
    ignored = []
    pictures = {row.picture for row in scan("fer2013", root, ignored)}
    assert "test/happy/4.jpg" in pictures
    assert [name for name, _ in ignored] == ["augmented/happy/4.jpg"]
    assert "lies in no part" in ignored[0][1]


@pytest.mark.parametrize("name", ["val", "Validation", "dev"])
def test_the_validation_part_is_not_the_test_part(tmp_path, name):
    root = make_folders(tmp_path / "test")  # a folder above may have any name
    for i in range(3):
        (root / name / "Sadness").mkdir(parents=True, exist_ok=True)
        (root / name / "Sadness" / f"{i}.jpg").write_bytes(jpeg(100 + i))
    notes = []
    rows = scan("fer2013", root, [], notes)
    parts = [fer2013.given_part(row) for row in rows]
    assert {part: parts.count(part) for part in parts} == {
        **{"train": 3, "validation": 3, "test": 1, "private": 1},
    }
    assert not notes
    split = split_rows(rows, "given")
    assert {row.clip.partition("/")[0] for row in split.validation} == {"validation"}
    assert len(split.test) == 1
    only = scan("fer2013", root, parts="validation")
    assert {fer2013.given_part(row) for row in only} == {"validation"}


@pytest.mark.parametrize(("name", "part"), [("fer2013.csv", "test"), ("train.csv", "train")])
def test_a_csv_without_usage_is_of_the_part_that_its_name_says(tmp_path, name, part):
    pixels = " ".join(["9"] * 2304)
    (tmp_path / name).write_text(f"emotion,pixels\n3,{pixels}\n\n4,{pixels}\n")
    notes = []
    rows = scan("fer2013", tmp_path, [], notes)
    assert [row.clip for row in rows] == [f"{part}/happy/00000", f"{part}/sad/00001"]
    assert bool(notes) == (part == "test")
    assert len(dict(read_pictures(rows, tmp_path))) == 2
    with pytest.raises(UsageError, match="stratified"):
        split_rows(rows, "given")


def test_a_zip_with_a_password_is_refused_in_words(tmp_path):
    plain = tmp_path / "fer2013.zip"
    with zipfile.ZipFile(plain, "w") as archive:
        archive.writestr("train/sad/1.jpg", jpeg(1))
        archive.writestr("train/readme.txt", "hello")
    ignored = []
    rows = scan("fer2013", plain, ignored)
    assert [file for file, _ in ignored] == ["train/readme.txt"]
    # The bit that says "encrypted", in the header of each file and in the list at the end.
    content = bytearray(plain.read_bytes())
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = -1
        while (start := content.find(magic, start + 1)) >= 0:
            content[start + offset] |= 1
    plain.write_bytes(content)
    with pytest.raises(EmotionNetError, match=r"fer2013\.zip: this zip has a password\. Unpack it"):
        scan("fer2013", plain)
    with PictureFiles(plain.parent) as files, pytest.raises(BadClip, match="password"):
        files.read(f"fer2013.zip/{rows[0].picture}")


def test_what_is_no_picture_is_counted(tmp_path):
    root = make_folders(tmp_path)
    (root / "train" / "angry" / "list.txt").write_text("x")
    (root / "train" / "calm").mkdir()
    (root / "train" / "calm" / "1.jpg").write_bytes(jpeg(3))
    ignored = []
    scan("fer2013", root, ignored)
    assert {file for file, _ in ignored} == {"train/angry/list.txt", "train/calm/1.jpg"}


@pytest.mark.parametrize("deep", ["train", "train/fear"])
def test_a_part_or_a_class_may_be_given_itself(tmp_path, deep):
    rows = scan("fer2013", make_folders(tmp_path) / deep)
    assert {"train/fearful/Training_2", "train/fearful/Training_3"} <= {row.clip for row in rows}


def test_only_the_parts_asked_for(tmp_path):
    rows = scan("fer2013", make_folders(tmp_path), parts="private,test")
    assert [row.clip for row in rows] == CLIPS[:2]
    with pytest.raises(UsageError, match="public"):
        scan("fer2013", tmp_path, parts="public")


def test_what_is_wrong_is_said(tmp_path):
    with pytest.raises(UsageError, match="no such folder"):
        scan("fer2013", tmp_path / "absent")
    with pytest.raises(EmotionNetError, match="no usable clip"):
        scan("fer2013", tmp_path)
    (tmp_path / "fer2013.csv").write_text("emotion,Usage\n0,Training\n")
    with pytest.raises(UsageError, match="pixels"):
        scan("fer2013", tmp_path)
    (tmp_path / "fer2013.csv").write_text("emotion,pixels,Usage\n0," + "1 " * 2304 + ",Sometimes\n")
    with pytest.raises(EmotionNetError, match="Sometimes"):
        scan("fer2013", tmp_path)
    (tmp_path / "fer2013.csv").write_text("emotion,pixels,Usage\n0,1 2 3,Training\n")
    with pytest.raises(EmotionNetError, match=r"line 2.*3 pixels"):
        scan("fer2013", tmp_path)
    (tmp_path / "half.zip").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(EmotionNetError, match=r"half\.zip"):
        scan("fer2013", tmp_path / "half.zip")


def test_a_picture_is_kept_as_it_is_unless_it_is_large(tmp_path):
    row = ManifestRow("test/sad/a", "fer2013", "sad", picture="a.jpg")
    small = jpeg(50)
    clip = picture_clip(row, small)
    assert clip.faces == [small]
    assert clip.boxes.tolist() == [[0, 0, 48, 48]]
    assert clip.times_s.tolist() == [0.0]
    assert len(clip.waveform) == 0
    large = cv2.imencode(".png", np.full((300, 400, 3), 90, np.uint8))[1].tobytes()
    stored = cv2.imdecode(np.frombuffer(picture_clip(row, large).faces[0], np.uint8), 1)
    assert stored.shape == (224, 224, 3)
    with pytest.raises(BadClip, match="decoded"):
        picture_clip(row, b"\xff\xd8\xff and then nothing")
    with PictureFiles(tmp_path) as files, pytest.raises(BadClip, match="no such file"):
        files.read("absent/a.jpg")


@pytest.mark.real_data
@pytest.mark.skipif(not DATA, reason="EMOTIONNET_DATA names no folder with real data")
def test_the_real_set():
    rows = scan("fer2013", Path(DATA) / "fer2013.zip")
    parts = [fer2013.given_part(row) for row in rows]
    assert (parts.count("train"), parts.count("test"), parts.count("private")) == (28709, 3589, 0)
    tested = {row.repetition for row, part in zip(rows, parts) if part == "test"}
    shared = [r for r, part in zip(rows, parts) if part == "train" and r.repetition in tested]
    assert len(shared) == 351
    assert sum(r.emotion == "disgust" for r, part in zip(rows, parts) if part == "test") == 56
