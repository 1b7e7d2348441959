"""``python -m emotionnet.evaluate RUN``: what a run is worth, as CSV, JSON and a page to read.

Writes into the run folder ``predictions.csv`` (the answers), ``metrics.json`` (the numbers) and
``report.html`` (both for people; one file that needs nothing else). Given a group of runs (folds,
seeds), it evaluates those that are not yet and writes the numbers over all of them.
"""

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotionnet.classes import Classes, add_options
from emotionnet.command import make_callable, run_command
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.evaluation.asked import (
    Asked,
    check_part,
    open_part,
    other_corpus,
    result_path,
    shared_classes,
)
from emotionnet.inputs.kinds import OUTPUTS, TITLES, stream_named

if TYPE_CHECKING:
    from emotionnet.training.run import Run


def evaluate(
    run: str | os.PathLike,
    records: str | os.PathLike | None = None,
    part: str = "test",
    batch_size: int = 8,
    mask: str | None = None,
    mirror: bool = False,
    *,
    merge: Mapping[str, Sequence[str]] | Sequence[str] | None = None,
    only: Sequence[str] | str | None = None,
    affect: str | os.PathLike | None = None,
) -> dict[str, Any]:
    """Evaluates a run, or a group of runs, and writes predictions, metrics and report.

    Args:
        run: a run folder, or a folder of run folders.
        records: the records the run was trained on, where they have moved; or a cache of its view of
            them, see `emotionnet.inputs.cache`.
        part: ``test``, ``validation`` or ``train``; or ``unseen``, all clips of ``records`` that the
            run has neither learnt nor chosen its epoch from, which is also meant by ``test`` where
            ``records`` hold none of its test clips. With records of another corpus this is cross-corpus
            evaluation: what counts are the classes that both have, what was left out is said, and the files
            are named after that corpus (``metrics_unseen_emodb.json`` …). Other parts than ``test`` are written to files
            of their own (``metrics_validation.json`` …).
        batch_size: clips at a time.
        mask: a stream that is taken away from every clip (``speech``, also called ``audio``; ``faces``
            …); written to files of its own (``metrics_masked_speech.json`` …).
        mirror: answer every face as it is and mirrored, and average both: twice the work, mostly a
            little better; written to files of its own (``metrics_mirrored.json`` …).
        merge: class → the emotions whose clips it names and whose probabilities are summed, see
            `emotionnet.classes.Classes`; written to files of its own.
        only: the classes that count: clips of others are left out, and so are their probabilities.
        affect: a CSV that says which emotions are high in arousal, positive in valence …, in place of
            ours, see `emotionnet.evaluation.affect`.

    Returns:
        What ``metrics.json`` says: ``fused`` and each stream that was trained (each as
        `emotionnet.evaluation.metrics.score` gives it), ``masked``, ``calibrated`` (temperatures
        fitted on the validation clips, and how sure the answers are at them; test part only), ``affect``
        (kind of answer → see `emotionnet.evaluation.affect.by_affect`),
        ``learning`` (loss and accuracy of the epoch that was kept), and what they are about
        (``protocol``, ``fold``, ``seed``, ``corpus``, ``label_kind``, ``leaky``, ``notes`` …). For
        a group also ``runs`` and ``over_runs`` (mean and standard deviation).

    Raises:
        UsageError: no run there, no such part, or nothing is left to answer from.
        EmotionNetError: the run is not trained, or its records cannot be used.
    """
    from emotionnet.evaluation.affect import read_groups
    from emotionnet.training.run import Run, group_members

    check_part(part)
    mask = mask and stream_named(mask, "--mask")
    asked = Asked(part, mask, mirror, Classes.of(merge, only), affect)
    children = group_members(run)
    runs = [Run.open(child) for child in children or [run]]
    asked = replace(asked, on=other_corpus(runs[0], records))
    read_groups(asked.classes.labels(runs[0].labels), affect)  # refuses a bad table early
    if records and part == "test" and all(each.has_other_test_clips(records) for each in runs):
        asked = replace(asked, part="unseen")
    if children:
        return _evaluate_group(Path(run), children, records, asked, batch_size)
    return _evaluate_run(runs[0], records, asked, batch_size)


def _asked(metrics: Mapping[str, Any], merge, only) -> Asked:
    """What ``metrics.json`` is the answer to."""
    classes = Classes.of(merge, only)
    return Asked(
        metrics["part"],
        metrics.get("mask"),
        metrics.get("mirror", False),
        classes,
        on=metrics.get("on", ""),
    )


def _evaluate_run(run, records, asked: Asked, batch_size: int) -> dict[str, Any]:
    from emotionnet.cards.card import run_card
    from emotionnet.cards.combined import measured
    from emotionnet.evaluation.affect import affect_of
    from emotionnet.evaluation.answers import answer_rows, measure
    from emotionnet.evaluation.learning import kept_epochs, learning_curves
    from emotionnet.files import write_text
    from emotionnet.systems import get_system

    config, mask = run.config, asked.mask
    if mask and config["streams"] == [mask]:
        raise UsageError(f"--mask {mask}: nothing is left, {run.folder} was trained on that alone.")
    if asked.mirror and (mask == "faces" or "faces" not in config["streams"]):
        raise UsageError(f"--mirror: {run.folder} is asked about no faces.")
    model = run.model()
    opened, rows = open_part(run, records, asked.part, asked.classes, bool(asked.on))
    where, notes = asked, []
    if asked.on:
        classes, rows, notes = shared_classes(run, rows, asked)
        asked = replace(asked, classes=classes)
    answers = answer_rows(
        model, run.view(), opened, rows, run.labels, config["streams"], batch_size,
        mask, asked.mirror,
    )  # fmt: skip
    answers = answers.under(asked.classes)
    answers.write(where.path(run.folder, "predictions.csv"))
    metrics = {"run": run.name, **_about(provenance(run), asked)}
    metrics |= measure(answers, mask, get_system(config["system"]).STREAMS)
    metrics["affect"] = affect_of(metrics, answers.labels, asked.affect)
    metrics["notes"] += notes
    if asked.part == "test" and asked.plainly:
        metrics["calibrated"] = _calibrated(run, model, opened, answers, batch_size)
    if asked.part == "unseen":
        metrics["protocol_text"] = (
            f"{len(rows)} clips of {asked.on or opened.folder} that the run neither learnt nor chose its epoch from"
        )
    elif config.get("split_warning"):
        metrics["notes"].append(config["split_warning"])
    known = config.get("manifest_hash", opened.manifest_hash)
    if asked.part != "unseen" and opened.manifest_hash not in (known or ""):
        metrics["notes"].append("The records have changed since the run was trained.")
    curves = learning_curves(run.folder / "history.csv")
    metrics["learning"] = kept_epochs(curves)
    _write(run.folder, where, metrics, curves)
    if config.get("combined"):
        write_text(run.folder / "README.md", run_card(run.name, config, None, measured(run.folder)))
    elif asked.part == "test" and asked.plainly:
        write_text(run.folder / "README.md", run_card(run.name, config, metrics))
    return metrics


def _about(provenance: dict[str, Any], asked: Asked) -> dict[str, Any]:
    """What was asked of what, as ``metrics.json`` says it."""
    question = {"part": asked.part}
    question |= {"mask": asked.mask} if asked.mask else {}
    question |= {"mirror": True} if asked.mirror else {}
    question |= {"on": asked.on} if asked.on else {}
    classes = "; ".join(filter(None, (provenance["classes"], str(asked.classes))))
    labels = list(asked.classes.labels(provenance["labels"]))
    return {**question, **provenance, "classes": classes, "labels": labels}


def _calibrated(run, model, opened, answers, batch_size: int) -> dict[str, Any]:
    """How sure the answers are at temperatures fitted on the run's validation clips, if it has any."""
    from emotionnet.evaluation.answers import answer_rows
    from emotionnet.evaluation.temperature import calibrated_scores, fit_temperatures

    rows = run.split_rows(opened)["validation"]
    if not rows:
        return {}
    streams = run.config["streams"]
    validation = answer_rows(model, run.view(), opened, rows, run.labels, streams, batch_size)
    validation.write(result_path(run.folder, "predictions.csv", "validation"))
    return calibrated_scores(answers, fit_temperatures(validation))


def open_group(folder: Path, children: Sequence[Path]) -> tuple["list[Run]", list[str]]:
    """The runs of a group that are trained, and the names of those that are not yet.

    Raises:
        EmotionNetError: none is, or their numbers cannot be averaged.
    """
    from emotionnet.training.run import Run

    runs = [Run.open(child) for child in children]
    unfinished = [run.name for run in runs if not run.finished]
    runs = [run for run in runs if run.finished]
    if not runs:
        raise EmotionNetError(f"{folder}: none of its runs is trained to the end yet.")
    _check_alike(folder, runs)
    return runs, unfinished


def _evaluate_group(
    folder: Path, children: Sequence[Path], records, asked: Asked, batch_size: int
) -> dict[str, Any]:
    from emotionnet.evaluation.affect import affect_of
    from emotionnet.evaluation.answers import Answers, measure
    from emotionnet.evaluation.intervals import mean_and_sd
    from emotionnet.evaluation.learning import mean_kept
    from emotionnet.evaluation.temperature import pool_calibrated
    from emotionnet.systems import get_system

    runs, unfinished = open_group(folder, children)
    answers, each, calibrated, learning = [], [], [], []
    for run in runs:
        # Answered already, by the model that is there now; unseen clips may be those of other records.
        place = asked.path(run.folder, "metrics.json")
        if asked.part == "unseen" or not _is_newer(place, run.folder / "model.keras"):
            _evaluate_run(run, records, asked, batch_size)
        scores = json.loads(place.read_text(encoding="utf-8"))
        answers.append(Answers.read(asked.path(run.folder, "predictions.csv"), scores["labels"]))
        calibrated.append(scores.get("calibrated", {}))
        learning.append(scores.get("learning", {}))
        kinds = [k for k in OUTPUTS if k in scores]
        short = {k: {m: scores[k][m] for m in ("accuracy", "uar", "n")} for k in kinds}
        each.append({"run": run.name, "fold": scores["fold"], "seed": scores["seed"], **short})
    metrics = {"run": folder.name, **_about(group_provenance(runs), asked)}
    metrics |= {"labels": scores["labels"], "classes": scores["classes"]}
    offered = get_system(runs[0].config["system"]).STREAMS
    metrics |= measure(Answers.pool(answers), asked.mask, offered)
    metrics["affect"] = affect_of(metrics, metrics["labels"], asked.affect)
    metrics["calibrated"] = pool_calibrated(answers, calibrated)
    metrics["learning"] = mean_kept(learning)
    metrics["runs"] = each
    metrics["over_runs"] = {}
    for kind in OUTPUTS:
        having = [entry[kind] for entry in each if kind in entry]
        if kind in metrics and having:
            over = metrics["over_runs"][kind] = {"runs": len(having)}
            for measured in ("accuracy", "uar"):
                mean, sd = mean_and_sd([entry[measured] for entry in having])
                over |= {f"{measured}_mean": mean, f"{measured}_sd": sd}
    if unfinished:
        metrics["notes"].append(f"Not trained to the end yet, left out: {', '.join(unfinished)}.")
    _write(folder, asked, metrics, {})
    return metrics


def _check_alike(folder: Path, runs: Sequence[Any]) -> None:
    for key in ("system", "corpus", "label_kind", "labels", "protocol", "streams"):
        values = {json.dumps(run.config[key]) for run in runs}
        if len(values) > 1:
            raise EmotionNetError(
                f"{folder}: its runs differ in {key} ({' and '.join(sorted(values))}), so their "
                "numbers cannot be averaged. Evaluate them one by one."
            )


def provenance(run: "Run") -> dict[str, Any]:
    """What the numbers are about, from the run's config and versions."""
    from emotionnet.training.run import besides_clips

    config = run.config
    path = run.folder / "versions.json"
    versions = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
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


def group_provenance(runs: "Sequence[Run]") -> dict[str, Any]:
    """What the pooled numbers of runs are about: `provenance` with all folds, seeds and commits."""
    from emotionnet.training.run import besides_clips, division

    about = provenance(runs[0])
    for key in ("fold", "seed"):
        about[key] = sorted({run.config[key] for run in runs})
    about["protocol_text"] = division([run.config for run in runs])
    about["besides_clips"] = besides_clips([run.config for run in runs])
    about["commit"] = ", ".join(dict.fromkeys(provenance(run)["commit"] for run in runs))
    return about


def _is_newer(path: Path, than: Path) -> bool:
    return path.is_file() and path.stat().st_mtime >= than.stat().st_mtime


def _write(folder: Path, asked: Asked, metrics: dict[str, Any], curves: dict[str, Any]) -> None:
    from emotionnet.evaluation.report import write_report
    from emotionnet.files import write_json

    write_report(asked.path(folder, "report.html"), metrics, curves)
    write_json(asked.path(folder, "metrics.json"), metrics)


def summary(metrics: dict[str, Any]) -> str:
    """The headline as a few lines of text."""
    from emotionnet.evaluation.report import interval, percent, spread

    of = f" of {metrics['on']}" if metrics.get("on") else ""
    lines = [f"{metrics['corpus']}, {metrics['protocol']}, {metrics['part']} clips{of}"]
    if metrics.get("mask"):
        lines[0] += f", {metrics['mask']} taken away"
    if metrics.get("mirror"):
        lines[0] += ", faces mirrored too"
    if metrics.get("classes"):
        lines[0] += f", classes: {metrics['classes']}"
    if metrics["leaky"]:
        lines[0] += " (LEAKY: people or recordings are in training and test)"
    for name, title in TITLES.items():
        if name not in metrics:
            continue
        s = metrics[name]
        pooled = f"{percent(s['accuracy'])} (95 % interval {interval(s['interval_95'])})"
        numbers = f"accuracy {pooled}, UAR {percent(s['uar'])}, {s['n']} clips"
        if "over_runs" in metrics:
            over = metrics["over_runs"][name]
            means = [spread(over[f"{m}_mean"], over[f"{m}_sd"]) for m in ("accuracy", "uar")]
            numbers = f"accuracy {means[0]}, UAR {means[1]} over {over['runs']} runs; "
            numbers += f"all together {pooled}, {s['clips']} clips"
        lines.append(f"  {title:<12} {numbers}")
    return "\n".join([*lines, *(f"  note: {note}" for note in metrics["notes"])])


def parser() -> argparse.ArgumentParser:
    """The command line of ``python -m emotionnet.evaluate``."""
    p = argparse.ArgumentParser(
        prog="python -m emotionnet.evaluate",
        description="Accuracy, UAR, calibration and a report of a run, or of a group of runs.",
    )
    p.add_argument("run", metavar="RUN", help="a run folder, or a folder of runs (folds, seeds)")
    p.add_argument("--records", metavar="DIR", help="its records, where they have moved; those of another "
                   "corpus: what it is worth there, on the classes that both have")  # fmt: skip
    p.add_argument("--part", default="test", help="test (default), validation or train; "
                   "or unseen: all clips of --records that the run has not learnt from")  # fmt: skip
    p.add_argument("--mask", metavar="STREAM", help="speech, faces …: take it away from every clip")
    p.add_argument("--mirror", action="store_true",
                   help="average the answers to faces as they are and mirrored")  # fmt: skip
    p.add_argument("--batch-size", type=int, default=8, help="clips at a time (%(default)s)")
    p.add_argument("--affect", metavar="FILE.csv", help="which emotions are high in arousal …, in place "
                   "of our table")  # fmt: skip
    add_options(p)
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the command line, evaluates and prints the headline."""
    from emotionnet.shipped import shipped

    args = parser().parse_args(argv)
    metrics = evaluate(**vars(args))
    print(summary(metrics))
    folder = shipped(args.run)
    print(f"report: {_asked(metrics, args.merge, args.only).path(folder, 'report.html')}")
    return 0


if __name__ == "__main__":
    run_command(main)
else:
    make_callable(__name__)
