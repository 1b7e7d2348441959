"""The part of a stream that does not learn: computed once for clips that stay the same.

The sound's front-end gives the same in every epoch, and is nearly all of the work of a small network;
a frozen backbone is nearly all of the work of a large one. So where clips do not change from epoch
to epoch a stream learns from what its front gave (`emotionnet.training.features`); and a pool, which
never changes, is scored from it after every epoch. What augments features stands behind the front.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence

import keras
import numpy as np
from scipy.special import softmax

from emotionnet.inputs.kinds import STREAMS
from emotionnet.inputs.source import WHOLE, Source, epoch_rows
from emotionnet.keras_private import keeping_history, made_from
from emotionnet.systems.base import without_xla
from emotionnet.training.features import computed
from emotionnet.training.uncertainty import entropy_bits

#: Clips at a time behind the front. What comes out of it may be pictures (`racnn`): 256 of them took 10 GB.
MANY = 32
#: Inputs that say what of a clip there is: kept beside features whether or not they are asked for now.
PRESENCE = {kind.presence.name for kind in STREAMS.values()}


class Cut:
    """A model in two parts, cut behind some of its layers.

    Args:
        model: inputs by name.
        layers: names of layers. A layer gives features, or features and a mask.

    Attributes:
        front: inputs to the features: ``<layer>``, and ``<layer>_mask`` where there is one.
        fronts: the same in parts that share no input, each with the names of inputs that are kept
            beside its features. What a part gives is then of use to whoever is cut behind it alone.
        rest: these, and the inputs that are still needed, by name, to the answer.
        inputs: names of those inputs.
    """

    def __init__(self, model: keras.Model, layers: str | Sequence[str]):
        between = {}
        for name in (layers,) if isinstance(layers, str) else layers:
            outputs = keras.tree.flatten(model.get_layer(name).output)
            between |= dict(zip((name, f"{name}_mask"), outputs, strict=False))
        own = model.input if isinstance(model.input, dict) else {model.input.name: model.input}
        self.inputs = needed_inputs(model.output, own, between.values())
        with warnings.catch_warnings():
            # Keras would have tensors in the middle of a graph called as they are called here.
            warnings.filterwarnings("ignore", message="When providing `inputs` as a dict")
            through = {name: own[name] for name in self.inputs}
            with keeping_history(through):
                self.rest = keras.Model(between | through, model.output, name=f"{model.name}_rest")
        self.front = _front(own, between)
        kept = set(self.inputs) | PRESENCE
        self.fronts = []
        for part in _apart(between, own):
            front = _front(own, part)
            self.fronts.append((front, tuple(name for name in front.input if name in kept)))
        left = kept.intersection(self.inputs).difference(*(names for _, names in self.fronts))
        if left:
            front, names = self.fronts[0]
            self.fronts[0] = front, (*names, *sorted(left))
        without_xla(self.rest)


def _front(inputs: Mapping, between: Mapping) -> keras.Model:
    """Of the ``inputs`` only what the features need: no pictures are read for the features of sound."""
    seen = {name: inputs[name] for name in needed_inputs(list(between.values()), inputs)}
    front = keras.Model(seen, dict(between), name="front")
    without_xla(front)
    return front


def _apart(between: Mapping, inputs: Mapping) -> list[dict]:
    """``between`` in parts that come from different inputs."""
    parts: list[tuple[set, dict]] = []
    for name, tensor in between.items():
        needed, mine = set(needed_inputs(tensor, inputs)), {name: tensor}
        for part in [part for part in parts if part[0] & needed]:
            parts.remove(part)
            needed, mine = part[0] | needed, part[1] | mine
        parts.append((needed, mine))
    return [mine for _, mine in parts]


def needed_inputs(outputs, inputs: Mapping, cut=()) -> tuple[str, ...]:
    """Names of the ``inputs`` that ``outputs`` come from, other than through ``cut``."""
    names = {id(tensor): name for name, tensor in inputs.items()}
    seen, todo, needed = {id(tensor) for tensor in cut}, keras.tree.flatten(outputs), set()
    while todo:
        tensor = todo.pop()
        if id(tensor) in seen:
            continue
        seen.add(id(tensor))
        if id(tensor) in names:
            needed.add(names[id(tensor)])
            continue
        todo += made_from(tensor)
    return tuple(name for name in inputs if name in needed)


class Front:
    """The training data of a stream whose front need not be computed again.

    Args:
        cut: the stream in two parts.
        source: records, view and labels.
        sets: name → all clips of a kind that any fold may ask for (the clips themselves, and each
            kind of copies). They are computed as a whole, so that folds and seeds share them.

    Attributes:
        rest: what comes out of the front to the answer.
    """

    def __init__(self, cut: Cut, source: Source, sets: Mapping[str, Sequence]):
        self.rest, self._cut, self._source, self._sets = cut.rest, cut, source, dict(sets)
        self._place = {
            row.clip: (name, i) for name, rows in self._sets.items() for i, row in enumerate(rows)
        }
        self._known: dict[str, dict[str, np.ndarray]] = {}

    def __call__(self, rows: Sequence) -> dict[str, np.ndarray]:
        """The inputs of the rest for n of the clips, by name, (n, ...)."""
        places = [self._place[row.clip] for row in rows]
        found: dict[str, np.ndarray] = {}
        for name in dict.fromkeys(name for name, _ in places):
            here = [i for i, (other, _) in enumerate(places) if other == name]
            there = [places[i][1] for i in here]
            for key, values in self._of(name).items():
                if key not in found:
                    found[key] = np.empty((len(rows), *values.shape[1:]), values.dtype)
                found[key][here] = values[there]
        return found

    def training_batches(
        self,
        rows: Sequence,
        batch_size: int,
        seed: int,
        epoch: int,
        start_step: int = 0,
        share: tuple[int, int] = WHOLE,
    ) -> Iterator[tuple[dict[str, np.ndarray], np.ndarray]]:
        """Like `emotionnet.inputs.source.Source.training_batches`, but of what the front gives."""
        rows, batch_size = epoch_rows(rows, batch_size, seed, epoch, start_step, share)
        for first in range(0, len(rows), batch_size):
            batch = rows[first : first + batch_size]
            yield self(batch), self._source.training_targets(batch)

    def inference_batches(self, rows: Sequence) -> list[dict[str, np.ndarray]]:
        """The front's output for ``rows``, in their order, in batches."""
        return [self(rows[i : i + MANY]) for i in range(0, len(rows), MANY)]

    def _of(self, name: str) -> dict[str, np.ndarray]:
        if name not in self._known:
            known: dict[str, np.ndarray] = {}
            for front, kept in self._cut.fronts:
                known |= computed(front, self._source, self._sets[name], name, kept)
            self._known[name] = {key: known[key] for key in self.rest.input}
        return self._known[name]


def uncertainty(answer: Callable, batches, logits: bool) -> np.ndarray:
    """Entropy in bits (n,) of the answers to all clips of ``batches``, which ``answer`` gives."""
    answers = [np.asarray(answer(batch), np.float64) for batch in batches]
    answers = np.concatenate(answers)
    if logits:
        answers = softmax(answers, axis=1)
    return entropy_bits(answers)
