"""``python -m emotionnet.cost SYSTEM|RUN|FILE``: what a network costs, here and on small boards.

Parameters, multiply-adds, bytes moved and memory, by layer and in total; the time it takes here; the
shortest possible time on the boards of system 1's paper, with a verdict; and the roofline as a picture.
"""

import argparse
import json
from collections.abc import Sequence

from emotionnet.command import as_verb, command_line
from emotionnet.deploy.costing import cost
from emotionnet.errors import UsageError
from emotionnet.values import field_value


def _numbers(text: str) -> tuple[int, ...]:
    try:
        numbers = tuple(int(part) for part in text.split(",") if part)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: expected numbers like 1,2,4") from None
    if any(number < 1 for number in numbers):
        raise argparse.ArgumentTypeError(f"{text!r}: at least one thread")
    return numbers


def parser() -> argparse.ArgumentParser:
    """The command line of ``python -m emotionnet.cost``."""
    p = command_line("cost", "Parameters, multiply-adds, bytes, memory and time of a network.")
    p.add_argument("target", metavar="SYSTEM|RUN|FILE",
                   help="name of a system, run folder, or .keras, .tflite or .onnx file")  # fmt: skip
    p.add_argument("--set", dest="config", type=field_value, action="append", default=[],
                   metavar="FIELD=VALUE", help="change a field of the system's config")  # fmt: skip
    p.add_argument("--classes", dest="num_classes", type=int, default=8, help="of a system: 8")
    p.add_argument("--signature", help="of a .tflite file (default: classify)")
    p.add_argument("--threads", type=_numbers, default=(1, 2, 4), metavar="1,2,4",
                   help="numbers of threads to time with (default: 1,2,4)")  # fmt: skip
    p.add_argument("--no-latency", dest="threads", action="store_const", const=(),
                   help="count only, time nothing")  # fmt: skip
    p.add_argument("--runs", type=int, default=30, help="timed runs (default: 30)")
    p.add_argument("--depth", type=int, default=3, help="names of a path to show (default: 3)")
    p.add_argument("--plot", metavar="PNG", help="draw the roofline")
    p.add_argument("--json", action="store_true", help="print JSON, with every layer")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the command line and prints the cost."""
    args = vars(parser().parse_args(argv))
    from emotionnet.deploy.cost_text import report

    as_json, config = args.pop("json"), dict(args.pop("config"))
    if args["runs"] < 1 or args["depth"] < 1:
        raise UsageError("--runs and --depth are at least 1.")
    clash = sorted(set(config) & set(args))
    if clash:
        raise UsageError(f"--set {clash[0]}: no setting of a system.")
    result = cost(**args, **config)
    print(json.dumps(result, indent=2) if as_json else report(result))
    if args["plot"] and not as_json:
        print(f"\nroofline  {args['plot']}")
    return 0


as_verb(__name__, main)
