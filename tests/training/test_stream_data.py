"""What of a system is trained, on what, and how: systems say it, the training has no special cases."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest

from emotionnet.errors import UsageError
from emotionnet.inputs.augmentation import Augmentation
from emotionnet.layers import SegmentWindows
from emotionnet.systems import build_model
from emotionnet.training import plan
from emotionnet.training.loop import Settings
from emotionnet.training.stream_data import augmentation, check_labels
from emotionnet.training.unit import is_still, learnt_names, moving, rows_for, run_stages, units_of


def config(system, streams=("faces", "speech"), joint=False, augment="paper", **fields):
    return {
        "system": system,
        "system_config": {"streams": list(streams), **fields},
        "streams": list(streams),
        "joint": joint,
        "augment": augment,
    }


def test_streams_are_trained_one_by_one_or_as_one():
    assert learnt_names(config("ghost_fan")) == ["faces", "speech"]
    assert learnt_names(config("ghost_fan", ("speech",))) == ["speech"]
    assert learnt_names(config("ghost_fan", joint=True)) == ["joint"]
    assert learnt_names(config("segments")) == ["joint"]
    assert learnt_names(config("segments", ("speech",))) == ["joint"]


def test_a_system_trained_as_one_gives_logits_from_what_it_sees():
    small = {"image_size": 32, "samples": 16000, "segments": 2}
    (both,) = units_of(build_model("segments", 3, **small), config("segments", **small))
    assert both.logits
    assert set(both.inputs) == {"faces", "frame_mask", "waveform", "waveform_samples"}
    model = build_model("segments", 3, streams=("speech",), **small)
    (alone,) = units_of(model, config("segments", ("speech",), **small))
    assert set(alone.inputs) == set(alone.model.input) == {"waveform", "waveform_samples"}
    assert len(alone.model.weights) == len(model.weights)


@pytest.mark.parametrize(
    ("system", "small"),
    [
        ("segments", {"image_size": 32, "samples": 32000, "segments": 3}),
        (
            "cross_modal",
            {"image_size": 32, "samples": 32000, "frames": 3, "backbone": "MobileNetV2",
             "backbone_weights": "none"},
        ),
    ],
)  # fmt: skip
def test_the_sound_follows_the_frames_in_training_alone(system, small):
    keras.utils.set_random_seed(0)
    streams = ("speech",)
    model = build_model(system, 3, streams=streams, **small)
    (unit,) = units_of(model, config(system, streams, **small))
    assert moving(unit, None) is moving(unit, Augmentation()) is unit.model
    strength = Augmentation(noise_share=0, frame_jitter=1.0)
    assert not is_still(unit, strength)
    learning = moving(unit, strength)
    assert set(learning.input) == {"waveform", "waveform_samples", "moves"}
    assert {id(w) for w in learning.weights} == {id(w) for w in unit.model.weights}
    assert "moves" not in model.input
    sound = np.random.default_rng(0).normal(size=(1, 32000)).astype(np.float32)
    inputs = {"waveform": sound, "waveform_samples": np.array([30000], np.int32)}
    moves = np.array([[0, -1500, 800]], np.int32)
    cut = SegmentWindows(3, 400)
    at_centres = np.asarray(cut(sound, inputs["waveform_samples"])[0])
    moved = np.asarray(cut(sound, inputs["waveform_samples"], moves)[0])
    np.testing.assert_array_equal(moved[0, 0], at_centres[0, 0])
    np.testing.assert_array_equal(moved[0, 2], sound[0, 25000 + 800 - 200 : 25000 + 800 + 200])
    wanted = unit.model.predict_on_batch(inputs)
    still = learning.predict_on_batch(inputs | {"moves": np.zeros_like(moves)})
    np.testing.assert_allclose(still, wanted, atol=1e-6)
    assert np.abs(learning.predict_on_batch(inputs | {"moves": moves}) - wanted).max() > 1e-4


def test_joint_takes_clips_that_have_any_of_the_streams():
    deaf = SimpleNamespace(faces_found=3, samples=0)
    faces, speech = run_stages(config("ghost_fan"))
    (joint,) = run_stages(config("segments"))
    both = ["faces", "speech"]
    assert rows_for(faces, both, None, [deaf]) == [deaf]
    assert rows_for(speech, both, None, [deaf]) == []
    assert rows_for(joint, both, None, [deaf]) == [deaf]
    assert rows_for(joint, ["speech"], None, [deaf]) == []


def test_what_augmentation_means_is_the_systems_to_say():
    assert augmentation(config("segments", augment="none")) is None
    segments, fan = augmentation(config("segments")), augmentation(config("ghost_fan"))
    assert (segments.frame_jitter, segments.window_shift_s) == (1.0, 0.01)
    assert not segments.changes_faces
    assert segments.noise_share == 0
    assert (segments.copies, fan.copies) == ((), ("pitch", "stretch"))
    assert fan.frame_jitter == 0
    light = augmentation(config("segments", augment="light"))
    assert light.changes_faces
    assert light.frame_jitter == 1


def test_paper_is_what_the_papers_name_and_ours_is_ours():
    fan, ours = (augmentation(config("ghost_fan", augment=each)) for each in ("paper", "ours"))
    assert (fan.scale, fan.shift, fan.noise_std, fan.noise_variance) == (0, 0, 0, 0.01)
    assert (fan.rotation_degrees, fan.flip) == (5, 0.5)
    assert (ours.shift, ours.noise_variance, ours.copies) == (0.06, 0, ("pitch", "stretch"))
    for system in ("cross_modal", "racnn"):
        named = augmentation(config(system))
        assert not named.changes(("faces", "frame_mask", "waveform", "waveform_samples"))
        assert augmentation(config(system, augment="ours")).modality_dropout > 0
    same = [augmentation(config("segments", augment=each)) for each in ("paper", "ours")]
    assert same[0] == same[1]
    speech = [augmentation(config("ghost_fan", augment="ours", speech="logmel"))]
    assert not speech[0].changes_sound


@pytest.mark.parametrize(
    ("system", "stream"),
    [("segments", "joint"), ("cross_modal", "joint"), ("racnn", "fused"), ("faces", "faces")],
)
def test_gradients_are_clipped_only_where_that_is_ours(system, stream):
    assert plan.stream_settings(system, "ravdess")[stream]["clip_norm"] == 0
    assert plan.stream_settings(system, "demo")[stream]["clip_norm"] == 5


def test_a_system_brings_its_papers_settings():
    joint = plan.stream_settings("segments", "ravdess")["joint"]
    settings = Settings(**joint)
    assert (settings.epochs, settings.batch_size) == (100, 16)
    rates = [settings.learning_rate_at(epoch / 100) for epoch in (0, 49, 50, 99)]
    assert rates == pytest.approx([1e-4, 1e-4, 1e-5, 1e-5])
    assert plan.stream_settings("segments", "demo", epochs=3)["joint"]["epochs"] == 3
    rows = [SimpleNamespace(samples=60000, faces_found=1)]
    segments = [
        plan.system_config("segments", corpus, rows, ["faces", "speech"], {})["segments"]
        for corpus in ("crema_d", "ravdess")
    ]
    assert segments == [5, 12]


def test_a_layer_that_is_fitted_to_all_labels_does_not_learn_from_few():
    few = {"learning": {"scheme": "uncertainty"}}
    for system, streams in (("racnn", ("faces", "speech")), ("dv_emotionnet", ("faces", "speech"))):
        check_labels({**config(system, streams), "learning": {"scheme": "all"}})
        with pytest.raises(UsageError, match="from the labels of all training clips"):
            check_labels({**config(system, streams), **few})
    check_labels({**config("ghost_fan"), **few})
    check_labels({**config("dv_emotionnet", ("speech",)), **few})  # a scaler asks for no labels


def test_the_cosine_goes_from_the_rate_to_zero():
    settings = Settings(learning_rate=0.01)
    rates = [settings.learning_rate_at(x) for x in (0.0, 0.5, 1.0)]
    assert rates == pytest.approx([0.01, 0.005, 0.0])
