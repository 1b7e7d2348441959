import dataclasses
import json

import numpy as np
import pytest

from emotionnet.clips.clip import ClipData, encode_jpeg
from emotionnet.clips.records import Records, parse, serialize
from emotionnet.clips.shards import SHARD_CLIPS, plan_shards, record_rows, write_shard
from emotionnet.corpora.manifest import ManifestRow, manifest_hash
from emotionnet.errors import BadClip, EmotionNetError, UsageError

tf = pytest.importorskip("tensorflow")


def clip(number=0, frames=3, samples=800):
    rng = np.random.default_rng(number)
    seen = np.arange(frames) % 3 != 1
    boxes = np.where(seen[:, None], rng.random((frames, 4)), np.nan).astype("f4")
    return ClipData(
        ManifestRow(f"clip {number:03d} ü\"'", "folder", "happy", actor=str(number % 4)),
        np.arange(frames, dtype="f4") / 10,
        [encode_jpeg(rng.integers(0, 256, (224, 224, 3)).astype("u1")) if s else b"" for s in seen],
        boxes,
        np.where(seen[:, None, None], rng.random((frames, 5, 2)), np.nan).astype("f4"),
        (720, 1280),
        rng.integers(-32768, 32768, samples).astype("i2"),
        ["a note"],
    )


def make(folder, clips=20, bad=()):
    """A finished folder of records."""
    data = {c.row.clip: c for c in (clip(i, frames=i % 4) for i in range(clips))}
    rows = [c.row for c in data.values()]
    results = ((r, BadClip("bad") if i in bad else data[r.clip]) for i, r in enumerate(rows))
    written = []
    for shard in plan_shards(rows, folder, folder, {"schema": 1}):
        write_shard(shard, results)
        written += record_rows(shard, shard.read_index())
    from emotionnet.clips.records import as_manifest_rows, write_record_manifest

    write_record_manifest(folder / "manifest.csv", written)
    meta = {
        "schema": 1,
        "finished": True,
        "manifest_hash": manifest_hash(as_manifest_rows(written)),
    }
    (folder / "records.json").write_text(json.dumps(meta))
    return data


def test_a_clip_comes_back_as_it_was():
    original = clip()
    parsed = tf.function(parse)(tf.constant(serialize(original)))
    assert parsed["jpegs"].numpy().tolist() == original.faces
    for name in ("times_s", "boxes", "landmarks"):
        np.testing.assert_array_equal(parsed[name], getattr(original, name))
    np.testing.assert_array_equal(parsed["waveform"].numpy() * 32768, original.waveform)
    example = tf.train.Example.FromString(serialize(original))
    row = json.loads(example.features.feature["row"].bytes_list.value[0])
    assert ManifestRow(**row) == original.row


@pytest.mark.parametrize(("frames", "samples"), [(0, 800), (2, 0)])
def test_absent_pictures_and_absent_sound_keep_their_shapes(frames, samples):
    parsed = parse(tf.constant(serialize(clip(frames=frames, samples=samples))))
    assert parsed["jpegs"].shape == (frames,)
    assert parsed["boxes"].shape == (frames, 4)
    assert parsed["landmarks"].shape == (frames, 5, 2)
    assert parsed["waveform"].shape == (samples,)


def test_rows_come_in_the_order_asked_for(tmp_path):
    data = make(tmp_path)
    records = Records.open(tmp_path)
    assert [row.clip for row in records.rows] == sorted(data)
    assert {row.shard for row in records.rows} == {"shard-00000.tfrecord", "shard-00001.tfrecord"}
    order = [*np.random.default_rng(1).permutation(20).tolist(), 3, 3]
    rows = [records.rows[i] for i in order]
    waveforms = records.dataset(rows).map(lambda example: parse(example)["waveform"])
    for row, waveform in zip(rows, waveforms, strict=True):
        np.testing.assert_array_equal(waveform * 32768, data[row.clip].waveform)
        assert row.samples == len(waveform)
        assert row.frames == len(data[row.clip].faces)
        assert row.faces_found == data[row.clip].faces_found
    assert list(records.dataset([])) == []


def test_clips_that_were_skipped_leave_no_hole(tmp_path):
    make(tmp_path, bad=(0, 7, 19))
    records = Records.open(tmp_path)
    assert len(records.rows) == 17
    assert sum(1 for _ in records.dataset(records.rows)) == 17


def test_a_damaged_shard_is_named_with_its_remedy(tmp_path):
    make(tmp_path)
    shard = tmp_path / "shard-00001.tfrecord"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 255
    shard.write_bytes(content)
    records = Records.open(tmp_path)
    with (
        pytest.raises(
            EmotionNetError, match=r"shard-00001\.tfrecord: is damaged\. Delete shard-00001"
        ),
        records.guard(),
    ):
        list(records.dataset(records.rows))
    with pytest.raises(EmotionNetError, match="damaged"):
        records.verify()


def test_errors_that_are_not_the_records_fault_pass_the_guard(tmp_path):
    make(tmp_path)
    records = Records.open(tmp_path)
    with pytest.raises(tf.errors.InvalidArgumentError), records.guard():
        tf.io.decode_jpeg(b"no picture")


def test_a_shard_cut_short_or_missing_is_noticed_when_opened(tmp_path):
    make(tmp_path)
    shard = tmp_path / "shard-00000.tfrecord"
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-5])
    with pytest.raises(EmotionNetError, match=r"instead of .* Delete shard-00000"):
        Records.open(tmp_path)
    shard.unlink()
    with pytest.raises(EmotionNetError, match="has 0 bytes"):
        Records.open(tmp_path)
    shard.write_bytes(whole)
    Records.open(tmp_path)
    shard.with_suffix(".json").unlink()
    with pytest.raises(EmotionNetError, match="missing or damaged"):
        Records.open(tmp_path)


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        ({"schema": 99}, EmotionNetError, "schema 99.* reads schema 1"),
        ({"finished": False}, UsageError, "not finished"),
        ({"manifest_hash": "0"}, EmotionNetError, r"manifest\.csv: was changed"),
    ],
)
def test_records_of_another_kind_are_refused(tmp_path, change, kind, said):
    make(tmp_path)
    meta = json.loads((tmp_path / "records.json").read_text())
    (tmp_path / "records.json").write_text(json.dumps({**meta, **change}))
    with pytest.raises(kind, match=said):
        Records.open(tmp_path)


def test_folders_without_records_are_refused(tmp_path):
    with pytest.raises(UsageError, match="holds no records"):
        Records.open(tmp_path)
    (tmp_path / "records.json").write_text("{")
    with pytest.raises(EmotionNetError, match="damaged"):
        Records.open(tmp_path)


def test_the_plan_depends_on_labels_and_files_and_not_on_order(tmp_path):
    for i in range(SHARD_CLIPS + 3):
        (tmp_path / f"{i:02d}.wav").write_bytes(b"1")
    rows = [
        ManifestRow(f"{i:02d}", "folder", "sad", sound=f"{i:02d}.wav")
        for i in range(SHARD_CLIPS + 3)
    ]

    def prints(rows, config=None):
        return [s.fingerprint for s in plan_shards(rows, tmp_path, tmp_path, config or {})]

    first = prints(rows)
    assert prints(rows[::-1]) == first
    relabelled = [dataclasses.replace(rows[0], emotion="calm"), *rows[1:]]
    assert [a == b for a, b in zip(prints(relabelled), first)] == [False, True]
    assert prints(rows, {"schema": 2})[1] != first[1]
    (tmp_path / f"{SHARD_CLIPS}.wav").write_bytes(b"22")
    assert [a == b for a, b in zip(prints(rows), first)] == [True, False]
