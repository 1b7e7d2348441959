"""`fit` as a whole: on records of noise, with settings small enough for tests."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from tiny_run import SYSTEM_CONFIG, TOY, make_clip, write_records

from emotionnet.errors import UsageError
from emotionnet.files import read_csv
from emotionnet.fit import fit, main
from emotionnet.training.config import RunConfig
from emotionnet.training.plan import check, window_samples
from emotionnet.training.run import Run

pytestmark = pytest.mark.usefixtures("four_bottlenecks", "plain_reports")

EMOTIONS = ("neutral", "happy", "sad")


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    clips = [
        make_clip(f"{actor}-{emotion}-{take}", emotion, actor, "female", seed=hash((i, k)) % 1000)
        for i, actor in enumerate(("01", "02", "03", "04"))
        for k, emotion in enumerate(EMOTIONS)
        for take in (1, 2)
    ]
    return write_records(tmp_path_factory.mktemp("fit") / "records", clips)


def options(records, out, **changes):
    return {
        "records": records.folder,
        "out": out,
        "streams": "speech",
        "epochs": 2,
        "batch_size": 4,
        "augment": "light",
        "protocol": "actor_folds",
        "system_config": SYSTEM_CONFIG,
        **changes,
    }


@pytest.fixture(scope="module")
def folder(records, tmp_path_factory):
    """A run of the published system that has learnt from sound alone."""
    return fit(**options(records, tmp_path_factory.mktemp("runs"), name="run"))


def test_computed_layers_are_not_trained_jointly(records, tmp_path):
    ridge = {**SYSTEM_CONFIG, "speech": "logmel_ridge"}
    with pytest.raises(UsageError, match=r"--joint: .* even, scaled, ridge"):
        fit(**options(records, tmp_path, joint=True, system_config=ridge))


@pytest.mark.parametrize("system", ["racnn", "dv_emotionnet"])
def test_of_a_sweep_neither(system):
    with pytest.raises(UsageError, match="--joint: "):
        check(RunConfig(system=system, joint=True), "demo")


def test_a_run_folder_says_everything(records, folder):
    config = json.loads((folder / "config.json").read_text())
    assert config["labels"] == list(EMOTIONS)
    assert config["manifest_hash"] == records.manifest_hash
    versions = json.loads((folder / "versions.json").read_text())
    assert versions["packages"]["keras"]
    history = read_csv(folder / "history.csv")
    assert [row["epoch"] for row in history] == ["1", "2"]
    split = read_csv(folder / "split.csv")
    parts = {part: {r["actor"] for r in split if r["part"] == part} for part in
             ("train", "validation", "test")}  # fmt: skip
    assert not parts["train"] & parts["test"]
    assert not parts["validation"] & (parts["train"] | parts["test"])
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["speech"]["n"] == sum(r["part"] == "test" for r in split)
    assert "faces" not in metrics
    assert (folder / "model.keras").is_file()
    assert (folder / "report.html").is_file()
    assert any((folder / "logs" / "speech").iterdir())
    assert not (folder / "checkpoint").exists()

    with pytest.raises(UsageError, match="there is a run already"):
        fit(**options(records, folder.parent, name="run"))
    with pytest.raises(UsageError, match=r"other settings.*settings"):
        fit(**options(records, folder.parent, name="run", resume=True, epochs=3))


def test_an_untrained_stream_never_answers(folder):
    from emotionnet.training.run import Run

    model = Run.open(folder).model()
    rng = np.random.default_rng(0)
    frames, size, samples = (SYSTEM_CONFIG[k] for k in ("frames", "image_size", "samples"))
    answer = model({
        "faces": rng.uniform(0, 255, (1, frames, size, size, 3)),
        "frame_mask": np.ones((1, frames)),
        "waveform": rng.normal(0, 0.1, (1, samples)),
        "waveform_samples": np.array([samples]),
    })  # fmt: skip
    np.testing.assert_allclose(answer["probabilities"], answer["speech_probabilities"], atol=1e-6)
    np.testing.assert_allclose(answer["face_probabilities"], 1 / 3, atol=1e-6)


@pytest.mark.usefixtures("unevaluated")
def test_a_fold_of_a_group_is_the_one_that_is_trained_alone(records, tmp_path):
    """Folds of a group train in one model, one after the other."""
    group = fit(**options(records, tmp_path, system=TOY, name="group", folds=[1, 2], epochs=2))
    alone = fit(**options(records, tmp_path, system=TOY, name="alone", folds=[2], epochs=2))
    folds = [Run.open(folder) for folder in (group / "fold_2_seed_0", alone)]
    weights = [run.model().get_weights() for run in folds]
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)
    first = Run.open(group / "fold_1_seed_0").model().get_weights()
    assert not all(map(np.array_equal, first, weights[0]))
    losses = [[row["loss"] for row in read_csv(run.folder / "history.csv")] for run in folds]
    assert losses[0] == losses[1]


@pytest.mark.slow
def test_all_folds_make_a_group(records, tmp_path):
    top = fit(**options(records, tmp_path, system=TOY, name="group", folds="all", epochs=1))
    metrics = json.loads((top / "metrics.json").read_text())
    assert len(metrics["runs"]) == 4
    assert metrics["speech"]["n"] == len(records.rows)
    assert metrics["over_runs"]["speech"]["runs"] == 4
    assert (top / "report.html").is_file()


@pytest.mark.slow
def test_both_streams_and_joint_training(records, tmp_path):
    for joint, names in ((False, {"faces", "speech"}), (True, {"joint"})):
        changes = {"streams": "both", "epochs": 1, "joint": joint, "name": f"joint_{joint}"}
        folder = fit(**options(records, tmp_path, **changes))
        assert {row["stream"] for row in read_csv(folder / "history.csv")} == names
        metrics = json.loads((folder / "metrics.json").read_text())
        assert {"fused", "faces", "speech", "masked"} <= set(metrics)
        # Late fusion: without one stream, the answer is the other's.
        for gone, rest in (("faces", "speech"), ("speech", "faces")):
            assert metrics["masked"][gone]["accuracy"] == metrics[rest]["accuracy"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--system", "nope"], "nope"),
        (["--protocol", "nope"], "nope"),
        (["--streams", "nope"], "nope"),
        (["--augment", "nope"], "nope"),
        (["--precision", "half"], "half"),
        (["--set", "frmes=3"], "frmes"),
        (["--corpus", "ravdess", "--root", "x"], "either"),
        (["--fold", "99"], "99"),
    ],
)
def test_bad_usage_names_what_is_wrong(records, tmp_path, words, says):
    with pytest.raises(UsageError, match=says):
        main(["--records", str(records.folder), "--out", str(tmp_path), *words])
    assert not list(tmp_path.iterdir())


def test_corpora_need_a_root_that_exists(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="--root"):
        main(["--corpus", "ravdess"])
    with pytest.raises(UsageError, match="nowhere"):
        main(["--corpus", "ravdess", "--root", "nowhere"])
    with pytest.raises(UsageError, match="no-such-corpus"):
        main(["--corpus", "no-such-corpus", "--root", "."])


def test_the_window_holds_the_longest_clip():
    def rows(*samples):
        return [SimpleNamespace(samples=n, frames=1) for n in samples]

    assert window_samples(rows(16000, 30000)) == 32000
    assert window_samples(rows(32000)) == 32000
    assert window_samples(rows(10**7)) == 96000
    assert window_samples(rows(0)) == 16000


def test_the_window_holds_silent_films():
    silent = SimpleNamespace(samples=0, frames=150)
    assert window_samples([silent]) == 96000
    assert window_samples([silent, SimpleNamespace(samples=30000, frames=50)]) == 32000


def test_classes_are_merged_before_the_split_and_said_everywhere(records, tmp_path):
    # Copies of the sound are made before classes are merged; of noise, which is quickly made.
    copied = {"augmentation": {"copies": "noise15"}, "system": TOY}
    asked = {"merge": ["low=neutral+sad"], "epochs": 1, **copied}
    folder = fit(**options(records, tmp_path, name="run", **asked))
    config = json.loads((folder / "config.json").read_text())
    assert config["labels"] == ["happy", "low"]
    assert "classes: low = neutral + sad" in config["protocol_description"]
    assert {row["emotion"] for row in read_csv(folder / "split.csv")} == {"happy", "low"}
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["classes"] == "low = neutral + sad"
    assert set(metrics["fused"]["per_class"]) == {"happy", "low"}
    assert "low = neutral + sad" in (folder / "report.html").read_text()
    # It is part of what the run is: it cannot be resumed as another one.
    with pytest.raises(UsageError, match="other settings"):
        fit(**options(records, tmp_path, name="run", resume=True, epochs=1, **copied))


@pytest.mark.usefixtures("unevaluated")
def test_classes_can_be_left_out(records, tmp_path):
    quick = {"system": TOY, "epochs": 1, "augment": "none"}
    folder = fit(**options(records, tmp_path, only="happy,sad", **quick))
    assert folder.name.endswith("-only_happy_sad")
    split = read_csv(folder / "split.csv")
    assert {row["emotion"] for row in split} == {"happy", "sad"}
    assert len(split) == sum(row.emotion != "neutral" for row in records.rows)
    with pytest.raises(UsageError, match="glad: not known"):
        fit(**options(records, tmp_path, only="happy,glad"))
