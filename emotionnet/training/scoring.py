"""How sure a model in training is of the clips of a pool, asked again after every epoch."""

from collections.abc import Sequence

import keras
import numpy as np
from scipy.special import softmax

from emotionnet.inputs.pipeline import Source, inference_batches
from emotionnet.training.uncertainty import entropy_bits

#: Clips at a time behind the part without weights: small vectors.
_MANY = 256


class PoolScorer:
    """Entropy in bits of a model's answers to clips of a pool.

    The part of the model that has no weights (the sound's front-end) gives the same in every epoch,
    and is nearly all of the work of a small network: it is computed once for the whole pool.

    Args:
        model: the stream that is trained.
        source: records, view and labels.
        rows: all clips that will ever be asked for. Batches are cut from this list, so that a
            training that resumes computes the same bits.
        batch_size: clips at a time.
        logits: whether the model gives logits.
        front: name of the last layer without weights, see `emotionnet.systems.base.Stream`; "" for
            a model that has no such part, which then sees the clips themselves each time.
    """

    def __init__(
        self,
        model: keras.Model,
        source: Source,
        rows: Sequence,
        batch_size: int,
        logits: bool = True,
        front: str = "",
    ):
        self._model, self._source, self._rows = model, source, list(rows)
        self._batch_size, self._logits = batch_size, logits
        self._front = self._rest = self._features = None
        if front:
            between = model.get_layer(front).output
            self._front = _without_xla(keras.Model(model.input, between))
            self._rest = _without_xla(keras.Model(between, model.output))

    def __call__(self, rows: Sequence) -> np.ndarray:
        """Entropies (n,) of n of the clips."""
        if self._front is None:
            batches = inference_batches(self._source, rows, self._batch_size)
            answers = [self._model.predict_on_batch(batch) for batch in batches]
        else:
            if self._features is None:
                batches = inference_batches(self._source, self._rows, self._batch_size)
                features = np.concatenate([self._front.predict_on_batch(x) for x in batches])
                self._features = dict(zip((row.clip for row in self._rows), features))
            features = np.stack([self._features[row.clip] for row in rows])
            answers = [
                self._rest.predict_on_batch(features[i : i + _MANY])
                for i in range(0, len(features), _MANY)
            ]
        answers = np.concatenate([np.asarray(a, np.float64) for a in answers])
        return entropy_bits(softmax(answers, axis=1) if self._logits else answers)


def _without_xla(model: keras.Model) -> keras.Model:
    model.jit_compile = False  # several times slower than the plain graph on a CPU
    return model
