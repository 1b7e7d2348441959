"""Which recordings somebody means, and what helps where there is none."""

import glob
import os
from collections.abc import Sequence
from pathlib import Path

from emotionnet.command import not_empty
from emotionnet.errors import EmotionNetError
from emotionnet.files import existing_file


def find_clips(
    place: str | os.PathLike,
    ignored: list[tuple[str, str]] | None = None,
    pictures: Sequence[str] = (),
) -> list[Path]:
    """The file itself, the files that a pattern fits, or the recordings in a folder, sorted.

    Args:
        place: a file, a pattern that the shell has left (``*.mp4``), or a folder, which is searched at
            any depth.
        ignored: where given, ``(path, reason)`` is appended for every file of the folder that is left out.
        pictures: endings of pictures that are clips, too.

    Raises:
        EmotionNetError: nothing there, or a folder without recordings.
    """
    from emotionnet.corpora.listing import (
        SOUND_SUFFIXES,
        VIDEO_SUFFIXES,
        find_recordings,
        left_out,
    )

    text = os.fspath(not_empty(place, "a clip"))
    place = Path(text)
    if not place.exists() and glob.has_magic(text):
        fitting = [path for path in map(Path, sorted(glob.glob(text))) if path.is_file()]
        if fitting:
            return fitting
    if not place.is_dir():
        return [existing_file(text)]
    others: list[tuple[str, str]] = []
    found = find_recordings(place, (*VIDEO_SUFFIXES, *SOUND_SUFFIXES, *pictures), others)
    files = sorted(place / path for paths in found.values() for path in paths)
    if not files:
        text = "no recordings in this folder (looked for .mp4, .mov, .wav and such)"
        raise EmotionNetError("\n  ".join([text, *left_out(others)]))
    if ignored is not None:
        ignored += [(str(place / path), reason) for path, reason in others]
    return files
