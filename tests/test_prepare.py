import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import emotionnet
from emotionnet import prepare as preparing
from emotionnet.clips import container
from emotionnet.clips.records import Records
from emotionnet.command import run_command
from emotionnet.corpora.drawing import PROTOTYPES, background, draw_face, random_person
from emotionnet.corpora.manifest import ManifestRow
from emotionnet.corpora.media import write_clip
from emotionnet.errors import EmotionNetError, UsageError

RATE = 16000


def tone(seconds, hz=200.0):
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE)).astype("f4")


def faces(n, emotion):
    person = random_person(np.random.default_rng(0), female=True)
    for _ in range(n):
        canvas = background(180, 240, person)
        draw_face(canvas, (120, 90), 110, person, PROTOTYPES[emotion])
        yield canvas


def sounds(root, count, emotions=("happy", "sad")):
    """A corpus of the user's own: short sounds in one folder a class."""
    for i in range(count):
        path = root / emotions[i % len(emotions)] / f"{i:03d}.wav"
        write_clip(path, samples=tone(0.1 + 0.01 * (i % 7), 150 + i), sound_codec="pcm_s16le")
    return root


@pytest.fixture
def here(capsys):
    """The command with its exit code, stdout and stderr, in this process, which has imported what it needs."""

    def run(*arguments):
        with pytest.raises(SystemExit) as end:
            run_command(lambda _: preparing.main([*map(str, arguments)]))
        out, err = capsys.readouterr()
        return SimpleNamespace(returncode=end.value.code, stdout=out, stderr=err)

    return run


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_pictures_and_sounds_and_bad_clips_become_records(tmp_path, here):
    root, out = tmp_path / "clips", tmp_path / "records"
    write_clip(root / "happy" / "both.mp4", faces(6, "happy"), 12, tone(0.5))
    write_clip(root / "sad" / "mute ü 'x'.mp4", faces(3, "sad"), 12)
    write_clip(root / "sad" / "voice.wav", samples=tone(0.3), sound_codec="pcm_s16le")
    (root / "sad" / "text.mp4").write_text("no film")
    (root / "happy" / "cut.mp4").write_bytes((root / "happy" / "both.mp4").read_bytes()[:3000])
    result = here("--corpus", "folder", "--root", root, "--out", out, "--workers", 1)
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr

    records = Records.open(out)
    by_name = {row.clip.rpartition("/")[2]: row for row in records.rows}
    assert len(records.rows) == 3
    both, mute, voice = (
        next(row for name, row in by_name.items() if part in name)
        for part in ("both", "mute", "voice")
    )
    assert (both.frames, both.faces_found, both.emotion) == (6, 6, "happy")
    assert both.samples > 0
    assert (mute.frames, mute.faces_found, mute.samples) == (3, 3, 0)
    assert (voice.frames, voice.faces_found, voice.samples) == (0, 0, 4800)
    with open(out / "skipped.csv", newline="", encoding="utf-8") as file:
        left_out = {line["file"]: line["reason"] for line in csv.DictReader(file)}
    assert any("text.mp4" in file for file in left_out)
    assert any("cut.mp4" in file and "truncated" in why for file, why in left_out.items())
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["clips"], summary["frames"], summary["face_share"]) == (3, 9, 1.0)
    assert summary["emotions"] == {"happy": 1, "sad": 2}
    assert "3 clips" in result.stdout
    assert "cut.mp4" in result.stdout or "cut" in result.stdout
    assert (out / "contact_sheet.png").read_bytes().startswith(b"\x89PNG")


def test_the_function_is_the_command_and_runs_once(tmp_path):
    root = sounds(tmp_path / "clips", 20)
    out = emotionnet.prepare("folder", root, tmp_path / "records", workers=0)
    rows = Records.open(out).rows
    assert len(rows) == 20
    assert not (out / "contact_sheet.png").exists()
    before = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    emotionnet.prepare("folder", root, out, workers=0)
    assert {path: path.stat().st_mtime_ns for path in out.iterdir()} == before


def test_a_table_may_be_a_path(tmp_path):
    root = sounds(tmp_path / "clips", 2)
    (root / "my.csv").write_text("file,emotion\nhappy/000.wav,calm\nsad/001.wav,sad\n")
    for table in (Path("my.csv"), "my.csv"):
        out = emotionnet.prepare("folder", root, tmp_path / "records", workers=0, table=table)
        assert [row.emotion for row in Records.open(out).rows] == ["calm", "sad"]


def test_a_clip_that_could_not_be_read_is_tried_again(tmp_path, monkeypatch):
    root, out = sounds(tmp_path / "clips", 20), tmp_path / "records"
    (root / "sad" / "text.wav").write_text("no sound")
    whole = contents(preparing.prepare("folder", root, tmp_path / "whole", workers=0))
    real = open

    def refused(path, *mode):
        if str(path).endswith("003.wav"):
            raise PermissionError(13, "Permission denied")
        return real(path, *mode)

    with monkeypatch.context() as changed:
        changed.setattr(container, "open", refused, raising=False)
        preparing.prepare("folder", root, out, workers=0)
    assert len(Records.open(out).rows) == 19
    assert "003.wav: cannot be read (Permission denied)" in (out / "skipped.csv").read_text()
    other = out / "shard-00001.tfrecord"
    before = other.stat().st_mtime_ns
    preparing.prepare("folder", root, out, workers=0)
    assert len(Records.open(out).rows) == 20
    assert contents(out) == whole
    assert other.stat().st_mtime_ns == before


def test_processes_change_nothing(tmp_path):
    root = sounds(tmp_path / "clips", 20)
    alone = preparing.prepare("folder", root, tmp_path / "a", workers=0)
    many = preparing.prepare("folder", root, tmp_path / "b", workers=3)
    assert contents(alone) == contents(many)


def test_killed_and_resumed_is_the_same_to_the_byte(tmp_path):
    root, out = sounds(tmp_path / "clips", 96), tmp_path / "records"
    whole = preparing.prepare("folder", root, tmp_path / "whole", workers=0)
    # Slow enough to be killed between two shards.
    program = (
        "import time, emotionnet.clips.shards as s, emotionnet.prepare as p\n"
        "real = s.serialize\n"
        "s.serialize = lambda clip: (time.sleep(0.02), real(clip))[1]\n"
        f"p.prepare('folder', {str(root)!r}, {str(out)!r}, workers=1)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        deadline = time.monotonic() + 60
        while len(list(out.glob("shard-*.json"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.1)  # into the next shard
        os.kill(process.pid, signal.SIGKILL)
    done = sorted(path.name for path in out.glob("shard-*.json"))
    assert 2 <= len(done) < 6
    with pytest.raises(UsageError, match="not finished"):
        Records.open(out)
    # What a kill between shard and index leaves, and a shard half written.
    (out / ".shard-00004.99999.partial.tfrecord").write_bytes(b"half")
    shutil.copy(whole / "shard-00005.tfrecord", out)
    kept = {name: (out / name).stat().st_mtime_ns for name in done}
    preparing.prepare("folder", root, out, workers=2)
    assert {name: (out / name).stat().st_mtime_ns for name in done} == kept
    assert contents(out) == contents(whole)


def test_only_what_changed_is_made_again(tmp_path):
    root, out = sounds(tmp_path / "clips", 40), tmp_path / "records"
    preparing.prepare("folder", root, out, workers=0)

    def made_again():
        before = {path.name: path.stat().st_mtime_ns for path in out.glob("*.tfrecord")}
        preparing.prepare("folder", root, out, workers=0)
        after = {path.name: path.stat().st_mtime_ns for path in out.glob("*.tfrecord")}
        Records.open(out).verify()
        return {name for name in before | after if before.get(name) != after.get(name)}

    last = Records.open(out).rows[-1]
    write_clip(root / last.sound, samples=tone(0.5), sound_codec="pcm_s16le")
    assert made_again() == {last.shard}
    assert Records.open(out).rows[-1].samples == 8000
    # Another one of the same length: the list of clips stays as it was, and the records are told to be others.
    before, changed = contents(out), time.time() + 9
    write_clip(root / last.sound, samples=tone(0.5, 99), sound_codec="pcm_s16le")
    os.utime(root / last.sound, (changed, changed))
    assert made_again() == {last.shard}
    after = contents(out)
    assert after["manifest.csv"] == before["manifest.csv"]
    assert after["records.json"] != before["records.json"]
    # A damaged shard, deleted as the message says.
    (out / "shard-00001.tfrecord").unlink()
    assert made_again() == {"shard-00001.tfrecord"}
    # Clips that went away take the rest of the last shard with them.
    for row in Records.open(out).rows[-8:]:
        (root / row.sound).unlink()
    assert made_again() == {"shard-00002.tfrecord"}
    assert len(Records.open(out).rows) == 32
    assert not (out / "shard-00002.json").exists()


def test_a_name_that_is_wrong_leaves_no_folder(tmp_path):
    with pytest.raises(UsageError, match="holds no records"):
        preparing.prepare(records=tmp_path / "typo" / "records")
    assert not (tmp_path / "typo").exists()


def test_the_folder_of_other_records_or_files_is_left_alone(tmp_path):
    root, out = sounds(tmp_path / "clips", 2), tmp_path / "records"
    preparing.prepare("folder", root, out, workers=0)
    before = contents(out)
    other = sounds(tmp_path / "others", 2)
    with pytest.raises(UsageError, match="holds records of root"):
        preparing.prepare("folder", other, out, workers=0)
    with pytest.raises(UsageError, match="holds records of corpus"):
        preparing.prepare("ravdess", root, out, workers=0)
    with pytest.raises(UsageError, match="holds records of options"):
        preparing.prepare("folder", root, out, workers=0, table="x.csv")
    assert contents(out) == before
    with pytest.raises(UsageError, match="folder of the clips"):
        preparing.prepare("folder", root, root, workers=0)
    with pytest.raises(UsageError, match="holds other files"):
        preparing.prepare("folder", root, other, workers=0)
    with pytest.raises(UsageError, match="is a file"):
        preparing.prepare("folder", root, out / "manifest.csv", workers=0)


def test_nothing_usable_is_an_error_that_says_why(tmp_path):
    root = tmp_path / "clips"
    (root / "sad").mkdir(parents=True)
    rows = [ManifestRow(c, "folder", "sad", picture=f"sad/{c}.mp4") for c in "ab"]
    (root / "sad" / "a.mp4").write_bytes(b"RIFF")
    with pytest.raises(EmotionNetError, match=r"none of its 2 clips could be used. The first: a: "):
        preparing.prepare("folder", root, tmp_path / "records", workers=0, rows=rows)
    with open(tmp_path / "records" / "skipped.csv", newline="", encoding="utf-8") as file:
        reasons = [line["reason"] for line in csv.DictReader(file)]
    assert "does not exist" in reasons[1]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--corpus", "nosuch", "--root", "."], 2, "unknown corpus 'nosuch'"),
        (["--corpus", "ravdess"], 2, "needs --root"),
        (["--corpus", "ravdess", "--root", "nowhere"], 2, "nowhere"),
        (["--corpus", "ravdess", "--root", "empty"], 1, "empty"),
        (["--corpus", "folder", "--root", "clips", "--channel", "song"], 2, "no option 'channel'"),
        (["--corpus", "folder", "--root", "clips", "--workers", "-1"], 2, "workers"),
        (["--records", "old", "--copies", "noise15", "--fields", "landmarks5"], 2, "--fields"),
        (["--records", "old", "--copies", "noise15", "--root", "clips"], 2, "--root"),
    ],
)
def test_bad_usage_ends_with_a_message(tmp_path, monkeypatch, here, arguments, code, said):
    (tmp_path / "empty").mkdir()
    sounds(tmp_path / "clips", 2)
    monkeypatch.chdir(tmp_path)
    result = here(*arguments, "--out", "records")
    assert result.returncode == code
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "records" / "manifest.csv").exists()


def test_a_full_disk_ends_with_a_message_and_no_half_file(tmp_path, here):
    import resource

    root, out = sounds(tmp_path / "clips", 40), tmp_path / "records"
    arguments = ["--corpus", "folder", "--root", root, "--out", out, "--workers", 1]
    # A limit on the size of files stands for a disk that is full: writing fails in the middle.
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, limits[1]))
    try:
        result = here(*arguments)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert result.returncode == 1, result.stderr
    assert "Traceback" not in result.stderr
    assert "shard-00000.tfrecord" in result.stderr
    assert "run the same command again" in result.stderr
    assert [path.name for path in out.iterdir()] == ["records.json"]
    assert here(*arguments).returncode == 0
    Records.open(out).verify()


def test_an_output_that_cannot_be_written_ends_with_a_message(tmp_path, here):
    root = sounds(tmp_path / "clips", 2)
    home = tmp_path / "locked"
    home.mkdir()
    if os.geteuid() == 0:  # root may write anywhere but in /proc
        out = "/proc/records"
    else:
        home.chmod(0o500)
        out = home / "records"
    result = here("--corpus", "folder", "--root", root, "--out", out)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert str(out) in result.stderr


def test_help_loads_nothing_heavy():
    program = (
        "import sys, emotionnet.prepare as p\n"
        "try: p.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'tensorflow', 'keras', 'mtcnn', 'av', 'cv2', 'numpy'} & set(sys.modules)\n"
        "print(sorted(heavy), file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "--corpus" in result.stdout
    assert result.stderr.strip() == "[]"


@pytest.mark.real_data
@pytest.mark.slow
def test_every_real_clip_has_its_face(tmp_path):
    if "EMOTIONNET_DATA" not in os.environ:
        pytest.skip("EMOTIONNET_DATA is not set: no real recordings")
    from pathlib import Path

    from emotionnet import corpora

    for corpus in ("ravdess", "crema_d"):
        root = Path(os.environ["EMOTIONNET_DATA"]) / corpus
        rows = [row for row in corpora.scan(corpus, root) if row.picture]
        out = preparing.prepare(corpus, root, tmp_path / corpus, rows=rows)
        summary = json.loads((out / "summary.json").read_text())
        assert summary["clips"] == summary["clips_with_faces"] == summary["clips_with_sound"]
        assert summary["clips"] == len(rows)
        assert summary["face_share"] > 0.99
