"""Two streams that were trained apart, each on its own corpus and classes, as one model.

Late fusion has no weights, so a face stream and a speech stream need not have met:
`emotionnet.combine` makes a run of this system out of two; `fit --init` of such a run trains it on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras

from emotionnet.emotions import label_order
from emotionnet.errors import UsageError
from emotionnet.inputs.kinds import STREAMS as KINDS
from emotionnet.inputs.kinds import outputs_of
from emotionnet.layers import JoinedFusion
from emotionnet.systems.apart import Apart, fused_late
from emotionnet.systems.base import check_fields, clip_inputs
from emotionnet.systems.stages import Learn

NAME = "pair"

STREAMS = ("faces", "speech")
#: The layers of a stream before its answer or the fusion: another run may start from them.
ENCODERS = {"faces": ("face_encoder", "backbone"), "speech": ("speech_stream",)}

#: Names of the nested networks, as the stages of systems call them.
_LAYERS = {"faces": "face_stream", "speech": "speech_stream"}


@dataclass(frozen=True)
class Config:
    """What the two streams are, and how their classes are joined.

    Attributes:
        frames, image_size, samples: what the model looks at; those of the streams.
        faces, speech: of each stream ``system``; ``config``, fields of that system's ``Config``; and
            ``called``, label of the stream to the class that it is joined in, "" where it is left out, in
            the order of the stream's labels.
        fusion: GM geometric or AM arithmetic mean, see `emotionnet.layers.JoinedFusion`.
        streams: both.
    """

    frames: int = 15
    image_size: int = 224
    samples: int = 96000
    faces: Mapping[str, Any] = field(default_factory=dict)
    speech: Mapping[str, Any] = field(default_factory=dict)
    fusion: str = "GM"
    streams: tuple[str, ...] = STREAMS

    def __post_init__(self):
        # JSON has lists only.
        object.__setattr__(self, "streams", tuple(self.streams))
        if not self.faces or not self.speech or self.streams != STREAMS:
            raise UsageError(
                f"{NAME}: is made out of two trained runs: python -m emotionnet.combine FACES_RUN "
                "SPEECH_RUN --out RUN"
            )
        check_fields(
            NAME,
            self,
            known={"fusion": ("GM", "AM")},
            least={"frames": 1, "image_size": 32, "samples": 1},
        )

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes of both together."""
        called = (*self.faces["called"].values(), *self.speech["called"].values())
        return label_order(name for name in called if name)


def stages(config: Config) -> tuple[Learn, ...]:
    """Each stream was trained by itself."""
    return tuple(Learn(stream, _LAYERS[stream]) for stream in STREAMS)


def with_labels(fields: Mapping[str, Any], labels: Sequence[str]) -> dict[str, Any]:
    """Fields of `Config` for other classes, the same ones in both streams."""
    called = {label: label for label in labels}
    return {**fields, **{each: {**fields[each], "called": called} for each in STREAMS}}


def labels_at(fields: Mapping[str, Any], path: str) -> list[str]:
    """The labels that a stream answers with its own layer at ``path``; none where it is in no stream."""
    stream = next((each for each in STREAMS if path.startswith(_LAYERS[each])), None)
    return list(fields[stream]["called"]) if stream else []


def build(config: Config, num_classes: int) -> keras.Model:
    """The whole model: inputs of `clip_inputs`, three outputs by name, nested streams."""
    if num_classes != len(config.labels):
        raise UsageError(f"{NAME}: has {len(config.labels)} classes, not {num_classes}.")
    inputs = clip_inputs(config)
    logits, numbers = [], {}
    for stream in STREAMS:
        its = getattr(config, stream)
        sizes = {"faces": ("frames", "image_size"), "speech": ("samples",)}[stream]
        sizes = {name: getattr(config, name) for name in sizes}
        network = stream_of(stream, its["system"], {**its["config"], **sizes}, len(its["called"]))
        logits.append(network({key: inputs[key] for key in KINDS[stream].inputs}))
        numbers[stream] = [
            config.labels.index(name) if name else -1 for name in its["called"].values()
        ]
    fusion = JoinedFusion(num_classes, **numbers, mode=config.fusion, name="fusion")
    answers = fusion(*logits, *(inputs[KINDS[stream].presence.name] for stream in STREAMS))
    return keras.Model(inputs, dict(zip(outputs_of(STREAMS), answers)), name=NAME)


def stream_of(stream: str, system: str, config: Mapping[str, Any], classes: int) -> keras.Model:
    """The network of a system that answers from one stream alone: its inputs by name to logits.

    Args:
        stream: ``faces`` or ``speech``.
        system: its name.
        config: fields of its ``Config``.
        classes: number of its labels.

    Raises:
        UsageError: the system has no such network.
    """
    from emotionnet.systems import build_model, stages_of, without_weights

    model = build_model(system, classes, **{**config, **without_weights(system)})
    stage = next((each for each in stages_of(system, config) if each.name == stream), None)
    layer = model.get_layer(stage.network) if isinstance(stage, Learn) and stage.logits else None
    alone = isinstance(layer, keras.Model) and isinstance(layer.input, dict)
    if not alone or set(layer.input) != set(KINDS[stream].inputs):
        raise UsageError(
            f"system {system} cannot be combined: what it makes of {stream} is no network by itself that "
            "gives logits."
        )
    return layer


def take_apart(model: keras.Model) -> Apart:
    """Each face once; sound as a whole."""
    faces, speech = (model.get_layer(_LAYERS[stream]) for stream in STREAMS)
    fold, unfold = (faces.get_layer(name) for name in ("fold", "unfold"))
    encoder = keras.Model(fold.output, unfold.input, name="face_codes")
    return fused_late(model, faces, encoder, speech)
