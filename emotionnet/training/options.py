"""The command line of what trains: `emotionnet.fit`, and the verbs that take its options."""

import argparse
from collections.abc import Sequence

from emotionnet.classes import add_options
from emotionnet.command import command_line
from emotionnet.recipes import names
from emotionnet.training.config import AUGMENT
from emotionnet.values import field_value


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
    p = command_line(
        verb,
        description,
        usage=f"%(prog)s [--recipe NAME | --config RUN] [option …]{words}",
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
                   help="start from every part of another run that agrees; without --system fine-tune it on "
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
    """The arguments of `fit`, from a command line that ``p`` (of `parser`) understands."""
    args = vars(p.parse_args(argv))
    for several, single in (("folds", "fold"), ("seeds", "seed")):
        one, many = args.pop(single), args.pop(several)
        if one is not None and many is not None:
            p.error(f"give --{single} or --{several}, not both")
        if several == "seeds" and many is not None:
            many = range(many)
        args[several] = many if one is None else [one]
    args["merge"] = args["merge"] or None
    fields = dict(args.pop("fields"))
    for name in fields:
        if args.get(name) not in (None, p.get_default(name)):
            p.error(f"give --{name.replace('_', '-')} or --set {name}, not both")
    for pairs in ("train", "augmentation"):
        args[pairs] = dict(args[pairs])
    args |= fields
    options = {
        key: args.pop(key) for key in ("channel", "labels", "happy", "parts", "table", "layout")
    }
    args["corpus_options"] = {key: value for key, value in options.items() if value is not None}
    return args
