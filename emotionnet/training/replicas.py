"""One training step over several devices, equal to the step on one.

``tf.distribute`` by a step of our own, since ``Model.fit`` fails under MultiWorkerMirroredStrategy with
Keras 3 (keras issue 20585) and ``train_on_batch`` gives every replica the whole batch. Under JAX Keras's
``train_on_batch`` does it, given a rule for batches that cannot be shared evenly.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from emotionnet.errors import EmotionNetError


def plain(batch: Any) -> Any:
    """A batch as the backend takes it: JAX knows no tensors of TensorFlow's."""
    if keras.backend.backend() == "tensorflow":
        return batch
    return keras.tree.map_structure(np.asarray, batch)


def any_batch(function: Callable) -> Callable:
    """``function`` of a batch as one graph of TensorFlow, whatever the number of clips.

    Keras traces one for the size of the first batch, and another for the last, which is smaller.
    """
    import tensorflow as tf

    graph = None

    def call(batch):
        nonlocal graph
        batch = tf.nest.map_structure(tf.convert_to_tensor, batch)
        if graph is None:
            of_any = [
                tf.nest.map_structure(lambda x: tf.TensorSpec((None, *x.shape[1:]), x.dtype), batch)
            ]
            graph = tf.function(function, input_signature=of_any, autograph=False)
        return graph(batch)

    return call


def one_step(model: keras.Model) -> Callable[[Any, Any], dict[str, float]]:
    """A step as Keras has it: on one device, or on JAX's."""

    def on_batch(inputs, targets):
        model.reset_metrics()  # the epoch's sums are the caller's: they must survive a kill
        logs = learn((inputs, targets))
        means = {key: float(logs[key]) for key in ("loss", "accuracy")}
        return {"clips": float(len(targets)), **means}

    if keras.backend.backend() == "tensorflow":
        learn = any_batch(model.train_step)
    else:

        def learn(batch):
            return model.train_on_batch(*map(plain, batch), return_dict=True)

    return on_batch


class Shares(keras.distribution.DataParallel):
    """Devices of JAX that share a batch.

    A batch that cannot be shared evenly (the last of an epoch) is computed whole by each of them, which
    gives loss, gradients, metrics and statistics of its own clips, without padding.
    """

    def get_data_layout(self, data_shape):
        """How an array of a batch lies on the devices."""
        if data_shape[0] % self.device_mesh.devices.size == 0:
            return super().get_data_layout(data_shape)
        return keras.distribution.TensorLayout([None] * len(data_shape), self.device_mesh)


class ReplicatedStep:
    """One step under ``tf.distribute``.

    Args:
        model: made and compiled in the scope of ``strategy``, with categorical cross-entropy.
        strategy: of ``tf.distribute``.
        pieces: replicas of this worker.
    """

    def __init__(self, model: keras.Model, strategy: Any, pieces: int):
        import tensorflow as tf

        self._model, self._strategy, self._pieces = model, strategy, pieces
        self._losses = keras.losses.CategoricalCrossentropy.from_config(
            {**model.loss.get_config(), "reduction": "none"}
        )
        self._step = tf.function(self._graph, autograph=False)

    def __call__(self, inputs: Any, targets: Any) -> dict[str, float]:
        """Learns from this worker's part of a batch."""
        with _explained(self._strategy):
            clips, loss, right = map(float, self._step(self._share((inputs, targets))))
        return {"clips": clips, "loss": loss / clips, "accuracy": right / clips}

    def _share(self, batch):
        """Cuts this worker's part of the batch into one piece for each of its replicas."""
        import tensorflow as tf

        clips, here = len(batch[1]), iter(range(self._pieces))
        if clips < self._pieces:
            raise EmotionNetError(
                f"a batch of {clips} clips cannot be shared by {self._pieces} devices: there are too "
                "few clips to learn from. Use fewer --replicas."
            )

        def piece(_):
            number = next(here)
            begin, end = (i * clips // self._pieces for i in (number, number + 1))
            return tf.nest.map_structure(lambda x: tf.convert_to_tensor(x[begin:end]), batch)

        return self._strategy.experimental_distribute_values_from_function(piece)

    def _graph(self, batch):
        import tensorflow as tf

        strategy, model = self._strategy, self._model
        total = tf.distribute.ReduceOp.SUM
        clips = strategy.reduce(
            total,
            strategy.run(lambda _, targets: tf.cast(tf.shape(targets)[0], tf.float32), batch),
            None,
        )

        def replica(inputs, targets):
            with tf.GradientTape() as tape:
                answers = model(inputs, training=True)
                losses = tf.reduce_sum(self._losses(targets, answers))
                here = tf.cast(tf.shape(targets)[0], losses.dtype)
                # What layers add is a mean over these clips. Replicas take turns in one model, so
                # that those of another one may be among them.
                added = [each for each in model.losses if each.device == here.device]
                losses += here * sum(tf.cast(each, losses.dtype) for each in added)
                loss = losses / tf.cast(clips, losses.dtype)
            gradients = tape.gradient(loss, model.trainable_weights)
            hits = tf.argmax(answers, -1) == tf.argmax(targets, -1)
            return gradients, losses, tf.reduce_sum(tf.cast(hits, tf.float32))

        gradients, losses, right = strategy.run(replica, batch)
        # Summed first and applied by all at once: what clips or accumulates them sees the whole.
        learnt = [
            (strategy.reduce(total, gradient, None), weight)
            for gradient, weight in zip(gradients, model.trainable_weights)
            if gradient is not None
        ]
        model.optimizer.apply(*map(list, zip(*learnt)))
        return clips, strategy.reduce(total, losses, None), strategy.reduce(total, right, None)


def answering(model: keras.Model) -> Callable[[Any], np.ndarray]:
    """A function that answers batches on one device."""
    if keras.backend.backend() == "tensorflow":
        # Keras's own would give the whole batch to every replica, and put the answers in a row.
        answer = any_batch(lambda inputs: model(inputs, training=False))
        return lambda inputs: np.asarray(answer(inputs))
    return lambda inputs: np.asarray(model.predict_on_batch(plain(inputs)))


def summed(strategy: Any, values: np.ndarray) -> np.ndarray:
    """The sum of every worker's ``values`` (float64); all of them must call it."""
    import tensorflow as tf

    first = iter([values])

    def value(_):
        return tf.constant(next(first, np.zeros_like(values)))

    with _explained(strategy):
        each = strategy.experimental_distribute_values_from_function(value)
        return np.array(_sum(strategy, each))


def _sum(strategy: Any, values: Any):
    import tensorflow as tf

    @tf.function(autograph=False)
    def add(values):
        return strategy.reduce(tf.distribute.ReduceOp.SUM, values, None)

    return add(values)


@contextmanager
def _explained(strategy: Any) -> Iterator[None]:
    """Turns TensorFlow's error about a worker that is gone into one for people."""
    import tensorflow as tf

    errors = tf.errors
    lost = (errors.UnavailableError, errors.AbortedError, errors.CancelledError,
            errors.DeadlineExceededError, errors.InternalError)  # fmt: skip
    try:
        yield
    except lost as error:
        if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
            raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise EmotionNetError(
            f"another worker is gone ({reason[:200]}). Start all workers again with --resume: they "
            "resume from the chief's last checkpoint."
        ) from error
