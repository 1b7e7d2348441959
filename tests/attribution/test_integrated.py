"""Attributions add up, are right where they are known, and nothing of the model changes."""

import numpy as np
import pytest
from tiny_model import tiny_inputs, tiny_model

from emotionnet.attribution import regions
from emotionnet.attribution.explainer import Explainer, sound_layers
from emotionnet.attribution.integrated import integrate
from emotionnet.errors import UsageError
from emotionnet.evaluation.gradient import FeatureGradient, InputGradient, layer_outputs
from emotionnet.inputs.views import View
from emotionnet.systems import build_model, ghost_fan

pytestmark = pytest.mark.usefixtures("four_bottlenecks")


def test_a_product_is_attributed_as_the_path_integral_has_it():
    # f = x^2 y from (0, 0) to (1, 2): x makes 4/3 of it, y 2/3.
    def gradient(values, number):
        x, y = (each[:, 0] for each in values)
        return x * x * y, [(2 * x * y)[:, None], (x * x)[:, None]]

    values = [np.array([[1.0]]), np.array([[2.0]])]
    found = integrate(gradient, values, [np.zeros((1, 1))] * 2, 0)
    assert [each.item() for each in found.values] == pytest.approx([4 / 3, 2 / 3], abs=1e-3)
    assert found.complete
    assert found.steps == 50


def test_a_jump_between_the_steps_is_said():
    def gradient(values, number):
        return (values[0][:, 0] > 0.501).astype(float), [np.zeros_like(values[0])]

    found = integrate(gradient, [np.ones((1, 1))], [np.zeros((1, 1))], 0)
    assert not found.complete
    assert found.steps == 450
    assert "NOT COMPLETE" in found.in_words()


def test_more_steps_take_only_what_was_not_taken_before():
    taken = []

    def gradient(values, number):
        x = values[0][:, 0]
        if len(x) == 5 and x[0] != 0:  # not the ends
            taken.extend(x)
        return 1 / (1 + np.exp(-400 * (x - 0.503))), [np.full_like(values[0], 0.0)]

    found = integrate(gradient, [np.ones((1, 1))], [np.zeros((1, 1))], 0, at_once=5)
    assert found.steps == 450
    assert len(taken) == 450
    np.testing.assert_allclose(np.sort(taken), (np.arange(450) + 0.5) / 450, atol=1e-6)


@pytest.fixture(scope="module")
def tiny():
    """With next to no face network, for tests of sound."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ghost_fan, "BOTTLENECKS", ghost_fan.BOTTLENECKS[:1])
        return tiny_model(variant="F1")


@pytest.mark.parametrize("system", ["ghost_fan", "segments"])
def test_sound_features_make_the_whole_answer_of_speech(system, tiny):
    model = tiny
    if system == "segments":  # one network on every segment: its layer is called on all at once
        config = {"segments": 2, "image_size": 32, "samples": 32000, "streams": ("speech",)}
        model = build_model(system, 3, **config)

    def answer(inputs):
        return np.asarray(model(inputs, training=False)["speech_probabilities"])

    inputs = {name: value[1:2] for name, value in tiny_inputs(model).items()}
    before = answer(inputs)
    layers = sound_layers(model)
    assert len(layers) == 1
    gradient = FeatureGradient(model, "speech_probabilities", layers)(inputs)
    silent = {**inputs, "waveform": np.zeros_like(inputs["waveform"])}
    values, base = ([each[0] for each in layer_outputs(model, i, layers)] for i in (inputs, silent))
    found = integrate(gradient, values, base, 1, at_once=25, steps=(1500,))
    # An untrained network answers all but the same: the share is looked at, not `complete`.
    assert found.total == pytest.approx(found.difference, rel=0.1)
    assert found.answer == pytest.approx(float(before[0, 1]), rel=1e-4)
    assert found.baseline == pytest.approx(float(answer(silent)[0, 1]), rel=1e-3)
    if system == "ghost_fan":  # filling after the sound's end makes nothing of the answer
        real = 1 + int(inputs["waveform_samples"][0]) // 512
        assert np.abs(found.values[0][0, real:]).sum() < 1e-6 < np.abs(found.values[0]).sum()
    np.testing.assert_array_equal(before, answer(inputs))


def test_the_mean_of_training_clips_leaves_out_those_without_sound_and_knows_no_batches(tiny):
    inputs = tiny_inputs(tiny)
    silent = {name: inputs[name].copy() for name in inputs}
    silent["waveform"][1:], silent["waveform_samples"][1:] = 0, 0
    mute = {**silent, "waveform_samples": np.zeros_like(inputs["waveform_samples"])}
    first = {name: value[:1] for name, value in inputs.items()}

    def mean(*batches):
        explainer = Explainer(tiny, View(), "abc", ("faces", "speech"), ("speech",), batches)
        question = explainer.question("speech", first)
        return question.baselines.get("training mean")

    np.testing.assert_allclose(mean(silent, mute), mean(first), rtol=1e-5)
    assert mean(mute) is None
    longer = {name: np.concatenate([value, value[:1]]) for name, value in inputs.items()}
    apart = [{name: value[i : i + 1] for name, value in inputs.items()} for i in range(2)]
    np.testing.assert_allclose(mean(inputs, first), mean(longer), rtol=1e-5)
    np.testing.assert_allclose(mean(*apart), mean(inputs), rtol=1e-5)
    assert not np.allclose(mean(first), mean(inputs), rtol=1e-3)


def test_masked_faces_make_nothing_of_an_answer():
    model = tiny_model()
    inputs = {name: value[1:2] for name, value in tiny_inputs(model).items()}
    gradient = InputGradient(model, "face_probabilities", "faces")(inputs)
    faces = inputs["faces"].astype(np.float32)
    found = integrate(gradient, [faces], [np.zeros_like(faces)], 1)
    assert np.abs(found.values[0][0, 1]).sum() == 0 < np.abs(found.values[0][0, 0]).sum()


def test_regions_lie_where_the_points_are_and_their_sums_are_those_of_the_heat():
    five = np.array([[0.35, 0.4], [0.65, 0.4], [0.5, 0.58], [0.4, 0.75], [0.6, 0.75]])
    masks = regions.from_5(five, 112)
    assert masks["left eye"][45, 39]
    assert not masks["left eye"][45, 73]
    assert masks["mouth"][84, 56]
    assert masks["nose"][62, 56]
    assert masks["right eyebrow"][32, 73]
    heat = np.zeros((2, 112, 112))
    heat[0, 84, 56], heat[1] = 2.0, 9.0  # of the second frame there is no face
    found = regions.sums(heat, np.stack([five] * 2), np.array([True, False]), regions.from_5)
    assert found["mouth"]["sum"] == 2
    assert found["mouth"]["share"] == 1
    assert found["left eye"]["sum"] == found["elsewhere"]["sum"] == 0


def test_a_stream_that_the_run_does_not_have_is_refused(tiny):
    with pytest.raises(UsageError, match="--streams geometry: not known"):
        Explainer(tiny, View(), "abc", ("faces",), ("geometry",))
