"""A setting and its value: as a command line has it (``FIELD=VALUE``), and in the type that the setting has."""

import argparse
import ast
import dataclasses
import math
import os
from types import NoneType, UnionType
from typing import Any, get_args

from emotionnet.errors import UsageError

#: What a setting of a type needs, in words; a setting of another type looks after itself.
_NEEDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}


def field_value(text: str) -> tuple[str, Any]:
    """``FIELD=VALUE`` of a command line, for argparse: a Python literal where it is one, else text."""
    key, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r}: expected FIELD=VALUE")
    return key, value_of(value)


def value_of(word: str) -> Any:
    """A word of a command line as a Python literal where it is one (``true`` and ``false`` too), else text."""
    try:
        return ast.literal_eval({"true": "True", "false": "False"}.get(word.lower(), word))
    except (ValueError, SyntaxError):
        return word


def typed(field: dataclasses.Field, value: Any, of: str = "") -> Any:
    """``value`` in the type of ``field``, a field of a run, a training or a system; whole numbers may be 3.0.

    Args:
        field: of a dataclass.
        value: what is asked for.
        of: whose field it is, for the message.

    Raises:
        UsageError: it is of another type.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    kind = field.type
    if isinstance(kind, UnionType) and len(others := {*get_args(kind)} - {NoneType}) == 1:
        if value is None:
            return value
        (kind,) = others
    if kind not in _NEEDS:
        return value
    if kind is str and isinstance(value, os.PathLike):
        return os.fspath(value)
    if kind in (bool, str) and isinstance(value, kind):
        return value
    if number and (kind is float or (kind is int and value == int(value))):
        return kind(value)
    raise UsageError(f"{of}{field.name} is {value!r}; it needs {_NEEDS[kind]}.")
