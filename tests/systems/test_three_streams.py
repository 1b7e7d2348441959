"""A system of three streams and one fitted stage does all that the others do; only its own file names it."""

import json
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from tiny_run import LABELS, make_clip, write_records

from emotionnet.clips.fields import Field, FieldValues, get_field
from emotionnet.clips.fields.add import add_field
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.evaluate import evaluate
from emotionnet.files import read_csv
from emotionnet.fit import fit
from emotionnet.refit import refit
from emotionnet.training import loop
from emotionnet.training.checks import _check_counts
from emotionnet.training.fitting import fit_unit
from emotionnet.training.optimizer import find_layers
from emotionnet.training.run import Run
from emotionnet.training.state import TrainingState
from emotionnet.training.unit import units_of

SYSTEM = "toys.three_streams"
STREAMS = ("faces", "speech", "geometry")


pytestmark = pytest.mark.usefixtures("plain_reports")


@dataclass(frozen=True)
class Points(Field):
    """Landmarks that say which emotion it is; of the clip 01-happy none, and none of the class ``hidden``."""

    name, shape, meaning = "landmarks68", (68, 2), "points for tests"
    version = get_field("landmarks68").version
    moved: str = ""
    hidden: str = ""

    def compute(self, parsed, row):
        seen = row.clip != "01-happy" and row.emotion != self.hidden
        count = len(parsed["times_s"]) if seen else 0
        rng = np.random.default_rng(sum(row.clip.encode()))
        points = rng.normal(LABELS.index(row.emotion), 0.1, (count, 68, 2))
        return FieldValues(parsed["times_s"][:count], points + 5.0 * (row.actor == self.moved))


def make_records(folder, **changes):
    clips = [
        make_clip(f"{actor:02d}-{emotion}", emotion, f"{actor:02d}", seed=10 * actor + i)
        for actor in range(1, 7)
        for i, emotion in enumerate(LABELS)
    ]
    records = write_records(folder, clips)
    add_field(records, Points(**changes), workers=0)
    return type(records).open(folder)


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return make_records(tmp_path_factory.mktemp("three") / "records")


def train(records, out, name="run", **changes):
    options = {"epochs": 1, "batch_size": 4, "augment": "none", "protocol": "actor_folds"}
    train = {"save_every_s": 0.0}
    return fit(
        records=records.folder, system=SYSTEM, out=out, name=name, train=train, **options | changes
    )


@pytest.fixture(scope="module")
def run(records, tmp_path_factory):
    return Run.open(train(records, tmp_path_factory.mktemp("runs")))


def test_it_trains_and_is_scored_in_every_stream(run):
    metrics = json.loads((run.folder / "metrics.json").read_text())
    assert {"fused", *STREAMS} <= metrics.keys()
    assert set(metrics["masked"]) == set(STREAMS)
    history = read_csv(run.folder / "history.csv")
    assert list(dict.fromkeys(row["stream"] for row in history)) == list(STREAMS)
    header = read_csv(run.folder / "predictions.csv")[0]
    assert {"has_landmarks", "geometry_happy", "without_geometry_happy"} <= header.keys()
    masked = evaluate(run.folder, mask="geometry")
    assert "geometry" not in masked
    assert "geometry only" in (run.folder / "report.html").read_text()


def fitted(run, records):
    """What the fitted stage of ``run`` gives of other records of the same clips."""
    model = run.build()
    unit = units_of(model, run.config)[0]
    layer = model.get_layer("point_encoder").get_layer("shape")
    return fit_unit(run, records, run.split_rows(records), unit, layer)


def test_the_fitted_layer_knows_the_training_clips_alone(run, records, tmp_path):
    numbers = run.model().get_layer("point_encoder").get_layer("shape").get_weights()
    assert not np.allclose(numbers[0], np.eye(*numbers[0].shape))
    assert all(map(np.array_equal, fitted(run, records), numbers))
    parts = {row["actor"]: row["part"] for row in read_csv(run.folder / "split.csv")}
    for part in ("validation", "test", "train"):
        actor = next(actor for actor, its in parts.items() if its == part)
        moved = make_records(tmp_path / part, moved=actor)
        assert all(map(np.array_equal, fitted(run, moved), numbers)) == (part != "train"), part


class Killed(Exception):
    """Stands for a SIGKILL: nothing after it runs."""


@pytest.mark.usefixtures("unevaluated")
@pytest.mark.parametrize("moment", ["after the fit", "in the second stream"])
def test_killed_it_resumes_to_the_same_bits(run, records, tmp_path, monkeypatch, moment):
    saves, save, add = [], TrainingState.save, loop._add

    def dying_save(self, path, variables=()):
        save(self, path, variables)
        saves.append(1)
        if moment == "after the fit" and self.done == ["shape"] and len(saves) == 1:
            raise Killed

    def dying_step(state, logs):
        if moment == "in the second stream" and state.stream == "speech" and state.step == 1:
            raise Killed
        return add(state, logs)

    monkeypatch.setattr(TrainingState, "save", dying_save)
    monkeypatch.setattr(loop, "_add", dying_step)
    with pytest.raises(Killed):
        train(records, tmp_path)
    monkeypatch.setattr(TrainingState, "save", save)
    monkeypatch.setattr(loop, "_add", add)
    again = Run.open(train(records, tmp_path, resume=True))
    for a, b in zip(run.model().weights, again.model().weights, strict=True):
        np.testing.assert_array_equal(a, b, err_msg=a.path)


@pytest.mark.parametrize("verb", ["refit", "init"])
def test_what_begins_behind_a_fitted_layer_finds_its_numbers(run, records, monkeypatch, verb):
    """The networks behind it were trained on them; those of other clips may be others altogether."""

    def killed(*_, **__):
        raise KeyboardInterrupt

    again = {
        "refit": partial(refit, run.folder, records.folder, name="refit"),
        "init": partial(train, records, run.folder.parent, "init", init=run.folder, folds=(2,)),
    }
    monkeypatch.setattr("emotionnet.training.train.train_stream", killed)
    with pytest.raises(KeyboardInterrupt):
        again[verb]()
    after = Run.open(run.folder.parent / verb)
    state, _ = TrainingState.load(after.checkpoint, after.fingerprint())
    theirs = find_layers(run.model(), "shape")[0].get_weights()
    for a, b in zip(state.best_weights["shape"], theirs, strict=True):
        np.testing.assert_array_equal(a, b)


def test_it_predicts_and_streams(run):
    from emotionnet.streaming.live import open_stream

    stream = open_stream(run.folder, start_s=0.0)
    clip = make_clip("x", seed=3)
    answers = []
    for i, jpeg in enumerate(clip.faces * 2):
        answers += stream.add_face(i / 10, jpeg)
        answers += stream.add_sound(clip.waveform[1600 * (i % 8) : 1600 * (i % 8 + 1)], i / 10)
    answers += stream.finish()
    assert answers
    assert {"faces", "speech"} <= {s for a in answers for s, p in a.alone.items() if p is not None}


@pytest.mark.slow
def test_its_bundle_is_true(run, tmp_path):
    from emotionnet.export import export
    from emotionnet.verify import verify

    out = export(run.folder, tmp_path / "bundle", precisions=("float32", "onnx"))
    contract = json.loads((out / "contract.json").read_text())
    assert {"encode_face", "encode_points", "encode_sound", "fuse"} <= set(contract["signatures"])
    assert {row["precision"] for row in verify(out)} == {"float32", "onnx"}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"layer": "nowhere"}, "'nowhere', which its model does not have"),
        ({"by": lambda values, labels: [np.zeros(3)]}, "numbers of the shapes"),
        ({"by": lambda values, labels: [np.full((136, 2), np.nan), np.zeros(2)]}, "no solution"),
    ],
)
def test_a_stage_that_cannot_be_says_why(records, tmp_path, monkeypatch, change, says):
    import dataclasses

    from toys import three_streams

    fitted, *learnt = three_streams.stages(three_streams.Config())
    changed = (dataclasses.replace(fitted, **change), *learnt)
    monkeypatch.setattr(three_streams, "stages", lambda config: changed)
    with pytest.raises(EmotionNetError, match=says):
        train(records, tmp_path)
    assert not (tmp_path / "run").exists(), "nothing learnt: the name is free"


def test_a_class_without_points_is_told_before_anything_learns(tmp_path, monkeypatch):
    import dataclasses

    from toys import three_streams

    fitted, *learnt = three_streams.stages(three_streams.Config())
    last = (*learnt, dataclasses.replace(fitted, supervised=True))
    monkeypatch.setattr(three_streams, "stages", lambda config: last)
    monkeypatch.setattr("emotionnet.training.train.train_stream", None)
    happy_unseen = make_records(tmp_path / "records", hidden="happy")
    with pytest.raises(EmotionNetError, match="is happy, and it tells classes apart"):
        train(happy_unseen, tmp_path)
    assert not (tmp_path / "run").exists(), "nothing learnt: the name is free"


@pytest.mark.parametrize("setting", [{"frozen": "stemm"}, {"rate_scales": "stemm:0.5"}])
def test_a_misspelt_layer_of_a_later_stream_is_told_first(records, tmp_path, monkeypatch, setting):
    ((field, value),) = setting.items()
    options = {"system": SYSTEM, "protocol": "actor_folds", "out": tmp_path, "name": "run"}
    monkeypatch.setattr("emotionnet.training.train.train_stream", None)
    with pytest.raises(UsageError, match="no layer 'stemm'"):
        fit(records=records.folder, train={f"speech.{field}": value}, **options)
    assert not (tmp_path / "run").exists()


def test_too_few_clips_to_fit_a_layer_to_are_told():
    stage = SimpleNamespace(supervised=False)
    unit = SimpleNamespace(name="x", needs="faces and speech", stage=stage)
    with pytest.raises(EmotionNetError, match="2 training clips have faces and speech, fewer than"):
        _check_counts(unit, SYSTEM, {"neutral": 1, "happy": 1, "sad": 0})
    _check_counts(unit, SYSTEM, {"neutral": 1, "happy": 2, "sad": 0})
    stage.supervised = True
    with pytest.raises(EmotionNetError, match="is sad, and it tells classes apart"):
        _check_counts(unit, SYSTEM, {"neutral": 1, "happy": 2, "sad": 0})


def test_a_module_that_is_no_system_is_refused():
    from emotionnet.systems import get_system

    with pytest.raises(UsageError, match="has no STREAMS"):
        get_system("json.decoder")
    with pytest.raises(UsageError, match="cannot be imported"):
        get_system("no.such")
