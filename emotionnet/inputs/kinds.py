"""What a clip may have: its streams, and the inputs of a model that carry them.

This is the only list of them. Views, batches, caches, masks, answers, reports, signatures and contracts
ask here; a new stream is one entry more in `STREAMS`, and what gives its input in
`emotionnet.inputs.views.View`. Needs neither TensorFlow nor Keras.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emotionnet.errors import UsageError

#: Kind of answer that all streams give together, and the model's output that holds it.
FUSED, FUSED_OUTPUT = "fused", "probabilities"


@dataclass(frozen=True)
class Input:
    """One input of a model.

    Attributes:
        name: of the input.
        shape: of one clip; a word means the field of that name of a view or of a system's ``Config``.
        dtype: as a view gives it.
        meaning: for whoever calls the model.
        bounds: smallest and largest value; None where there are none.
    """

    name: str
    shape: tuple[int | str, ...]
    dtype: str
    meaning: str
    bounds: tuple[float, float] | None = None

    def shape_in(self, sizes: Any) -> tuple[int, ...]:
        """The shape of one clip, its words replaced.

        Args:
            sizes: a mapping, or anything with these words as attributes: a view, a ``Config``.
        """
        of = sizes.__getitem__ if isinstance(sizes, Mapping) else lambda word: getattr(sizes, word)
        return tuple(of(side) if isinstance(side, str) else side for side in self.shape)


@dataclass(frozen=True)
class StreamKind:
    """One thing that a clip may have, and that a network may answer from.

    Attributes:
        name: of the stream.
        content: the input that carries it.
        presence: the input that says how much of it is real: all zero where the stream is absent.
        output: the model's output that answers from it alone.
        title: above numbers of that answer.
        moment: of one moment the input that carries it, and the one that says whether it is there; of
            speech the sound around the moment.
        moments_mask: says of each moment of a window whether it has the stream.
        thing: what a clip without it lacks, for people.
        singular: one such thing.
        alone: what its answer is from, for whoever calls the model.
        none_found: said of a clip without it.
        flag: column of ``predictions.csv`` that says whether a clip has it.
        in_row: whether a row of records has it.
        field: side field of records that it comes from, see `emotionnet.clips.fields`; "" for none.
        aliases: other words for it on a command line.
        marker: of its points in plots.
    """

    name: str
    content: Input
    presence: Input
    output: str
    title: str
    moment: tuple[str, str]
    moments_mask: str
    thing: str
    singular: str
    alone: str
    none_found: str
    flag: str
    in_row: Callable[[Any], bool]
    field: str = ""
    aliases: tuple[str, ...] = ()
    marker: str = "o"

    @property
    def inputs(self) -> tuple[str, str]:
        """Names of its inputs: content and presence."""
        return self.content.name, self.presence.name


_KINDS = (
    StreamKind(
        "faces",
        Input(
            "faces",
            ("frames", "image_size", "image_size", 3),
            "uint8",
            "RGB pixels of the face crops, in the order of time; any value where masked",
            (0, 255),
        ),
        Input(
            "frame_mask",
            ("frames",),
            "float32",
            "1 where there is a face, 0 where not; all 0: answer from speech alone",
            (0, 1),
        ),
        output="face_probabilities",
        title="faces only",
        moment=("face", "face_mask"),
        moments_mask="frame_mask",
        thing="faces",
        singular="face",
        alone="the face alone",
        none_found="no face was found",
        flag="has_faces",
        in_row=lambda row: row.faces_found > 0,
        marker="s",
    ),
    StreamKind(
        "speech",
        Input(
            "waveform",
            ("samples",),
            "float32",
            "mono sound at 16 kHz, zeros after its end; NaN counts as silence",
            (-1, 1),
        ),
        Input(
            "waveform_samples",
            (),
            "int32",
            "true length of the sound in samples; 0: answer from the face alone",
        ),
        output="speech_probabilities",
        title="speech only",
        moment=("window", "window_mask"),
        moments_mask="window_mask",
        thing="sound",
        singular="sound",
        alone="speech alone",
        none_found="it has no sound",
        flag="has_sound",
        in_row=lambda row: row.samples > 0,
        aliases=("audio", "sound"),
        marker="^",
    ),
    StreamKind(
        "geometry",
        Input(
            "landmarks",
            ("landmarks", 68, 2),
            "float32",
            "68 points (x, y) of each face in units of its crop, in the order of time; 0 where masked",
        ),
        Input(
            "landmark_mask",
            ("landmarks",),
            "float32",
            "1 where a face's points are known, 0 where not",
            (0, 1),
        ),
        output="geometry_probabilities",
        title="geometry only",
        moment=("points", "points_mask"),
        moments_mask="landmark_mask",
        thing="landmarks",
        singular="landmarks",
        alone="the landmarks alone",
        none_found="no landmarks were found",
        flag="has_landmarks",
        in_row=lambda row: True,  # the side field knows, see `has`
        field="landmarks68",
        aliases=("landmarks",),
        marker="D",
    ),
)

#: Stream → what it is, in the order in which they are listed everywhere.
STREAMS: dict[str, StreamKind] = {kind.name: kind for kind in _KINDS}
#: No stream, and no model that answers has it: in training alone the sound around a face follows it.
WINDOW_MOVES = Input(
    "moves",
    ("frames",),
    "int32",
    "samples by which the sound of each moment lies behind the centre of its segment, in training",
)
#: Input → what it is.
INPUTS: dict[str, Input] = {
    each.name: each
    for each in (*(one for kind in _KINDS for one in (kind.content, kind.presence)), WINDOW_MOVES)
}
#: Kind of answer → the model's output.
OUTPUTS: dict[str, str] = {FUSED: FUSED_OUTPUT, **{kind.name: kind.output for kind in _KINDS}}
#: Kind of answer → what stands above its numbers.
TITLES: dict[str, str] = {FUSED: FUSED, **{kind.name: kind.title for kind in _KINDS}}


def inputs_of(streams: Iterable[str]) -> tuple[str, ...]:
    """Names of the inputs that carry ``streams``."""
    return tuple(name for stream in ordered(streams) for name in STREAMS[stream].inputs)


def outputs_of(streams: Iterable[str]) -> tuple[str, ...]:
    """Names of the outputs of a model of ``streams``: the fused answer's first."""
    return (FUSED_OUTPUT, *(STREAMS[stream].output for stream in ordered(streams)))


def streams_in(inputs: Iterable[str]) -> tuple[str, ...]:
    """The streams that these ``inputs`` carry."""
    given = set(inputs)
    return tuple(name for name, kind in STREAMS.items() if kind.presence.name in given)


def presences(inputs: Iterable[str]) -> tuple[str, ...]:
    """Of ``inputs`` those that say how much of a stream is real."""
    return tuple(STREAMS[stream].presence.name for stream in streams_in(inputs))


def ordered(streams: Iterable[str]) -> tuple[str, ...]:
    """``streams`` in the order in which they are listed everywhere."""
    given = set(streams)
    return tuple(name for name in STREAMS if name in given)


def stream_named(word: str, option: str, known: Sequence[str] = tuple(STREAMS)) -> str:
    """The stream that is called ``word`` on a command line.

    Args:
        word: its name, or another word for it.
        option: that it was given to, for the message.
        known: the streams to choose from.

    Raises:
        UsageError: none of them is called so.
    """
    for name in known:
        if word in (name, *STREAMS[name].aliases):
            return name
    raise UsageError(f"{option} {word}: not known. Choose one of {', '.join(known)}.")


def has(records: Any, row: Any, stream: str) -> bool:
    """Whether a clip has what ``stream`` needs.

    Args:
        records: that ``row`` is of: opened records, or a cache of a view of them.
        row: of a clip, or of a copy.
        stream: a name of `STREAMS`.
    """
    kind = STREAMS[stream]
    return kind.in_row(row) and (not kind.field or records.has_field(row, kind.field))


def present(inputs: Mapping[str, np.ndarray], stream: str) -> np.ndarray:
    """Which clips of a batch have ``stream``, (batch,) bool."""
    real = np.asarray(inputs[STREAMS[stream].presence.name]) > 0
    return real.reshape(len(real), -1).any(axis=1)


def without(inputs: Mapping[str, np.ndarray], stream: str) -> dict[str, np.ndarray]:
    """The inputs as they are of clips that lack ``stream``: its part all zero."""
    gone = STREAMS[stream].inputs
    return {k: np.zeros_like(v) if k in gone else v for k, v in inputs.items()}


def together(streams: Sequence[str]) -> str:
    """What answered, in one word: ``both`` for faces and speech, else streams joined by "+"."""
    return "both" if set(streams) == {"faces", "speech"} else "+".join(ordered(streams))


def in_words(answered: str) -> str:
    """What `together` says, for people: "faces and speech", "speech alone"."""
    streams = ["faces", "speech"] if answered == "both" else answered.split("+")
    return f"{streams[0]} alone" if len(streams) == 1 else " and ".join(streams)
