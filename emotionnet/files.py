"""Files that are written whole or not at all, their hashes, and what helps where there is none."""

import csv
import errno
import glob
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from emotionnet.errors import EmotionNetError, UsageError

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


def cache_folder() -> Path:
    """Where what was fetched is kept: ``$EMOTIONNET_CACHE``, or ``~/.cache/emotionnet``."""
    return Path(os.environ.get("EMOTIONNET_CACHE") or Path.home() / ".cache" / "emotionnet")


@contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Yields a temporary name beside ``path``; renames it to ``path`` when the block ends well.

    A kill or an error leaves the old file (or none), never half a file. What was written is on the
    disk before it is renamed, so that a machine that goes away leaves no empty file under the name;
    disks behind a network (a mounted Drive, a quota) say only then that they are full.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name has room for 255 bytes. The suffix stays last, since libraries choose the format by it.
    name = os.fsencode(path.name)
    stem = path.stem if len(name) < 200 else sha256(name)
    # By chance: two containers that share a disk may have the same process numbers.
    temporary = path.with_name(f".{stem}.{secrets.token_hex(6)}.partial{path.suffix}")
    try:
        yield temporary
        flush(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(folder: str | os.PathLike) -> Iterator[Path]:
    """Yields the name of a folder beside ``folder``; renames it to ``folder`` when the block ends well.

    An error leaves nothing, and what a kill leaves is no longer there when the block begins again. For one process at a
    time, see `emotionnet.locks.alone`.

    Args:
        folder: empty, or not there yet.
    """
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        yield unfinished
        if folder.exists():
            folder.rmdir()
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


#: What `is_full` knows of: no space, a quota, a limit on the size of a file.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def is_full(error: OSError) -> bool:
    """Whether a write failed because there was no room for it."""
    return error.errno in _FULL


def flush(path: str | os.PathLike) -> None:
    """Waits until what was written to ``path`` is on the disk."""
    file = os.open(path, os.O_RDWR)
    try:
        os.fsync(file)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some mounts cannot be asked
            raise
    finally:
        os.close(file)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes ``text`` as UTF-8, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_json(path: str | os.PathLike) -> Any:
    """What a file of JSON says."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def write_json(path: str | os.PathLike, value: Any) -> None:
    """Writes ``value`` as indented JSON, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_csv(
    path: str | os.PathLike, rows: Iterable[Mapping[str, Any]], columns: Sequence[str] | None = None
) -> None:
    """Writes dicts as CSV with a header, whole or not at all; of None, and of what a row lacks, nothing.

    Args:
        path: of the file.
        rows: column → value.
        columns: in order; by default all that any row has, in the order in which they come.
    """
    if columns is None:
        rows = list(rows)
        columns = list(dict.fromkeys(column for row in rows for column in row))
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_csv(path: str | os.PathLike) -> list[dict[str, str]]:
    """Reads a CSV with a header as a list of dicts of strings."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def read_given_csv(path: str | os.PathLike) -> list[dict[str, str]]:
    """`read_csv` of a file that a user has made.

    Raises:
        UsageError: it is a folder, no text in UTF-8, or no CSV.
    """
    try:
        return read_csv(path)
    except IsADirectoryError:
        raise UsageError(f"{path}: is a folder. Give a CSV.") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path}: is no CSV ({error}). Save it as CSV UTF-8.") from None


def file_hash(path: str | os.PathLike, algorithm: str = "sha256") -> str:
    """A file's hash, in hex; ``algorithm`` is one that `hashlib` knows."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def file_sha256(path: str | os.PathLike) -> str:
    """SHA-256 of a file, in hex."""
    return file_hash(path, "sha256")


def sha256(*parts: bytes | str) -> str:
    """The SHA-256 of the parts' concatenation, in hex."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() if isinstance(part, str) else part)
    return digest.hexdigest()


def printable(path: str | os.PathLike) -> str:
    """A path as text that any UTF-8 file can hold: bytes of a name that are no UTF-8 are written as ``\\udcfc``."""
    # They arrive as lone surrogates.
    return os.fspath(path).encode("utf-8", "backslashreplace").decode("utf-8")


def existing_file(place: str | os.PathLike) -> Path:
    """``place`` as a path, if a recording may stand there.

    Raises:
        EmotionNetError: nothing is there, or something that is no file.
    """
    path = Path(place)
    if path.is_file():
        return path
    if path.is_dir():
        raise EmotionNetError("a folder: give a file")
    if path.exists():
        raise EmotionNetError(
            "a pipe or a device, which can be read only once, and a clip is read twice: give a file"
        )
    raise EmotionNetError(f"no such file{_hint(os.fspath(place))}")


def _hint(text: str) -> str:
    if text == "-":
        return ": standard input can be read only once, and a clip is read twice: give a file"
    if _ADDRESS.match(text):
        return ": it is an address, and clips are files: download it first, and give the file"
    if glob.has_magic(text):
        return ": it is a pattern that no file fits"
    if text.startswith("~"):
        return ": the shell puts a home in place of ~ only outside of quotes"
    return ""
