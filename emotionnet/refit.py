"""``python -m emotionnet.refit RUN``: continues training, on the validation people too, and evaluates again.

A run holds some people back to choose its epoch. Once it is chosen, training can use them too:
for a quarter of the epochs, at half the rate, the last epoch counts. The test people stay unseen.
The result is a new run (or group of runs) beside the first, so that `compare` can measure the gain.
"""

import argparse
from collections.abc import Sequence

from emotionnet.command import as_verb, command_line
from emotionnet.evaluation.headline import summary
from emotionnet.files import read_json
from emotionnet.runs.continued import refit


def parser() -> argparse.ArgumentParser:
    """The command line of ``python -m emotionnet.refit``."""
    p = command_line(
        "refit",
        "Continue the training of a run, from its validation people too, and evaluate it again.",
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
    folder = refit(**vars(parser().parse_args(argv)))
    print(f"\n{summary(read_json(folder / 'metrics.json'))}")
    print(f"\nreport     {folder / 'report.html'}")
    return 0


as_verb(__name__, main)
