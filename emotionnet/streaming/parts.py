"""A trained model in two parts: one that encodes a segment, and one that answers from the last N.

Each system is taken apart here into what `emotionnet.streaming.live.Stream` needs (`Parts`).
"""

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
        self._decode = tf.function(
            view.decode, input_signature=[tf.TensorSpec([], tf.string)], autograph=False
        )

    def pixels(self, jpeg: bytes) -> np.ndarray:
        return self._decode(jpeg).numpy()


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

        @tf.function(input_signature=[tf.TensorSpec([size, size, 3], tf.uint8)], autograph=False)
        def encode(face):
            return encoder(tf.cast(face, tf.float32)[None], training=False)[0]

        @tf.function(
            input_signature=[
                tf.TensorSpec([None, self.width], tf.float32),
                tf.TensorSpec([None], tf.float32),
                tf.TensorSpec([config.samples], tf.float32),
                tf.TensorSpec([], tf.int32),
            ],
            autograph=False,
        )
        def answer(features, mask, waveform, samples):
            mask, samples = mask[None], samples[None]
            features = tf.cast(features[None], pool.compute_dtype)
            face_logits = classifier(pool(features, mask))
            sound = {"waveform": waveform[None], "waveform_samples": samples}
            speech_logits = speech(sound, training=False)
            return tf.concat(fusion(face_logits, speech_logits, mask, samples), 0)

        self._encode, self._answer = encode, answer

    def encode(self, face, sound):
        if face is None:
            return np.zeros(self.width, np.float32)
        return self._encode(face).numpy().astype(np.float32)

    def answer(self, codes, seen, heard, sound):
        padded = np.zeros(self.longest, np.float32)
        padded[: len(sound)] = sound
        return self._answer(codes, seen.astype(np.float32), padded, np.int32(len(sound))).numpy()


class Segments(_Model):
    """System 2: a code is a segment's logits (of both, face alone, sound alone); answers are means."""

    longest = None

    def __init__(self, model, config, view):
        import tensorflow as tf

        super().__init__(config, view)
        encoder, classifier = model.get_layer("segment_encoder"), model.get_layer("classifier")
        names = {layer.name for layer in model.layers}
        alone = [
            model.get_layer(f"{stream}_alone") if f"{stream}_alone" in names else None
            for stream in ("faces", "speech")
        ]
        self.context = config.window if "speech" in self.streams else 0
        self.width = 3 * model.output["probabilities"].shape[-1]
        size = config.image_size

        @tf.function(
            input_signature=[
                tf.TensorSpec([size, size, 3], tf.uint8),
                tf.TensorSpec([], tf.float32),
                tf.TensorSpec([config.window], tf.float32),
                tf.TensorSpec([], tf.float32),
            ],
            autograph=False,
        )
        def encode(face, seen, window, heard):
            inputs = {
                "face": tf.cast(face, tf.float32)[None],
                "face_mask": seen[None],
                "window": window[None],
                "window_mask": heard[None],
            }
            embedding = encoder({name: inputs[name] for name in encoder.input}, training=False)
            logits = [classifier(embedding)]
            for keep in alone:
                logits.append(
                    tf.zeros_like(logits[0]) if keep is None else classifier(keep(embedding))
                )
            return tf.cast(tf.concat(logits, 1)[0], tf.float32)

        self._encode = encode
        self._no_face = np.zeros((size, size, 3), np.uint8)
        self._no_sound = np.zeros(config.window, np.float32)

    def encode(self, face, sound):
        return self._encode(
            self._no_face if face is None else face,
            np.float32(face is not None),
            self._no_sound if sound is None else sound,
            np.float32(sound is not None),
        ).numpy()

    def answer(self, codes, seen, heard, sound):
        votes = np.stack([seen | heard, seen, heard])
        logits = codes.reshape(len(codes), 3, -1).astype(np.float64)
        total = np.einsum("sn,nsc->sc", votes.astype(np.float64), logits)
        mean = total / np.maximum(votes.sum(axis=1, keepdims=True), 1)
        powers = np.exp(mean - mean.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)


_PARTS = {"ghost_fan": GhostFan, "segments": Segments}
