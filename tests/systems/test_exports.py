"""The same file answers the same under JAX, in TensorFlow Lite and in ONNX."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_model import tiny_inputs, tiny_model

keras = pytest.importorskip("keras")

from emotionnet.layers import MFCC, LogMelSpectrogram  # noqa: E402
from emotionnet.systems import build_model  # noqa: E402
from emotionnet.systems.base import clip_inputs  # noqa: E402

pytestmark = pytest.mark.slow


def front_end():
    """Both front-ends with masks, as a model of its own; odd sizes go another way through the DFT."""
    inputs = clip_inputs({"frames": 1, "image_size": 32, "samples": 16000})
    inputs = {name: inputs[name] for name in ("waveform", "waveform_samples")}
    outputs = {}
    for name, layer in (
        ("mfcc", MFCC(return_mask=True)),
        ("log_mel", LogMelSpectrogram(n_fft=400, hop_length=160, n_mels=40, return_mask=True)),
        ("uneven", LogMelSpectrogram(n_fft=500, hop_length=201, n_mels=40, return_mask=True)),
        ("short", LogMelSpectrogram(center=False, return_mask=True)),
    ):
        outputs[name], outputs[f"{name}_valid"] = layer(*inputs.values())
    return keras.Model(inputs, outputs)


def sound(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    t = np.arange(16000) / 16000
    tone = 0.3 * np.sin(2 * np.pi * 150 * t[None] * rng.uniform(1, 2, (3, 1)))
    return (tone + rng.normal(0, 0.01, tone.shape)).astype(np.float32)


@pytest.fixture(scope="module", params=["front end", "whole model", "stride2", "dv_emotionnet"])
def files(request, tmp_path_factory):
    """A saved model, inputs, and its answers here: three clips, one cut short, one without sound."""
    folder = tmp_path_factory.mktemp("exports")
    if request.param == "front end":
        model = front_end()
        inputs = {"waveform": sound(), "waveform_samples": np.array([16000, 9000, 3000], np.int32)}
    elif request.param == "dv_emotionnet":
        model = build_model("dv_emotionnet", 3, frames=5, image_size=32, samples=16000, pitch=True)
        inputs = {**tiny_inputs(model, clips=3), "waveform": sound()}
        inputs["faces"] = inputs["faces"].astype(np.float32)
        inputs["waveform_samples"] = np.array([16000, 9000, 0], np.int32)
    else:
        model = tiny_model(depthwise="faithful" if request.param == "whole model" else "stride2")
        inputs = {**tiny_inputs(model, clips=3), "waveform": sound()}
        inputs["faces"] = inputs["faces"].astype(np.float32)
        inputs["waveform_samples"] = np.array([16000, 9000, 0], np.int32)
    model.save(folder / "model.keras")
    np.savez(folder / "inputs.npz", **inputs)
    return folder, {name: np.array(v) for name, v in model(inputs, training=False).items()}


def answers_elsewhere(folder, form, python=sys.executable, **environment):
    """The answers of the saved model in another program, and what that program said."""
    out = folder / f"{form}.npz"
    here = Path(__file__).parent
    done = subprocess.run(
        [python, here / "elsewhere.py", form, folder / "model.keras", folder / "inputs.npz", out],
        env={**os.environ, "PYTHONPATH": str(here.parents[1]), **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(np.load(out)), done.stdout


def check(found, expected):
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert np.std(value) > 0 or name.endswith("_valid")
        scale = max(np.ptp(value), 1.0)
        np.testing.assert_allclose(found[name], value, atol=1e-5 * scale, err_msg=name)


def test_jax(files):
    python = os.environ.get("EMOTIONNET_JAX_PYTHON", sys.executable)
    if subprocess.run([python, "-c", "import jax"], capture_output=True).returncode:
        pytest.skip("no JAX here, and EMOTIONNET_JAX_PYTHON names no Python that has it")
    folder, expected = files
    found, said = answers_elsewhere(folder, "keras", python, KERAS_BACKEND="jax")
    assert "backend jax" in said
    check(found, expected)


def test_tflite_with_builtins_only(files):
    for package in ("tensorflow", "ai_edge_litert"):
        pytest.importorskip(package)
    folder, expected = files
    found, said = answers_elsewhere(folder, "tflite")
    operators = next(x for x in said.splitlines() if x.startswith("operators")).split()[1:]
    assert operators
    assert not [x for x in operators if x.startswith("Flex") or x.upper() == "CUSTOM"]
    check(found, expected)


def test_onnx(files):
    for package in ("tensorflow", "tf2onnx", "onnxruntime"):
        pytest.importorskip(package)
    folder, expected = files
    found, said = answers_elsewhere(folder, "onnx")
    # Plain products: no domain but ONNX's own, no DFT.
    operators = next(x for x in said.splitlines() if x.startswith("operators")).split()[1:]
    assert operators
    assert not [x for x in operators if "." in x or "DFT" in x]
    check(found, expected)
