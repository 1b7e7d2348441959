"""The canonical clip lists and actor folds of RAVDESS and CREMA-D, committed in ``data_manifests/``.

``data_manifests/make.py`` makes them; ``data_manifests/README.md`` names the sources.
"""

import importlib.metadata
from functools import cache
from pathlib import Path

from emotionnet.corpora.manifest import COLUMNS, LATER
from emotionnet.errors import EmotionNetError
from emotionnet.files import read_csv

#: Those with a clip list, and those with folds over their actors.
CORPORA = ("ravdess", "crema_d")
FOLDED = (*CORPORA, "emodb", "enterface", "iemocap")
FOLDER = "data_manifests"

#: Columns of a clip list: those of a manifest that are facts of the set, then these.
#: perceived: what most of the crowd saw and heard, ties as ``angry:disgust`` (CREMA-D only).
#: copy_of: the clip whose sound recording is byte for byte the same.
#: bad_mp3: the clip's mp3 (not its wav) holds another clip's bytes.
#: problem: why the clip is left out of every protocol.
_FILE_COLUMNS = ("picture", "sound", "label_kind", *LATER)
LIST_COLUMNS = (
    *(column for column in COLUMNS if column not in _FILE_COLUMNS),
    *("perceived", "copy_of", "bad_mp3", "problem"),
)
FOLD_COLUMNS = ("actor", "sex", "fold")


def manifest_file(name: str) -> Path:
    """Finds a file of ``data_manifests/``, from a checkout or from an installed package.

    Raises:
        EmotionNetError: it is in neither place; the installation is incomplete.
    """
    above = Path(__file__).resolve().parents[2]
    places = [above / FOLDER / name, above / "share" / "emotionnet" / FOLDER / name]
    try:
        # Where a wheel's data files went depends on the installer's scheme; its record knows.
        for entry in importlib.metadata.files("emotionnet") or ():
            if entry.parts[-2:] == (FOLDER, name):
                places.append(Path(entry.locate()))
    except importlib.metadata.PackageNotFoundError:
        pass
    for place in places:
        if place.is_file():
            return place
    raise EmotionNetError(
        f"{FOLDER}/{name} is missing (looked in {places[0].parent}): install emotionnet again."
    )


@cache
def clip_list(corpus: str) -> dict[str, dict[str, str]]:
    """The clips of a corpus as published: name to its row (`LIST_COLUMNS`). Do not change it.

    Args:
        corpus: one of `CORPORA`.
    """
    return {row["clip"]: row for row in read_csv(manifest_file(f"{corpus}.csv"))}


@cache
def actor_folds(corpus: str) -> dict[str, int]:
    """Actor to the fold (from 1) whose test part it is; empty for a corpus without canonical folds."""
    if corpus not in FOLDED:
        return {}
    table = read_csv(manifest_file(f"{corpus}_actor_folds.csv"))
    return {row["actor"]: int(row["fold"]) for row in table}


@cache
def copies(corpus: str) -> dict[str, str]:
    """Clip to the clip whose sound it repeats byte for byte; empty where no such pair is known."""
    if corpus not in CORPORA:
        return {}
    return {clip: row["copy_of"] for clip, row in clip_list(corpus).items() if row["copy_of"]}
