"""The Android part of a bundle: Kotlin source and a guide, filled in from ``contract.json``."""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emotionnet.clips.sound import SILENCE_STEPS
from emotionnet.deploy.detectors import DETECTORS
from emotionnet.deploy.golden import inputs_of, is_live
from emotionnet.errors import EmotionNetError
from emotionnet.files import write_text
from emotionnet.templates import render

#: What an app depends on; both LiteRT APIs are in it from 2.1.0 (CompiledModel alone in 2.0).
LITERT_ANDROID = "2.3.0"
#: LiteRT 2.3 declares the first, and was built with Kotlin 2.4; a compiler reads one version ahead.
MINIMUM_SDK, KOTLIN = 24, "2.3"
COROUTINES = "1.10.2"
PACKAGE = "emotionnet"
#: What the Kotlin gives to ``classify``.
_INPUTS = {"faces", "frame_mask", "waveform", "waveform_samples"}
_FILES = ("EmotionInputs.kt", "EmotionClassifier.kt", "EmotionCoroutines.kt", "ANDROID.md")
#: The smallest file that keeps the answers is the one for a phone.
_BEST = ("int8", "dynamic", "float16", "float32")


def write_android_files(out_dir: str | os.PathLike, contract: Mapping[str, Any]) -> list[Path]:
    """Writes the Kotlin sources and ``ANDROID.md``.

    Args:
        out_dir: the bundle's folder.
        contract: as `emotionnet.deploy.contract.make_contract` gives it. The live part is left out where
            entry points for it are missing, or take something else, see `emotionnet.deploy.golden.is_live`.

    Returns:
        The files written; none where ``classify`` takes something else than faces and sound, as landmarks.

    Raises:
        EmotionNetError: the contract asks for something that the Kotlin source does not do.
    """
    if set(inputs_of(contract["signatures"])["classify"]) != _INPUTS:
        return []
    values = _values(contract)
    written = []
    for name in _FILES:
        path = Path(out_dir) / name
        write_text(path, render(f"android/{name}", **values))
        written.append(path)
    return written


def _values(contract: Mapping[str, Any]) -> dict[str, Any]:
    signatures, crop, sound = contract["signatures"], contract["crop"], contract["sound"]
    if crop["upright"]:
        raise EmotionNetError("the Kotlin crop does not turn pictures: crop with upright=False.")
    outputs = {name: _outputs(signature) for name, signature in signatures.items()}
    faces = contract["faces"]
    precision = best_precision(contract["files"])
    file = contract["files"][precision]
    labels, streams = contract["labels"], contract["fusion"]["streams"]
    return {
        "live": is_live(inputs_of(signatures)),
        "package": PACKAGE,
        "name": _kotlin_string(contract["name"]),
        "title": contract["name"],
        "model_file": _kotlin_string(file["file"]),
        "file": file["file"],
        "precision": precision,
        "own": f"{contract['tolerances'][precision]['own']:g}",
        "megabytes": f"{file['bytes'] / 1e6:.2f}",
        "labels": ", ".join(_kotlin_string(label) for label in labels),
        "labels_count": str(len(labels)),
        "label_rows": "\n".join(f"| {i} | {label} |" for i, label in enumerate(labels)),
        "frames": str(faces["frames"]),
        "face_size": str(faces["size"]),
        "sees": "faces" in streams,
        "hears": "speech" in streams,
        "faces_hz": repr(float(faces.get("rate_hz", 0))),
        "sample_rate_hz": str(sound["sample_rate_hz"]),
        "samples": str(sound["samples"]),
        "silence_steps": str(SILENCE_STEPS),
        "window_s": f"{sound['window_s']:g}",
        "frame_ms": f"{1000 * sound['window_s'] / faces['frames']:.0f}",
        "detectors": [_detector(row) for row in crop.get("detectors", DETECTORS)],
        "detector": "Detector.ML_KIT",
        "embedding": str(outputs.get("encode_face", {}).get("embedding", 0)),
        "outputs": "\n".join(
            f"    {_kotlin_string(name)} to mapOf("
            + ", ".join(f"{_kotlin_string(key)} to {size}" for key, size in sizes.items())
            + "),"
            for name, sizes in outputs.items()
        ),
        "corpus": str(contract["provenance"].get("corpus", "unknown")),
        "litert": LITERT_ANDROID,
        "kotlin": KOTLIN,
        "coroutines": COROUTINES,
        "minimum_sdk": str(MINIMUM_SDK),
        "minimum_runtime": str(contract["minimum_runtime"] or "unknown"),
    }


def _detector(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of ``crop.detectors`` as the templates take it."""
    return {
        **row,
        "constant": re.sub(r"\W+", "_", row["detector"]).upper(),
        "note": f"{row['detector']}, mouth: {row['mouth']}; {row['measured']}",
    }


def _outputs(signature: Mapping[str, Any]) -> dict[str, int]:
    """Output name to number of values; checks that the tensors are of the types written in Kotlin."""
    types = {"faces": "uint8", "face": "uint8", "waveform_samples": "int32"}
    for tensor in (*signature["inputs"], *signature["outputs"]):
        expected = types.get(tensor["name"], "float32")
        if tensor["dtype"] != expected:
            raise EmotionNetError(
                f"{tensor['name']} is {tensor['dtype']} in this model; the Kotlin source is "
                f"written for {expected}."
            )
    sizes = {}
    for tensor in signature["outputs"]:
        sizes[tensor["name"]] = 1
        for dimension in tensor["shape"]:
            sizes[tensor["name"]] *= dimension
    return sizes


def best_precision(files: Mapping[str, Mapping[str, Any]]) -> str:
    """The precision of the file for a phone, or a browser: the first of `_BEST` that is in ``files``."""
    for precision in _BEST:
        if precision in files:
            return precision
    raise EmotionNetError("the contract names no .tflite file, which phones and browsers need.")


def _kotlin_string(text: str) -> str:
    # JSON's escapes are Kotlin's; only $ means something more.
    return json.dumps(text).replace("$", "\\$")
