"""Copies of the sound: what each kind does, and that each is made once and found again."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tiny_run import make_clip, write_records

from emotionnet.clips import copies
from emotionnet.clips.copies import original, parse_kind, speech_copies, transform, write_rows
from emotionnet.errors import EmotionNetError, UsageError

RATE = 16000


def tone(hertz=400.0, seconds=1.0):
    return np.sin(2 * np.pi * hertz * np.arange(int(RATE * seconds)) / RATE).astype(np.float32) / 4


def loudest_hz(sound) -> float:
    return float(np.abs(np.fft.rfft(sound)).argmax() * RATE / len(sound))


def test_kinds_are_what_their_names_say():
    assert parse_kind("pitch") == [("pitch", None)]
    assert parse_kind("pitch-1.5") == [("pitch", -1.5)]
    assert parse_kind("stretch") == [("stretch", 0.8)]
    assert parse_kind("speed0.9") == [("speed", 0.9)]
    assert parse_kind("noise15#2") == [("noise", 15.0)]
    assert parse_kind("stretch_pitch+0.7") == [("stretch", 0.8), ("pitch", 0.7)]


@pytest.mark.parametrize(
    "kind",
    ["echo", "speed", "noise", "stretch0", "speed9", "pitch#", "pitch~", "pitch_", "pitch_echo"],
)
def test_other_kinds_are_refused(kind):
    with pytest.raises(UsageError, match="not known"):
        parse_kind(kind)


def test_each_changes_what_it_should():
    faster = transform(tone(), "speed1.25", "clip")
    assert len(faster) == pytest.approx(RATE / 1.25, abs=2)
    assert loudest_hz(faster) == pytest.approx(500, abs=3)
    stretched = transform(tone(), "stretch1.25", "clip")
    assert len(stretched) == pytest.approx(RATE / 1.25, abs=2)
    assert loudest_hz(stretched) == pytest.approx(400, abs=5)
    higher = transform(tone(), "pitch+12", "clip")
    assert len(higher) == RATE
    assert loudest_hz(higher) == pytest.approx(800, abs=10)
    both = transform(tone(), "stretch_pitch+12", "clip")
    assert len(both) == pytest.approx(RATE / 0.8, abs=2)
    assert loudest_hz(both) == pytest.approx(800, abs=10)
    noise = transform(tone(), "noise20", "clip") - tone()
    assert 20 * np.log10(tone().std() / noise.std()) == pytest.approx(20, abs=0.3)


def test_draws_are_of_the_clip_and_the_kind():
    drawn = {
        kind: transform(tone(), kind, "a") for kind in ("noise20", "noise20#2", "pitch", "pitch#2")
    }
    assert not np.allclose(drawn["noise20"], drawn["noise20#2"])
    assert not np.allclose(drawn["pitch"], drawn["pitch#2"])
    np.testing.assert_array_equal(drawn["noise20"], transform(tone(), "noise20", "a"))
    assert not np.allclose(drawn["noise20"], transform(tone(), "noise20", "b"))


def test_copies_are_made_once_for_all_clips_and_told_by_name(tmp_path, monkeypatch):
    clips = [make_clip(f"c{i}", seed=i, sound=i != 2, faces=False) for i in range(4)]
    records = write_records(tmp_path / "records", clips)
    made = speech_copies(records, records.rows[:2], ("noise20", "speed0.9"))
    assert sorted(row.clip for row in made) == [
        "c0~noise20",
        "c0~speed0.9",
        "c1~noise20",
        "c1~speed0.9",
    ]
    assert all(row.emotion == "happy" for row in made)
    assert len(list(records.dataset(made).as_numpy_iterator())) == 4
    monkeypatch.setattr(copies, "_make", lambda *_: pytest.fail("they are there"))
    assert len(speech_copies(records, [records.rows[3]], ("speed0.9",))) == 1


def test_beside_records_that_may_only_be_read_none_are_made(tmp_path, monkeypatch):
    clips = [make_clip(f"{i}-happy", "happy", seed=i) for i in range(3)]
    records = write_records(tmp_path / "records", clips)
    monkeypatch.setenv("EMOTIONNET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(copies.os, "access", lambda place, _: place != records.folder)
    made = speech_copies(records, records.rows, ["noise15"])
    assert [Path(row.shard).is_relative_to(tmp_path / "cache") for row in made] == [True] * 3
    assert len(list(records.dataset(made))) == 3
    assert not (records.folder / "copies").exists()


def test_of_a_recording_that_was_replaced_other_copies_are_made(tmp_path):
    sounds = []
    for seed in (0, 1):  # the same name and length
        records = write_records(tmp_path / f"records{seed}", [make_clip("a", seed=seed)])
        if seed:
            (tmp_path / "records0" / "copies").rename(records.folder / "copies")
        made = speech_copies(records, records.rows, ("noise60",))
        (example,) = records.dataset(made).as_numpy_iterator()
        sounds.append(np.array(records.parse(example)["waveform"]))
        own = np.array(
            records.parse(next(records.dataset(records.rows).as_numpy_iterator()))["waveform"]
        )
        np.testing.assert_allclose(sounds[-1], own, atol=1e-3)
    assert not np.allclose(*sounds, atol=1e-2)


def test_a_disk_that_became_full_leaves_no_index(tmp_path, monkeypatch):
    import tensorflow as tf

    class Full(tf.io.TFRecordWriter):
        """What the system could not write is lost without a word."""

        def write(self, record):
            super().write(record[: len(record) // 2])

    records = write_records(tmp_path / "records", [make_clip("a")])
    monkeypatch.setattr(tf.io, "TFRecordWriter", Full)
    bar, sound = SimpleNamespace(update=lambda: None), np.ones(RATE, np.int16)
    with pytest.raises(EmotionNetError, match="could be written"):
        copies._write_shard(tmp_path / "copies", 0, "pitch", records.rows, [sound], bar)
    assert not list((tmp_path / "copies").iterdir())


def test_what_librosa_compiles_is_there_before_several_processes_ask_for_it(tmp_path, monkeypatch):
    done = []
    monkeypatch.setattr(copies, "FEW", 0)
    monkeypatch.setattr(copies, "transform", lambda sound, kind, clip: done.append(kind))
    monkeypatch.setattr(
        copies, "ProcessPoolExecutor", lambda *_, **__: done.append("pool") or 1 / 0
    )
    records = write_records(tmp_path / "records", [make_clip("a", sound=True, faces=False)])
    with pytest.raises(ZeroDivisionError):
        speech_copies(records, records.rows, ("pitch", "stretch"))
    assert sorted(done[:-1]) == ["pitch", "stretch"]
    assert done[-1] == "pool"


def test_what_a_copy_is_a_copy_of():
    assert original("01-02~noise15") == "01-02"
    assert original("a~stretch_pitch+0.7") == "a"
    assert original("a~b~pitch#2") == "a~b"
    for clip in ("01-02", "a~b", "~pitch", "a~pitch_x"):
        assert original(clip) == clip


def test_copies_become_clips_of_their_own(tmp_path, monkeypatch):
    from emotionnet.clips.records import Records, parse

    monkeypatch.setattr(copies, "FEW", 0)  # by several processes
    clips = [make_clip(f"c{i}", seed=i, actor=f"{i:02d}", sound=i != 2) for i in range(4)]
    records = write_records(tmp_path / "records", clips)
    out = write_rows(records, ("noise20", "stretch_pitch+0.7"), tmp_path / "rows")
    made = Records.open(out)
    made.verify()
    names = [row.clip for row in made.rows]
    assert names == sorted(names)
    assert len(names) == 4 + 2 * 3
    assert made.meta["copies"] == ["noise20", "stretch_pitch+0.7"]
    assert made.manifest_hash != records.manifest_hash
    by_name = {row.clip: row for row in made.rows}
    for row, example in zip(made.rows, made.dataset(made.rows).as_numpy_iterator()):
        parsed = parse(example)
        assert len(parsed["waveform"]) == row.samples
        assert len(parsed["jpegs"]) == (0 if "~" in row.clip else 8)
    assert by_name["c1~noise20"].actor == "01"
    assert by_name["c1~stretch_pitch+0.7"].samples == pytest.approx(
        by_name["c1"].samples / 0.8, abs=2
    )
    # Copies of copies are made of none.
    assert len(speech_copies(made, made.rows, ("noise20",))) == 3
    with pytest.raises(UsageError, match="is there already"):
        write_rows(records, ("noise20",), out)


def test_records_with_copies_that_were_stopped_are_made_by_the_same_command(tmp_path, monkeypatch):
    from emotionnet.clips.records import Records

    def stopped(*_):
        raise KeyboardInterrupt

    records = write_records(tmp_path / "records", [make_clip("a", sound=True)])
    out, rest = tmp_path / "rows", tmp_path / ".rows.partial" / "shard-00009.tfrecord"
    with monkeypatch.context() as patch:
        patch.setattr(copies, "write_record_manifest", stopped)
        with pytest.raises(KeyboardInterrupt):
            write_rows(records, ("noise20",), out)
    assert {path.name for path in tmp_path.iterdir()} == {"records"}
    rest.parent.mkdir()  # as a process leaves it that is killed
    rest.touch()
    Records.open(write_rows(records, ("noise20",), out)).verify()
    assert not (out / rest.name).exists()
    monkeypatch.chdir(out)
    with pytest.raises(UsageError, match="is there already"):
        write_rows(records, ("noise20",), ".")


def test_copies_stay_with_the_clips_that_theirs_repeats(tmp_path):
    from emotionnet.clips.records import Records
    from emotionnet.inputs.split import copies_are_known, recording_of

    records = write_records(tmp_path / "records", [make_clip(name, seed=1) for name in "ab"])
    rows = [dataclasses.replace(row, recording="a") for row in records.rows]
    made = Records.open(
        write_rows(dataclasses.replace(records, rows=rows), ("noise20",), tmp_path / "rows")
    )
    assert {recording_of(row) for row in made.rows} == {("demo", "a")}
    assert copies_are_known(made.rows)
