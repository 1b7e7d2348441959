"""A view: what one system sees of a record. Faces at the segment centres, and the sound.

Runs in graph mode inside tf.data. Prediction uses the same function on one clip, so training,
evaluation and prediction cannot pick other frames. What a view is, is known without TensorFlow too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emotionnet.clips import SAMPLE_RATE
from emotionnet.clips.sound import SILENCE_STEPS, is_silent
from emotionnet.inputs.kinds import INPUTS, MOVES, STREAMS, inputs_of

if TYPE_CHECKING:
    import tensorflow as tf

STORED_FACE = 224
#: Centres of segments are taken this much early, so that of two frames equally near the first is
#: taken, however times were rounded.
TIE_S = 1e-4


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
    image_size: int = STORED_FACE
    samples: int = 96000
    frame_hz: float = 0.0
    landmarks: int = 0
    skip_frames: int = 0

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
        given = {
            **self._pick_faces(parsed, *window, jitter),
            **self._cut_sound(parsed["waveform"], *window),
        }
        if self.landmarks:
            given |= self._pick_landmarks(parsed, *window)
        if jitter is not None:
            given |= {MOVES.name: self._moves(parsed, *window, jitter)}
        return given

    def _moves(self, parsed: dict, start_s, end_s, jitter) -> tf.Tensor:
        import tensorflow as tf

        start = tf.cast(tf.round(start_s * SAMPLE_RATE), tf.int32)
        length = tf.shape(parsed["waveform"][start : start + self.samples])[0]
        if self.frame_hz:  # segments of the padded clip
            length = tf.constant(self.samples)
        centres = (2 * tf.range(self.frames) + 1) * length // (2 * self.frames)
        times_s = parsed["times_s"]
        nearest, found = self._faces_at(parsed, start_s, end_s, jitter)
        middles_s = tf.concat([times_s + frame_seconds(times_s) / 2, [0.0]], 0)
        seen = tf.round((tf.gather(middles_s, nearest) - start_s) * SAMPLE_RATE)
        drawn = tf.round(jitter * tf.cast(length, tf.float32) / self.frames)
        return tf.where(found, tf.cast(seen, tf.int32) - centres, tf.cast(drawn, tf.int32))

    def _window(self, parsed: dict, start_s) -> tuple[tf.Tensor, tf.Tensor]:
        import tensorflow as tf

        length_s = clip_seconds(parsed)
        if start_s is None:
            start_s = tf.maximum(length_s - self.window_s, 0.0) / 2
        start_s = tf.cast(start_s, tf.float32)
        return start_s, tf.minimum(start_s + self.window_s, length_s)

    def _pick_faces(self, parsed: dict, start_s, end_s, jitter=None) -> dict:
        import tensorflow as tf

        jpegs = parsed["jpegs"]
        nearest, found = self._faces_at(parsed, start_s, end_s, jitter)
        picked = tf.where(found, tf.gather(tf.concat([jpegs, [b""]], 0), nearest), b"")
        faces = tf.map_fn(self.decode, picked, fn_output_signature=tf.uint8)
        faces = tf.ensure_shape(faces, (self.frames, self.image_size, self.image_size, 3))
        return {"faces": faces, "frame_mask": tf.cast(found, tf.float32)}

    def picks(
        self, parsed: dict, start_s: tf.Tensor | float | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Which frames of a record the view takes: their numbers (frames,), and whether there is a face."""
        return self._faces_at(parsed, *self._window(parsed, start_s))

    def _faces_at(self, parsed: dict, start_s, end_s, jitter=None):
        import tensorflow as tf

        usable = tf.strings.length(parsed["jpegs"]) > 0
        if self.skip_frames:
            start_s = tf.maximum(start_s, self.skip_frames * frame_seconds(parsed["times_s"]))
        return self._nearest(parsed["times_s"], usable, start_s, end_s, self.frames, jitter)

    def _pick_landmarks(self, parsed: dict, start_s, end_s) -> dict:
        import tensorflow as tf

        field = STREAMS["geometry"].field
        points = parsed.get(field, tf.zeros((0, 68, 2)))  # nobody may have added it to the records
        times_s = parsed.get(f"{field}_times_s", tf.zeros((0,)))
        known = tf.reduce_all(tf.math.is_finite(points), axis=(1, 2))
        nearest, found = self._nearest(times_s, known, start_s, end_s, self.landmarks)
        # A clip without pictures has no points to take from.
        padded = tf.concat(
            [tf.where(tf.math.is_finite(points), points, 0.0), tf.zeros((1, 68, 2))], 0
        )
        taken = tf.where(found[:, None, None], tf.gather(padded, nearest), 0.0)
        taken = tf.ensure_shape(taken, (self.landmarks, 68, 2))
        return {"landmarks": taken, "landmark_mask": tf.cast(found, tf.float32)}

    def _nearest(self, times_s, usable, start_s, end_s, segments: int, jitter=None):
        """Of each segment the usable frame nearest to its centre, (segments,), and whether there is one.

        Args:
            times_s: (n,) when the frames begin.
            usable: (n,) bool.
            start_s, end_s: of the window.
            segments: their number.
            jitter: see `__call__`.

        Returns:
            Numbers of frames, n where there is none; and (segments,) bool.
        """
        import tensorflow as tf

        frame_s = frame_seconds(times_s)
        middles_s = times_s + frame_s / 2
        # A picture that ends before the sound does still fills all the segments.
        end_s = tf.minimum(end_s, tf.reduce_max(tf.pad(middles_s, [[1, 0]])) + frame_s / 2)
        if self.frame_hz:
            segment_s = tf.constant(1 / self.frame_hz, tf.float32)
        else:
            segment_s = tf.maximum((end_s - start_s) / segments, 1e-6)
        centres_s = start_s + (tf.range(segments, dtype=tf.float32) + 0.5) * segment_s
        # A sentinel that cannot be used stands last, so that a clip without pictures needs no branch.
        distance_s = tf.abs(tf.concat([middles_s, [-1e9]], 0)[None] - centres_s[:, None])
        usable = tf.concat([usable, [False]], 0)
        # Frames may be further apart than segments (a short or slow clip): then neighbours share one.
        reach_s = tf.maximum(segment_s, frame_s) / 2 + 1e-3
        reachable = usable[None] & (distance_s <= reach_s)
        if self.frame_hz:
            reachable &= (centres_s <= end_s)[:, None]
        found = tf.reduce_any(reachable, axis=1)
        wanted_s = centres_s - TIE_S
        if jitter is not None:
            # Another frame of the same segment; which segments have a face stays the same.
            wanted_s += jitter * segment_s
        distance_s = tf.abs(tf.concat([middles_s, [-1e9]], 0)[None] - wanted_s[:, None])
        return tf.argmin(tf.where(reachable, distance_s, 1e9), axis=1), found

    def decode(self, jpeg: tf.Tensor) -> tf.Tensor:
        """A stored face () string as (image_size, image_size, 3) uint8; black where it is empty."""
        import tensorflow as tf

        size = self.image_size
        # libjpeg shrinks by 2, 4 or 8 while decoding, at a fraction of the cost.
        ratio = next((r for r in (8, 4, 2) if STORED_FACE // r >= size), 1)

        def resize(face, method):
            face = tf.image.resize(face, (size, size), method)
            return tf.cast(tf.round(face), tf.uint8)

        def crop():
            face = tf.io.decode_jpeg(jpeg, channels=3, ratio=ratio, dct_method="INTEGER_ACCURATE")
            if size != STORED_FACE // ratio:
                face = resize(face, "area" if size < STORED_FACE else "bilinear")
            return face

        def picture():
            face = tf.io.decode_jpeg(jpeg, channels=3, dct_method="INTEGER_ACCURATE")
            larger = tf.reduce_max(tf.shape(face)[:2]) > size
            return tf.cond(larger, lambda: resize(face, "area"), lambda: resize(face, "bilinear"))

        def decode():
            # Single pictures keep their own size in the records.
            is_crop = tf.reduce_all(tf.image.extract_jpeg_shape(jpeg)[:2] == STORED_FACE)
            return tf.cond(is_crop, crop, picture)

        return tf.cond(
            tf.strings.length(jpeg) > 0, decode, lambda: tf.zeros((size, size, 3), tf.uint8)
        )

    def _cut_sound(self, waveform: tf.Tensor, start_s, end_s) -> dict:
        import tensorflow as tf

        start = tf.cast(tf.round(start_s * SAMPLE_RATE), tf.int32)
        sound = waveform[start : start + self.samples]
        length = tf.shape(sound)[0]
        padded = tf.ensure_shape(tf.pad(sound, [[0, self.samples - length]]), (self.samples,))
        heard = tf.reduce_any(tf.abs(sound) > SILENCE_STEPS / 32768)
        return {"waveform": padded, "waveform_samples": tf.where(heard, length, 0)}


def frame_seconds(times_s: tf.Tensor) -> tf.Tensor:
    """Mean distance of the frames at ``times_s`` (n,), in seconds; 1/30 for fewer than two."""
    import tensorflow as tf

    n = tf.shape(times_s)[0]
    return tf.cond(
        n > 1,
        # Slices, since a graph is also made for a field that no record has.
        lambda: tf.reduce_sum(times_s[-1:] - times_s[:1]) / tf.cast(n - 1, tf.float32),
        lambda: tf.constant(1 / 30, tf.float32),
    )


def clip_seconds(parsed: dict) -> tf.Tensor:
    """Length of a clip in seconds: the longer of picture and sound."""
    import tensorflow as tf

    times_s = parsed["times_s"]
    picture_s = tf.reduce_max(tf.pad(times_s + frame_seconds(times_s), [[1, 0]]))
    return tf.maximum(picture_s, tf.cast(tf.shape(parsed["waveform"])[0], tf.float32) / SAMPLE_RATE)


def view_example(
    serialized: tf.Tensor, view: View, fields: Sequence[str] = (), jitter: tf.Tensor | None = None
) -> dict:
    """Parses one serialized record, with the side ``fields`` that it was read with, and views it."""
    from emotionnet.clips.records import parse

    return view(parse(serialized, fields), jitter=jitter)


def view_sound(
    waveform: np.ndarray, view: View, starts_s: Sequence[float]
) -> dict[str, np.ndarray]:
    """Windows of sound alone as `View` gives them, without TensorFlow.

    Args:
        waveform: (samples,) int16, 16 kHz.
        view: of the system.
        starts_s: where the windows begin.

    Returns:
        The inputs of as many windows, without a face in any.
    """
    inputs = view.empty(len(starts_s))
    for i, start_s in enumerate(starts_s):
        start = round(start_s * SAMPLE_RATE)
        sound = waveform[start : start + view.samples]
        inputs["waveform"][i, : len(sound)] = sound / np.float32(32768.0)
        inputs["waveform_samples"][i] = 0 if is_silent(sound) else len(sound)
    return inputs
