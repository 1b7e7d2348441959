"""What numbers are about: which system, clips, protocol, seeds and versions; of a run, or of a group of runs."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emotionnet.classes import Classes
from emotionnet.errors import EmotionNetError
from emotionnet.files import read_json
from emotionnet.training.run import Run, besides_clips, division

#: What decides how a run is trained, beside its clips and its seed → what it is where a config does not say it.
_SETTINGS = {
    **{key: {} for key in ("system_config", "settings", "learning")},
    **dict.fromkeys(("augment", "augmentation", "train_actors")),
    **{"joint": False, "precision": "float32"},
}


def open_group(folder: Path, children: Sequence[Path]) -> tuple[list[Run], list[str]]:
    """The runs of a group that are trained, and the names of those that are not yet.

    Raises:
        EmotionNetError: none is, or their numbers cannot be averaged.
    """
    runs = [Run.open(child) for child in children]
    unfinished = [run.name for run in runs if not run.finished]
    runs = [run for run in runs if run.finished]
    if not runs:
        raise EmotionNetError(f"{folder}: none of its runs is trained to the end yet.")
    _check_alike(folder, runs)
    return runs, unfinished


def _check_alike(folder: Path, runs: Sequence[Any]) -> None:
    for key in ("system", "corpus", "label_kind", "labels", "protocol", "streams"):
        values = {json.dumps(run.config[key]) for run in runs}
        if len(values) > 1:
            raise EmotionNetError(
                f"{folder}: its runs differ in {key} ({' and '.join(sorted(values))}), so their "
                "numbers cannot be averaged. Evaluate them one by one."
            )


def provenance(run: Run) -> dict[str, Any]:
    """Where numbers come from: the run's config and versions."""
    config = run.config
    path = run.folder / "versions.json"
    versions = read_json(path) if path.is_file() else {}
    packages = [f"{k} {v}" for k, v in versions.get("packages", {}).items()]
    return {
        "system": config["system"],
        "labels": list(run.labels),
        "classes": str(Classes.from_config(config)),
        "corpus": config["corpus"],
        "label_kind": config["label_kind"],
        "manifest_hash": config.get("manifest_hash"),
        "protocol": config["protocol"],
        "protocol_text": config.get("protocol_description", ""),
        "leaky": bool(config["leaky"]),
        "fold": config["fold"],
        "folds": config.get("folds"),
        "seed": config["seed"],
        "streams": list(config["streams"]),
        "joint": bool(config.get("joint")),
        "image_size": config["system_config"].get("image_size"),
        "besides_clips": besides_clips([config]),
        "commit": versions.get("commit", ""),
        "versions": ", ".join(
            [f"Python {versions['python']}", *packages] if "python" in versions else packages
        ),
    }


def split_warnings(runs: Sequence[Run]) -> list[str]:
    """What a reader must know about the splits of runs, and whether they were trained alike; each once."""
    found = dict.fromkeys(filter(None, (run.config.get("split_warning") for run in runs)))
    if len({run.config.get("manifest_hash") for run in runs}) > 1:
        found["Its runs divide different lists of clips (manifests)."] = None
    if others := unlike([run.config for run in runs]):
        found[f"Its runs were trained otherwise from each other ({', '.join(others)})."] = None
    return list(found)


def unlike(configs: Sequence[dict[str, Any]]) -> list[str]:
    """The settings in which the trainings of these ``configs`` differ."""
    return [
        key
        for key, usual in _SETTINGS.items()
        if _differ([config.get(key, usual) for config in configs])
    ]


def _differ(values: Sequence[Any]) -> bool:
    """Whether any differ; of mappings what all have, since an earlier version had fewer settings."""
    if not all(isinstance(value, dict) for value in values):
        return any(value != values[0] for value in values)
    return any(
        _differ([value[key] for value in values]) for key in set.intersection(*map(set, values))
    )


def group_provenance(runs: Sequence[Run]) -> dict[str, Any]:
    """Where pooled numbers of runs come from: `provenance` with all folds, seeds and commits."""
    about = provenance(runs[0])
    for key in ("fold", "seed"):
        about[key] = sorted({run.config[key] for run in runs})
    about["leaky"] = any(run.config["leaky"] for run in runs)
    about["protocol_text"] = division([run.config for run in runs])
    about["besides_clips"] = besides_clips([run.config for run in runs])
    about["commit"] = ", ".join(dict.fromkeys(provenance(run)["commit"] for run in runs))
    return about
