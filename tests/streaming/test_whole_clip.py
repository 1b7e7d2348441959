"""A stream answers what the model answers for the whole clip: the same faces, the same samples."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from tiny_run import LABELS, make_clip

from emotionnet.clips.records import parse, serialize
from emotionnet.streaming.live import Stream
from emotionnet.training.run import view_of

pytestmark = pytest.mark.usefixtures("four_bottlenecks")

SYSTEMS = {
    "ghost_fan": {"frames": 5, "image_size": 32, "samples": 32000},
    "segments": {"segments": 5, "image_size": 32, "samples": 32000},
}
#: Trained weights would do no other arithmetic; these only have to make clips differ.
CLASSIFIERS = {"ghost_fan": ("face_stream", "speech_stream"), "segments": (None,)}


def taken_apart(system, config, model, answer):
    """A run, as far as tests look at it, without its files: what answers a clip, and what streams it."""
    from emotionnet.streaming.model_parts import ModelParts
    from emotionnet.systems import get_system

    view, system = view_of({"system": system, "system_config": config}), get_system(system)
    parts = ModelParts(system.take_apart(model), system.Config(**config), view)
    return SimpleNamespace(config=config, view=view, model=model, answer=answer, parts=parts)


@pytest.fixture(scope="module", params=SYSTEMS)
def run(request):
    import keras

    from emotionnet.systems import build_model

    keras.utils.set_random_seed(0)
    model = build_model(request.param, 3, **SYSTEMS[request.param])
    rng = np.random.default_rng(0)
    for stream in CLASSIFIERS[request.param]:
        owner = model.get_layer(stream) if stream else model
        kernel, bias = owner.get_layer("classifier").weights
        kernel.assign(rng.normal(0, 1, kernel.shape))
        bias.assign(rng.normal(0, 1, bias.shape))
    config = SYSTEMS[request.param] | {"streams": ["faces", "speech"]}
    # Traced once, for all tests.
    return taken_apart(request.param, config, model, answer=model.predict_on_batch)


def clip_of(seconds, rate, faces="all", sound=True, seed=0):
    """A clip whose every frame has a face of its own, and whose sound changes."""
    n = round(seconds * rate)
    rng = np.random.default_rng(seed)
    eight = [make_clip("x", seed=s).faces for s in range(-(-n // 8))]
    jpegs = [jpeg for some in eight for jpeg in some][:n]
    missing = {"all": [], "some": range(n // 3, n // 2), "none": range(n)}[faces]
    jpegs = [b"" if i in missing else jpeg for i, jpeg in enumerate(jpegs)]
    loudness = np.repeat(rng.uniform(0, 6000, 40), -(-round(seconds * 16000) // 40))
    waveform = (rng.normal(size=len(loudness)) * loudness).clip(-32768, 32767).astype(np.int16)
    waveform = waveform[: round(seconds * 16000)] if sound else waveform[:0]
    nan = np.full((n, 10), np.nan, np.float32)
    return dataclasses.replace(
        make_clip("x"),
        faces=jpegs,
        times_s=(np.arange(n) / rate).astype(np.float32),
        boxes=nan[:, :4],
        landmarks=nan.reshape(n, 5, 2),
        waveform=waveform,
    )


def whole(run, clip, start_s=0.0, samples=None):
    """The model's answers for the clip as a whole: (3, classes)."""
    import tensorflow as tf

    view = run.view
    if samples:
        view = dataclasses.replace(view, samples=samples)
    inputs = view(parse(tf.constant(serialize(clip))), tf.constant(start_s))
    waveform = np.zeros(run.view.samples, np.float32)
    waveform[: view.samples] = inputs["waveform"].numpy()
    inputs = {name: np.asarray(value)[None] for name, value in inputs.items()}
    outputs = run.answer({**inputs, "waveform": waveform[None]})
    names = ("probabilities", "face_probabilities", "speech_probabilities")
    return np.stack([outputs[name][0] for name in names])


def streamed(run, clip, chunk=777, **kwargs):
    stream = Stream(run.parts, LABELS, start_s=0.0, **kwargs)
    events = [(float(t), 1, jpeg or None) for t, jpeg in zip(clip.times_s, clip.faces)]
    for first in range(0, len(clip.waveform), chunk):
        samples = clip.waveform[first : first + chunk]
        events.append(((first + len(samples)) / 16000, 0, (first, samples)))
    answers = []
    for time_s, is_face, what in sorted(events, key=lambda event: event[:2]):
        if is_face:
            answers += stream.add_face(time_s, what)
        else:
            answers += stream.add_sound(what[1], what[0] / 16000)
    return [*answers, *stream.finish()]


def table(answer):
    uniform = np.full(3, 1 / 3)
    kinds = (answer.probabilities, answer.alone.get("faces"), answer.alone.get("speech"))
    return np.stack([uniform if p is None else p for p in kinds])


@pytest.mark.parametrize(
    ("seconds", "rate", "faces", "sound"),
    [
        (1.0, 30, "all", True),  # centres fall between two frames: ties
        (1.4, 30, "all", True),
        (1.0, 29.97, "some", True),
        (1.12, 25, "all", True),
        (1.2, 4, "all", True),  # fewer frames than segments
        (1.0, 30, "all", False),
        (1.0, 30, "none", True),
    ],
)
def test_a_window_that_covers_the_clip_gives_its_answer(run, seconds, rate, faces, sound):
    clip = clip_of(seconds, rate, faces, sound)
    if not sound:  # then the clip is as long as its pictures
        seconds = len(clip.times_s) / rate
    expected = whole(run, clip)
    answers = streamed(run, clip, window_s=seconds, sound=sound)
    assert len(answers) == 5
    assert np.ptp(expected[0]) > 0.01
    np.testing.assert_allclose(table(answers[-1]), expected, atol=1e-6)
    assert answers[-1].streams == {(True, False): "faces", (False, True): "speech"}.get(
        (faces != "none", sound), "both"
    )


@pytest.mark.parametrize("run", ["ghost_fan"], indirect=True)
def test_every_answer_is_that_of_its_window(run):
    # (A segment of the other system hears what lies before the window, as it is meant.)
    clip = clip_of(2.4, 30)
    answers = streamed(run, clip, window_s=1.0)
    assert [round(answer.time_s, 3) for answer in answers] == [
        round(0.2 * i, 3) for i in range(1, 13)
    ]
    for answer in answers[4:11]:
        expected = whole(run, clip, answer.time_s - 1.0, samples=16000)
        np.testing.assert_allclose(table(answer), expected, atol=1e-6)


@pytest.mark.parametrize("streams", [("faces", "speech"), ("speech",), ("faces",)])
def test_a_system_of_a_fixed_rate(streams):
    import keras

    from emotionnet.systems import build_model

    keras.utils.set_random_seed(0)
    config = {
        "frames": 12,
        "frame_hz": 12.5,
        "image_size": 32,
        "samples": 15360,
        "streams": streams,
    }
    model = build_model("dv_emotionnet", 3, **config)
    # Answers layer by layer: there are one or two.
    run = taken_apart("dv_emotionnet", config, model, answer=model)
    clip = clip_of(0.96, 25)
    answers = streamed(run, clip, hop_s=0.32, faces="faces" in streams, sound="speech" in streams)
    assert [round(answer.time_s, 3) for answer in answers] == [0.32, 0.64, 0.96]
    expected = whole(run, clip)
    assert np.ptp(expected[0]) > 1e-3
    np.testing.assert_allclose(table(answers[-1]), expected, atol=1e-6)
    half = streamed(
        run, clip, window_s=0.48, hop_s=0.48, faces="faces" in streams, sound="speech" in streams
    )
    if streams == ("faces",):  # the window is the clip's first half
        np.testing.assert_allclose(
            table(half[0]),
            whole(
                run,
                dataclasses.replace(
                    clip,
                    faces=clip.faces[:12],
                    times_s=clip.times_s[:12],
                    waveform=clip.waveform[:0],
                ),
            ),
            atol=1e-6,
        )


@pytest.mark.parametrize("run", ["segments"], indirect=True)
def test_another_number_of_segments(run):
    import tensorflow as tf

    from emotionnet.systems import build_model

    clip = clip_of(1.4, 30)
    other = build_model("segments", 3, **{**run.config, "segments": 7})
    other.set_weights(run.model.get_weights())

    view = dataclasses.replace(run.view, frames=7)
    inputs = view(parse(tf.constant(serialize(clip))), tf.constant(0.0))
    inputs = {name: np.asarray(value)[None] for name, value in inputs.items()}
    answers = streamed(run, clip, window_s=1.4, hop_s=0.2)
    np.testing.assert_allclose(
        answers[-1].probabilities, other.predict_on_batch(inputs)["probabilities"][0], atol=1e-6
    )


def test_each_segment_is_encoded_once(run, monkeypatch):
    encoded = []
    real = run.parts.encode
    monkeypatch.setattr(run.parts, "encode", lambda *a: encoded.append(1) or real(*a))
    answers = streamed(run, clip_of(2.4, 30), window_s=1.0)
    assert len(encoded) == len(answers) == 12
