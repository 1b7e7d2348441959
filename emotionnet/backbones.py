"""``python -m emotionnet.backbones [NAME …]``: compares picture networks by accuracy and cost.

Fine-tunes networks of ``keras.applications`` and our GhostNets as system ``faces`` on one corpus,
by one protocol, and puts accuracy with its 98 % Wilson interval beside size, parameters,
multiply-adds and time: as ``backbones.csv`` and ``backbones.png``, and printed. Finished networks
are not trained again, so it can be stopped, and called with more names.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from emotionnet.command import as_verb, command_line
from emotionnet.runs.picture_networks import backbones, report
from emotionnet.training.config import AUGMENT, PRECISIONS
from emotionnet.values import field_value


def parser() -> argparse.ArgumentParser:
    """The command line of ``python -m emotionnet.backbones``."""
    p = command_line(
        "backbones", "Fine-tune picture networks on one corpus, and count and time what they cost."
    )
    p.add_argument("names", nargs="*", metavar="NAME",
                   help="MobileNet, ConvNeXt-T, GhostNet … (default: the paper's 16 and ours)")  # fmt: skip
    g = p.add_argument_group("what to learn from")
    g.add_argument("--corpus", help="fer2013, or any other with faces")
    g.add_argument("--root", metavar="DIR", help="folder of the corpus")
    g.add_argument("--records", metavar="DIR", help="prepared records instead of a corpus")
    g.add_argument("--workers", type=int, help="processes that prepare clips (default: all cores)")
    g.add_argument("--protocol", help="see python -m emotionnet.fit")
    g = p.add_argument_group("how")
    g.add_argument("--backbone-weights", default="imagenet", metavar="WHERE",
                   help="imagenet (default), none, or a file or folder")  # fmt: skip
    g.add_argument("--image-size", type=int, default=64, help="default: %(default)s")
    g.add_argument("--head", default="dense", help="dense (the paper's, default) or pool")
    for option in ("epochs", "batch-size", "patience", "seed"):
        g.add_argument(f"--{option}", type=int)
    g.add_argument("--learning-rate", type=float)
    g.add_argument("--augment", help=f"{', '.join(AUGMENT)} (default: paper)")
    g.add_argument("--precision", help=", ".join(PRECISIONS))
    g.add_argument("--train", type=field_value, action="append", default=[], metavar="FIELD=VALUE",
                   help="change a setting of the training")  # fmt: skip
    g = p.add_argument_group("what")
    g.add_argument("--no-training", dest="training", action="store_false",
                   help="count only; accuracies of runs that are there already")  # fmt: skip
    g.add_argument("--no-latency", dest="latency", action="store_false", help="time nothing")
    g.add_argument("--out", default="saved_models/backbones", metavar="DIR", help="%(default)s")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the command line, trains, and prints the table."""
    args = vars(parser().parse_args(argv))
    seed, args["train"] = args.pop("seed"), dict(args["train"])
    args["seeds"] = None if seed is None else [seed]
    rows = backbones(**{key: value for key, value in args.items() if value not in (None, {})})
    print(report(rows))
    print(f"\ntable      {Path(args['out']) / 'backbones.csv'}")
    print(f"picture    {Path(args['out']) / 'backbones.png'}")
    return 0


as_verb(__name__, main)
