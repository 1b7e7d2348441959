"""Compares a bundle's files with Keras, and times them."""

import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emotionnet.deploy.bundle import Answerer
from emotionnet.deploy.latency import litert_runner, onnx_runner, time_runs
from emotionnet.inputs.kinds import FUSED, OUTPUTS, present
from emotionnet.interpreter import hidden_stderr

#: Float's lead over its second answer from which on another answer counts as a change of mind.
MARGIN = 0.1


def accuracy(
    models: Mapping[str, Any],
    clips: Mapping[str, np.ndarray],
    targets: np.ndarray,
    reference: Mapping[str, np.ndarray],
    streams: Sequence[str],
) -> dict[str, Any]:
    """Each file against the Keras model, on the same clips.

    Args:
        models: precision → opened file.
        clips: their inputs, (n, ...).
        targets: label numbers (n,).
        reference: output → the Keras model's answers (n, classes).
        streams: that were trained.

    Returns:
        ``clips`` (n), ``keras`` and each precision; each with ``fused`` (of the clips that have a trained stream)
        and the trained streams (of those that have it): ``clips`` (their number), ``accuracy``, and for files
        ``agreement`` (share of clips with Keras's answer),
        ``agreement_clear`` (of those where Keras leads by `MARGIN`), ``clear`` (their number) and
        ``largest_difference`` in probability.
    """
    kinds = {k: v for k, v in OUTPUTS.items() if k == FUSED or k in streams}
    count = len(targets)
    answers = {"keras": {output: np.asarray(reference[output]) for output in kinds.values()}}
    for precision, model in models.items():
        answers[precision] = Answerer(model, clips).predict_on_batch(clips)
    # A clip without a stream is no question to it: all files agree there on the same even answer.
    asked = {stream: present(clips, stream) for stream in streams}
    asked[FUSED] = np.any(list(asked.values()), axis=0)
    result: dict[str, Any] = {"clips": count, "margin": MARGIN}
    for name, given in answers.items():
        result[name] = {
            kind: _compare(
                *(each[asked[kind]] for each in (given[output], answers["keras"][output], targets)),
                alone=name == "keras",
            )
            for kind, output in kinds.items()
            if asked[kind].any()
        }
    return result


def _compare(given, reference, targets, alone: bool) -> dict[str, Any]:
    chosen, wanted = given.argmax(axis=1), reference.argmax(axis=1)
    scores = {"clips": len(targets), "accuracy": float(np.mean(chosen == targets))}
    if alone:
        return scores
    ordered = np.sort(reference, axis=1)
    clear = ordered[:, -1] - ordered[:, -2] >= MARGIN
    same = chosen == wanted
    return {
        **scores,
        "agreement": float(same.mean()),
        "agreement_clear": float(same[clear].mean()) if clear.any() else None,
        "clear": int(clear.sum()),
        "largest_difference": float(np.abs(given - reference).max()),
    }


def benchmark(
    folder: str | os.PathLike, files: Mapping[str, Mapping[str, Any]], names: Sequence[str]
) -> dict[str, Any]:
    """Median times of every entry point of every file on one thread of this machine.

    Args:
        folder: the bundle.
        files: precision → ``file`` …
        names: entry points of the ``.tflite`` files.

    Returns:
        ``machine``, ``threads``, ``runs``, and ``times``: precision → entry point → ``median_ms``.
    """
    # The runtime tells of each accelerator that it looks for, and parts with.
    with hidden_stderr():
        times = {
            precision: _times(Path(folder) / entry["file"], names)
            for precision, entry in files.items()
        }
    machine = {"machine": platform.machine(), "cpus": os.cpu_count(), "system": platform.system()}
    return {"machine": machine, "threads": 1, "runs": RUNS, "times": times}


def _times(path: Path, names: Sequence[str]) -> dict[str, dict[str, float]]:
    if path.suffix == ".onnx":
        runners = {"classify": onnx_runner(path)}
    else:
        runners = {name: litert_runner(path, signature=name) for name in names}
    spent_s = {name: np.median(time_runs(run, RUNS)) for name, run in runners.items()}
    return {name: {"median_ms": round(1e3 * float(each), 3)} for name, each in spent_s.items()}


RUNS = 20
