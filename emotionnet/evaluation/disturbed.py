"""A run, or a group of runs, is measured under every disturbance of its streams, and reported beside it."""

import os
from pathlib import Path
from typing import Any

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
        part: ``test``, ``validation``, ``train`` or ``unseen``, as of `emotionnet.evaluate`; other parts than
            ``test``, and clips of another corpus, are written to files with other names
            (``robustness_validation.json``, ``robustness_unseen_emodb.json`` …).
        batch_size: clips at a time.

    Returns:
        What ``robustness.json`` says: what the numbers are about, as ``metrics.json`` has it; the
        scores of the clean clips (``fused``, ``faces``, ``speech``); and ``points``, see
        `emotionnet.evaluation.robustness.Disturbed.points`.

    Raises:
        UsageError: no run there, or no such part.
        EmotionNetError: the run is not trained, or its records cannot be used.
    """
    from emotionnet.evaluation.asked import Asked, check_batch_size, check_part, other_corpus
    from emotionnet.evaluation.measuring import about_answers
    from emotionnet.evaluation.provenance import (
        group_provenance,
        open_group,
        provenance,
        split_warnings,
    )
    from emotionnet.evaluation.report import absent_classes
    from emotionnet.evaluation.robustness import Disturbed
    from emotionnet.evaluation.robustness_report import write_robustness
    from emotionnet.training.run import Run, group_members

    check_part(part)
    check_batch_size(batch_size)
    folder, notes = Path(run), []
    children = group_members(folder)
    if children:
        runs, unfinished = open_group(folder, children)
        came = {**group_provenance(runs), "runs": [each.name for each in runs]}
        if unfinished:
            notes.append(f"Not trained to the end yet, left out: {', '.join(unfinished)}.")
    else:
        runs = [Run.open(folder)]
        folder = runs[0].folder  # of one that comes with EmotionNet another than its name says
        came = provenance(runs[0])
    if part != "unseen":
        notes += split_warnings(runs)
    disturbed = Disturbed.pool([_answer(each, records, part, batch_size) for each in runs])
    asked = Asked(part, on=other_corpus(runs[0], records))
    about = about_answers(came, asked, runs, records)
    result = {"run": folder.resolve().name, **about, "notes": notes}
    result |= {**disturbed.clean(), "points": disturbed.points()}
    if "fused" not in result:
        raise EmotionNetError(f"{folder}: none of its {part} clips can be answered.")
    notes += filter(None, [absent_classes(result)])
    write_robustness(asked.path(folder, "robustness"), result)
    return result


def _answer(run, records, part: str, batch_size: int):
    from emotionnet.evaluation.asked import open_part
    from emotionnet.evaluation.robustness import answer_disturbed

    model = run.model()
    opened, rows = open_part(run, records, part)
    return answer_disturbed(
        model, run.view(), opened, rows, run.labels, run.config["streams"], batch_size
    )
