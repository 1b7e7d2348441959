"""One round of labelling: a pool is scored, its most uncertain clips are shown, the answers are kept."""

import os
import sys
import webbrowser
from collections.abc import Callable
from pathlib import Path

from emotionnet.command import command_text, not_empty
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
    from emotionnet.labelling.session import Session, labelled, read_labels

    if most < 1:
        raise UsageError(f"--most {most}: needs at least 1")
    if port is not None and not 0 <= port < 1 << 16:
        raise UsageError(f"--port {port}: there are ports up to 65535.")
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
    earlier = {file for file, row in labelled(rows).items() if row["run"] != this_run}
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
    return command_text("fit", "--corpus", "folder", "--root", pool, "--table", table)
