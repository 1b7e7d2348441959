"""Clips that are one recording are found when they are prepared, and kept apart or said when divided."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from emotionnet.clips.records import Records
from emotionnet.clips.same import recordings, repeated
from emotionnet.corpora.manifest import ManifestRow
from emotionnet.corpora.media import write_clip
from emotionnet.inputs.protocols import split_rows
from emotionnet.prepare import prepare

EMOTIONS, PEOPLE = ("happy", "sad"), ("anna", "bob", "cara", "dan", "eve", "finn")


def voice(path, seed, codec="pcm_s16le"):
    samples = np.random.default_rng(seed).normal(0, 0.1, 3200)
    write_clip(path, samples=samples, sound_codec=codec)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Everybody says two things; what bob and eve say when happy is what anna says, once in another container."""
    root = tmp_path_factory.mktemp("clips")
    for i, person in enumerate(PEOPLE):
        for j, emotion in enumerate(EMOTIONS):
            for take in (1, 2):
                voice(root / emotion / person / f"{take}.wav", 100 * i + 10 * j + take)
    shutil.copy(root / "happy/anna/1.wav", root / "happy/bob/1.wav")
    (root / "happy/eve/1.wav").unlink()
    voice(root / "happy/eve/1.flac", 1, codec="flac")
    shutil.copy(root / "sad/anna/1.wav", root / "happy/anna/9.wav")
    return root


@pytest.fixture(scope="module")
def records(corpus, tmp_path_factory):
    return Records.open(
        prepare("folder", corpus, tmp_path_factory.mktemp("r") / "records", workers=0)
    )


def test_the_same_sound_is_one_recording_whatever_it_is_called(records):
    same = {row.clip: row.recording for row in records.rows}
    assert same["happy/bob/1"] == same["happy/eve/1"] == same["happy/anna/1"] == "happy/anna/1"
    assert same["sad/anna/1"] == same["happy/anna/9"] == "happy/anna/9"
    assert sum(clip == first for clip, first in same.items()) == len(same) - 3
    summary = (records.folder / "summary.txt").read_text()
    assert "3 clips repeat the pictures or the sound of another one, first happy/bob/1" in summary
    assert "1 recordings are under two or more actors" in summary
    assert "1 recordings are under two or more emotions" in summary


def test_copies_of_tested_clips_are_not_learnt_from(records):
    for fold in range(1, 6):
        split = split_rows(records.rows, fold=fold)
        parts = [
            {row.recording for row in part} for part in (split.train, split.validation, split.test)
        ]
        assert sum(map(len, parts)) == len(set.union(*parts))
        assert split.description.endswith("leaks: nothing")
        assert not split.leaky
        lost = 25 - len(split.train) - len(split.validation) - len(split.test)
        assert ("left out" in split.description) == bool(lost)


def test_what_cannot_be_kept_apart_is_said_to_leak(records):
    rows = [dataclasses.replace(row, recording=f"{row.emotion}") for row in records.rows]
    split = split_rows(rows)
    assert split.leaky
    assert "leaks: 9 of 9 test clips have the pictures or the sound" in split.description
    assert "9 of 9 test clips" in split.warning


def test_nothing_leaks_is_said_only_where_copies_were_looked_for(records):
    rows = [dataclasses.replace(row, recording="") for row in records.rows]
    description = split_rows(rows).description
    assert "leaks: no person; whether clips repeat each other was not looked at" in description
    assert "leaks: the same people" in split_rows(rows, "stratified").description


def test_records_of_before_are_looked_through_once(corpus, records, tmp_path):
    old = tmp_path / "records"
    shutil.copytree(records.folder, old)
    index = old / "shard-00000.json"
    content = json.loads(index.read_text())
    for entry in content["clips"]:
        del entry["sound_hash"], entry["pictures_hash"]
    index.write_text(json.dumps(content))
    manifest = (old / "manifest.csv").read_text().splitlines()
    assert manifest[0].endswith(",recording")
    (old / "manifest.csv").write_text(
        "\n".join(line.rpartition(",")[0] for line in manifest) + "\n"
    )
    (old / "summary.json").write_text("{}")
    assert {row.recording for row in Records.open(old).rows} == {""}
    before = (old / "shard-00000.tfrecord").stat().st_mtime_ns
    prepare("folder", corpus, old, workers=0)
    assert (old / "shard-00000.tfrecord").stat().st_mtime_ns == before
    assert Records.open(old).rows == records.rows


def row(clip, **fields):
    return ManifestRow(clip, "folder", "happy", **fields)


def entries(count, **hashes):
    return [{"pictures_hash": "", "sound_hash": "", **hashes}] * count


def test_parts_of_a_file_that_touch_are_neighbours():
    turns = [row(f"{n}", sound="x.wav", start_s=f"{n}", end_s=f"{n + 1.04}") for n in range(4)]
    assert recordings(turns, entries(4)) == {turn.clip: turn.clip for turn in turns}


def test_parts_of_a_file_that_overlap_are_one_recording():
    rows = [
        row("a", sound="x.wav", end_s="2"), row("b", sound="x.wav", start_s="1.5", end_s="3"),
        row("c", sound="x.wav", start_s="3", end_s="4"), row("d", sound="y.wav", start_s="1", end_s="2"),
        row("e", sound="y.wav"),
    ]  # fmt: skip
    assert recordings(rows, entries(5)) == {"a": "a", "b": "a", "c": "c", "d": "d", "e": "d"}


def test_silent_clips_without_faces_are_no_copies_of_each_other():
    rows = [row("a", sound="a.wav"), row("b", sound="b.wav")]
    assert recordings(rows, entries(2)) == {"a": "a", "b": "b"}
    assert recordings(rows, entries(2, sound_hash="x")) == {"a": "a", "b": "a"}


def test_copies_known_from_the_publisher_count_too():
    rows = [
        ManifestRow(clip, "ravdess", "happy") for clip in ("01-03-01-02-01-07", "01-03-01-02-02-07")
    ]
    assert set(recordings(rows, entries(2)).values()) == {"01-03-01-02-01-07"}
    assert repeated([dataclasses.replace(r) for r in []]) == []
