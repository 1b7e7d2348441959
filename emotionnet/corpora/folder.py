"""Your own clips: one folder a class, or one CSV.

Folders: ``happy/clip.mp4``, or ``happy/anna/clip.mp4``, where the folder inside the class names the actor.
CSV: a file ``clips.csv`` in the folder, with the columns ``file`` and ``emotion`` and, as far as known,
``actor``, ``sex``, ``sound``, ``clip`` and the other columns of a manifest.

Without actors nothing can promise that people are kept apart, so the protocols over actors refuse such
clips and say what to do.
"""

import csv
import dataclasses
import io
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path, PurePosixPath

from emotionnet.corpora.listing import (
    LFS_REASON,
    SOUND_SUFFIXES,
    VIDEO_SUFFIXES,
    Ignored,
    check_folder,
    find_recordings,
    is_lfs_pointer,
    nothing_usable,
)
from emotionnet.corpora.manifest import ManifestRow
from emotionnet.emotions import EMOTIONS
from emotionnet.errors import UsageError

NAME = "folder"
EMOTIONS_USED = None
TABLE = "clips.csv"
EXAMPLE = f"happy/clip.mp4 (one folder a class) or {TABLE} (columns file, emotion)"

#: Other words for the names in `EMOTIONS`. All else is a class of its own, kept as it is written.
SYNONYMS = {
    "neutrality": "neutral",
    "calmness": "calm",
    "happiness": "happy",
    "joy": "happy",
    "sadness": "sad",
    "anger": "angry",
    "fear": "fearful",
    "disgusted": "disgust",
    "surprise": "surprised",
}
_SEXES = {"f": "female", "w": "female", "woman": "female", "m": "male", "man": "male"}


def emotion_name(text: str) -> str:
    """The class that ``text`` means: a name of `EMOTIONS` in any case, a synonym, or itself."""
    name = text.strip()
    known = SYNONYMS.get(name.lower(), name.lower())
    return known if known in EMOTIONS else name


def scan(
    root: str | os.PathLike, ignored: Ignored | None = None, *, table: str = ""
) -> list[ManifestRow]:
    """Finds a user's own clips.

    Args:
        root: the folder. All files lie in it.
        ignored: where given, ``(path, reason)`` is appended for every file that was left out.
        table: name of the CSV in ``root``; by default ``clips.csv`` where that exists, else the
            classes are the folders.

    Returns:
        One row a clip, sorted by clip. A sound file beside a video of the same name is its sound.

    Raises:
        UsageError: no such folder or CSV, or the CSV lacks a column.
        EmotionNetError: no usable clip.
    """
    ignored = [] if ignored is None else ignored
    root = check_folder(root, EXAMPLE)
    if table or (root / TABLE).is_file():
        rows = _from_table(root, root / (table or TABLE), ignored)
    else:
        rows = _from_folders(root, ignored)
    if not rows:
        looked_for = (
            f"video ({' '.join(VIDEO_SUFFIXES[:6])} …) and sound ({' '.join(SOUND_SUFFIXES[:5])} …)"
        )
        raise nothing_usable(root, looked_for, EXAMPLE, ignored)
    return sorted(rows, key=lambda row: row.clip)


def _from_folders(root: Path, ignored: Ignored) -> list[ManifestRow]:
    found = find_recordings(root, (*VIDEO_SUFFIXES, *SOUND_SUFFIXES), ignored)
    rows: dict[PurePosixPath, ManifestRow] = {}
    for suffix, paths in found.items():
        kind = _kind(suffix)
        for path in paths:
            if len(path.parts) < 2:
                ignored.append((str(path), "not in a class folder: move it into one, e.g. happy/"))
                continue
            name = path.with_suffix("")
            row = rows.get(name) or ManifestRow(
                clip=str(name),
                corpus=NAME,
                emotion=emotion_name(path.parts[0]),
                actor=path.parts[1] if len(path.parts) > 2 else "",
                label_kind="given",
            )
            if getattr(row, kind):
                reason = f"another {kind} of the same name is used: {getattr(row, kind)}"
                ignored.append((str(path), reason))
            else:
                rows[name] = replace(row, **{kind: str(path)})
    return list(rows.values())


def _from_table(root: Path, table: Path, ignored: Ignored) -> list[ManifestRow]:
    rows: dict[str, ManifestRow] = {}
    files: set[str] = set()
    for number, line in _read_table(table):
        where = f"{table.name}, line {number}"
        try:
            row = _row_of(root, line)
            file = row.picture or row.sound
            if row.clip in rows or file in files:
                raise ValueError(f"clip {row.clip!r} or its file is listed twice")
            rows[row.clip] = row
            files.add(file)
        except ValueError as reason:
            ignored.append((line.get("file") or where, f"{where}: {reason}"))
    return list(rows.values())


def _read_table(table: Path) -> list[tuple[int, dict[str, str]]]:
    """Lines with their numbers; comma, semicolon and tab are understood (spreadsheets differ)."""
    if not table.is_file():
        raise UsageError(f"{table}: no such CSV. It needs the columns file and emotion.")
    try:
        text = table.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{table}: is not UTF-8 text. Save it as CSV UTF-8.") from None
    header = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=header.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    columns = [column.strip().lower() for column in reader.fieldnames or ()]
    missing = [column for column in ("file", "emotion") if column not in columns]
    if missing:
        found = ", ".join(columns) or "nothing"
        raise UsageError(f"{table}: column {missing[0]!r} is missing. Found: {found}.")
    reader.fieldnames = columns
    return [
        (reader.line_num, {key: (value or "").strip() for key, value in line.items() if key})
        for line in reader
    ]


def _row_of(root: Path, line: dict[str, str]) -> ManifestRow:
    file = _inside(root, line["file"])
    kind = _kind(file.suffix.lower())
    if not line["emotion"]:
        raise ValueError("no emotion is given")
    files = {kind: str(file)}
    if kind == "picture":
        files["sound"] = str(_inside(root, line["sound"])) if line.get("sound") else ""
        files["sound"] = files["sound"] or _partner(root, file)
    own = {field.name for field in dataclasses.fields(ManifestRow)} - {"corpus", "label_kind"}
    facts = {key: value for key, value in line.items() if key in own - {"picture", "sound"}}
    facts["emotion"] = emotion_name(line["emotion"])
    facts["clip"] = line.get("clip") or str(file.with_suffix(""))
    if "sex" in facts:
        facts["sex"] = _SEXES.get(facts["sex"].lower(), facts["sex"].lower())
    return ManifestRow(corpus=NAME, label_kind="given", **facts, **files)


def _inside(root: Path, name: str) -> PurePosixPath:
    """The file as a path relative to ``root``, once it is known to exist there."""
    if not name:
        raise ValueError("no file is given")
    path = root / name if (root / name).exists() else root / name.replace("\\", "/")
    if not path.is_file():
        raise ValueError(f"no such file: {path}")
    if is_lfs_pointer(path):
        raise ValueError(LFS_REASON)
    try:
        relative = Path(os.path.abspath(path)).relative_to(os.path.abspath(root))
    except ValueError:
        raise ValueError(f"lies outside {root}: move or link it there") from None
    return PurePosixPath(relative.as_posix())


def _partner(root: Path, video: PurePosixPath) -> str:
    return next(_existing(root, (video.with_suffix(suffix) for suffix in SOUND_SUFFIXES)), "")


def _existing(root: Path, paths: Iterable[PurePosixPath]) -> Iterable[str]:
    return (str(path) for path in paths if (root / path).is_file())


def _kind(suffix: str) -> str:
    if suffix in VIDEO_SUFFIXES:
        return "picture"
    if suffix in SOUND_SUFFIXES:
        return "sound"
    raise ValueError(f"{suffix or 'no ending'}: not a video or sound file that is known")
