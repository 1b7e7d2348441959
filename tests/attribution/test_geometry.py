"""Landmarks are explained, and say where the parts of a face are, through a stage that was fitted."""

import numpy as np
import pytest
from tiny_run import make_clip

from emotionnet.attribution import regions
from emotionnet.attribution.explainer import Explainer
from emotionnet.attribution.moments import moments
from emotionnet.clips.records import parse, serialize
from emotionnet.errors import BadClip
from emotionnet.inputs.views import View
from emotionnet.systems import build_model

pytestmark = pytest.mark.usefixtures("four_bottlenecks")

FRAMES = 8


def face_of_68():
    """68 points of a face in units of the crop: each region's about its own place."""
    points = np.zeros((68, 2))
    centres = {
        "left eyebrow": (0.35, 0.25), "right eyebrow": (0.65, 0.25), "left eye": (0.35, 0.42),
        "right eye": (0.65, 0.42), "nose": (0.5, 0.56), "mouth": (0.5, 0.76),
    }  # fmt: skip
    for name, numbers in regions.POINTS_68.items():
        angle = np.linspace(0, 2 * np.pi, len(numbers), endpoint=False)
        circle = np.stack([np.cos(angle), 0.5 * np.sin(angle)], axis=1)
        points[list(numbers)] = np.array(centres[name]) + 0.06 * circle
    return points, centres


@pytest.fixture(scope="module")
def parsed():
    found = dict(parse(serialize(make_clip("a"))))
    points, _ = face_of_68()
    moving = points + 0.002 * np.arange(FRAMES)[:, None, None]
    field = {"landmarks68": moving.astype(np.float32), "landmarks68_times_s": found["times_s"]}
    return found | field


@pytest.fixture(scope="module")
def explainer():
    import keras

    keras.utils.set_random_seed(0)
    model = build_model("toys.three_streams", 3)
    rng = np.random.default_rng(0)
    for weight in model.weights:  # what is fitted begins with nothing
        weight.assign(rng.normal(0, 0.5, weight.shape))
    view = View(3, 32, 16000, landmarks=3)
    return Explainer(model, view, "abc", ("faces", "speech", "geometry"))


def test_regions_of_68_points_lie_where_these_are():
    points, centres = face_of_68()
    masks = regions.from_68(points, 100)
    for name, (x, y) in centres.items():
        assert masks[name][round(100 * y), round(100 * x)], name
        assert 0.003 < masks[name].mean() < 0.05, name
    assert not (masks["left eye"] & masks["right eye"]).any()
    assert not (masks["left eyebrow"] & masks["left eye"]).any()


def test_landmarks_are_explained_through_a_fitted_layer_and_give_the_regions(explainer, parsed):
    why = explainer.explain(parsed)
    assert set(why.streams) == {"faces", "speech", "geometry"}
    assert why.regions_from == "the 68 landmarks"
    (one,) = why.streams["geometry"].by.values()
    assert one.complete
    assert np.abs(one.values[0]).sum() > 0
    without = {k: v for k, v in parsed.items() if not k.startswith("landmarks68")}
    less = explainer.explain(without)
    assert less.regions_from == "the five stored points"
    assert set(less.streams) == {"faces", "speech"}
    assert less.notes


def test_each_second_of_a_clip_with_landmarks_has_its_share(explainer, parsed):
    rows, _ = moments(explainer, parsed, [0.0], 0.8, "a")
    (row,) = rows
    assert {abs(row[stream]) for stream in ("faces", "speech", "geometry")} == {1.0}


def test_a_clip_with_nothing_of_what_is_explained_is_said():
    model = build_model("ghost_fan", 3, frames=2, image_size=32, samples=16000, variant="F1")
    explainer = Explainer(model, View(2, 32, 16000), "abc", ("faces", "speech"))
    nothing = parse(serialize(make_clip("b", faces=False, sound=False)))
    with pytest.raises(BadClip, match="nothing to explain"):
        explainer.explain(nothing)
