"""FER2013: 48x48 grey pictures of faces, seven emotions, from the folders, a zip, or the original CSV.

The data of the ICML 2013 challenge (Goodfellow et al., "Challenges in Representation Learning: A
report on three machine learning contests", 2013): 28,709 training, 3,589 public-test and 3,589
private-test pictures. They are crops of faces already, so nothing is searched for in them, and nobody
is named. Understood are

- folders ``train/angry/*.jpg`` … ``test/surprise/*.jpg`` (Kaggle, msambare/fer2013), or class folders alone;
- a zip of such folders;
- the challenge's own ``fer2013.csv`` or ``icml_face_data.csv`` (columns emotion, pixels, Usage).

The set repeats itself: 3,369 of its files are byte-identical to another one. A row's ``repetition`` is a
hash of the picture, so that protocols keep copies together.
"""

import csv
import os
import re
import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from emotionnet.corpora.listing import Ignored, nothing_usable
from emotionnet.corpora.manifest import ManifestRow
from emotionnet.emotions import EMOTIONS
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.files import sha256

NAME = "fer2013"
EMOTIONS_USED = tuple(e for e in EMOTIONS if e != "calm")
#: Every clip is one picture, and that is a face: see `emotionnet.clips.pictures`.
PICTURES = True
#: The division that the set brings itself; and little variation, since a small network underfits it.
PROTOCOL, AUGMENT = "given", "light"

SUFFIXES = (".jpg", ".jpeg", ".png")
CSV_FILES = ("fer2013.csv", "icml_face_data.csv")
EXAMPLE = "train/angry/Training_3908.jpg, a zip of such folders, or fer2013.csv"
#: Column ``emotion`` of the CSV; folders are named so too.
CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
_EMOTION = {name: name for name in EMOTIONS_USED} | {
    **dict(zip(CLASSES, ("angry", "disgust", "fearful", "happy", "sad", "surprised", "neutral"))),
    **{"anger": "angry", "happiness": "happy", "sadness": "sad", "neutrality": "neutral"},
}
PARTS = ("train", "test", "private")
_PART = {
    **{"train": "train", "training": "train"},
    **{"test": "test", "publictest": "test", "public": "test"},
    **{"private": "private", "privatetest": "private"},
}
#: Pixels of a side in the CSV.
SIDE = 48


def scan(
    root: str | os.PathLike, ignored: Ignored | None = None, *, parts: str = "train,test,private"
) -> list[ManifestRow]:
    """Finds the pictures.

    The part of a picture is told by its name (``Training_``, ``PublicTest_``, ``PrivateTest_``),
    else by its folder; class folders alone count as ``test``.

    Args:
        root: folder, zip or CSV.
        ignored: where given, ``(path, reason)`` is appended for every picture that was left out.
        parts: which to take, of ``train``, ``test`` (the public one) and ``private``.

    Returns:
        One row a picture, sorted by clip, which is ``part/emotion/name``. ``picture`` may lead into
        a zip or to a line of a CSV; `emotionnet.clips.pictures` reads it.

    Raises:
        UsageError: no such folder, no such part, or a CSV lacks a column.
        EmotionNetError: no usable picture.
    """
    ignored = [] if ignored is None else ignored
    wanted = [part.strip() for part in parts.split(",")]
    unknown = [part for part in wanted if part not in PARTS]
    if unknown:
        raise UsageError(f"fer2013: parts are some of {', '.join(PARTS)}, not {unknown[0]!r}.")
    root = Path(root)
    if not root.exists():
        raise UsageError(f"{root}: no such folder. Expected for example {root.name}/{EXAMPLE}")
    rows: dict[str, ManifestRow] = {}
    for name, place, content in _pictures(root):
        part, emotion = _part_of(place), _emotion_of(place)
        if not emotion:
            ignored.append((name, f"lies in no class folder ({', '.join(CLASSES)})"))
        elif part in wanted:
            clip = f"{part}/{emotion}/{place.stem}"
            if clip in rows:
                ignored.append((name, f"another of the same name is used: {rows[clip].picture}"))
                continue
            rows[clip] = ManifestRow(
                clip=clip,
                corpus=NAME,
                emotion=emotion,
                repetition=sha256(content)[:16],
                picture=name,
                label_kind="perceived",
            )
    if not rows:
        raise nothing_usable(root, "picture (.jpg .png), zip or CSV", EXAMPLE, ignored)
    return [rows[clip] for clip in sorted(rows)]


def given_part(row) -> str:
    """The part of a clip in the set's own division: ``train``, ``test`` or ``private``."""
    return row.clip.partition("/")[0]


def _part_of(place: PurePosixPath) -> str:
    prefix = re.match(r"(training|publictest|privatetest)(?![a-z])", place.name.lower())
    if prefix:
        return _PART[prefix[1]]
    return next((_PART[p.lower()] for p in place.parts[:-2] if p.lower() in _PART), "test")


def _emotion_of(place: PurePosixPath) -> str:
    return _EMOTION.get(place.parts[-2].lower(), "") if len(place.parts) > 1 else ""


def _pictures(root: Path) -> Iterator[tuple[str, PurePosixPath, bytes]]:
    """Name of each picture below ``root``, its place among the folders, and its bytes."""
    if root.is_file():
        yield from _inside(root, "")
        return
    containers = [name for name in (*CSV_FILES, "fer2013.zip") if (root / name).is_file()]
    if containers:
        yield from _inside(root / containers[0], f"{containers[0]}/")
        return
    for folder, folders, files in os.walk(root, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(folder, name)
            if path.suffix.lower() in SUFFIXES and not name.startswith("."):
                place = PurePosixPath(path.relative_to(root).as_posix())
                # The folder given may be a part, or a class, itself.
                above = root.resolve().parts[-2:]
                yield str(place), PurePosixPath(*above[1:] or above, place), path.read_bytes()


def _inside(path: Path, prefix: str) -> Iterator[tuple[str, PurePosixPath, bytes]]:
    if path.suffix.lower() == ".csv":
        for number, emotion, pixels, usage in read_csv_pixels(path):
            place = PurePosixPath(usage.lower(), CLASSES[emotion], f"{number:05d}")
            yield f"{prefix}{number}", place, pixels
        return
    try:
        with zipfile.ZipFile(path) as archive:
            for name in sorted(archive.namelist()):
                if name.lower().endswith(SUFFIXES) and "__MACOSX" not in name:
                    yield f"{prefix}{name}", PurePosixPath(name), archive.read(name)
    except zipfile.BadZipFile as error:
        raise EmotionNetError(
            f"{path}: is no whole zip or CSV ({error}). Download it again, or give the folder."
        ) from None


def read_csv_pixels(path: Path) -> Iterator[tuple[int, int, bytes, str]]:
    """Reads the challenge's CSV.

    Yields:
        Number of the picture from 0, class number, `SIDE` x `SIDE` grey pixels, usage.

    Raises:
        UsageError: a column is missing.
        EmotionNetError: a line is damaged.
    """
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    with open(path, newline="", encoding="utf-8-sig") as file:
        lines = csv.reader(file)
        columns = [column.strip().lower() for column in next(lines, [])]
        missing = [c for c in ("emotion", "pixels", "usage") if c not in columns]
        if missing:
            found = ", ".join(columns[:5]) or "nothing"
            raise UsageError(f"{path}: column {missing[0]!r} is missing. Found: {found}.")
        places = [columns.index(c) for c in ("emotion", "pixels", "usage")]
        for number, line in enumerate(lines):
            try:
                emotion, pixels, usage = _checked_line([line[i].strip() for i in places])
            except (ValueError, IndexError) as error:
                raise EmotionNetError(
                    f"{path}, line {number + 2}: is damaged ({error}). Download the file again."
                ) from None
            yield number, emotion, pixels, usage


def _checked_line(fields: Sequence[str]) -> tuple[int, bytes, str]:
    emotion, pixels, usage = int(fields[0]), bytes(map(int, fields[1].split())), fields[2]
    if not 0 <= emotion < len(CLASSES):
        raise ValueError(f"emotion {emotion}")
    if len(pixels) != SIDE * SIDE:
        raise ValueError(f"{len(pixels)} pixels instead of {SIDE * SIDE}")
    if usage.lower() not in _PART:
        raise ValueError(f"usage {usage!r}")
    return emotion, pixels, usage
