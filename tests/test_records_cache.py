"""`fit --records-cache`: a cache is written, trained from and evaluated from; under JAX without TensorFlow."""

import json
import os
import signal
import subprocess
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from tiny_run import SYSTEM_CONFIG, TOY, make_clip, make_run, write_records

from emotionnet.errors import UsageError
from emotionnet.evaluate import evaluate
from emotionnet.files import read_csv
from emotionnet.fit import fit
from emotionnet.inputs.cache_writer import write_cache
from emotionnet.inputs.views import View
from emotionnet.runs.swept import sweep
from emotionnet.runs.without import leave_out

pytestmark = pytest.mark.usefixtures("plain_reports")

EMOTIONS = ("neutral", "happy", "sad")
#: A Python that has JAX and Keras, and no TensorFlow.
JAX_PYTHON = os.environ.get("EMOTIONNET_JAX_PYTHON")
needs_jax = pytest.mark.skipif(
    not JAX_PYTHON, reason="set EMOTIONNET_JAX_PYTHON to a Python with jax and keras"
)


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    clips = [
        make_clip(f"{actor}-{emotion}-{take}", emotion, actor, "female", seed=9 * i + 2 * k + take)
        for i, actor in enumerate(("01", "02", "03", "04"))
        for k, emotion in enumerate(EMOTIONS)
        for take in (1, 2)
    ]
    return write_records(tmp_path_factory.mktemp("data") / "records", clips)


def options(**changes):
    return {
        "system": TOY,
        "epochs": 1,
        "batch_size": 4,
        "augment": "light",
        "protocol": "actor_folds",
        "system_config": SYSTEM_CONFIG,
        **changes,
    }


def answers(folder, name="predictions.csv"):
    rows = read_csv(folder / name)
    columns = [key for key in rows[0] if "_" in key and not key.startswith("has_")]
    return [row["clip"] for row in rows], np.array([[float(r[k]) for k in columns] for r in rows])


def test_a_cache_is_written_and_trained_from(records, tmp_path):
    cache = tmp_path / "cache"
    words = options(streams="speech", out=tmp_path)
    folder = fit(records=records.folder, records_cache=cache, name="first", **words)
    config = json.loads((folder / "config.json").read_text())
    assert config["records"] == str(cache.resolve())
    assert config["manifest_hash"] == records.manifest_hash
    assert not (cache / "faces.npy").exists()
    before = answers(folder)
    # The same clips, taken from the records again.
    evaluate(folder, records=records.folder)
    clips, found = answers(folder)
    assert clips == before[0]
    np.testing.assert_allclose(found, before[1], atol=1e-6)
    with pytest.raises(UsageError, match=r"2 faces of 64 px"):
        fit(
            records_cache=cache, name="third",
            **words | {"system_config": {**SYSTEM_CONFIG, "image_size": 64}},
        )  # fmt: skip
    with pytest.raises(UsageError, match="a cache of speech alone"):
        fit(records_cache=cache, name="third", **words | {"streams": "both"})
    with pytest.raises(UsageError, match="is a cache itself"):
        fit(records=cache, records_cache=tmp_path / "other", name="third", **words)
    assert not (tmp_path / "third").exists()


def test_a_cache_of_one_stream_is_no_clips_of_a_run_of_two(records, tmp_path):
    from emotionnet.export import export

    words = options(streams="both", out=tmp_path)
    run = make_run(tmp_path / "both", records, test=records.rows)
    folder = run.folder
    evaluate(folder)
    cache = write_cache(records, run.view(), tmp_path / "cache", ("speech",)).folder
    kept = (folder / "predictions.csv").read_bytes()
    with pytest.raises(UsageError, match="a cache of speech alone"):
        evaluate(folder, records=cache)
    with pytest.raises(UsageError, match="a cache of speech alone"):
        export(folder, records=cache, precisions=("float32",), out=tmp_path / "bundle")
    with pytest.raises(UsageError, match="a cache of speech alone"):
        fit(records=cache, name="again", **words)
    with pytest.raises(UsageError, match="a cache of speech alone"):
        fit(records=cache, name="taught", teachers=[folder], **words | {"streams": "speech"})
    assert (folder / "predictions.csv").read_bytes() == kept
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize("several", [partial(sweep, {"learning_rate": [0.1, 0.2]}), leave_out])
def test_what_trains_several_runs_takes_a_cache_alone(records, tmp_path, monkeypatch, several):
    def trained(**given):
        assert str(given["records"]) == str(given["records_cache"].resolve())
        raise UsageError("would train")

    cache = tmp_path / "cache"
    write_cache(records, View(2, 32, 16000), cache, ("speech",))
    monkeypatch.setattr("emotionnet.runs.new.fit", trained)
    monkeypatch.setattr("emotionnet.clips.preparing.prepare", None)  # no corpus is asked for
    with pytest.raises(UsageError, match="would train"):
        several(records_cache=cache, system=TOY, streams="speech", out=tmp_path)


class Jax:
    """Commands under JAX in an environment without TensorFlow.

    Args:
        compiled: folder where what is compiled is kept, for the other commands.
    """

    def __init__(self, compiled: Path):
        self._environment = {
            **os.environ,
            "KERAS_BACKEND": "jax",
            "JAX_PLATFORMS": "cpu",
            "PYTHONPATH": str(Path(__file__).parents[1]),
            # Compiling is nearly all of the work here. (JAX_DISABLE_MOST_OPTIMIZATIONS would make it short,
            # but has JAX 0.10.2 on a CPU give NaN in gradients of the faces.)
            "JAX_COMPILATION_CACHE_DIR": str(compiled),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.2",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        }

    def start(self, verb: str, *words) -> subprocess.Popen:
        words = [JAX_PYTHON, "-m", f"emotionnet.{verb}", *map(str, words)]
        return subprocess.Popen(
            words,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __call__(self, verb: str, *words) -> str:
        process = self.start(verb, *words)
        said, _ = process.communicate(timeout=1200)
        assert process.returncode == 0, said[-3000:]
        return said


@pytest.fixture(scope="module")
def cache(records, tmp_path_factory):
    """Written here, where there is TensorFlow."""
    from emotionnet.inputs.cache_writer import write_cache
    from emotionnet.inputs.views import View

    return write_cache(
        records, View(**SYSTEM_CONFIG), tmp_path_factory.mktemp("c") / "cache"
    ).folder


@pytest.fixture(scope="module")
def jax(tmp_path_factory):
    found = subprocess.run(
        [JAX_PYTHON, "-c", "import jax, keras, tensorflow"], capture_output=True, text=True
    )
    if "No module named 'tensorflow'" not in found.stderr:
        pytest.skip(f"{JAX_PYTHON} has TensorFlow, or lacks JAX or Keras")
    return Jax(tmp_path_factory.mktemp("compiled"))


def words_for(cache, out, name):
    small = [f"--set={key}={value}" for key, value in SYSTEM_CONFIG.items()]
    return [
        "--records-cache", cache, "--out", out, "--name", name, "--epochs", 2, "--batch-size", 4,
        "--augment", "light", "--protocol", "actor_folds", "--train", "save_every_s=0",
        "--train", "average=0.9", "--streams", "speech", *small,
    ]  # fmt: skip


@pytest.fixture(scope="module")
def jax_run(jax, cache, tmp_path_factory):
    folder = tmp_path_factory.mktemp("jax")
    said = jax("fit", *words_for(cache, folder, "run"))
    return folder / "run", said


@pytest.mark.slow
@pytest.mark.timeout(1800)
@needs_jax
def test_jax_alone_trains_and_evaluates(jax, jax_run):
    folder, said = jax_run
    assert "report" in said
    history = read_csv(folder / "history.csv")
    assert [(row["stream"], row["epoch"]) for row in history] == [("speech", "1"), ("speech", "2")]
    packages = json.loads((folder / "versions.json").read_text())["packages"]
    assert "jax" in packages
    assert "tensorflow" not in packages
    metrics = json.loads((folder / "metrics.json").read_text())
    assert {"fused", "speech"} <= set(metrics)
    assert (folder / "report.html").stat().st_size > 10_000
    assert any((folder / "logs" / "speech").iterdir())
    # What needs TensorFlow says so, in a line.
    process = jax.start("predict", folder, Path(__file__))
    assert "Traceback" not in process.communicate(timeout=600)[0]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@needs_jax
def test_what_jax_has_trained_answers_the_same_under_tensorflow_and_exports(
    jax_run, records, tmp_path
):
    from emotionnet.export import export

    folder, _ = jax_run
    clips, under_jax = answers(folder)
    for place in (None, records.folder):
        evaluate(folder, records=place)
        same, under_tensorflow = answers(folder)
        assert same == clips
        np.testing.assert_allclose(under_tensorflow, under_jax, atol=1e-5)
    bundle = export(
        folder, out=tmp_path / "bundle", precisions=("float32",), records=records.folder
    )
    assert json.loads((bundle / "accuracy.json").read_text())


@pytest.mark.slow
@pytest.mark.timeout(1800)
@needs_jax
def test_a_kill_under_jax_changes_no_bit(jax, jax_run, cache, tmp_path):
    words = words_for(cache, tmp_path, "killed")
    process, state = jax.start("fit", *words), tmp_path / "killed" / "checkpoint" / "state.npz"
    until = time.monotonic() + 300
    while not state.exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(0.2)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert state.exists(), "it was killed in the middle"
    jax("fit", *words, "--resume")
    whole, _ = jax_run
    from emotionnet.training.run import Run

    for one, other in zip(
        Run.open(whole).model().weights, Run.open(tmp_path / "killed").model().weights
    ):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
