"""Where RAVDESS is: Zenodo record 1188976, zip archives by actor.

Its landmarks, tracked by OpenFace in all takes with a picture, are record 3255102, one archive.
"""

from collections.abc import Sequence
from pathlib import Path

from emotionnet.corpora.canonical import manifest_file
from emotionnet.downloads import Where
from emotionnet.downloads.fetch import Remote, fetch, read_json
from emotionnet.downloads.unpack import unpack
from emotionnet.errors import EmotionNetError
from emotionnet.files import read_csv

TITLE = "RAVDESS: 24 actors, eight emotions, picture and sound (Livingstone & Russo 2018)"
LICENCE = (
    "CC BY-NC-SA 4.0: name the authors, no commercial use, pass adaptations on under the same "
    "licence. The recordings show and voice identifiable people."
)
RECORD, LANDMARKS_RECORD = 1188976, 3255102

PARTS = {
    "speech-audio": "Audio_Speech_",
    "song-audio": "Audio_Song_",
    "speech-video": "Video_Speech_Actor_",
    "landmarks": "FacialTracking_Actors_",
}
DEFAULT_PART = "speech-video"
ACTORS = range(1, 25)
#: The audio archives grow to about this, and tables perhaps; the video is compressed already.
_GROWTH = {"speech-audio": 2.8, "song-audio": 2.8, "speech-video": 1.0, "landmarks": 4.0}
_ENDINGS = (".wav", ".mp4", ".csv")


def where(part: str) -> Where:
    """Where a part is, see `Where`."""
    landmarks = part == "landmarks"
    record, folder = (LANDMARKS_RECORD, part) if landmarks else (RECORD, "clips")
    then = "fit --corpus ravdess --root {folder}"
    if landmarks:
        then = "prepare --records RECORDS --fields landmarks68 --openface {folder}"
    return Where(
        f"https://zenodo.org/api/records/{record}",
        f"https://zenodo.org/records/{record}",
        Path("data/ravdess", folder),
        then,
    )


def plan(part: str, actors: Sequence[int] | None, source: str) -> list[dict]:
    """The archives of a part: ``name``, ``bytes`` and ``unpacked_bytes`` (about).

    Args:
        part: one of `PARTS`.
        actors: of `ACTORS`, only for video, whose archives are one an actor; None for all.
        source: unused, the list is committed in ``data_manifests/ravdess_archives.csv``.
    """
    rows = [row for row in _archives() if row["file"].startswith(PARTS[part])]
    if actors is not None and part.endswith("video"):
        rows = [row for row in rows if int(row["file"][-6:-4]) in actors]
    return [
        {
            "name": row["file"],
            "bytes": int(row["bytes"]),
            "unpacked_bytes": int(_GROWTH[part] * int(row["bytes"])),
        }
        for row in rows
    ]


def get(item: dict, part: str, folder: Path, archives: Path, source: str, bar) -> dict[str, int]:
    """Downloads and unpacks one archive of `plan`.

    Args:
        item: an entry of `plan`.
        part: one of `PARTS`.
        folder: where ``Actor_NN/`` goes, or the tables.
        archives: where the archive goes; it is removed when all is unpacked.
        source: address of the record in Zenodo's API.
        bar: progress bar, in bytes.

    Returns:
        The recordings or tables, relative to ``folder``, and their sizes.
    """
    remote = _remote(item["name"], source, where(part).page)
    archive = fetch(remote, archives / item["name"], bar)
    names = unpack(archive, folder, _ENDINGS)
    archive.unlink()
    return {name: (folder / name).stat().st_size for name in names}


def _archives() -> list[dict[str, str]]:
    return read_csv(manifest_file("ravdess_archives.csv"))


def _remote(name: str, source: str, page: str) -> Remote:
    """The archive as the record describes it, which must agree with what is known of it here."""
    listed = {each.get("key", each.get("filename")): each for each in _files(source, page)}
    if name not in listed:
        raise EmotionNetError(f"{source}: the record has no {name}. See {page}.")
    entry = listed[name]
    algorithm, _, checksum = entry["checksum"].rpartition(":")
    known = {row["file"]: row for row in _archives()}[name]
    if known["md5"] and checksum != known["md5"]:
        raise EmotionNetError(
            f"{source}: {name} has the checksum {checksum} there, {known['md5']} in the project's "
            "list: the record has changed. Look at it before you use it."
        )
    size = entry.get("size", entry.get("filesize"))
    return Remote(entry["links"]["self"], int(size), algorithm or "md5", checksum)


def _files(source: str, page: str) -> list[dict]:
    record = read_json(source)
    try:
        files = record["files"]
        for each in files:
            each["checksum"], each["links"]["self"]
        return files
    except (KeyError, TypeError):
        raise EmotionNetError(
            f"{source}: the record does not list its files. See {page}."
        ) from None
