"""``python -m emotionnet.robustness RUN``: what a run still answers when something goes wrong.

Noise, babble, lost or shifted sound; covered, missing, dark or coarse pictures, each at several
levels, for a run (or a group of runs) of any system. Writes into the folder ``robustness.csv`` (every
point), ``robustness.png`` (the curves), ``robustness.html`` (both for people) and
``robustness.json``. The same command gives the same numbers.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emotionnet.command import as_verb
from emotionnet.errors import EmotionNetError


def robustness(
    run: str | os.PathLike,
    records: str | os.PathLike | None = None,
    part: str = "test",
    batch_size: int = 8,
) -> dict[str, Any]:
    """Measures a run, or a group of runs, under every disturbance of its streams.

    Args:
        run: a run folder, or a folder of run folders, whose answers are then pooled.
        records: the records the run was trained on, where they have moved.
        part: ``test``, ``validation`` or ``train``; other parts than ``test`` are written to files
            of their own (``robustness_validation.json`` …).
        batch_size: clips at a time.

    Returns:
        What ``robustness.json`` says: what the numbers are about, as ``metrics.json`` has it; the
        scores of the clean clips (``fused``, ``faces``, ``speech``); and ``points``, see
        `emotionnet.evaluation.robustness.Disturbed.points`.

    Raises:
        UsageError: no run there, or no such part.
        EmotionNetError: the run is not trained, or its records cannot be used.
    """
    from emotionnet.evaluation.asked import check_part, result_path
    from emotionnet.evaluation.provenance import group_provenance, open_group, provenance
    from emotionnet.evaluation.robustness import Disturbed
    from emotionnet.evaluation.robustness_report import write_robustness
    from emotionnet.training.run import Run, group_members

    check_part(part)
    folder, notes = Path(run), []
    children = group_members(folder)
    if children:
        runs, unfinished = open_group(folder, children)
        about = {**group_provenance(runs), "runs": [each.name for each in runs]}
        if unfinished:
            notes.append(f"Not trained to the end yet, left out: {', '.join(unfinished)}.")
    else:
        runs = [Run.open(folder)]
        about = provenance(runs[0])
    disturbed = Disturbed.pool([_answer(each, records, part, batch_size) for each in runs])
    result = {"run": folder.resolve().name, "part": part, **about, "notes": notes}
    result |= {**disturbed.clean(), "points": disturbed.points()}
    if "fused" not in result:
        raise EmotionNetError(f"{folder}: none of its {part} clips can be answered.")
    write_robustness(result_path(folder, "robustness", part), result)
    return result


def _answer(run, records, part: str, batch_size: int):
    from emotionnet.evaluation.asked import open_part
    from emotionnet.evaluation.robustness import answer_disturbed

    model = run.model()
    opened, rows = open_part(run, records, part)
    return answer_disturbed(
        model, run.view(), opened, rows, run.labels, run.config["streams"], batch_size
    )


def parser() -> argparse.ArgumentParser:
    """The command line of ``python -m emotionnet.robustness``."""
    p = argparse.ArgumentParser(
        prog="python -m emotionnet.robustness",
        description="UAR of a run under noise, lost or shifted sound, covered, missing, dark or "
        "coarse pictures: curves, table and page.",
    )
    p.add_argument("run", metavar="RUN", help="a run folder, or a folder of runs (folds, seeds)")
    p.add_argument("--records", metavar="DIR", help="its records, where they have moved")
    p.add_argument("--part", default="test", help="test (default), validation or train")
    p.add_argument("--batch-size", type=int, default=8, help="clips at a time (%(default)s)")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the command line, measures and prints the worst of each disturbance."""
    args = parser().parse_args(argv)
    from emotionnet.evaluation.asked import result_path
    from emotionnet.evaluation.robustness_text import summary

    result = robustness(args.run, args.records, args.part, args.batch_size)
    print(summary(result))
    print(f"report: {result_path(Path(args.run), 'robustness.html', args.part)}")
    return 0


as_verb(__name__, main)
