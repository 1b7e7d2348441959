"""``python -m emotionnet.leave_out``: whether an emotion helps or harms the others, by training without it.

Trains the full model, and for each emotion one model without it. Fewer classes are an
easier task, so each of these is compared with the full model on the same clips, with that emotion
masked in its answers. Takes the options of ``fit``, and continues where it was stopped.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from emotionnet.command import as_verb
from emotionnet.runs.without import PAGE, leave_out, summary
from emotionnet.training import options


def parser() -> argparse.ArgumentParser:
    """The command line of ``python -m emotionnet.leave_out``."""
    p = options.parser(
        "leave_out", "Train without each emotion in turn, beside the full model. Options of fit."
    )
    p.set_defaults(name="leave_out")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the command line, trains what is not trained yet, and prints the table."""
    given = options.arguments(parser(), argv)
    rows = leave_out(**given)
    print(f"\n{summary(rows)}\npage: {Path(given['out']) / given['name'] / PAGE}")
    return 0


as_verb(__name__, main)
