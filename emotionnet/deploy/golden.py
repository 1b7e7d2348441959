"""Golden clips: inputs and the answers that a file gave for them, so that any machine can compare.

``golden/<clip>.npz`` holds the inputs of ``classify``; ``golden/expected.json`` the answers of the
Keras model (``reference``) and of each file (``expected``: of ``classify``, and of the live way
through ``encode_face``, ``encode_speech`` and ``fuse``); ``golden/front_end.npz`` the audio features
that the Keras layer gives for the first clip. Needs NumPy only.
"""

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from emotionnet.errors import EmotionNetError
from emotionnet.files import atomic_path, read_json, write_json
from emotionnet.inputs.kinds import STREAMS, streams_in, without

FOLDER = "golden"
EXPECTED, FRONT_END = f"{FOLDER}/expected.json", f"{FOLDER}/front_end.npz"
LIVE = ("encode_face", "encode_speech", "fuse")
#: What the Kotlin and the page give to ``fuse``.
_MOMENTS = {"embeddings", "frame_mask", "speech_logits", "waveform_samples"}
#: How far a file may be from its own answers on another processor, in probability.
OWN = {"float32": 1e-4, "float16": 1e-4, "onnx": 1e-4, "dynamic": 0.05, "int8": 0.05}
#: The least that a file is allowed to differ from Keras, where it was measured to differ less.
REFERENCE = {"float32": 1e-4, "float16": 0.01, "onnx": 1e-4, "dynamic": 0.02, "int8": 0.02}
#: The most that a file may differ from Keras: beyond it it computes something else (rounding alone was seen to
#: make 0.02, of landmarks). The others lose precision, and say how much; no file may answer with NaN.
MOST = {"float32": 0.1, "onnx": 0.1}
#: Features of the front-end on another processor, in their own unit (MFCC: dB).
FRONT_END_TOLERANCE = 0.01

Clip = Mapping[str, np.ndarray]


def variants(clips: Mapping[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    """The golden clips: two whole ones, and one without each stream.

    Args:
        clips: the inputs of at least one clip, (clips, ...).
    """
    last = len(next(iter(clips.values()))) - 1
    first, second = ({k: v[i : i + 1].copy() for k, v in clips.items()} for i in (0, last))
    missing = {f"no_{STREAMS[s].singular}": without(first, s) for s in streams_in(clips)}
    return {"whole_1": first, "whole_2": second, **missing}


def inputs_of(signatures: Mapping[str, Any]) -> dict[str, list[str]]:
    """Entry point → names of its inputs; ``signatures`` are those of a file, as in ``contract.json``."""
    return {
        name: [tensor["name"] for tensor in sides["inputs"]] for name, sides in signatures.items()
    }


def is_live(takes: Mapping[str, Collection[str]]) -> bool:
    """Whether the entry points of live use are there and take what the Kotlin and the page give them.

    Args:
        takes: entry point → names of its inputs.
    """
    return all(name in takes for name in LIVE) and set(takes["fuse"]) == _MOMENTS


def answers(model, clip: Clip) -> dict[str, dict[str, np.ndarray]]:
    """A file's answers: ``classify``, and ``live`` where it has the entry points for it.

    Args:
        model: of `emotionnet.deploy.litert.open_model`.
        clip: the inputs of ``classify``.
    """
    given = {"classify": model.run("classify", clip)}
    live = _live(model, clip)
    return given if live is None else {**given, "live": live}


def _live(model, clip: Clip) -> dict[str, np.ndarray] | None:
    """The answer by way of the parts, as in live use; None where the file has none, or none for whole
    clips alone (sound around a moment is cut by whoever has the stream)."""
    if "fuse" not in model.names:
        return None
    takes = inputs_of(model.signatures())
    of_moment = {kind.moment[0]: kind.content.name for kind in STREAMS.values()}
    known = dict(clip)
    for name in takes.keys() - {"classify", "front_end", "fuse"}:
        if set(takes[name]) <= set(clip):
            known |= model.run(name, {key: clip[key] for key in takes[name]})
        elif all(key in of_moment and of_moment[key] != "waveform" for key in takes[name]):
            moments = zip(*(clip[of_moment[key]][0] for key in takes[name]))
            codes = [
                model.run(name, {key: each[None] for key, each in zip(takes[name], moment)})
                for moment in moments
            ]
            known |= {
                f"{key}s": np.stack([code[key][0] for code in codes])[None] for key in codes[0]
            }
    if not set(takes["fuse"]) <= set(known):
        return None
    return model.run("fuse", {key: known[key] for key in takes["fuse"]})


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

    Raises:
        EmotionNetError: a file answers with NaN, or not as Keras does, see `MOST`.
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
            if not distance[precision] < MOST.get(precision, np.inf):
                raise EmotionNetError(
                    f"{precision}: its answers to the clip {name} are {distance[precision]:.3g} off those of the "
                    "Keras model (inf: NaN). The converter made another model of it: leave this precision out "
                    "(--precisions), or write the layer with other operations of keras.ops."
                )
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
    return read_json(Path(folder) / EXPECTED)


def _plain(outputs: Mapping[str, np.ndarray]) -> dict[str, list[float]]:
    return {name: [float(f"{v:.7g}") for v in np.ravel(outputs[name])] for name in sorted(outputs)}


def _write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, **arrays)
