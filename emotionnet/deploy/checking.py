"""Checks everything that a bundle promises; the first mismatch is an error. Needs no TensorFlow."""

from pathlib import Path
from typing import Any

import numpy as np

from emotionnet.corpora.listing import is_dropping
from emotionnet.deploy import golden
from emotionnet.deploy.bundle import SUMS, Bundle, read_sums
from emotionnet.deploy.litert import open_model
from emotionnet.errors import EmotionNetError
from emotionnet.files import file_sha256

_NEEDED = ("contract.json", "labels.txt", "MODEL_CARD.md", "golden/expected.json")
_SMALL = {"INT8", "UINT8", "INT16"}


def check_bundle(folder: Path) -> list[dict[str, Any]]:
    """What `emotionnet.verify` does to a folder that has checksums.

    Raises:
        EmotionNetError: the first thing that is not as the bundle says.
    """
    _check_sums(folder)
    contract = _read_contract(folder)
    return [_check_file(folder, contract, precision) for precision in contract["files"]]


def _check_sums(folder: Path) -> None:
    listed = read_sums(folder)
    there = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    # Looking at a folder is no change of it: a Mac leaves a file in each.
    found = {path.as_posix() for path in there if not any(map(is_dropping, path.parts))} - {SUMS}
    for name in sorted(set(listed) - found):
        raise EmotionNetError(f"{folder / name}: is missing, {SUMS} names it.")
    for name in sorted(found - set(listed)):
        raise EmotionNetError(f"{folder / name}: is not in {SUMS}: it was added afterwards.")
    for name in _NEEDED:
        if name not in listed:
            raise EmotionNetError(f"{folder / SUMS}: does not name {name}: it was changed.")
    for name, digest in sorted(listed.items()):
        if file_sha256(folder / name) != digest:
            raise EmotionNetError(f"{folder / name}: was changed or damaged: wrong SHA-256.")


def _read_contract(folder: Path) -> dict[str, Any]:
    path, contract = folder / "contract.json", Bundle.open(folder).contract
    try:
        labels, files = contract["labels"], contract["files"]
        outputs = contract["signatures"]["classify"]["outputs"]
    except (KeyError, TypeError) as error:
        raise EmotionNetError(f"{path}: is no contract of a bundle ({error!r}).") from None
    if (folder / "labels.txt").read_text(encoding="utf-8").splitlines() != labels:
        raise EmotionNetError(f"{folder / 'labels.txt'}: other labels than contract.json.")
    for tensor in outputs:
        if tensor["shape"][-1] != len(labels):
            raise EmotionNetError(
                f"{path}: {len(labels)} labels, but {tensor['name']} has {tensor['shape'][-1]}."
            )
    if not files:
        raise EmotionNetError(f"{path}: names no model file.")
    return contract


def _check_file(folder: Path, contract: dict[str, Any], precision: str) -> dict[str, Any]:
    entry = contract["files"][precision]
    path = folder / entry["file"]
    if not path.is_file():
        raise EmotionNetError(f"{path}: is missing, contract.json names it.")
    if path.stat().st_size != entry["bytes"]:
        raise EmotionNetError(f"{path}: has {path.stat().st_size} bytes, not {entry['bytes']}.")
    model = open_model(path)
    _check_signatures(path, contract, model)
    row = {"precision": precision, "file": path.name, "mb": round(entry["bytes"] / 1e6, 2)}
    row["operators"] = _check_operators(path, model) if path.suffix == ".tflite" else None
    return row | _check_golden(folder, contract, precision, model)


def _check_signatures(path: Path, contract: dict[str, Any], model) -> None:
    told = contract["signatures"]
    if path.suffix == ".onnx":
        told = {"classify": told["classify"]}
    real = model.signatures()
    if sorted(told) != sorted(real):
        raise EmotionNetError(
            f"{path}: has the entry points {', '.join(sorted(real))}; contract.json says "
            f"{', '.join(sorted(told))}."
        )
    for name, sides in real.items():
        for side, tensors in sides.items():
            said = {tensor["name"]: tensor for tensor in told[name][side]}
            for tensor in tensors:
                claim = said.pop(tensor["name"], {})
                for key, value in tensor.items():
                    if claim.get(key) != value:
                        raise EmotionNetError(
                            f"{path}: {name}: {key} of {tensor['name']} is {value}; "
                            f"contract.json says {claim.get(key)}."
                        )
            for missing in said:
                raise EmotionNetError(
                    f"{path}: {name} has no {missing}, which contract.json names."
                )


def _check_operators(path: Path, model) -> int:
    operators = model.operators()
    for operator in operators:
        if not operator["builtin"]:
            raise EmotionNetError(
                f"{path}: needs {operator['op']}, which is no builtin operator of LiteRT."
            )
        if operator["subgraph"] == "front_end" and _SMALL & set(operator["types"]):
            raise EmotionNetError(
                f"{path}: the audio front-end is not float32 ({operator['output']})."
            )
    return len(operators)


def _check_golden(folder: Path, contract: dict[str, Any], precision: str, model) -> dict[str, Any]:
    tolerance = contract["tolerances"][precision]
    clips = golden.read(folder)
    if not clips:
        raise EmotionNetError(f"{folder / golden.EXPECTED}: holds no clips.")
    off_own = off_keras = 0.0
    for name, clip in clips.items():
        inputs = _arrays(folder / clip["inputs"])
        for way, outputs in golden.answers(model, inputs).items():
            own = golden.farthest(outputs, clip["expected"][precision].get(way, {}))
            keras = golden.farthest(outputs, clip["reference"])
            for far, allowed, what in (
                (own, tolerance["own"], "its answers when it was made"),
                (keras, tolerance["reference"], "the Keras model's answers"),
            ):
                if not far <= allowed:
                    raise EmotionNetError(
                        f"{folder / contract['files'][precision]['file']}: golden clip {name} "
                        f"({way}) is {far:.3g} off {what}; {allowed:g} is allowed."
                    )
            off_own, off_keras = max(off_own, own), max(off_keras, keras)
    return {
        "clips": len(clips),
        "off_expected": off_own,
        "off_keras": off_keras,
        "off_front_end": _check_front_end(folder, clips, tolerance, model),
    }


def _check_front_end(folder: Path, clips, tolerance, model) -> float | None:
    if "front_end" not in model.names:
        return None
    wanted = _arrays(folder / golden.FRONT_END)
    inputs = _arrays(folder / next(iter(clips.values()))["inputs"])
    sound = {name: inputs[name] for name in ("waveform", "waveform_samples")}
    far = golden.farthest(model.run("front_end", sound), wanted)
    if not far <= tolerance["front_end"]:
        raise EmotionNetError(
            f"{model.path}: the audio features are {far:.3g} off the golden ones; "
            f"{tolerance['front_end']:g} is allowed."
        )
    return far


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except (OSError, ValueError) as error:
        raise EmotionNetError(f"{path}: cannot be read ({error}).") from None
