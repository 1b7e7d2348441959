"""Sums over a part of a run's clips, and the checks that say whether attributions mean anything."""

import json
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
from test_leave_out import noise_records
from tiny_model import tiny_inputs, tiny_model
from tiny_run import LABELS, SYSTEM_CONFIG, make_run

from emotionnet.attribution import asking
from emotionnet.attribution.explainer import Explainer, Question
from emotionnet.attribution.part import chosen
from emotionnet.attribution.sanity import COVERED, _layers, check
from emotionnet.attribution.text import describe_part
from emotionnet.errors import UsageError
from emotionnet.explain import explain
from emotionnet.files import read_csv
from emotionnet.inputs.views import View
from emotionnet.training.run import Run

pytestmark = pytest.mark.usefixtures("four_bottlenecks")


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return noise_records(tmp_path_factory.mktemp("part"), LABELS)


@pytest.fixture(scope="module")
def run(records):
    folder = records.folder.parent / "run"
    return make_run(folder, records, records.rows[:9], train=records.rows[9:])


def test_the_mean_is_of_clips_from_all_over_the_training_part(monkeypatch, run):
    rows, shown = list(range(31)), []
    source = SimpleNamespace(inference_batches=lambda rows, n: shown.extend(rows) or ())
    opened = SimpleNamespace(guard=nullcontext)
    monkeypatch.setattr(asking, "open_part", lambda *_: (opened, rows))
    monkeypatch.setattr(asking, "open_source", lambda *_: source)
    assert list(asking.training_batches(run, None, SimpleNamespace(input={}))) == []
    assert (len(shown), shown[0]) == (16, 0)
    assert set(np.diff([*shown, len(rows)])) <= {1, 2}


def test_wrong_records_are_refused_where_they_are_given(run, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(run.config | {"records": "elsewhere"}))
    moved, model = Run.open(tmp_path), SimpleNamespace(input={})
    assert list(asking.training_batches(moved, None, model)) == []
    with pytest.raises(UsageError, match="elsewhere: the records of this run are not there"):
        list(asking.training_batches(moved, "elsewhere", model))


def test_a_part_becomes_a_table_pictures_and_a_page(run, tmp_path):
    before = [np.array(weight) for weight in run.model().weights]
    (found,) = explain(run.folder, part="test", each=1, out=tmp_path)
    summary = found["summary"]
    assert not summary.left_out
    rows = read_csv(tmp_path / "explain_test.csv")
    assert {row["emotion"] for row in rows} == set(LABELS)
    assert {"mouth", "left eye", "elsewhere"} <= {row["part"] for row in rows}
    page = (tmp_path / "explain_test.html").read_text(encoding="utf-8")
    assert "rank correlation" in page
    assert (tmp_path / "explain_test_faces_black.svg").stat().st_size > 1000
    assert set(summary.sanity) == {"faces", "speech"}
    # Samples have no parts that a row could name, and their check is told all the same.
    assert page.count("Can these maps be trusted?") == 2
    assert "speech: rank correlation" in describe_part(**found)
    for old, new in zip(before, run.model().weights):
        np.testing.assert_array_equal(old, new)


@pytest.mark.slow
def test_coefficients_of_sound_are_rows_of_the_table(records, tmp_path):
    model = tiny_model(variant="F1", **SYSTEM_CONFIG)
    run = make_run(
        tmp_path / "run", records, records.rows[:9], model, ("speech",), records.rows[9:]
    )
    (found,) = explain(run.folder, part="test", each=1)
    rows = found["summary"].rows
    assert {row["baseline"] for row in rows} == {"silence", "training mean"}
    assert {row["part"] for row in rows} == {f"mfcc {i}" for i in range(40)}
    shares = [r["share"] for r in rows if (r["baseline"], r["emotion"]) == ("silence", "happy")]
    assert sum(shares) == pytest.approx(1, abs=1e-3)


def test_of_each_emotion_so_many_are_chosen_evenly(run):
    from emotionnet.evaluation.asked import open_part

    _, rows = open_part(run, None, "train")
    kept = chosen(rows, 2)
    counts = {label: sum(row.emotion == label for row in kept) for label in LABELS}
    assert set(counts.values()) == {2}
    assert chosen(rows, None) == rows


def test_layers_of_other_streams_are_not_shuffled():
    model = tiny_model(variant="F1")
    names = {layer.name for layer in _layers(model, "speech")}
    assert "conv_1" in names
    assert not any(name.startswith(("bottleneck", "stem")) for name in names)
    assert _layers(model, "speech")[0].name == "classifier"


class Linear(Explainer):
    """Answers from the left half of a picture alone; that its map says so can be switched off."""

    def __init__(self, right: bool):
        self.model, self.labels, self._right = tiny_model(variant="F1"), ("a", "b"), right

    def question(self, stream, inputs):
        weights = np.full((1, 1, 16, 16, 3), 1e-9, np.float32)
        weights[..., :8, :] = 1 / (16 * 8 * 3)
        shown = weights if self._right else weights[..., ::-1, :]

        def gradient(values, number):
            answers = (values[0] * weights).sum(axis=(1, 2, 3, 4))
            return answers, [np.broadcast_to(shown, values[0].shape)]

        values = [np.ones((1, 1, 16, 16, 3), np.float32)]
        return Question(gradient, values, {"black": [np.zeros_like(values[0])]}, ("faces",))


@pytest.mark.parametrize("right", [True, False])
def test_covering_what_a_map_names_lowers_the_answer_only_if_the_map_is_right(right):
    found = check(Linear(right), "faces", [({}, 0)])
    assert found.named[0] == pytest.approx(found.random[0]) == pytest.approx(1, abs=1e-3)
    if right:
        assert found.named[-1] == pytest.approx(0, abs=1e-3)  # half of the picture is covered
        assert found.gain > 0
        assert "falls faster than" in " ".join(found.in_words())
    else:
        assert "NOT faster" in " ".join(found.in_words())
    # This map does not look at the weights, which is what the first check finds.
    assert min(found.layers.values()) == pytest.approx(1)
    assert len(found.named) == len(COVERED)


def test_shuffled_weights_change_attributions_and_come_back():
    model = tiny_model(variant="F1")
    inputs = {name: value[:1] for name, value in tiny_inputs(model).items()}
    before = [np.array(weight) for weight in model.weights]
    explainer = Explainer(model, View(3, 32, 16000), "abc", ("faces", "speech"), ("speech",))
    found = check(explainer, "speech", [(inputs, 1)])
    assert min(found.layers.values()) < 0.9
    for old, new in zip(before, model.weights):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "one of both"),
        ({"clips": ["a.mp4"], "part": "test"}, "one of both"),
        ({"part": "tests"}, "--part tests: not known"),
        ({"part": "test", "emotion": "happy"}, "own emotion"),
        ({"part": "test", "each": 0}, "at least one"),
        ({"clips": ["a.mp4"], "each": 2}, "is about a part"),
        ({"part": "test", "streams": "geometry"}, "--streams geometry: not known"),
    ],
)
def test_what_contradicts_itself_is_refused(run, tmp_path, asked, said):
    with pytest.raises(UsageError, match=said):
        explain(run.folder, out=tmp_path, **asked)
    assert not list(tmp_path.iterdir())
