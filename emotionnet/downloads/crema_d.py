"""Where CREMA-D is: a git repository whose recordings are kept in Git LFS, and its mirror.

The repository as a zip archive holds a pointer of three lines for each recording, with its SHA-256 and
length; an LFS server hands out what has that SHA-256, so it need not be trusted. The first server's
monthly budget is often used up (CREMA-D issue 15), hence the second.
"""

import io
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from emotionnet.corpora.canonical import clip_list
from emotionnet.downloads import Where
from emotionnet.downloads.fetch import Remote, fetch, read, read_json
from emotionnet.errors import EmotionNetError

TITLE = "CREMA-D: 91 actors, six emotions, picture and sound (Cao et al. 2014)"
LICENCE = (
    "Open Database License 1.0, contents under the Database Contents License 1.0: name the authors, "
    "pass adapted databases on under the same licence. The recordings show and voice identifiable "
    "people."
)
SOURCE = "https://github.com/CheyneyComputerScience/CREMA-D"
#: The repository that has the pointers, and those whose servers have the recordings, best first.
MIRRORS = ("https://gitlab.com/cs-cooper-lab/crema-d-mirror",)
PAGE = SOURCE

PARTS = {"speech-video": ("VideoFlash", ".flv"), "speech-audio": ("AudioWAV", ".wav")}
DEFAULT_PART = "speech-video"
ACTORS = range(1001, 1092)
#: Recordings that are asked for, and counted as one item, at once.
BATCH = 100
_LFS = "application/vnd.git-lfs+json"
_POINTER = re.compile(
    r"version https://git-lfs\.github\.com/spec/v1\noid sha256:([0-9a-f]{64})\nsize (\d+)\s*"
)


def where(part: str) -> Where:
    """Where a part is, see `Where`."""
    then = "fit --corpus crema_d --root {folder}"
    return Where(SOURCE, PAGE, Path("data/crema_d/clips"), then)


def plan(part: str, actors: Sequence[int] | None, source: str) -> list[dict]:
    """The recordings of a part, a hundred an item: ``name``, ``bytes``, ``unpacked_bytes``, ``pointers``.

    Reads the repository's pointers (about 24 MB).

    Args:
        part: one of `PARTS`.
        actors: of `ACTORS`; None for all.
        source: the repository.

    Raises:
        EmotionNetError: the repository does not hold what it should.
    """
    folder, ending = PARTS[part]
    known = clip_list("crema_d")
    pointers = {}
    data = read(f"{source}/archive/refs/heads/master.zip")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in archive.namelist():
                path = PurePosixPath(name)
                if path.parent.name != folder or path.suffix != ending or path.stem not in known:
                    continue
                match = _POINTER.fullmatch(archive.read(name).decode("utf-8", "replace"))
                if match:
                    pointers[path.stem] = (match[1], int(match[2]))
    except zipfile.BadZipFile as error:
        raise EmotionNetError(f"{source}: its archive cannot be read ({error}).") from None
    missing = sorted(set(known) - set(pointers))
    if missing:
        raise EmotionNetError(
            f"{source}: {len(missing)} of {len(known)} recordings are not in {folder}, {missing[0]} "
            f"for one. The repository has changed. Look at {PAGE}."
        )
    chosen = [
        clip for clip in sorted(pointers) if actors is None or int(known[clip]["actor"]) in actors
    ]
    chunks = [chosen[i : i + BATCH] for i in range(0, len(chosen), BATCH)]
    return [
        {
            "name": f"{folder}, {chunk[0]} to {chunk[-1]}",
            "bytes": sum(pointers[clip][1] for clip in chunk),
            "unpacked_bytes": 0,
            "pointers": {f"{folder}/{clip}{ending}": pointers[clip] for clip in chunk},
        }
        for chunk in chunks
    ]


def get(item: dict, part: str, folder: Path, archives: Path, source: str, bar) -> dict[str, int]:
    """Downloads the recordings of one item of `plan`; see `emotionnet.downloads.ravdess.get`."""
    wanted = {
        name: (oid, size)
        for name, (oid, size) in item["pointers"].items()
        if not _is_there(folder / name, size)
    }
    bar.update(item["bytes"] - sum(size for _, size in wanted.values()))
    remotes = _remotes(set(wanted.values()), source) if wanted else {}
    for name, (oid, _) in sorted(wanted.items()):
        fetch(remotes[oid], folder / name, bar)
    return {name: size for name, (_, size) in item["pointers"].items()}


def _is_there(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _remotes(objects: set[tuple[str, int]], source: str) -> dict[str, Remote]:
    """Where each object is, from the first server that has them all."""
    mirrors = MIRRORS if source == SOURCE else ()
    failures = []
    for repository in (source, *mirrors):
        try:
            return _ask(repository, objects)
        except EmotionNetError as error:
            failures.append(str(error))
    raise EmotionNetError("no server hands out the recordings:\n  " + "\n  ".join(failures))


def _ask(repository: str, objects: set[tuple[str, int]]) -> dict[str, Remote]:
    answer = read_json(
        f"{repository}.git/info/lfs/objects/batch",
        {
            "operation": "download",
            "transfers": ["basic"],
            "objects": [{"oid": oid, "size": size} for oid, size in sorted(objects)],
        },
        {"Accept": _LFS, "Content-Type": _LFS},
    )
    remotes, sizes = {}, dict(objects)
    for each in answer.get("objects", ()):
        action = each.get("actions", {}).get("download")
        if action is None or each["oid"] not in sizes:
            reason = each.get("error", {}).get("message", "no address")
            raise EmotionNetError(f"{repository}: {each.get('oid')}: {reason}.")
        oid = each["oid"]
        remotes[oid] = Remote(action["href"], sizes[oid], "sha256", oid, action.get("header", {}))
    if len(remotes) < len(objects):
        raise EmotionNetError(f"{repository}: {len(objects) - len(remotes)} objects are missing.")
    return remotes
