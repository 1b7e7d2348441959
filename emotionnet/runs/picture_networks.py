"""Compares picture networks: fine-tunes one after another, counts and times them."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from emotionnet.command import text_table
from emotionnet.errors import UsageError
from emotionnet.files import read_json

#: The 16 of system 3's paper with their accuracy on 3,589 FER2013 test pictures, ImageNet weights.
PAPER = {
    "MobileNet": 0.6611, "ResNet152V2": 0.6728, "DenseNet201": 0.6784, "InceptionV3": 0.6843,
    "Xception": 0.6893, "ConvNeXtTiny": 0.6943, "EfficientNetV2B0": 0.7000,
    "ConvNeXtSmall": 0.7015, "InceptionResNetV2": 0.7029, "ConvNeXtBase": 0.7032, "VGG16": 0.7118,
    "ResNet101": 0.7130, "EfficientNetV2L": 0.7135, "VGG19": 0.7146, "ConvNeXtLarge": 0.7157,
    "ConvNeXtXLarge": 0.7227,
}  # fmt: skip
OURS = ("GhostNet", "GhostNetTAM")
#: The paper's two-sided 98 % quantile.
Z_98 = 2.33

COLUMNS = (
    *("backbone", "accuracy", "low_98", "high_98", "uar", "clips", "epochs", "weights"),
    *("image_size", "parameters", "backbone_parameters", "weights_mb", "file_mb", "multiply_adds"),
    *("backbone_multiply_adds", "backbone_multiply_adds_224", "cpu_ms", "paper_accuracy", "run"),
)


def backbones(
    names: Sequence[str] = (),
    corpus: str | None = None,
    root: str | os.PathLike | None = None,
    records: str | os.PathLike | None = None,
    *,
    training: bool = True,
    latency: bool = True,
    image_size: int = 64,
    head: str = "dense",
    backbone_weights: str | os.PathLike = "imagenet",
    out: str | os.PathLike = "saved_models/backbones",
    workers: int | None = None,
    **how: Any,
) -> list[dict[str, Any]]:
    """Trains networks and counts what they cost; writes a table and a picture into ``out``.

    Args:
        names: networks, see `emotionnet.systems.backbones.BACKBONES`; by default the paper's 16, and
            our GhostNets, which have no ImageNet weights and start from random ones.
        corpus, root, records: what to learn from, as for `emotionnet.fit`; not needed without
            training.
        training: without it only runs that ``out`` holds already have an accuracy.
        latency: whether to make each network's ``.tflite`` and time it.
        image_size: of the pictures; networks that need larger ones get those.
        head: "dense", the paper's, or "pool".
        backbone_weights: ``imagenet``, ``none``, or a file or folder.
        out: folder of the runs, the table and the picture.
        workers: processes that prepare the corpus.
        how: further arguments of `emotionnet.fit`: ``protocol``, ``epochs``, ``train`` …

    Returns:
        A dict of `COLUMNS` a network; None where there is no number.

    Raises:
        UsageError: an unknown network or setting, or nothing to learn from.
        EmotionNetError: the corpus or the weights cannot be used.
    """
    from emotionnet.systems.backbones import backbone_name

    names = [backbone_name(name) for name in names] or [*PAPER, *OURS]
    names = list(dict.fromkeys(names))
    out = Path(out)
    if training:
        from emotionnet.clips.preparing import records_of

        if records is corpus is None:
            raise UsageError("give --corpus with --root, or --records; or --no-training")
        records = records_of(records, corpus, root, workers)
    rows = []
    for name in names:
        if training:
            _train(name, records, out, image_size, head, backbone_weights, how)
        rows.append(_row(name, out, image_size, head, latency))
        _write(rows, out)
    return rows


def interval_98(accuracy: float, clips: int) -> tuple[float, float]:
    """The paper's interval: Wilson's with z = 2.33."""
    from emotionnet.evaluation.intervals import wilson

    return wilson(accuracy, clips, Z_98)


def _train(name, records, out: Path, image_size: int, head: str, weights, how: Mapping) -> None:
    """One run of `emotionnet.fit`; continues where it was stopped."""
    from emotionnet.runs.new import fit
    from emotionnet.systems.backbones import WEIGHTS, smallest_picture

    config = {
        "backbone": name,
        "backbone_weights": "none" if name not in WEIGHTS else str(weights),
        "image_size": max(image_size, smallest_picture(name)),
        "head": head,
    }
    fit(
        records=records, system="faces", system_config=config, streams="faces", name=name, out=out,
        resume=True, **how,
    )  # fmt: skip


def _row(name: str, out: Path, image_size: int, head: str, latency: bool) -> dict[str, Any]:
    from emotionnet.systems.backbones import smallest_picture

    run = _run_results(out / name)
    row = dict.fromkeys(COLUMNS)
    classes = run.pop("classes", 7)
    head = run.pop("head", head)
    image_size = run.get("image_size", max(image_size, smallest_picture(name)))
    cost = _cost(name, out / "costs", image_size, head, classes, latency)
    return {**row, "backbone": name, "paper_accuracy": PAPER.get(name), **run, **cost}


def _run_results(folder: Path) -> dict[str, Any]:
    """The scores of a finished run; none where there is no run."""
    from emotionnet.files import read_csv
    from emotionnet.training.measured import read_metrics
    from emotionnet.training.run import Run

    metrics = read_metrics(folder / "metrics.json")
    if metrics is None:
        return {}
    config, score = Run.open(folder).config, metrics["faces"]
    low, high = interval_98(score["accuracy"], score["n"])
    return {
        "run": str(folder),
        "classes": len(config["labels"]),
        "head": config["system_config"]["head"],
        "image_size": config["system_config"]["image_size"],
        "weights": config["system_config"]["backbone_weights"],
        "epochs": len(read_csv(folder / "history.csv")),
        "accuracy": score["accuracy"],
        "low_98": low,
        "high_98": high,
        "uar": score["uar"],
        "clips": score["n"],
    }


def _cost(name, folder: Path, image_size, head, classes, latency: bool) -> dict[str, Any]:
    """`backbone_cost` as plain data, kept in ``folder``: the largest networks take minutes."""
    from emotionnet.deploy.backbone_cost import backbone_cost
    from emotionnet.files import write_json

    path = folder / f"{name}-{image_size}-{head}-{classes}.json"
    if path.is_file():
        kept = read_json(path)
        if kept["cpu_ms"] is not None or not latency:
            return kept
    cost = asdict(backbone_cost(name, image_size, head, classes, latency))
    write_json(path, cost)
    return cost


def _write(rows: Sequence[Mapping[str, Any]], out: Path) -> None:
    from emotionnet.evaluation.backbone_plot import plot_backbones
    from emotionnet.evaluation.plots import save_png
    from emotionnet.files import write_csv

    write_csv(out / "backbones.csv", rows, COLUMNS)
    save_png(plot_backbones(rows), out / "backbones.png")


def report(rows: Sequence[Mapping[str, Any]]) -> str:
    """The table as text."""
    head = ("backbone", "px", "accuracy", "98 % interval", "paper", "M parameters", "of the backbone",
            "MB float32", "file MB", "M mult-adds", "backbone", "backbone, 224 px", "CPU ms")  # fmt: skip
    lines = [head]
    for row in rows:
        rate = row["accuracy"]
        lines.append((
            row["backbone"], str(row["image_size"]),
            "" if rate is None else f"{100 * rate:.2f} %",
            "" if rate is None else f"{100 * row['low_98']:.2f} – {100 * row['high_98']:.2f}",
            "" if row["paper_accuracy"] is None else f"{100 * row['paper_accuracy']:.2f}",
            f"{row['parameters'] / 1e6:.3f}", f"{row['backbone_parameters'] / 1e6:.3f}",
            f"{row['weights_mb']:.1f}",
            "" if row["file_mb"] is None else f"{row['file_mb']:.1f}",
            *(f"{row[key] / 1e6:,.1f}" for key in
              ("multiply_adds", "backbone_multiply_adds", "backbone_multiply_adds_224")),
            "" if row["cpu_ms"] is None else f"{row['cpu_ms']:.1f}",
        ))  # fmt: skip
    return text_table(lines)
