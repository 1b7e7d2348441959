"""A side field: a name, a version, a shape, and a function of one record."""

import dataclasses
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from emotionnet.corpora.manifest import ManifestRow


@dataclass(frozen=True)
class FieldValues:
    """A field's values for one clip.

    Attributes:
        times_s: (n,) float32, on the record's clock; n is 0 where there is nothing to say.
        values: (n, *shape); NaN where a frame has no value.
        notes: what was odd, for people.
    """

    times_s: np.ndarray
    values: np.ndarray
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Field(ABC):
    """A side field; the fields of the (frozen) dataclass that a subclass is are its options.

    Attributes:
        name: of the field and of its folder.
        version: rises when the same record would give other values.
        shape: of a frame's value.
        dtype: of the values.
        meaning: what they are, for people.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    shape: ClassVar[tuple[int, ...]] = ()
    dtype: ClassVar[str] = "float32"
    meaning: ClassVar[str]

    @abstractmethod
    def compute(self, parsed: dict[str, Any], row: ManifestRow) -> FieldValues:
        """The values of one clip. Is called by several threads at once.

        Args:
            parsed: what `emotionnet.clips.records.parse` gives, as NumPy arrays.
            row: the clip's row.

        Raises:
            BadClip: this clip cannot have the field; the reason is listed, and the clip is masked.
        """

    def content(self) -> dict[str, Any]:
        """What else the values depend on, as JSON: a model's checksum, thresholds."""
        return dataclasses.asdict(self)

    def files(self, row: ManifestRow) -> list:
        """The state of the files besides the record that a clip's values come from (size, time), as JSON."""
        return []

    def describe(self) -> dict[str, Any]:
        """What ``records.json`` says of it."""
        return {
            "version": self.version,
            "shape": list(self.shape),
            "dtype": self.dtype,
            "meaning": self.meaning,
            "content": self.content(),
        }

    def of_clip(self, parsed: dict[str, Any], row: ManifestRow) -> FieldValues:
        """`compute`, checked and in the declared type."""
        found = self.compute(parsed, row)
        times_s = np.asarray(found.times_s, np.float32)
        values = np.asarray(found.values, self.dtype)
        if values.shape != (len(times_s), *self.shape):
            raise ValueError(
                f"field {self.name}: {len(times_s)} times and values of shape {values.shape}; each "
                f"should be {self.shape}"
            )
        return FieldValues(times_s, values, tuple(found.notes))
