"""What a run was measured to be worth: its ``metrics….json``, as long as they are of the model that it has."""

import os
from pathlib import Path
from typing import Any

from emotionnet.files import file_sha256, read_json

#: Key of ``metrics….json``: SHA-256 of the ``model.keras`` that answered.
MODEL = "model_sha256"


def read_metrics(path: str | os.PathLike, *beside: Path) -> dict[str, Any] | None:
    """What a ``metrics….json`` says; None where there is none, or the model beside it is another than it is of.

    Where there is no model (a group of runs, one that was taken away), any numbers count.

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
    model = path.with_name("model.keras")
    if not model.is_file():
        return metrics
    if MODEL in metrics:
        return metrics if metrics[MODEL] == file_sha256(model) else None
    written = min(each.stat().st_mtime for each in (path, *beside))
    return metrics if written >= model.stat().st_mtime else None


def on_other_clips(folder: str | os.PathLike) -> list[dict[str, Any]]:
    """What a run was measured on beside its own test clips: each ``metrics_….json`` of a corpus, plainly asked."""
    found = filter(None, map(read_metrics, sorted(Path(folder).glob("metrics*.json"))))
    return [m for m in found if m.get("on") and not m.get("mask") and not m.get("mirror")]
