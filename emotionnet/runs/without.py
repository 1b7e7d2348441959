"""Whether an emotion helps or harms the others: the full model, and one trained without each emotion."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emotionnet.command import resumes, text_table
from emotionnet.errors import UsageError

PAGE, TABLE, FULL = "leave_out.html", "leave_out.csv", "full"


def leave_out(
    *,
    name: str = "leave_out",
    out: str | os.PathLike = "saved_models",
    root: str | os.PathLike | None = None,
    workers: int | None = None,
    **options: Any,
) -> list[dict[str, Any]]:
    """Trains without each emotion in turn, and compares with the full model.

    Args:
        name: of the folder that holds all the runs, ``leave_out.html`` and ``leave_out.csv``.
        out: where that folder goes.
        root, workers: as of `emotionnet.fit`.
        **options: of `emotionnet.fit`.

    Returns:
        A row for each emotion: ``without``, ``clips``, ``full_masked`` and ``left_out`` (accuracies, with
        ``_low`` and ``_high`` of Wilson's interval), ``difference``, ``p_mcnemar``, ``p_actors`` (or
        ``problem``, why they are not tested), and ``recall_<emotion>``, how much the recall of each
        other emotion differs.

    Raises:
        UsageError: fewer than three emotions, classes that are left out already, or a protocol that tests other clips
            where an emotion is missing.
        EmotionNetError: a training fails.
    """
    from emotionnet.evaluation.leaving_out import compared, write_leave_out
    from emotionnet.runs.new import clips_for, fit
    from emotionnet.training.config import asked

    run = asked({**options, "root": root})
    if run.only is not None:
        raise UsageError("leave_out leaves emotions out itself: it takes no --only.")
    cache = options.get("records_cache")
    opened = clips_for(run, root, workers, options.pop("direct", False), cache)
    options |= {"corpus": None, "records": opened.address, "resume": "auto"}
    labels = run.classes.labels(row.emotion for row in opened.rows)
    if len(labels) < 3:
        raise UsageError(
            f"leave_out: only {' and '.join(labels)} are there; without one of them nothing is left to "
            "tell apart."
        )
    _check_same_clips(run, opened, labels)
    top = Path(out) / name

    def trained(called: str, only: Sequence[str] | None) -> Path:
        print(f"\n== {called}")
        return fit(name=called, out=top, **{**options, "only": only})

    with resumes(f"the same command continues in {top}"):
        full = trained(FULL, None)
        rows = []
        for label in labels:
            rest = tuple(each for each in labels if each != label)
            rows.append(compared(full, trained(f"without_{label}", rest), label, rest))
    write_leave_out(top / TABLE, top / PAGE, rows, labels)
    return rows


def _check_same_clips(run, records, labels: Sequence[str]) -> None:
    """Refuses divisions by chance of which another one comes out where an emotion is missing."""
    from emotionnet.inputs.protocols import split_rows
    from emotionnet.inputs.split import name_of
    from emotionnet.training.plan import plan_runs

    plan = plan_runs(run, records)
    rows, protocol = run.classes.rows(records.rows), plan.config["protocol"]
    for label in labels:
        rest = [row for row in rows if row.emotion != label]
        full, other = (
            {
                (split.seed, name_of(row))
                for split in splits
                for row in split.test
                if row.emotion != label
            }
            for splits in (
                plan.splits,
                [split_rows(rest, protocol, each.fold, each.seed) for each in plan.splits],
            )
        )
        if full != other:
            raise UsageError(
                f"leave_out: protocol {protocol} tests other clips where {label} is missing, so that the models "
                "could not be compared. Use one over actors, such as --protocol actor_folds, or --folds all."
            )


def summary(rows: Sequence[Mapping[str, Any]]) -> str:
    """The table as text."""
    lines = [("without", "full, masked", "left out", "p (McNemar)")]
    for row in rows:
        p = row.get("p_mcnemar")
        told = f"{p:.3f}" if p is not None else row.get("problem") or "–"
        rates = (f"{100 * row[key]:.1f} %" for key in ("full_masked", "left_out"))
        lines.append((row["without"], *rates, told))
    return text_table(lines)
