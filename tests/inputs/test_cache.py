import dataclasses
from contextlib import nullcontext

import numpy as np
import pytest
from tiny_run import make_clip, write_records

from emotionnet.clips.records import Records
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.files import write_json
from emotionnet.inputs.cache import ViewCache
from emotionnet.inputs.cache_writer import _check_same, write_cache
from emotionnet.inputs.kinds import inputs_of
from emotionnet.inputs.opening import open_source
from emotionnet.inputs.views import View

VIEW = View(frames=3, image_size=32, samples=16000)


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    clips = [
        make_clip("a", seed=1),
        make_clip("b", "sad", actor="02", faces=False, seed=2),
        make_clip("c", "neutral", actor="03", sound=False, seed=3),
    ]
    return write_records(tmp_path_factory.mktemp("cache") / "records", clips)


def test_a_cache_gives_what_the_view_gives(records, tmp_path):
    cache = write_cache(records, VIEW, tmp_path / "cache")
    (wanted,) = open_source(records, VIEW, ()).inference_batches(records.rows, 8)
    found = ViewCache.open(tmp_path / "cache").inputs(records.rows, inputs_of(("faces", "speech")))
    for name, values in wanted.items():
        np.testing.assert_array_equal(found[name], np.asarray(values), err_msg=name)
        assert found[name].dtype == values.numpy().dtype
    assert cache.rows == records.rows
    assert cache.view == VIEW
    assert cache.inputs(records.rows[2:], ["waveform_samples"])["waveform_samples"].tolist() == [0]


def test_a_cache_is_written_once_and_only_for_its_view(records, tmp_path):
    write_cache(records, VIEW, tmp_path / "cache")
    before = (tmp_path / "cache" / "faces.npy").stat().st_mtime_ns
    write_cache(records, VIEW, tmp_path / "cache")
    assert (tmp_path / "cache" / "faces.npy").stat().st_mtime_ns == before
    with pytest.raises(UsageError, match="a cache of 3 faces of 32 px"):
        write_cache(records, View(frames=2, image_size=32, samples=16000), tmp_path / "cache")


def test_a_kill_leaves_no_cache(records, tmp_path, monkeypatch):
    def killed(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("emotionnet.inputs.cache_writer.write_record_manifest", killed)
    with pytest.raises(KeyboardInterrupt):
        write_cache(records, VIEW, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()
    monkeypatch.undo()
    assert len(write_cache(records, VIEW, tmp_path / "cache").rows) == 3


def test_damage_and_strangers_are_explained(records, tmp_path):
    with pytest.raises(UsageError, match="holds no cache"):
        ViewCache.open(tmp_path)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("mine")
    with pytest.raises(UsageError, match="other files"):
        write_cache(records, VIEW, tmp_path / "other")
    write_cache(records, VIEW, tmp_path / "cache")
    (tmp_path / "cache" / "faces.npy").write_bytes(b"short")
    with pytest.raises(EmotionNetError, match="is damaged"):
        ViewCache.open(tmp_path / "cache")


def test_a_cache_of_landmarks_that_were_made_anew_is_refused(records, tmp_path):
    write_json(records.folder / "records.json", {**records.meta, "fields": {"landmarks68": {}}})
    opened, view = Records.open(records.folder), View(3, 32, 16000, landmarks=2)
    sums = records.folder / "landmarks68" / "shard-00000.json"
    write_json(sums, {"sha256": "once"})
    cache = write_cache(records, view, tmp_path / "cache", ["faces", "speech"])
    meta = {**cache.meta, "streams": ["speech", "geometry"], "field_sums": ["once"]}
    for made, refused in (
        ("once", nullcontext()),
        ("anew", pytest.raises(UsageError, match="anew")),
    ):
        write_json(sums, {"sha256": made})
        assert opened.field_sums(["landmarks68"]) == [made]
        with refused:
            _check_same(dataclasses.replace(cache, meta=meta), opened, view, ["speech"], ())
    sums.unlink()
    with pytest.raises(EmotionNetError, match="is missing or damaged"):
        opened.field_sums(["landmarks68"])
    write_json(records.folder / "records.json", records.meta)


def test_a_cache_of_recordings_that_were_replaced_is_refused(records, tmp_path):
    write_cache(records, VIEW, tmp_path / "cache")
    clips = [make_clip(row.clip, row.emotion, row.actor, seed=9) for row in records.rows]
    replaced = write_records(tmp_path / "replaced", clips)
    assert replaced.manifest_hash == records.manifest_hash
    with pytest.raises(UsageError, match="a cache of other records"):
        write_cache(replaced, VIEW, tmp_path / "cache")


def test_a_cache_of_an_earlier_version_is_taken(records, tmp_path):
    cache = write_cache(records, VIEW, tmp_path / "cache")
    noted = {"content_hash", "field_sums"}
    write_json(cache.folder / "cache.json", {k: v for k, v in cache.meta.items() if k not in noted})
    older = write_cache(records, VIEW, cache.folder)
    assert older.content_hash == records.manifest_hash
    assert older.field_sums(["landmarks68"]) == []


def test_what_no_clip_has_is_not_missed(records, tmp_path):
    cache = write_cache(records, VIEW, tmp_path / "cache", ("speech",))
    with pytest.raises(UsageError, match="a cache of speech alone"):
        cache.check_streams(("faces", "speech"))
    heard = write_records(tmp_path / "heard", [make_clip("a", faces=False)])
    write_cache(heard, VIEW, tmp_path / "sound", ("speech",)).check_streams(("faces", "speech"))
