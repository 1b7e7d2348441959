import io
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from scenes import tone, woman

from emotionnet.clips import workers
from emotionnet.clips.clip import ClipData
from emotionnet.clips.workers import read_clips
from emotionnet.corpora.manifest import ManifestRow
from emotionnet.corpora.media import write_clip
from emotionnet.errors import BadClip, EmotionNetError, UnreadClip

#: A worker in which reading ``bad`` ends the process, and ``odd`` meets a bug.
CRASHING = """
import os, time
from emotionnet.clips import workers
real = workers.read_clip
def read_clip(row, root, finder):
    if row.clip == "bad":
        {crash}
    if row.clip == "odd":
        {{}}["missing"]
    if row.clip == "slow":
        time.sleep(1)
    print("a library that prints")
    return real(row, root, finder)
workers.read_clip = read_clip
workers.serve()
"""


@pytest.fixture
def sounds(tmp_path):
    for i in range(4):
        write_clip(tmp_path / f"{i}.wav", samples=tone(0.1 * (i + 1)), sound_codec="pcm_s16le")
    return tmp_path


def row(clip, sound=None):
    return ManifestRow(clip, "folder", "sad", sound=sound or f"{clip}.wav")


def read(root, names, workers):
    rows = [row(name, "0.wav" if name in ("bad", "odd", "slow") else None) for name in names]
    return [(r.clip, result) for r, result in read_clips(rows, root, workers)]


@pytest.mark.parametrize("count", [0, 2])
def test_clips_come_in_order_and_bad_ones_with_their_reason(sounds, count):
    (sounds / "x.wav").write_text("no sound")
    results = read(sounds, ["2", "x", "0", "3"], count)
    assert [clip for clip, _ in results] == ["2", "x", "0", "3"]
    assert isinstance(results[1][1], BadClip)
    assert "text file" in str(results[1][1])
    assert [len(r.waveform) for _, r in results if isinstance(r, ClipData)] == [4800, 1600, 6400]


@pytest.mark.parametrize(
    ("crash", "said", "again"),
    [
        ("os.kill(os.getpid(), 9)", "SIGKILL: out of memory", True),
        ("os.abort()", "SIGABRT", False),
        ("os.kill(os.getpid(), 11)", "SIGSEGV", False),
        ("os._exit(7)", "7", True),
    ],
)
def test_a_process_that_dies_costs_only_its_clip(sounds, monkeypatch, crash, said, again):
    monkeypatch.setattr(workers, "PROGRAM", CRASHING.format(crash=crash))
    results = read(sounds, ["0", "bad", "1", "2", "odd"], 1)
    assert said in str(results[1][1])
    assert "KeyError" in str(results[4][1])
    assert [isinstance(results[i][1], UnreadClip) for i in (1, 4)] == [again, False]
    assert [isinstance(r, ClipData) for _, r in results] == [True, False, True, True, False]


@pytest.mark.parametrize(
    ("code", "again"), [(0xC0000005, False), (0xC0000409, False), (0xC000013A, True), (1, True)]
)
def test_what_a_process_did_itself_on_windows_is_told_from_what_was_done_to_it(
    monkeypatch, code, again
):
    died = SimpleNamespace(
        stdin=io.BytesIO(), stdout=io.BytesIO(), wait=lambda timeout=None: code, kill=lambda: None
    )
    reader = workers.ClipReader()
    reader._process = died
    result = reader.read(row("bad"), ".")
    assert str(code) in str(result)
    assert isinstance(result, UnreadClip) is again


def test_a_slow_clip_does_not_change_the_order(sounds, monkeypatch):
    monkeypatch.setattr(workers, "PROGRAM", CRASHING.format(crash="pass"))
    names = ["slow", "0", "1", "2", "3"]
    assert [clip for clip, _ in read(sounds, names, 2)] == names


def test_processes_that_cannot_start_stop_everything(sounds, monkeypatch):
    monkeypatch.setattr(workers, "PROGRAM", "raise SystemExit(3)")
    with pytest.raises(EmotionNetError, match=r"cannot start \(exit code 3\)"):
        read(sounds, ["0", "1"], 2)


def test_processes_end_when_the_caller_stops_early(sounds, monkeypatch):
    started = []
    real = subprocess.Popen
    monkeypatch.setattr(
        workers.subprocess, "Popen", lambda *a, **k: started.append(real(*a, **k)) or started[-1]
    )
    results = read_clips([row("0"), row("1"), row("2")], sounds, 2)
    next(results)
    results.close()
    assert started
    assert all(process.poll() is not None for process in started)


def test_sound_alone_loads_no_tensorflow(sounds):
    code = (
        "import sys; from emotionnet.clips.workers import read_clips\n"
        "from emotionnet.corpora.manifest import ManifestRow\n"
        "(_, clip), = read_clips([ManifestRow('a', 'b', 'c', sound='0.wav')], sys.argv[1], 0)\n"
        "print(len(clip.waveform), 'tensorflow' in sys.modules, 'mtcnn' in sys.modules)"
    )
    out = subprocess.check_output([sys.executable, "-c", code, os.fspath(sounds)], text=True)
    assert out.split() == ["1600", "False", "False"]


@pytest.mark.slow
def test_faces_are_found_whatever_the_caller_trains_with(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    write_clip(tmp_path / "face.mp4", [woman(i) for i in range(3)], 12)
    clip = ManifestRow("face", "folder", "sad", picture="face.mp4")
    ((_, result),) = read_clips([clip], tmp_path, 1)
    assert isinstance(result, ClipData)
    assert result.faces_found == 3
