"""A trained model in two parts: one that encodes a segment, and one that answers from the last N.

Each system is taken apart here into what `emotionnet.streaming.live.Stream` needs (`Parts`).
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np

from emotionnet.errors import UsageError

#: The order of the three answers.
OUTPUTS = ("probabilities", "face_probabilities", "speech_probabilities")


class Parts(Protocol):
    """What a stream needs of a model.

    Attributes:
        segments: N that the model was trained with.
        window: samples of sound that the model was trained with.
        longest: most samples of sound that it can answer from; None: any number.
        context: samples of sound around a segment's centre that belong to its code; 0: none.
        width: length of a code.
        streams: which of ``faces`` and ``speech`` it was trained on.
    """

    segments: int
    window: int
    longest: int | None
    context: int
    width: int
    streams: tuple[str, ...]

    def pixels(self, jpeg: bytes) -> np.ndarray:
        """A stored face as (S, S, 3) uint8, as the model wants it."""

    def encode(self, face: np.ndarray | None, sound: np.ndarray | None) -> np.ndarray:
        """The code (width,) of a segment from its face and the (context,) samples around it."""

    def answer(
        self, codes: np.ndarray, seen: np.ndarray, heard: np.ndarray, sound: np.ndarray
    ) -> np.ndarray:
        """(3, classes) in the order of `OUTPUTS`.

        Args:
            codes: (N, width), in order of time.
            seen, heard: (N,) bool, whether the segment has a face, and sound.
            sound: the samples of the window that came; of any length up to the window's.
        """


def open_parts(run) -> Parts:
    """The parts of an opened run's model.

    Raises:
        UsageError: its system cannot stream.
        EmotionNetError: the run is not trained, or damaged.
    """
    from emotionnet.systems import get_system

    name = run.config["system"]
    if name not in _PARTS:
        raise UsageError(
            f"{run.folder}: system {name} cannot stream. Those that can: {', '.join(_PARTS)}."
        )
    config = get_system(name).Config(**run.config["system_config"])
    if getattr(config, "shared", True) is False:
        raise UsageError(
            f"{run.folder}: a network for each segment (shared=False) cannot stream, since a segment "
            "changes its place in the window."
        )
    return _PARTS[name](run.model(), config, run.view())


class _Model:
    """What both systems share: settings, and the decoder of stored faces."""

    def __init__(self, config, view):
        import tensorflow as tf

        self.segments, self.window = config.frames, config.samples
        self.streams, self.image_size = tuple(config.streams), config.image_size
        self._decode = frozen(view.decode, tf.TensorSpec([], tf.string))

    def pixels(self, jpeg: bytes) -> np.ndarray:
        return self._decode(jpeg)


class GhostFan(_Model):
    """System 1: a code is a face's features; the speech stream hears the whole window each time.

    Its speech stream averages coefficients whose floor depends on the loudest moment of the window
    (``top_db``), so that a running mean of them would not be exact. Front-end and network on six
    seconds cost a few milliseconds, whatever the length of the stream.
    """

    context = 0

    def __init__(self, model, config, view):
        import tensorflow as tf

        super().__init__(config, view)
        self.longest = config.samples
        faces, speech = model.get_layer("face_stream"), model.get_layer("speech_stream")
        encoder, pool = faces.get_layer("face_encoder"), faces.get_layer("frame_pool")
        classifier, fusion = faces.get_layer("classifier"), model.get_layer("fusion")
        self.width = encoder.output.shape[-1]
        size = config.image_size

        def answer(features, mask, waveform, samples):
            mask, samples = mask[None], samples[None]
            features = tf.cast(features[None], pool.compute_dtype)
            face_logits = classifier(pool(features, mask))
            sound = {"waveform": waveform[None], "waveform_samples": samples}
            speech_logits = speech(sound, training=False)
            return tf.concat(fusion(face_logits, speech_logits, mask, samples), 0)

        self._encode = frozen(_one(encoder), tf.TensorSpec([size, size, 3], tf.uint8))
        self._answer = frozen(
            answer,
            tf.TensorSpec([None, self.width], tf.float32),
            tf.TensorSpec([None], tf.float32),
            tf.TensorSpec([config.samples], tf.float32),
            tf.TensorSpec([], tf.int32),
        )

    def encode(self, face, sound):
        if face is None:
            return np.zeros(self.width, np.float32)
        return self._encode(face)

    def answer(self, codes, seen, heard, sound):
        padded = np.zeros(self.longest, np.float32)
        padded[: len(sound)] = sound
        return self._answer(codes, seen.astype(np.float32), padded, len(sound))


class Segments(_Model):
    """System 2: a code is a segment's logits (of both, face alone, sound alone); answers are means."""

    longest = None

    def __init__(self, model, config, view):
        import keras
        import tensorflow as tf

        super().__init__(config, view)
        encoder = model.get_layer("segment_encoder")
        self.context = config.window if "speech" in self.streams else 0
        # Each network by itself: where there is no face, none is encoded.
        shapes = {
            "faces": (
                "face",
                "face_embedding",
                [config.image_size, config.image_size, 3],
                tf.uint8,
            ),
            "speech": ("window", "window_embedding", [config.window], tf.float32),
        }
        self._networks, self._kernels, first = {}, {}, 0
        kernel, self._bias = (w.numpy() for w in model.get_layer("classifier").weights)
        for stream in self.streams:
            source, sink, shape, dtype = shapes[stream]
            features = encoder.get_layer(sink).input[0]
            network = keras.Model(encoder.input[source], features)
            self._networks[stream] = frozen(_one(network), tf.TensorSpec(shape, dtype))
            last = first + features.shape[-1]
            self._kernels[stream] = kernel[first:last]
            first = last
        self.width = 3 * len(self._bias)

    def encode(self, face, sound):
        alone = [
            0.0 if given is None else self._networks[stream](given) @ self._kernels[stream]
            for stream, given in (("faces", face), ("speech", sound))
        ]
        return np.concatenate([sum(alone) + self._bias, *(logits + self._bias for logits in alone)])

    def answer(self, codes, seen, heard, sound):
        votes = np.stack([seen | heard, seen, heard])
        logits = codes.reshape(len(codes), 3, -1).astype(np.float64)
        total = np.einsum("sn,nsc->sc", votes.astype(np.float64), logits)
        mean = total / np.maximum(votes.sum(axis=1, keepdims=True), 1)
        powers = np.exp(mean - mean.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)


def _one(network) -> Callable:
    """The network as a function of one example."""
    import tensorflow as tf

    return lambda x: tf.cast(network(tf.cast(x, tf.float32)[None], training=False)[0], tf.float32)


def frozen(function: Callable, *signature) -> Callable[..., np.ndarray]:
    """A TensorFlow function as a graph whose weights are constants, so that they are folded.

    At one example a call, where small operations cost more than arithmetic, that saves up to a third
    of the time.

    Args:
        function: of tensors, to one tensor.
        signature: `tf.TensorSpec` of each argument.

    Returns:
        A function of arrays to an array.
    """
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2 as with_constants,
    )

    concrete = tf.function(function, input_signature=signature, autograph=False)
    graph = with_constants(concrete.get_concrete_function())
    dtypes = [spec.dtype for spec in signature]

    def call(*arrays):
        tensors = [tf.constant(array, dtype) for array, dtype in zip(arrays, dtypes)]
        return graph(*tensors)[0].numpy()

    return call


_PARTS = {"ghost_fan": GhostFan, "segments": Segments}
