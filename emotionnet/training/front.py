"""The part of a stream that has no weights: computed once for clips that stay the same.

The sound's front-end gives the same in every epoch, and is nearly all of the work of a small network.
So where sound is not augmented a stream learns from what the front-end gave; and a pool, which never
is, is scored from it after every epoch.
"""

from collections.abc import Iterator, Sequence

import keras
import numpy as np

from emotionnet.inputs.pipeline import Source, epoch_order, inference_batches, training_steps
from emotionnet.training.uncertainty import entropy_bits

#: Clips at a time behind the front: small vectors.
MANY = 256


class Front:
    """A stream cut behind its last layer without weights.

    Args:
        model: the stream.
        layer: name of that layer, see `emotionnet.systems.base.Stream`.
        source: records, view and labels.
        rows: all clips that will ever be asked for. Batches are cut from this list, so that a
            training that resumes computes the same bits.
        batch_size: clips at a time.

    Attributes:
        rest: the other part, with all the weights: what comes out of the front to the answer.
    """

    def __init__(
        self, model: keras.Model, layer: str, source: Source, rows: Sequence, batch_size: int
    ):
        between = model.get_layer(layer).output
        self.rest = keras.Model(between, model.output, name=f"{model.name}_rest")
        self._front = keras.Model(model.input, between)
        for part in (self.rest, self._front):
            part.jit_compile = False  # several times slower than the plain graph on a CPU
        self._source, self._rows, self._batch_size = source, list(rows), batch_size
        self._known: dict[str, np.ndarray] = {}

    def __call__(self, rows: Sequence) -> np.ndarray:
        """What the front gives of n of the clips, (n, ...)."""
        if not self._known:
            batches = inference_batches(self._source, self._rows, self._batch_size)
            features = np.concatenate([self._front.predict_on_batch(batch) for batch in batches])
            self._known = dict(zip((row.clip for row in self._rows), features))
        return np.stack([self._known[row.clip] for row in rows])

    def training_batches(
        self, rows: Sequence, batch_size: int, seed: int, epoch: int, start_step: int = 0
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Like `emotionnet.inputs.pipeline.training_batches`, but of what the front gives."""
        features = self(rows)
        targets = np.eye(len(self._source.labels), dtype=np.float32)[self._source.targets(rows)]
        order = epoch_order(len(rows), seed, epoch)
        for step in range(start_step, training_steps(len(rows), batch_size)):
            batch = order[step * batch_size : (step + 1) * batch_size]
            yield features[batch], targets[batch]

    def inference_batches(self, rows: Sequence) -> list[np.ndarray]:
        """What the front gives of ``rows``, in their order, in batches."""
        features = self(rows) if rows else ()
        return [features[i : i + MANY] for i in range(0, len(features), MANY)]


def uncertainty(model: keras.Model, batches, logits: bool) -> np.ndarray:
    """Entropy in bits (n,) of a model's answers to all clips of ``batches``."""
    answers = [np.asarray(model.predict_on_batch(batch), np.float64) for batch in batches]
    answers = np.concatenate(answers)
    if logits:
        answers = np.exp(answers - answers.max(axis=1, keepdims=True))
        answers /= answers.sum(axis=1, keepdims=True)
    return entropy_bits(answers)
