"""A run made ready to be asked why: what of each stream of a clip makes how much of its answer.

Faces are compared with black ones, sound with silence and with the mean sound of training clips,
landmarks with the mean face. Sound is explained where a system's sound becomes features (MFCCs, log-mel
bands, pitch …), which a person can read, unlike samples; where a network takes samples, at these.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from emotionnet.attribution import regions
from emotionnet.attribution.integrated import STEPS, Attribution, integrate
from emotionnet.clips import SAMPLE_RATE
from emotionnet.errors import BadClip, UsageError
from emotionnet.evaluation.gradient import (
    FeatureGradient,
    Gradient,
    InputGradient,
    layer_outputs,
)
from emotionnet.inputs.kinds import FUSED, OUTPUTS, STREAMS, present, stream_named

#: Steps of the way that go through a model at once: bounds the memory.
AT_ONCE = 5
BLACK, SILENCE, MEAN = "black", "silence", "training mean"


@dataclass(frozen=True)
class Question:
    """One question: a stream of one clip.

    Attributes:
        gradient: of its answer, by the values.
        values: that are explained.
        baselines: name → what they are compared with, of the same shapes.
        parts: what the arrays are, as of `StreamWhy`.
    """

    gradient: Gradient
    values: list[np.ndarray]
    baselines: dict[str, list[np.ndarray]]
    parts: tuple[str, ...]


@dataclass(frozen=True)
class StreamWhy:
    """Why a stream answers as it does.

    Attributes:
        stream: its name.
        probabilities: (C,) its own answer.
        by: baseline → how much of the answer each value makes, compared with it.
        parts: what the arrays of these are: ``faces``, ``landmarks``, ``waveform``, or the names of
            layers.
        values: what was explained, arrays as in ``by``.
    """

    stream: str
    probabilities: np.ndarray
    by: dict[str, Attribution]
    parts: tuple[str, ...]
    values: list[np.ndarray]


@dataclass(frozen=True)
class Why:
    """Why a clip is answered as it is.

    Attributes:
        emotion: the class that is explained.
        probabilities: (C,) the answer of all streams.
        streams: stream → why it answers so.
        faces: (frames, size, size, 3) uint8, as the model was shown them.
        found: (frames,) whether there is a face.
        regions: see `emotionnet.attribution.regions.sums`; {} where faces are not explained.
        regions_from: where regions come from, for people.
        seconds: length of the sound that was heard.
        window_s: length of the model's window.
        notes: for people.
    """

    emotion: str
    probabilities: np.ndarray
    streams: dict[str, StreamWhy]
    faces: np.ndarray
    found: np.ndarray
    regions: dict[str, dict[str, float]]
    regions_from: str
    seconds: float
    window_s: float
    notes: list[str] = field(default_factory=list)


def sound_layers(model) -> list:
    """The layers of ``model``, at any depth, that make features of sound; none where it takes samples."""
    from emotionnet.keras_private import layers_inside
    from emotionnet.layers import Energy, LogMelSpectrogram, Pitch

    # MFCC and SoundVector are kinds of LogMelSpectrogram.
    kinds = (LogMelSpectrogram, Pitch, Energy)
    return [layer for layer in layers_inside(model) if isinstance(layer, kinds)]


class Explainer:
    """A run made ready to be asked why.

    Args:
        model: of any system.
        view: of the model.
        labels: in the model's order.
        streams: that the run trains.
        asked: those of them that are explained; () for all.
        training: batches of training clips, see `Source.inference_batches`, read only where a stream is
            compared with their mean; () where there are none.

    Raises:
        UsageError: the run has no such stream.
    """

    def __init__(
        self,
        model: Any,
        view: Any,
        labels: Sequence[str],
        streams: Sequence[str],
        asked: Sequence[str] = (),
        training: Iterable[Mapping[str, np.ndarray]] = (),
    ):
        self.model, self.view, self.labels = model, view, tuple(labels)
        known = tuple(streams)
        self.streams = tuple(stream_named(each, "--streams", known) for each in asked) or known
        self._layers = sound_layers(model) if "speech" in self.streams else []
        self._means = self._mean_of(training)
        self._gradients: dict[str, Callable] = {}

    def explain(
        self, parsed: Mapping[str, Any], start_s: float | None = None, emotion: str | None = None,
        steps: Sequence[int] = STEPS,
    ) -> Why:  # fmt: skip
        """Explains the answer to a window of a clip.

        Args:
            parsed: the clip, as `emotionnet.clips.records.parse` gives it.
            start_s: where the window begins; None takes the middle of the clip.
            emotion: the class that is explained; by default the one that is answered.
            steps: see `integrate`.

        Raises:
            BadClip: the clip has nothing of what is explained.
            UsageError: no such class.
        """
        inputs = self.inputs(parsed, start_s)
        here = [each for each in self.streams if present(inputs, each)[0]]
        if not here:
            lacks = " and ".join(STREAMS[each].none_found for each in self.streams)
            raise BadClip(f"nothing to explain: {lacks}")
        answers = self.model.predict_on_batch(inputs)
        fused = np.asarray(answers[OUTPUTS[FUSED]])[0]
        if emotion is not None and emotion not in self.labels:
            raise UsageError(f"{emotion}: the run knows {', '.join(self.labels)}.")
        number = self.labels.index(emotion) if emotion else int(fused.argmax())
        found = inputs["frame_mask"][0] > 0 if "frame_mask" in inputs else np.zeros(0, bool)
        whys = {
            each: self._stream(each, inputs, np.asarray(answers[OUTPUTS[each]])[0], number, steps)
            for each in here
        }
        sums, source = {}, ""
        if "faces" in whys:
            heat = whys["faces"].by[BLACK].values[0][0].sum(axis=-1)
            sums, source = self._regions(heat, parsed, start_s, found)
        notes = [STREAMS[each].none_found for each in self.streams if each not in here]
        samples = int(inputs["waveform_samples"][0]) if "waveform_samples" in inputs else 0
        return Why(
            self.labels[number], fused, whys, inputs.get("faces", np.zeros((1, 0)))[0], found,
            sums, source, samples / SAMPLE_RATE, self.view.window_s, notes,
        )  # fmt: skip

    def inputs(
        self, parsed: Mapping[str, Any], start_s: float | None = None
    ) -> dict[str, np.ndarray]:
        """The model's inputs for a window of a clip, (1, …) each."""
        viewed = self.view(parsed, start_s)
        return {name: np.asarray(viewed[name])[None] for name in self.model.input}

    def question(self, stream: str, inputs: Mapping[str, np.ndarray]) -> Question:
        """The question about a stream of a clip, whose inputs are (1, …)."""
        content = STREAMS[stream].content.name
        gradient = self._gradient(stream)(inputs)
        if stream == "speech" and self._layers:
            silent = {**inputs, content: np.zeros_like(inputs[content])}
            values, silence = (
                [each[0] for each in layer_outputs(self.model, those, self._layers)]
                for those in (inputs, silent)
            )
            baselines = {SILENCE: silence}
            parts = tuple(layer.name for layer in self._layers)
        else:
            values, parts = [np.nan_to_num(inputs[content].astype(np.float32))], (content,)
            baselines = {
                {"faces": BLACK, "speech": SILENCE}.get(stream): [np.zeros_like(values[0])]
            }
        if stream in self._means:
            means = self._means[stream]
            baselines[MEAN] = [np.broadcast_to(m, v.shape) for m, v in zip(means, values)]
        if stream == "geometry":  # points that all lie in one place are no face
            middle = np.broadcast_to(values[0].mean(axis=1, keepdims=True), values[0].shape)
            baselines = {MEAN: baselines[MEAN]} if MEAN in baselines else {"clip mean": [middle]}
        return Question(gradient, values, baselines, parts)

    def _gradient(self, stream: str) -> Callable:
        if stream not in self._gradients:
            output, content = OUTPUTS[stream], STREAMS[stream].content.name
            features = stream == "speech" and self._layers
            self._gradients[stream] = (
                FeatureGradient(self.model, output, self._layers)
                if features
                else InputGradient(self.model, output, content)
            )
        return self._gradients[stream]

    def _stream(self, stream: str, inputs, answer, number: int, steps) -> StreamWhy:
        asked = self.question(stream, inputs)
        by = {
            name: integrate(asked.gradient, asked.values, base, number, AT_ONCE, steps)
            for name, base in asked.baselines.items()
        }
        return StreamWhy(stream, answer, by, asked.parts, asked.values)

    def _mean_of(self, training) -> dict[str, list[np.ndarray]]:
        """Stream → means over the training clips that have it, shaped to be compared with any clip's values."""
        totals: dict[str, list[list[tuple[np.ndarray, int]]]] = {}
        compared = self._layers or "geometry" in self.streams
        for batch in training if compared else ():
            inputs = {name: np.asarray(batch[name]) for name in self.model.input}
            heard = present(inputs, "speech") if self._layers else np.zeros(0, bool)
            if heard.any():
                sounding = {name: value[heard] for name, value in inputs.items()}
                outputs = layer_outputs(self.model, sounding, self._layers)
                totals.setdefault("speech", []).append([_total(*each) for each in outputs])
            if "geometry" in self.streams:
                there = inputs["landmark_mask"] > 0
                if there.any():
                    found = inputs["landmarks"][there]
                    totals.setdefault("geometry", []).append([(found.sum(axis=0), len(found))])
        return {
            stream: [
                (sum(total for total, _ in each) / sum(count for _, count in each)).astype(
                    np.float32
                )
                for each in zip(*batches)
            ]
            for stream, batches in totals.items()
        }

    def _regions(self, heat, parsed, start_s, found) -> tuple[dict, str]:
        """Sums over the parts of faces, and where these parts come from."""
        from emotionnet.clips.crop import in_crop_units

        numbers, _ = self.view.picks(parsed, start_s)
        numbers = np.minimum(np.asarray(numbers), max(len(parsed["times_s"]) - 1, 0))
        points = np.asarray(parsed.get("landmarks68", np.zeros((0, 68, 2))))
        if len(points) == len(parsed["times_s"]) and np.isfinite(points[numbers]).all((1, 2)).any():
            points, of, source = points[numbers], regions.from_68, "the 68 landmarks"
        else:
            five = np.asarray(parsed["landmarks"])[numbers]
            points = np.stack([in_crop_units(each, each) for each in five])
            of, source = regions.from_5, "the five stored points"
        known = found & np.isfinite(points).all(axis=(1, 2))
        return regions.sums(heat, points, known, of), source


def _total(values: np.ndarray, mask: np.ndarray | None = None) -> tuple[np.ndarray, int]:
    """Sum of features (n, …, width) over clips and what of their time is real, (width,); and of how many."""
    flat = values.reshape(-1, values.shape[-1])
    flat = flat if mask is None else flat[mask.reshape(-1) > 0]
    return flat.sum(axis=0, dtype=np.float64), len(flat)
