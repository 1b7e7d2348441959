"""tf.data pipelines: rows in an order that is a function of seed and epoch, as batches.

Why by rows: a record is read by its byte offset, so that any order and any subset costs the same,
nothing depends on a shuffle buffer, and a run that resumes in the middle of an epoch reads only
what is still to come.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import tensorflow as tf

from emotionnet.corpora import CORPORA, get_corpus
from emotionnet.inputs.augment import Augmentation, augment, clip_seed, draw_jitter
from emotionnet.inputs.pictures import Pictures, picture_batches
from emotionnet.inputs.views import View, view_example


@dataclass(frozen=True)
class Source:
    """What batches are made from.

    Args:
        records: an opened `emotionnet.clips.records.Records`.
        view: what the system sees.
        labels: label names in the model's order.
        inputs: names of the inputs to keep (a stream needs only its own).
    """

    records: object
    view: View
    labels: Sequence[str]
    inputs: tuple[str, ...] = ("faces", "frame_mask", "waveform", "waveform_samples")

    @cached_property
    def pictures(self) -> Pictures | None:
        """All pictures, where the clips are single ones and the faces are all that is asked for."""
        corpus = self.records.meta.get("corpus", "")
        single = corpus in CORPORA and getattr(get_corpus(corpus), "PICTURES", False)
        if not single or self.view.frames != 1 or set(self.inputs) != {"faces", "frame_mask"}:
            return None
        return Pictures(self.records, self.view.image_size)

    def targets(self, rows: Sequence) -> np.ndarray:
        """Label numbers (n,) of the rows."""
        return np.array([self.labels.index(row.emotion) for row in rows], np.int32)


def epoch_order(rows: int, seed: int, epoch: int) -> np.ndarray:
    """The order in which ``rows`` rows are visited in ``epoch``: a function of seed and epoch."""
    return np.random.default_rng([seed, epoch]).permutation(rows)


def training_steps(rows: int, batch_size: int) -> int:
    """Steps an epoch. A last batch of less than half the size is left out (BatchNorm)."""
    steps, rest = divmod(rows, batch_size)
    return max(1, steps + (2 * rest >= batch_size and rest > 0))


def training_batches(
    source: Source,
    rows: Sequence,
    *,
    batch_size: int,
    seed: int,
    epoch: int,
    start_step: int = 0,
    strength: Augmentation | None = None,
) -> tf.data.Dataset:
    """Batches of one epoch, from ``start_step`` on.

    Args:
        source: records, view and labels.
        rows: training rows.
        batch_size: clips a batch.
        seed: of the run.
        epoch: counted from 0.
        start_step: steps of this epoch that are done already.
        strength: augmentation; None for none.

    Returns:
        A dataset of ``(inputs, one-hot targets (batch, classes))``.
    """
    steps = training_steps(len(rows), batch_size)
    order = epoch_order(len(rows), seed, epoch)[start_step * batch_size : steps * batch_size]
    rows = [rows[i] for i in order]
    if source.pictures:
        return _pictures(source, rows, seed, epoch, batch_size, strength)
    if strength is None:
        dataset = _viewed(source, rows)
    else:
        dataset = _augmented(source, rows, seed, epoch, strength)
    targets = np.eye(len(source.labels), dtype=np.float32)[source.targets(rows)]
    dataset = tf.data.Dataset.zip(dataset, tf.data.Dataset.from_tensor_slices(targets))
    return dataset.batch(batch_size).prefetch(2)


def inference_batches(source: Source, rows: Sequence, batch_size: int) -> tf.data.Dataset:
    """Batches of inputs of all ``rows`` in their order; nothing is left out."""
    return _viewed(source, rows).batch(batch_size).prefetch(2)


def _pictures(
    source: Source, rows: Sequence, seed: int, epoch: int, batch_size: int, strength: Augmentation
) -> tf.data.Dataset:
    size, targets = source.view.image_size, np.eye(len(source.labels), dtype=np.float32)
    source.pictures.load(rows)  # here, where an error about damaged records can be told

    def batches():
        return picture_batches(
            source.pictures,
            rows,
            targets[source.targets(rows)],
            size=size,
            batch_size=batch_size,
            seed=seed,
            epoch=epoch,
            strength=strength,
        )

    signature = (
        {
            "faces": tf.TensorSpec((None, 1, size, size, 3), tf.uint8),
            "frame_mask": tf.TensorSpec((None, 1), tf.float32),
        },
        tf.TensorSpec((None, len(source.labels)), tf.float32),
    )
    return tf.data.Dataset.from_generator(batches, output_signature=signature).prefetch(4)


def _viewed(source: Source, rows: Sequence) -> tf.data.Dataset:
    def view(serialized):
        inputs = view_example(serialized, source.view)
        return {name: inputs[name] for name in source.inputs}

    return source.records.dataset(rows).map(view, num_parallel_calls=tf.data.AUTOTUNE)


def _augmented(
    source: Source, rows: Sequence, seed: int, epoch: int, strength: Augmentation
) -> tf.data.Dataset:
    def view(clip, serialized):
        draw = clip_seed(seed, epoch, clip)
        jitter = draw_jitter(source.view.frames, draw, strength)
        inputs = view_example(serialized, source.view, jitter)
        return augment({name: inputs[name] for name in source.inputs}, draw, strength)

    clips = tf.data.Dataset.from_tensor_slices([row.clip for row in rows])
    dataset = tf.data.Dataset.zip(clips, source.records.dataset(rows))
    return dataset.map(view, num_parallel_calls=tf.data.AUTOTUNE)
