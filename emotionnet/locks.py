"""One process at a time, where two would write the same files."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def alone(folder: str | os.PathLike) -> Iterator[None]:
    """Lets one process at a time write to ``folder``; the others wait, and say so.

    The lock is on a file beside the folder (``.NAME.lock``), whatever links lead to it, and is gone with the
    process that holds it, however that ends. The file stays, but where the folder did not come to be. Where nothing
    can be locked (a disk that may only be read, some mounts) nothing is.

    Args:
        folder: what is written; it need not be there yet.
    """
    from filelock import FileLock, Timeout

    folder = Path(folder)
    own = Path(os.path.realpath(folder))  # "." has no name
    place = own.with_name(f".{own.name}.lock")
    # A file that locks by being there would outlive a process that is killed: then rather no lock.
    lock = FileLock(place, fallback_to_soft=False)
    try:
        with suppress(OSError, NotImplementedError):
            own.parent.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                if place.exists():  # else no file can be made there, and no process holds it
                    print(f"{folder}: another process is writing it: waiting", file=sys.stderr)
                    lock.acquire()
        yield
    finally:
        if lock.is_locked and not own.exists():
            with suppress(OSError):  # Windows keeps a file that is open
                place.unlink(missing_ok=True)
        lock.release()
