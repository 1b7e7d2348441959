"""One run out of two: a face stream of one and a speech stream of another, see `emotionnet.systems.pair`."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from emotionnet.classes import Classes
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.files import file_sha256, read_json
from emotionnet.inputs.kinds import STREAMS
from emotionnet.inputs.split import person_of
from emotionnet.systems import PAIR, make_config, pair, stages_of
from emotionnet.training.measured import read_metrics
from emotionnet.training.run import PARTS, Run, beginnings

#: What joins classes unless the user says otherwise: where one side alone knows calm, it is neutral.
CALM = {"neutral": ("neutral", "calm")}
#: Faces of a clip, for a face stream that has seen single pictures.
FRAMES = 15


def combine_runs(
    runs: Mapping[str, Run],
    folder: Path,
    classes: Classes,
    fusion: str = "GM",
    frames: int | None = None,
) -> Run:
    """Writes the run that answers with both.

    Args:
        runs: ``faces`` and ``speech`` → the run that it is taken from, trained to its end.
        folder: of the new run.
        classes: how labels of both are called, and which count. Where nothing is merged, `CALM` is, if one
            side alone knows calm.
        fusion: ``GM`` or ``AM``.
        frames: faces of a clip; by default those of the run, and `FRAMES` where it saw single pictures.

    Raises:
        UsageError: a run lacks the stream, its system cannot be taken apart, no class is shared, or
            the two look at windows of other lengths.
        EmotionNetError: a run is not trained to its end.
    """
    for stream, run in runs.items():
        _check(run, stream)
    labels = {stream: run.labels for stream, run in runs.items()}
    classes = with_calm(labels, classes)
    called = joined(labels, classes)
    config = make_config(PAIR, **_system_config(runs, called, fusion, frames))
    model = pair.build(config, len(config.labels))
    for stream, run in runs.items():
        _take_over(model, run, stream)
    split = _split(runs, classes)
    leak = _leak(runs, split)
    combined = Run.create(folder, _run_config(runs, config, classes, leak), split)
    combined.save_model(model)
    return combined


def with_calm(labels: Mapping[str, tuple[str, ...]], classes: Classes) -> Classes:
    """``classes``, with `CALM` where nothing is merged and one side alone knows calm."""
    alone = sum("calm" in names for names in labels.values()) == 1
    return Classes.of(CALM, classes.only) if alone and not classes.merge else classes


def joined(labels: Mapping[str, tuple[str, ...]], classes: Classes) -> dict[str, dict[str, str]]:
    """Stream → its label → the class that it is joined in, "" where it is left out.

    Raises:
        UsageError: there is no class that both know, or ``classes`` do not fit.
    """
    classes.labels(name for names in labels.values() for name in names)
    called = {
        stream: {name: classes.called(name) or "" for name in names}
        for stream, names in labels.items()
    }
    known = [set(table.values()) - {""} for table in called.values()]
    if not known[0] & known[1]:
        told = "; ".join(f"{stream}: {', '.join(names)}" for stream, names in labels.items())
        raise UsageError(
            f"the two runs share no class ({told}). --merge NAME=A+B says what is the same."
        )
    return called


def table_of(config: pair.Config) -> list[str]:
    """How the classes were joined, a line each, for people."""
    lines = []
    for name in config.labels:
        sides = {
            stream: [
                label for label, its in getattr(config, stream)["called"].items() if its == name
            ]
            for stream in STREAMS
            if stream in config.streams
        }
        told = ", ".join(f"{s} {' + '.join(found)}" for s, found in sides.items() if found)
        lacks = [stream for stream, found in sides.items() if not found]
        lines.append(f"{name}: {told}" + "".join(f"; {s} leaves it to the other" for s in lacks))
    for stream in config.streams:
        out = [label for label, its in getattr(config, stream)["called"].items() if not its]
        if out:
            lines.append(f"left out: {stream} {', '.join(out)}")
    return lines


def _check(run: Run, stream: str) -> None:
    if run.config.get("combined"):
        raise UsageError(f"{run.folder}: is combined out of two runs already. Give one of these.")
    if stream not in run.config["streams"]:
        known = " and ".join(run.config["streams"])
        raise UsageError(f"{run.folder}: was trained on {known}, and knows nothing of {stream}.")
    if not run.finished:
        raise EmotionNetError(
            f"{run.folder}: not trained to the end yet, so it cannot be combined."
        )


def _system_config(runs, called, fusion: str, frames: int | None) -> dict[str, Any]:
    faces, speech = (dict(runs[stream].config["system_config"]) for stream in ("faces", "speech"))
    own = {
        stream: make_config(runs[stream].config["system"], **each)
        for stream, each in (("faces", faces), ("speech", speech))
    }
    clips = own["faces"].frames > 1
    rates = {stream: getattr(each, "sample_rate", 16000) for stream, each in own.items()}
    heard = [stream for stream in own if "speech" in runs[stream].config["streams"]]
    if len({rates[stream] for stream in heard}) > 1 or (
        clips and own["faces"].samples != own["speech"].samples
    ):
        told = " and ".join(
            f"{each.samples / rates[stream]:g} s at {rates[stream]} Hz ({runs[stream].folder})"
            for stream, each in own.items()
        )
        raise UsageError(
            f"the two runs have different sound settings: windows of {told}. Train one of them again with "
            "the other's (--set samples=…)."
        )
    return {
        "frames": frames or (own["faces"].frames if clips else FRAMES),
        "image_size": own["faces"].image_size,
        "samples": own["speech"].samples,
        "fusion": fusion,
        **{
            stream: {
                "system": runs[stream].config["system"],
                "config": config,
                "called": called[stream],
            }
            for stream, config in (("faces", faces), ("speech", speech))
        },
    }


def _take_over(model, run: Run, stream: str) -> None:
    """Gives the nested network of a stream the weights that it has in its run."""
    layer = next(stage.layer for stage in pair.stages(None) if stage.name == stream)
    stages = stages_of(run.config["system"], run.config["system_config"])
    stage = next(each for each in stages if each.name == stream)
    ours, theirs = model.get_layer(layer), run.model().get_layer(stage.network)
    shapes = [[weight.shape for weight in network.weights] for network in (ours, theirs)]
    if shapes[0] != shapes[1]:
        raise EmotionNetError(
            f"{run.folder}: its model is not what its config says, or has weights for each frame."
        )
    ours.set_weights(theirs.get_weights())


def _split(runs: Mapping[str, Run], classes: Classes) -> SimpleNamespace:
    """The parts of both; a clip that either was trained on is not a test clip."""
    found: dict[tuple[str, str], tuple[int, SimpleNamespace]] = {}
    for run in runs.values():
        for line in run.split_lines():
            name = classes.called(line["emotion"])
            if name is None:
                continue
            row = SimpleNamespace(
                clip=line["clip"], actor=line["actor"], emotion=name, corpus=line["corpus"]
            )
            number, key = PARTS.index(line["part"]), (row.corpus, row.clip)
            found[key] = min(found.get(key, (number, row)), (number, row), key=lambda x: x[0])
    return SimpleNamespace(
        **{part: [row for k, row in found.values() if k == n] for n, part in enumerate(PARTS)}
    )


def _told(runs: Mapping[str, Run]) -> list[str]:
    """What a reader must know about the split of either run, in words."""
    told = {stream: run.config.get("split_warning") for stream, run in runs.items()}
    return [f"{stream}: {warning}" for stream, warning in told.items() if warning]


def _leak(runs: Mapping[str, Run], split: SimpleNamespace) -> str:
    """The people who are tested though either run was trained on other clips of them, in words; "" for none."""
    told = []
    tested = {person_of(row) for row in split.test if row.actor}
    for stream, run in runs.items():
        met = set().union(*(each.learnt("actor") for each in (run, *beginnings(run.config))))
        if shared := met & tested:
            told.append(
                f"{len(shared)} of the {len(tested)} actors that are tested are among those that the "
                f"{stream} stream was trained on"
            )
    return "; ".join(told)


def _run_config(
    runs: Mapping[str, Run], config: pair.Config, classes: Classes, leak: str
) -> dict[str, Any]:
    origins = {stream: _origin(run, stream) for stream, run in runs.items()}
    each = origins.values()

    def all_of(key: str) -> str:
        return "+".join(dict.fromkeys(origin[key] or "" for origin in each))

    said = [f"{stream}: {origin['protocol_description']}" for stream, origin in origins.items()]
    speech = runs["speech"].config
    warnings = "; ".join(filter(None, (*_told(runs), leak)))
    return {
        "system": PAIR,
        "system_config": dataclasses.asdict(config),
        "labels": list(config.labels),
        "corpus": all_of("corpus"),
        "label_kind": all_of("label_kind"),
        "records": "",
        "manifest_hash": all_of("manifest_hash"),
        "content_hash": all_of("content_hash"),
        "protocol": all_of("protocol"),
        "protocol_description": "Two streams that were trained apart. " + ". ".join(said),
        "leaky": any(run.config["leaky"] for run in runs.values()) or bool(leak),
        **({"split_warning": warnings} if warnings else {}),
        "fold": speech["fold"],
        "folds": speech.get("folds"),
        "seed": speech["seed"],
        "streams": list(config.streams),
        "joint": False,
        "settings": {s: runs[s].config.get("settings", {}).get(s, {}) for s in config.streams},
        **({"classes": classes.plain()} if classes else {}),
        "combined": origins,
        "made_of": {s: {"run": str(run.folder.resolve())} for s, run in runs.items()},
    }


def _origin(run: Run, stream: str) -> dict[str, Any]:
    """What a combined run says of one of the two."""
    kept = (
        "corpus",
        "label_kind",
        "protocol",
        "protocol_description",
        "fold",
        "seed",
        "manifest_hash",
        "content_hash",
    )
    scores = read_metrics(run.folder / "metrics.json") or {}
    versions = run.folder / "versions.json"
    told = read_json(versions) if versions.is_file() else {}
    return {
        "run": run.name,
        "sha256": file_sha256(run.folder / "model.keras"),
        "commit": told.get("commit", ""),
        "labels": list(run.labels),
        **{key: run.config.get(key) for key in kept},
        "scores": {
            key: scores[stream][key]
            for key in ("accuracy", "interval_95", "uar", "n")
            if stream in scores
        },
    }
