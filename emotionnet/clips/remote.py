"""Records in a bucket (``s3://…``, ``gs://…``): fetched once to a local disk, checked, used from there; and the
names of recordings in one (`mirror`).

Training reads every clip in every epoch, by byte offset and in another order: over a network that
would be a request a clip and epoch. Features and copies are beside the records as well, and the
checksums are known. So the folder is brought here whole, shard by shard and with its side fields, and
what is here already is not fetched again.

What reads the bucket is fsspec where it has the driver (s3fs, extra ``cloud``; gcsfs), else TensorFlow's
own file system for ``gs://``. tensorflow-io 0.37.1 would read ``s3://`` beside TensorFlow 2.17, but the
process then ends by an abort, so it is left out.
"""

import contextlib
import json
import os
import re
import shutil
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from emotionnet.clips.records import MANIFEST_FILE, META_FILE, read_record_manifest
from emotionnet.corpora.listing import ARCHIVE_SUFFIXES, SOUND_SUFFIXES, VIDEO_SUFFIXES
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.files import atomic_path, cache_folder, file_sha256

#: Shards that are fetched at once.
AT_ONCE = 8
_URL = re.compile(r"([a-z][a-z0-9+]+):/+(.+)", re.IGNORECASE)


def is_url(place: str | os.PathLike) -> bool:
    """Whether a place is an address such as ``s3://bucket/records``, rather than a folder."""
    return _URL.fullmatch(os.fspath(place)) is not None


def plain_url(url: str | os.PathLike) -> str:
    """An address as it is always written: a slash more at its end, or one less in it, is the same."""
    return "{}://{}".format(*_URL.fullmatch(os.fspath(url)).groups()).rstrip("/")


def local_folder(url: str, kind: str = "records") -> Path:
    """Where what is fetched from an address is kept: below ``$EMOTIONNET_CACHE`` or ``~/.cache/emotionnet``.

    Args:
        url: the address.
        kind: ``records``, or ``names``, see `mirror`.
    """
    scheme, path = _URL.fullmatch(url).groups()
    parts = [part for part in path.split("/") if part not in ("", ".", "..")]
    return Path(cache_folder(), kind, scheme, *parts)


def stage(url: str | os.PathLike) -> Path:
    """Brings the records of a bucket here, as far as they are not here yet.

    A fetch that was killed resumes with the next shard. Records that have changed in the bucket
    (``records.json`` or ``manifest.csv`` did) are fetched again, shards that have not changed are kept.

    Returns:
        A folder of records, as `emotionnet.clips.records.Records.open` takes.

    Raises:
        UsageError: there are no records, or nothing here can read such an address.
        EmotionNetError: the bucket cannot be read, a shard is damaged, or the disk is too small.
    """
    url = plain_url(url)
    bucket, folder = open_bucket(url), local_folder(url)
    meta, manifest = bucket.read(META_FILE), bucket.read(MANIFEST_FILE)
    same = [
        _has(folder / name, data) for name, data in ((META_FILE, meta), (MANIFEST_FILE, manifest))
    ]
    if not all(same):
        # Last of all it is written again: until then nothing here counts as whole.
        (folder / META_FILE).unlink(missing_ok=True)
        _write(folder / MANIFEST_FILE, manifest)
    shards = sorted({row.shard for row in read_record_manifest(folder)})
    fields = _fields_in(meta)
    for what, names, file in (("shard", shards, MANIFEST_FILE), ("field", fields, META_FILE)):
        strange = next((name for name in names if Path(name).name != name), None)
        if strange:
            raise EmotionNetError(f"{url}/{file}: names a {what} {strange!r}, it is damaged.")
    shards += [f"{field}/{shard}" for field in fields for shard in shards]
    _fetch(bucket, folder, shards, trusted=all(same))
    _write(folder / META_FILE, meta)
    return folder


def mirror(url: str | os.PathLike) -> Path:
    """A folder with the names, sizes and times of the files of an address, so that a corpus can be scanned.

    Recordings are holes of the right size; tables, texts and the like are fetched.

    Raises:
        UsageError: there are no files, or nothing here can read such an address.
        EmotionNetError: the bucket cannot be read, or names files outside of it.
    """
    url = plain_url(url)
    bucket, folder = open_bucket(url), local_folder(url, "names")
    listed = bucket.files()
    if not listed:
        raise UsageError(f"{url}: holds no files.")
    strange = next((name for name in listed if name.startswith("/") or ".." in name.split("/")), "")
    if strange:
        raise EmotionNetError(f"{url}: its file {strange!r} would be written elsewhere than here.")
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        if path.relative_to(folder).as_posix() not in listed:
            path.unlink()
    for name, (size, stamp) in listed.items():
        path = folder / name
        if path.is_file() and (path.stat().st_size, path.stat().st_mtime_ns) == (size, stamp):
            continue
        with atomic_path(path) as temporary:
            if path.suffix.lower() in (*SOUND_SUFFIXES, *VIDEO_SUFFIXES, *ARCHIVE_SUFFIXES):
                temporary.touch()
                os.truncate(temporary, size)
            else:
                bucket.fetch(name, temporary)
        os.utime(path, ns=(stamp, stamp))
    return folder


def _fields_in(meta: bytes) -> list[str]:
    """The side fields that a ``records.json`` names; one that is damaged is noticed when it is opened."""
    try:
        return sorted(json.loads(meta).get("fields", {}))
    except (ValueError, AttributeError, TypeError):
        return []


def _fetch(bucket: "_Bucket", folder: Path, shards: list[str], trusted: bool) -> None:
    """Fetches the shards that are not here; an earlier index is ``trusted``, or compared."""
    from emotionnet.progress import progress

    def index_of(shard: str) -> tuple[str, bytes | None]:
        """A shard, and its index where it has to be fetched."""
        path = folder / shard
        mine = folder / _index_of(shard)
        here = mine.read_bytes() if mine.is_file() and path.is_file() else b""
        index = here if trusted and here else bucket.read(_index_of(shard))
        whole = here == index and path.stat().st_size == json.loads(index)["bytes"]
        return shard, None if whole else index

    with ThreadPoolExecutor(AT_ONCE) as pool:
        missing = {s: index for s, index in pool.map(index_of, shards) if index is not None}
        if not missing:
            return
        sizes = {shard: json.loads(index)["bytes"] for shard, index in missing.items()}
        _check_disk(folder, sum(sizes.values()))
        with progress(total=sum(sizes.values()), what=f"fetch {bucket.url}", unit="B") as bar:
            bar.unit, bar.unit_scale = "B", True
            jobs = {
                pool.submit(_fetch_one, bucket, folder, s, index): s for s, index in missing.items()
            }
            try:
                for job in as_completed(jobs):
                    job.result()
                    bar.update(sizes[jobs[job]])
            finally:
                pool.shutdown(wait=True, cancel_futures=True)


def _index_of(shard: str) -> str:
    return shard.removesuffix(".tfrecord") + ".json"


def _fetch_one(bucket: "_Bucket", folder: Path, shard: str, index: bytes) -> None:
    with atomic_path(folder / shard) as temporary:
        bucket.fetch(shard, temporary)
        if file_sha256(temporary) != json.loads(index)["sha256"]:
            raise EmotionNetError(
                f"{bucket.url}/{shard}: is not what its index says, it is damaged or was replaced "
                "just now. Try again; if it stays so, make the records again and copy them there."
            )
    _write(folder / _index_of(shard), index)


def _check_disk(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise EmotionNetError(
            f"{folder}: {needed / 1e6:,.0f} MB are needed, {free / 1e6:,.0f} MB are free. Name a larger "
            "disk by the environment variable EMOTIONNET_CACHE."
        )


def _has(path: Path, data: bytes) -> bool:
    return path.is_file() and path.read_bytes() == data


def _write(path: Path, data: bytes) -> None:
    if not _has(path, data):
        with atomic_path(path) as temporary:
            temporary.write_bytes(data)


class _Bucket:
    """Reads files below an address.

    Args:
        url: the address.
        fetch: ``fetch(url of a file, local path)`` copies one.
        read: ``read(url of a file)`` gives its bytes.
        files: gives name → (size, a number that changes with the file) of all files.
        absent: what they raise where there is no such file.
    """

    def __init__(self, url: str, fetch, read, files, absent: type[Exception]):
        self.url, self._fetch, self._read, self._absent = url, fetch, read, absent
        self._files = files

    def files(self) -> dict[str, tuple[int, int]]:
        with self._explained("*"):
            return self._files()

    def read(self, name: str) -> bytes:
        with self._explained(name):
            return self._read(f"{self.url}/{name}")

    def fetch(self, name: str, path: Path) -> None:
        with self._explained(name):
            self._fetch(f"{self.url}/{name}", os.fspath(path))

    @contextlib.contextmanager
    def _explained(self, name: str) -> Iterator[None]:
        try:
            yield
        except self._absent:
            raise UsageError(
                f"{self.url}: there is no {name} in it. Records are a folder that "
                "`python -m emotionnet.prepare` has made: copy there all its files."
            ) from None
        except Exception as error:  # every service has its own kinds
            said = str(error).strip().splitlines() or [""]
            raise EmotionNetError(
                f"{self.url}/{name}: cannot be read ({type(error).__name__}: {said[0]}). Check the "
                "address, the network and the credentials."
            ) from None


def open_bucket(url: str) -> _Bucket:
    """What reads files below an address.

    Raises:
        UsageError: nothing here can.
    """
    url = plain_url(url)
    bucket = _by_fsspec(url) or _by_tensorflow(url)
    if bucket is None:
        scheme = url.partition(":")[0]
        raise UsageError(
            f"{url}: nothing here reads {scheme}:// addresses. s3:// needs pip install "
            "'emotionnet[cloud]', gs:// TensorFlow or pip install gcsfs. Or copy the records to a folder."
        )
    return bucket


def _by_fsspec(url: str) -> _Bucket | None:
    try:
        import fsspec

        files = fsspec.filesystem(url.partition(":")[0])
    except (ImportError, ValueError):  # no fsspec, no driver, an unknown scheme
        return None

    def fetch(address: str, path: str) -> None:
        files.get_file(address, path)

    def listed() -> dict[str, tuple[int, int]]:
        top = files._strip_protocol(url).rstrip("/") + "/"
        return {
            path.removeprefix(top): (int(info["size"]), _stamp(info))
            for path, info in files.find(url, detail=True).items()
        }

    return _Bucket(url, fetch, files.cat_file, listed, FileNotFoundError)


def _stamp(info: dict) -> int:
    """A number for what a service says of when a file was changed, each in its own words."""
    said = [str(info.get(key)) for key in ("ETag", "etag", "LastModified", "updated", "mtime")]
    return zlib.crc32(" ".join(said).encode())


def _by_tensorflow(url: str) -> _Bucket | None:
    try:
        import tensorflow as tf
    except ImportError:
        return None
    if url.partition(":")[0] not in tf.io.gfile.get_registered_schemes():
        return None

    def fetch(address: str, path: str) -> None:
        tf.io.gfile.copy(address, path, overwrite=True)

    def read(address: str) -> bytes:
        with tf.io.gfile.GFile(address, "rb") as file:
            return file.read()

    def listed() -> dict[str, tuple[int, int]]:
        paths = [
            f"{folder.rstrip('/')}/{name}"
            for folder, _, names in tf.io.gfile.walk(url)
            for name in names
        ]
        found = {path.removeprefix(f"{url}/"): tf.io.gfile.stat(path) for path in paths}
        return {name: (each.length, each.mtime_nsec) for name, each in found.items()}

    return _Bucket(url, fetch, read, listed, tf.errors.NotFoundError)
