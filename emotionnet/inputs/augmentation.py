"""How strongly clips are augmented: settings alone, known without TensorFlow.

Faces (Lu et al., section III-A.1): rotation within ±5 degrees, horizontal flip, brightness and
contrast; and, ours, another place and size of the crop; the same for all frames of a clip. Landmarks
move with the faces. Sound (section III-B.1): additive noise; pitch shift and time stretch are made once
and cached (`emotionnet.clips.copies`). What is done with them is a pure function of (seed, epoch, clip),
so that a run can resume: `emotionnet.inputs.augment` in tf.data, `emotionnet.inputs.array_augment` in
NumPy.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emotionnet.clips.copies import parse_kind
from emotionnet.errors import UsageError
from emotionnet.inputs.kinds import WINDOW_MOVES, streams_in


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
        noise_variance: of the noise, of full scale and always as loud: as the paper of system 1 prints
            it, in place of ``noise_std``.
        frame_jitter: share of its segment, about the centre, from which each frame is drawn; 1 is
            the whole segment (Radoi and Cioroiu, section III-B.1). Where a system cuts the sound around
            its frames (`emotionnet.layers.SegmentWindows`), the sound follows them.
        window_shift_s: largest shift of each of these windows from its frame in seconds, either way,
            each by its own draw; theirs is 0.01.
        sound_shift_s: largest shift of all of a clip's sound in seconds, either way (ours).
        modality_dropout: chance that of a clip with several streams one alone is left, each with the
            same chance (ours); only what is trained on several at once sees it.
        erase_share: chance that a rectangle of a face is erased; of single pictures only.
        erase_area: largest share of the picture that is erased.
        copies: kinds of copies of the sound that join the speech stream's clips, see
            `emotionnet.clips.copies.parse_kind`.
    """

    rotation_degrees: float = 5.0
    flip: float = 0.5
    brightness: float = 0.15
    contrast: float = 0.2
    scale: float = 0.1
    shift: float = 0.06
    noise_share: float = 0.5
    noise_std: float = 0.1
    noise_variance: float = 0.0
    frame_jitter: float = 0.0
    window_shift_s: float = 0.0
    sound_shift_s: float = 0.0
    modality_dropout: float = 0.0
    erase_share: float = 0.0
    erase_area: float = 0.2
    copies: tuple[str, ...] = ()

    def __post_init__(self):
        # JSON has lists only, and a command line words.
        kinds = self.copies.split(",") if isinstance(self.copies, str) else self.copies or ()
        named = (str(kind).strip() for kind in kinds)
        object.__setattr__(self, "copies", tuple(filter(None, named)))

    @property
    def moves_faces(self) -> bool:
        """Whether what a crop shows moves, and its landmarks with it."""
        return any((self.rotation_degrees, self.flip, self.scale, self.shift))

    @property
    def changes_faces(self) -> bool:
        """Whether the pixels of a face change."""
        return self.moves_faces or any((self.brightness, self.contrast, self.erase_share))

    @property
    def changes_sound(self) -> bool:
        """Whether a clip's sound is another one in each epoch (copies are not: they stay)."""
        return self.adds_noise or self.sound_shift_s > 0

    @property
    def adds_noise(self) -> bool:
        """Whether some clips get noise."""
        return bool(self.noise_share and (self.noise_std or self.noise_variance))

    @property
    def moves_windows(self) -> bool:
        """Whether windows of sound that are cut around frames are others in each epoch."""
        return self.frame_jitter > 0 or self.window_shift_s > 0

    def changes(self, inputs: Sequence[str]) -> bool:
        """Whether any of the ``inputs`` of a clip is another one in each epoch."""
        faces = self.changes_faces or self.frame_jitter > 0
        changed = {
            "faces": faces,
            "waveform": self.changes_sound,
            "landmarks": self.moves_faces,
            WINDOW_MOVES.name: self.moves_windows,
        }
        some_are_dropped = len(streams_in(inputs)) > 1 and self.modality_dropout > 0
        return some_are_dropped or any(changed.get(name) for name in inputs)


#: Strengths that are chances, or shares of the whole.
_SHARES = (
    *("flip", "brightness", "contrast", "scale", "shift", "noise_share", "frame_jitter"),
    *("modality_dropout", "erase_share", "erase_area"),
)
#: Strengths that change nothing.
NOTHING = {
    field.name: () if field.name == "copies" else 0.0
    for field in dataclasses.fields(Augmentation)
    if field.name != "erase_area"
}


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
        if name in _SHARES and value > 1:
            raise UsageError(f"augmentation: {name} is {value!r}; it needs a number from 0 to 1.")
    made = Augmentation(**fields)
    for kind in made.copies:
        parse_kind(kind)
    return {
        name: list(made.copies) if name == "copies" else float(value)
        for name, value in fields.items()
    }
