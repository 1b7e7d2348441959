"""The runs that come with EmotionNet, known by their names: ``people``."""

import importlib.metadata
import os
from pathlib import Path

FOLDER = "saved_models"
#: Inside such a run: what `emotionnet.export` made of it.
BUNDLE = "bundle"
#: A file of a run, of a group of runs, of a bundle.
_OF_A_RUN = ("config.json", "*/config.json", "contract.json")
_ABOVE = Path(__file__).resolve().parents[1]
#: In a source tree, and where a wheel puts its data.
PLACES = [_ABOVE / FOLDER, _ABOVE / "share" / "emotionnet" / FOLDER]


def shipped(folder: str | os.PathLike) -> Path:
    """The run called so that comes with EmotionNet, where ``folder`` itself holds no run, group or bundle; else ``folder``."""
    folder = Path(folder)
    own = (path for name in _OF_A_RUN for path in folder.glob(name))
    if len(folder.parts) != 1 or folder.is_absolute() or any(own):
        return folder
    found = (place / folder for place in (*PLACES, *_installed(folder.name)))
    return next((each for each in found if (each / "config.json").is_file()), folder)


def shipped_bundle(folder: str | os.PathLike) -> Path:
    """The bundle of the run called so that comes with EmotionNet, if it has one; else ``folder``."""
    bundle = shipped(folder) / BUNDLE
    known = Path(folder) != bundle.parent
    return bundle if known and (bundle / "contract.json").is_file() else Path(folder)


def _installed(name: str) -> list[Path]:
    """Where a wheel's data files went depends on the installer's scheme; its record knows."""
    try:
        files = importlib.metadata.files("emotionnet") or ()
    except importlib.metadata.PackageNotFoundError:
        return []
    wanted = (FOLDER, name, "config.json")
    return [Path(file.locate()).resolve().parents[1] for file in files if file.parts[-3:] == wanted]
