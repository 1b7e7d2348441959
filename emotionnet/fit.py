"""``python -m emotionnet.fit``: from a corpus (or prepared records) to a trained, evaluated run.

Without arguments it makes the demo corpus, prepares it, trains both streams of the lightweight
system, fuses them and evaluates on actors that the training never saw.
"""

import argparse
import dataclasses
import math
import os
from collections.abc import Sequence
from pathlib import Path

from emotionnet.command import make_callable, run_command
from emotionnet.errors import UsageError

STREAMS = ("faces", "speech")
AUGMENT = ("none", "light", "paper")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")

#: How each stream is trained unless the command says otherwise (no paper gives these: ours).
SETTINGS = {
    "faces": {"epochs": 40, "batch_size": 8, "learning_rate": 1e-3, "patience": 10},
    "speech": {"epochs": 100, "batch_size": 32, "learning_rate": 1e-3, "patience": 30},
}
#: The demo is the same system on smaller pictures and for fewer epochs: minutes on two cores.
DEMO_SETTINGS = {
    "faces": {"epochs": 12, "batch_size": 8, "learning_rate": 2e-3, "patience": 0},
    "speech": {"epochs": 30, "batch_size": 16, "learning_rate": 1e-3, "patience": 0},
}
DEMO_SYSTEM = {"image_size": 112}
DATA = Path("data")


def fit(
    corpus: str | None = None,
    root: str | os.PathLike | None = None,
    records: str | os.PathLike | None = None,
    *,
    system: str = "ghost_fan",
    system_config: dict | None = None,
    protocol: str | None = None,
    folds: Sequence[int] | str = (1,),
    seeds: Sequence[int] = (0,),
    streams: str = "both",
    joint: bool = False,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    patience: int | None = None,
    augment: str | None = None,
    precision: str = "float32",
    learning: str = "all",
    start_fraction: float | str = "1/3",
    per_epoch: int = 20,
    name: str | None = None,
    out: str | os.PathLike = "saved_models",
    resume: bool = False,
    workers: int | None = None,
    corpus_options: dict | None = None,
) -> Path:
    """Trains a system and evaluates it on the test part of its protocol.

    Args:
        corpus: ``demo``, ``ravdess``, ``crema_d`` or ``folder``; prepared (once) into
            ``data/<corpus>/records``. The default is ``demo``, unless ``records`` is given.
        root: folder of the corpus.
        records: folder of prepared records, instead of a corpus.
        system: name of the system, see `emotionnet.systems`.
        system_config: fields of the system's ``Config`` to change.
        protocol: ``actor_folds``, ``holdout``, ``stratified`` or ``random``; the default keeps
            actors apart (``holdout`` for the demo, else ``actor_folds``).
        folds: fold numbers from 1, or ``"all"``.
        seeds: seeds; several folds or seeds make a group of runs.
        streams: ``faces``, ``speech`` or ``both``.
        joint: train all through the fusion with one optimizer, instead of each stream by itself.
        epochs, batch_size, learning_rate, patience: for every stream; see `SETTINGS`.
        augment: ``none``, ``light`` or ``paper``, see `emotionnet.training.train.AUGMENTATIONS`.
        precision: ``float32``, ``mixed_bfloat16`` or ``mixed_float16``.
        learning: ``all`` labels from the start; or those of some actors, and after each epoch those
            of the pool's clips that the model is least sure of (``uncertainty``) or of random ones
            (``random``), see `emotionnet.training.uncertainty`.
        start_fraction: share of the training actors whose labels are used from the start.
        per_epoch: clips that move out of the pool after each epoch.
        name: of the run folder; by default made of system, corpus and protocol.
        out: where run folders go.
        resume: go on with the run ``name`` after a kill.
        workers: processes that prepare clips.
        corpus_options: passed to the corpus' ``scan``.

    Returns:
        The run folder, or the folder of the group.

    Raises:
        UsageError: an unknown name, a missing folder, a contradiction.
        EmotionNetError: the corpus or the checkpoint cannot be used.
    """
    from emotionnet.clips.records import Records
    from emotionnet.inputs.protocols import number_of_folds, split_rows
    from emotionnet.systems import get_system
    from emotionnet.training.uncertainty import Learning

    _check(streams=(streams, (*STREAMS, "both")), precision=(precision, PRECISIONS))
    labels_when = Learning(learning, start_fraction, per_epoch)
    if records is None:
        corpus = corpus or "demo"
        records = prepare_corpus(corpus, root, workers, corpus_options or {})
    elif corpus or root:
        raise UsageError("give either --records, or --corpus with --root, not both")
    records = Records.open(records)
    corpus = records.rows[0].corpus
    demo = corpus == "demo"
    protocol = protocol or ("holdout" if demo else "actor_folds")
    augment = augment or ("light" if demo else "paper")
    _check(augment=(augment, AUGMENT))
    if folds == "all":
        folds = range(1, number_of_folds(records.rows, protocol) + 1)
    pairs = [(fold, seed) for seed in seeds for fold in folds]

    wanted = list(STREAMS) if streams == "both" else [streams]
    wanted = [s for s in wanted if streams != "both" or _any_has(records.rows, s)]
    overrides = {
        "epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate, "patience": patience,
    }  # fmt: skip
    overrides = {key: value for key, value in overrides.items() if value is not None}
    # A system may bring settings of its own.
    which, general = ("DEMO_SETTINGS", DEMO_SETTINGS) if demo else ("SETTINGS", SETTINGS)
    own = get_system(system)
    settings = {
        stream: {**each, **overrides}
        for stream, each in {**general, **getattr(own, which, {})}.items()
    }
    system_config = {
        "samples": window_samples(records.rows),
        "batch_norm_momentum": 0.9,  # 0.99 lags behind in trainings of a few hundred steps
        **(DEMO_SYSTEM if demo else {}),
        **getattr(own, "CORPUS_CONFIG", {}).get(corpus, {}),
        **(system_config or {}),
        "streams": tuple(wanted),
    }
    name = name or _free_name(
        Path(out), _default_name(system, corpus, protocol, streams, learning), resume
    )
    top = Path(out) / name

    from emotionnet.emotions import label_order

    for fold, seed in pairs:
        split = split_rows(records.rows, protocol=protocol, fold=fold, seed=seed)
        config = {
            "system": system,
            "system_config": _full_config(system, system_config),
            "labels": list(label_order(row.emotion for row in records.rows)),
            "corpus": corpus,
            "label_kind": records.rows[0].label_kind,
            "records": str(Path(records.folder).resolve()),
            "manifest_hash": records.manifest_hash,
            "protocol": protocol,
            "protocol_description": split.description,
            "split_warning": split.warning,
            "leaky": split.leaky,
            "fold": fold,
            "folds": split.folds,
            "seed": seed,
            "streams": wanted,
            "joint": joint,
            "settings": settings,
            "augment": augment,
            "precision": precision,
            "learning": dataclasses.asdict(labels_when),
        }
        folder = top if len(pairs) == 1 else top / f"fold_{fold}_seed_{seed}"
        _train_one(folder, config, split, records, resume)
    if len(pairs) > 1:
        from emotionnet.evaluate import evaluate

        evaluate(top)
    return top


def prepare_corpus(
    corpus: str, root: str | os.PathLike | None, workers: int | None, options: dict
) -> Path:
    """Prepares a corpus into ``data/<corpus>/records``, unless that is done already."""
    from emotionnet.prepare import prepare

    if corpus != "demo" and root is None:
        raise UsageError(f"--corpus {corpus} needs --root: the folder that holds its files")
    home = DATA / corpus
    out = home / "records"
    prepare(corpus, Path(root) if root else home / "clips", out, workers=workers, **options)
    return out


def window_samples(rows: Sequence) -> int:
    """Samples of sound that hold the longest clip, in half seconds at 16 kHz, at most 6 s."""
    longest = max((row.samples for row in rows), default=0)
    return 8000 * min(12, max(2, math.ceil(longest / 8000)))


def _train_one(folder: Path, config: dict, split, records, resume: bool) -> None:
    from emotionnet.evaluate import evaluate
    from emotionnet.training.run import Run
    from emotionnet.training.train import train_run

    if resume and (folder / "config.json").exists():
        run = Run.open(folder)
        asked = Run(folder, {**run.config, **config})
        if asked.fingerprint() != run.fingerprint():
            changed = [k for k in config if run.config.get(k) != asked.config[k]]
            raise UsageError(
                f"{folder}: this run was started with other settings ({', '.join(changed)}). "
                "Resume it with the same ones, or give a new --name."
            )
    else:
        run = Run.create(folder, config, split)
    if not run.finished:
        _announce(run, split)
        train_run(run, records)
    if not (folder / "metrics.json").exists():
        evaluate(folder, records=records.folder)


def _announce(run, split) -> None:
    config = run.config
    print(f"run        {run.folder}")
    print(f"system     {config['system']}, faces at {config['system_config']['image_size']} px")
    print(
        f"corpus     {config['corpus']}, {len(config['labels'])} emotions: {', '.join(config['labels'])}"
    )
    print(f"protocol   {split.description}")
    print(
        f"clips      {len(split.train)} to learn from, {len(split.validation)} to choose the epoch, "
        f"{len(split.test)} to test"
    )
    if split.warning:
        print(f"warning    {split.warning}")


def _full_config(system: str, overrides: dict) -> dict:
    from emotionnet.systems import make_config

    full = dataclasses.asdict(make_config(system, **overrides))
    return {key: list(v) if isinstance(v, tuple) else v for key, v in full.items()}


def _any_has(rows: Sequence, stream: str) -> bool:
    return any(row.faces_found > 0 if stream == "faces" else row.samples > 0 for row in rows)


def _default_name(*parts: str) -> str:
    if parts == ("ghost_fan", "demo", "holdout", "both", "all"):
        return "demo"
    return "-".join(part for part in parts if part not in ("both", "all"))


def _free_name(out: Path, name: str, resume: bool) -> str:
    if resume:
        return name
    free, number = name, 1
    while (out / free).exists():
        number += 1
        free = f"{name}-{number}"
    if free != name:
        print(f"{out / name} is there already (--resume goes on with an unfinished one)")
    return free


def _check(**choices: tuple[str, Sequence[str]]) -> None:
    for option, (value, known) in choices.items():
        if value not in known:
            raise UsageError(f"--{option} {value}: not known. Choose one of {', '.join(known)}.")


def _pair(text: str) -> tuple[str, object]:
    import ast

    key, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r}: expected FIELD=VALUE")
    try:
        return key, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return key, value


def _folds(text: str) -> list[int] | str:
    if text == "all":
        return text
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: expected all, or numbers like 1,3") from None


def parser() -> argparse.ArgumentParser:
    """The command line of ``python -m emotionnet.fit``."""
    p = argparse.ArgumentParser(
        prog="python -m emotionnet.fit",
        description="Train and evaluate a system. Without arguments: the whole line on the demo corpus.",
    )
    g = p.add_argument_group("what to learn from")
    g.add_argument("--corpus", help="demo (default), ravdess, crema_d or folder")
    g.add_argument("--root", metavar="DIR", help="folder of the corpus")
    g.add_argument("--records", metavar="DIR", help="prepared records instead of a corpus")
    g.add_argument("--channel", help="ravdess: speech (default), song or all")
    g.add_argument("--labels", help="crema_d: acted (default) or perceived")
    g.add_argument("--workers", type=int, help="processes that prepare clips (default: all cores)")
    g = p.add_argument_group("what to train")
    g.add_argument("--system", default="ghost_fan", help="default: %(default)s")
    g.add_argument("--set", dest="system_config", type=_pair, action="append", default=[],
                   metavar="FIELD=VALUE", help="change a field of the system's config")  # fmt: skip
    g.add_argument("--streams", default="both", help="faces, speech or both (default)")
    g.add_argument("--joint", action="store_true", help="train through the fusion, all at once")
    g = p.add_argument_group("protocol")
    g.add_argument("--protocol", help="actor_folds (default), holdout (demo), stratified, random")
    g.add_argument("--fold", type=int, help="which fold is the test part (default: 1)")
    g.add_argument("--folds", type=_folds, help="several: all, or 1,3,5")
    g.add_argument("--seed", type=int, help="default: 0")
    g.add_argument("--seeds", type=int, metavar="N", help="several: 0 to N-1")
    g = p.add_argument_group("how")
    for stream_option in ("epochs", "batch-size", "patience"):
        g.add_argument(f"--{stream_option}", type=int)
    g.add_argument("--learning-rate", type=float)
    g.add_argument("--augment", help=f"{', '.join(AUGMENT)} (default: paper; demo: light)")
    g.add_argument("--precision", default="float32", help=", ".join(PRECISIONS))
    g = p.add_argument_group("learning from few labels")
    g.add_argument("--learning", default="all",
                   help="which labels are used: all (default) from the start; or uncertainty, or "
                   "random: those of some actors, and after each epoch a few more")  # fmt: skip
    g.add_argument("--start-fraction", default="1/3", metavar="SHARE",
                   help="training actors labelled from the start (default: %(default)s)")  # fmt: skip
    g.add_argument("--per-epoch", type=int, default=20, metavar="CLIPS",
                   help="clips labelled after each epoch (default: %(default)s)")  # fmt: skip
    g = p.add_argument_group("where")
    g.add_argument("--name", help="name of the run folder")
    g.add_argument("--out", default="saved_models", metavar="DIR", help="default: %(default)s")
    g.add_argument("--resume", action="store_true", help="go on with the run after a kill")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the command line and fits."""
    p = parser()
    args = vars(p.parse_args(argv))
    for several, single, default in (("folds", "fold", 1), ("seeds", "seed", 0)):
        one, many = args.pop(single), args.pop(several)
        if one is not None and many is not None:
            p.error(f"give --{single} or --{several}, not both")
        if several == "seeds" and many is not None:
            many = range(many)
        args[several] = many if many is not None else [default if one is None else one]
    args["system_config"] = dict(args["system_config"])
    options = {key: args.pop(key) for key in ("channel", "labels")}
    args["corpus_options"] = {key: value for key, value in options.items() if value is not None}
    folder = fit(**args)
    print(f"\nreport     {folder / 'report.html'}")
    print(f"next       python -m emotionnet.predict {folder} YOUR_CLIP.mp4")
    return 0


if __name__ == "__main__":
    run_command(main)
else:
    make_callable(__name__)
