"""What a run was measured to be worth: its ``metrics….json``, as long as they are of the model that it has."""

import os
from pathlib import Path
from typing import Any

from emotionnet.files import file_sha256, read_json

#: Key of ``metrics….json``: SHA-256 of the ``model.keras`` that answered.
MODEL = "model_sha256"


def read_metrics(path: str | os.PathLike, *beside: Path) -> dict[str, Any] | None:
    """What a ``metrics….json`` says; None where there is none, or a model is another than it is of.

    That is the model beside it, or those of the runs of a group. Where there is none (one that was taken away),
    any numbers count.

    Args:
        path: of the file.
        beside: the other files of that evaluation. Numbers from before they named their model are of an earlier one
            if any of these files is older than the model.
    """
    path = Path(path)
    try:
        metrics = read_json(path)
    except (OSError, ValueError):  # not there, or damaged: what evaluates again mends it
        return None
    written_s = min(each.stat().st_mtime for each in (path, *beside))
    runs = {path.parent / each["run"]: each for each in metrics.get("runs", ())}
    for folder, numbers in (runs or {path.parent: metrics}).items():
        if not _are_of(numbers, folder / "model.keras", written_s):
            return None
    return metrics


def _are_of(numbers: dict[str, Any], model: Path, written_s: float) -> bool:
    """Whether ``numbers`` that were written at ``written_s`` are of the file ``model``, or that is not there."""
    if not model.is_file():
        return True
    if MODEL in numbers:
        return numbers[MODEL] == file_sha256(model)
    return written_s >= model.stat().st_mtime


def on_other_clips(folder: str | os.PathLike) -> list[dict[str, Any]]:
    """What a run was measured on beside its own test clips: each ``metrics_….json`` of a corpus, plainly asked."""
    found = filter(None, map(read_metrics, sorted(Path(folder).glob("metrics*.json"))))
    return [m for m in found if m.get("on") and not m.get("mask") and not m.get("mirror")]
