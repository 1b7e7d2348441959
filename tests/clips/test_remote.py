"""Records in a bucket. TensorFlow's own ``ram://`` stands for one; S3 is tried where moto is there."""

import json
import os
import shutil
import uuid

import pytest
from tiny_run import SYSTEM_CONFIG, TOY, make_clip, write_records

from emotionnet.clips import remote
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.inputs.opening import open_clips

pytestmark = pytest.mark.usefixtures("plain_reports")

CLIPS = [make_clip(f"clip-{i}", seed=i) for i in range(3)]


@pytest.fixture
def records(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTIONNET_CACHE", str(tmp_path / "cache"))
    return write_records(tmp_path / "records", CLIPS)


def put(folder, url):
    import tensorflow as tf

    for path in folder.iterdir():
        if tf.io.gfile.exists(f"{url}/{path.name}"):
            tf.io.gfile.remove(f"{url}/{path.name}")  # ram:// would write behind what it held
        with tf.io.gfile.GFile(f"{url}/{path.name}", "wb") as file:
            file.write(path.read_bytes())
    return url


def free_url():
    return f"ram://{uuid.uuid4().hex}/records"


def examples(records):
    return list(records.dataset(records.rows).as_numpy_iterator())


def counted(monkeypatch):
    """Names of the files that are fetched, or read, from now on."""
    names = []
    for what in ("fetch", "read"):
        old = getattr(remote._Bucket, what)

        def new(self, name, *rest, old=old):
            names.append(name)
            return old(self, name, *rest)

        monkeypatch.setattr(remote._Bucket, what, new)
    return names


def test_records_of_a_bucket_are_those_of_the_folder_and_come_once(records, monkeypatch):
    url = put(records.folder, free_url())
    names = counted(monkeypatch)
    first = open_clips(url)
    assert examples(first) == examples(records)
    assert first.rows == records.rows
    assert first.address == url
    assert records.address == str(records.folder)
    assert "shard-00000.tfrecord" in names
    first.verify()

    names.clear()
    again = open_clips(f"{url}/")
    assert again.address == url
    assert examples(again) == examples(records)
    assert sorted(names) == ["manifest.csv", "records.json"]


def test_a_run_keeps_the_address(records, tmp_path):
    from emotionnet.evaluate import evaluate
    from emotionnet.fit import fit

    clips = [
        make_clip(f"{actor}-{emotion}", emotion, actor, seed=i)
        for i, actor in enumerate(("01", "02", "03"))
        for emotion in ("happy", "sad")
    ]
    url = put(write_records(tmp_path / "people", clips).folder, free_url())
    how = {"system": TOY, "streams": "speech", "epochs": 1, "batch_size": 4, "augment": "none"}
    run = fit(records=url, out=tmp_path / "runs", system_config=SYSTEM_CONFIG, **how)
    assert json.loads((run / "config.json").read_text())["records"] == url
    # On a machine that has not seen them.
    shutil.rmtree(remote.local_folder(url))
    assert evaluate(run)["speech"]["n"] == 2


def test_what_changed_in_the_bucket_is_fetched_again(records, tmp_path, monkeypatch):
    url = put(records.folder, free_url())
    open_clips(url)
    other = write_records(tmp_path / "other", [*CLIPS, make_clip("clip-3", seed=3)])
    put(other.folder, url)
    assert examples(open_clips(url)) == examples(other)

    # The same shards under another manifest are kept.
    relabelled = tmp_path / "relabelled"
    shutil.copytree(other.folder, relabelled)
    meta = (relabelled / "records.json").read_text()
    (relabelled / "records.json").write_text(meta.replace("{", '{"note": 1,', 1))
    put(relabelled, url)
    names = counted(monkeypatch)
    open_clips(url)
    assert sorted(names) == ["manifest.csv", "records.json", "shard-00000.json"]


def test_a_fetch_that_broke_off_goes_on(records, monkeypatch):
    url = put(records.folder, free_url())

    def broken(self, name, path):
        path.write_bytes(b"half")
        raise ConnectionResetError("connection reset by peer")

    with monkeypatch.context() as context:
        context.setattr(remote._Bucket, "fetch", broken)
        with pytest.raises(ConnectionResetError):
            open_clips(url)
    here = remote.local_folder(url)
    assert not (here / "records.json").exists()
    assert not list(here.glob("*.tfrecord"))
    assert not list(here.glob(".*"))
    assert examples(open_clips(url)) == examples(records)
    # And what was lost here later is fetched again.
    (here / "shard-00000.tfrecord").write_bytes(b"cut")
    assert examples(open_clips(url)) == examples(records)


def test_a_damaged_shard_is_refused_and_not_kept(records):
    path = records.folder / "shard-00000.tfrecord"
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    url = put(records.folder, free_url())
    with pytest.raises(EmotionNetError, match=r"shard-00000\.tfrecord: is not what its index says"):
        open_clips(url)
    assert not (remote.local_folder(url) / "shard-00000.tfrecord").exists()


def test_a_manifest_cannot_name_files_elsewhere(records):
    path = records.folder / "manifest.csv"
    path.write_text(path.read_text().replace("shard-00000.tfrecord", "../../x.tfrecord"))
    with pytest.raises(EmotionNetError, match=r"names a shard '\.\./\.\./x\.tfrecord'"):
        open_clips(put(records.folder, free_url()))


@pytest.mark.parametrize("name", ["../../../stolen.csv", "a/../../b.csv", "/stolen.csv"])
def test_a_bucket_cannot_write_outside_the_cache(name, records, tmp_path, monkeypatch):
    def fetch(address, path):
        pytest.fail(f"{address} was written to {path}")

    bucket = remote._Bucket("s3://b/x", fetch, None, lambda: {name: (3, 5)}, FileNotFoundError)
    monkeypatch.setattr(remote, "open_bucket", lambda url: bucket)
    with pytest.raises(EmotionNetError, match="would be written elsewhere"):
        remote.mirror("s3://b/x")


def test_what_cannot_be_read_is_explained(records, monkeypatch):
    with pytest.raises(UsageError, match=r"no records\.json"):
        open_clips(free_url())
    with pytest.raises(UsageError, match=r"nothing here reads nosuch:// addresses"):
        open_clips("nosuch://bucket/records")
    url = put(records.folder, free_url())
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 9, 0))
    with pytest.raises(EmotionNetError, match="EMOTIONNET_CACHE"):
        open_clips(url)


@pytest.fixture
def s3(monkeypatch):
    """A client of an S3 server on this machine."""
    server = pytest.importorskip("moto.server", reason="moto[server] is not installed: no S3 here")
    pytest.importorskip("s3fs", reason="s3fs is not installed (extra cloud)")
    import boto3
    import fsspec

    server = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    fsspec.filesystem("s3").clear_instance_cache()
    yield boto3.client("s3")
    fsspec.filesystem("s3").clear_instance_cache()
    server.stop()


def test_records_come_from_s3(records, s3, monkeypatch):
    s3.create_bucket(Bucket="clips")
    for path in records.folder.iterdir():
        s3.upload_file(str(path), "clips", f"some/records/{path.name}")
    names = counted(monkeypatch)
    assert examples(open_clips("s3://clips/some/records")) == examples(records)
    assert "shard-00000.tfrecord" in names
    names.clear()
    open_clips("s3://clips/some/records").verify()
    assert "shard-00000.tfrecord" not in names
    for wrong in ("s3://clips/other", "s3://no-such-bucket/records"):
        with pytest.raises(UsageError, match=r"there is no records\.json"):
            open_clips(wrong)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    import fsspec

    fsspec.filesystem("s3").clear_instance_cache()
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(EmotionNetError, match="cannot be read"):
        open_clips("s3://clips/some/records")


@pytest.mark.parametrize(
    ("place", "answer"),
    [
        ("s3://bucket/records", True),
        ("gs://bucket/a/b", True),
        ("data/ravdess/records", False),
        ("/data/records", False),
        (r"C:\records", False),
        ("C:/records", False),
    ],
)
def test_addresses_are_told_from_folders(place, answer):
    assert remote.is_url(place) == answer


def test_an_address_cannot_leave_the_cache(records):
    home = os.environ["EMOTIONNET_CACHE"]
    assert str(remote.local_folder("s3://bucket/../../../etc")).startswith(home)
