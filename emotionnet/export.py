"""``python -m emotionnet.export RUN --out DIR``: a run becomes a folder that runs on a phone.

The folder holds the model in several precisions with named entry points, a contract with everything
needed to call it, golden inputs and answers, the accuracy of every precision, and Kotlin
source. ``python -m emotionnet.verify DIR`` checks it on any machine, without TensorFlow.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from emotionnet.command import as_verb, command_line, command_text
from emotionnet.deploy.exporting import KNOWN, export
from emotionnet.files import read_json


def parser() -> argparse.ArgumentParser:
    """The command line of ``python -m emotionnet.export``."""
    p = command_line("export", "Export a trained run as a folder that runs on a phone.")
    p.add_argument("run", metavar="RUN", help="a run folder")
    p.add_argument("--out", required=True, metavar="DIR", help="the folder to make")
    p.add_argument(
        "--precisions",
        type=lambda text: [part for part in text.split(",") if part],
        default=list(KNOWN),
        help=f"some of {','.join(KNOWN)} (default: all)",
    )
    p.add_argument("--records", metavar="DIR", nargs="+", help="the run's records, where they have moved; "
                   "both of a run that was combined out of two")  # fmt: skip
    p.add_argument("--clips", type=int, default=64, help="test clips to compare on (%(default)s)")
    p.add_argument(
        "--calibration-clips", type=int, default=64, help="clips for int8's ranges (%(default)s)"
    )
    p.add_argument("--timeout", dest="timeout_s", type=float, default=900, help="seconds")
    p.add_argument("--page", action="store_true", help="with page.html, which runs in a browser")
    return p


def files(folder: Path) -> Iterator[str]:
    """A line a model file of a bundle that was just made: its size, and how often it answers as the run does."""
    place = folder / "accuracy.json"
    compared = read_json(place) if place.is_file() else {}
    for precision, entry in read_json(folder / "contract.json")["files"].items():
        line = f"{entry['file']}  {entry['bytes'] / 1e6:.2f} MB"
        if scores := compared.get(precision, {}).get("fused"):
            line += f", the run's answer to {100 * scores['agreement']:.1f} % of {scores['clips']} clips"
        yield line


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the command line and exports."""
    begun = time.monotonic()
    args = vars(parser().parse_args(argv))
    folder = export(args.pop("run"), args.pop("out"), **args)
    print(f"bundle     {folder} (in {time.monotonic() - begun:.0f} s)")
    for line in files(folder):
        print(f"           {line}")
    print(f"next       {command_text('verify', folder)}")
    return 0


as_verb(__name__, main)
