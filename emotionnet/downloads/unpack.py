"""A zip archive that came from the network, unpacked without trusting it."""

import os
import shutil
import stat
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from emotionnet.errors import EmotionNetError

#: Recordings shrink to half at best; something that grows a hundredfold is no recording.
MOST_GROWTH = 20


def unpack(archive: Path, folder: Path, endings: Sequence[str]) -> list[str]:
    """Unpacks the recordings of ``archive`` into ``folder``: all of them, or none.

    They are unpacked beside their place first and moved when all are there and their checksums (the
    archive's own) are right. A file of the same name is replaced.

    Args:
        archive: the zip file.
        folder: where its files go.
        endings: of names that are wanted, ``.wav``; others (notes, previews) stay in the archive.

    Returns:
        The files' paths relative to ``folder``, sorted.

    Raises:
        EmotionNetError: no zip file, a damaged one, or one that would write outside ``folder``, holds
            links, or unpacks to far more than recordings do.
    """
    waiting = folder / f".{archive.stem}.unpacking"
    shutil.rmtree(waiting, ignore_errors=True)
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [m for m in opened.infolist() if not m.is_dir()]
            names = {_checked_name(m, archive): m for m in members}
            if len({name.lower() for name in names}) < len(members):
                raise EmotionNetError(f"{archive}: two of its files have the same name.")
            size = sum(member.file_size for member in members)
            if size > MOST_GROWTH * archive.stat().st_size:
                raise EmotionNetError(
                    f"{archive}: {archive.stat().st_size} bytes would become {size}: "
                    "no archive of recordings. It was not unpacked."
                )
            wanted = sorted(name for name in names if name.lower().endswith(tuple(endings)))
            for name in wanted:
                target = waiting / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(names[name]) as source, open(target, "wb") as file:
                    shutil.copyfileobj(source, file)
        for name in wanted:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(waiting / name, folder / name)
        return wanted
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise EmotionNetError(f"{archive}: not a zip archive that can be read ({error}).") from None
    finally:
        shutil.rmtree(waiting, ignore_errors=True)


def _checked_name(member: zipfile.ZipInfo, archive: Path) -> str:
    """The member's name, if it stays where it is unpacked."""
    name = member.filename.replace("\\", "/")
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        raise EmotionNetError(
            f"{archive}: {member.filename} would be written outside the folder. Not unpacked."
        )
    if stat.S_ISLNK(member.external_attr >> 16):
        raise EmotionNetError(f"{archive}: {member.filename} is a link. Not unpacked.")
    return str(path)
