"""``python -m emotionnet.label RUN --pool DIR``: label the clips that a run is least sure about.

The clips of a folder are scored by the entropy of the run's answer, and the most uncertain ones are
shown on a page in the browser: one key a label. Every answer is written at once to a CSV that
``python -m emotionnet.fit --corpus folder`` reads. The same command takes up where it was left.
"""

import argparse
import os
import shlex
import sys
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path

from emotionnet.command import as_verb, not_empty
from emotionnet.errors import EmotionNetError, UsageError

#: Name of the answers inside the pool, where no other is given.
TABLE = "labels.csv"


def label(
    run: str | os.PathLike,
    pool: str | os.PathLike,
    most: int = 50,
    out: str | os.PathLike | None = None,
    *,
    port: int | None = None,
    ready: Callable[[str], object] | None = webbrowser.open,
) -> Path:
    """Asks a person about the most uncertain clips of a folder; returns when they are done.

    Args:
        run: the run folder whose model scores the clips and whose labels are offered.
        pool: folder of recordings, searched at any depth.
        most: how many clips to ask about. Clips labelled in an earlier round are not asked again.
        out: CSV of the answers; by default ``labels.csv`` in the pool. Beside it are kept the
            scores (``labels.scores.csv``) and which clips were skipped.
        port: of the page's address on this machine; by default the same one for the same CSV.
        ready: is called with the page's address when it can be opened; by default opens a browser.

    Returns:
        The CSV.

    Raises:
        UsageError: no run or no recordings there, or ``out`` is another kind of file.
        EmotionNetError: the run cannot be used, or there is nothing left to label.
    """
    from emotionnet.corpora.listing import left_out
    from emotionnet.deploy.bundle import open_run
    from emotionnet.labelling.queue import most_uncertain, run_id, score_pool
    from emotionnet.labelling.server import LabelServer
    from emotionnet.labelling.session import Session, read_labels

    if most < 1:
        raise UsageError(f"--most {most}: needs at least 1")
    pool = Path(not_empty(pool, "the pool"))
    out = Path(out) if out else pool / TABLE
    opened = open_run(run)
    rows = read_labels(out)  # complains before the clips are scored
    this_run = run_id(opened)
    ignored: list[tuple[str, str]] = []
    scored = score_pool(run, pool, out.with_suffix(".scores.csv"), ignored)
    ours = {path.resolve() for path in out.parent.glob(f"{out.stem}*.csv")}
    others = [each for each in ignored if (pool / each[0]).resolve() not in ours]
    for line in left_out(others):
        print(line, file=sys.stderr)
    unusable = [clip for clip in scored if clip.error]
    if unusable:
        print(
            f"{len(unusable)} of {len(scored)} clips cannot be used, for example "
            f"{unusable[0].file}: {unusable[0].error}",
            file=sys.stderr,
        )
    # What this very model was asked about stays in the list, so that it can be continued.
    earlier = {file for file, row in rows.items() if row["run"] != this_run}
    clips = most_uncertain(scored, most, earlier)
    if not clips:
        raise EmotionNetError(
            f"{pool}: all of its clips are labelled in {out}. Learn from them:\n  "
            + next_command(pool, out)
        )
    session = Session(pool, out, clips, opened.labels, this_run)
    server = LabelServer(session, next_command(pool, out), port)
    if ready is not None:
        ready(server.url)
    server.run()
    return out


def next_command(pool: Path, out: Path) -> str:
    """The command that learns from the answers."""
    try:
        table = out.resolve().relative_to(pool.resolve()).as_posix()
    except ValueError:
        table = str(out.resolve())
    words = ["--corpus", "folder", "--root", str(pool), "--table", table]
    return f"python -m emotionnet.fit {shlex.join(words)}"


def parser() -> argparse.ArgumentParser:
    """The command line of ``python -m emotionnet.label``."""
    p = argparse.ArgumentParser(
        prog="python -m emotionnet.label",
        description="Label the clips that a run is least sure about, in the browser, one key each.",
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
