"""A corpus, or a model, is downloaded: after size and licence are agreed to, and only what is missing."""

import os
from collections.abc import Sequence
from pathlib import Path

from emotionnet.command import command_text, resumes
from emotionnet.errors import UsageError

PLACES = ("ravdess", "crema_d", "landmarks")


def download(
    corpus: str,
    out: str | os.PathLike | None = None,
    *,
    part: str | None = None,
    actors: Sequence[int] | None = None,
    yes: bool = False,
    source: str | None = None,
) -> Path:
    """Downloads a part of a corpus and unpacks it, ready for ``prepare``; or a model.

    Args:
        corpus: ``ravdess`` or ``crema_d``; or ``landmarks``, the model of the field landmarks68.
        out: folder for the files; by default ``data/<corpus>/clips``, ``data/ravdess/landmarks`` for
            tables of landmarks, and for the model where it is looked for.
        part: ``speech-video`` (the default), ``speech-audio`` or, of RAVDESS, ``song-audio`` and
            ``landmarks`` (OpenFace's tables of all takes, for ``prepare --openface``).
        actors: numbers of the actors wanted, 1 to 24 or 1001 to 1091; all by default. The audio
            of RAVDESS comes in one archive and cannot be divided.
        yes: size and licence are agreed to, do not ask.
        source: another address of the same files; of the model also a file.

    Returns:
        The folder.

    Raises:
        UsageError: an unknown corpus, part or actor; size and licence were not accepted.
        EmotionNetError: no network, too small a disk, a file that is not what it should be.
    """
    from importlib import import_module

    from emotionnet.corpora import CORPORA, get_corpus
    from emotionnet.downloads.folder import (
        STATE,
        ask,
        check_disk,
        is_complete,
        read_state,
        size_in_words,
    )
    from emotionnet.files import write_json
    from emotionnet.progress import progress

    if corpus not in PLACES:
        by_hand = getattr(get_corpus(corpus), "HOW_TO_GET", "") if corpus in CORPORA else ""
        raise UsageError(by_hand or f"{corpus}: not known. Choose one of {', '.join(PLACES)}.")
    place = import_module(f"emotionnet.downloads.{corpus}")
    part = part or place.DEFAULT_PART
    if part not in place.PARTS:
        raise UsageError(f"--part {part}: {corpus} has {', '.join(place.PARTS)}.")
    if actors is not None and corpus != "crema_d" and part != "speech-video":
        raise UsageError(f"{part} of {corpus} comes in one archive: leave --actors out.")
    if actors is not None and not (actors and {*actors} <= {*place.ACTORS}):
        unknown = ", ".join(map(str, sorted({*actors} - {*place.ACTORS}))) or "none"
        first, last = place.ACTORS[0], place.ACTORS[-1]
        raise UsageError(f"--actors {unknown}: {corpus} has {first} to {last}.")
    where = place.where(part)
    folder = Path(out) if out is not None else where.folder
    source = source or where.source

    print(f"{place.TITLE}\nlicence    {place.LICENCE}\nfrom       {where.page}", flush=True)
    items = place.plan(part, actors, source)
    state = read_state(folder)
    missing = [item for item in items if not is_complete(folder, state.get(item["name"]))]
    load = sum(item["bytes"] for item in missing)
    print(
        f"files      {size_in_words(sum(item['bytes'] for item in items))} ({part}) into {folder}"
    )
    if not missing:
        print("all of it is there already")
        return folder
    print(f"to load    {size_in_words(load)}")
    check_disk(folder, missing)
    if not yes:
        ask()
    archives = folder / ".archives"
    bar = progress(total=load, what=f"download {corpus}", unit="B")
    with bar, resumes("what has come is kept, and the same command resumes"):
        bar.unit, bar.unit_scale = "B", True
        for item in missing:
            state[item["name"]] = place.get(item, part, folder, archives, source, bar)
            write_json(folder / STATE, state)
    if archives.is_dir() and not any(archives.iterdir()):
        archives.rmdir()
    print(
        f"next       {command_text(*(word.format(folder=folder) for word in where.then.split()))}"
    )
    return folder
