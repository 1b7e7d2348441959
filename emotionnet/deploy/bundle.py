"""A bundle, opened: the folder that `emotionnet.export` makes, and what of a run is in it.

Needs NumPy, and LiteRT (or ONNX Runtime) to answer; no TensorFlow, no Keras.
"""

import importlib.util
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from emotionnet.classes import Classes
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.files import file_sha256, read_json, sha256, write_text
from emotionnet.shipped import shipped, shipped_bundle

#: Of the contract; rises when the meaning of a field changes.
FORMAT = 1
CONTRACT, SUMS = "contract.json", "SHA256SUMS"
#: What is read of a contract by all that use a bundle.
_READ = (
    *("name", "system", "system_config", "labels", "files", "signatures"),
    *("faces", "sound", "fusion", "provenance"),
)
#: Folder of a run for a bundle that `emotionnet.predict` answers from in its place, see `quick_bundle`.
QUICK = "quick"
#: Precisions, the one first whose answers are closest to the run's.
_CLOSEST = ("float32", "float16", "dynamic", "int8", "onnx")


@dataclass(frozen=True)
class Bundle:
    """An opened bundle; it answers as `emotionnet.training.run.Run` does.

    Attributes:
        folder: where it is.
        contract: what ``contract.json`` says.
    """

    folder: Path
    contract: dict[str, Any]

    @classmethod
    def open(cls, folder: str | os.PathLike) -> "Bundle":
        """Opens a bundle.

        Raises:
            UsageError: there is none.
            EmotionNetError: its contract is damaged, or of another version.
        """
        folder = Path(folder)
        path = folder / CONTRACT
        if not path.is_file():
            raise UsageError(
                f"{folder}: no bundle here (no {CONTRACT}). `python -m emotionnet.export` makes one."
            )
        try:
            contract = read_json(path)
            found = contract["format"]
            for key in _READ:
                contract[key]
        except (ValueError, KeyError, TypeError) as error:
            raise EmotionNetError(f"{path}: is no contract of a bundle ({error!r}).") from None
        if found != FORMAT:
            raise EmotionNetError(
                f"{path}: of format {found!r}; this version reads format {FORMAT}."
            )
        return cls(folder, contract)

    @property
    def name(self) -> str:
        """Of the run that it was made of."""
        return self.contract["name"]

    @property
    def labels(self) -> tuple[str, ...]:
        """Label names in the order of the model's outputs."""
        return tuple(self.contract["labels"])

    @property
    def config(self) -> dict[str, Any]:
        """The entries of the run's config that it keeps."""
        return {**self.contract["provenance"], "streams": self.contract["fusion"]["streams"]}

    @property
    def classes(self) -> Classes:
        """Emotions that were merged or left out before the training."""
        return Classes.from_config(self.config)

    @cached_property
    def sums(self) -> dict[str, str]:
        """File → what ``SHA256SUMS`` says of it."""
        return read_sums(self.folder)

    def view(self):
        """The `emotionnet.inputs.views.View` of the run's system."""
        from emotionnet.inputs.views import View

        faces, sound = self.contract["faces"], self.contract["sound"]
        sizes = {
            **self.contract["system_config"],
            # Bundles of before have it there, where it is a setting.
            **({"frame_hz": faces["rate_hz"]} if "rate_hz" in faces else {}),
            "frames": faces["frames"],
            "image_size": faces["size"],
            "samples": sound["samples"],
        }
        return View.of(sizes)

    def read(self, name: str) -> bytes:
        """The content of a file, checked against ``SHA256SUMS``.

        Raises:
            EmotionNetError: it is missing, or was changed.
        """
        path = self.folder / name
        try:
            content = path.read_bytes()
        except OSError as error:
            raise EmotionNetError(f"{path}: cannot be read ({error.strerror}).") from None
        if self.sums.get(name) != sha256(content):
            raise EmotionNetError(
                f"{path}: is not as {SUMS} says: it was changed or damaged. Copy the bundle again."
            )
        return content

    def fingerprint(self) -> str:
        """Hash of all that it answers with."""
        return sha256(json.dumps(self.sums, sort_keys=True))

    def model(self, live: bool = False):
        """The file whose answers are closest to the run's, opened; see `emotionnet.deploy.litert.open_model`.

        Args:
            live: of those that have the entry points of live use.

        Raises:
            EmotionNetError: the file is damaged, or what runs it is not installed.
        """
        from emotionnet.deploy.litert import open_model

        files = self.contract["files"]
        known = [each for each in _CLOSEST if each in files and not (live and each == "onnx")]
        if not known:
            raise EmotionNetError(f"{self.folder / CONTRACT}: names no model file for this.")
        file = files[known[0]]["file"]
        self.read(file)
        return open_model(self.folder / file)

    def answerer(self) -> "Answerer":
        """What answers clips, see `model`."""
        takes = [tensor["name"] for tensor in self.contract["signatures"]["classify"]["inputs"]]
        return Answerer(self.model(), takes)


class Answerer:
    """A model file that is asked as a Keras model is.

    Args:
        model: of `emotionnet.deploy.litert.open_model`.
        takes: names of its inputs.
    """

    def __init__(self, model, takes):
        self._model, self._takes = model, tuple(takes)

    def predict_on_batch(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The outputs by name, (clips, classes).

        Args:
            inputs: of clips, (clips, …) by name.
        """
        clips = range(len(inputs[self._takes[0]]))
        answers = [
            self._model.run("classify", {name: inputs[name][i : i + 1] for name in self._takes})
            for i in clips
        ]
        return {name: np.concatenate([answer[name] for answer in answers]) for name in answers[0]}


def quick_bundle(run) -> Bundle | None:
    """The bundle in a run's folder ``quick``: float32, and made of the model that the run has now.

    Args:
        run: opened, see `open_run`.

    Returns:
        The bundle; None where there is none, LiteRT is not installed, or its model is another.

    Raises:
        EmotionNetError: it is damaged, or of another version.
    """
    folder = run.folder / QUICK
    if isinstance(run, Bundle) or not is_bundle(folder):
        return None
    bundle, model = Bundle.open(folder), run.folder / "model.keras"
    if (
        importlib.util.find_spec("ai_edge_litert") is None
        or "float32" not in bundle.contract["files"]
    ):
        return None
    if model.is_file() and bundle.config.get("model_sha256") == file_sha256(model):
        return bundle
    print(f"note: {folder} is of another model than {model}, and is not used.", file=sys.stderr)
    return None


def open_run(place: str | os.PathLike, inside: bool = False):
    """Opens what answers about clips: a run, or a bundle.

    Args:
        place: a folder, or the name of a run that comes with EmotionNet, which is asked as its bundle.
        inside: whether its networks are wanted themselves; of such a name then the run is opened.

    Returns:
        A `Bundle`, or an `emotionnet.training.run.Run`.

    Raises:
        UsageError: there is neither.
        EmotionNetError: it is damaged, or of another version.
    """
    place = shipped(place) if inside else shipped_bundle(place)
    if is_bundle(place):
        return Bundle.open(place)
    from emotionnet.training.run import Run

    return Run.open(place)


def is_bundle(folder: str | os.PathLike) -> bool:
    """Whether a folder holds a bundle, or what once was one."""
    return Path(folder, CONTRACT).is_file()


def read_sums(folder: Path) -> dict[str, str]:
    """File → its checksum, as the bundle says.

    Raises:
        EmotionNetError: it says nothing.
    """
    path = folder / SUMS
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise EmotionNetError(f"{path}: cannot be read ({error}).") from None
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def write_sums(folder: str | os.PathLike) -> None:
    """Writes ``SHA256SUMS`` over every other file, in the format of ``sha256sum``."""
    folder = Path(folder)
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    lines = [f"{file_sha256(folder / name)}  {name}" for name in names if name != SUMS]
    write_text(folder / SUMS, "\n".join(lines) + "\n")
