"""Any runs, or groups of runs, side by side: those that are not evaluated yet are, the rest is read."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emotionnet.command import text_table
from emotionnet.errors import UsageError
from emotionnet.inputs.kinds import FUSED

PAGE, TABLE = "compare.html", "compare.csv"


def compare(
    runs: Sequence[str | os.PathLike],
    out: str | os.PathLike = "saved_models/compare",
    records: str | os.PathLike | None = None,
    across_protocols: bool = False,
) -> dict[str, Any]:
    """Compares runs or groups of runs; those that are not evaluated yet are.

    Args:
        runs: run folders, or folders of run folders. The first is compared with each other one.
        out: folder for ``compare.html`` and ``compare.csv``.
        records: the records the runs were trained on, where they have moved.
        across_protocols: test them as pairs though their protocols differ, where the clips that
            they are tested on are the same: how much is the protocol worth?

    Returns:
        ``rows`` (of the CSV), ``differences`` (sentences; empty where the numbers are comparable)
        and ``pairs`` (see `emotionnet.evaluation.comparison.paired_tests`).

    Raises:
        UsageError: no runs, or a folder is none.
        EmotionNetError: a run is not trained yet, or cannot be evaluated.
    """
    from emotionnet.evaluation.comparison import (
        Candidate,
        RunResult,
        differences,
        paired_tests,
        table,
    )
    from emotionnet.evaluation.comparison_page import write_page
    from emotionnet.files import write_csv

    if not runs:
        raise UsageError("nothing to compare: name run folders, or folders of runs.")
    folders = [Path(run) for run in runs]
    candidates, unfinished = [], []
    for name, folder in zip(names(folders), folders):
        finished, missing = evaluated_runs(folder, records)
        candidates.append(Candidate(name, [RunResult.read(run) for run in finished]))
        if missing:
            unfinished.append(
                f"{name}: not trained to the end yet, left out: {', '.join(missing)}."
            )
    result = {
        "rows": table(candidates),
        "differences": [*unfinished, *differences(candidates)],
        "pairs": paired_tests(candidates, across_protocols),
    }
    write_csv(Path(out) / TABLE, result["rows"])
    write_page(Path(out) / PAGE, candidates, result["differences"], result["pairs"])
    return result


def evaluated_runs(
    folder: Path, records: str | os.PathLike | None = None
) -> tuple[list[Path], list[str]]:
    """The finished run folders that ``folder`` is or holds, each evaluated; and names of the others.

    Raises:
        UsageError: there is no run, one was combined out of two corpora, or ``records`` are of another corpus than
            a run's.
        EmotionNetError: none is trained to the end, or the runs of a group differ.
    """
    from emotionnet.evaluation.asked import Asked
    from emotionnet.evaluation.measuring import is_answered
    from emotionnet.evaluation.provenance import open_group
    from emotionnet.evaluation.run_or_group import evaluate
    from emotionnet.training.run import Run, group_members

    children = group_members(folder)
    opened, unfinished = open_group(folder, children) if children else ([Run.open(folder)], [])
    for run in opened:
        if run.config.get("combined") and "+" in run.config["corpus"]:
            raise UsageError(
                f"{run.folder}: was combined out of runs of two corpora, and runs are compared on the test clips of "
                "one. What it answers about each is in the files that evaluate --records names after it."
            )
        if not is_answered(run.folder, Asked()):
            evaluate(run.folder, records)
            if not is_answered(run.folder, Asked()):
                raise UsageError(
                    f"{run.folder}: was evaluated on another corpus than its own, so there are no answers to compare. "
                    "Give the records of its own test clips with --records."
                )
    return [run.folder for run in opened], unfinished


def names(folders: Sequence[Path]) -> list[str]:
    """A different name for each folder, as short as may be."""
    folders = [folder.resolve() for folder in folders]
    for depth in range(1, max(len(folder.parts) for folder in folders) + 1):
        short = ["/".join(folder.parts[-depth:]) for folder in folders]
        if len(set(short)) == len(short):
            return short
    raise UsageError("the same run is named twice.")


def summary(result: dict[str, Any]) -> str:
    """The comparison as a few lines of text."""
    from emotionnet.evaluation.report import with_interval

    table = [("", "answer", "accuracy (95 %)", "UAR (95 % over actors)", "protocol")]
    for row in result["rows"]:
        people = (row["uar_low_actors"], row["uar_high_actors"])  # empty where they are unknown
        rates = (
            with_interval(row["accuracy"], (row["accuracy_low"], row["accuracy_high"])),
            with_interval(row["uar"], None if "" in people else people),
        )
        leaky = " (LEAKY)" if row["leaky"] else ""
        table.append((row["name"], row["kind"], *rates, f"{row['protocol']}{leaky}"))
    lines = [text_table(table, left=2)]
    for said in result["differences"]:
        lines.append(f"warning: {said}")
    fusing = {row["name"] for row in result["rows"] if row["kind"] == FUSED}
    for pair in result["pairs"]:
        whole = pair["kind"] == FUSED and not {pair["first"], pair["other"]} <= fusing
        what = "each as a whole" if whole else pair["kind"]
        who = f"{pair['other']} less {pair['first']}, {what}"
        if pair["problem"]:
            lines.append(f"{who}: not tested, {pair['problem']}")
            continue
        drawn = pair["by_actors"] or pair["by_clips"]
        uar = drawn["uar"]
        ends = uar["interval_95"]
        told = f"{who}: UAR {100 * uar['difference']:+.1f} points"
        if ends:
            told += f", 95 % over {drawn['drawn']} {100 * ends[0]:+.1f} to {100 * ends[1]:+.1f}"
        lines.append(told)
    return "\n".join(lines)
