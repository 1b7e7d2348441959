"""``python -m emotionnet.sweep FIELD=VALUE,VALUE …``: a product of settings, trained and compared.

Every cell of ``variant=F1,F4 speech=S1,S2 fusion=GM,AM`` gets a score; equal streams are trained once, since
streams that are fused without weights are trained apart and fused by their answers. Cells are ranked on
validation clips. Takes the options of ``fit``, and continues where it was stopped.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from emotionnet.command import as_verb
from emotionnet.runs.swept import MANY, PAGE, TABLE, summary, sweep
from emotionnet.training import options
from emotionnet.training.grid import read_axes


def parser() -> argparse.ArgumentParser:
    """The command line of ``python -m emotionnet.sweep``."""
    p = options.parser(
        "sweep",
        "Train every cell of a product of settings, what is equal once, and compare them. Options of fit.",
        " FIELD=VALUES …",
    )
    p.set_defaults(name="sweep")
    p.add_argument("axes", metavar="FIELD=VALUES", nargs="+", help="a setting and its values: "
                   "variant=F1,F4 learning_rate=0.001,0.01")  # fmt: skip
    g = p.add_argument_group("the sweep")
    g.add_argument("--choose", action="store_true",
                   help="choose the best on validation clips: test figures of it alone")  # fmt: skip
    g.add_argument("--yes", action="store_true",
                   help=f"start more than {MANY} trainings")  # fmt: skip
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the command line, trains what is not trained yet, and prints the cells."""
    given = options.arguments(parser(), argv)
    axes = read_axes(given.pop("axes"))
    rows = sweep(axes, **given)
    top = Path(given["out"]) / given["name"]
    print(f"\n{summary(rows, list(axes))}\npage: {top / PAGE}\ntable: {top / TABLE}")
    return 0


as_verb(__name__, main)
