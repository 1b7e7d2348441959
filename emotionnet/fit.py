"""``python -m emotionnet.fit``: from a corpus (or prepared records) to a trained, evaluated run.

Without arguments it makes the demo corpus, prepares it, trains both streams of the lightweight
system, fuses them and evaluates on actors that the training never saw.
"""

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emotionnet.classes import add_options
from emotionnet.command import as_verb, field_value, resumes
from emotionnet.recipes import load, names
from emotionnet.training.config import AUGMENT, RunConfig, asked


def fit(
    corpus: str | None = None,
    root: str | os.PathLike | None = None,
    records: str | os.PathLike | None = None,
    *,
    recipe: str | os.PathLike | None = None,
    config: str | os.PathLike | RunConfig | None = None,
    records_cache: str | os.PathLike | None = None,
    system: str | None = None,
    system_config: Mapping[str, Any] | None = None,
    backbone_weights: str | os.PathLike | None = None,
    protocol: str | None = None,
    folds: Sequence[int] | str | None = None,
    seeds: Sequence[int] | None = None,
    streams: str | None = None,
    joint: bool | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    patience: int | None = None,
    train: Mapping[str, Any] | None = None,
    augment: str | None = None,
    augmentation: Mapping[str, Any] | None = None,
    init: str | os.PathLike | None = None,
    init_faces: str | os.PathLike | None = None,
    init_speech: str | os.PathLike | None = None,
    teachers: Sequence[str | os.PathLike] | None = None,
    teachers_share: float | None = None,
    train_actors: int | None = None,
    merge: Mapping[str, Sequence[str]] | Sequence[str] | None = None,
    only: Sequence[str] | str | None = None,
    precision: str | None = None,
    learning: str | None = None,
    start_fraction: float | str | None = None,
    per_epoch: int | None = None,
    pool_every: int | None = None,
    corpus_options: Mapping[str, Any] | None = None,
    name: str | None = None,
    out: str | os.PathLike = "saved_models",
    resume: bool | str = False,
    device: str = "auto",
    replicas: int | None = None,
    workers: int | None = None,
    direct: bool = False,
    **fields: Any,
) -> Path:
    """Trains a system and evaluates it on the test part of its protocol.

    What is not said here is a choice of `emotionnet.training.config.RunConfig`, described and with its default
    there. What is None is as ``recipe`` or ``config`` has it, else that default.

    Args:
        corpus: ``demo``, ``ravdess``, ``crema_d``, ``fer2013`` or ``folder``; prepared (once) into
            ``data/<corpus>/records``. The default is ``demo``, unless ``records`` is given.
        root: folder of the corpus.
        records: folder of prepared records, instead of a corpus; or their address in a bucket
            (``s3://bucket/records``, ``gs://…``), see `emotionnet.clips.remote`.
        recipe: a name of `emotionnet.recipes`, or a file of your own. Whatever else is given changes it. The runs of
            a recipe with several go into one folder, and what is finished there is left alone.
        config: a run, or a group of runs, to be made again: with all its settings and, unless others are
            given, its records. Whatever else is given changes it. Or a `RunConfig`.
        records_cache: folder of a cache of the system's view of the records, see
            `emotionnet.inputs.cache`. It is written where it is not there yet, and then trained from;
            by itself, without ``records`` or ``corpus``, it needs no TensorFlow.
        backbone_weights: what the system's backbone starts from: ``imagenet`` (the default, but for
            the demo), a file, a folder that holds it, or ``none`` for random weights.
        epochs, batch_size, learning_rate, patience: for every stream; see `emotionnet.training.plan`.
        name: of the run folder; by default that of ``config``, or made of system, corpus and protocol.
        out: where run folders go.
        resume: continue the run ``name`` after a kill. ``"auto"``: continue where there is an
            unfinished one, start it where there is none, leave a finished one (or the finished ones
            of a group) alone, and say which.
        device: ``auto``, ``cpu``, ``gpu`` or ``tpu``, see `emotionnet.training.devices.choose`. No part of
            what a run is: it may be resumed on others.
        replicas: devices that share a batch; by default all GPUs or TPUs there are.
        workers: processes that prepare clips.
        direct: train from recordings of sound where they are, a folder or an address, without records of them;
            see `emotionnet.clips.sound_files`.
        **fields: any setting of the system, the training or the augmentation, by its name.

    Returns:
        The run folder, or the folder of the group; the last one of a recipe with several.

    Raises:
        UsageError: an unknown name, a missing folder, a contradiction.
        EmotionNetError: the corpus or the checkpoint cannot be used.
    """
    options = locals()
    options |= options.pop("fields")
    if recipe is not None and len(load(recipe).runs) > 1:
        return _follow(options)
    run = asked(options)
    from emotionnet.runs import fit_runs

    return fit_runs(
        run,
        root,
        records_cache,
        name=name,
        out=out,
        resume=resume,
        device=device,
        replicas=replicas,
        workers=workers,
        direct=direct,
    )


def _follow(options: dict[str, Any]) -> Path:
    """Makes the runs of a recipe one after another; continues where it was stopped."""
    from emotionnet.recipes import at
    from emotionnet.refit import refit

    recipe = load(options.pop("recipe"))
    top = Path(options["out"]) / (options["name"] or recipe.name)
    how = {key: options[key] for key in ("device", "replicas")}
    earlier: list[str] = []
    for number, step in enumerate(recipe.runs, start=1):
        settings = at(step, top, earlier)
        name = settings.get("name") or f"{step['refit']}-refit"
        print(f"\n== {recipe.name}, {number} of {len(recipe.runs)}: {name}")
        with resumes(f"the same command continues in {top}"):
            if "refit" in settings:
                run = settings.pop("refit")
                folder = refit(run, **{**settings, **how, "name": name, "resume": "auto"})
            else:
                config = RunConfig().changed(settings)
                own = {"config": config, "name": name, "out": top, "resume": "auto"}
                folder = fit(**{**options, **own})
        earlier.append(name)
    return folder


def _folds(text: str) -> list[int] | str:
    if text == "all":
        return text
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: expected all, or numbers like 1,3") from None


#: Options that few need, by their type; what each means says `emotionnet.fit`. `--set` takes their fields too.
_RARE = {
    **dict.fromkeys(
        ("channel", "happy", "parts", "backbone-weights", "precision", "learning"), str
    ),
    **dict.fromkeys(("init-faces", "init-speech", "start-fraction"), str),
    **dict.fromkeys(("workers", "replicas", "train-actors", "per-epoch", "pool-every"), int),
    **dict.fromkeys(("batch-size", "patience"), int),
    "teachers-share": float,
}


def parser(
    verb: str = "fit",
    description: str = "Train and evaluate a system. Without arguments: the whole line on the demo corpus.",
    words: str = "",
) -> argparse.ArgumentParser:
    """The command line of ``python -m emotionnet.fit``, and of a verb that takes its options.

    Args:
        verb: its name.
        description: what it does.
        words: what it takes besides options.
    """
    rare = " ".join(option.replace("-", "_") for option in (*_RARE, "direct", "joint"))
    p = argparse.ArgumentParser(
        prog=f"python -m emotionnet.{verb}",
        usage=f"%(prog)s [--recipe NAME | --config RUN] [option …]{words}",
        description=description,
        epilog=f"Less often needed, as --batch-size N or --set batch_size=N (see help(emotionnet.fit)): {rare}",
    )
    g = p.add_argument_group("what to learn from")
    g.add_argument("--recipe", metavar="NAME", help=f"{', '.join(names())}; or a file of your own")
    g.add_argument("--config", metavar="RUN",
                   help="make this run (or group of runs) again; other options change it")  # fmt: skip
    g.add_argument("--corpus", help="demo (default), ravdess, crema_d, iemocap, enterface, emodb, fer2013 or "
                   "folder")  # fmt: skip
    g.add_argument("--root", metavar="DIR", help="folder of the corpus")
    g.add_argument("--labels", help="crema_d: acted (default), perceived or votes; "
                   "fer2013: fer2013 (default) or ferplus")  # fmt: skip
    g.add_argument("--table", metavar="CSV", help="folder: the file that lists the clips; fer2013: "
                   "FER+'s votes")  # fmt: skip
    g.add_argument("--layout", metavar="LEVELS", help="folder: what each level of folders is, e.g. "
                   "actor/emotion (default: found out)")  # fmt: skip
    g.add_argument("--records", metavar="DIR",
                   help="prepared records instead of a corpus: a folder, s3://… or gs://…")  # fmt: skip
    g.add_argument("--records-cache", metavar="DIR",
                   help="arrays to train from, without TensorFlow; written if they are not there")  # fmt: skip
    add_options(p)
    g = p.add_argument_group("what to train")
    g.add_argument(
        "--system",
        metavar="NAME",
        help="ghost_fan (default; with --init that of its run) or another",
    )
    g.add_argument("--streams", help="faces, speech or both (default); others joined by +")
    g.add_argument("--set", dest="fields", type=field_value, action="append", default=[],
                   metavar="FIELD=VALUE", help="change any setting: variant=F1, mixup=0.2, faces.frozen=stem, "
                   "noise_share=0 (an unknown one lists those there are)")  # fmt: skip
    g.add_argument("--epochs", type=int, metavar="N", help="at most; of every stream")
    g.add_argument("--learning-rate", type=float, metavar="RATE", help="the largest")
    g.add_argument(
        "--augment", help=f"{', '.join(AUGMENT)} (default: ours; demo and fer2013: light)"
    )
    g.add_argument("--init", metavar="RUN",
                   help="begin with every part of another run that agrees; without --system fine-tune it on "
                   "these clips (people: the run that comes with EmotionNet)")  # fmt: skip
    g.add_argument("--teachers", nargs="+", metavar="RUN",
                   help="learn from the answers of these runs too (of a group: of its same fold)")  # fmt: skip
    g = p.add_argument_group("who is tested")
    g.add_argument("--protocol", help="actor_folds (default), actors_16_4_4 (as system 3's paper), "
                   "holdout (demo), given (fer2013), stratified, random, random_copies, rows")  # fmt: skip
    g.add_argument("--fold", type=int, metavar="N", help="which fold is the test part (default: 1)")
    g.add_argument("--folds", type=_folds, metavar="N,N", help="several: all, or 1,3,5")
    g.add_argument("--seed", type=int, metavar="N", help="default: 0")
    g.add_argument("--seeds", type=int, metavar="N", help="several: 0 to N-1")
    g = p.add_argument_group("where")
    g.add_argument("--name", help="name of the run folder")
    g.add_argument("--out", default="saved_models", metavar="DIR", help="default: %(default)s")
    g.add_argument("--resume", nargs="?", const=True, default=False, metavar="auto",
                   help="continue the run after a kill; auto: or start it where there is none")  # fmt: skip
    g.add_argument("--device", default="auto", help="auto (default), cpu, gpu or tpu")
    for option, kind in _RARE.items():
        p.add_argument(f"--{option}", type=kind, help=argparse.SUPPRESS)
    p.add_argument("--direct", action="store_true", help=argparse.SUPPRESS)
    p.add_argument("--joint", action="store_const", const=True, help=argparse.SUPPRESS)
    for pairs in ("train", "augmentation"):
        p.add_argument(f"--{pairs}", type=field_value, action="append", default=[],
                       help=argparse.SUPPRESS)  # fmt: skip
    return p


def arguments(p: argparse.ArgumentParser, argv: Sequence[str] | None = None) -> dict:
    """What `fit` is to be called with, from a command line that ``p`` (of `parser`) understands."""
    args = vars(p.parse_args(argv))
    for several, single in (("folds", "fold"), ("seeds", "seed")):
        one, many = args.pop(single), args.pop(several)
        if one is not None and many is not None:
            p.error(f"give --{single} or --{several}, not both")
        if several == "seeds" and many is not None:
            many = range(many)
        args[several] = many if one is None else [one]
    args["merge"] = args["merge"] or None
    for pairs in ("train", "augmentation"):
        args[pairs] = dict(args[pairs])
    fields = dict(args.pop("fields"))
    args |= fields
    options = {
        key: args.pop(key) for key in ("channel", "labels", "happy", "parts", "table", "layout")
    }
    args["corpus_options"] = {key: value for key, value in options.items() if value is not None}
    return args


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the command line, fits, and prints the headline."""
    from emotionnet.evaluation.headline import summary

    folder = fit(**arguments(parser(), argv))
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    print(f"\n{summary(metrics)}")
    print(f"\nreport     {folder / 'report.html'}")
    print(f"next       python -m emotionnet.predict {folder} YOUR_CLIP.mp4")
    return 0


as_verb(__name__, main)
