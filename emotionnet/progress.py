"""Progress bars with a rate and the time left, on stderr, so that stdout stays data.

In a notebook they go to stdout: there stderr is painted as if something had gone wrong.
"""

import sys
from collections.abc import Iterable

from tqdm import tqdm


def progress(iterable: Iterable | None = None, *, total: int | None = None, what: str, unit: str):
    """A tqdm bar named ``what``; a line every 10 s where there is no terminal (logs, CI)."""
    notebook = type(sys.stdout).__module__.startswith("ipykernel.")
    terminal = sys.stderr.isatty() and not notebook
    return tqdm(
        iterable,
        total=total,
        desc=what,
        unit=f" {unit}",
        file=sys.stdout if notebook else sys.stderr,
        dynamic_ncols=terminal,
        ncols=100 if notebook else None,
        mininterval=0.2 if terminal else 1 if notebook else 10,
        leave=True,
    )
