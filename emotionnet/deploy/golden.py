"""Golden clips: inputs and the answers that a file gave for them, so that any machine can compare.

``golden/<clip>.npz`` holds the inputs of ``classify``; ``golden/expected.json`` the answers of the
Keras model (``reference``) and of each file (``expected``: of ``classify``, and of the live way
through ``encode_face``, ``encode_speech`` and ``fuse``); ``golden/front_end.npz`` the audio features
that the Keras layer gives for the first clip. Needs NumPy only.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from emotionnet.files import atomic_path, write_json

FOLDER = "golden"
EXPECTED, FRONT_END = f"{FOLDER}/expected.json", f"{FOLDER}/front_end.npz"
LIVE = ("encode_face", "encode_speech", "fuse")
#: How far a file may be from its own answers on another processor, in probability.
OWN = {"float32": 1e-4, "float16": 1e-4, "onnx": 1e-4, "dynamic": 0.05, "int8": 0.05}
#: The least that a file is allowed to differ from Keras, where it was measured to differ less.
REFERENCE = {"float32": 1e-4, "float16": 0.01, "onnx": 1e-4, "dynamic": 0.02, "int8": 0.02}
#: Features of the front-end on another processor, in their own unit (MFCC: dB).
FRONT_END_TOLERANCE = 0.01

Clip = Mapping[str, np.ndarray]


def variants(clips: Mapping[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    """The golden clips: two whole ones, one without sound, one without a face.

    Args:
        clips: the four inputs of at least one clip, (clips, ...).
    """
    count = len(clips["faces"])
    first, second = ({k: v[i : i + 1].copy() for k, v in clips.items()} for i in (0, count - 1))
    silent, faceless = ({k: v.copy() for k, v in first.items()} for _ in range(2))
    silent["waveform"][:], silent["waveform_samples"][:] = 0, 0
    faceless["faces"][:], faceless["frame_mask"][:] = 0, 0
    return {"whole_1": first, "whole_2": second, "no_sound": silent, "no_face": faceless}


def answers(model, clip: Clip) -> dict[str, dict[str, np.ndarray]]:
    """What a file answers: ``classify``, and ``live`` where it has the entry points for it.

    Args:
        model: of `emotionnet.deploy.litert.open_model`.
        clip: the inputs of ``classify``.
    """
    given = {"classify": model.run("classify", clip)}
    if all(name in model.names for name in LIVE):
        faces = [model.run("encode_face", {"face": face[None]}) for face in clip["faces"][0]]
        sound = {name: clip[name] for name in ("waveform", "waveform_samples")}
        given["live"] = model.run(
            "fuse",
            {
                "embeddings": np.stack([face["embedding"][0] for face in faces])[None],
                "frame_mask": clip["frame_mask"],
                "speech_logits": model.run("encode_speech", sound)["speech_logits"],
                "waveform_samples": clip["waveform_samples"],
            },
        )
    return given


def write(
    folder: str | os.PathLike,
    clips: Mapping[str, Clip],
    reference: Mapping[str, Mapping[str, np.ndarray]],
    models: Mapping[str, Any],
    features: np.ndarray | None,
) -> dict[str, dict[str, float]]:
    """Writes ``golden/`` and returns the tolerances of each precision.

    Args:
        folder: the bundle.
        clips: of `variants`.
        reference: clip → answers of the Keras model by output.
        models: precision → opened file.
        features: of the front-end for the first clip; None where there is none.
    """
    folder = Path(folder)
    (folder / FOLDER).mkdir()
    for name, clip in clips.items():
        _write_arrays(folder / FOLDER / f"{name}.npz", clip)
    if features is not None:
        _write_arrays(folder / FRONT_END, {"features": features})
    expected: dict[str, Any] = {}
    distance = dict.fromkeys(models, 0.0)
    for name, clip in clips.items():
        given = {precision: answers(model, clip) for precision, model in models.items()}
        expected[name] = {
            "inputs": f"{FOLDER}/{name}.npz",
            "reference": _plain(reference[name]),
            "expected": {
                precision: {way: _plain(outputs) for way, outputs in ways.items()}
                for precision, ways in given.items()
            },
        }
        for precision, ways in given.items():
            far = [farthest(outputs, reference[name]) for outputs in ways.values()]
            distance[precision] = max(distance[precision], *far)
    write_json(folder / EXPECTED, expected)
    return {
        precision: {
            "own": OWN[precision],
            "reference": round(max(REFERENCE[precision], far + OWN[precision]), 4),
            "measured_reference": float(f"{far:.3g}"),
            "front_end": FRONT_END_TOLERANCE,
        }
        for precision, far in distance.items()
    }


def farthest(
    outputs: Mapping[str, np.ndarray], wanted: Mapping[str, np.ndarray | list[float]]
) -> float:
    """The largest difference over all outputs; infinite where a number is NaN or missing."""
    if set(outputs) != set(wanted):
        return float("inf")
    far = [np.abs(np.ravel(outputs[name]) - np.ravel(wanted[name])).max() for name in wanted]
    return float("inf") if np.isnan(far).any() else float(max(far))


def read(folder: str | os.PathLike) -> dict[str, Any]:
    """What ``golden/expected.json`` says."""
    return json.loads((Path(folder) / EXPECTED).read_text(encoding="utf-8"))


def _plain(outputs: Mapping[str, np.ndarray]) -> dict[str, list[float]]:
    return {name: [float(f"{v:.7g}") for v in np.ravel(outputs[name])] for name in sorted(outputs)}


def _write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, **arrays)
