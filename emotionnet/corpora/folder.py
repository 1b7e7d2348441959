"""Your own clips: folders that say what they show, or a table.

Folders: ``happy/clip.mp4``, ``happy/anna/clip.mp4``, ``anna/happy/clip.mp4``, ``train/happy/clip.mp4`` and others;
what each level means is found out from the names (`emotionnet.corpora.layout`), said, and where it is not clear
asked for (``layout``).
Table: ``clips.csv`` in the folder, with the columns ``file`` and ``emotion`` and, as far as known, ``actor``,
``part``, ``start`` and ``end`` (seconds: the clip is a part of the file), ``sex``, ``sound``, ``clip`` and the other
columns of a manifest; or the ``metadata.csv`` of the `datasets` library (`emotionnet.corpora.tables`).

Without actors nothing can promise that people are kept apart, so the protocols over actors refuse such
clips and say what to do.
"""

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from emotionnet.corpora import words
from emotionnet.corpora.layout import parts_of, read_layout, settled_parts
from emotionnet.corpora.listing import (
    SOUND_SUFFIXES,
    VIDEO_SUFFIXES,
    Ignored,
    check_folder,
    find_recordings,
    kind_of,
    nothing_usable,
)
from emotionnet.corpora.manifest import ManifestRow
from emotionnet.corpora.tables import METADATA, TABLE, has_columns, read_tables
from emotionnet.emotions import label_order
from emotionnet.errors import UsageError
from emotionnet.votes import renamed

NAME = "folder"
EMOTIONS_USED = None
EXAMPLE = f"happy/clip.mp4 (one folder a class) or {TABLE} (columns file, emotion)"
#: Spellings that a line shows.
SHOWN = 5
_PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


def scan(
    root: str | os.PathLike,
    ignored: Ignored | None = None,
    notes: list[str] | None = None,
    *,
    table: str = "",
    layout: str = "",
) -> list[ManifestRow]:
    """Finds a user's own clips.

    Args:
        root: the folder. All files lie in it.
        ignored: where given, ``(path, reason)`` is appended for every file that was left out.
        notes: where given, lines are appended that say how folders and tables were read.
        table: name of the CSV in ``root``; by default ``clips.csv`` where that exists, else the
            ``metadata.csv`` of its folders, else the classes are the folders.
        layout: what the levels of folders mean, see `emotionnet.corpora.layout.read_layout`; by default
            found out.

    Returns:
        One row a clip, sorted by clip. A sound file beside a video of the same name is its sound.

    Raises:
        UsageError: no such folder or CSV, the CSV lacks a column, or the folders can be read in two ways.
        EmotionNetError: no usable clip.
    """
    ignored, notes = ([] if given is None else given for given in (ignored, notes))
    root = check_folder(root, EXAMPLE)
    others: Ignored = []
    found = find_recordings(root, (*VIDEO_SUFFIXES, *SOUND_SUFFIXES), others)
    tables = _tables(root, table, layout, others, notes)
    if tables:
        how = " and ".join(os.path.relpath(path, root) for path in tables)
        rows = read_tables(root, tables, NAME, ignored, notes)
        rows = _with_parts(_with_partners(rows, found))
        told = {file for file, _ in ignored}
        told |= {file for row in rows for file in (row.picture, row.sound)}
        unlisted = (str(path) for paths in found.values() for path in paths)
        ignored += [(file, f"not listed in {how}") for file in unlisted if file not in told]
        others = [each for each in others if each[0] not in told and root / each[0] not in tables]
    else:
        how, rows = _from_folders(found, layout, ignored, notes)
    ignored += others
    if not rows:
        raise nothing_usable(root, _looked_for(others), EXAMPLE, ignored)
    rows = _one_spelling(rows, notes)
    notes.insert(0, _reading(how, rows))
    return sorted(rows, key=lambda row: row.clip)


def given_part(row) -> str:
    """The part of a clip in the division that the data bring; "" without one."""
    return row.part


def _tables(
    root: Path, table: str, layout: str, others: Ignored, notes: list[str]
) -> dict[Path, Path]:
    """The tables to read, each with the folder that its files are relative to."""
    if table or (not layout and (root / TABLE).is_file()):
        if table and layout:
            raise UsageError(
                "give either --table or --layout, not both: a table says what its clips are."
            )
        return {root / (table or TABLE): root}
    metadata = [root / file for file, _ in others if PurePosixPath(file).name in METADATA]
    if layout or not metadata:
        return {}
    usable = [path for path in metadata if has_columns(path)]
    notes += [
        f"{path.relative_to(root).as_posix()}: has no columns file_name and label (or emotion), so it is not used"
        for path in metadata
        if path not in usable
    ]
    return {path: path.parent for path in sorted(usable)}


def _from_folders(
    found: Mapping[str, list[PurePosixPath]], layout: str, ignored: Ignored, notes: list[str]
) -> tuple[str, list[ManifestRow]]:
    """How the folders are read, and rows from what they say; pictures come first, so that sounds find theirs."""
    read = read_layout((path for paths in found.values() for path in paths), layout)
    notes += read.remarks
    rows: dict[tuple[str, ...], ManifestRow] = {}
    views: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for path in (path for paths in found.values() for path in paths):
        place, kind = read.places[path], kind_of(path.suffix.lower())
        if not place.emotion:
            reason = "not in a class folder: move it into one, e.g. happy/"
            ignored.append((str(path), reason if not layout else f"lies less deep than {layout}"))
            continue
        if kind == "picture":
            views.setdefault(place.loose_key, []).append(place.key)
        # A sound in a folder of sounds belongs to the pictures of all cameras.
        keys = (
            [place.key] if place.key in rows or not place.media else views.get(place.loose_key, [])
        )
        for key in keys if kind == "sound" and keys else [place.key]:
            row = rows.get(key) or ManifestRow(
                clip=str(path.with_suffix("")),
                corpus=NAME,
                emotion=words.emotion_name(place.emotion),
                actor=words.actor_name(place.actor),
                sex=words.SEXES.get(place.sex.casefold(), ""),
                intensity=place.intensity,
                statement=place.statement,
                part=place.part,
                label_kind="given",
            )
            if getattr(row, kind):
                reason = f"another {kind} of the same name is used: {getattr(row, kind)}"
                ignored.append((str(path), reason))
            else:
                rows[key] = replace(row, **{kind: str(path)})
    return read.order, _apart_by_sex(list(rows.values()))


def _apart_by_sex(rows: list[ManifestRow]) -> list[ManifestRow]:
    """Rows in which number 1 of the women and number 1 of the men are two people."""
    sexes: dict[str, set[str]] = {}
    for row in rows:
        sexes.setdefault(words.person_key(row.actor), set()).add(row.sex)
    return [
        replace(row, actor=f"{row.sex} {row.actor}")
        if row.actor and sexes[words.person_key(row.actor)] == {"female", "male"}
        else row
        for row in rows
    ]


def _with_partners(
    rows: Iterable[ManifestRow], found: Mapping[str, list[PurePosixPath]]
) -> list[ManifestRow]:
    """Rows of a table, with the sound that lies beside a video under its name."""
    beside: dict[str, str] = {}
    for suffix in SOUND_SUFFIXES:
        for path in found[suffix]:
            beside.setdefault(str(path.with_suffix("")), str(path))
    return [
        replace(row, sound=beside.get(str(PurePosixPath(row.picture).with_suffix("")), ""))
        if row.picture and not row.sound
        else row
        for row in rows
    ]


def _with_parts(rows: list[ManifestRow]) -> list[ManifestRow]:
    """Rows of a table that names no parts, with those that the folders of the files name."""
    if any(row.part for row in rows):
        return rows
    parts = parts_of(PurePosixPath(row.picture or row.sound) for row in rows)
    return [replace(row, part=parts[PurePosixPath(row.picture or row.sound)]) for row in rows]


def _one_spelling(rows: list[ManifestRow], notes: list[str]) -> list[ManifestRow]:
    """Rows in which a class, and a person, is written in one way only; says what was written otherwise."""
    emotions, alike = words.one_spelling((row.emotion for row in rows), words.class_key)
    actors, same = words.one_spelling((row.actor for row in rows), words.person_key)
    spelled = {words.class_key(name): used for name, used in emotions.items()}
    parts = settled_parts({row.part for row in rows if row.part})
    for what, found in (("classes", alike), ("people", same)):
        if found:
            more = f" … ({len(found)})" if len(found) > SHOWN else ""
            notes.append(
                f"one and the same {what}, spelled differently: {', '.join(found[:SHOWN])}{more}"
            )
    return [
        replace(
            row,
            emotion=emotions[row.emotion],
            votes=renamed(row.votes, lambda name: spelled.get(words.class_key(name), name)),
            actor=actors.get(row.actor, ""),
            part=parts.get(row.part, ""),
        )
        for row in rows
    ]


def _reading(how: str, rows: list[ManifestRow]) -> str:
    """One line on how the folder was read, so that people can check it."""
    labels = label_order(row.emotion for row in rows)
    actors = {row.actor for row in rows if row.actor}
    parts = Counter(row.part for row in rows if row.part)
    nobody = sum(not row.actor for row in rows)
    unnamed = f", {nobody} clips name nobody" if nobody else ""
    facts = [
        f"{len(labels)} emotions ({', '.join(labels)})",
        f"{len(actors)} actors{unnamed}" if actors else "no actors are named",
        ", ".join(f"{part} {count}" for part, count in sorted(parts.items())),
    ]
    return f"read as {how}: {'; '.join(fact for fact in facts if fact)}"


def _looked_for(others: Ignored) -> str:
    looked_for = (
        f"video ({' '.join(VIDEO_SUFFIXES[:6])} …) and sound ({' '.join(SOUND_SUFFIXES[:5])} …)"
    )
    if any(file.lower().endswith(_PICTURES) for file, _ in others):
        looked_for += "; pictures of faces are read by --corpus fer2013"
    return looked_for
