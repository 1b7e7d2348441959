"""Side fields: what is added to finished records without decoding a video or finding a face again.

A field is a module ``emotionnet/clips/fields/<name>.py`` with a `Field` called ``FIELD``, and its name in
`FIELDS`. ``python -m emotionnet.prepare --records RECORDS --fields NAME`` computes it from what a record
holds (and from other files, where its options name some) and writes it beside the records, see
`emotionnet.clips.fields.files`.

What a view may expect of a field ``NAME`` that it asks for
(``Records.dataset(rows, fields=("NAME",))``, then ``parse(serialized, fields=("NAME",))``):

- ``parsed["NAME"]``, (n, *shape): its values; NaN where a frame has none (no face).
- ``parsed["NAME_times_s"]``, (n,) float32: their times, on the clock of the record's ``times_s`` and
  ``waveform``. They are the record's own times, except where the record has no picture: then a field
  may bring its own (landmarks from tables beside a sound).
- n is 0 for a clip that the field could not be computed for, and for changed copies of a clip's sound:
  all of it is to be masked.
"""

import dataclasses
import importlib
from collections.abc import Iterable, Mapping

from emotionnet.clips.fields.field import Field, FieldValues
from emotionnet.errors import UsageError

__all__ = ["FIELDS", "Field", "FieldValues", "get_field", "make_fields"]

FIELDS = ("landmarks5", "landmarks68")


def get_field(name: str) -> type[Field]:
    """The field ``name``; its module is imported only now.

    Raises:
        UsageError: there is no such field; the text names the known ones.
    """
    if name not in FIELDS:
        raise UsageError(f"unknown field {name!r}. Known: {', '.join(FIELDS)}.")
    return importlib.import_module(f"emotionnet.clips.fields.{name}").FIELD


def make_fields(names: Iterable[str], options: Mapping[str, object]) -> list[Field]:
    """Fields with their options; each option goes to the fields that know it.

    Args:
        names: of `FIELDS`.
        options: name to value.

    Raises:
        UsageError: an unknown field, or an option that none of them has.
    """
    kinds = [get_field(name) for name in dict.fromkeys(names)]
    known = [{option.name for option in dataclasses.fields(kind)} for kind in kinds]
    unknown = sorted(set(options).difference(*known))
    if unknown:
        option = unknown[0].replace("_", "-")
        raise UsageError(f"--{option}: no option of {', '.join(kind.name for kind in kinds)}.")
    return [
        kind(**{name: value for name, value in options.items() if name in mine})
        for kind, mine in zip(kinds, known)
    ]
