"""A Keras model in parts, as graphs: what encodes a moment once, and what answers from the last N."""

from collections.abc import Callable, Mapping

import numpy as np

from emotionnet.errors import UsageError
from emotionnet.inputs.clip_windows import decode_face
from emotionnet.inputs.kinds import STREAMS
from emotionnet.systems import SYSTEMS, get_system
from emotionnet.systems.apart import Apart, Step, of_any_length


def parts_of_run(run) -> "ModelParts":
    """The parts of an opened run's model.

    Raises:
        UsageError: its system cannot stream.
        EmotionNetError: the run is not trained, or damaged.
    """
    name = run.config["system"]
    system = get_system(name)
    if not hasattr(system, "take_apart"):
        able = [each for each in SYSTEMS if hasattr(get_system(each), "take_apart")]
        raise UsageError(
            f"{run.folder}: system {name} cannot stream. Those that can: {', '.join(able)}."
        )
    apart = system.take_apart(run.model())
    if apart is None:
        raise UsageError(
            f"{run.folder}: a network for each segment (shared=False) cannot stream, since a segment "
            "changes its place in the window."
        )
    return ModelParts(apart, system.Config(**run.config["system_config"]), run.view())


class ModelParts:
    """The parts of any model, as graphs whose weights are constants.

    Args:
        apart: what its system says.
        config: of the system.
        view: of the run.
    """

    def __init__(self, apart: Apart, config, view):
        self.segments, self.window = config.frames, config.samples
        self.streams, self.context = tuple(config.streams), apart.context
        rate_hz = getattr(config, "frame_hz", 0)
        self.segment_s = 1 / rate_hz if rate_hz else 0.0
        # What is heard as a whole has the length that the model was built for.
        self.longest = config.samples if apart.windows else None
        self._outputs = tuple(apart.fuse.model.output)
        self._size = view.image_size
        self._moments = [_Moment(step) for step in apart.moments]
        self.width = sum(moment.width for moment in self._moments)
        self._answer = self._make_answer(apart)

    def pixels(self, jpeg: bytes) -> np.ndarray:
        """See `emotionnet.streaming.parts.Parts.pixels`."""
        return decode_face(jpeg, self._size)

    def encode(self, moment: Mapping[str, np.ndarray | None]) -> np.ndarray:
        """See `emotionnet.streaming.parts.Parts.encode`."""
        # A model that takes sound as a whole has no moments, and codes of no width.
        nothing = np.zeros(0, np.float32)
        return np.concatenate([nothing, *(each(moment) for each in self._moments)])

    def answer(
        self, codes: np.ndarray, present: Mapping[str, np.ndarray], sound: np.ndarray
    ) -> dict[str, np.ndarray]:
        """See `emotionnet.streaming.parts.Parts.answer`."""
        padded = np.zeros(self.longest or 1, np.float32)
        padded[: len(sound)] = sound[: len(padded)]
        missing = np.zeros(len(codes), bool)
        masks = [present.get(stream, missing) for stream in STREAMS]
        table = self._answer(codes, np.stack(masks).astype(np.float32), padded, len(sound))
        return dict(zip(self._outputs, table))

    def _make_answer(self, apart: Apart) -> Callable:
        import tensorflow as tf

        masks = {s: kind.moments_mask for s, kind in STREAMS.items()}
        masks = {s: mask for s, mask in masks.items() if mask in apart.fuse.model.input}
        codes_of = [f"{name}s" for moment in self._moments for name in moment.outputs]
        fuse = of_any_length(apart.fuse.model, {*codes_of, *masks.values()})
        widths = [width for moment in self._moments for width in moment.outputs.values()]

        def answer(codes, present, waveform, samples):
            sound = {"waveform": waveform[None], "waveform_samples": samples[None]}
            pieces = tf.split(codes, widths, axis=1) if widths else []
            known = {name: piece[None] for name, piece in zip(codes_of, pieces)} | sound
            known |= {masks[s]: present[i][None] for i, s in enumerate(STREAMS) if s in masks}
            for step in apart.windows:
                known |= step.model({key: sound[key] for key in step.model.input}, training=False)
            given = {key: tf.cast(known[key], tensor.dtype) for key, tensor in fuse.input.items()}
            answers = fuse(given, training=False)
            return tf.stack([tf.cast(answers[name][0], tf.float32) for name in self._outputs])

        return frozen(
            answer,
            tf.TensorSpec([None, self.width], tf.float32),
            tf.TensorSpec([len(STREAMS), None], tf.float32),
            tf.TensorSpec([self.longest or 1], tf.float32),
            tf.TensorSpec([], tf.int32),
        )


class _Moment:
    """A step that is run once for each segment."""

    def __init__(self, step: Step):
        import tensorflow as tf

        self._inputs = step.model.input
        self.outputs = {name: out.shape[-1] for name, out in step.model.output.items()}
        self.width = sum(self.outputs.values())
        self._streams = step.streams
        kinds = {"face": tf.uint8}

        def run(*values):
            given = {
                name: tf.cast(value, tf.float32)[None] for name, value in zip(self._inputs, values)
            }
            answers = step.model(given, training=False)
            return tf.concat([tf.cast(answers[name][0], tf.float32) for name in self.outputs], 0)

        self._run = frozen(
            run,
            *(
                tf.TensorSpec(tensor.shape[1:], kinds.get(name, tf.float32))
                for name, tensor in self._inputs.items()
            ),
        )

    def __call__(self, moment: Mapping[str, np.ndarray | None]) -> np.ndarray:
        """The code of a segment; zero where it has none of what the step looks at."""
        if all(moment.get(stream) is None for stream in self._streams):
            return np.zeros(self.width, np.float32)
        given = {}
        for stream in self._streams:
            content, mask = STREAMS[stream].moment
            shape, value = self._inputs[content].shape[1:], moment.get(stream)
            given |= {content: np.zeros(shape) if value is None else value}
            given |= {mask: np.float32(value is not None)}
        return self._run(*(given[name] for name in self._inputs))


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

    from emotionnet.keras_private import with_constants

    concrete = tf.function(function, input_signature=signature, autograph=False)
    graph = with_constants(concrete.get_concrete_function())
    dtypes = [spec.dtype for spec in signature]

    def call(*arrays):
        tensors = [tf.constant(array, dtype) for array, dtype in zip(arrays, dtypes)]
        return graph(*tensors)[0].numpy()

    return call
