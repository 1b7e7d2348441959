"""RAVDESS: 24 actors speak (1,440 takes) and sing (1,012), eight emotions, picture and sound.

Livingstone & Russo (2018), PLoS ONE 13(5): e0196391; recordings: Zenodo record 1188976.
A file name is seven numbers: modality-channel-emotion-intensity-statement-repetition-actor. A take is
the name without its modality; the same take exists with picture and sound (01), as picture only (02)
and as sound only (03), and makes one manifest row.
"""

import itertools
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath

from emotionnet.corpora.listing import Ignored, check_folder, find_recordings, nothing_usable
from emotionnet.corpora.manifest import ManifestRow
from emotionnet.emotions import EMOTIONS
from emotionnet.errors import UsageError

NAME = "ravdess"
EMOTIONS_USED = EMOTIONS
EXAMPLE = "Actor_01/01-01-03-02-01-01-01.mp4 or Actor_01/03-01-03-02-01-01-01.wav"

CHANNELS = ("speech", "song")
INTENSITIES = ("normal", "strong")
STATEMENTS = ("kids", "dogs")
SONG_EMOTIONS = EMOTIONS[:6]
ACTORS = 24
#: Actor 18 did not sing.
SILENT_SINGER = "18"
#: Takes whose sound recording is, byte for byte, another take's in the set as published.
COPIES = {"01-03-01-02-02-07": "01-03-01-02-01-07"}

_PICTURES = (".mp4",)
_SOUNDS = (".wav", ".flac")
_PARTS = (
    ("channel", CHANNELS),
    ("emotion", EMOTIONS),
    ("intensity", INTENSITIES),
    ("statement", STATEMENTS),
    ("repetition", ("1", "2")),
    ("actor", tuple(f"{actor:02d}" for actor in range(1, ACTORS + 1))),
)


def takes() -> Iterator[ManifestRow]:
    """All 2,452 takes of the set, by its naming rules, without files, sorted by clip."""
    for codes in itertools.product(*(range(1, len(values) + 1) for _, values in _PARTS)):
        row = _take("-".join(f"{code:02d}" for code in codes))
        if not _never_recorded(row):
            yield row


def parse_name(stem: str) -> tuple[str, ManifestRow]:
    """Reads a file name without its ending.

    Args:
        stem: seven two-digit numbers joined by "-".

    Returns:
        Modality ("01", "02" or "03") and the take as a row without files.

    Raises:
        ValueError: the name is not one of the set's; its text is the reason.
    """
    if not re.fullmatch(r"\d\d(-\d\d){6}", stem, re.ASCII):
        raise ValueError("the name is not seven two-digit numbers such as 01-01-03-02-01-01-01")
    modality, take = stem.split("-", 1)
    if modality not in ("01", "02", "03"):
        raise ValueError(f"unknown modality code {modality} (known: 01 to 03)")
    row = _take(take)
    reason = _never_recorded(row)
    if reason:
        raise ValueError(reason)
    return modality, row


def _take(clip: str) -> ManifestRow:
    values = {}
    for code, (part, names) in zip(clip.split("-"), _PARTS, strict=True):
        if not 1 <= int(code) <= len(names):
            raise ValueError(f"unknown {part} code {code} (known: 01 to {len(names):02d})")
        values[part] = names[int(code) - 1]
    sex = "male" if int(values["actor"]) % 2 else "female"
    return ManifestRow(clip=clip, corpus=NAME, sex=sex, **values)


def _never_recorded(row: ManifestRow) -> str:
    if row.emotion == "neutral" and row.intensity == "strong":
        return "the set has no strong neutral"
    if row.channel == "song" and row.emotion not in SONG_EMOTIONS:
        return f"the set has no {row.emotion} song"
    if row.channel == "song" and row.actor == SILENT_SINGER:
        return f"actor {SILENT_SINGER} did not sing"
    return ""


def scan(
    root: str | os.PathLike,
    ignored: Ignored | None = None,
    *,
    channel: str = "speech",
    keep_copies: bool = False,
) -> list[ManifestRow]:
    """Finds RAVDESS takes in any folder layout (as unpacked from Zenodo, nested, or flat).

    The picture is the 01 file, else the 02 file; the sound is the 03 recording (``.wav`` before
    ``.flac``), which is used where the picture file has no sound.

    Args:
        root: folder of the recordings.
        ignored: where given, ``(path, reason)`` is appended for every file that was left out.
        channel: ``speech``, ``song`` or ``all``.
        keep_copies: keep takes whose sound is a copy of another take's (`COPIES`). Left out by
            default, so the 1,440 speech takes become 1,439.

    Returns:
        One row a take, sorted by clip.

    Raises:
        UsageError: no such folder, or an unknown ``channel``.
        EmotionNetError: no usable clip.
    """
    if channel not in (*CHANNELS, "all"):
        raise UsageError(f"unknown channel {channel!r}. Known: speech, song, all.")
    ignored = [] if ignored is None else ignored
    root = check_folder(root, EXAMPLE)
    found = find_recordings(root, (*_PICTURES, *_SOUNDS), ignored)
    rows: dict[str, ManifestRow] = {}
    files: dict[tuple[str, str], PurePosixPath] = {}
    other_channel = 0
    for path in itertools.chain.from_iterable(found.values()):
        try:
            modality, row = parse_name(path.stem)
        except ValueError as reason:
            ignored.append((str(path), str(reason)))
            continue
        is_picture = path.suffix.lower() in _PICTURES
        if is_picture == (modality == "03"):
            ignored.append((str(path), f"modality {modality} does not fit a {path.suffix} file"))
        elif channel not in ("all", row.channel):
            other_channel += 1
        elif (row.clip, modality) in files:
            ignored.append((str(path), f"the same recording as {files[row.clip, modality]}"))
        else:
            rows[row.clip] = row
            files[row.clip, modality] = path
    for clip, original in COPIES.items():
        if clip in rows and original in rows and not keep_copies:
            del rows[clip]
            reason = (
                f"its sound is a byte-identical copy of take {original}'s (keep_copies keeps it)"
            )
            ignored.extend((str(path), reason) for key, path in files.items() if key[0] == clip)
    if not rows:
        looked_for = f"RAVDESS names ({channel}) ending in .mp4, .wav or .flac"
        if other_channel:
            looked_for += f" ({other_channel} files of the other channel are there: channel=all)"
        raise nothing_usable(root, looked_for, EXAMPLE, ignored)
    return [_with_files(rows[clip], files) for clip in sorted(rows)]


def _with_files(row: ManifestRow, files: dict[tuple[str, str], PurePosixPath]) -> ManifestRow:
    picture = files.get((row.clip, "01")) or files.get((row.clip, "02")) or ""
    return replace(row, picture=str(picture), sound=str(files.get((row.clip, "03")) or ""))
