"""FER2013: 48x48 grey pictures of faces, seven emotions, from the folders, a zip, or the original CSV.

The data of the ICML 2013 challenge (Goodfellow et al., "Challenges in Representation Learning: A
report on three machine learning contests", 2013): 28,709 training, 3,589 public-test and 3,589
private-test pictures. They are crops of faces already, so nothing is searched for in them, and nobody
is named. Understood are

- folders ``train/angry/*.jpg`` … ``test/surprise/*.jpg`` (Kaggle, msambare/fer2013), with or without ``val/``,
  or class folders alone;
- a zip of such folders;
- the challenge's own ``fer2013.csv`` or ``icml_face_data.csv`` (columns emotion, pixels, Usage), or ``train.csv``.

The set repeats itself: 3,369 of its files are byte-identical to another one. A row's ``repetition`` is a
hash of the picture, so that protocols keep copies together.
"""

import csv
import os
import re
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from emotionnet.corpora import words
from emotionnet.corpora.ferplus import Votes, read_table
from emotionnet.corpora.listing import Ignored, find_recordings, nothing_usable
from emotionnet.corpora.manifest import ManifestRow
from emotionnet.emotions import EMOTIONS
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.files import sha256
from emotionnet.votes import write_votes

NAME = "fer2013"
EMOTIONS_USED = tuple(e for e in EMOTIONS if e != "calm")
#: Its own labels, or what ten people saw (and then one class more, contempt).
LABELS = ("fer2013", "ferplus")
VOTES_FILE = "fer2013new.csv"
#: Every clip is one picture, and that is a face: see `emotionnet.clips.pictures`.
PICTURES = True

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
CSV_FILES = ("fer2013.csv", "icml_face_data.csv", "train.csv")
EXAMPLE = "train/angry/Training_3908.jpg, a zip of such folders, or fer2013.csv"
#: Column ``emotion`` of the CSV; folders are named so too.
CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
PARTS = ("train", "validation", "test", "private")
#: Stands for all parts that are there.
ALL_PARTS = "train,test,private"
_CHALLENGE = {
    **{"publictest": "test", "public": "test"},
    **{"private": "private", "privatetest": "private"},
}
#: Pixels of a side in the CSV.
SIDE = 48


def scan(
    root: str | os.PathLike,
    ignored: Ignored | None = None,
    notes: list[str] | None = None,
    *,
    parts: str = ALL_PARTS,
    labels: str = "fer2013",
    table: str | os.PathLike = "",
) -> list[ManifestRow]:
    """Finds the pictures.

    The part of a picture follows from its name (``Training_``, ``PublicTest_``, ``PrivateTest_``),
    else by its folder; class folders alone, or a CSV without Usage, count as ``test``. Where some pictures are in
    a part, those in none are left out.

    Args:
        root: folder, zip or CSV.
        ignored: where given, ``(path, reason)`` is appended for every picture that was left out.
        notes: where given, lines are appended that say how the folder was read.
        parts: which to take, of ``train``, ``validation``, ``test`` (the public one) and ``private``; by
            default all that are there.
        labels: ``fer2013``, its own; or ``ferplus``, what ten people saw, see `emotionnet.corpora.ferplus`.
        table: of FER+'s votes; by default ``fer2013new.csv`` beside the challenge's CSV.

    Returns:
        One row a picture, sorted by clip, which is ``part/emotion/name``. ``picture`` may lead into
        a zip or to a line of a CSV; `emotionnet.clips.pictures` reads it.

    Raises:
        UsageError: no such folder, no such part, or a CSV lacks a column.
        EmotionNetError: no usable picture.
    """
    ignored, notes = ([] if given is None else given for given in (ignored, notes))
    wanted = PARTS if parts == ALL_PARTS else [part.strip() for part in parts.split(",")]
    unknown = [part for part in wanted if part not in PARTS]
    if unknown:
        raise UsageError(f"fer2013: parts are some of {', '.join(PARTS)}, not {unknown[0]!r}.")
    root = Path(root)
    if not root.exists():
        raise UsageError(f"{root}: no such folder. Expected for example {root.name}/{EXAMPLE}")
    votes = _votes(root, labels, table)
    pictures = [
        (name, place, _part_of(place), sha256(content)[:16])
        for name, place, content in _pictures(root, ignored)
    ]
    told = {place.name: part for _, place, part, _ in pictures}
    divided = any(part for _, _, part, _ in pictures)
    rows: dict[str, ManifestRow] = {}
    for name, place, part, digest in pictures:
        part, emotion = part or ("" if divided else "test"), _emotion_of(place)
        if not emotion:
            ignored.append((name, f"lies in no class folder ({', '.join(CLASSES)})"))
        elif not part:
            ignored.append((name, f"lies in no part ({', '.join(PARTS)}), and others do"))
        elif part in wanted:
            clip = f"{part}/{emotion}/{place.stem}"
            if clip in rows:
                ignored.append((name, f"another of the same name is used: {rows[clip].picture}"))
                continue
            row = ManifestRow(
                clip=clip,
                corpus=NAME,
                emotion=emotion,
                repetition=digest,
                picture=name,
                label_kind="perceived",
            )
            try:
                rows[clip] = _voted(row, votes.of(place)) if votes else row
            except ValueError as reason:
                ignored.append((name, str(reason)))
    if not rows:
        raise nothing_usable(root, "picture (.jpg .png), zip or CSV", EXAMPLE, ignored)
    if votes and votes.by_line:
        _check_lines(votes, {str(int(number)): part for number, part in told.items()})
    if not divided:
        notes.append(
            "no folder, file name or column Usage says the part: all pictures count as test"
        )
    if votes and (unknown := len(votes.votes) - votes.asked):
        notes.append(f"{votes.path}: {unknown} of its {len(votes.votes)} pictures are not here")
    return [rows[clip] for clip in sorted(rows)]


def _votes(root: Path, labels: str, table: str | os.PathLike) -> Votes | None:
    """The votes of FER+, where they are asked for."""
    if labels not in LABELS:
        raise UsageError(f"fer2013: labels are {' or '.join(LABELS)}, not {labels!r}.")
    if labels == "fer2013":
        if table:
            raise UsageError(f"--table {table}: is of FER+'s votes, for --labels ferplus.")
        return None
    source = _container(root)
    by_line = source is not None and source.suffix.lower() == ".csv"
    beside = (source or root).with_name(VOTES_FILE) if source else root / VOTES_FILE
    if not table and not (by_line and beside.is_file()):
        raise UsageError(
            f"--labels ferplus: needs the votes. Put {VOTES_FILE} (github.com/microsoft/FERPlus) beside "
            "fer2013.csv, or name a table that joins them to these pictures: --table CSV."
        )
    return read_table(table or beside, by_line)


def _check_lines(votes: Votes, parts: dict[str, str]) -> None:
    """Refuses votes that are not, line by line, of the pictures of a CSV, as far as parts tell.

    Args:
        votes: joined by line.
        parts: number of each picture → its part, or "".

    Raises:
        EmotionNetError: a line is of another part, or pictures of a part that is there are missing.
    """
    there = {*parts.values()} - {""}
    for number, usage in votes.usages.items():
        part, found = _part(usage), parts.get(number)
        if part in there if found is None else part and found and part != found:
            raise EmotionNetError(
                f"{votes.path}: is joined line by line, and its line {int(number) + 2} ({usage}) is not of the "
                "picture in that line: pictures were taken out, or put in another order. Use the whole "
                "CSV of the challenge, or a table with a column image."
            )


def _voted(row: ManifestRow, votes: dict[str, int]) -> ManifestRow:
    emotion = max(votes, key=votes.get)
    return replace(row, emotion=emotion, votes=write_votes(votes))


def given_part(row) -> str:
    """The part of a clip in the set's own division, one of `PARTS`."""
    return row.clip.partition("/")[0]


def _part_of(place: PurePosixPath) -> str:
    prefix = re.match(r"(training|publictest|privatetest)(?![a-z])", place.name.lower())
    if prefix:
        return _part(prefix[1])
    # The innermost counts: the set may lie in a folder that is called "test" itself.
    return next(filter(None, map(_part, reversed(place.parts[:-2]))), "")


def _part(name: str) -> str:
    """One of `PARTS`, or ""."""
    part = _CHALLENGE.get(name.lower()) or words.part_name(name)
    return "validation" if part == "eval" else part


def _emotion_of(place: PurePosixPath) -> str:
    emotion = words.known_emotion(place.parts[-2]) if len(place.parts) > 1 else ""
    return emotion if emotion in EMOTIONS_USED else ""


def _pictures(root: Path, ignored: Ignored) -> Iterator[tuple[str, PurePosixPath, bytes]]:
    """Name of each picture below ``root``, its place among the folders, and its bytes."""
    if container := _container(root):
        prefix = "" if container == root else f"{container.name}/"
        yield from _inside(container, prefix, ignored)
        return
    # The folder given may be a part, or a class, itself.
    above = root.resolve().parts[-1:]
    found = find_recordings(root, SUFFIXES, ignored)
    for place in sorted(path for paths in found.values() for path in paths):
        try:
            content = (root / place).read_bytes()
        except OSError as error:
            ignored.append((str(place), f"cannot be read: {error.strerror}"))
        else:
            yield str(place), PurePosixPath(*above, place), content


def _container(root: Path) -> Path | None:
    """The one file that holds all pictures, if there is one."""
    if root.is_file():
        return root
    names = (*CSV_FILES, "fer2013.zip")
    return next((root / name for name in names if (root / name).is_file()), None)


def _inside(
    path: Path, prefix: str, ignored: Ignored
) -> Iterator[tuple[str, PurePosixPath, bytes]]:
    if path.suffix.lower() == ".csv":
        for number, emotion, pixels, usage in read_csv_pixels(path):
            place = PurePosixPath(usage.lower(), CLASSES[emotion], f"{number:05d}")
            yield f"{prefix}{number}", place, pixels
        return
    try:
        with zipfile.ZipFile(path) as archive:
            for name in sorted(archive.namelist()):
                place = PurePosixPath(name)
                if name.endswith("/") or "__MACOSX" in name or place.name.startswith("."):
                    continue
                if place.suffix.lower() in SUFFIXES:
                    yield f"{prefix}{name}", place, archive.read(name)
                else:
                    ignored.append(
                        (f"{prefix}{name}", f"{place.suffix or 'no ending'}: no picture")
                    )
    except (RuntimeError, NotImplementedError) as error:
        raise EmotionNetError(f"{path}: {cannot_unpack(error)}") from None
    except zipfile.BadZipFile as error:
        raise EmotionNetError(
            f"{path}: is no whole zip or CSV ({error}). Download it again, or give the folder."
        ) from None


def cannot_unpack(error: Exception) -> str:
    """Why `zipfile` cannot read what a zip holds."""
    if "encrypted" in str(error) or "password" in str(error):
        return "this zip has a password. Unpack it first, and give the folder."
    return f"this zip cannot be read here ({error}). Unpack it first, and give the folder."


def read_csv_pixels(path: Path) -> Iterator[tuple[int, int, bytes, str]]:
    """Reads the challenge's CSV.

    Yields:
        Number of the picture from 0, class number, `SIDE` x `SIDE` grey pixels, usage (without such a
        column the name of the file, which may say it too: ``train.csv``).

    Raises:
        UsageError: a column is missing.
        EmotionNetError: a line is damaged.
    """
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    with open(path, newline="", encoding="utf-8-sig") as file:
        lines = csv.reader(file)
        columns = [column.strip().lower() for column in next(lines, [])]
        missing = [c for c in ("emotion", "pixels") if c not in columns]
        if missing:
            found = ", ".join(columns[:5]) or "nothing"
            raise UsageError(f"{path}: column {missing[0]!r} is missing. Found: {found}.")
        emotion_at, pixels_at = columns.index("emotion"), columns.index("pixels")
        usage_at = columns.index("usage") if "usage" in columns else None
        for number, line in enumerate(line for line in lines if line):
            try:
                usage = path.stem if usage_at is None else line[usage_at].strip()
                emotion, pixels = _checked_line(line[emotion_at], line[pixels_at])
                if usage_at is not None and not _part(usage):
                    raise ValueError(f"usage {usage!r}")
            except (ValueError, IndexError) as error:
                raise EmotionNetError(
                    f"{path}, line {lines.line_num}: is damaged ({error}). Download the file again."
                ) from None
            yield number, emotion, pixels, usage


def _checked_line(emotion: str, pixels: str) -> tuple[int, bytes]:
    emotion, pixels = int(emotion), bytes(map(int, pixels.split()))
    if not 0 <= emotion < len(CLASSES):
        raise ValueError(f"emotion {emotion}")
    if len(pixels) != SIDE * SIDE:
        raise ValueError(f"{len(pixels)} pixels instead of {SIDE * SIDE}")
    return emotion, pixels
