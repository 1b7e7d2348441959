"""Side fields: added to finished records, read together with them."""

import csv
import dataclasses
import json
import os
import shutil
import uuid

import numpy as np
import pytest
from tiny_run import make_clip, write_records

import emotionnet
from emotionnet.clips.clip import ClipData
from emotionnet.clips.crop import CROP_SIZE, crop_face, in_crop_units
from emotionnet.clips.fields import FIELDS, get_field, make_fields
from emotionnet.clips.fields.add import add_field, add_fields
from emotionnet.clips.fields.landmarks5 import Landmarks5
from emotionnet.clips.records import Records, parse, parsed_of, serialize
from emotionnet.corpora.media import write_clip
from emotionnet.errors import BadClip, EmotionNetError, UsageError
from emotionnet.inputs.opening import open_clips
from emotionnet.prepare import main

tf = pytest.importorskip("tensorflow")

FACE = np.array([[40, 40], [60, 41], [50, 52], [43, 62], [58, 61]], np.float32)


def moving(name, seed=0):
    """A clip whose face wanders and is lost in two frames."""
    clip = make_clip(name, seed=seed)
    rng = np.random.default_rng(seed)
    clip.landmarks = (FACE + rng.uniform(0, 30, (8, 1, 2))).astype(np.float32)
    for lost in (2, 5):
        clip.landmarks[lost] = np.nan
        clip.faces[lost] = b""
    return clip


CLIPS = [moving(f"clip-{i}", i) for i in range(6)] + [make_clip("voice", faces=False)]
CLIPS[-1].landmarks[:] = np.nan


def silent_film(name):
    nothing = np.zeros(0, np.float32)
    row = make_clip(name).row
    return ClipData(row, nothing, [], nothing, nothing, (0, 0), np.ones(1600, np.int16))


@pytest.fixture
def records(tmp_path):
    """Four shards; the last one holds a clip that is sound alone."""
    return write_records(tmp_path / "records", [*CLIPS, silent_film("x-sound")], per_shard=2)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def times(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("shard-*")}


def read(records, rows=None, fields=("landmarks5",)):
    rows = records.rows if rows is None else rows
    dataset = records.dataset(rows, fields).map(lambda serialized: parse(serialized, fields))
    return list(dataset.as_numpy_iterator())


def test_a_point_is_in_the_crop_where_the_crop_shows_it():
    picture = np.zeros((120, 160, 3), np.uint8)
    point = np.array([52, 47])
    picture[point[1], point[0]] = 255
    crop = crop_face(picture, FACE)[..., 0].astype(float)
    shown = np.array([crop.sum(0) @ np.arange(CROP_SIZE), crop.sum(1) @ np.arange(CROP_SIZE)])
    shown = (shown / crop.sum() + 0.5) / CROP_SIZE  # of pixel centres, in units of the crop
    np.testing.assert_allclose(in_crop_units([point], FACE)[0], shown, atol=2e-3)
    assert np.isnan(in_crop_units([point], np.full((5, 2), np.nan))).all()


def test_a_field_is_read_with_its_record_in_any_order(records):
    before = contents(records.folder)
    add_fields(records.folder, make_fields(["landmarks5"], {}), workers=2)
    after = contents_of_files(records.folder)
    assert {name: before[name] for name in before if name != "records.json"} == {
        name: after[name] for name in after if name != "records.json"
    }
    records = Records.open(records.folder)
    assert list(records.fields) == ["landmarks5"]
    assert records.fields["landmarks5"]["shape"] == [5, 2]
    rows = [records.rows[i] for i in (4, 0, 7, 6, 0)]
    for row, parsed in zip(rows, read(records, rows), strict=True):
        clip = next((c for c in CLIPS if c.row.clip == row.clip), silent_film("x-sound"))
        np.testing.assert_array_equal(parsed["waveform"] * 32768, clip.waveform)
        np.testing.assert_array_equal(parsed["landmarks5_times_s"], clip.times_s)
        assert parsed["landmarks5"].shape == (len(clip.faces), 5, 2)
        for values, landmarks, face in zip(parsed["landmarks5"], clip.landmarks, clip.faces):
            assert np.isfinite(values).all() == bool(face)
            np.testing.assert_allclose(values, in_crop_units(landmarks, landmarks), atol=1e-6)
    # Without asking for it a record is what it was.
    plain = list(records.dataset(records.rows).as_numpy_iterator())
    assert plain[0] == serialize(CLIPS[0])
    assert read(records, [], ("landmarks5",)) == []


def contents_of_files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_changed_copy_of_the_sound_has_no_field(records):
    add_fields(records.folder, make_fields(["landmarks5"], {}), workers=0)
    records = Records.open(records.folder)
    row = records.rows[0]
    copy = dataclasses.replace(
        row, clip=f"{row.clip}~pitch", shard=str((records.folder / row.shard).resolve())
    )
    parsed, original = read(records, [copy, row])
    assert parsed["landmarks5"].shape == (0, 5, 2)
    assert parsed["landmarks5_times_s"].shape == (0,)
    assert original["landmarks5"].shape == (8, 5, 2)


def test_what_was_interrupted_resumes_to_the_same_bytes(records, tmp_path, monkeypatch):
    whole = tmp_path / "whole"
    shutil.copytree(records.folder, whole)
    add_field(Records.open(whole), Landmarks5(), workers=0)
    real, calls = Landmarks5.compute, []

    def interrupted(self, parsed, row):
        calls.append(row.clip)
        if len(calls) > 5:
            raise KeyboardInterrupt
        return real(self, parsed, row)

    with monkeypatch.context() as patch:
        patch.setattr(Landmarks5, "compute", interrupted)
        with pytest.raises(KeyboardInterrupt):
            add_field(records, Landmarks5(), workers=0)
    folder = records.folder / "landmarks5"
    done = times(folder)
    assert sorted(name for name in done if name.endswith(".json")) == [
        "shard-00000.json",
        "shard-00001.json",
    ]
    with pytest.raises(UsageError, match=r"have no landmarks5 .*--fields landmarks5"):
        Records.open(records.folder).dataset(records.rows, ("landmarks5",))
    # What a kill leaves: half a file, and a shard whose index was not written.
    (folder / ".shard-00003.99999.partial.tfrecord").write_bytes(b"half")
    shutil.copy(whole / "landmarks5" / "shard-00002.tfrecord", folder)
    add_field(records, Landmarks5(), workers=3)
    assert {name: at for name, at in times(folder).items() if name in done} == done
    assert contents(folder) == contents(whole / "landmarks5")
    assert (records.folder / "records.json").read_bytes() == (whole / "records.json").read_bytes()
    before = times(folder)
    add_field(records, Landmarks5())
    assert times(folder) == before


def test_after_the_records_changed_only_what_changed_is_computed_again(records, tmp_path):
    add_field(records, Landmarks5(), workers=0)
    changed = [*CLIPS[:2], moving("clip-2", 99), *CLIPS[3:], silent_film("x-sound")]
    other = write_records(tmp_path / "other", changed, per_shard=2)
    for path in other.folder.glob("shard-*"):
        shutil.copy(path, records.folder)
    shutil.copy(other.folder / "manifest.csv", records.folder)
    reopened = Records.open(records.folder)
    with pytest.raises(EmotionNetError, match=r"shard-00001\.tfrecord: belongs to other records"):
        reopened.dataset(reopened.rows, ("landmarks5",))
    before = times(records.folder / "landmarks5")
    add_field(reopened, Landmarks5(), workers=0)
    after = times(records.folder / "landmarks5")
    assert {name for name in after if after[name] != before[name]} == {
        "shard-00001.tfrecord",
        "shard-00001.json",
    }
    parsed = read(Records.open(records.folder))[2]
    np.testing.assert_allclose(
        parsed["landmarks5"][0], in_crop_units(*[changed[2].landmarks[0]] * 2), atol=1e-6
    )
    # A shard that the records no longer have goes away.
    fewer = write_records(tmp_path / "fewer", CLIPS[:4], per_shard=2)
    shutil.copytree(records.folder / "landmarks5", fewer.folder / "landmarks5")
    add_field(fewer, Landmarks5(), workers=0)
    assert sorted(times(fewer.folder / "landmarks5")) == sorted(
        f"shard-0000{i}.{kind}" for i in (0, 1) for kind in ("json", "tfrecord")
    )


def test_a_field_that_cannot_be_read_says_why_and_what_to_do(records, monkeypatch):
    with pytest.raises(UsageError, match=r"unknown field 'nosuch'\. Known: landmarks5"):
        records.dataset(records.rows, ("nosuch",))
    with pytest.raises(UsageError, match=r"these records have no landmarks5 \(eyes, nose"):
        records.dataset(records.rows, ("landmarks5",))
    add_field(records, Landmarks5(), workers=0)
    shard = records.folder / "landmarks5" / "shard-00001.tfrecord"
    whole, index = shard.read_bytes(), shard.with_suffix(".json").read_text()

    def refused(said):
        opened = Records.open(records.folder)
        with pytest.raises(EmotionNetError, match=said) as error:
            opened.dataset(opened.rows, ("landmarks5",))
        assert f"--records {records.folder} --fields landmarks5" in str(error.value)

    shard.write_bytes(whole[:-5])
    refused(rf"shard-00001\.tfrecord: has {len(whole) - 5:,} bytes instead of {len(whole):,}")
    shard.unlink()
    refused("has 0 bytes")
    shard.write_bytes(whole)
    shard.with_suffix(".json").write_text(index[:50])
    refused(r"shard-00001\.json: is missing or damaged")
    shard.with_suffix(".json").write_text(index)
    with monkeypatch.context() as patch:
        patch.setattr(Landmarks5, "version", 2)
        refused("landmarks5 of version 1; this version of emotionnet reads version 2")
        add_field(records, Landmarks5(), workers=0)
        assert len(read(Records.open(records.folder))) == 8


def test_a_byte_that_flipped_is_named_as_the_fields(records):
    add_field(records, Landmarks5(), workers=0)
    shard = records.folder / "landmarks5" / "shard-00002.tfrecord"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 255
    shard.write_bytes(content)
    opened = Records.open(records.folder)
    said = r"landmarks5/shard-00002\.tfrecord: is damaged\. Delete it\. Run `python"
    with pytest.raises(EmotionNetError, match=said), opened.guard():
        list(opened.dataset(opened.rows, ("landmarks5",)))
    shard.unlink()
    add_field(opened, Landmarks5(), workers=0)
    assert len(read(Records.open(records.folder))) == 8


def test_a_clip_that_cannot_have_it_is_listed_and_masked(records, monkeypatch, capsys):
    real = Landmarks5.compute

    def picky(self, parsed, row):
        if row.clip == "clip-3":
            raise BadClip("its table is of another clip")
        return real(self, parsed, row)

    monkeypatch.setattr(Landmarks5, "compute", picky)
    summary = add_field(records, Landmarks5(), workers=2)
    # Of the others one has no face in it and one no picture.
    assert (summary["clips"], summary["clips_with"]) == (8, 5)
    assert (summary["frames"], summary["found"]) == (6 * 8, 5 * 6)
    with open(records.folder / "landmarks5" / "notes.csv", newline="") as file:
        assert list(csv.DictReader(file)) == [
            {"clip": "clip-3", "note": "its table is of another clip"}
        ]
    assert read(Records.open(records.folder))[3]["landmarks5"].shape == (0, 5, 2)
    add_fields(records.folder, [Landmarks5()])
    assert "clip-3: its table is of another clip" in capsys.readouterr().out


def test_another_kind_of_the_same_field_is_refused_and_not_mixed(records, monkeypatch):
    add_field(records, Landmarks5(), workers=0)
    monkeypatch.setattr(Landmarks5, "content", lambda self: {"source": "tables"})
    opened = Records.open(records.folder)
    with pytest.raises(UsageError, match=r"made with no options, not with source tables\. Delete"):
        add_field(opened, Landmarks5())
    shutil.rmtree(records.folder / "landmarks5")
    add_field(opened, Landmarks5(), workers=0)
    assert Records.open(records.folder).fields["landmarks5"]["content"] == {"source": "tables"}


def test_a_clip_without_records_is_parsed_the_same_way(records):
    add_field(records, Landmarks5(), workers=0)
    for clip, wanted in zip([*CLIPS, silent_film("x-sound")], read(Records.open(records.folder))):
        values = Landmarks5().of_clip(parsed_of(clip), clip.row)
        found = parsed_of(clip, {"landmarks5": values})
        assert set(found) == set(wanted)
        for name, value in wanted.items():
            assert found[name].dtype == value.dtype
            np.testing.assert_array_equal(found[name], value, strict=True)


def test_every_field_says_what_it_is():
    for name in FIELDS:
        field = get_field(name)
        assert field.name == name
        assert field.meaning
        assert field.version >= 1
    with pytest.raises(UsageError, match=r"--no-such: no option of landmarks5"):
        make_fields(["landmarks5"], {"no_such": 1})


def put(folder, url):
    for path in (p for p in folder.rglob("*") if p.is_file()):
        target = f"{url}/{path.relative_to(folder).as_posix()}"
        tf.io.gfile.makedirs(os.path.dirname(target))
        if tf.io.gfile.exists(target):
            tf.io.gfile.remove(target)
        with tf.io.gfile.GFile(target, "wb") as file:
            file.write(path.read_bytes())
    return url


def test_records_of_a_bucket_bring_their_fields(records, tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTIONNET_CACHE", str(tmp_path / "cache"))
    url = put(records.folder, f"ram://{uuid.uuid4().hex}/records")
    fetched = open_clips(url)
    with pytest.raises(UsageError, match="where the records were made, and copy them again"):
        fetched.dataset(fetched.rows, ("landmarks5",))
    with pytest.raises(UsageError, match="fields are added to a folder"):
        add_fields(url, [Landmarks5()])
    add_field(records, Landmarks5(), workers=0)
    put(records.folder, url)
    fetched = open_clips(url)
    assert list(fetched.fields) == ["landmarks5"]
    for here, there in zip(read(Records.open(records.folder)), read(fetched), strict=True):
        np.testing.assert_array_equal(here["landmarks5"], there["landmarks5"])
    # The same field with other values, as from tables of landmarks that were made anew.
    monkeypatch.setattr(Landmarks5, "files", lambda self, row: ["anew"])
    compute = Landmarks5.compute

    def moved(self, parsed, row):
        found = compute(self, parsed, row)
        return dataclasses.replace(found, values=found.values + 1)

    monkeypatch.setattr(Landmarks5, "compute", moved)
    add_field(Records.open(records.folder), Landmarks5(), workers=0)
    anew = read(open_clips(put(records.folder, url)))
    for here, there in zip(read(Records.open(records.folder)), anew, strict=True):
        np.testing.assert_array_equal(here["landmarks5"], there["landmarks5"])
    meta = json.loads((records.folder / "records.json").read_text())
    meta["fields"]["../../x"] = {}
    (records.folder / "records.json").write_text(json.dumps(meta))
    with pytest.raises(EmotionNetError, match=r"names a field '\.\./\.\./x'"):
        open_clips(put(records.folder, url))


def test_the_command_adds_a_field_and_says_what_it_became(records, capsys):
    arguments = ["--records", records.folder, "--fields", "landmarks5", "--workers", 2]
    assert main([str(argument) for argument in arguments]) == 0
    shown = capsys.readouterr()
    assert shown.out == "landmarks5: 6 of 8 clips, 36 of 56 frames, 0.0 MB\n"
    assert "field landmarks5" in shown.err
    assert len(read(Records.open(records.folder))) == 8


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({}, "--records needs --fields: one or more of landmarks5"),
        ({"fields": ["nosuch"]}, "unknown field 'nosuch'"),
        ({"fields": ["landmarks5"], "root": "clips"}, "--records with --root"),
        ({"fields": ["landmarks5"], "corpus": "ravdess"}, "--records with --corpus"),
        ({"fields": ["landmarks5"], "runner": "beam"}, "--records with --runner"),
        ({"fields": ["landmarks5"], "channel": "song"}, "--records with --channel"),
        ({"fields": ["landmarks5"], "field_options": {"x": 1}}, "--x: no option of landmarks5"),
        ({"fields": ["landmarks5"], "workers": -1}, "workers=-1"),
    ],
)
def test_bad_usage_ends_with_a_message(records, how, said):
    with pytest.raises(UsageError, match=said):
        emotionnet.prepare(records=records.folder, **how)
    assert not records.fields


def test_prepare_adds_fields_and_keeps_them_when_clips_join(tmp_path):
    root, out = tmp_path / "clips", tmp_path / "records"

    def voices(numbers):
        for i in numbers:
            tone = np.full(1600, 0.01 * (i + 1), np.float32)
            write_clip(root / "sad" / f"{i:02d}.wav", samples=tone, sound_codec="pcm_s16le")

    voices(range(18))
    emotionnet.prepare("folder", root, out, workers=0, fields=["landmarks5"])
    assert list(Records.open(out).fields) == ["landmarks5"]
    first = out / "landmarks5" / "shard-00000.tfrecord"
    before = first.stat().st_mtime_ns
    voices(range(18, 20))
    emotionnet.prepare("folder", root, out, workers=0)
    stale = Records.open(out)
    assert list(stale.fields) == ["landmarks5"]
    with pytest.raises(EmotionNetError, match="belongs to other records"):
        stale.dataset(stale.rows, ("landmarks5",))
    emotionnet.prepare("folder", root, out, workers=0, fields=["landmarks5"])
    assert len(read(Records.open(out))) == 20
    assert first.stat().st_mtime_ns == before
