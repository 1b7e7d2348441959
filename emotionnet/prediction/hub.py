"""Runs that lie on the Hugging Face Hub: ``hf://USER/NAME``, or ``hf://USER/NAME@REVISION``."""

import os
import re
import sys
from contextlib import suppress
from pathlib import Path

from emotionnet.errors import EmotionNetError, UsageError

SCHEME = "hf://"
#: What of a run is fetched: what it is asked with, and what says where it comes from.
FILES = ("config.json", "versions.json", "metrics.json", "model.keras", "README.md")
_HANDLE = re.compile(r"hf://(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?/?")


def local_run(run: str | os.PathLike) -> str | os.PathLike:
    """``run`` itself, or the folder that it was fetched to; what is fetched is printed.

    Files come into the cache of ``huggingface_hub`` once, and are not fetched again.

    Args:
        run: a folder, or a handle.

    Raises:
        UsageError: the handle is none, or ``huggingface_hub`` is not installed.
        EmotionNetError: there is no such run on the Hub, or it cannot be reached.
    """
    text = os.fspath(run)
    if text.startswith(("https://", "http://")):
        raise UsageError(
            f"{text}: an address of the web is no run. Give a run folder of this machine, or "
            "hf://USER/NAME for one on the Hugging Face Hub."
        )
    if not text.startswith(SCHEME):
        return run
    match = _HANDLE.fullmatch(text)
    if not match:
        raise UsageError(f"{text}: expected hf://USER/NAME, or hf://USER/NAME@REVISION.")
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import (
            HfHubHTTPError,
            LocalEntryNotFoundError,
            RepositoryNotFoundError,
            RevisionNotFoundError,
        )
    except ModuleNotFoundError:
        raise UsageError(
            f"{text}: needs huggingface_hub, which is not installed: pip install 'emotionnet[hub]'"
        ) from None
    wanted = {
        "repo_id": match["repo"],
        "revision": match["revision"],
        "allow_patterns": list(FILES),
    }
    try:
        with suppress(OSError):  # without a network what is in the cache does
            _announce(text, snapshot_download(**wanted, dry_run=True))
        folder = Path(snapshot_download(**wanted))
    except RevisionNotFoundError:
        raise EmotionNetError(f"{text}: there is no revision {match['revision']}.") from None
    except RepositoryNotFoundError:
        raise EmotionNetError(
            f"{text}: there is no such model, or it is not yours to see (`hf auth login`)."
        ) from None
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise EmotionNetError(f"{text}: cannot be fetched ({reason}).") from None
    if not (folder / "config.json").is_file():
        raise EmotionNetError(
            f"{text}: is no run of EmotionNet (no config.json). Upload a run folder: "
            "`hf upload USER/NAME RUN`."
        )
    return folder


def _announce(handle: str, files) -> None:
    """Says what comes, and where from; nothing where all of it is here already."""
    missing = [file for file in files if file.will_download]
    if missing:
        size = sum(file.file_size or 0 for file in missing)
        names = ", ".join(file.filename for file in missing)
        print(f"fetching   {handle}: {names} ({size / 1e6:.1f} MB)", file=sys.stderr)
