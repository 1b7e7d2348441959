"""Continues a finished run, or a group of them, on its validation people too, and evaluates it again."""

import os
from pathlib import Path

from emotionnet.errors import UsageError
from emotionnet.shipped import shipped


def refit(
    run: str | os.PathLike,
    records: str | os.PathLike | None = None,
    *,
    epochs: int | None = None,
    learning_rate: float | None = None,
    name: str | None = None,
    resume: bool | str = False,
    device: str = "auto",
    replicas: int | None = None,
) -> Path:
    """Continues the training of a run, or of every run of a group, from its validation part too.

    Args:
        run: a run folder, or a folder of runs (folds, seeds), trained to the end.
        records: the records they were trained on, where they have moved.
        epochs: of each stream; by default a quarter of the run's.
        learning_rate: of each stream; by default half of the run's.
        name: of the new folder, beside ``run`` or the group that it is in; by default that of
            ``run`` with ``-refit``.
        resume: as for `emotionnet.fit`.
        device, replicas: as for `emotionnet.fit`.

    Returns:
        The new run folder, or the folder of the group.

    Raises:
        UsageError: there is no run, or it cannot be continued; the message says why.
        EmotionNetError: a run is not trained to the end, or its records cannot be used.
    """
    from emotionnet.evaluation.asked import open_records
    from emotionnet.evaluation.run_or_group import evaluate
    from emotionnet.runs.whole import train_and_evaluate
    from emotionnet.training.begin import check_kind, check_resume
    from emotionnet.training.devices import choose
    from emotionnet.training.refit import refit_config, refit_split
    from emotionnet.training.run import Run, about, group_members

    check_resume(resume)
    for option, value in (("epochs", epochs), ("learning-rate", learning_rate)):
        if value is not None and value <= 0:
            raise UsageError(f"--{option} {value}: it needs a number above 0.")
    devices = choose(device, replicas)
    folder = Path(os.path.abspath(shipped(run)))
    members = group_members(folder)
    runs = [Run.open(each) for each in members or [folder]]
    home, own_name = folder.parent, folder.name
    if own_name.startswith("fold_"):  # one of a group, which it must not join again
        home, own_name = home.parent, f"{home.name}-{own_name}"
    top = home / (name or f"{own_name}-refit")
    check_kind(top, several=bool(members))
    # All of them before the first is trained: what cannot be is said at once.
    configs = [refit_config(each, epochs, learning_rate) for each in runs]
    kept: dict = {}
    for each, config in zip(runs, configs):
        opened = open_records(each, records)
        split = refit_split(each, opened)
        config = {**config, "records": opened.address, **about(split)}
        into = top / each.name if members else top
        train_and_evaluate(into, config, split, opened, resume, devices, kept)
    with devices.chief_first():
        if members and devices.chief:
            evaluate(top)
    return top
