"""Progress bars with a rate and the time left, on stderr, so that stdout stays data."""

import sys
from collections.abc import Iterable

from tqdm import tqdm


def progress(iterable: Iterable | None = None, *, total: int | None = None, what: str, unit: str):
    """A tqdm bar named ``what``; a line every 10 s where stderr is no terminal (logs, CI)."""
    terminal = sys.stderr.isatty()
    return tqdm(
        iterable,
        total=total,
        desc=what,
        unit=f" {unit}",
        file=sys.stderr,
        dynamic_ncols=terminal,
        mininterval=0.2 if terminal else 10,
        leave=True,
    )
