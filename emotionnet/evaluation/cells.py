"""The cells of a product of settings: fused by their answers, ranked on validation clips, tested."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emotionnet.errors import EmotionNetError
from emotionnet.evaluation import html
from emotionnet.evaluation.answers import FUSED, Answers, measure
from emotionnet.evaluation.comparison import Candidate, RunResult, paired_tests
from emotionnet.evaluation.comparison_page import write_page
from emotionnet.evaluation.report import interval, percent
from emotionnet.evaluation.temperature import calibrated_scores, fit_temperatures
from emotionnet.files import write_csv

VALIDATION = "predictions_validation.csv"


@dataclass(frozen=True)
class CellResult:
    """The score of a cell.

    Attributes:
        values: its settings.
        candidate: its answers to test clips.
        validation_uar: mean over its folds and seeds; None where no clips are kept for validation.
    """

    values: dict[str, Any]
    candidate: Candidate
    validation_uar: float | None


def read_cell(
    name: str, values: Mapping[str, Any], folders: Sequence[Path], changed: Mapping[str, Any]
) -> CellResult:
    """A cell from the folders of its trainings, each a run or a group over folds and seeds.

    Args:
        name: of the cell.
        values: its settings.
        folders: one, of a run of all streams; or of each stream the one that was trained by itself.
        changed: fields of the system's config that only say how answers are fused.

    Raises:
        EmotionNetError: the trainings were not asked the same.
    """
    members = [_members(folder) for folder in folders]
    tested = [[RunResult.read(each) for each in those] for those in members]
    if len(folders) == 1:
        runs = tested[0]
        validation = [_validation(folder, run) for folder, run in zip(members[0], runs)]
    else:
        pairs = [_same_division(each) for each in zip(*tested, strict=True)]
        runs, validation = [], []
        for place, pair in enumerate(pairs):
            own = [_validation(m[place], run) for m, run in zip(members, pair, strict=True)]
            config = _config(pair, changed)
            seen = None if None in own else _fused(config, own)
            runs.append(_fused_run(config, pair, seen))
            validation.append(seen)
    candidate = Candidate(name, runs)
    kind = candidate.main_kind
    uars = [measure(each, offered=())[kind]["uar"] for each in validation if each is not None]
    return CellResult(dict(values), candidate, float(np.mean(uars)) if uars else None)


def write_cells(
    table_path: Path, page: Path, cells: Sequence[CellResult], trainings: Mapping[str, Path],
    fields: Sequence[str], choose: bool,
) -> list[dict[str, Any]]:  # fmt: skip
    """Ranks cells on validation clips, tests each against the best, and writes table and page.

    Args:
        table_path, page: the files, each written whole or not at all.
        cells: in any order; where there are no validation clips this order stays.
        trainings: name → folder, of what was trained once for all of them.
        fields: the settings.
        choose: a choice is made: figures of test clips are given of the best alone.

    Returns:
        See `rows_of`.

    Raises:
        EmotionNetError: a choice is to be made, and a cell has no validation clips to be chosen by.
    """
    unmeasured = [each.candidate.name for each in cells if each.validation_uar is None]
    if choose and unmeasured:
        raise EmotionNetError(
            f"--choose: {unmeasured[0]} was measured on no validation clips, so nothing can be chosen. Give the "
            "same command without --choose, which trains nothing again, or divide the clips otherwise (--protocol)."
        )
    cells = sorted(cells, key=lambda each: -(each.validation_uar or 0))
    tested = 1 if choose else len(cells)
    candidates = [each.candidate for each in cells[:tested]]
    pairs = paired_tests(candidates)
    rows = rows_of(cells, pairs, tested)
    parts = section(rows, fields, len(trainings), choose)
    if not choose and len(trainings) < len(cells):
        parts += trainings_table(
            [
                Candidate(name, [RunResult.read(each) for each in _members(folder)])
                for name, folder in trainings.items()
            ]
        )
    write_csv(table_path, rows)
    write_page(page, candidates, [], pairs, parts)
    return rows


def rows_of(
    cells: Sequence[CellResult], pairs: Sequence[Mapping[str, Any]], tested: int
) -> list[dict[str, Any]]:
    """A row for each cell.

    Args:
        cells: in order; the first is what the others are tested against.
        pairs: of `emotionnet.evaluation.comparison.paired_tests`.
        tested: of how many of them, from the first on, there are figures of test clips.

    Returns:
        The settings, ``validation_uar``, and of test clips ``clips``, ``accuracy`` with ``_low`` and
        ``_high`` of Wilson's interval, ``uar``; against the first ``uar_difference`` with ``_low`` and
        ``_high`` over actors, and ``p_mcnemar``, adjusted (Holm).
    """
    rows = []
    for place, cell in enumerate(cells):
        one = cell.candidate
        row = {**cell.values, "validation_uar": cell.validation_uar}
        rows.append(row)
        if place >= tested:
            continue
        scores = one.main_scores
        low, high = scores["interval_95"]
        row |= {"clips": scores["clips"], "accuracy": scores["accuracy"]}
        row |= {"accuracy_low": low, "accuracy_high": high, "uar": scores["uar"]}
        for pair in pairs:
            if pair["other"] == one.name and pair["kind"] == one.main_kind and not pair["problem"]:
                drawn = (pair["by_actors"] or pair["by_clips"])["uar"]
                row["uar_difference"] = drawn["difference"]
                low, high = drawn["interval_95"] or (None, None)
                row |= {"uar_difference_low": low, "uar_difference_high": high}
                row["p_mcnemar"] = (pair["mcnemar"] or {}).get("p_holm")
    return rows


def table(rows: Sequence[Mapping[str, Any]], fields: Sequence[str]) -> tuple[list[str], list[list]]:
    """Header and cells of ``rows`` (of `rows_of`) as text; ``fields`` are the settings."""

    def of_100(row: Mapping[str, Any], key: str) -> str:
        return percent(row[key]) if row.get(key) is not None else "–"

    header = [*fields, "UAR, validation", "accuracy, test (Wilson 95 %)", "UAR, test"]
    header += ["UAR less the first, points (95 %)", "p (McNemar, Holm)"]
    cells = []
    for row in rows:
        line = [*(str(row[field]) for field in fields), of_100(row, "validation_uar")]
        ends = [row.get("accuracy_low"), row.get("accuracy_high")]
        line.append(of_100(row, "accuracy") + (f" ({interval(ends)})" if None not in ends else ""))
        line.append(of_100(row, "uar"))
        ends = [row.get("uar_difference_low"), row.get("uar_difference_high")]
        told = f" ({100 * ends[0]:+.1f} to {100 * ends[1]:+.1f})" if None not in ends else ""
        difference, p = row.get("uar_difference"), row.get("p_mcnemar")
        line.append("–" if difference is None else f"{100 * difference:+.1f}{told}")
        line.append("–" if p is None else f"{p:.3f}")
        cells.append(line)
    return header, cells


def section(
    rows: Sequence[Mapping[str, Any]], fields: Sequence[str], trainings: int, choose: bool
) -> list[str]:
    """The table of cells, and how to read it, as pieces of a page."""
    clips = rows[0]["clips"]
    text = (
        f"{len(rows)} cells from {trainings} trainings: what is equal is trained once. Ranked by UAR on "
        f"validation clips. One of the {clips} test clips is worth {100 / clips:.1f} points of accuracy: "
        "no difference is shown between cells that lie closer than their intervals."
    )
    if choose:
        text += (
            " A choice was made, so there are test figures of the chosen cell alone: the best of many "
            "on the test clips would look better than it is."
        )
    header, cells = table(rows, fields)
    return [
        html.heading("Cells"),
        html.table(header, cells, main=0),
        html.paragraph(text, small=True),
    ]


def trainings_table(candidates: Sequence[Candidate]) -> list[str]:
    """What each training answers by itself, as pieces of a page."""
    rows = []
    for one in candidates:
        scores = one.main_scores
        ends = interval(scores["interval_95"])
        rows.append([one.name, f"{percent(scores['accuracy'])} ({ends})", percent(scores["uar"])])
    header = ["trained", "accuracy, test (Wilson 95 %)", "UAR, test"]
    return [html.heading("What was trained"), html.table(header, rows)]


def _members(folder: Path) -> list[Path]:
    """The runs of a group, or the run that a folder is."""
    from emotionnet.training.run import group_members

    return group_members(folder) or [folder]


def _validation(folder: Path, run: RunResult) -> Answers | None:
    path = folder / VALIDATION
    return Answers.read(path, run.config["labels"]) if path.is_file() else None


def _same_division(runs: Sequence[RunResult]) -> Sequence[RunResult]:
    divisions = {(run.config["fold"], run.config["seed"]) for run in runs}
    if len(divisions) > 1:
        raise EmotionNetError(f"trainings of different folds or seeds cannot be fused: {divisions}")
    return runs


def _config(runs: Sequence[RunResult], changed: Mapping[str, Any]) -> dict[str, Any]:
    """Of a run that would have trained the streams of ``runs`` side by side."""
    from emotionnet.systems import get_system

    first = runs[0].config
    fields, settings = dict(first["system_config"]), dict(first["settings"])
    streams = [stream for run in runs for stream in run.config["streams"]]
    for run in runs:
        (stream,) = run.config["streams"]
        own = get_system(first["system"]).CONCERNS[stream]
        fields |= {name: run.config["system_config"][name] for name in own}
        settings[stream] = run.config["settings"][stream]
    fields |= {**changed, "streams": streams}
    return {**first, "system_config": fields, "settings": settings, "streams": streams}


def _fused(config: Mapping[str, Any], answers: Sequence[Answers]) -> Answers:
    """The streams' answers to the same clips as the answer of all."""
    from emotionnet.systems import get_system, make_config

    clips = [clip.clip for clip in answers[0].clips]
    if any([clip.clip for clip in each.clips] != clips for each in answers):
        raise EmotionNetError("trainings that were tested on different clips cannot be fused.")
    own = {s: each.probabilities[s] for s, each in zip(config["streams"], answers, strict=True)}
    system = config["system"]
    fused = get_system(system).fuse_answers(make_config(system, **config["system_config"]), own)
    return Answers(answers[0].labels, answers[0].clips, {FUSED: fused})


def _fused_run(
    config: dict[str, Any], runs: Sequence[RunResult], validation: Answers | None
) -> RunResult:
    answers = _fused(config, [run.answers for run in runs])
    first = runs[0].metrics
    split = [note for note in first["notes"] if note == config.get("split_warning")]
    calibrated = {}
    if validation is not None:
        calibrated = calibrated_scores(answers, fit_temperatures(validation))
    metrics = {**measure(answers, offered=()), "notes": split, "calibrated": calibrated}
    metrics["commit"] = first.get("commit", "")
    history = [row for run in runs for row in run.history]
    return RunResult(config, answers, metrics, history, runs[0].train_actors)
