"""Systems learn as a TPU would have it: one XLA program of static shapes, in bfloat16, under JAX."""

import json
import os
import subprocess
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("one_step.py")
JAX_PYTHON = os.environ.get("EMOTIONNET_JAX_PYTHON")
#: The programs are the same; that they are fast machine code, which takes half of the time, matters not here. Elsewhere
#: they are not used: the answers of `ghost_fan`'s logmel, compiled so, were NaN.
QUICKLY = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
SMALL = {"frames": 2, "image_size": 32, "samples": 16000}
BACKBONE = {"backbone": "GhostNet", "backbone_weights": "none"}
SYSTEMS = {
    "ghost_fan S2": ("ghost_fan", {**SMALL, "speech": "S2"}),
    "ghost_fan logmel": ("ghost_fan", {**SMALL, "speech": "logmel", "streams": ["speech"]}),
    "segments": ("segments", {"segments": 2, "image_size": 32, "samples": 16000, "window_s": 0.8}),
    "cross_modal": ("cross_modal", {**SMALL, **BACKBONE, "variant": "sa"}),
    "dv_emotionnet": ("dv_emotionnet", SMALL),
    "faces": ("faces", {"image_size": 32, **BACKBONE}),
    # Without what is fitted, since no gradient passes that.
    "racnn": (
        "racnn",
        {**SMALL, **BACKBONE, "picture_size": 32, "landmarks": 4, "key_frames": 2, "klda": False},
    ),
}


@pytest.mark.slow
@pytest.mark.skipif(
    not JAX_PYTHON, reason="set EMOTIONNET_JAX_PYTHON to a Python with jax and keras"
)
def test_systems_learn_a_compiled_step_in_bfloat16():
    done = subprocess.run(
        [JAX_PYTHON, PROGRAM, "mixed_bfloat16", json.dumps(SYSTEMS)],
        env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "XLA_FLAGS": QUICKLY,
             "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads(done.stdout.splitlines()[-1])
    assert set(said) == set(SYSTEMS)
    for name, each in said.items():
        assert each["compiled"], name
        assert 0 < each["loss"] < 20, name
        assert each["moved"] > 0, name
