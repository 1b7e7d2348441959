"""A view: what one system sees of a record. Faces at the segment centres, and the sound.

Runs in graph mode inside tf.data; `emotionnet.inputs.clip_windows` gives the same of one clip without TensorFlow.
`emotionnet.inputs.picking` chooses the frames for both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from emotionnet.clips import SAMPLE_RATE
from emotionnet.clips.crop import CROP_SIZE
from emotionnet.clips.sound import SILENCE_STEPS
from emotionnet.inputs.kinds import INPUTS, STREAMS, WINDOW_MOVES, inputs_of
from emotionnet.inputs.picking import faces_at, frame_seconds, nearest, points_at, seconds

if TYPE_CHECKING:
    import tensorflow as tf


@dataclass(frozen=True)
class View:
    """Picks frames and sound of a clip for a model.

    The window is the whole clip, or its central ``samples / 16000`` seconds where it is longer.
    It is cut into ``frames`` equal segments; of each, the frame nearest to the centre *that has a
    face* is taken (Lu et al., section III-A.1: 15 segments, centre frame). A segment without a
    face is masked.

    Args:
        frames: faces a clip.
        image_size: side of the faces given to the model, in pixels; records keep 224.
        samples: length of the sound given to the model, at 16 kHz; shorter clips are padded with
            zeros, and ``waveform_samples`` says how much is real.
        frame_hz: faces a second, for what looks at changes over time: segments are then ``1 / frame_hz``
            long whatever the clip's length, and those beyond its end are masked. 0: equal segments.
        landmarks: frames whose landmarks are given, in as many equal segments; 0 for none.
        skip_frames: first frames of a recording of which no face is taken (Lu et al.: 0).
    """

    frames: int = 15
    image_size: int = CROP_SIZE
    samples: int = 96000
    frame_hz: float = 0.0
    landmarks: int = 0
    skip_frames: int = 0

    @classmethod
    def of(cls, sizes: Any) -> View:
        """The view of a model; what ``sizes`` lacks is as by default.

        Args:
            sizes: a mapping, or a system's ``Config``; what else it has is not looked at.
        """
        names = [field.name for field in fields(cls)]
        if not isinstance(sizes, Mapping):
            sizes = {name: getattr(sizes, name) for name in names if hasattr(sizes, name)}
        return cls(**{name: sizes[name] for name in names if name in sizes})

    @property
    def window_s(self) -> float:
        """Length of the window in seconds."""
        return self.samples / SAMPLE_RATE

    @property
    def streams(self) -> tuple[str, ...]:
        """The streams that it gives."""
        return ("faces", "speech", *(("geometry",) if self.landmarks else ()))

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs that it gives."""
        return inputs_of(self.streams)

    @property
    def fields(self) -> tuple[str, ...]:
        """Side fields of the records that it needs."""
        return tuple(STREAMS[stream].field for stream in self.streams if STREAMS[stream].field)

    def empty(self, clips: int, names: Sequence[str] = ()) -> dict[str, np.ndarray]:
        """The inputs of clips that have nothing.

        Args:
            clips: their number.
            names: of the inputs; all of them by default.

        Returns:
            Name → zeros (clips, ...).
        """
        kinds = [INPUTS[name] for name in names or self.inputs]
        return {each.name: np.zeros((clips, *each.shape_in(self)), each.dtype) for each in kinds}

    def __call__(
        self,
        parsed: dict,
        start_s: tf.Tensor | float | None = None,
        jitter: tf.Tensor | None = None,
    ) -> dict:
        """Maps a parsed record to a model's inputs.

        Args:
            parsed: the tensors that `emotionnet.clips.records.parse` gives.
            start_s: where the window begins; None centres it.
            jitter: (frames,) where in its segment each frame is taken, in segments from the centre
                (-0.5 to 0.5), for training; None takes the centres.

        Returns:
            ``faces`` (frames, image_size, image_size, 3) uint8; ``frame_mask`` (frames,) float32,
            1 where there is a face; ``waveform`` (samples,) float32 in [-1, 1), zero-padded;
            ``waveform_samples`` () int32, 0 where there is no sound, or silence (a muted microphone),
            as in a live stream; and where ``landmarks`` are asked for ``landmarks`` (landmarks, 68, 2)
            float32 in units of the crop and ``landmark_mask``. With ``jitter`` also ``moves`` (frames,)
            int32: by how many samples each frame, or the moment drawn where there is none, lies behind
            the centre of its segment of the sound.
        """
        window = self._window(parsed, start_s)
        picked = self._faces_at(parsed, window, jitter)
        given = {
            **self._pick_faces(parsed["jpegs"], *picked),
            **self._cut_sound(parsed["waveform"], window[0]),
        }
        if self.landmarks:
            given |= self._pick_landmarks(parsed, window)
        if jitter is not None:
            given |= {WINDOW_MOVES.name: self._moves(parsed, window[0], *picked, jitter)}
        return given

    def _moves(self, parsed: dict, start_s, numbers, found, jitter) -> tf.Tensor:
        import tensorflow as tf

        times_s = parsed["times_s"]
        start = tf.cast(tf.round(start_s * SAMPLE_RATE), tf.int32)
        length = tf.shape(parsed["waveform"][start : start + self.samples])[0]
        if self.frame_hz:  # segments of the padded clip
            length = tf.constant(self.samples)
        centres = (2 * tf.range(self.frames) + 1) * length // (2 * self.frames)
        frame_s = frame_seconds(tf.experimental.numpy, times_s)
        middles_s = tf.concat([times_s + frame_s / 2, [0.0]], 0)
        seen = tf.round((tf.gather(middles_s, numbers) - start_s) * SAMPLE_RATE)
        drawn = tf.round(jitter * tf.cast(length, tf.float32) / self.frames)
        return tf.where(found, tf.cast(seen, tf.int32) - centres, tf.cast(drawn, tf.int32))

    def _window(self, parsed: dict, start_s) -> tuple[tf.Tensor, tf.Tensor]:
        import tensorflow as tf

        sound_s = tf.cast(tf.shape(parsed["waveform"])[0], tf.float32) / SAMPLE_RATE
        length_s = seconds(tf.experimental.numpy, parsed["times_s"], sound_s)
        if start_s is None:
            start_s = tf.maximum(length_s - self.window_s, 0.0) / 2
        start_s = tf.cast(start_s, tf.float32)
        return start_s, tf.minimum(start_s + self.window_s, length_s)

    def _pick_faces(self, jpegs: tf.Tensor, numbers, found) -> dict:
        import tensorflow as tf

        picked = tf.where(found, tf.gather(tf.concat([jpegs, [b""]], 0), numbers), b"")
        faces = tf.map_fn(self.decode, picked, fn_output_signature=tf.uint8)
        faces = tf.ensure_shape(faces, (self.frames, self.image_size, self.image_size, 3))
        return {"faces": faces, "frame_mask": tf.cast(found, tf.float32)}

    def picks(
        self, parsed: dict, start_s: tf.Tensor | float | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Which frames of a record the view takes: their numbers (frames,), and whether there is a face."""
        return self._faces_at(parsed, self._window(parsed, start_s))

    def _faces_at(self, parsed: dict, window, jitter=None):
        import tensorflow as tf

        usable = tf.strings.length(parsed["jpegs"]) > 0
        return faces_at(tf.experimental.numpy, self, parsed["times_s"], usable, window, jitter)

    def _pick_landmarks(self, parsed: dict, window) -> dict:
        import tensorflow as tf

        field, xp = STREAMS["geometry"].field, tf.experimental.numpy
        points = parsed.get(
            field, tf.zeros((0, 68, 2))
        )  # it may not have been added to the records
        times_s = parsed.get(f"{field}_times_s", tf.zeros((0,)))
        known = tf.reduce_all(tf.math.is_finite(points), axis=(1, 2))
        numbers, found = nearest(xp, times_s, known, window, self.landmarks, self.frame_hz)
        taken = points_at(xp, points, numbers, found)
        taken = tf.ensure_shape(taken, (self.landmarks, 68, 2))
        return {"landmarks": taken, "landmark_mask": tf.cast(found, tf.float32)}

    def decode(self, jpeg: tf.Tensor) -> tf.Tensor:
        """A stored face () string as (image_size, image_size, 3) uint8; black where it is empty."""
        import tensorflow as tf

        size = self.image_size
        ratio = shrinks_by(size)

        def resize(face, method):
            face = tf.image.resize(face, (size, size), method)
            return tf.cast(tf.round(face), tf.uint8)

        def crop():
            face = tf.io.decode_jpeg(jpeg, channels=3, ratio=ratio, dct_method="INTEGER_ACCURATE")
            if size != CROP_SIZE // ratio:
                face = resize(face, "area" if size < CROP_SIZE else "bilinear")
            return face

        def picture():
            face = tf.io.decode_jpeg(jpeg, channels=3, dct_method="INTEGER_ACCURATE")
            larger = tf.reduce_max(tf.shape(face)[:2]) > size
            return tf.cond(larger, lambda: resize(face, "area"), lambda: resize(face, "bilinear"))

        def decode():
            # Single pictures keep their own size in the records.
            is_crop = tf.reduce_all(tf.image.extract_jpeg_shape(jpeg)[:2] == CROP_SIZE)
            return tf.cond(is_crop, crop, picture)

        return tf.cond(
            tf.strings.length(jpeg) > 0, decode, lambda: tf.zeros((size, size, 3), tf.uint8)
        )

    def _cut_sound(self, waveform: tf.Tensor, start_s) -> dict:
        import tensorflow as tf

        start = tf.cast(tf.round(start_s * SAMPLE_RATE), tf.int32)
        sound = waveform[start : start + self.samples]
        length = tf.shape(sound)[0]
        padded = tf.ensure_shape(tf.pad(sound, [[0, self.samples - length]]), (self.samples,))
        heard = tf.reduce_any(tf.abs(sound) > SILENCE_STEPS / 32768)
        return {"waveform": padded, "waveform_samples": tf.where(heard, length, 0)}


def shrinks_by(size: int) -> int:
    """By how much libjpeg shrinks a stored face of which ``size`` is wanted while decoding, at a fraction of the cost."""
    return next((ratio for ratio in (8, 4, 2) if CROP_SIZE // ratio >= size), 1)
