"""``python -m emotionnet.page BUNDLE``: the model in a browser, as one file that needs no network.

The page uses camera and microphone, or a file, on the visitor's machine. It first checks on the
bundle's golden clips that it answers as on the PC, and it is not allowed to connect to anything.
"""

import argparse
import os
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from emotionnet.command import as_verb, command_line
from emotionnet.files import write_text
from emotionnet.shipped import shipped_bundle


def page(bundle: str | os.PathLike, out: str | os.PathLike | None = None) -> Path:
    """Writes the page of a bundle.

    Args:
        bundle: folder that `emotionnet.export` made, or ``people``.
        out: the HTML file to write; by default beside the bundle, with its name.

    Returns:
        The file.

    Raises:
        UsageError: no bundle there, or one without the entry points of live use.
        EmotionNetError: the bundle is damaged, or there is no Node to make the page with.
    """
    from emotionnet.deploy.web.build import build_page

    given = Path(bundle).resolve()
    place = Path(out) if out else given.with_name(f"{given.name}.html")
    write_text(place, build_page(shipped_bundle(bundle)))
    return place


def parser() -> argparse.ArgumentParser:
    """The command line of ``python -m emotionnet.page``."""
    p = command_line(
        "page", "Make one HTML file that runs a bundle's model in a browser, and open it."
    )
    p.add_argument(
        "bundle", metavar="BUNDLE", help="a folder that python -m emotionnet.export made"
    )
    p.add_argument("--out", metavar="FILE", help="the file to write (default: BUNDLE.html)")
    p.add_argument("--no-open", action="store_true", help="do not open it in a browser")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the command line, writes the page and opens it."""
    args = parser().parse_args(argv)
    place = page(args.bundle, args.out)
    print(f"page  {place} ({place.stat().st_size / 1e6:.2f} MB; it needs nothing but itself)")
    if not args.no_open and not webbrowser.open(place.resolve().as_uri()):
        print("note: no browser was found here; open the file in any", file=sys.stderr)
    return 0


as_verb(__name__, main)
