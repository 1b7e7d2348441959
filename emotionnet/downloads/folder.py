"""The folder that a download goes to: what is there already, whether there is space, and whether it is wanted."""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.files import read_json

#: In the folder: what was downloaded whole, so that it is not loaded again.
STATE = ".downloaded.json"


def read_state(folder: Path) -> dict[str, dict[str, int]]:
    """What ``folder`` has whole: item → its files and their sizes.

    Raises:
        EmotionNetError: the file that says so is damaged.
    """
    try:
        return read_json(folder / STATE)
    except FileNotFoundError:
        return {}
    except ValueError:
        raise EmotionNetError(
            f"{folder / STATE}: cannot be read. Remove it; the files that are there are checked again."
        ) from None


def is_complete(folder: Path, files: dict[str, int] | None) -> bool:
    """Whether all that an item brought is still there."""
    if not files:
        return False
    paths = {folder / name: size for name, size in files.items()}
    return all(path.is_file() and path.stat().st_size == size for path, size in paths.items())


def check_disk(folder: Path, items: Sequence[dict]) -> None:
    """Refuses a disk that is too small.

    Archives are unpacked one after the other, so at most the largest is there beside the content of
    all. What is not unpacked (``unpacked_bytes`` 0) is there once.
    """
    kept = sum(item["unpacked_bytes"] or item["bytes"] for item in items)
    needed = kept + max(item["bytes"] if item["unpacked_bytes"] else 0 for item in items)
    existing = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise EmotionNetError(
            f"{existing}: {size_in_words(free)} are free, about {size_in_words(needed)} are needed. Choose another "
            "--out, or fewer --actors."
        )


def ask() -> None:
    """Asks whether size and licence are agreed to.

    Raises:
        UsageError: there is no terminal to ask on, or the answer is no.
    """
    if not sys.stdin.isatty():
        raise UsageError(
            "give --yes to agree to size and licence (there is no terminal to ask on)."
        )
    if input("download, and keep to the licence? [y/N] ").strip().lower() not in ("y", "yes"):
        raise UsageError("nothing was downloaded.")


def size_in_words(count: float) -> str:
    """A number of bytes, for people."""
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
