"""Augmentation in tf.data as a pure function of (seed, epoch, clip): no random state, so a run can resume.

`emotionnet.inputs.augmentation` says what each strength means; the same in NumPy is
`emotionnet.inputs.array_augment`.
"""

import math

import tensorflow as tf

from emotionnet.clips import SAMPLE_RATE
from emotionnet.inputs.augmentation import Augmentation
from emotionnet.inputs.crop_moves import drawn_move, move_landmarks
from emotionnet.inputs.kinds import WINDOW_MOVES, presences


def clip_seed(seed: tf.Tensor | int, epoch: tf.Tensor | int, clip: tf.Tensor) -> tf.Tensor:
    """The stateless seed (2,) of one clip in one epoch, from the clip's *name*."""
    key = tf.stack([tf.cast(seed, tf.int32), tf.constant(0x5EED, tf.int32)])
    key = tf.random.experimental.stateless_fold_in(key, tf.cast(epoch, tf.int64))
    return tf.random.experimental.stateless_fold_in(
        key, tf.strings.to_hash_bucket_fast(clip, 2**31 - 1)
    )


def draw_jitter(frames: int, seed: tf.Tensor, strength: Augmentation) -> tf.Tensor | None:
    """Where in its segment each frame is taken, (frames,) for `View`; None for the centres."""
    if strength.frame_jitter <= 0:
        return None
    half = strength.frame_jitter / 2
    return tf.random.stateless_uniform((frames,), seed + 1, -half, half)


def augment(inputs: dict, seed: tf.Tensor, strength: Augmentation) -> dict:
    """Augments one clip's inputs (unbatched, as `View` gives them; any stream may be missing).

    Args:
        inputs: ``faces`` uint8 with ``frame_mask``, ``waveform`` with ``waveform_samples``, ``landmarks``
            with ``landmark_mask``. Landmarks move as the faces do.
        seed: stateless seed (2,), see `clip_seed`.
        strength: how much.

    Returns:
        The same names, shapes and types.
    """
    draws = tf.random.stateless_uniform((9,), seed, -1.0, 1.0)
    inputs = dict(inputs)
    if "faces" in inputs and strength.changes_faces:
        inputs["faces"] = augment_faces(inputs["faces"], draws[:7], strength)
    if "landmarks" in inputs and strength.moves_faces:
        xp = tf.experimental.numpy
        inputs["landmarks"] = move_landmarks(
            xp, inputs["landmarks"], inputs["landmark_mask"], *drawn_move(xp, draws, strength)
        )
    if "waveform" in inputs and strength.sound_shift_s > 0:
        shift_s = tf.random.stateless_uniform((), seed + 2, -1.0, 1.0) * strength.sound_shift_s
        inputs["waveform"] = shift_sound(inputs["waveform"], inputs["waveform_samples"], shift_s)
    if WINDOW_MOVES.name in inputs and strength.window_shift_s > 0:
        furthest = strength.window_shift_s * SAMPLE_RATE
        shifts = tf.random.stateless_uniform(
            tf.shape(inputs[WINDOW_MOVES.name]), seed + 4, -furthest, furthest
        )
        inputs[WINDOW_MOVES.name] += tf.cast(tf.round(shifts), tf.int32)
    if "waveform" in inputs and strength.adds_noise:
        noise = tf.random.stateless_normal(tf.shape(inputs["waveform"]), seed)
        inputs["waveform"] = add_noise(
            inputs["waveform"], inputs["waveform_samples"], noise, draws[7:], strength
        )
    if strength.modality_dropout > 0:
        chance = tf.random.stateless_uniform((2,), seed + 3)
        inputs |= drop_modality(inputs, chance, strength.modality_dropout)
    return inputs


def drop_modality(inputs: dict, chance: tf.Tensor, share: float) -> dict:
    """Takes all streams of one clip away but one; never the only one.

    Only the masks change. What is masked changes no answer, and BatchNorm still sees faces
    where black pictures would spoil its statistics.

    Args:
        inputs: the presence of each stream is used.
        chance: two numbers in [0, 1): whether, and which is left.
        share: of the clips that are left with one.

    Returns:
        The presence of each stream, changed or not.
    """
    masks = {name: inputs[name] for name in presences(inputs)}
    there = tf.stack([tf.cast(tf.reduce_any(mask > 0), tf.int32) for mask in masks.values()])
    count = tf.reduce_sum(there)
    left = tf.cast(tf.math.ceil((1 - chance[1]) * tf.cast(count, tf.float32)), tf.int32)
    gone = (chance[0] < share) & (count > 1) & (tf.cumsum(there) != left)
    return {
        name: tf.where(gone[i], tf.zeros_like(mask), mask)
        for i, (name, mask) in enumerate(masks.items())
    }


def augment_faces(faces: tf.Tensor, draws: tf.Tensor, strength: Augmentation) -> tf.Tensor:
    """Turns, flips, scales, shifts, and changes brightness and contrast of (frames, S, S, 3) uint8.

    Args:
        faces: one clip's faces.
        draws: seven numbers in [-1, 1): angle, flip, brightness, contrast, scale, shift in x, in y.
        strength: how much.
    """
    size = float(faces.shape[1])
    turn, shift = drawn_move(tf.experimental.numpy, draws, strength)
    a, b, d, e = turn[0, 0], turn[0, 1], turn[1, 0], turn[1, 1]
    middle = (size - 1) / 2
    # Output pixel (x, y) reads input (a x + b y + c, d x + e y + f): all moves in one sampling.
    c, f = middle * (1 - a - b) + shift[0] * size, middle * (1 - d - e) + shift[1] * size
    matrix = tf.stack([a, b, c, d, e, f, 0.0, 0.0])
    turned = tf.raw_ops.ImageProjectiveTransformV3(
        images=faces,
        transforms=matrix[None],
        output_shape=tf.shape(faces)[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )
    x = tf.cast(turned, tf.float32)
    mean = tf.reduce_mean(x)
    x = (
        (x - mean) * (1 + draws[3] * strength.contrast)
        + mean
        + draws[2] * strength.brightness * 255
    )
    return tf.saturate_cast(tf.round(x), tf.uint8)


def shift_sound(waveform: tf.Tensor, samples: tf.Tensor, shift_s: tf.Tensor) -> tf.Tensor:
    """Moves the real samples of a waveform (samples,) later by ``shift_s``, or earlier if negative.

    What leaves at one end is lost, zeros come in at the other; length and padding stay.
    """
    shift = tf.cast(tf.round(shift_s * SAMPLE_RATE), tf.int32)
    place = tf.range(tf.shape(waveform)[0])
    source = place - shift
    real = (place < samples) & (source >= 0) & (source < samples)
    return tf.where(real, tf.gather(waveform, tf.where(real, source, 0)), 0.0)


def add_noise(
    waveform: tf.Tensor,
    samples: tf.Tensor,
    noise: tf.Tensor,
    draws: tf.Tensor,
    strength: Augmentation,
) -> tf.Tensor:
    """Adds white noise to the real samples of a waveform (samples,), for a share of the clips.

    Args:
        waveform: zero-padded sound.
        samples: how many samples are real; the padding stays silent.
        noise: standard normal, shaped like ``waveform``.
        draws: two numbers in [-1, 1): whether, and how loud (0 to ``noise_std`` of the peak).
        strength: how much.
    """
    level = (draws[1] + 1) / 2 * strength.noise_std * tf.reduce_max(tf.abs(waveform))
    if strength.noise_variance:
        level = tf.constant(math.sqrt(strength.noise_variance), tf.float32)
    level = tf.where(draws[0] < 2 * strength.noise_share - 1, level, 0.0)
    real = tf.range(tf.shape(waveform)[0]) < samples
    return waveform + tf.where(real, level * noise, 0.0)
