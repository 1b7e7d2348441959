"""Recordings of sound read by tf.data, against `prepare`; and training from the files themselves."""

import dataclasses
import shutil

import numpy as np
import pytest
from tiny_run import TOY

from emotionnet import prepare as preparing
from emotionnet.clips import sound_files
from emotionnet.corpora.media import write_clip
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.inputs.opening import open_clips

pytestmark = pytest.mark.usefixtures("plain_reports")

#: File → its codec and rate; what tensorflow-io reads as PyAV does, and what it does not.
NATIVE = {
    "a.wav": ("pcm_s16le", 16000),
    "b.wav": ("pcm_s16le", 44100),
    "c.wav": ("pcm_f32le", 48000),
    "d.flac": ("flac", 48000),
    "e.mp3": ("libmp3lame", 22050),
}
OTHERS = {"f.wav": ("pcm_s24le", 16000), "g.ogg": ("libopus", 48000)}
#: What tensorflow-io could read, and PyAV has to say something about.
ODD = ("silent.wav", "loud.wav", "text.wav", "cut.flac")


def voice(number, rate, seconds=0.6):
    """Noise that rises and falls, up to the highest frequency that the rate has."""
    rng = np.random.default_rng(number)
    times = np.arange(int(seconds * rate)) / rate
    return (0.2 * rng.standard_normal(len(times)) * np.sin(2 * np.pi * 2 * times)).astype("f4")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """``actor/emotion/file`` for four actors."""
    root, number = tmp_path_factory.mktemp("sounds") / "clips", 0
    for actor in ("ann", "bob", "cid", "dee"):
        for emotion in ("happy", "sad"):
            number += 1  # each has every other kind of file
            for file, (codec, rate) in list({**NATIVE, **OTHERS}.items())[number % 2 :: 2]:
                path = root / actor / emotion / f"{actor}-{emotion}-{file}"
                sound = voice(10 * number + ord(file[0]), rate)
                write_clip(path, samples=sound, sample_rate=rate, sound_codec=codec)
    odd = root / "ann" / "sad"
    write_clip(odd / ODD[0], samples=np.zeros(8000, "f4"), sound_codec="pcm_s16le")
    loud = np.clip(40 * voice(0, 16000), -1, 1)
    write_clip(odd / ODD[1], samples=loud, sound_codec="pcm_s16le")
    (odd / ODD[2]).write_text("no sound")
    whole = next((root / "bob" / "happy").glob("*.flac")).read_bytes()
    (odd / ODD[3]).write_bytes(whole[: len(whole) // 2])
    return root


@pytest.fixture(scope="module")
def by_pyav(corpus, tmp_path_factory):
    """The records that `prepare` makes."""
    out = tmp_path_factory.mktemp("pyav") / "records"
    return open_clips(preparing.prepare("folder", corpus, out, workers=1))


@pytest.fixture(scope="module")
def direct(corpus, tmp_path_factory):
    """The same recordings where they are."""
    out = tmp_path_factory.mktemp("direct") / "records"
    return open_clips(preparing.prepare("folder", corpus, out, direct=True))


@pytest.fixture
def native():
    if sound_files.why_not():
        pytest.skip(sound_files.why_not())


def waveforms(records, rows=None):
    rows = records.rows if rows is None else rows
    read = records.dataset(rows).map(lambda each: records.parse(each)["waveform"])
    return list(read.as_numpy_iterator())


def facts(records):
    return [dataclasses.replace(row, shard="", offset=0) for row in records.rows]


def check_same(records, expected):
    assert facts(records) == facts(expected)
    for row, ours, theirs in zip(records.rows, waveforms(records), waveforms(expected)):
        assert len(ours) == len(theirs) == row.samples
        assert np.abs(ours - theirs).max() <= 1e-4, row.clip
    lines = (folder / "skipped.csv" for folder in (records.folder, expected.folder))
    assert len({path.read_text(encoding="utf-8") for path in lines}) == 1


def test_who_reads_what_is_decided_by_the_header(native, direct):
    readers = {clip: file.decoder for clip, file in direct.files.items()}
    assert set(map(bool, readers.values())) == {True, False}
    for name, decoder in readers.items():
        assert bool(decoder) == (name[-1] in "abcde" and name[-2] == "-"), name


def test_recordings_in_their_place_sound_like_records_and_are_not_copied(direct, by_pyav):
    check_same(direct, by_pyav)
    assert not list(direct.folder.glob("*.tfrecord"))
    notes = (by_pyav.folder / "summary.txt").read_text(encoding="utf-8")
    assert (direct.folder / "summary.txt").read_text(encoding="utf-8") == notes
    assert "clipped" in notes


def test_a_pipeline_of_tf_data_makes_the_same_records(native, corpus, by_pyav, tmp_path, capsys):
    out = preparing.prepare("folder", corpus, tmp_path / "out", workers=1, runner="tf.data")
    assert "read by tensorflow-io, " in capsys.readouterr().out
    check_same(open_clips(out), by_pyav)


def test_without_native_operations_pyav_reads_all(
    corpus, by_pyav, direct, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(sound_files, "why_not", lambda: "not installed")
    out = preparing.prepare("folder", corpus, tmp_path / "out", direct=True)
    assert "0 are read by tensorflow-io, " in capsys.readouterr().out
    check_same(open_clips(out), by_pyav)
    # What was listed where they load is read all the same.
    rows = direct.rows[:4]
    for ours, theirs in zip(waveforms(direct, rows), waveforms(by_pyav, by_pyav.rows[:4])):
        assert np.abs(ours - theirs).max() == 0


def test_an_epoch_continues_with_the_same_bits(direct):
    from emotionnet.inputs.augmentation import Augmentation
    from emotionnet.inputs.opening import open_source
    from emotionnet.inputs.views import View

    source = open_source(
        direct, View(1, 8, 8000), ("happy", "sad"), ("waveform", "waveform_samples")
    )
    how = {"batch_size": 8, "seed": 1, "epoch": 2, "strength": Augmentation(noise_share=1.0)}
    whole = list(source.training_batches(direct.rows, **how))
    rest = list(source.training_batches(direct.rows, start_step=3, **how))
    assert len(rest) == len(whole) - 3 > 0
    for (first, _), (second, _) in zip(whole[3:], rest):
        np.testing.assert_array_equal(first["waveform"], second["waveform"])


def test_recordings_in_a_bucket(corpus, by_pyav, tmp_path, monkeypatch):
    import tensorflow as tf

    monkeypatch.setenv("EMOTIONNET_CACHE", str(tmp_path / "cache"))
    url = "ram://sounds/clips"
    few = [
        path for path in sorted(corpus.rglob("*")) if path.is_file() and path.parent.name == "sad"
    ]
    for path in few:
        tf.io.gfile.makedirs(f"{url}/{path.parent.relative_to(corpus).as_posix()}")
        with tf.io.gfile.GFile(f"{url}/{path.relative_to(corpus).as_posix()}", "wb") as file:
            file.write(path.read_bytes())
    records = open_clips(preparing.prepare("folder", f"{url}/", tmp_path / "out", direct=True))
    assert records.meta["root"] == url
    expected = {row.clip: sound for row, sound in zip(by_pyav.rows, waveforms(by_pyav))}
    assert {row.clip for row in records.rows} == {
        row.clip for row in by_pyav.rows if row.emotion == "sad"
    }
    for row, sound in zip(records.rows, waveforms(records)):
        assert np.abs(sound - expected[row.clip]).max() <= 1e-4
    lost = records.rows[0].picture or records.rows[0].sound
    tf.io.gfile.remove(f"{url}/{lost}")
    with pytest.raises(UsageError, match=f"{lost}"), records.guard():
        waveforms(records)


def test_recordings_that_were_copied_are_the_same_and_one_that_was_replaced_is_not(
    corpus, direct, tmp_path
):
    root = tmp_path / "clips"
    shutil.copytree(corpus, root, copy_function=shutil.copy)  # with new times
    copied = open_clips(preparing.prepare("folder", root, tmp_path / "copied", direct=True))
    assert copied.content_hash == direct.content_hash
    first = root / copied.rows[0].sound
    first.write_bytes((root / copied.rows[2].sound).read_bytes())
    replaced = open_clips(preparing.prepare("folder", root, tmp_path / "copied", direct=True))
    assert replaced.manifest_hash == direct.manifest_hash
    assert replaced.content_hash != direct.content_hash


def test_a_recording_that_is_gone_is_named(corpus, tmp_path):
    shutil.copytree(corpus / "cid", tmp_path / "clips" / "cid")
    records = open_clips(
        preparing.prepare("folder", tmp_path / "clips", tmp_path / "o", direct=True)
    )
    (path := next((tmp_path / "clips").rglob("*.mp3"))).unlink()
    with pytest.raises(EmotionNetError, match=f"{path.name}: is not there"), records.guard():
        waveforms(records)


def test_what_cannot_be_direct_is_refused(direct, corpus, tmp_path):
    from emotionnet.fit import fit

    with pytest.raises(UsageError, match="--streams speech"):
        fit("folder", corpus, direct=True)
    with pytest.raises(UsageError, match="not --records"):
        fit(records=direct.folder, streams="speech", direct=True)
    with pytest.raises(UsageError, match="holds records of direct True"):
        preparing.prepare("folder", corpus, direct.folder)


@pytest.mark.slow
def test_a_training_from_the_files_continues_with_the_same_bits(corpus, tmp_path, monkeypatch):
    from emotionnet.fit import fit
    from emotionnet.inputs.pipeline import RecordSource
    from emotionnet.training.run import Run

    monkeypatch.chdir(tmp_path)

    def train(name, **more):
        return fit(
            "folder", corpus, direct=True, streams="speech", protocol="holdout", augment="light", epochs=2,
            batch_size=8, system=TOY, out=tmp_path, name=name, **more,
        )  # fmt: skip

    whole, batches = train("whole"), RecordSource.training_batches

    def killed(self, rows, *, epoch, **how):
        if epoch == 1:
            raise KeyboardInterrupt
        return batches(self, rows, epoch=epoch, **how)

    with monkeypatch.context() as patch:
        patch.setattr(RecordSource, "training_batches", killed)
        with pytest.raises(KeyboardInterrupt):
            train("killed")
    resumed = train("killed", resume=True)
    for one, other in zip(*(Run.open(run).model().get_weights() for run in (whole, resumed))):
        np.testing.assert_array_equal(one, other)
    assert Run.open(whole).config["direct"] == str(corpus)
