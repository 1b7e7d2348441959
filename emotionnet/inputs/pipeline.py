"""tf.data pipelines: rows of records in the order asked for, as batches.

Why by rows: a record is read by its byte offset, so that any order and any subset costs the same,
nothing depends on a shuffle buffer, and a run that resumes in the middle of an epoch reads only
what is still to come.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import keras
import tensorflow as tf

from emotionnet.clips.copies import speech_copies
from emotionnet.clips.records import without_autotune
from emotionnet.corpora import CORPORA, get_corpus
from emotionnet.inputs.augment import augment, clip_seed, draw_jitter
from emotionnet.inputs.augmentation import Augmentation
from emotionnet.inputs.kinds import INPUTS, WINDOW_MOVES, streams_in
from emotionnet.inputs.pictures import Pictures, picture_batches
from emotionnet.inputs.source import Source
from emotionnet.inputs.views import View

if keras.backend.backend() != "tensorflow":
    # TensorFlow only reads here: it must not take the memory of the device that another one trains on.
    tf.config.set_visible_devices([], "GPU")


@dataclass(frozen=True)
class RecordSource(Source):
    """Batches from records; the records say where, the view what of them."""

    @cached_property
    def pictures(self) -> Pictures | None:
        """All pictures, where the clips are single ones and the faces are all that is asked for."""
        corpus = self.records.meta.get("corpus", "")
        single = corpus in CORPORA and getattr(get_corpus(corpus), "PICTURES", False)
        if not single or self.view.frames != 1 or streams_in(self.inputs) != ("faces",):
            return None
        return Pictures(self.records, self.view.image_size)

    def batches_of(
        self, rows: Sequence, batch_size: int, key: tuple[int, int], strength: Augmentation | None
    ) -> Iterable:
        """See `Source.batches_of`."""
        if self.pictures:
            return _batches(self._picture_batches(rows, batch_size, key, strength))
        if strength is None:
            dataset = self._viewed(rows)
        else:
            dataset = self._augmented(rows, key, strength)
        targets = tf.data.Dataset.from_tensor_slices(self.training_targets(rows))
        dataset = tf.data.Dataset.zip(dataset, targets)
        return _batches(dataset.batch(batch_size).prefetch(2))

    def inference_batches(self, rows: Sequence, batch_size: int, keep: bool = False) -> Iterable:
        """See `Source.inference_batches`."""
        dataset = self._viewed(rows).batch(batch_size).prefetch(2)
        return _batches(dataset.cache() if keep else dataset)

    def copies(self, rows: Sequence, kinds: Sequence[str]) -> list:
        """See `Source.copies`; they are made where they are not there."""
        return speech_copies(self.records, rows, kinds)

    def check(self, strength: Augmentation | None) -> None:
        """See `Source.check`; records can do all."""

    def _viewed(self, rows: Sequence) -> tf.data.Dataset:
        look = _look(self.records.parse, self.view, self._fields, tuple(self.inputs))
        return self._examples(rows).map(look, num_parallel_calls=tf.data.AUTOTUNE)

    def _examples(self, rows: Sequence) -> tf.data.Dataset:
        """What `Records.parse` reads, with the side fields that the view needs and these records have."""
        return self.records.dataset(rows, self._fields)

    @property
    def _fields(self) -> tuple[str, ...]:
        return tuple(name for name in self.view.fields if name in self.records.fields)

    def _augmented(
        self, rows: Sequence, key: tuple[int, int], strength: Augmentation
    ) -> tf.data.Dataset:
        names = tuple(self.inputs)
        vary = _look_and_augment(self.records.parse, self.view, self._fields, names, strength)
        numbers = [tf.constant(number, tf.int64) for number in key]
        clips = tf.data.Dataset.from_tensor_slices([row.clip for row in rows])
        dataset = tf.data.Dataset.zip(clips, self._examples(rows))
        return dataset.map(
            lambda clip, record: vary(clip, record, *numbers), num_parallel_calls=tf.data.AUTOTUNE
        )

    def _picture_batches(
        self, rows: Sequence, batch_size: int, key: tuple[int, int], strength: Augmentation | None
    ) -> tf.data.Dataset:
        (seed, epoch), size, targets = key, self.view.image_size, self.training_targets(rows)
        self.pictures.load(rows)  # here, where an error about damaged records can be reported

        def batches():
            return picture_batches(
                self.pictures,
                rows,
                targets,
                size=size,
                batch_size=batch_size,
                seed=seed,
                epoch=epoch,
                strength=strength,
            )

        kinds = [INPUTS[name] for name in self.inputs]
        signature = (
            {k.name: tf.TensorSpec((None, *k.shape_in(self.view)), k.dtype) for k in kinds},
            tf.TensorSpec((None, len(self.labels)), tf.float32),
        )
        return tf.data.Dataset.from_generator(batches, output_signature=signature).prefetch(4)


# Both are traced once and then kept, since every epoch is a new dataset; as they stand: no branch of Python's asks a
# tensor, and to have AutoGraph look for one takes longer than the rest.
@lru_cache(maxsize=8)
def _look(parse, view: View, fields: tuple[str, ...], names: tuple[str, ...]):
    """A function from a record, as ``parse`` reads it, to the inputs ``names``."""

    @tf.function(autograph=False)
    def look(record):
        inputs = view(parse(record, fields))
        inputs[WINDOW_MOVES.name] = tf.zeros(view.frames, tf.int32)  # an answer is from the centres
        return {name: inputs[name] for name in names}

    return look


@lru_cache(maxsize=8)
def _look_and_augment(
    parse, view: View, fields: tuple[str, ...], names: tuple[str, ...], strength: Augmentation
):
    """The same, varied by what the clip's name, the seed and the epoch draw."""

    @tf.function(autograph=False)
    def vary(clip, record, seed, epoch):
        draw = clip_seed(seed, epoch, clip)
        jitter = draw_jitter(view.frames, draw, strength)
        if jitter is None and WINDOW_MOVES.name in names:
            jitter = tf.zeros(view.frames)
        inputs = view(parse(record, fields), jitter=jitter)
        return augment({name: inputs[name] for name in names}, draw, strength)

    return vary


def _batches(dataset: tf.data.Dataset) -> Iterable:
    """The arrays that a model of the present backend takes: TensorFlow's tensors, or NumPy arrays."""
    dataset = without_autotune(dataset)
    return dataset if keras.backend.backend() == "tensorflow" else _Arrays(dataset)


class _Arrays:
    """A dataset as NumPy arrays, as often as it is gone through."""

    def __init__(self, dataset: tf.data.Dataset):
        self._dataset = dataset

    def __iter__(self) -> Iterator:
        return self._dataset.as_numpy_iterator()
