"""``python -m emotionnet.refit RUN``: continue training, from the validation people too, then evaluate again.

A run holds some people back to choose its epoch. Once it is chosen, the weights can learn from them as
well: for a quarter of the epochs, at half the rate, the last epoch counts. The test people stay unseen.
The result is a run (or a group of runs) of its own beside the first, so that `compare` can tell what
it was worth.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from emotionnet.command import as_verb
from emotionnet.errors import UsageError


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
    from emotionnet.evaluate import evaluate
    from emotionnet.evaluation.asked import open_records
    from emotionnet.runs import train_and_evaluate
    from emotionnet.training.begin import check_kind, check_resume
    from emotionnet.training.devices import choose
    from emotionnet.training.refit import refit_config, refit_split
    from emotionnet.training.run import Run, about, group_members

    check_resume(resume)
    for option, value in (("epochs", epochs), ("learning-rate", learning_rate)):
        if value is not None and value <= 0:
            raise UsageError(f"--{option} {value}: it needs a number above 0.")
    devices = choose(device, replicas)
    folder = Path(os.path.abspath(run))
    members = group_members(folder)
    runs = [Run.open(each) for each in members or [folder]]
    home, own_name = folder.parent, folder.name
    if own_name.startswith("fold_"):  # one of a group, which it must not join again
        home, own_name = home.parent, f"{home.name}-{own_name}"
    top = home / (name or f"{own_name}-refit")
    check_kind(top, several=bool(members))
    # All of them before the first is trained: what cannot be is said at once.
    configs = [refit_config(each, epochs, learning_rate) for each in runs]
    for each, config in zip(runs, configs):
        opened = open_records(each, records)
        split = refit_split(each, opened)
        config = {**config, "records": opened.address, **about(split)}
        into = top / each.name if members else top
        train_and_evaluate(into, config, split, opened, resume, devices)
    with devices.chief_first():
        if members and devices.chief:
            evaluate(top)
    return top


def parser() -> argparse.ArgumentParser:
    """The command line of ``python -m emotionnet.refit``."""
    p = argparse.ArgumentParser(
        prog="python -m emotionnet.refit",
        description="Continue the training of a run, from its validation people too, and evaluate it again.",
    )
    p.add_argument("run", metavar="RUN", help="a run folder, or a folder of runs (folds, seeds)")
    p.add_argument("--records", metavar="DIR", help="its records, where they have moved")
    p.add_argument("--epochs", type=int, help="default: a quarter of the run's")
    p.add_argument("--learning-rate", type=float, help="default: half of the run's")
    p.add_argument("--name", help="of the new folder beside RUN (default: RUN's with -refit)")
    p.add_argument("--resume", nargs="?", const=True, default=False, metavar="auto",
                   help="continue after a kill; auto: or start where there is none")  # fmt: skip
    p.add_argument("--device", default="auto", help="auto (default), cpu, gpu or tpu")
    p.add_argument("--replicas", type=int, metavar="N", help="devices that share a batch")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the command line, trains, and prints the headline."""
    import json

    from emotionnet.evaluation.headline import summary

    folder = refit(**vars(parser().parse_args(argv)))
    print(f"\n{summary(json.loads((folder / 'metrics.json').read_text(encoding='utf-8')))}")
    print(f"\nreport     {folder / 'report.html'}")
    return 0


as_verb(__name__, main)
