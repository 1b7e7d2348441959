"""EMO-DB, the Berlin database of emotional speech: ten actors say ten German sentences in seven emotions.

Burkhardt et al., "A database of German emotional speech" (Interspeech 2005): 535 takes that listeners
recognised, as wavs named speaker-text-emotion-version: ``03a01Fa.wav``.

The set has no formal licence; its authors ask for the citation. Who is a woman is listed, since the speakers'
numbers do not tell it.
"""

import os
import re

from emotionnet.corpora.listing import Ignored, check_folder, rows_of_files
from emotionnet.corpora.manifest import ManifestRow

NAME = "emodb"
#: Letter in the name (of the German word) → class.
CODES = {
    "N": "neutral", "F": "happy", "T": "sad", "W": "angry", "A": "fearful", "E": "disgust", "L": "bored",
}  # fmt: skip
EMOTIONS_USED = tuple(CODES.values())
EXAMPLE = "wav/03a01Fa.wav"
HOW_TO_GET = (
    "EMO-DB is offered by its authors at http://emodb.bilderbar.info. Unpack it, and give the folder: "
    "python -m emotionnet.prepare --corpus emodb --root EMODB"
)

SPEAKERS = {
    **dict.fromkeys(("03", "10", "11", "12", "15"), "male"),
    **dict.fromkeys(("08", "09", "13", "14", "16"), "female"),
}
TEXTS = ("a01", "a02", "a04", "a05", "a07", "b01", "b02", "b03", "b09", "b10")

_SOUNDS = (".wav", ".flac")
_NAME = re.compile(r"(\d\d)([ab]\d\d)([A-Z])([a-z])", re.ASCII)


def parse_name(stem: str) -> ManifestRow:
    """Reads a file name without its ending as a row without files.

    Raises:
        ValueError: the name is not one of the set's; its text is the reason.
    """
    match = _NAME.fullmatch(stem)
    if not match:
        raise ValueError(
            "the name is not speaker, text, emotion and version such as 03a01Fa, in this case"
        )
    speaker, text, emotion, version = match.groups()
    for code, known, what in (
        (speaker, SPEAKERS, "speaker"),
        (text, TEXTS, "text"),
        (emotion, CODES, "emotion"),
    ):
        if code not in known:
            raise ValueError(f"unknown {what} {code} (known: {' '.join(known)})")
    return ManifestRow(
        clip=stem,
        corpus=NAME,
        emotion=CODES[emotion],
        actor=speaker,
        sex=SPEAKERS[speaker],
        statement=text,
        repetition=version,
        channel="speech",
    )


def scan(root: str | os.PathLike, ignored: Ignored | None = None) -> list[ManifestRow]:
    """Finds the takes of EMO-DB in any folder layout.

    Args:
        root: folder of the recordings.
        ignored: where given, ``(path, reason)`` is appended for every file that was left out.

    Returns:
        One row a take, sorted by clip.

    Raises:
        UsageError: no such folder.
        EmotionNetError: no usable take.
    """
    ignored = [] if ignored is None else ignored
    root = check_folder(root, EXAMPLE)
    return rows_of_files(
        root, _SOUNDS, lambda path: parse_name(path.stem), ignored,
        looked_for="EMO-DB names ending in .wav or .flac", example=EXAMPLE,
    )  # fmt: skip
