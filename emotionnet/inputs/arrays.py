"""Arrays of many clips on the disk: written batch after batch, read by memory mapping."""

import os
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap

from emotionnet.files import atomic_path, is_full


def write_arrays(
    batches: Iterable[Mapping[str, np.ndarray]], clips: int, files: Mapping[str, Path]
) -> None:
    """Writes what ``batches`` give as one ``.npy`` a name; all of them whole, or none.

    Args:
        batches: name → (some, ...), ``clips`` in all.
        clips: length of the arrays.
        files: name → where it goes.

    Raises:
        OSError: there is no room for them, or they may not be written.
    """
    with ExitStack() as stack:
        temporary = {name: stack.enter_context(atomic_path(path)) for name, path in files.items()}
        arrays: dict[str, np.ndarray] = {}
        done = 0
        for batch in batches:
            for name, each in batch.items():
                if name not in arrays:
                    shape = (clips, *each.shape[1:])
                    arrays[name] = open_memmap(temporary[name], "w+", each.dtype, shape)
                    _reserve(temporary[name])
                arrays[name][done : done + len(each)] = each
            done += len(next(iter(batch.values())))
        for array in arrays.values():
            array.flush()


def _reserve(path: Path) -> None:
    """Takes the room on the disk: on a full one writing to mapped memory kills the process, without a word."""
    if not hasattr(os, "posix_fallocate"):
        return
    with open(path, "r+b") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        except OSError as error:
            if is_full(error):
                raise OSError(error.errno, error.strerror, os.fspath(path)) from None


def read_arrays(files: Mapping[str, Path]) -> dict[str, np.ndarray]:
    """What `write_arrays` has written, memory-mapped: only what is used is read."""
    return {name: np.load(path, mmap_mode="r") for name, path in files.items()}
