"""eNTERFACE'05: 43 people say five sentences in each of six emotions, 1,287 clips with picture and sound.

Martin et al. (2006), The eNTERFACE'05 audio-visual emotion database (ICDE Workshops). A clip is
``subject 1/anger/sentence 1/s1_an_1.avi``. The folders say what it is, not the file's name: the files
of subject 11 are named ``s12_…``, and a few names are misspelt. Subject 6 was never cut into sentences.

The five sentences of one emotion are others than those of the next, so whoever understands the words
knows the emotion. Who is a woman is not said by the set itself, so ``sex`` is left empty.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from emotionnet.corpora.listing import Ignored, check_folder, rows_of_files
from emotionnet.corpora.manifest import ManifestRow
from emotionnet.errors import UsageError

NAME = "enterface"
EXAMPLE = "subject 1/anger/sentence 1/s1_an_1.avi"
HOW_TO_GET = (
    "eNTERFACE'05 is downloaded by hand from its page "
    "(https://enterface.net/enterface05/main.php?frame=emotion). Unpack it, and give the folder with "
    "subject 1 … subject 44: python -m emotionnet.prepare --corpus enterface --root 'enterface database'"
)

#: Folder of an emotion, and the letters for it in the names of clips.
EMOTIONS = {
    "anger": ("angry", "an"),
    "disgust": ("disgust", "di"),
    "fear": ("fearful", "fe"),
    "happiness": ("happy", "ha"),
    "sadness": ("sad", "sa"),
    "surprise": ("surprised", "su"),
}
EMOTIONS_USED = ("happy", "sad", "angry", "fearful", "disgust", "surprised")
SUBJECTS, SENTENCES = range(1, 45), range(1, 6)
#: Recorded in one piece an emotion.
UNCUT = 6

_PICTURES = (".avi", ".mp4", ".mkv", ".mov")
_SOUNDS = (".wav", ".flac")
_SUBJECT = re.compile(r"subject[ _-]?(\d+)", re.IGNORECASE)
_SENTENCE = re.compile(r"sentence[ _-]?(\d+)", re.IGNORECASE)


def actors() -> list[str]:
    """Those whose recordings are cut into sentences."""
    return [f"{subject:02d}" for subject in SUBJECTS if subject != UNCUT]


def scan(root: str | os.PathLike, ignored: Ignored | None = None) -> list[ManifestRow]:
    """Finds eNTERFACE'05 clips at any depth; blanks in folder names may have become dashes.

    The sound is the video's own; a wav beside it is used where the video has none.

    Args:
        root: a folder above ``subject 1`` … ``subject 44``.
        ignored: where given, ``(path, reason)`` is appended for every file that was left out.

    Returns:
        One row a clip, sorted by clip, such as ``s01_an_1``: subject, emotion, sentence.

    Raises:
        UsageError: no such folder, or a folder of one subject.
        EmotionNetError: no usable clip.
    """
    ignored = [] if ignored is None else ignored
    root = check_folder(root, EXAMPLE)
    _check_level(root)
    return rows_of_files(
        root, (*_PICTURES, *_SOUNDS), parse_path, ignored,
        looked_for="videos in folders like these", example=EXAMPLE,
    )  # fmt: skip


def parse_path(path: PurePosixPath) -> ManifestRow:
    """A file's row, from its folders, without files.

    Raises:
        ValueError: it is none of the set's clips; its text is the reason.
    """
    folders = path.parts[:-1]
    place = next((i for i, name in enumerate(folders) if _SUBJECT.fullmatch(name)), None)
    if place is None:
        raise ValueError("not in the folder of a subject, such as 'subject 1'")
    subject = int(_SUBJECT.fullmatch(folders[place])[1])
    if subject not in SUBJECTS:
        raise ValueError(f"unknown subject {subject} (known: 1 to {SUBJECTS[-1]})")
    if subject == UNCUT:
        raise ValueError(f"subject {UNCUT} is an uncut recording, all sentences in one file")
    below = [name.lower() for name in folders[place + 1 :]]
    if not below or below[0] not in EMOTIONS:
        raise ValueError(f"not in the folder of an emotion ({', '.join(EMOTIONS)})")
    match = _SENTENCE.fullmatch(below[1]) if len(below) > 1 else None
    if not match:
        raise ValueError("not in the folder of a sentence, such as 'sentence 1'")
    sentence, (emotion, code) = int(match[1]), EMOTIONS[below[0]]
    if sentence not in SENTENCES:
        raise ValueError(f"unknown sentence {sentence} (known: 1 to {SENTENCES[-1]})")
    return ManifestRow(
        clip=f"s{subject:02d}_{code}_{sentence}",
        corpus=NAME,
        emotion=emotion,
        actor=f"{subject:02d}",
        statement=f"{code}{sentence}",
        channel="speech",
    )


def remark(rows: Sequence[ManifestRow]) -> str:
    """What must be shown with every number."""
    return "each emotion has its own sentences, so the words reveal it"


def _check_level(root: Path) -> None:
    for folder in [root.resolve(), *root.resolve().parents][:3]:
        if _SUBJECT.fullmatch(folder.name):
            what = (
                "is one subject" if folder == root.resolve() else f"lies inside of {folder.name!r}"
            )
            raise UsageError(
                f"{root}: {what}. Give the folder that holds 'subject 1' … 'subject 44'."
            )
