"""Augmentation in NumPy, for batches from a cache: what `emotionnet.inputs.augment` does in tf.data.

The same changes with the same strengths, but other draws: a run that learns from a cache ends with
other weights than one that learns from the records. Other frames than those of the cache
(``frame_jitter``) cannot be taken.
"""

import math
from collections.abc import Mapping

import numpy as np

from emotionnet.clips import SAMPLE_RATE
from emotionnet.files import sha256
from emotionnet.inputs.augmentation import Augmentation
from emotionnet.inputs.crop_moves import drawn_move, move_landmarks
from emotionnet.inputs.kinds import WINDOW_MOVES, presences
from emotionnet.inputs.pictures import DRAWS, vary


def clip_generator(seed: int, epoch: int, clip: str) -> np.random.Generator:
    """The generator of one clip in one epoch, from the clip's *name*."""
    return np.random.default_rng([seed, epoch, int(sha256(clip)[:16], 16)])


def augment(
    inputs: Mapping[str, np.ndarray], generator: np.random.Generator, strength: Augmentation
) -> dict[str, np.ndarray]:
    """Augments one clip's inputs (unbatched; any stream may be missing).

    Args:
        inputs: as `emotionnet.inputs.augment.augment` takes them.
        generator: see `clip_generator`.
        strength: how much.

    Returns:
        The same names, shapes and types.
    """
    # Always as many, so that one strength does not change what another draws.
    faces, sound, dropped = (generator.uniform(-1, 1, n) for n in (DRAWS, 3, 2))
    inputs = dict(inputs)
    if "faces" in inputs and strength.changes_faces:
        inputs["faces"] = vary(inputs["faces"], inputs["faces"].shape[1], faces, strength)
    if "landmarks" in inputs and strength.moves_faces:
        inputs["landmarks"] = move_landmarks(
            np, inputs["landmarks"], inputs["landmark_mask"], *drawn_move(np, faces, strength)
        )
    if "waveform" in inputs and strength.sound_shift_s > 0:
        inputs["waveform"] = shift_sound(
            inputs["waveform"], inputs["waveform_samples"], sound[2] * strength.sound_shift_s
        )
    if WINDOW_MOVES.name in inputs and strength.window_shift_s > 0:
        furthest = strength.window_shift_s * SAMPLE_RATE
        shifts = generator.uniform(-furthest, furthest, len(inputs[WINDOW_MOVES.name]))
        inputs[WINDOW_MOVES.name] = inputs[WINDOW_MOVES.name] + np.round(shifts).astype(np.int32)
    if "waveform" in inputs and strength.adds_noise:
        noise = generator.standard_normal(len(inputs["waveform"]), np.float32)
        inputs["waveform"] = add_noise(
            inputs["waveform"], inputs["waveform_samples"], noise, sound, strength
        )
    if strength.modality_dropout > 0:
        inputs |= drop_modality(inputs, (dropped + 1) / 2, strength.modality_dropout)
    return inputs


def drop_modality(
    inputs: Mapping[str, np.ndarray], chance: np.ndarray, share: float
) -> dict[str, np.ndarray]:
    """As `emotionnet.inputs.augment.drop_modality`."""
    there = [name for name in presences(inputs) if np.any(inputs[name] > 0)]
    if chance[0] >= share or len(there) < 2:
        return {}
    left = there[math.ceil((1 - chance[1]) * len(there)) - 1]
    return {name: np.zeros_like(inputs[name]) for name in there if name != left}


def shift_sound(waveform: np.ndarray, samples: int, shift_s: float) -> np.ndarray:
    """As `emotionnet.inputs.augment.shift_sound`."""
    shift, shifted = round(shift_s * SAMPLE_RATE), np.zeros_like(waveform)
    first, last = max(0, shift), min(samples, samples + shift)
    if first < last:
        shifted[first:last] = waveform[first - shift : last - shift]
    return shifted


def add_noise(
    waveform: np.ndarray,
    samples: int,
    noise: np.ndarray,
    draws: np.ndarray,
    strength: Augmentation,
) -> np.ndarray:
    """As `emotionnet.inputs.augment.add_noise`."""
    if draws[0] >= 2 * strength.noise_share - 1:
        return waveform
    level = np.float32((draws[1] + 1) / 2 * strength.noise_std) * np.abs(waveform).max()
    if strength.noise_variance:
        level = np.float32(math.sqrt(strength.noise_variance))
    noisy = waveform.copy()
    noisy[:samples] += level * noise[:samples]
    return noisy
