"""The conversion itself, in a separate process: the converter can abort the process it runs in.

``python -m emotionnet.deploy.convert FOLDER`` reads ``job.json`` (``model``, ``precisions``,
``onnx``) and ``calibration.npz`` in FOLDER, and writes ``<precision>.tflite``, ``model.onnx`` and
``result.json`` there. `emotionnet.deploy.convert.convert` runs it.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emotionnet.errors import EmotionNetError
from emotionnet.files import read_json

#: What can be asked for, the largest file first. "onnx" is made beside them.
PRECISIONS = ("float32", "float16", "dynamic", "int8")
#: What runs in the separate process; the folder follows.
COMMAND = (sys.executable, "-m", "emotionnet.deploy.convert")


def convert(
    folder: str | os.PathLike, job: dict[str, Any], timeout_s: float = 900
) -> dict[str, Any]:
    """Runs the conversion in a separate process.

    Args:
        folder: where it works; holds ``calibration.npz`` where int8 is asked for.
        job: ``model`` (path of a ``.keras`` file), ``precisions``, ``onnx`` (whether), ``system`` (its
            name; by default that of the model).
        timeout_s: after which it is given up.

    Returns:
        ``quantised_layers``; the files are in ``folder``.

    Raises:
        EmotionNetError: it failed, crashed or took too long; what it said last is in the message.
    """
    folder = Path(folder)
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
    log = folder / "convert.log"
    # A system may be a module of the user's own, which this process could import.
    path = os.pathsep.join(filter(None, sys.path))
    environment = {
        **os.environ,
        "PYTHONPATH": path,
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "CUDA_VISIBLE_DEVICES": "-1",
    }
    with open(log, "wb") as output:
        try:
            done = subprocess.run(
                [*COMMAND, str(folder)],
                stdout=output,
                stderr=output,
                timeout=timeout_s,
                env=environment,
            )
        except subprocess.TimeoutExpired:
            raise EmotionNetError(
                f"the conversion took more than {timeout_s:.0f} s ({_step(log)}); nothing was "
                "written. Give it fewer calibration clips (--calibration-clips) or precisions."
            ) from None
    result = folder / "result.json"
    if done.returncode == 0 and result.is_file():
        return read_json(result)
    last = _last_line(log)
    if last.startswith("error: "):
        raise EmotionNetError(last.removeprefix("error: "))
    raise EmotionNetError(
        f"the converter {_how(done.returncode)} ({_step(log)}); nothing was written. It said last: "
        f"{last[:300] or 'nothing'}. Try other --precisions; if it is a new layer, write it with "
        "operations that TensorFlow Lite has."
    )


def _how(code: int) -> str:
    if code < 0:
        return f"crashed ({signal.Signals(-code).name})"
    return f"failed (exit code {code})"


def _lines(log: Path) -> list[str]:
    return log.read_text(encoding="utf-8", errors="replace").splitlines()


def _step(log: Path) -> str:
    steps = [line for line in _lines(log) if line.startswith("step: ")]
    return f"while {steps[-1].removeprefix('step: ')}" if steps else "at its start"


def _last_line(log: Path) -> str:
    lines = [line for line in _lines(log) if line.strip() and not line.startswith("step: ")]
    errors = [line for line in lines if line.startswith("error: ")]
    return (errors or lines or [""])[-1].strip()


def main(argv: Sequence[str] | None = None) -> int:
    """The main function of the separate process."""
    folder = Path((argv or sys.argv[1:])[0])
    job = read_json(folder / "job.json")

    import numpy as np

    from emotionnet.deploy import onnx, tflite
    from emotionnet.deploy.equalise import equalise
    from emotionnet.deploy.rewrite import deploy_form
    from emotionnet.systems import load_model

    _say("reading the model")
    form = deploy_form(load_model(job["model"]))
    calibration = None
    if "int8" in job["precisions"]:
        with np.load(folder / "calibration.npz") as file:
            calibration = dict(file)
        _say("bringing channels to one scale")
        equalise(form, calibration)
    _say("tracing the entry points")
    system = job.get("system", "")
    traced = tflite.save(form, folder / "saved_model", system)
    layers = tflite.write(form, folder, job["precisions"], calibration, _say, system)
    if job["onnx"]:
        _say("writing ONNX")
        onnx.write(traced["classify"], folder / "model.onnx")
    (folder / "result.json").write_text(json.dumps({"quantised_layers": layers}), encoding="utf-8")
    return 0


def _say(step: str) -> None:
    print(f"step: {step}", flush=True)


if __name__ == "__main__":
    from emotionnet.command import run_command

    run_command(main)
