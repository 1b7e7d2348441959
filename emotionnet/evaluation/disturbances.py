"""What can go wrong between a person and a model: noise, a hand before the face, a lost track.

Each disturbance is a function of one clip's inputs as `emotionnet.inputs.views.View` gives them
(unbatched, numpy), of a level, and of a random generator that is seeded by clip and disturbance. So a
report comes out the same every time, and the levels of one disturbance are the same accident, worse:
the same noise louder, the same box larger.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from emotionnet.files import sha256
from emotionnet.inputs.array_augment import shift_sound
from emotionnet.inputs.kinds import STREAMS

#: Voices of other clips that make a babble.
BABBLE_VOICES = 4
#: Grey of the box before a face.
GREY = 128
#: Exponent from linear light to stored pixel values.
GAMMA = 2.2

Inputs = dict[str, np.ndarray]


@dataclass(frozen=True)
class Disturbance:
    """One kind of accident, at several levels.

    Attributes:
        name: for tables.
        title: for people.
        stream: what it hits.
        unit: of the levels.
        levels: from mild to severe, or along an axis that passes through the clean clip.
        clean: where on the axis the clean clip stands; None: before the first level.
        apply: ``apply(inputs, level, rng, voices)`` gives inputs of the same shapes.
        about: what exactly is done, in a sentence.
    """

    name: str
    title: str
    stream: str
    unit: str
    levels: tuple[float, ...]
    apply: Callable[[Inputs, float, np.random.Generator, Sequence[np.ndarray]], Inputs]
    about: str
    clean: float | None = None

    @property
    def axis(self) -> list[float | None]:
        """The levels in order, with the clean clip (None) among them."""
        before = [x for x in self.levels if self.clean is not None and x < self.clean]
        return [*before, None, *(x for x in self.levels if x not in before)]

    def __call__(
        self, inputs: Inputs, level: float, clip: str, voices: Sequence[np.ndarray] = ()
    ) -> Inputs:
        """The clip's inputs, disturbed; unchanged where the clip lacks the stream.

        Args:
            inputs: ``faces`` (frames, S, S, 3) uint8, ``frame_mask`` (frames,), ``waveform``
                (samples,) float32, ``waveform_samples`` ().
            level: one of `levels`.
            clip: its name, which decides the draw.
            voices: sounds (n,) of other clips, for the babble.
        """
        if not has_stream(inputs, self.stream):
            return inputs
        rng = np.random.default_rng(int(sha256(f"{self.name} {clip}")[:16], 16))
        return {**inputs, **self.apply(inputs, level, rng, voices)}


def has_stream(inputs: Inputs, stream: str) -> bool:
    """Whether a clip has ``stream`` at all."""
    return bool(np.any(inputs[STREAMS[stream].presence.name] > 0))


def white_noise(inputs: Inputs, snr_db: float, rng, voices) -> Inputs:
    """Adds white noise, ``snr_db`` below the clip's own mean power."""
    noise = rng.standard_normal(int(inputs["waveform_samples"]))
    return _mixed(inputs, noise, snr_db)


def babble(inputs: Inputs, snr_db: float, rng, voices) -> Inputs:
    """Adds `BABBLE_VOICES` other clips' sound, equally loud, each from a random place on, looped."""
    length = int(inputs["waveform_samples"])
    crowd = np.zeros(length)
    for i in rng.permutation(len(voices))[:BABBLE_VOICES]:
        voice = np.roll(voices[i], -int(rng.integers(len(voices[i]))))
        crowd += np.resize(voice / max(rms(voice), 1e-9), length)
    return _mixed(inputs, crowd, snr_db)


def lost_sound(inputs: Inputs, share: float, rng, voices) -> Inputs:
    """Silences one stretch, ``share`` of the clip; the whole clip is absent sound, and says so."""
    length = int(inputs["waveform_samples"])
    waveform = inputs["waveform"].copy()
    lost = round(share * length)
    # One point that every level's gap holds, so that a larger gap contains a smaller one.
    begin = round(rng.uniform() * (length - lost))
    waveform[begin : begin + lost] = 0
    whole = {"waveform_samples": np.zeros_like(inputs["waveform_samples"])} if share == 1 else {}
    return {"waveform": waveform, **whole}


def shifted_sound(inputs: Inputs, seconds: float, rng, voices) -> Inputs:
    """Moves the sound later (or earlier) against the picture; what leaves is lost, silence enters."""
    length = int(inputs["waveform_samples"])
    return {"waveform": shift_sound(inputs["waveform"], length, seconds)}


def occluded(inputs: Inputs, share: float, rng, voices) -> Inputs:
    """Puts a grey square over ``share`` of the picture, at one place in all frames of the clip."""
    size = inputs["faces"].shape[1]
    side = round(math.sqrt(share) * size)
    top, left = (round(float(x) * (size - side)) for x in rng.uniform(size=2))
    faces = inputs["faces"].copy()
    faces[:, top : top + side, left : left + side] = GREY
    return {"faces": _masked(faces, inputs["frame_mask"])}


def dropped_frames(inputs: Inputs, share: float, rng, voices) -> Inputs:
    """Takes away ``share`` of the faces that the model would see; they are masked."""
    mask = inputs["frame_mask"].copy()
    seen = rng.permutation(np.flatnonzero(mask))
    mask[seen[: round(share * len(seen))]] = 0
    return {"frame_mask": mask, "faces": _masked(inputs["faces"], mask)}


def low_light(inputs: Inputs, stops: float, rng, voices) -> Inputs:
    """Halves the light ``stops`` times; pixels stay whole numbers, camera noise is not added."""
    table = np.round(np.arange(256) * 2 ** (-stops / GAMMA)).astype(np.uint8)
    return {"faces": table[inputs["faces"]]}


def jpeg(inputs: Inputs, quality: float, rng, voices) -> Inputs:
    """Compresses each face, in the size that the model sees, as JPEG of this quality (0 to 100)."""
    faces = inputs["faces"].copy()
    for i in np.flatnonzero(inputs["frame_mask"]):
        _, data = cv2.imencode(".jpg", faces[i, :, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        faces[i] = cv2.imdecode(data, cv2.IMREAD_COLOR)[:, :, ::-1]
    return {"faces": faces}


def dropped_landmarks(inputs: Inputs, share: float, rng, voices) -> Inputs:
    """Takes away the points of ``share`` of the faces; they are masked."""
    mask = inputs["landmark_mask"].copy()
    known = rng.permutation(np.flatnonzero(mask))
    mask[known[: round(share * len(known))]] = 0
    return {"landmark_mask": mask, "landmarks": inputs["landmarks"] * (mask > 0)[:, None, None]}


def jittered_landmarks(inputs: Inputs, share: float, rng, voices) -> Inputs:
    """Moves every point by normal noise, ``share`` of the crop's side in each direction."""
    points = inputs["landmarks"]
    moved = points + share * rng.standard_normal(points.shape).astype(points.dtype)
    return {"landmarks": moved * (inputs["landmark_mask"] > 0)[:, None, None]}


def rms(sound: np.ndarray) -> float:
    """Root of the mean square; 0 for no samples."""
    return math.sqrt(float(np.mean(np.square(sound, dtype=np.float64)))) if len(sound) else 0.0


def _mixed(inputs: Inputs, noise: np.ndarray, snr_db: float) -> Inputs:
    waveform = inputs["waveform"].copy()
    sound = waveform[: len(noise)]
    if rms(noise):
        sound += (noise * (rms(sound) / rms(noise) * 10 ** (-snr_db / 20))).astype(np.float32)
    return {"waveform": waveform}


def _masked(faces: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Black where there is no face, as a view leaves it."""
    return faces * (mask > 0)[:, None, None, None].astype(np.uint8)


_SNR_DB = (20.0, 15.0, 10.0, 5.0, 0.0)

DISTURBANCES = (
    Disturbance("white_noise", "white noise", "speech", "SNR in dB", _SNR_DB, white_noise,
                "White noise, that many decibels below the clip's mean power."),
    Disturbance("babble", "babble", "speech", "SNR in dB", _SNR_DB, babble,
                f"{BABBLE_VOICES} other clips' voices at once, of other actors where there are any, "
                "that many decibels below the clip's mean power."),
    Disturbance("lost_sound", "lost sound", "speech", "share of the clip",
                (0.25, 0.5, 0.75, 1.0), lost_sound,
                "One stretch of the sound is digital silence, unknown to the model; at 1 there is no "
                "sound, and the model knows."),
    Disturbance("shifted_sound", "shifted sound", "speech", "seconds later",
                (-0.5, -0.25, -0.1, 0.1, 0.25, 0.5), shifted_sound,
                "The sound is moved against the picture; what leaves at one end is lost, silence "
                "enters at the other.", clean=0.0),
    Disturbance("occluded_faces", "occluded faces", "faces", "share of the picture",
                (0.1, 0.2, 0.3, 0.5, 0.7), occluded,
                "A grey square over that share of the picture, at one random place in all frames."),
    Disturbance("dropped_frames", "dropped frames", "faces", "share of the frames",
                (0.2, 0.4, 0.6, 0.8, 1.0), dropped_frames,
                "That share of the faces that the model would see is missing, and the model knows."),
    Disturbance("low_light", "lower light", "faces", "stops darker",
                (1.0, 2.0, 3.0, 4.0, 5.0), low_light,
                "The light is halved that often (gamma 2.2, whole pixel values, no camera noise)."),
    Disturbance("jpeg", "JPEG", "faces", "quality", (50, 30, 20, 10, 5), jpeg,
                "The faces are compressed as JPEG of that quality, in the size that the model sees."),
    Disturbance("dropped_landmarks", "dropped landmarks", "geometry", "share of the frames",
                (0.2, 0.4, 0.6, 0.8, 1.0), dropped_landmarks,
                "The points of that share of the faces are missing, and the model knows."),
    Disturbance("jittered_landmarks", "jittered landmarks", "geometry", "share of the crop's side",
                (0.01, 0.02, 0.05, 0.1), jittered_landmarks,
                "Every point is moved by normal noise of that deviation, in both directions."),
)  # fmt: skip


def disturbances(streams: Sequence[str]) -> list[Disturbance]:
    """Those that hit one of the ``streams``."""
    return [d for d in DISTURBANCES if d.stream in streams]
