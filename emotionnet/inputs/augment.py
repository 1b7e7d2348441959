"""Augmentation as a pure function of (seed, epoch, clip): no random state, so a run can resume.

Faces (Lu et al., section III-A.1): rotation within ±5 degrees, horizontal flip, brightness and
contrast; and, ours, another place and size of the crop; the same for all frames of a clip. Sound (section III-B.1): additive noise here;
pitch shift and time stretch are made once and cached (`emotionnet.inputs.copies`).
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from emotionnet.errors import UsageError
from emotionnet.inputs.copies import parse_kind
from emotionnet.inputs.views import SAMPLE_RATE


@dataclass(frozen=True)
class Augmentation:
    """Strengths; 0 switches a part off.

    Args:
        rotation_degrees: largest rotation of the faces, either way.
        flip: chance of a horizontal flip.
        brightness: largest shift, as a share of the full range.
        contrast: largest relative change of contrast.
        scale: largest relative change of the crop's side (ours): a phone's face finder draws other
            boxes, and a model that has only seen exact ones changes its mind.
        shift: largest shift of the crop, as a share of its side, in each direction (ours).
        noise_share: chance that a clip gets noise.
        noise_std: standard deviation of the noise, relative to the clip's peak. The paper's
            variance of 0.01 is 0.1 here; relative, since RAVDESS peaks go down to -47 dBFS (ours).
        frame_jitter: share of its segment, about the centre, from which each frame is drawn; 1 is
            the whole segment (Radoi and Cioroiu, section III-B.1).
        sound_shift_s: largest shift of the sound in seconds, either way; theirs is 0.01.
        modality_dropout: chance that a clip with faces and sound lacks one of them, either with the
            same chance (ours); only what is trained on both at once sees it.
        erase_share: chance that a rectangle of a face is erased; of single pictures only.
        erase_area: largest share of the picture that is erased.
        copies: kinds of copies of the sound that join the speech stream's clips, see
            `emotionnet.inputs.copies.parse_kind`.
    """

    rotation_degrees: float = 5.0
    flip: float = 0.5
    brightness: float = 0.15
    contrast: float = 0.2
    scale: float = 0.1
    shift: float = 0.06
    noise_share: float = 0.5
    noise_std: float = 0.1
    frame_jitter: float = 0.0
    sound_shift_s: float = 0.0
    modality_dropout: float = 0.0
    erase_share: float = 0.0
    erase_area: float = 0.2
    copies: tuple[str, ...] = ()

    def __post_init__(self):
        # JSON has lists only, and a command line words.
        kinds = self.copies.split(",") if isinstance(self.copies, str) else self.copies or ()
        object.__setattr__(self, "copies", tuple(kind.strip() for kind in kinds if kind.strip()))

    @property
    def changes_faces(self) -> bool:
        """Whether the pixels of a face change."""
        moves = (self.rotation_degrees, self.flip, self.scale, self.shift)
        return any((*moves, self.brightness, self.contrast))

    @property
    def changes_sound(self) -> bool:
        """Whether a clip's sound is another one in each epoch (copies are not: they stay)."""
        return bool(self.noise_share and self.noise_std) or self.sound_shift_s > 0

    def changes(self, inputs: Sequence[str]) -> bool:
        """Whether any of the ``inputs`` of a clip is another one in each epoch."""
        faces = self.changes_faces or self.frame_jitter > 0
        seen, heard = "faces" in inputs, "waveform" in inputs
        one_is_dropped = seen and heard and self.modality_dropout > 0
        return (seen and faces) or (heard and self.changes_sound) or one_is_dropped


def plain_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Checked fields of `Augmentation` as a run's config keeps them.

    Raises:
        UsageError: an unknown field or kind of copies, or a strength that is no number.
    """
    known = [field.name for field in dataclasses.fields(Augmentation)]
    for name, value in fields.items():
        if name not in known:
            raise UsageError(f"augmentation has no strength {name!r}. It has: {', '.join(known)}.")
        number = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
        if name == "copies" and not isinstance(value, str | list | tuple):
            raise UsageError(
                f"augmentation: copies is {value!r}; it needs kinds, like pitch,speed0.9."
            )
        if name != "copies" and not number:
            raise UsageError(f"augmentation: {name} is {value!r}; it needs a number of at least 0.")
    made = Augmentation(**fields)
    for kind in made.copies:
        parse_kind(kind)
    return {
        name: list(made.copies) if name == "copies" else float(value)
        for name, value in fields.items()
    }


def clip_seed(seed: int, epoch: tf.Tensor | int, clip: tf.Tensor) -> tf.Tensor:
    """The stateless seed (2,) of one clip in one epoch, from the clip's *name*."""
    key = tf.constant([seed, 0x5EED], tf.int32)
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
    """Augments one clip's inputs (unbatched, as `View` gives them; either stream may be missing).

    Args:
        inputs: ``faces`` uint8 with ``frame_mask``, ``waveform`` with ``waveform_samples``.
        seed: stateless seed (2,), see `clip_seed`.
        strength: how much.

    Returns:
        The same names, shapes and types.
    """
    draws = tf.random.stateless_uniform((9,), seed, -1.0, 1.0)
    inputs = dict(inputs)
    if "faces" in inputs and strength.changes_faces:
        inputs["faces"] = augment_faces(inputs["faces"], draws[:7], strength)
    if "waveform" in inputs and strength.sound_shift_s > 0:
        shift_s = tf.random.stateless_uniform((), seed + 2, -1.0, 1.0) * strength.sound_shift_s
        inputs["waveform"] = shift_sound(inputs["waveform"], inputs["waveform_samples"], shift_s)
    if "waveform" in inputs and strength.noise_share > 0 and strength.noise_std > 0:
        noise = tf.random.stateless_normal(tf.shape(inputs["waveform"]), seed)
        inputs["waveform"] = add_noise(
            inputs["waveform"], inputs["waveform_samples"], noise, draws[7:], strength
        )
    if strength.modality_dropout > 0 and {"faces", "waveform"} <= set(inputs):
        chance = tf.random.stateless_uniform((2,), seed + 3)
        inputs |= drop_modality(inputs, chance, strength.modality_dropout)
    return inputs


def drop_modality(inputs: dict, chance: tf.Tensor, share: float) -> dict:
    """Takes all faces, or all sound, of one clip away; never both, and never the only one.

    Only the masks change. What is masked changes no answer, and BatchNorm goes on seeing faces
    where black pictures would spoil its statistics.

    Args:
        inputs: ``frame_mask`` and ``waveform_samples`` are used.
        chance: two numbers in [0, 1): whether, and which.
        share: of the clips that lose one.

    Returns:
        The two, changed or not.
    """
    mask, samples = inputs["frame_mask"], inputs["waveform_samples"]
    dropped = (chance[0] < share) & tf.reduce_any(mask > 0) & (samples > 0)
    blind = chance[1] < 0.5
    return {
        "frame_mask": tf.where(dropped & blind, tf.zeros_like(mask), mask),
        "waveform_samples": tf.where(dropped & ~blind, 0, samples),
    }


def augment_faces(faces: tf.Tensor, draws: tf.Tensor, strength: Augmentation) -> tf.Tensor:
    """Turns, flips, scales, shifts, and changes brightness and contrast of (frames, S, S, 3) uint8.

    Args:
        faces: one clip's faces.
        draws: seven numbers in [-1, 1): angle, flip, brightness, contrast, scale, shift in x, in y.
        strength: how much.
    """
    size = float(faces.shape[1])
    angle = draws[0] * math.radians(strength.rotation_degrees)
    mirror = tf.where(draws[1] < 2 * strength.flip - 1, -1.0, 1.0)
    side = 1 + draws[4] * strength.scale
    cos, sin, middle = side * tf.cos(angle), side * tf.sin(angle), (size - 1) / 2
    # Output pixel (x, y) reads input (a x + b y + c, d x + e y + f): all moves in one sampling.
    a, b, d, e = mirror * cos, mirror * -sin, sin, cos
    right, down = draws[5] * strength.shift * size, draws[6] * strength.shift * size
    matrix = tf.stack(
        [a, b, middle * (1 - a - b) + right, d, e, middle * (1 - d - e) + down, 0.0, 0.0]
    )
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
    level = tf.where(draws[0] < 2 * strength.noise_share - 1, level, 0.0)
    real = tf.range(tf.shape(waveform)[0]) < samples
    return waveform + tf.where(real, level * noise, 0.0)
