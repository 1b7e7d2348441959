"""Which clips are one recording: the same pictures or the same sound, under whatever name and label.

Compared is what was decoded, by hash: copies of a file agree in both, and the same sound in another container,
or beside another picture, agrees in sound. Parts of one file that overlap are one recording as well.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from itertools import pairwise
from typing import Any

from emotionnet.clips.clip import ClipData
from emotionnet.corpora import canonical
from emotionnet.corpora.manifest import ManifestRow
from emotionnet.files import sha256

#: Of the hashes, in characters: 64 bits.
_LENGTH = 16
#: Parts of a file that share no more are neighbours: where one ends is not known better.
NEIGHBOURS_S = 0.1


def digests(clip: ClipData) -> dict[str, str]:
    """Hashes of what a clip shows and says; "" for what it does not have."""
    return hashes(clip.faces, clip.waveform.astype("<i2").tobytes())


def hashes(jpegs: Sequence[bytes], waveform: bytes) -> dict[str, str]:
    """The same of what a record holds."""
    return {
        "pictures_hash": sha256(*jpegs)[:_LENGTH] if any(jpegs) else "",
        "sound_hash": sha256(waveform)[:_LENGTH] if waveform else "",
    }


def recordings(rows: Sequence[ManifestRow], entries: Iterable[dict[str, Any]]) -> dict[str, str]:
    """Clip to the first clip that is the same recording, itself where there is no other.

    Args:
        rows: of one corpus.
        entries: of the shards' indexes, in the order of ``rows``, with what `digests` gives.
    """
    groups: dict[Hashable, list[str]] = defaultdict(list)
    for row, entry in zip(rows, entries, strict=True):
        groups["clip", canonical.copies(row.corpus).get(row.clip, row.clip)].append(row.clip)
        for name in ("pictures_hash", "sound_hash"):
            if entry[name]:
                groups[name, entry[name]].append(row.clip)
    groups |= _overlapping(rows)
    first = {row.clip: row.clip for row in rows}

    def root(clip: str) -> str:
        while first[clip] != clip:
            first[clip] = clip = first[first[clip]]
        return clip

    for clips in groups.values():
        for a, b in pairwise(clips):
            low, high = sorted((root(a), root(b)))
            first[high] = low
    return {clip: root(clip) for clip in first}


def _overlapping(rows: Iterable[ManifestRow]) -> dict[Hashable, list[str]]:
    """Clips that are parts of one file and share more than `NEIGHBOURS_S` of its time."""
    files: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
    for row in rows:
        for file in {row.picture, row.sound} - {""}:
            end = float(row.end_s) if row.end_s else float("inf")
            files[file].append((float(row.start_s or 0), end, row.clip))
    groups: dict[Hashable, list[str]] = {}
    for file, parts in files.items():
        until, group = -1.0, []
        for start, end, clip in sorted(parts):
            if start >= until - NEIGHBOURS_S:
                group = groups.setdefault((file, start), [])
            group.append(clip)
            until = max(until, end)
    return groups


def repeated(rows: Sequence) -> list[str]:
    """Reports clips that repeat others, a line each; none where no clip does.

    Args:
        rows: with ``recording``.
    """
    groups: dict[str, list] = defaultdict(list)
    for row in rows:
        groups[row.recording or row.clip].append(row)
    groups = {first: group for first, group in groups.items() if len(group) > 1}
    if not groups:
        return []
    copies = sum(len(group) - 1 for group in groups.values())
    name, group = next(iter(groups.items()))
    other = next(row.clip for row in group if row.clip != name)
    lines = [
        f"{copies} clips repeat the pictures or the sound of another one, first {other} = {name}"
    ]
    differing = Counter(
        what
        for group in groups.values()
        for what in ("actor", "emotion", "part")
        if len({getattr(row, what) for row in group} - {""}) > 1
    )
    for what, said in (("actor", "actors"), ("emotion", "emotions"), ("part", "parts")):
        if differing[what]:
            lines.append(f"{differing[what]} recordings are under two or more {said}")
    return lines
