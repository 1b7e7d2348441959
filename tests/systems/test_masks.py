"""Every system: what is absent, masked or padding changes no answer, from the record to the model."""

import dataclasses

import numpy as np
import pytest
from tiny_model import answers_to

keras = pytest.importorskip("keras")

from emotionnet.systems import SYSTEMS, build_model, make_config  # noqa: E402

pytestmark = pytest.mark.usefixtures("four_bottlenecks")

SAMPLES, LENGTH, CLASSES = 32000, 20000, 3
#: Small forms; a system that is not here is tested in its own.
SMALL = {
    "ghost_fan": {"frames": 4, "image_size": 32},
    "segments": {"segments": 4, "image_size": 64},
    "cross_modal": {
        "frames": 4, "image_size": 32, "backbone": "GhostNet", "backbone_weights": "none",
    },
    "dv_emotionnet": {"frames": 4, "image_size": 32},
    "faces": {
        "frames": 4, "image_size": 32, "backbone": "GhostNet", "backbone_weights": "none",
        "head": "pool",
    },
    # Its landmarks: tests/systems/test_racnn.py.
    "racnn": {
        "frames": 4, "image_size": 32, "picture_size": 32, "backbone": "GhostNet",
        "backbone_weights": "none", "klda": False, "streams": ("faces", "speech"),
    },
}  # fmt: skip
OUTPUTS = {"faces": "face_probabilities", "speech": "speech_probabilities"}
#: Behind the end of a sound.
GARBAGE = (np.nan, np.inf, 0.7)


def small_model(name: str, samples: int = SAMPLES):
    keras.utils.set_random_seed(0)
    return build_model(name, CLASSES, samples=samples, **SMALL.get(name, {}))


def settle(model) -> None:
    """Sets the statistics of every BatchNorm as a training does: else hardly anything gets through."""
    norms = [x for x in model._flatten_layers() if isinstance(x, keras.layers.BatchNormalization)]
    for norm in norms:
        norm.momentum = 0.0
    model(inputs_of(model), training=True)


def streams_of(name: str) -> tuple[str, ...]:
    """What a system sees at all."""
    streams = make_config(name, **SMALL.get(name, {})).streams
    return tuple(stream for stream in OUTPUTS if stream in streams)


@pytest.fixture(scope="module", params=SYSTEMS)
def system(request):
    model = small_model(request.param)
    settle(model)
    return request.param, model


def inputs_of(model, seed: int = 0) -> dict[str, np.ndarray]:
    """Two clips; the third frame has no face, and a part of the sound is padding."""
    rng = np.random.default_rng(seed)
    frames, size = model.input["faces"].shape[1:3]
    mask = np.ones((2, frames), np.float32)
    mask[:, 2] = 0
    waveform = np.zeros((2, SAMPLES), np.float32)
    waveform[:, :LENGTH] = rng.normal(0, 0.1, (2, LENGTH))
    faces = rng.integers(0, 256, (2, frames, size, size, 3)).astype(np.uint8)
    faces[:, 2] = 0
    return {
        "faces": faces,
        "frame_mask": mask,
        "waveform": waveform,
        "waveform_samples": np.full(2, LENGTH, np.int32),
    }


def answer(model, inputs) -> dict[str, np.ndarray]:
    return {name: np.array(value) for name, value in model(inputs, training=False).items()}


def check_equal(found, expected):
    for name, value in expected.items():
        assert np.isfinite(found[name]).all()
        np.testing.assert_allclose(found[name], value, atol=2e-6, err_msg=name)


def poisoned(inputs, sound: float = np.nan) -> dict[str, np.ndarray]:
    """Garbage wherever the masks say that nothing is there."""
    rng = np.random.default_rng(9)
    out = {name: value.copy() for name, value in inputs.items()}
    masked = out["frame_mask"] == 0
    out["faces"][masked] = rng.integers(0, 256, out["faces"][masked].shape)
    beyond = np.arange(out["waveform"].shape[1]) >= out["waveform_samples"][:, None]
    out["waveform"][beyond] = sound
    return out


#: The input that says that a stream is absent.
MASKS = {"faces": "frame_mask", "speech": "waveform_samples"}


def without(inputs, *streams: str) -> dict[str, np.ndarray]:
    return inputs | {MASKS[stream]: np.zeros_like(inputs[MASKS[stream]]) for stream in streams}


def cases_of(model) -> dict[str, dict[str, np.ndarray]]:
    """All that is asked of a model of one size; each test looks at some of the answers."""
    inputs = inputs_of(model)
    half = {name: value.copy() for name, value in inputs.items()}
    half["frame_mask"][1] = half["waveform_samples"][1] = 0
    cases = {"plain": inputs, "first only": half}
    cases |= {f"garbage {sound}": poisoned(inputs, sound) for sound in GARBAGE}
    faces, waveform = inputs["faces"].copy(), inputs["waveform"].copy()
    faces[:, 3] = 255 - faces[:, 3] // 2
    waveform[:, LENGTH // 2 : LENGTH] *= np.linspace(0, 3, LENGTH // 2)
    cases["other faces"] = inputs | {"faces": faces}
    cases["other speech"] = inputs | {"waveform": waveform}
    cases["silence"] = {**inputs, "waveform_samples": np.full(2, SAMPLES, np.int32)}
    for stream in OUTPUTS:
        cases[f"no {stream}"] = without(inputs, stream)
        cases[f"no {stream}, garbage"] = poisoned(cases[f"no {stream}"])
    cases["nothing"] = poisoned(without(inputs, *OUTPUTS))
    return cases


@pytest.fixture(scope="module")
def answers(system):
    _, model = system
    return answers_to(model, cases_of(model))


@pytest.mark.parametrize("sound", GARBAGE)
def test_garbage_behind_the_masks_changes_nothing(answers, sound):
    check_equal(answers[f"garbage {sound}"], answers["plain"])


def test_what_is_not_masked_matters(system, answers):
    name, _ = system
    for stream, output in OUTPUTS.items():
        difference = np.abs(answers[f"other {stream}"][output] - answers["plain"][output]).max()
        assert (difference > 1e-4) == (stream in streams_of(name)), stream


def test_more_padding_changes_nothing(system, answers):
    name, model = system
    longer = small_model(name, SAMPLES + 8000)
    longer.set_weights(model.get_weights())
    inputs = inputs_of(model)
    more = {**inputs, "waveform": np.pad(inputs["waveform"], [[0, 0], [0, 8000]])}
    check_equal(answer(longer, more), answers["plain"])


def test_a_padded_second_is_not_a_silent_second(system, answers):
    name, _ = system
    silent, padded = (answers[case]["speech_probabilities"] for case in ("silence", "plain"))
    assert (np.abs(silent - padded).max() > 1e-4) == ("speech" in streams_of(name))


@pytest.mark.parametrize("gone", OUTPUTS)
def test_an_absent_stream_leaves_the_answer_to_the_other(answers, gone):
    found = answers[f"no {gone}"]
    check_equal(answers[f"no {gone}, garbage"], found)
    left = next(output for stream, output in OUTPUTS.items() if stream != gone)
    np.testing.assert_allclose(found["probabilities"], found[left], atol=2e-6)
    np.testing.assert_allclose(found[OUTPUTS[gone]], 1 / CLASSES, atol=2e-6)
    for value in found.values():
        np.testing.assert_allclose(value.sum(axis=1), 1, atol=1e-5)
    # The other stream's own answer is the one that it gives of the whole clip.
    np.testing.assert_allclose(found[left], answers["plain"][left], atol=2e-6)


def test_a_clip_with_nothing_is_answered_uniformly(answers):
    for value in answers["nothing"].values():
        np.testing.assert_allclose(value, 1 / CLASSES, atol=2e-6)


def test_one_clip_of_a_batch_does_not_touch_another(system, answers):
    _, model = system
    alone = answer(model, {name: value[:1] for name, value in inputs_of(model).items()})
    for name, value in answers["first only"].items():
        np.testing.assert_allclose(value[:1], alone[name], atol=2e-6, err_msg=name)


def test_masks_come_from_the_record(system, tmp_path):
    """Frames without a face and short sound: the record says so, the view masks it, it is unseen."""
    pytest.importorskip("tensorflow")
    from tiny_run import make_clip, write_records

    from emotionnet.inputs.opening import open_source
    from emotionnet.inputs.views import View

    _, model = system
    whole = make_clip("a")
    half = len(whole.faces) // 2
    clips = [
        dataclasses.replace(whole, faces=whole.faces[:half] + [b""] * half),
        make_clip("b", faces=False),
        make_clip("c", sound=False),
    ]
    records = write_records(tmp_path / "records", clips)
    frames, size = model.input["faces"].shape[1:3]
    source = open_source(records, View(frames, size, SAMPLES), ("happy",))
    (batch,) = source.inference_batches(records.rows, 3)
    inputs = {name: np.asarray(value) for name, value in batch.items()}
    assert inputs["frame_mask"].tolist() == [[1, 1, 0, 0], [0] * 4, [1] * 4]
    assert inputs["waveform_samples"].tolist() == [12800, 12800, 0]
    found = answers_to(model, {"plain": inputs, "garbage": poisoned(inputs)})
    check_equal(found["garbage"], found["plain"])
