"""What of a system is trained, and in which order: stages, as data.

A system's module lists them in ``stages(config)``. Most are trained by gradient (`Learn`); some layers have
numbers that are computed in closed form from the features of the training clips (`Fit`): a scaler,
principal components, discriminant analyses. A stage that is finished is part of the training's state,
whatever its kind.

    def stages(config):
        return (
            Learn("speech", "speech_stream", front="as_sequence"),
            Fit("klda", layer="projection", on="hybrid", by=kernel_discriminant),
            Learn("head", "fused_logits", learns=("classifier",)),
        )

Layers are named as `emotionnet.training.optimizer.find_layers` finds them: at any depth, or "outer/inner".
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from emotionnet.inputs.kinds import STREAMS, ordered

#: The stage that is all streams at once.
JOINT = "joint"


@dataclass(frozen=True)
class Learn:
    """A part of a model that is trained by gradient, with its own loss.

    Attributes:
        name: of the stage; that of the stream, where it is one. Settings and history are kept under it.
        layer: the nested model, or the layer, that gives the part's logits; "" for the fused answer.
        front: names of the last layers before what learns, where their output is small. While all weights
            before them stay (or there are none), it is computed once for a clip that does not change. "" for
            none.
        learns: layers that learn; all others of the part keep their weights. () for all of them.
        streams: that it looks at; by default the stream of its name, or all.
        whole: learns only from clips that have all of these streams; else from those that have any.
        logits: whether the layer gives logits; else probabilities.
        still: it learns from clips as they are, however others are augmented: from what its ``front`` gave.

    Raises:
        ValueError: it is ``still`` and has no ``front``.
    """

    name: str
    layer: str
    front: str | tuple[str, ...] = ""
    learns: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()
    whole: bool = False
    logits: bool = True
    still: bool = False

    def __post_init__(self):
        if self.still and not self.front:
            raise ValueError(
                f"stage {self.name}: is still, and has no front whose output could be kept"
            )

    @property
    def network(self) -> str:
        """The outermost layer that ``layer`` is in: that of a stream may have more to it than what is learnt."""
        return self.layer.split("/")[0]


@dataclass(frozen=True)
class Fit:
    """A layer whose numbers are computed in closed form, from what the training clips give.

    Attributes:
        name: of the stage.
        layer: gets the numbers; its weights are not trainable.
        on: the layer whose output is the data: (batch, features), or (batch, steps, features), whose
            steps then count one by one; where it gives a mask (batch, steps) too, only those that are real.
        mask: the input (batch, steps) that says which steps are real; "" for none.
        front: as of `Learn`; what the layer is fitted to is computed from that output.
        by: ``by(values, targets)`` gives the layer's weights in order, from ``values`` (n, features)
            float64 and ``targets`` (n,) int, see `emotionnet.systems.fits`.
        streams: that it looks at; by default all.
        whole: only clips that have all of these streams count; else those that have any.
        supervised: the labels are used, so that every class must be there.
    """

    name: str
    layer: str
    on: str
    by: Callable[[np.ndarray, np.ndarray], Sequence[np.ndarray]]
    mask: str = ""
    front: str | tuple[str, ...] = ""
    streams: tuple[str, ...] = ()
    whole: bool = False
    supervised: bool = True


Stage = Learn | Fit


def seen_by(stage: Stage, streams: Sequence[str]) -> tuple[str, ...]:
    """The streams, of those that a run trains, that ``stage`` looks at."""
    own = stage.streams or ((stage.name,) if stage.name in STREAMS else tuple(streams))
    return ordered(set(own) & set(streams))
