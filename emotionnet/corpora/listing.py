"""Which files of a folder are recordings, and how to say that none is."""

import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from itertools import chain
from pathlib import Path, PurePosixPath

from emotionnet.corpora.manifest import ManifestRow
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.files import printable

#: Recordings with a picture, best known first.
VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".flv", ".wmv", ".mpg", ".mpeg", ".3gp"),
    *(".ogv", ".mts", ".m2ts", ".3g2", ".f4v", ".ts", ".vob", ".asf", ".mxf", ".qt", ".m2v"),
    *(".mpe", ".ogm", ".divx", ".rm", ".rmvb"),
)
#: Recordings of sound; where two have one name, the earlier kind is taken.
SOUND_SUFFIXES = (
    *(".wav", ".flac", ".aiff", ".aif", ".m4a", ".mp3", ".ogg", ".opus", ".aac", ".wma", ".oga"),
    *(".weba", ".amr", ".awb", ".3ga", ".caf", ".mka", ".m4b", ".mp2", ".spx", ".au", ".snd"),
    *(".ac3", ".wv", ".ape", ".tta", ".w64", ".aifc"),
)
ARCHIVE_SUFFIXES = (".zip", ".tar", ".tgz", ".gz", ".7z", ".rar")

#: Left behind by systems and archives, in lower case.
_DROPPINGS = (
    *("thumbs.db", "desktop.ini", "__macosx", "icon\r", "$recycle.bin"),
    *(".ds_store", ".directory", ".spotlight-v100", ".trashes", ".fseventsd"),
)

LFS_MAGIC = b"version https://git-lfs.github.com/spec/v1"
LFS_REASON = (
    "a git-lfs pointer (a few lines of text), not the recording: run `git lfs install` and "
    "`git lfs pull` in that clone, or download the file itself"
)

Ignored = list[tuple[str, str]]


def kind_of(suffix: str) -> str:
    """``picture`` for the ending of a video, ``sound`` for that of a recording of sound.

    Raises:
        ValueError: it is neither.
    """
    if suffix in VIDEO_SUFFIXES:
        return "picture"
    if suffix in SOUND_SUFFIXES:
        return "sound"
    raise ValueError(f"{suffix or 'no ending'}: not a video or sound file that is known")


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
    """Finds recordings at any depth, and counts every other file.

    Passed over without a word are hidden folders, hidden files that are no recordings (leading dot),
    and what systems leave behind (`_DROPPINGS`, ``._name``).

    Args:
        root: an existing folder. Links to folders are followed, each folder once.
        suffixes: lower-case file endings that count, with their dot.
        ignored: ``(path, reason)`` is appended for every file that is not among the recordings, and
            for folders that cannot be read.

    Returns:
        Suffix (lower case) to its files, relative to ``root``, sorted.
    """
    found: dict[str, list[PurePosixPath]] = {suffix: [] for suffix in suffixes}
    seen: dict[str, str] = {}

    def unreadable(error: OSError) -> None:
        reason = f"this folder cannot be read: {error.strerror}"
        ignored.append((_relative(error.filename, root), reason))

    for folder, folders, files in os.walk(root, onerror=unreadable, followlinks=True):
        real, here = os.path.realpath(folder), _relative(folder, root)
        if real in seen:
            folders.clear()
            inside = os.path.realpath(os.path.dirname(folder)) + os.sep
            if not inside.startswith(real + os.sep):  # else a loop, with nothing new in it
                reason = f"this folder is a link to {seen[real]}, which is read already"
                ignored.append((here, reason))
            continue
        seen[real] = here
        folders[:] = sorted(name for name in folders if not _passed_over(name))
        for name in sorted(files):
            suffix = os.path.splitext(name)[1].lower()
            hidden = name.startswith(".") and suffix in found
            if _passed_over(name) and (not hidden or name.startswith("._")):
                continue
            path = Path(folder, name)
            reason = _HIDDEN if hidden else _why_not(path, suffix, found)
            if reason:
                ignored.append((_relative(path, root), reason))
            else:
                found[suffix].append(PurePosixPath(path.relative_to(root).as_posix()))
    for paths in found.values():
        paths.sort()
    return found


_HIDDEN = "hidden (its name begins with a dot): rename it"


def rows_of_files(
    root: Path,
    suffixes: Iterable[str],
    row_of: Callable[[PurePosixPath], ManifestRow],
    ignored: Ignored,
    *,
    looked_for: str,
    example: str,
) -> list[ManifestRow]:
    """A row a clip, sorted by clip, of a corpus whose files say by name or place which clip they are of.

    Args:
        root: of the corpus.
        suffixes: of its recordings.
        row_of: the row of a file, without files; ValueError where it is none, with the reason as its text.
        ignored: ``(path, reason)`` is appended for every file that was left out.
        looked_for, example: for people, where there is no clip.

    Raises:
        EmotionNetError: no usable clip.
    """
    rows: dict[str, ManifestRow] = {}
    for path in chain.from_iterable(find_recordings(root, suffixes, ignored).values()):
        kind = kind_of(path.suffix.lower())
        try:
            row = row_of(path)
            row = rows.get(row.clip, row)
            if getattr(row, kind):
                raise ValueError(f"another file of the clip is used: {getattr(row, kind)}")
        except ValueError as reason:
            ignored.append((str(path), str(reason)))
        else:
            rows[row.clip] = replace(row, **{kind: str(path)})
    if not rows:
        raise nothing_usable(root, looked_for, example, ignored)
    return [rows[clip] for clip in sorted(rows)]


def _passed_over(name: str) -> bool:
    return name.startswith(".") or is_dropping(name)


def is_dropping(name: str) -> bool:
    """Whether a file or folder of this name is what systems and archives leave behind."""
    return name.startswith("._") or name.lower() in _DROPPINGS


def _relative(path: str | os.PathLike, root: Path) -> str:
    return printable(PurePosixPath(Path(path).relative_to(root).as_posix()))


def _why_not(path: Path, suffix: str, wanted: Collection[str]) -> str:
    if suffix in ARCHIVE_SUFFIXES:
        return "an archive: unpack it first"
    if suffix not in wanted:
        return f"{suffix or 'no ending'}: not the ending of a recording that is read here"
    if printable(path) != str(path):
        return "its name is not valid UTF-8: rename it"
    try:
        return LFS_REASON if is_lfs_pointer(path) else ""
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def left_out(ignored: Ignored, most: int = 5) -> list[str]:
    """What was left out, for people: one line with the number of files, then a line a reason.

    Args:
        ignored: ``(path, reason)`` of each file.
        most: reasons that get their own line, those with the most files first.
    """
    if not ignored:
        return []
    # Lines of a table differ in their number only.
    ignored = [(path, re.sub(r"^[^:]+, line \d+: ", "", reason)) for path, reason in ignored]
    first = dict(reversed([(reason, path) for path, reason in ignored]))
    counts = Counter(reason for _, reason in ignored)
    lines = [f"left out: {len(ignored)}"]
    for reason, count in counts.most_common(most):
        example = first[reason] if count == 1 else f"{count} files, first {first[reason]}"
        lines.append(f"  {example}: {reason}")
    if len(counts) > most:
        rest = sum(count for _, count in counts.most_common()[most:])
        lines.append(f"  … and {rest} more, for {len(counts) - most} other reasons")
    return lines


def nothing_usable(root: Path, looked_for: str, example: str, ignored: Ignored) -> EmotionNetError:
    """The error for a folder without one usable clip: what was sought, seen, and expected."""
    text = f"{root}: no usable clip. Looked for {looked_for}, for example {root.name}/{example}"
    if ignored:
        text += "\n" + "\n".join(left_out(ignored))
    return EmotionNetError(text)
