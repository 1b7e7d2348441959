"""`fit` on several devices is `fit` on one: the same curve, and a run resumes on another number of them."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_run import make_clip, write_records

from emotionnet.errors import UsageError

PROGRAM = Path(__file__).with_name("fit_on_devices.py")
JAX_PYTHON = os.environ.get("EMOTIONNET_JAX_PYTHON")
SYSTEM = {"speech": "S1", "samples": 16000, "frames": 1, "image_size": 32, "dropout": 0.0}


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    clips = [
        make_clip(f"{actor}-{emotion}-{take}", emotion, actor, seed=100 * i + 10 * k + take)
        for i, actor in enumerate(("01", "02", "03", "04"))
        for k, emotion in enumerate(("neutral", "happy", "sad"))
        for take in (1, 2)
    ]
    # 11 clips to learn from: the last batch of 4 has 3, which two devices cannot share evenly.
    return write_records(tmp_path_factory.mktemp("devices") / "records", clips[:-1])


STARTED: list[subprocess.Popen] = []


@pytest.fixture(autouse=True)
def nobody_is_left_waiting():
    yield
    while STARTED:
        STARTED.pop().kill()


def options(records, out, name, **changes):
    return {
        "records": str(records.folder),
        "out": str(out),
        "name": name,
        "system_config": SYSTEM,
        "streams": "speech",
        "protocol": "actor_folds",
        "epochs": 3,
        "batch_size": 4,
        # Not Adam, which makes whole steps of the rounding in gradients that are zero (a bias before a
        # BatchNorm): what rounds otherwise would part. That one step is the same is tested for it too.
        "learning_rate": 0.02,
        "train": {"optimizer": "sgd"},
        "augment": "light",
        "device": "cpu",
        **changes,
    }


def start(given: dict, python: str = sys.executable, **environment: str) -> subprocess.Popen:
    paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    process = subprocess.Popen(
        [python, PROGRAM, json.dumps(given)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "TF_CPP_MIN_LOG_LEVEL": "3",
             **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    STARTED.append(process)
    return process


def result(process: subprocess.Popen) -> dict:
    out, error = process.communicate(timeout=500)
    assert process.returncode == 0, error[-3000:]
    return json.loads(out.splitlines()[-1])


def curve(said: dict) -> np.ndarray:
    keys = ("loss", "accuracy", "val_loss", "val_accuracy", "val_uar", "learning_rate")
    return np.array([[float(row[key]) for key in keys] for row in said["history"]])


def check_same(one: dict, several: dict) -> None:
    np.testing.assert_allclose(curve(several), curve(one), rtol=2e-3, atol=2e-4)
    np.testing.assert_allclose(several["weights"], one["weights"], rtol=5e-3, atol=1e-4)
    assert len(set(curve(one)[:, 0])) == 3  # a training that learns nothing would be no proof
    assert several["synchronized"] == 0  # BatchNorm is given back as it was


@pytest.mark.slow
def test_a_run_begun_on_two_replicas_goes_on_on_one_as_if_it_had_always_been_there(
    records, tmp_path
):
    one = result(start(options(records, tmp_path, "one", replicas=1)))
    begun = start(options(records, tmp_path, "two", replicas=2, die_in_epoch=3))
    assert begun.wait(timeout=500) == -signal.SIGKILL
    two = result(start(options(records, tmp_path, "two", replicas=1, resume=True)))
    check_same(one, two)
    assert [each["replicas"] for each in two["devices"]] == [2, 1]
    assert "MirroredStrategy over CPU:0, CPU:1" in two["devices"][0]["why"]
    assert 0 <= float(two["history"][0]["input_share"]) <= 1


def workers(given: list[dict]) -> list[subprocess.Popen]:
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        hosts = [f"127.0.0.1:{each.getsockname()[1]}" for each in (first, second)]
    task = [{"cluster": {"worker": hosts}, "task": {"type": "worker", "index": i}} for i in (0, 1)]
    return [start(each, TF_CONFIG=json.dumps(own)) for each, own in zip(given, task, strict=True)]


def by_workers(records, out, name, **changes):
    return [options(records, out, name, augment="none", **changes)] * 2


@pytest.fixture(scope="module")
def whole(records, tmp_path_factory):
    """A training by two workers that was not disturbed."""
    out = tmp_path_factory.mktemp("workers")
    return [result(each) for each in workers(by_workers(records, out, "whole"))]


@pytest.mark.slow
def test_workers_learn_what_one_learns_and_agree_to_the_bit(records, tmp_path, whole):
    assert whole[0]["hash"] == whole[1]["hash"]
    assert whole[0]["devices"][0]["workers"] == 2
    check_same(result(start(options(records, tmp_path, "one", augment="none"))), whole[0])


@pytest.mark.slow
def test_when_a_worker_is_killed_the_others_say_so_and_all_go_on(records, tmp_path, whole):
    given = by_workers(records, tmp_path, "killed")
    chief, other = workers([given[0], {**given[1], "die_in_epoch": 2}])
    _, said = chief.communicate(timeout=500)
    assert other.wait(timeout=60) == -signal.SIGKILL
    assert chief.returncode == 1
    assert "another worker is gone" in said
    assert "--resume" in said
    assert not (tmp_path / "killed" / "model.keras").exists()
    again = by_workers(records, tmp_path, "killed", resume=True)
    resumed = [result(each) for each in workers(again)]
    assert {each["hash"] for each in (*resumed, *whole)} == {whole[0]["hash"]}


@pytest.mark.slow
@pytest.mark.skipif(
    not JAX_PYTHON, reason="set EMOTIONNET_JAX_PYTHON to a Python with jax and keras"
)
def test_two_devices_under_jax_learn_what_one_learns(records, tmp_path):
    from emotionnet.inputs.cache_writer import write_cache
    from emotionnet.inputs.views import View

    view = View(frames=1, image_size=32, samples=16000)
    cache = write_cache(records, view, tmp_path / "cache", ["speech"])

    def under_jax(devices: int) -> dict:
        given = options(records, tmp_path, f"jax{devices}", replicas=devices)
        given |= {"records": None, "records_cache": str(cache.folder)}
        return result(
            start(
                given, python=JAX_PYTHON, KERAS_BACKEND="jax", JAX_PLATFORMS="cpu",
                XLA_FLAGS=f"--xla_force_host_platform_device_count={devices}",
            )
        )  # fmt: skip

    one, two = under_jax(1), under_jax(2)
    assert "DataParallel over 2" in two["devices"][0]["why"]
    check_same(one, two)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"device": "tpu"}, "finds no TPU"),
        ({"device": "quantum"}, "Choose one of auto, cpu, gpu, tpu"),
        ({"device": "gpu"}, r"sees only the CPU.*emotionnet\[gpu\]"),
    ],
)
def test_devices_that_are_not_there_are_bad_usage(records, tmp_path, changes, says):
    import tensorflow as tf

    from emotionnet.fit import fit

    if changes["device"] == "gpu" and tf.config.list_physical_devices("GPU"):
        pytest.skip("there is a GPU")
    with pytest.raises(UsageError, match=says):
        fit(**options(records, tmp_path, "none", **changes))
    assert not list(tmp_path.iterdir())


def test_several_workers_need_records_and_a_name(monkeypatch, tmp_path):
    from emotionnet.fit import fit
    from emotionnet.training import devices

    monkeypatch.setattr(devices, "choose", lambda *_: devices.Devices("cpu", 2, workers=2))
    with pytest.raises(UsageError, match=r"--records, under a --name"):
        fit(out=tmp_path)
