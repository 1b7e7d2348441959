import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from emotionnet.errors import UsageError

PROGRAM = Path(__file__).with_name("learn_on_devices.py")
#: A Python that has JAX and Keras; without TensorFlow will do.
JAX_PYTHON = os.environ.get("EMOTIONNET_JAX_PYTHON")
needs_jax = pytest.mark.skipif(
    not JAX_PYTHON, reason="set EMOTIONNET_JAX_PYTHON to a Python with jax and keras"
)
SETTINGS = {
    "adam": {},
    "sgd": {"optimizer": "sgd", "learning_rate": 0.05, "weight_decay": 1e-3},
    "averaged": {"optimizer": "adamw", "weight_decay": 0.01, "average": 0.9, "accumulate": 2},
}


def start(*words: str, python: str = sys.executable, **environment: str) -> subprocess.Popen:
    root = Path(__file__).parents[2]
    return subprocess.Popen(
        [python, PROGRAM, *words],
        env={**os.environ, "PYTHONPATH": str(root), "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def result(process: subprocess.Popen) -> dict:
    out, error = process.communicate(timeout=240)
    assert process.returncode == 0, error[-3000:]
    return json.loads(out.splitlines()[-1])


def learn(*words: str, **kwargs: str) -> dict:
    return result(start(*words, **kwargs))


def check_same(one: dict, several: dict) -> None:
    np.testing.assert_allclose(several["losses"], one["losses"], rtol=2e-5)
    assert several["accuracies"] == pytest.approx(one["accuracies"])
    np.testing.assert_allclose(several["answers"], one["answers"], atol=2e-3)
    np.testing.assert_allclose(several["weights"], one["weights"], rtol=2e-3)
    # The same training that learns nothing would be no proof.
    assert len(set(one["losses"])) == len(one["losses"])
    assert one["synchronized"] == several["synchronized"] == [False]


@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS)
def test_two_replicas_learn_what_one_learns(name):
    settings = ["--settings", json.dumps(SETTINGS[name])]
    one, two = learn("--replicas", "1", *settings), learn("--replicas", "2", *settings)
    assert "MirroredStrategy over CPU:0, CPU:1" in two["why"]
    check_same(one, two)


@pytest.mark.slow
def test_two_workers_learn_what_one_learns_and_agree_to_the_bit():
    one = learn("--replicas", "1", "--settings", json.dumps(SETTINGS["averaged"]))
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        hosts = [f"127.0.0.1:{each.getsockname()[1]}" for each in (first, second)]
    workers = [
        start(
            "--device", "auto", "--settings", json.dumps(SETTINGS["averaged"]),
            TF_CONFIG=json.dumps(
                {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": index}}
            ),
        )
        for index in range(2)
    ]  # fmt: skip
    results = [result(worker) for worker in workers]
    assert "worker 1 of 2" in results[1].pop("why")
    assert "worker 0 of 2" in results[0].pop("why")
    assert results[0] == results[1]
    check_same(one, results[0])


@pytest.mark.slow
@needs_jax
@pytest.mark.parametrize("name", ["adam", "averaged"])
def test_two_devices_under_jax_learn_what_one_learns(name):
    def under_jax(devices: int) -> dict:
        return learn(
            "--replicas", str(devices), "--settings", json.dumps(SETTINGS[name]),
            python=JAX_PYTHON, KERAS_BACKEND="jax", JAX_PLATFORMS="cpu",
            XLA_FLAGS=f"--xla_force_host_platform_device_count={devices}",
        )  # fmt: skip

    two = under_jax(2)
    assert "DataParallel over 2" in two["why"]
    check_same(under_jax(1), two)


@pytest.mark.slow
@needs_jax
@pytest.mark.parametrize("more", [{}, {"average": 0.9, "accumulate": 2}])
def test_frozen_layers_learn_nothing_under_jax_as_under_tensorflow(more):
    words = ["--steps", "4", "--settings", json.dumps({"frozen": ["encoder"], **more})]
    jax = learn(*words, python=JAX_PYTHON, KERAS_BACKEND="jax", JAX_PLATFORMS="cpu")
    check_same(learn(*words), jax)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("{", "TF_CONFIG: expected"),
        ('{"cluster": {"worker": ["a:1", "b:2"]}}', "TF_CONFIG: expected"),
        (
            '{"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 2}}',
            "worker 2 is none of 2 workers",
        ),
    ],
)
def test_a_wrong_cluster_is_explained(monkeypatch, config, said):
    from emotionnet.training.devices import choose

    monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(UsageError, match=said):
        choose("cpu")


def test_what_is_not_there_is_explained():
    import tensorflow as tf

    from emotionnet.training.devices import choose

    with pytest.raises(UsageError, match="Choose one of auto, cpu, gpu, tpu"):
        choose("quantum")
    with pytest.raises(UsageError, match=r"finds no TPU .* KERAS_BACKEND=jax"):
        choose("tpu")
    if not tf.config.list_physical_devices("GPU"):
        with pytest.raises(UsageError, match=r"sees only the CPU.*emotionnet\[gpu\]"):
            choose("gpu")


@pytest.mark.parametrize("kind", ["ValueError", "NotFoundError", "RuntimeError"])
def test_whatever_tensorflow_says_where_there_is_no_tpu_is_explained(monkeypatch, kind):
    import tensorflow as tf

    from emotionnet.training.devices import choose

    error = {
        "ValueError": ValueError("no accelerator\nand more"),
        "NotFoundError": tf.errors.NotFoundError(None, None, "no accelerator"),
        "RuntimeError": RuntimeError("no accelerator"),
    }[kind]

    def absent(tpu):
        assert tpu == "local"  # what the runtimes of today need
        raise error

    monkeypatch.setattr(tf.distribute.cluster_resolver, "TPUClusterResolver", absent)
    with pytest.raises(UsageError, match=r"finds no TPU \(.*no accelerator.*\).*KERAS_BACKEND=jax"):
        choose("tpu")
    # By itself it looks no further.
    monkeypatch.setattr(
        "emotionnet.training.devices.importlib.util.find_spec", lambda name: name == "libtpu"
    )
    assert choose("auto").kind in ("cpu", "gpu")


def test_one_device_is_the_default_on_a_cpu():
    from emotionnet.training.devices import choose

    devices = choose("cpu")
    assert (devices.kind, devices.replicas, devices.chief) == ("cpu", 1, True)
    assert devices.strategy is None


def test_a_batch_that_cannot_be_shared_is_refused():
    from emotionnet.training.devices import Devices

    with pytest.raises(UsageError, match=r"--batch-size 7 cannot be shared evenly by 2.*; 8 can"):
        Devices("gpu", 2).check(7)
    Devices("gpu", 2).check(8)
    # Of a last batch, half as large, every replica must get a clip.
    several = Devices("gpu", 4, strategy=object())
    with pytest.raises(UsageError, match=r"--batch-size 4 .* by 4 devices; 8 can"):
        several.check(4)
    with pytest.raises(UsageError, match="mixed_bfloat16"):
        several.check(8, "mixed_float16")
    several.check(8, "mixed_bfloat16")
