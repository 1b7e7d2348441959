"""``python -m emotionnet.download ravdess|crema_d|landmarks``: a corpus, or the model that finds landmarks.

Nothing is downloaded before you have seen and accepted size and licence. Downloads are verified,
continue after an interruption, and are skipped where the files are there already.
"""

import argparse
from collections.abc import Sequence

from emotionnet.command import as_verb, command_line
from emotionnet.downloads.download import PLACES, download


def _numbers(text: str) -> list[int]:
    """``1,3-5`` as [1, 3, 4, 5]."""
    numbers: list[int] = []
    try:
        for piece in text.split(","):
            first, _, last = piece.partition("-")
            found = range(int(first), int(last or first) + 1)
            if not found:
                raise ValueError(f"{piece}: backwards")
            numbers += found
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: expected numbers like 1,3-5") from None
    return numbers


def parser() -> argparse.ArgumentParser:
    """The command line of ``python -m emotionnet.download``."""
    p = command_line("download", __doc__)
    p.add_argument("corpus", help=f"{', '.join(PLACES)} (the model of the field landmarks68)")
    p.add_argument("--out", metavar="DIR", help="default: data/<corpus>/clips")
    p.add_argument(
        "--part",
        help="speech-video (default), speech-audio; of RAVDESS song-audio and landmarks (tables)",
    )
    p.add_argument("--actors", type=_numbers, metavar="1,3-5", help="only these")
    p.add_argument("--yes", action="store_true", help="agree to size and licence")
    p.add_argument("--source", metavar="URL", help="another address, or file, of the same")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the command line and downloads."""
    download(**vars(parser().parse_args(argv)))
    return 0


as_verb(__name__, main)
