"""A trained run is fine-tuned on clips of one's own: the same network, other classes, small steps.

First what answers the classes learns alone, then all of it, with a tenth of the rate inside.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from emotionnet.errors import UsageError
from emotionnet.inputs.given import given_parts, is_division
from emotionnet.inputs.kinds import STREAMS, has
from emotionnet.inputs.protocols import LEAST_ACTORS
from emotionnet.inputs.split import company_of, person_of
from emotionnet.training.run import Run
from emotionnet.training.settings import Settings

#: Not searched for; what they give is measured in docs/make_it_yours.md.
SETTINGS = {"batch_size": 8, "learning_rate": 1e-3, "patience": 0}
EPOCHS = 40
#: Of the learning rate, for all that is not the last layer.
INNER_RATE = 0.1
AUGMENT = "light"
#: A clip to learn from, and one to test on.
LEAST_CLIPS = 2


def form_of(
    run: Run, asked: str, labels: Sequence[str], records: Any
) -> tuple[str, list[str], dict[str, Any]]:
    """What a run that continues ``run`` is.

    Args:
        run: trained to its end.
        asked: streams, as for `emotionnet.training.streams.streams_of`.
        labels: the classes of the clips.
        records: opened.

    Returns:
        The name of its system, its streams and the fields of the system's ``Config``. Where a run that was
        combined out of two is continued with one stream, it is that stream's own system.

    Raises:
        UsageError: no clip has what is asked for, or there is one class only.
    """
    from emotionnet.systems import PAIR, with_labels
    from emotionnet.training.streams import streams_of

    if len(labels) < 2:
        raise UsageError(
            f"{records.folder}: all clips are of one class, {', '.join(labels)}. There is nothing to tell "
            "apart: add clips of another class."
        )
    system, fields = run.config["system"], dict(run.config["system_config"])
    known = run.config["streams"]
    streams = [each for each in streams_of(asked, system, records) if each in known]
    having = [s for s in streams if any(has(records, row, s) for row in records.rows)]
    for stream in [each for each in known if each not in having]:
        print(
            f"{stream:<10} left out: no clip has it (silence counts as none), or it is not asked for"
        )
    if not having:
        raise UsageError(
            f"{records.folder}: no clip has what {run.folder} looks at ({' or '.join(known)}). Silence counts "
            "as no sound, and a picture in which no face is found as no picture."
        )
    if system == PAIR and len(having) == 1:
        its = fields[having[0]]
        system, fields = its["system"], {**its["config"], **_sizes(fields)}
    return system, having, with_labels(system, fields, labels)


def protocol_of(rows: Sequence) -> str:
    """How clips of one's own are divided: as they are already, else by people, else clip by clip."""
    if is_division(given_parts(rows)):
        return "given"
    companies = {company_of(person_of(row)) for row in rows if row.actor}
    if all(row.actor for row in rows) and len(companies) >= LEAST_ACTORS:
        return "actor_folds"
    print(
        "division   clip by clip, since these are clips of one's own: it is measured on the same people"
    )
    return "stratified"


def check_clips(splits: Sequence, labels: Sequence[str], streams: Sequence[str], records) -> None:
    """Refuses clips that cannot train one of their classes or streams.

    Raises:
        UsageError: names the class, and what to add.
    """
    for split in splits:
        parts = (split.train, split.validation, split.test)
        counts = Counter(row.emotion for part in parts for row in part)
        for label in labels:
            rows = [row for row in split.train if row.emotion == label]
            if counts[label] < LEAST_CLIPS or not rows:
                raise UsageError(
                    f"class {label}: has {_clips(counts[label])}, of which {len(rows)} would train. A "
                    "class needs one to learn from and one to test on, and a third to choose the epoch: "
                    "record more of it, or leave the class out with --only."
                )
            for stream in streams:
                if not any(has(records, row, stream) for row in rows):
                    raise UsageError(
                        f"class {label}: none of the {_clips(len(rows))} to learn from has "
                        f"{STREAMS[stream].thing} (silence counts as none), so the stream could never answer "
                        f"it. Add some, or take the other stream alone with --streams."
                    )


def settings_of(
    system: str,
    fields: Mapping[str, Any],
    labels: Sequence[str],
    streams: Sequence[str],
    joint: bool,
    train: Mapping[str, Any],
) -> dict[str, dict[str, Any]]:
    """Stage → how it is fine-tuned, fields of `emotionnet.training.settings.Settings`.

    Args:
        system, fields, labels, streams, joint: of the new run.
        train: what the user asks for, as of `emotionnet.training.config.RunConfig`; in the first half of the
            ``epochs`` the last layers learn alone.

    Raises:
        UsageError: there can be no such number of epochs.
    """
    from emotionnet.systems import build_model, without_weights
    from emotionnet.systems.stages import Learn
    from emotionnet.training.unit import units_of

    model = build_model(system, len(labels), **{**fields, **without_weights(system)})
    config = {
        "system": system,
        "system_config": fields,
        "streams": list(streams),
        "joint": joint,
    }
    settings = {}
    for unit in units_of(model, config):
        if isinstance(unit.stage, Learn):
            inner = [*_inner(unit.model)]
            asked = train.get(f"{unit.name}.epochs", train.get("epochs", EPOCHS))
            epochs = Settings(epochs=asked).epochs
            settings[unit.name] = {
                **SETTINGS,
                "epochs": epochs,
                "frozen": inner,
                "frozen_epochs": max(1, epochs // 2),
                "rate_scales": dict.fromkeys(inner, INNER_RATE),
            }
    return settings


def _inner(model, path: str = "") -> Iterator[str]:
    """The layers of ``model`` with weights that are not its last: as large as they can be named."""
    for layer in model.layers:
        name = f"{path}{layer.name}"
        if not layer.weights or _is_last(layer):
            continue
        if any(map(_is_last, _all_layers(layer))):
            yield from _inner(layer, f"{name}/")
        else:
            yield name


def _all_layers(layer) -> Iterator:
    for inner in getattr(layer, "layers", ()):
        yield inner
        yield from _all_layers(inner)


def _is_last(layer) -> bool:
    """Every system calls its last layer with weights so, see `emotionnet.systems.headless`."""
    return layer.name.endswith("classifier")


def _sizes(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: fields[name] for name in ("frames", "image_size", "samples")}


def _clips(count: int) -> str:
    return f"{count} clip{'' if count == 1 else 's'}"
