"""Where a training begins: the folder of its run, and whether it is a new one or resumes there."""

import json
from pathlib import Path

from emotionnet.errors import UsageError
from emotionnet.training import plan
from emotionnet.training.config import BEGINNINGS
from emotionnet.training.run import Run
from emotionnet.training.state import recover

#: In a run's config only where asked for.
_OPTIONAL = ("augmentation", "classes", *BEGINNINGS, "refit", "teachers", "train_actors")
#: What is reported of the split; the split itself follows from the rest.
_TOLD = ("protocol_description", "split_warning", "leaky")
#: Another machine that prepares the same recordings may round otherwise: that is said, and not refused. What the options
#: of a corpus make of it is in the list of clips; they were not always noted.
_MAY_CHANGE = ("content_hash", "corpus_options")


def open_run(folder: Path, config: dict, split, resume: bool | str) -> Run:
    """The run in ``folder``: a new one, or one to be continued.

    Args:
        folder: of the run.
        config: what is asked for.
        split: see `emotionnet.training.run.Run.create`.
        resume: as for `emotionnet.fit`; ``"auto"`` says which it is.

    Raises:
        UsageError: there is one already, or one that was begun with another config.
    """
    stands = "there is none, it starts"
    if resume and (folder / "config.json").exists():
        run = Run.open(folder)
        # A run that was started before there were this many settings has the defaults of the others.
        begun = {**run.config, "settings": plan.completed(run.config["settings"])}
        wanted = json.loads(json.dumps(config))
        compared = {*wanted, *_OPTIONAL} - {*_TOLD, *_MAY_CHANGE}
        changed = [key for key in compared if begun.get(key) != wanted.get(key)]
        if changed:
            raise UsageError(
                f"{folder}: this run was started with other settings ({', '.join(sorted({*changed}))}). "
                "Resume it with the same ones, or give a new --name."
            )
        hashes = {begun.get("content_hash"), wanted.get("content_hash")} - {None}
        if len(hashes) > 1 and not run.finished:
            print(
                f"warning    {folder}: the records have changed since this run was started, though the list of "
                "clips has not. It learns from the new ones from here on"
            )
        done = recover(run.checkpoint)
        stands = "it was started, nothing is trained yet" if not done else f"it resumes, {done}"
    else:
        run = Run.create(folder, config, split)
    if resume == "auto":
        print(f"resume     {folder}: {'it is finished' if run.finished else stands}")
    return run


def check_resume(resume: bool | str) -> None:
    """Refuses what ``--resume`` does not know."""
    if resume not in (False, True, "auto"):
        raise UsageError(f"--resume {resume}: not known. It is --resume alone, or --resume auto.")


def name_for(out: Path, name: str, resume: bool | str) -> str:
    """The name of a run that was given none: ``name``, or where that is taken, ``name-2``, ``name-3`` …

    Args:
        out: where runs go.
        name: made of what is trained.
        resume: True resumes the run of the plain name; "auto" the last one of these names that is there.
    """
    if resume is True:
        return name
    last, free, number = name, name, 1
    while (out / free).exists():
        number += 1
        last, free = free, f"{name}-{number}"
    if resume == "auto":
        return last
    if free != name:
        print(f"{out / name} is there already (--resume auto continues an unfinished one)")
    return free


def check_kind(top: Path, several: bool) -> None:
    """Refuses a folder of the other kind: a run and a group of runs cannot share one."""
    if several and (top / "config.json").exists():
        raise UsageError(f"{top}: is a run, not a group of runs. Give another --name.")
    if not several and any(top.glob("fold_*/config.json")):
        raise UsageError(f"{top}: is a group of runs, not a run. Give another --name.")
