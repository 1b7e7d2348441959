"""Which files of a folder are recordings, and how to say that none is."""

import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from emotionnet.errors import EmotionNetError, UsageError

#: Recordings with a picture, best known first.
VIDEO_SUFFIXES = (
    ".mp4",
    ".m4v",
    ".mov",
    ".avi",
    ".mkv",
    ".webm",
    ".flv",
    ".wmv",
    ".mpg",
    ".mpeg",
    ".3gp",
    ".ogv",
    ".mts",
    ".m2ts",
)
#: Recordings of sound; where two have one name, the earlier kind is taken.
SOUND_SUFFIXES = (".wav", ".flac", ".aiff", ".aif", ".m4a", ".mp3", ".ogg", ".opus", ".aac", ".wma")
ARCHIVE_SUFFIXES = (".zip", ".tar", ".tgz", ".gz", ".7z", ".rar")

LFS_MAGIC = b"version https://git-lfs.github.com/spec/v1"
LFS_REASON = (
    "a git-lfs pointer (a few lines of text), not the recording: run `git lfs install` and "
    "`git lfs pull` in that clone, or download the file itself"
)

Ignored = list[tuple[str, str]]


def is_lfs_pointer(path: str | os.PathLike) -> bool:
    """Whether the file is the small text that git leaves where git-lfs has not fetched the content."""
    if os.path.getsize(path) > 1024:
        return False
    with open(path, "rb") as file:
        return file.read(len(LFS_MAGIC)) == LFS_MAGIC


def check_folder(root: str | os.PathLike, example: str) -> Path:
    """Returns ``root`` as a path.

    Raises:
        UsageError: it does not exist or is no folder; the text shows ``example``.
    """
    root = Path(root)
    if not root.exists():
        raise UsageError(f"{root}: no such folder. Expected for example {root.name}/{example}")
    if not root.is_dir():
        raise UsageError(f"{root}: is a file. Give the folder that holds the recordings.")
    return root


def find_recordings(
    root: Path, suffixes: Iterable[str], ignored: Ignored
) -> dict[str, list[PurePosixPath]]:
    """Finds recordings at any depth; hidden files and folders (leading dot) are passed over.

    Args:
        root: an existing folder. Links to folders are followed, each folder once.
        suffixes: lower-case file endings that count, with their dot.
        ignored: ``(path, reason)`` is appended for archives, git-lfs pointers, and names that are
            no valid text.

    Returns:
        Suffix (lower case) to its files, relative to ``root``, sorted.
    """
    found: dict[str, list[PurePosixPath]] = {suffix: [] for suffix in suffixes}
    seen = set()
    for folder, folders, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            suffix = os.path.splitext(name)[1].lower()
            if name.startswith(".") or suffix not in (*found, *ARCHIVE_SUFFIXES):
                continue
            relative = PurePosixPath(Path(folder, name).relative_to(root).as_posix())
            reason = _why_not(Path(folder, name), suffix)
            if reason:
                ignored.append((_printable(relative), reason))
            else:
                found[suffix].append(relative)
    for paths in found.values():
        paths.sort()
    return found


def _why_not(path: Path, suffix: str) -> str:
    if suffix in ARCHIVE_SUFFIXES:
        return "an archive: unpack it first"
    if _printable(path) != str(path):
        return "its name is not valid UTF-8: rename it"
    try:
        return LFS_REASON if is_lfs_pointer(path) else ""
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def _printable(path: os.PathLike) -> str:
    # Bytes that are no UTF-8 arrive as lone surrogates, which no UTF-8 file can hold.
    return str(path).encode("utf-8", "backslashreplace").decode("utf-8")


def nothing_usable(root: Path, looked_for: str, example: str, ignored: Ignored) -> EmotionNetError:
    """The error for a folder without one usable clip: what was sought, seen, and expected."""
    text = f"{root}: no usable clip. Looked for {looked_for}, for example {root.name}/{example}"
    if ignored:
        text += f"\nLeft out ({len(ignored)}):"
        text += "".join(f"\n  {path}: {reason}" for path, reason in ignored[:3])
        text += "\n  …" if len(ignored) > 3 else ""
    return EmotionNetError(text)
