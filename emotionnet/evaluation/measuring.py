"""A run, or a group of runs, is asked about clips: answers, numbers and pages are written beside it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from emotionnet.cards.card import run_card
from emotionnet.errors import UsageError
from emotionnet.evaluation.affect import affect_of
from emotionnet.evaluation.answers import Answers, answer_rows, measure
from emotionnet.evaluation.asked import Asked, open_part, shared_classes
from emotionnet.evaluation.intervals import mean_and_sd
from emotionnet.evaluation.learning import (
    kept_epochs,
    learning_curves,
    mean_kept,
    unfinished_stages,
)
from emotionnet.evaluation.provenance import (
    group_provenance,
    open_group,
    provenance,
    split_warnings,
)
from emotionnet.evaluation.report import write_report
from emotionnet.evaluation.temperature import calibrated_scores, fit_temperatures, pool_calibrated
from emotionnet.files import file_sha256, read_json, write_json, write_text
from emotionnet.inputs.kinds import OUTPUTS
from emotionnet.systems import get_system, stages_of
from emotionnet.training.measured import MODEL, on_other_clips, read_metrics
from emotionnet.training.run import Run, beginnings


def evaluate_run(run, records, asked: Asked, batch_size: int) -> dict[str, Any]:
    """Answers what is asked of one run, and writes the results beside it; see `emotionnet.evaluate`.

    Args:
        run: an `emotionnet.training.run.Run`.
        records: used instead of the run's own, or None.
        asked: which part, in which state.
        batch_size: clips at a time.
    """
    config, mask = run.config, asked.mask
    if mask and config["streams"] == [mask]:
        raise UsageError(f"--mask {mask}: nothing is left, {run.folder} was trained on that alone.")
    if asked.mirror and (mask == "faces" or "faces" not in config["streams"]):
        raise UsageError(f"--mirror: {run.folder} is asked about no faces.")
    model = run.model()
    of_model = file_sha256(run.folder / "model.keras")
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
    about = about_answers(provenance(run), asked, [run], opened.folder)
    metrics = {"run": run.name, MODEL: of_model, **about}
    metrics |= measure(answers, mask, get_system(config["system"]).STREAMS)
    metrics["affect"] = affect_of(metrics, answers.labels, asked.affect)
    metrics["notes"] += notes
    if asked.part == "test" and asked.plainly:
        metrics["calibrated"] = _calibrated(run, model, opened, answers, where, batch_size)
    if asked.part != "unseen" and config.get("split_warning"):
        metrics["notes"].append(config["split_warning"])
    if asked.part != "unseen" and _have_changed(opened, config):
        metrics["notes"].append(
            "The records have changed since the run was trained, or were prepared on another machine."
        )
    curves = learning_curves(run.folder / "history.csv")
    stages = stages_of(config["system"], config["system_config"], bool(config.get("joint")))
    metrics["learning"] = kept_epochs(curves, unfinished_stages(stages, config["streams"]))
    _write(run.folder, where, metrics, curves)
    if config.get("combined"):
        card = run_card(run.name, config, None, on_other_clips(run.folder))
        write_text(run.folder / "README.md", card)
    elif asked.part == "test" and asked.plainly:
        write_text(run.folder / "README.md", run_card(run.name, config, metrics))
    return metrics


def _have_changed(opened, config: dict[str, Any]) -> bool:
    """Whether records are not those that a run of this ``config`` was trained on: other clips, or other recordings of them."""
    if opened.manifest_hash not in (config.get("manifest_hash", opened.manifest_hash) or ""):
        return True
    known = config.get("content_hash", "").split("+")  # of a combined run, of both
    # It was not always noted, neither by runs nor by caches, which then give the other hash.
    return all(known) and opened.content_hash not in (*known, opened.manifest_hash)


def about_answers(
    provenance: dict[str, Any], asked: Asked, runs: Sequence[Run], records
) -> dict[str, Any]:
    """What was asked of what, as ``metrics.json`` says it.

    Args:
        provenance: of a run, or of a group of runs.
        asked: what it was asked.
        runs: that run, or those of the group.
        records: place of the records, where they are not those of the runs' config.
    """
    question = {"part": asked.part}
    question |= {"mask": asked.mask} if asked.mask else {}
    question |= {"mirror": True} if asked.mirror else {}
    question |= {"on": asked.on} if asked.on else {}
    classes = "; ".join(filter(None, (provenance["classes"], str(asked.classes))))
    labels = list(asked.classes.labels(provenance["labels"]))
    # Clips of another corpus share nothing with the training, however its own were divided.
    elsewhere = asked.part == "unseen" and asked.on not in ("", *provenance["corpus"].split("+"))
    leaky = provenance["leaky"] and not elsewhere
    begun = (each for run in runs for each in beginnings(run.config))
    leaky |= elsewhere and any(run.config["leaky"] and asked.on in run.corpora for run in begun)
    about = {**question, **provenance, "classes": classes, "labels": labels, "leaky": leaky}
    if asked.part == "unseen":  # the run's own division says nothing of them
        place = asked.on or records or runs[0].config["records"]
        about["protocol_text"] = (
            f"clips of {place} that the run neither trained on nor chose its epoch by"
        )
    return about


def _calibrated(run, model, opened, answers, asked: Asked, batch_size: int) -> dict[str, Any]:
    """How sure the answers are at temperatures fitted on the run's validation clips, if it has any."""
    rows = run.split_rows(opened)["validation"]
    if not rows:
        return {}
    streams = run.config["streams"]
    validation = answer_rows(model, run.view(), opened, rows, run.labels, streams, batch_size)
    validation.write(replace(asked, part="validation").path(run.folder, "predictions.csv"))
    return calibrated_scores(answers, fit_temperatures(validation))


def evaluate_group(
    folder: Path, children: Sequence[Path], records, asked: Asked, batch_size: int
) -> dict[str, Any]:
    """Evaluates those runs of a group that are not yet, and pools their answers; see `emotionnet.evaluate`.

    Args:
        folder: of the group.
        children: folders of its runs.
        records, asked, batch_size: as of `evaluate_run`.
    """
    runs, unfinished = open_group(folder, children)
    offered = get_system(runs[0].config["system"]).STREAMS
    answers, each, calibrated, learning = [], [], [], []
    notes = dict.fromkeys(split_warnings(runs) if asked.part != "unseen" else ())
    for run in runs:
        # Answers that are there may be to the clips of other records.
        if asked.part == "unseen" or records or not is_answered(run.folder, asked):
            evaluate_run(run, records, asked, batch_size)
        scores = read_json(asked.path(run.folder, "metrics.json"))
        own = Answers.read(asked.path(run.folder, "predictions.csv"), scores["labels"])
        answers.append(own)
        # What its numbers leave out is counted again of all together.
        counted = measure(own, asked.mask, offered)["notes"]
        notes |= dict.fromkeys(note for note in scores["notes"] if note not in counted)
        calibrated.append(scores.get("calibrated", {}))
        learning.append(scores.get("learning", {}))
        kinds = [k for k in OUTPUTS if k in scores]
        short = {k: {m: scores[k][m] for m in ("accuracy", "uar", "n")} for k in kinds}
        of = {k: scores[k] for k in ("fold", "seed", MODEL) if k in scores}
        each.append({"run": run.name, **of, **short})
    about = about_answers(group_provenance(runs), asked, runs, records)
    metrics = {"run": folder.name, **about}
    metrics |= {"labels": scores["labels"], "classes": scores["classes"]}
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
            for which in ("accuracy", "uar"):
                mean, sd = mean_and_sd([entry[which] for entry in having])
                over |= {f"{which}_mean": mean, f"{which}_sd": sd}
    metrics["notes"] += notes
    if unfinished:
        metrics["notes"].append(f"Not trained to the end yet, left out: {', '.join(unfinished)}.")
    _write(folder, asked, metrics, {})
    return metrics


def is_answered(folder: Path, asked: Asked) -> bool:
    """Whether the run ``folder`` has answers, and numbers of them, of the model that it has.

    Answers are written first and numbers last: where an evaluation was stopped in between, the
    numbers may be an earlier model's.
    """
    answers, numbers = (asked.path(folder, name) for name in ("predictions.csv", "metrics.json"))
    return answers.is_file() and read_metrics(numbers, answers) is not None


def _write(folder: Path, asked: Asked, metrics: dict[str, Any], curves: dict[str, Any]) -> None:
    write_report(asked.path(folder, "report.html"), metrics, curves)
    write_json(asked.path(folder, "metrics.json"), metrics)
