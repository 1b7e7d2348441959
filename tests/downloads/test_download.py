import hashlib
import io
import json
import shlex
import stat
import subprocess
import zipfile
from pathlib import Path

import pytest
from unreliable import answer_with, cut, serving

import emotionnet
from emotionnet.download import parser
from emotionnet.downloads import crema_d, ravdess
from emotionnet.downloads.fetch import Remote, fetch
from emotionnet.downloads.folder import check_disk
from emotionnet.downloads.unpack import unpack
from emotionnet.errors import EmotionNetError, UsageError

DATA = bytes(range(256)) * 4000
NOW = (0, 0)


@pytest.fixture
def server():
    with serving() as running:
        yield running


@pytest.fixture
def remote(server):
    server.files["/a.zip"] = DATA
    return Remote(f"{server.url}/a.zip", len(DATA), "md5", hashlib.md5(DATA).hexdigest())


def test_a_file_arrives_whole_under_its_name_only(remote, tmp_path):
    path = fetch(remote, tmp_path / "a.zip", pauses_s=NOW)
    assert path.read_bytes() == DATA
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]


def test_a_file_that_is_there_is_not_loaded_again(server, remote, tmp_path):
    (tmp_path / "a.zip").write_bytes(DATA)
    fetch(remote, tmp_path / "a.zip", pauses_s=NOW)
    assert server.asked == []


def test_a_cut_connection_goes_on_where_it_broke(server, remote, tmp_path):
    server.faults["/a.zip"] = [cut(300_000), cut(100_000)]
    assert fetch(remote, tmp_path / "a.zip", pauses_s=NOW).read_bytes() == DATA
    assert server.asked[1:] == [("/a.zip", "bytes=300000-"), ("/a.zip", "bytes=400000-")]


def test_a_later_call_goes_on_where_an_earlier_one_was_killed(server, remote, tmp_path):
    (tmp_path / "a.zip.part").write_bytes(DATA[:700_000])
    assert fetch(remote, tmp_path / "a.zip", pauses_s=NOW).read_bytes() == DATA
    assert server.asked == [("/a.zip", "bytes=700000-")]


def test_progress_keeps_patience_and_standstill_does_not(server, remote, tmp_path):
    server.faults["/a.zip"] = [cut(100_000)] * 6
    assert fetch(remote, tmp_path / "a.zip", pauses_s=NOW).read_bytes() == DATA
    server.faults["/a.zip"] = [cut(0)] * 9
    with pytest.raises(EmotionNetError, match=r"stopped after 0 of 1024000|broke after 0"):
        fetch(remote, tmp_path / "b.zip", pauses_s=NOW)
    assert not (tmp_path / "b.zip").exists()


def test_a_server_that_ignores_the_range_is_understood(server, remote, tmp_path):
    (tmp_path / "a.zip.part").write_bytes(b"x" * 1000)
    server.faults["/a.zip"] = [answer_with(200, DATA)]
    assert fetch(remote, tmp_path / "a.zip", pauses_s=NOW).read_bytes() == DATA


def test_one_corrupt_answer_is_mended_by_another_try(server, remote, tmp_path):
    server.faults["/a.zip"] = [answer_with(200, b"?" + DATA[1:])]
    assert fetch(remote, tmp_path / "a.zip", pauses_s=NOW).read_bytes() == DATA


def test_a_file_that_stays_corrupt_is_refused_and_not_kept(server, remote, tmp_path):
    server.files["/a.zip"] = b"?" + DATA[1:]
    with pytest.raises(EmotionNetError, match=r"md5 is .* should be"):
        fetch(remote, tmp_path / "a.zip", pauses_s=NOW)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_lies_about_the_length(server, remote, tmp_path):
    server.faults["/a.zip"] = [answer_with(200, DATA + b"more")]
    with pytest.raises(EmotionNetError, match="sends more than the 1024000 bytes"):
        fetch(remote, tmp_path / "a.zip", pauses_s=NOW)
    assert list(tmp_path.iterdir()) == []
    # Promises more than it sends: like a cut connection.
    server.faults["/a.zip"] = [answer_with(200, DATA[:9], length=len(DATA))]
    assert fetch(remote, tmp_path / "a.zip", pauses_s=NOW).read_bytes() == DATA


def test_a_busy_server_is_asked_again_and_a_missing_file_is_not(server, remote, tmp_path):
    server.faults["/a.zip"] = [answer_with(503, b"")]
    assert fetch(remote, tmp_path / "a.zip", pauses_s=NOW).read_bytes() == DATA
    gone = Remote(f"{server.url}/gone", 1, "md5", "0")
    with pytest.raises(EmotionNetError, match="404"):
        fetch(gone, tmp_path / "gone", pauses_s=NOW)
    assert [path for path, _ in server.asked].count("/gone") == 1


def zipped(files: dict[str, bytes], links: tuple[str, ...] = ()) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            if name in links:
                info.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, data)
    return buffer.getvalue()


SOUND = b"RIFF" + hashlib.sha256(b"sound").digest() * 40


def test_recordings_are_unpacked_and_other_files_are_not(tmp_path):
    archive = tmp_path / "a.zip"
    archive.write_bytes(zipped({"Actor_01/x.wav": SOUND, "Actor_01/.DS_Store": b"-"}))
    assert unpack(archive, tmp_path / "out", (".wav",)) == ["Actor_01/x.wav"]
    assert (tmp_path / "out" / "Actor_01" / "x.wav").read_bytes() == SOUND
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["Actor_01"]


@pytest.mark.parametrize(
    ("files", "links", "said"),
    [
        ({"../x.wav": SOUND}, (), "outside"),
        ({"a/../../x.wav": SOUND}, (), "outside"),
        ({"/etc/x.wav": SOUND}, (), "outside"),
        ({"..\\x.wav": SOUND}, (), "outside"),
        ({"C:/x.wav": SOUND}, (), "outside"),
        ({"x.wav": b"/etc/passwd"}, ("x.wav",), "link"),
        ({"x.wav": b"0" * 2_000_000}, (), "would become"),
        ({"x.wav": SOUND, "X.wav": SOUND}, (), "same name"),
    ],
)
def test_a_hostile_archive_writes_nothing(tmp_path, files, links, said):
    archive = tmp_path / "in" / "a.zip"
    archive.parent.mkdir()
    archive.write_bytes(zipped({"fine.wav": SOUND, **files}, links))
    with pytest.raises(EmotionNetError, match=said):
        unpack(archive, tmp_path / "in" / "out", (".wav",))
    assert [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()] == [
        "in/a.zip"
    ]


def test_a_damaged_archive_leaves_nothing(tmp_path):
    whole = zipped({"x.wav": SOUND, "y.wav": SOUND})
    archive = tmp_path / "a.zip"
    archive.write_bytes(whole.replace(whole[60:70], b"0123456789"))
    with pytest.raises(EmotionNetError, match="not a zip archive that can be read"):
        unpack(archive, tmp_path / "out", (".wav",))
    assert not any((tmp_path / "out").rglob("*"))


@pytest.fixture
def zenodo(server, monkeypatch):
    """A record like RAVDESS's, with small archives."""
    known, listed = [], []
    for name, files in {
        "Audio_Speech_Actors_01-24.zip": {"Actor_01/03-01-01-01-01-01-01.wav": SOUND},
        "Video_Speech_Actor_01.zip": {"Actor_01/01-01-01-01-01-01-01.mp4": SOUND},
        "Video_Speech_Actor_02.zip": {"Actor_02/01-01-01-01-01-01-02.mp4": SOUND * 2},
        "FacialTracking_Actors_01-24.zip": {"01-01-01-01-01-01-01.csv": b"frame,timestamp\n"},
    }.items():
        data = zipped(files)
        server.files[f"/files/{name}"] = data
        md5 = hashlib.md5(data).hexdigest()
        known.append({"file": name, "bytes": str(len(data)), "md5": md5 * ("Audio" in name)})
        link = {"self": f"{server.url}/files/{name}"}
        listed.append({"key": name, "size": len(data), "checksum": f"md5:{md5}", "links": link})
    server.json("/record", {"files": listed})
    server.listed = listed
    monkeypatch.setattr(ravdess, "_archives", lambda: known)
    monkeypatch.setattr("emotionnet.downloads.fetch.PAUSES_S", NOW)
    return f"{server.url}/record"


def test_ravdess_comes_by_part_and_actor_and_only_once(server, zenodo, tmp_path, capsys):
    out = emotionnet.download("ravdess", tmp_path, actors=[2], yes=True, source=zenodo)
    assert sorted(p.name for p in out.rglob("*.*") if p.is_file()) == [
        ".downloaded.json",
        "01-01-01-01-01-01-02.mp4",
    ]
    said = capsys.readouterr().out
    assert "CC BY-NC-SA 4.0" in said
    assert "MB (speech-video)" in said
    server.asked.clear()
    emotionnet.download("ravdess", tmp_path, actors=[2], yes=True, source=zenodo)
    assert server.asked == []
    assert "there already" in capsys.readouterr().out
    emotionnet.download("ravdess", tmp_path, yes=True, source=zenodo)
    assert [path for path, _ in server.asked] == ["/record", "/files/Video_Speech_Actor_01.zip"]
    # What was lost since is loaded again.
    (out / "Actor_02" / "01-01-01-01-01-01-02.mp4").unlink()
    emotionnet.download("ravdess", tmp_path, yes=True, source=zenodo)
    assert (out / "Actor_02" / "01-01-01-01-01-01-02.mp4").is_file()


@pytest.mark.parametrize(
    ("corpus", "actors", "said"),
    [
        ("ravdess", [1, 99], "--actors 99: ravdess has 1 to 24"),
        ("crema_d", [24, 1001], "--actors 24: crema_d has 1001 to 1091"),
        ("ravdess", [], "--actors none: ravdess"),
    ],
)
def test_actors_that_there_are_not_are_refused(corpus, actors, said, server, tmp_path):
    with pytest.raises(UsageError, match=said):
        emotionnet.download(corpus, tmp_path, actors=actors, yes=True, source=server.url)
    assert server.asked == []


def test_actors_are_counted_upwards(capsys):
    assert parser().parse_args(["ravdess", "--actors", "1,3-5"]).actors == [1, 3, 4, 5]
    with pytest.raises(SystemExit):
        parser().parse_args(["ravdess", "--actors", "1,5-3"])
    assert "expected numbers like 1,3-5" in capsys.readouterr().err


def test_the_landmarks_of_ravdess_are_tables_for_prepare(server, zenodo, tmp_path, capsys):
    out = emotionnet.download("ravdess", tmp_path, part="landmarks", yes=True, source=zenodo)
    assert (out / "01-01-01-01-01-01-01.csv").read_bytes() == b"frame,timestamp\n"
    said = capsys.readouterr().out
    assert "zenodo.org/records/3255102" in said
    assert f"--fields landmarks68 --openface {out}" in said
    with pytest.raises(UsageError, match="landmarks of ravdess comes in one archive"):
        emotionnet.download("ravdess", part="landmarks", actors=[1], yes=True, source=zenodo)


def test_the_next_command_can_be_pasted_where_names_have_blanks(server, zenodo, tmp_path, capsys):
    out = emotionnet.download("ravdess", tmp_path / "my clips", yes=True, source=zenodo)
    *_, last = capsys.readouterr().out.splitlines()
    words = ["fit", "--corpus", "ravdess", "--root", str(out)]
    assert shlex.split(last) == ["next", "python", "-m", f"emotionnet.{words[0]}", *words[1:]]


def test_the_landmark_model_is_taken_out_of_its_wheel(tmp_path, monkeypatch, capsys):
    from emotionnet.clips import landmarks

    monkeypatch.setenv("EMOTIONNET_CACHE", str(tmp_path / "cache"))
    model = b"a model"
    monkeypatch.setattr(landmarks, "MODEL_SHA256", hashlib.sha256(model).hexdigest())
    monkeypatch.setattr("emotionnet.downloads.landmarks.MODEL_BYTES", len(model))
    asked = []

    def pip(command, **kwargs):
        asked.append(command)
        folder = Path(command[command.index("--dest") + 1])
        (folder / "mediapipe-0.whl").write_bytes(zipped({landmarks.WHEEL_MEMBER: model, "x": b"-"}))
        return subprocess.CompletedProcess(command, 0, "", "")

    with monkeypatch.context() as patch:
        patch.setattr("subprocess.run", pip)
        with pytest.raises(UsageError, match="--yes"):
            emotionnet.download("landmarks")
        assert not asked
        out = emotionnet.download("landmarks", yes=True)
        assert "Apache-2.0" in capsys.readouterr().out
        assert asked[0][-1] == "mediapipe==0.10.21"
        assert sorted(path.name for path in out.iterdir()) == [
            ".downloaded.json",
            "face_landmark.tflite",
        ]
        assert landmarks.read_model() == model
        emotionnet.download("landmarks", yes=True)
        assert len(asked) == 1
        patch.setattr(landmarks, "MODEL_SHA256", "0" * 64)
        with pytest.raises(EmotionNetError, match="is not the model"):
            emotionnet.download("landmarks", tmp_path / "other", yes=True)
        assert not list((tmp_path / "other").glob("*.tflite"))
        failed = subprocess.CompletedProcess([], 1, "", "Looking…\nERROR: no network\n")
        patch.setattr("subprocess.run", lambda command, **kwargs: failed)
        with pytest.raises(EmotionNetError, match=r"\(ERROR: no network\).* --source FILE"):
            emotionnet.download("landmarks", tmp_path / "third", yes=True)
    here = tmp_path / "here.tflite"
    here.write_bytes(model)
    emotionnet.download("landmarks", tmp_path / "fourth", yes=True, source=here)
    assert (tmp_path / "fourth" / "face_landmark.tflite").read_bytes() == model
    assert here.is_file()


def test_an_archive_that_is_not_the_known_one_is_refused(server, zenodo, tmp_path):
    server.listed[0]["checksum"] = "md5:" + "0" * 32
    server.json("/record", {"files": server.listed})
    with pytest.raises(EmotionNetError, match="the record has changed"):
        emotionnet.download("ravdess", tmp_path, part="speech-audio", yes=True, source=zenodo)
    assert not any(p.is_file() for p in tmp_path.rglob("*"))


def test_nothing_is_loaded_before_somebody_agrees(server, zenodo, tmp_path, capsys):
    with pytest.raises(UsageError, match="--yes"):
        emotionnet.download("ravdess", tmp_path, source=zenodo)
    assert server.asked == []
    assert "licence" in capsys.readouterr().out


def test_a_full_disk_is_noticed_first(server, zenodo, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10}))
    with pytest.raises(EmotionNetError, match="are free, about"):
        emotionnet.download("ravdess", tmp_path, yes=True, source=zenodo)
    assert server.asked == []


@pytest.mark.parametrize(
    ("sizes", "needed"),
    [([(40, 100), (60, 150)], 250 + 60), ([(40, 0), (60, 0)], 100)],
    ids=["archives", "files"],
)
def test_the_largest_archive_is_there_once_beside_what_is_unpacked(
    sizes, needed, tmp_path, monkeypatch
):
    items = [{"bytes": each, "unpacked_bytes": unpacked} for each, unpacked in sizes]
    free = iter((needed, needed - 1))
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": next(free)}))
    check_disk(tmp_path, items)
    with pytest.raises(EmotionNetError, match="are needed"):
        check_disk(tmp_path, items)


def test_the_committed_list_of_ravdess_is_complete():
    assert len(ravdess.plan("speech-video", None, "")) == 24
    assert sum(item["bytes"] for item in ravdess.plan("speech-video", None, "")) > 13e9
    (audio,) = ravdess.plan("speech-audio", None, "")
    assert audio["bytes"] == 208_468_073
    (tables,) = ravdess.plan("landmarks", None, "")
    assert tables["bytes"] == 417_163_019
    assert ravdess.plan("speech-video", [3], "")[0]["name"] == "Video_Speech_Actor_03.zip"


CLIPS = ("1001_DFA_ANG_XX", "1001_DFA_HAP_XX", "1002_DFA_ANG_XX")


@pytest.fixture
def lfs(server, monkeypatch):
    """A repository like CREMA-D's: pointers in an archive, recordings behind a batch request."""
    pointers, objects = {}, {}
    for clip in CLIPS:
        data = clip.encode() * 50
        oid = hashlib.sha256(data).hexdigest()
        objects[oid] = len(data)
        server.files[f"/lfs/{oid}"] = data
        pointers[f"CREMA-D-master/VideoFlash/{clip}.flv"] = (
            f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {len(data)}\n"
        ).encode()
    pointers["CREMA-D-master/README.md"] = b"# CREMA-D"
    server.files["/crema/archive/refs/heads/master.zip"] = zipped(pointers)

    def batch(body: bytes) -> bytes:
        asked = json.loads(body)["objects"]
        found = [
            {"oid": o["oid"], "actions": {"download": {"href": f"{server.url}/lfs/{o['oid']}"}}}
            for o in asked
        ]
        return json.dumps({"objects": found}).encode()

    server.files["/crema.git/info/lfs/objects/batch"] = batch
    known = {clip: {"actor": clip[:4]} for clip in CLIPS}
    monkeypatch.setattr(crema_d, "clip_list", lambda corpus: known)
    monkeypatch.setattr("emotionnet.downloads.fetch.PAUSES_S", NOW)
    return f"{server.url}/crema"


def test_crema_d_comes_from_its_pointers(server, lfs, tmp_path):
    server.faults[f"/lfs/{hashlib.sha256(CLIPS[0].encode() * 50).hexdigest()}"] = [cut(100)]
    out = emotionnet.download("crema_d", tmp_path, actors=[1001], yes=True, source=lfs)
    assert sorted(p.name for p in (out / "VideoFlash").iterdir()) == [
        f"{clip}.flv" for clip in CLIPS[:2]
    ]
    assert (out / "VideoFlash" / f"{CLIPS[0]}.flv").read_bytes() == CLIPS[0].encode() * 50


def test_a_used_up_server_is_replaced_by_the_mirror(server, lfs, tmp_path, monkeypatch):
    refused = {"objects": [{"oid": "x", "error": {"code": 403, "message": "over its budget"}}]}
    server.files["/empty.git/info/lfs/objects/batch"] = lambda body: json.dumps(refused).encode()
    server.files["/empty/archive/refs/heads/master.zip"] = server.files[
        "/crema/archive/refs/heads/master.zip"
    ]
    empty = f"{server.url}/empty"
    with pytest.raises(EmotionNetError, match=r"no server hands out.*\n.*over its budget"):
        emotionnet.download("crema_d", tmp_path, yes=True, source=empty)
    monkeypatch.setattr(crema_d, "SOURCE", empty)
    monkeypatch.setattr(crema_d, "MIRRORS", (lfs,))
    out = emotionnet.download("crema_d", tmp_path, yes=True)
    assert len(list((out / "VideoFlash").iterdir())) == 3


def test_a_repository_without_the_recordings_is_refused(server, lfs, tmp_path):
    server.files["/crema/archive/refs/heads/master.zip"] = zipped({"README.md": b"moved"})
    with pytest.raises(EmotionNetError, match="3 of 3 recordings are not in VideoFlash"):
        emotionnet.download("crema_d", tmp_path, yes=True, source=lfs)
