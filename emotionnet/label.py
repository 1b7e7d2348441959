"""``python -m emotionnet.label RUN --pool DIR``: label the clips that a run is least sure about.

The clips of a folder are scored by the entropy of the run's answer, and the most uncertain ones are
shown on a page in the browser: one key a label. Every answer is written at once to a CSV that
``python -m emotionnet.fit --corpus folder`` reads. The same command resumes.
"""

import argparse
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from emotionnet.command import as_verb, command_line
from emotionnet.labelling.round import TABLE, label, next_command


def parser() -> argparse.ArgumentParser:
    """The command line of ``python -m emotionnet.label``."""
    p = command_line(
        "label", "Label the clips that a run is least sure about, in the browser, one key each."
    )
    p.add_argument("run", metavar="RUN", help="a run folder, or an exported bundle")
    p.add_argument("--pool", required=True, metavar="DIR", help="folder of your recordings")
    p.add_argument("--most", type=int, default=50, help="clips to ask about (default: %(default)s)")
    p.add_argument("--out", metavar="CSV", help=f"answers (default: {TABLE} in the pool)")
    p.add_argument("--port", type=int, help="of the page on this machine")
    p.add_argument("--no-browser", action="store_true", help="only print the page's address")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the command line, asks, and says what to do with the answers."""
    from emotionnet.deploy.bundle import open_run
    from emotionnet.prediction.text import NEVER_SEEN

    args = parser().parse_args(argv)

    def ready(url: str) -> None:
        print(f"page     {url}")
        print("keys     1-9 the label, U undo, S skip, space play; Ctrl-C here or “Finish” to stop")
        sys.stdout.flush()
        if not args.no_browser:
            webbrowser.open(url)

    if open_run(args.run).config["label_kind"] == "drawn":
        print(NEVER_SEEN, file=sys.stderr)
    out = Path(args.out) if args.out else Path(args.pool, TABLE)
    try:
        label(args.run, args.pool, args.most, out, port=args.port, ready=ready)
    except KeyboardInterrupt:
        print("\nstopped: every answer is saved, and the same command continues", file=sys.stderr)
    if out.is_file():
        print(f"labels   {out}")
        print(f"next     {next_command(Path(args.pool), out)}")
    return 0


as_verb(__name__, main)
