"""`prepare --runner beam` in several processes of this machine, against `prepare` by itself."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from emotionnet import prepare as preparing
from emotionnet.clips import runners
from emotionnet.clips.records import Records
from emotionnet.corpora.media import write_clip
from emotionnet.errors import UsageError

REASON = "apache-beam is not installed (extra beam)"


@pytest.fixture
def sounds(tmp_path):
    """40 short sounds in 3 shards, and one file that is none."""
    for i in range(40):
        tone = 0.3 * np.sin(2 * np.pi * (150 + i) * np.arange(1600 + 160 * (i % 7)) / 16000)
        path = tmp_path / "clips" / ("happy", "sad")[i % 2] / f"{i:03d}.wav"
        write_clip(path, samples=tone.astype("f4"), sound_codec="pcm_s16le")
    (tmp_path / "clips" / "sad" / "text.wav").write_text("no sound")
    return tmp_path / "clips"


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_beam_makes_the_same_bytes(sounds, tmp_path):
    pytest.importorskip("apache_beam", reason=REASON)
    preparing.prepare("folder", sounds, tmp_path / "local", workers=1)
    preparing.prepare("folder", sounds, tmp_path / "beam", workers=2, runner="beam")
    assert len(Records.open(tmp_path / "beam").rows) == 40
    assert contents(tmp_path / "beam") == contents(tmp_path / "local")

    # What is finished is kept, whoever made it.
    kept = tmp_path / "beam" / "shard-00000.tfrecord"
    stamp = kept.stat().st_mtime_ns
    (tmp_path / "beam" / "shard-00002.json").unlink()
    preparing.prepare("folder", sounds, tmp_path / "beam", workers=2, runner="beam")
    assert contents(tmp_path / "beam") == contents(tmp_path / "local")
    assert kept.stat().st_mtime_ns == stamp


def test_a_full_disk_is_told_in_one_message(sounds, tmp_path):
    pytest.importorskip("apache_beam", reason=REASON)
    import resource

    limit = 40_000  # a limit on the size of files stands for a disk that is full
    result = subprocess.run(
        [sys.executable, "-m", "emotionnet.prepare", "--corpus", "folder", "--root", sounds,
         "--out", tmp_path / "out", "--workers", "2", "--runner", "beam"],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )  # fmt: skip
    assert result.returncode == 1, result.stderr
    last = result.stderr.splitlines()[-1]
    assert last.startswith("error: ")
    assert ".tfrecord" in last
    assert "run the same command again" in last
    preparing.prepare("folder", sounds, tmp_path / "out", workers=1)
    Records.open(tmp_path / "out").verify()


def test_bad_usage_is_explained(sounds, tmp_path, monkeypatch):
    with pytest.raises(UsageError, match=r"--runner spark: not known"):
        preparing.prepare("folder", sounds, tmp_path / "out", runner="spark")
    with pytest.raises(UsageError, match=r"--beam-options are for"):
        preparing.prepare("folder", sounds, tmp_path / "out", beam_options=["--runner=X"])
    assert not (tmp_path / "out").exists()
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    monkeypatch.delitem(sys.modules, "emotionnet.clips.beam", raising=False)
    with pytest.raises(UsageError, match=r"emotionnet\[beam\]"):
        preparing.prepare("folder", sounds, tmp_path / "out", runner="beam")


@pytest.mark.real_data
@pytest.mark.slow
@pytest.mark.parametrize("corpus", ["ravdess", "crema_d"])
def test_real_clips_become_the_same_bytes(tmp_path, monkeypatch, corpus):
    pytest.importorskip("apache_beam", reason=REASON)
    if "EMOTIONNET_DATA" not in os.environ:
        pytest.skip("EMOTIONNET_DATA is not set: no real recordings")
    from emotionnet import corpora

    root = Path(os.environ["EMOTIONNET_DATA"]) / corpus
    rows = [row for row in corpora.scan(corpus, root) if row.picture][:8]
    monkeypatch.setattr(runners, "clips_a_shard", lambda corpus: 2)  # work for both processes
    local = preparing.prepare(corpus, root, tmp_path / "local", workers=1, rows=rows)
    beam = preparing.prepare(corpus, root, tmp_path / "beam", workers=2, rows=rows, runner="beam")
    assert contents(beam) == contents(local)
    assert sum(row.faces_found for row in Records.open(beam).rows) > 100
