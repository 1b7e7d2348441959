"""What a training does unless the command says otherwise: settings a stream, and the system's config."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from emotionnet.errors import UsageError
from emotionnet.inputs.kinds import STREAMS, has, ordered, stream_named

#: How each stream is trained (no paper gives these: ours). A system may bring ``SETTINGS`` of its own.
SETTINGS = {
    "faces": {"epochs": 40, "batch_size": 8, "learning_rate": 1e-3, "patience": 10},
    "speech": {"epochs": 100, "batch_size": 32, "learning_rate": 1e-3, "patience": 30},
}
#: The demo is the same system on smaller pictures and for fewer epochs: minutes on two cores.
DEMO_SETTINGS = {
    "faces": {"epochs": 12, "batch_size": 8, "learning_rate": 2e-3, "patience": 0},
    "speech": {"epochs": 30, "batch_size": 16, "learning_rate": 1e-3, "patience": 0},
}
DEMO_SYSTEM = {"image_size": 112}
#: Sound given to a model is at most this long.
LONGEST_S = 6.0


def stream_settings(
    system: str,
    corpus: str,
    train: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
    usual: Mapping[str, Mapping] | None = None,
    **overrides: Any,
) -> dict[str, dict[str, Any]]:
    """Settings of each stream, every field of `emotionnet.training.settings.Settings` but the seed.

    Args:
        system: name of the system.
        corpus: the demo is trained for minutes, others until they are done.
        config: fields of the system's ``Config``, on which its settings may hang.
        usual: stream → fields that stand in place of the system's own.
        train: field → value for every stream, or "stream.field" → value for one.
        overrides: fields for every stream; None leaves the default.

    Raises:
        UsageError: an unknown stream or field, or a value that it cannot have.
    """
    from emotionnet.systems import get_system, recipe
    from emotionnet.training.settings import Settings, check_names, plain

    which, general = (
        ("DEMO_SETTINGS", DEMO_SETTINGS) if corpus == "demo" else ("SETTINGS", SETTINGS)
    )
    fields = {**general, **recipe(system, which, config or {})}
    fields |= getattr(get_system(system), "CORPUS_SETTINGS", {}).get(corpus, {})
    fields |= usual or {}
    own: dict[str, dict] = {stream: {} for stream in fields}
    overrides = {key: value for key, value in overrides.items() if value is not None}
    for key, value in (train or {}).items():
        stream, dot, field = key.rpartition(".")
        if dot and stream not in own:
            raise UsageError(f"{system} has no stream {stream!r}. It has: {', '.join(own)}.")
        (own[stream] if dot else overrides)[field] = value
    check_names([*overrides, *(field for each in own.values() for field in each)])
    return {
        stream: plain(Settings(**{**each, **overrides, **own[stream]}))
        for stream, each in fields.items()
    }


def completed(settings: Mapping[str, Mapping]) -> dict[str, dict[str, Any]]:
    """The settings in a run's config with every field, whenever the run was made."""
    from emotionnet.training.settings import Settings, plain

    return {stream: plain(Settings(**each)) for stream, each in settings.items()}


def system_config(
    system: str, corpus: str, rows: Sequence, streams: Sequence[str], overrides: Mapping[str, Any]
) -> dict[str, Any]:
    """Every field of a system's ``Config`` as plain data, fitted to the clips.

    Args:
        system: name of the system.
        corpus: of the rows; the demo uses smaller pictures, and a system may name fields for others.
        rows: record rows; the longest decides how much sound the model takes.
        streams: streams that are trained.
        overrides: what the user wants.

    Raises:
        UsageError: a field that the system does not have.
    """
    from emotionnet.systems import get_system, make_config

    own = getattr(get_system(system), "CORPUS_CONFIG", {})
    known = {field.name for field in dataclasses.fields(get_system(system).Config)}
    general = {
        "samples": window_samples(rows),
        "batch_norm_momentum": 0.9,  # 0.99 lags behind in trainings of a few hundred steps
        **(DEMO_SYSTEM if corpus == "demo" else {}),
    }
    fields = {
        **{name: value for name, value in general.items() if name in known},
        **own.get("*", {}),
        **own.get(corpus, {}),
        **overrides,
        "streams": tuple(streams),
    }
    full = dataclasses.asdict(make_config(system, **fields))
    return {key: list(value) if isinstance(value, tuple) else value for key, value in full.items()}


def left_out(trained: Sequence[str], system: str, records: Any) -> list[str]:
    """A line for each stream of the system that is not trained since the records lack a side field."""
    from emotionnet.systems import get_system

    fields = {
        each: STREAMS[each].field for each in get_system(system).STREAMS if each not in trained
    }
    have = getattr(records, "fields", {})
    return [
        f"{stream:<10} left out: these records have no {field}; `python -m emotionnet.prepare --records "
        f"{records.address} --fields {field}` adds it"
        for stream, field in fields.items()
        if field and field not in have
    ]


def window_samples(rows: Sequence) -> int:
    """Samples of sound that hold the longest clip, in half seconds at 16 kHz, 1 s to `LONGEST_S`."""
    longest = max((row.samples for row in rows), default=0)
    return 8000 * min(round(2 * LONGEST_S), max(2, math.ceil(longest / 8000)))


def streams_of(asked: str, system: str, records: Any) -> list[str]:
    """The streams to train: those that were asked for; of ``both``, all of the system that any clip has.

    Args:
        asked: ``both`` (or ``all``), or streams joined by "+" or ",", by any of their names.
        system: name of the system.
        records: opened records, or a cache of them.

    Raises:
        UsageError: a stream that there is not, or that the system does not look at.
    """
    from emotionnet.systems import get_system

    known = get_system(system).STREAMS
    if asked in ("both", "all"):
        return [each for each in known if any(has(records, row, each) for row in records.rows)]
    words = asked.replace(",", "+").split("+")
    return list(ordered(stream_named(word.strip(), "--streams", known) for word in words))
