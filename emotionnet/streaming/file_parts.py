"""The parts of a bundle's model file: its entry points, run by LiteRT without TensorFlow."""

from collections.abc import Mapping

import numpy as np

from emotionnet.deploy.bundle import Bundle
from emotionnet.errors import UsageError
from emotionnet.inputs.clip_windows import decode_face
from emotionnet.inputs.kinds import STREAMS

#: Entry points that are no part of live use, and the one that ends it.
_WHOLE, _FUSE = {"classify", "front_end"}, "fuse"


class FileParts:
    """The parts of the file of a bundle whose answers are closest to the run's.

    Args:
        bundle: opened.

    Raises:
        UsageError: it has no entry points of live use.
        EmotionNetError: the file is damaged, or LiteRT is not installed.
    """

    def __init__(self, bundle: Bundle):
        self._signatures = bundle.contract["signatures"]
        if _FUSE not in self._signatures:
            raise UsageError(
                f"{bundle.folder}: system {bundle.contract['system']} has no entry points of live use."
            )
        self._model = bundle.model(live=True)
        view = bundle.view()
        self.segments, self.window, self._size = view.frames, view.samples, view.image_size
        self.streams = tuple(bundle.config["streams"])
        self.segment_s = 1 / view.frame_hz if view.frame_hz else 0.0
        parts = [name for name in self._signatures if name not in {*_WHOLE, _FUSE}]
        self._windows = [name for name in parts if "waveform" in self._takes(name)]
        self._moments = [name for name in parts if name not in self._windows]
        self.longest = self.window if self._windows else None
        shapes = [self._takes(name).get("window") for name in self._moments]
        self.context = max((tensor["shape"][1] for tensor in shapes if tensor), default=0)
        self._widths = {
            tensor["name"]: tensor["shape"][-1]
            for name in self._moments
            for tensor in self._signatures[name]["outputs"]
        }
        self.width = sum(self._widths.values())

    def pixels(self, jpeg: bytes) -> np.ndarray:
        """See `emotionnet.streaming.parts.Parts.pixels`."""
        return decode_face(jpeg, self._size)

    def encode(self, moment: Mapping[str, np.ndarray | None]) -> np.ndarray:
        """See `emotionnet.streaming.parts.Parts.encode`."""
        codes = {name: np.zeros(width, np.float32) for name, width in self._widths.items()}
        for name in self._moments:
            takes, given = self._takes(name), {}
            for stream, kind in STREAMS.items():
                content, mask = kind.moment
                value = moment.get(stream)
                here = {content: value, mask: np.float32(value is not None)}
                given |= {key: here[key] for key in takes if key in here}
            # A segment that has nothing of what the part looks at is zero.
            if any(given[key] is not None for key in given if not key.endswith("_mask")):
                found = self._run(name, given)
                codes |= {key: np.ravel(value) for key, value in found.items()}
        return np.concatenate([np.zeros(0, np.float32), *codes.values()])

    def answer(
        self, codes: np.ndarray, present: Mapping[str, np.ndarray], sound: np.ndarray
    ) -> dict[str, np.ndarray]:
        """See `emotionnet.streaming.parts.Parts.answer`.

        Raises:
            UsageError: of another number of segments than the file is made for.
        """
        if len(codes) != self.segments:
            raise UsageError(
                f"{len(codes)} segments a window: this bundle answers from {self.segments}. Leave out --hop "
                "(hop_s), or give the run that it was made of."
            )
        padded = np.zeros(self.window, np.float32)
        padded[: len(sound)] = sound[: self.window]
        known = {"waveform": padded, "waveform_samples": np.int32(min(len(sound), self.window))}
        starts = np.cumsum([0, *self._widths.values()])
        for (name, width), start in zip(self._widths.items(), starts):
            known[f"{name}s"] = codes[:, start : start + width]
        for stream, kind in STREAMS.items():
            known[kind.moments_mask] = present.get(stream, np.zeros(len(codes), bool))
        for name in self._windows:
            known |= {key: value[0] for key, value in self._run(name, known).items()}
        return {key: value[0] for key, value in self._run(_FUSE, known).items()}

    def _takes(self, name: str) -> dict[str, Mapping]:
        """The inputs of an entry point by name."""
        return {tensor["name"]: tensor for tensor in self._signatures[name]["inputs"]}

    def _run(self, name: str, known: Mapping[str, np.ndarray | None]) -> dict[str, np.ndarray]:
        """Calls an entry point; what is None is zero."""
        given = {}
        for key, tensor in self._takes(name).items():
            value = np.zeros(1) if known[key] is None else np.asarray(known[key])
            shaped = value if value.size > 1 else np.broadcast_to(value, tensor["shape"])
            given[key] = np.reshape(shaped, tensor["shape"]).astype(tensor["dtype"])
        return self._model.run(name, given)
