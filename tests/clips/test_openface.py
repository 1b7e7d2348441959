"""Landmarks from OpenFace's tables."""

import csv
import dataclasses

import numpy as np
import pytest
from tiny_run import make_clip, write_records

from emotionnet.clips.crop import in_crop_units
from emotionnet.clips.fields import make_fields
from emotionnet.clips.fields.add import add_field
from emotionnet.clips.fields.landmarks68 import Landmarks68
from emotionnet.clips.landmarks import MIRROR_68, five_of_68
from emotionnet.clips.openface import Tables, read_table
from emotionnet.clips.records import Records, parse
from emotionnet.corpora.manifest import ManifestRow
from emotionnet.errors import BadClip, UsageError

RNG = np.random.default_rng(0)
#: 68 points about a face of 60 px at (100, 80), mirror images of each other about x = 100.
HALF = RNG.uniform(-30, 30, (68, 2))
FACE = (HALF + HALF[list(MIRROR_68)] * [-1, 1]) / 2 + [100, 80]
FACE[36:42] += [-40, -20]
FACE[42:48] += [40, -20]
FACE[[48, 54]] += [[-20, 40], [20, 40]]


def write_table(path, times_s, points, *, style="new", success=None, confidence=0.98, faces=None):
    """A CSV as OpenFace writes them: ``new``, ``old`` (blanks after commas), ``ravdess`` (no success)."""
    success = np.ones(len(times_s), int) if success is None else success
    confidence = np.broadcast_to(confidence, len(times_s))
    names = ["frame", "face_id", "timestamp", "confidence", "success", "gaze_0_x"]
    names += [f"{axis}_{i}" for axis in "xy" for i in range(68)] + ["X_0", "AU01_r"]
    columns = {"frame": np.arange(1, len(times_s) + 1), "timestamp": times_s}
    columns |= {"face_id": np.zeros(len(times_s), int) if faces is None else faces}
    columns |= {"confidence": confidence, "success": success}
    columns |= {f"x_{i}": points[:, i, 0] for i in range(68)}
    columns |= {f"y_{i}": points[:, i, 1] for i in range(68)}
    if style == "old":
        names.remove("face_id")
    if style == "ravdess":
        names = [name for name in names if name not in ("face_id", "success")]
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as file:
        comma = ", " if style == "old" else ","
        file.write(comma.join(names) + "\n")
        for i in range(len(times_s)):
            file.write(comma.join(f"{columns[n][i] if n in columns else 0}" for n in names) + "\n")
    return path


def moving(n):
    """(n, 68, 2): the face, a little further to the right in each frame."""
    return FACE + np.arange(n)[:, None, None] * [0.5, 0]


def record(n=8, hz=10, start_s=0.0):
    """What `parse` gives of a clip whose face moves as that of `moving` at the same rate."""
    points = moving(n)
    return {
        "times_s": (np.arange(n) / hz + start_s).astype("f4"),
        "boxes": np.array([[70 + 0.5 * i, 40, 60, 80] for i in range(n)], "f4"),
        "landmarks": five_of_68(points).astype("f4"),
        "jpegs": np.array([b"x"] * n, object),
    }


ROW = ManifestRow("a", "folder", "happy", picture="happy/a.mp4")


def field_of(folder):
    return Landmarks68(openface=str(folder))


@pytest.mark.parametrize("style", ["new", "old", "ravdess"])
def test_every_style_of_header_gives_the_points_in_units_of_the_crop(tmp_path, style):
    write_table(tmp_path / "a.csv", np.arange(8) / 10, moving(8), style=style)
    parsed = record()
    found = field_of(tmp_path).compute(parsed, ROW)
    assert found.notes == ()
    np.testing.assert_array_equal(found.times_s, parsed["times_s"])
    expected = [in_crop_units(p, five) for p, five in zip(moving(8), parsed["landmarks"])]
    np.testing.assert_allclose(found.values, expected, atol=1e-6)


def test_rows_are_matched_by_time_and_gaps_are_masked(tmp_path):
    # Twice as many rows as frames, of which two seconds are missing; the clip's picture starts late.
    times_s = np.delete(np.arange(16) / 20, [4, 5])
    points = np.delete(FACE + np.arange(16)[:, None, None] * [0.25, 0], [4, 5], axis=0)
    write_table(tmp_path / "a.csv", times_s, points)
    parsed = record(start_s=0.3)
    found = field_of(tmp_path).compute(parsed, ROW)
    np.testing.assert_array_equal(found.times_s, parsed["times_s"])
    expected = [in_crop_units(p, five) for p, five in zip(moving(8), parsed["landmarks"])]
    # Frame 2 (row 4) is gone, and the row half a frame before it is as near as may be.
    there = np.arange(8) != 2
    np.testing.assert_allclose(found.values[there], np.array(expected)[there], atol=1e-6)
    write_table(tmp_path / "a.csv", np.delete(np.arange(8) / 10, [2, 5]), moving(8)[:6])
    values = field_of(tmp_path).compute(record(), ROW).values
    assert np.isnan(values).all(axis=(1, 2)).tolist() == [i in (2, 5) for i in range(8)]


def test_of_a_clip_that_is_a_part_of_a_file_the_rows_of_that_part_count(tmp_path):
    part = dataclasses.replace(ROW, clip="happy/a@2-2.8", start_s="2", end_s="2.8")
    # Before, and after, the mouth is elsewhere in the same face.
    down = np.array([0, 1])
    points = np.concatenate([moving(20) + down, moving(8), moving(20) - down])
    write_table(tmp_path / "a.csv", np.arange(48) / 10, points)
    parsed = record(start_s=0.02)
    found = field_of(tmp_path).compute(parsed, part)
    expected = [in_crop_units(p, five) for p, five in zip(moving(8), parsed["landmarks"])]
    np.testing.assert_allclose(found.values, expected, atol=1e-6)
    assert found.notes == ()
    nothing = {name: values[:0] for name, values in parsed.items()}
    alone = field_of(tmp_path).compute(nothing, part)
    np.testing.assert_allclose(alone.times_s, np.arange(8) / 10, atol=1e-9)
    assert field_of(tmp_path).files(part) != field_of(tmp_path).files(ROW)
    # One that is named after the part is of that alone.
    (tmp_path / "a.csv").rename(tmp_path / "a@2-2.8.csv")
    write_table(tmp_path / "a@2-2.8.csv", np.arange(8) / 10, moving(8))
    found = field_of(tmp_path).compute(parsed, part)
    np.testing.assert_allclose(found.values, expected, atol=1e-6)


def test_what_openface_is_not_sure_of_and_frames_without_a_face_are_masked(tmp_path):
    success = np.array([1, 0, 1, 1, 1, 1, 1, 1])
    confidence = np.array([1, 1, 0.74, 0.75, 1, 1, 1, 1])
    points = moving(8)
    points[1] = 0
    write_table(
        tmp_path / "a.csv", np.arange(8) / 10, points, success=success, confidence=confidence
    )
    parsed = record()
    parsed["boxes"][5] = parsed["landmarks"][5] = np.nan
    values = field_of(tmp_path).compute(parsed, ROW).values
    assert np.isnan(values).all(axis=(1, 2)).tolist() == [i in (1, 2, 5) for i in range(8)]
    write_table(tmp_path / "a.csv", np.arange(8) / 10, moving(8), success=np.zeros(8, int))
    found = field_of(tmp_path).compute(parsed, ROW)
    assert np.isnan(found.values).all()
    assert found.notes == ("a.csv: in none of its 8 rows OpenFace is sure of a face",)


def test_of_several_faces_the_one_in_the_box_is_taken(tmp_path):
    times_s = np.repeat(np.arange(8) / 10, 2)
    points = np.repeat(moving(8), 2, axis=0)
    points[::2] += [400, 0]  # face 0 is somebody else
    write_table(tmp_path / "a.csv", times_s, points, faces=np.tile([0, 1], 8))
    parsed = record()
    expected = [in_crop_units(p, five) for p, five in zip(moving(8), parsed["landmarks"])]
    found = field_of(tmp_path).compute(parsed, ROW)
    np.testing.assert_allclose(found.values, expected, atol=1e-6)


def test_a_table_of_another_clip_or_with_more_frames_is_noticed(tmp_path):
    write_table(tmp_path / "a.csv", np.arange(12) / 10, moving(12) + np.array([500, 0]))
    found = field_of(tmp_path).compute(record(), ROW)
    assert np.isnan(found.values).all()
    assert "4 of its 12 rows are after the end of the clip" in found.notes[0]
    assert "in 8 frames its points are not in the face: is it of another clip" in found.notes[1]


def test_without_a_picture_the_points_make_their_own_crop_and_bring_their_times(tmp_path):
    confidence = np.array([1, 1, 1, 0, 1, 1])
    write_table(tmp_path / "01-a.csv", np.arange(6) / 30, moving(6), confidence=confidence)
    parsed = {name: value[:0] for name, value in record().items()}
    row = ManifestRow("a", "ravdess", "happy", sound="03-a.wav")
    found = field_of(tmp_path).compute(parsed, row)
    np.testing.assert_allclose(found.times_s, np.arange(6) / 30)
    assert np.isnan(found.values).all(axis=(1, 2)).tolist() == [i == 3 for i in range(6)]
    # A moving face stands still in its own crop, but for the rounding to whole pixels (a crop of 240 px).
    np.testing.assert_allclose(found.values[0], found.values[5], atol=1.2 / 240)
    np.testing.assert_allclose(found.values[0], in_crop_units(FACE, five_of_68(FACE)), atol=5e-3)
    faces = np.array([0, 1, 1, 1, 0, 1])
    write_table(tmp_path / "01-a.csv", np.arange(6) / 30, moving(6), faces=faces)
    found = field_of(tmp_path).compute(parsed, row)
    assert len(found.times_s) == 4
    assert "has 2 faces; face 1, seen most, is taken" in found.notes[0]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "a.csv: is empty"),
        ("frame,timestamp,x_0\n1,0,5\n", r"has no column x_1 \(135 of 137"),
        ("\x00\x01\x02", "has no column timestamp"),
    ],
)
def test_what_is_no_table_is_explained(tmp_path, content, said):
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(BadClip, match=said):
        field_of(tmp_path).compute(record(), ROW)


def test_rows_that_cannot_be_read_are_counted(tmp_path):
    path = write_table(tmp_path / "a.csv", np.arange(8) / 10, moving(8))
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:3], "1,2,3", lines[3].replace("0.98", "?"), *lines[4:], ""]))
    table = read_table(path)
    assert table.notes == ("a.csv: 2 rows cannot be read",)
    assert len(table.times_s) == 7
    path.write_text(lines[0] + "\n")
    with pytest.raises(BadClip, match="has no rows"):
        read_table(path)


def test_tables_are_found_by_the_names_of_clips(tmp_path):
    for name in ("happy/1.csv", "sad/1.csv", "deep/er/01-02-03.csv", "._2.csv", "4.CSV"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    tables = Tables(tmp_path)

    def found(**files):
        own = {"corpus": "folder", "emotion": "sad"} | files
        row = ManifestRow(**own)
        return tables.find(row).relative_to(tmp_path).as_posix()

    assert found(clip="sad/1", picture="sad/1.mp4") == "sad/1.csv"
    assert found(clip="happy/1", sound="happy/1.wav") == "happy/1.csv"
    take = {"clip": "02-03", "sound": "x/03-02-03.wav"}
    assert found(**take, corpus="ravdess") == "deep/er/01-02-03.csv"
    with pytest.raises(BadClip, match=r"no table 03-02-03\.csv in"):
        found(**take)  # another clip may be called 01-02-03
    assert found(clip="4", picture="4.mp4") == "4.CSV"
    with pytest.raises(
        BadClip, match=r"more than one table may be its own: happy/1\.csv and sad/1"
    ):
        found(clip="1", picture="other/1.mp4")
    with pytest.raises(BadClip, match=r"no table 2\.csv in"):
        found(clip="2", picture="2.mp4")
    (tmp_path / "empty").mkdir()
    for folder, said in (("empty", r"holds no \.csv"), ("nowhere", "no such folder")):
        with pytest.raises(UsageError, match=f"--openface .*{folder}: {said}"):
            field_of(tmp_path / folder)
    with pytest.raises(UsageError, match="--openface with --landmark-model"):
        make_fields(["landmarks68"], {"openface": str(tmp_path), "landmark_model": "x"})


def test_records_with_tables_and_clips_without_one(tmp_path):
    pytest.importorskip("tensorflow")
    clips = [make_clip("a"), make_clip("b"), make_clip("sound", faces=False)]
    parsed = record()
    for clip in clips[:2]:
        clip.boxes, clip.landmarks = parsed["boxes"], parsed["landmarks"]
    nothing = np.zeros(0, np.float32)
    clips[2].times_s, clips[2].faces = nothing, []
    clips[2].boxes, clips[2].landmarks = nothing, nothing
    records = write_records(tmp_path / "records", clips)
    tables = tmp_path / "tables"
    write_table(tables / "a.csv", np.arange(8) / 10, moving(8))
    write_table(tables / "sound.csv", np.arange(5) / 30, moving(5))
    summary = add_field(records, field_of(tables), workers=2)
    assert (summary["clips_with"], summary["found"], summary["frames"]) == (2, 13, 13)
    with open(records.folder / "landmarks68" / "notes.csv", newline="") as file:
        (note,) = csv.DictReader(file)
    assert note["clip"] == "b"
    assert note["note"].startswith("no table b.csv in")
    opened = Records.open(records.folder)
    fields = ("landmarks68",)
    read = [parse(s, fields) for s in opened.dataset(opened.rows, fields)]
    assert [tuple(p["landmarks68"].shape) for p in read] == [(8, 68, 2), (0, 68, 2), (5, 68, 2)]
    np.testing.assert_allclose(read[2]["landmarks68_times_s"], np.arange(5) / 30, atol=1e-6)
    # A table that joins is read; the others are not read again.
    write_table(tables / "b.csv", np.arange(8) / 10, moving(8))
    assert add_field(opened, field_of(tables))["clips_with"] == 3
