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

if TYPE_CHECKING:
    import tensorflow as tf

#: What of a clip a system may see, and the inputs that carry it: the names in a view's dict.
STREAM_INPUTS = {
    "faces": ("faces", "frame_mask"),
    "speech": ("waveform", "waveform_samples"),
}
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
    """

    frames: int = 15
    image_size: int = STORED_FACE
    samples: int = 96000

    @property
    def window_s(self) -> float:
        """Length of the window in seconds."""
        return self.samples / SAMPLE_RATE

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
            ``waveform_samples`` () int32, 0 where there is no sound.
        """
        window = self._window(parsed, start_s)
        return {
            **self._pick_faces(parsed, *window, jitter),
            **self._cut_sound(parsed["waveform"], *window),
        }

    def _window(self, parsed: dict, start_s) -> tuple[tf.Tensor, tf.Tensor]:
        import tensorflow as tf

        length_s = clip_seconds(parsed)
        if start_s is None:
            start_s = tf.maximum(length_s - self.window_s, 0.0) / 2
        start_s = tf.cast(start_s, tf.float32)
        return start_s, tf.minimum(start_s + self.window_s, length_s)

    def _pick_faces(self, parsed: dict, start_s, end_s, jitter=None) -> dict:
        import tensorflow as tf

        jpegs, times_s = parsed["jpegs"], parsed["times_s"]
        middles_s = times_s + frame_seconds(times_s) / 2
        # A picture that ends before the sound does still fills all the segments.
        end_s = tf.minimum(
            end_s, tf.reduce_max(tf.pad(middles_s, [[1, 0]])) + frame_seconds(times_s) / 2
        )
        segment_s = tf.maximum((end_s - start_s) / self.frames, 1e-6)
        centres_s = start_s + (tf.range(self.frames, dtype=tf.float32) + 0.5) * segment_s
        # A sentinel without a face stands last, so that a clip without pictures needs no branch.
        distance_s = tf.abs(tf.concat([middles_s, [-1e9]], 0)[None] - centres_s[:, None])
        has_face = tf.concat([tf.strings.length(jpegs) > 0, [False]], 0)
        # Frames may be further apart than segments (a short or slow clip): then neighbours share one.
        reach_s = tf.maximum(segment_s, frame_seconds(times_s)) / 2 + 1e-3
        reachable = has_face[None] & (distance_s <= reach_s)
        found = tf.reduce_any(reachable, axis=1)
        wanted_s = centres_s - TIE_S
        if jitter is not None:
            # Another frame of the same segment; which segments have a face stays the same.
            wanted_s += jitter * segment_s
        distance_s = tf.abs(tf.concat([middles_s, [-1e9]], 0)[None] - wanted_s[:, None])
        nearest = tf.argmin(tf.where(reachable, distance_s, 1e9), axis=1)
        picked = tf.where(found, tf.gather(tf.concat([jpegs, [b""]], 0), nearest), b"")
        faces = tf.map_fn(self.decode, picked, fn_output_signature=tf.uint8)
        faces = tf.ensure_shape(faces, (self.frames, self.image_size, self.image_size, 3))
        return {"faces": faces, "frame_mask": tf.cast(found, tf.float32)}

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
        return {"waveform": padded, "waveform_samples": length}


def frame_seconds(times_s: tf.Tensor) -> tf.Tensor:
    """Mean distance of the frames at ``times_s`` (n,), in seconds; 1/30 for fewer than two."""
    import tensorflow as tf

    n = tf.shape(times_s)[0]
    return tf.cond(
        n > 1,
        lambda: (times_s[-1] - times_s[0]) / tf.cast(n - 1, tf.float32),
        lambda: tf.constant(1 / 30, tf.float32),
    )


def clip_seconds(parsed: dict) -> tf.Tensor:
    """Length of a clip in seconds: the longer of picture and sound."""
    import tensorflow as tf

    times_s = parsed["times_s"]
    picture_s = tf.reduce_max(tf.pad(times_s + frame_seconds(times_s), [[1, 0]]))
    return tf.maximum(picture_s, tf.cast(tf.shape(parsed["waveform"])[0], tf.float32) / SAMPLE_RATE)


def view_example(serialized: tf.Tensor, view: View, jitter: tf.Tensor | None = None) -> dict:
    """Parses one serialized record and views it; see `View`."""
    from emotionnet.clips.records import parse

    return view(parse(serialized), jitter=jitter)


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
    windows, size = len(starts_s), view.image_size
    inputs = {
        "faces": np.zeros((windows, view.frames, size, size, 3), np.uint8),
        "frame_mask": np.zeros((windows, view.frames), np.float32),
        "waveform": np.zeros((windows, view.samples), np.float32),
        "waveform_samples": np.zeros(windows, np.int32),
    }
    for i, start_s in enumerate(starts_s):
        start = round(start_s * SAMPLE_RATE)
        sound = waveform[start : start + view.samples] / np.float32(32768.0)
        inputs["waveform"][i, : len(sound)] = sound
        inputs["waveform_samples"][i] = len(sound)
    return inputs
