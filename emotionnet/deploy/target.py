"""The target of `cost`: a system, a run or a file, as the graph that is counted and the file that is timed."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emotionnet.deploy import graphs
from emotionnet.deploy.convert import convert
from emotionnet.errors import UsageError
from emotionnet.systems import SYSTEMS, build_model, load_model, without_weights

#: Kinds of files.
FILES = (".keras", ".tflite", ".onnx")


def read_target(
    target: str | os.PathLike, num_classes: int, signature: str | None, config: Mapping[str, Any],
    scratch: Path, timed: bool,
):  # fmt: skip
    """The target's graph, and the file that can be timed (None where there is none).

    Args:
        target, num_classes, signature, config: as of `emotionnet.cost`.
        scratch: folder for a file that is made.
        timed: whether one is wanted.

    Raises:
        UsageError: there is nothing of that name, or ``config`` is not for it.
    """
    path = Path(target)
    if path.suffix in (".tflite", ".onnx"):
        if config:
            raise UsageError(f"{path}: --set is for systems; a file is what it is.")
        if not path.is_file():
            raise UsageError(f"{path}: no such file.")
        if path.suffix == ".onnx":
            return graphs.onnx_graph(path), path
        return graphs.tflite_graph(path, signature), path
    model = _model(path, str(target), num_classes, config)
    return graphs.keras_graph(model), float32_file(model, scratch) if timed else None


def _model(path: Path, name: str, num_classes: int, config: dict):
    if name in SYSTEMS:
        return build_model(name, num_classes, **(without_weights(name) | config))
    if config:
        raise UsageError(f"{name}: --set is for systems ({', '.join(SYSTEMS)}), not for runs.")
    if path.suffix == ".keras":
        return load_model(path)
    if path.is_dir():
        from emotionnet.training.run import Run

        return Run.open(path).model()
    raise UsageError(
        f"{name}: no system ({', '.join(SYSTEMS)}), no run folder, and no {', '.join(FILES)} file."
    )


def float32_file(model, scratch: Path) -> Path:
    """The model as the file that goes to a phone, in float32.

    Args:
        model: of Keras.
        scratch: folder that it is made in.

    Raises:
        EmotionNetError: it cannot be converted.
    """
    model.save(scratch / "model.keras")
    convert(scratch, {"model": str(scratch / "model.keras"), "precisions": ["float32"],
                      "onnx": False})  # fmt: skip
    return scratch / "float32.tflite"
