"""A product of settings: what its cells need is trained once, then the cells are compared."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emotionnet.command import resumes, text_table
from emotionnet.errors import UsageError
from emotionnet.training.config import DEFAULT_SYSTEM, RunConfig

PAGE, TABLE = "sweep.html", "sweep.csv"
#: More trainings than this need ``--yes``.
MANY = 12


def sweep(
    axes: Mapping[str, Sequence[Any]],
    *,
    name: str = "sweep",
    out: str | os.PathLike = "saved_models",
    choose: bool = False,
    yes: bool = False,
    root: str | os.PathLike | None = None,
    workers: int | None = None,
    **options: Any,
) -> list[dict[str, Any]]:
    """Trains what the cells of a product of settings need, and compares the cells.

    Args:
        axes: setting → values; a field of the system, of the training, of the augmentation, or an option
            of `emotionnet.fit`.
        name: of the folder that holds the runs, ``sweep.html`` and ``sweep.csv``.
        out: where that folder goes.
        choose: the best is chosen, so that test figures are given of it alone.
        yes: begin however many trainings there are.
        root, workers: as of `emotionnet.fit`.
        **options: of `emotionnet.fit`, for all cells.

    Returns:
        A row for each cell, the best on validation clips first, see
        `emotionnet.evaluation.cells.rows_of`.

    Raises:
        UsageError: a setting or value that there is not, more than `MANY` trainings without ``yes``, or no clips that
            validate to ``choose`` by.
        EmotionNetError: a training fails.
    """
    import keras

    from emotionnet.evaluation.cells import read_cell, write_cells
    from emotionnet.progress import progress
    from emotionnet.runs.new import clips_for, fit
    from emotionnet.systems import get_system
    from emotionnet.training.config import asked
    from emotionnet.training.grid import axes_of, cells_of
    from emotionnet.training.streams import streams_of

    run = asked({**options, "root": root})
    system = options["system"] = run.system or DEFAULT_SYSTEM
    axes_of(axes, system, get_system(system).STREAMS, options)  # before any clip is prepared
    cache = options.get("records_cache")
    opened = clips_for(run, root, workers, options.pop("direct", False), cache)
    options |= {"corpus": None, "records": opened.address, "resume": "auto"}
    streams = streams_of(run.streams, system, opened)
    checked = axes_of(axes, system, streams, options)
    cells = cells_of(checked, system, streams, run.joint)
    trainings = list(dict.fromkeys(each for cell in cells for each in cell.trainings))
    _check_values(trainings, cells, opened.rows[0].corpus, options)
    top = Path(out) / name
    if choose:
        _check_validation(asked(trainings[0].options(options)), opened)
    _check_number(trainings, top, opened, run, yes)
    bar = progress(trainings, what="sweep", unit="trainings")
    with resumes(f"the same command continues in {top}"):
        for training in bar:
            print(f"\n== {training.name}")
            keras.backend.clear_session()
            fit(name=training.name, out=top, **training.options(options))
    fusing = [axis.field for axis in checked if not axis.streams]
    found = [
        read_cell(
            cell.name, cell.values, [top / each.name for each in cell.trainings],
            {field: cell.values[field] for field in fusing},
        )
        for cell in cells
    ]  # fmt: skip
    once = {each.name: top / each.name for each in trainings}
    return write_cells(top / TABLE, top / PAGE, found, once, list(axes), choose)


def _check_values(trainings, cells, corpus: str, options: Mapping[str, Any]) -> None:
    """Refuses a value that a setting cannot have, before anything is trained."""
    from emotionnet.training.config import asked
    from emotionnet.training.grid import Training
    from emotionnet.training.plan import check

    wholes = [
        Training("both", tuple(each for training in cell.trainings for each in training.values))
        for cell in cells
    ]
    for training in (*trainings, *wholes):
        check(asked(training.options(options)), corpus)


def _check_validation(run: RunConfig, opened) -> None:
    """Refuses a choice where the clips are divided so that none validate; all trainings divide them alike."""
    from emotionnet.training.plan import plan_runs

    splits = plan_runs(run, opened).splits
    if not any(split.validation for split in splits):
        raise UsageError(
            f"--choose: protocol {splits[0].protocol} keeps no clips for validation here, so nothing can be chosen. "
            "Divide the clips otherwise (--protocol), or leave --choose out."
        )


def _check_number(trainings, top: Path, opened, run: RunConfig, yes: bool) -> None:
    """Refuses more than `MANY` trainings that are not finished yet, unless that is wanted."""
    from emotionnet.inputs.protocols import number_of_folds
    from emotionnet.training.plan import usual_protocol

    folds = run.folds
    if folds == "all":
        protocol = run.protocol or usual_protocol(opened.rows)
        folds = range(number_of_folds(opened.rows, protocol))
    each = len(folds) * len(run.seeds)
    done = sum(
        len(list((top / one.name).glob(f"{'*/' * (each > 1)}model.keras"))) for one in trainings
    )
    left = len(trainings) * each - done
    if left > MANY and not yes:
        names = ", ".join(one.name for one in trainings[:3])
        raise UsageError(
            f"{left} trainings ({names} …, {each} of each). Give fewer values, or --yes to start them all."
        )


def summary(rows: Sequence[Mapping[str, Any]], fields: Sequence[str]) -> str:
    """The cells as text, the best on validation clips first."""
    from emotionnet.evaluation.cells import table

    header, cells = table(rows, fields)
    return text_table((header, *cells), left=len(header))
