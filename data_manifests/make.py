"""Makes the clip lists and actor folds of this folder: RAVDESS from its naming rules, CREMA-D from two
tables of its own repository (``README.md`` names the sources); of IEMOCAP, eNTERFACE'05 and EMO-DB only folds.

    python data_manifests/make.py --crema-d CLONE
"""

import argparse
import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from emotionnet.command import run_command
from emotionnet.corpora import emodb, enterface, iemocap, ravdess
from emotionnet.corpora.canonical import FOLD_COLUMNS, LIST_COLUMNS
from emotionnet.corpora.crema_d import parse_name
from emotionnet.emotions import EMOTIONS
from emotionnet.errors import UsageError
from emotionnet.files import read_csv, write_csv

#: CREMA-D's own README and issues 8, 10, 14; left out by the published five folds as well.
CREMA_D_PROBLEMS = {
    "1040_ITH_SAD_XX": "misnamed in older copies of the set (1040_ITH_SAD_X.wav)",
    "1064_IEO_DIS_MD": "broken: one minute long, with every emotion of the sentence",
    "1064_TIE_SAD_XX": "broken: the video has no duration",
    "1076_MTI_NEU_XX": "broken: the video is very short and has no sound",
    "1076_MTI_SAD_XX": "broken: no sound, and the video shows an error picture",
}
#: Byte-identical wavs under two emotions (compared by their Git LFS ids).
CREMA_D_COPIES = {
    "1006_TIE_NEU_XX": "1006_TIE_HAP_XX",
    "1013_WSI_SAD_XX": "1013_WSI_DIS_XX",
    "1017_IWW_FEA_XX": "1017_IWW_ANG_XX",
}
#: Clips whose mp3 is byte for byte the mp3 of a clip with other words or another voice.
CREMA_D_BAD_MP3 = frozenset(
    {
        "1007_IWL_HAP_XX",
        "1037_DFA_ANG_XX",
        "1037_WSI_DIS_XX",
        "1037_WSI_FEA_XX",
        "1039_IWL_SAD_XX",
        "1039_WSI_SAD_XX",
        "1061_TIE_ANG_XX",
        "1063_IEO_DIS_HI",
        "1068_IEO_SAD_MD",
        "1070_IWL_SAD_XX",
        "1071_WSI_ANG_XX",
        "1072_WSI_ANG_XX",
        "1073_MTI_SAD_XX",
        "1075_IWW_DIS_XX",
        "1075_WSI_DIS_XX",
        "1076_ITH_HAP_XX",
        "1076_ITH_NEU_XX",
        "1076_MTI_SAD_XX",
        "1076_TAI_NEU_XX",
        "1079_TAI_DIS_XX",
        "1091_IWW_FEA_XX",
    }
)
CREMA_D_VOTES = dict(zip("NHSAFD", ("neutral", "happy", "sad", "angry", "fearful", "disgust")))
#: Test actors of the five folds, first and last; from the HiCMAE split (Sun et al. 2024).
CREMA_D_FOLDS = ((1001, 1018), (1019, 1036), (1037, 1054), (1055, 1072), (1073, 1091))
RAVDESS_ACTORS_A_FOLD = 4
IEMOCAP_SESSIONS = range(1, 6)
ENTERFACE_FOLDS = 5


def make_ravdess(folder: Path) -> None:
    """Writes ``ravdess.csv`` (2,452 takes) and ``ravdess_actor_folds.csv`` from the naming rules."""
    rows = [
        dataclasses.asdict(row) | {"copy_of": ravdess.COPIES.get(row.clip, "")}
        for row in ravdess.takes()
    ]
    folds = {f"{a + 1:02d}": a // RAVDESS_ACTORS_A_FOLD + 1 for a in range(ravdess.ACTORS)}
    _write(folder, "ravdess", rows, folds)


def make_crema_d(folder: Path, clone: Path) -> None:
    """Writes ``crema_d.csv`` (7,442 clips) and ``crema_d_actor_folds.csv``.

    Args:
        folder: where to write.
        clone: a clone of CREMA-D's repository; its media may be absent. Read are
            ``processedResults/summaryTable.csv`` and ``VideoDemographics.csv``.

    Raises:
        UsageError: one of the two tables is missing.
    """
    tables = [clone / "processedResults" / "summaryTable.csv", clone / "VideoDemographics.csv"]
    for table in tables:
        if not table.is_file():
            raise UsageError(f"{table}: not found. Give a clone of CREMA-D's repository.")
    votes, people = map(read_csv, tables)
    sexes = {person["ActorID"]: person["Sex"].lower() for person in people}
    rows = []
    for vote in sorted(votes, key=lambda vote: vote["FileName"]):
        clip = vote["FileName"]
        row = dataclasses.asdict(parse_name(clip))
        perceived = {CREMA_D_VOTES[letter] for letter in vote["MultiModalVote"].split(":")}
        rows.append(
            row
            | {
                "sex": sexes[row["actor"]],
                "perceived": ":".join(e for e in EMOTIONS if e in perceived),
                "copy_of": CREMA_D_COPIES.get(clip, ""),
                "bad_mp3": "yes" if clip in CREMA_D_BAD_MP3 else "",
                "problem": CREMA_D_PROBLEMS.get(clip, ""),
            }
        )
    ranges = enumerate(CREMA_D_FOLDS, start=1)
    folds = {str(actor): k for k, (a, b) in ranges for actor in range(a, b + 1)}
    _write(folder, "crema_d", rows, folds)


def make_folds(folder: Path) -> None:
    """Writes ``iemocap_actor_folds.csv``, a session a fold; ``enterface_actor_folds.csv``, five groups of
    consecutive subjects, as even as can be; and ``emodb_actor_folds.csv``, a speaker a fold."""
    speakers = [(n, letter, sex) for n in IEMOCAP_SESSIONS for letter, sex in iemocap.SEXES.items()]
    table = [{"actor": f"{n:02d}{letter}", "sex": sex, "fold": n} for n, letter, sex in speakers]
    write_csv(folder / "iemocap_actor_folds.csv", table, FOLD_COLUMNS)
    actors = enterface.actors()
    size, larger = divmod(len(actors), ENTERFACE_FOLDS)
    sizes = [size + (k < larger) for k in range(ENTERFACE_FOLDS)]
    folds = [k for k, count in enumerate(sizes, start=1) for _ in range(count)]
    table = [{"actor": a, "sex": "", "fold": k} for a, k in zip(actors, folds, strict=True)]
    write_csv(folder / "enterface_actor_folds.csv", table, FOLD_COLUMNS)
    speakers = enumerate(sorted(emodb.SPEAKERS), start=1)
    table = [{"actor": a, "sex": emodb.SPEAKERS[a], "fold": k} for k, a in speakers]
    write_csv(folder / "emodb_actor_folds.csv", table, FOLD_COLUMNS)


def _write(folder: Path, corpus: str, rows: list[dict[str, str]], folds: dict[str, int]) -> None:
    rows = [{column: row.get(column, "") for column in LIST_COLUMNS} for row in rows]
    sexes = {row["actor"]: row["sex"] for row in rows}
    table = [{"actor": a, "sex": sexes[a], "fold": fold} for a, fold in sorted(folds.items())]
    write_csv(folder / f"{corpus}.csv", rows, LIST_COLUMNS)
    write_csv(folder / f"{corpus}_actor_folds.csv", table, FOLD_COLUMNS)
    print(f"{corpus}: {len(rows)} clips, {len(sexes)} actors, {len(set(folds.values()))} folds")


def main(argv: Sequence[str] | None = None) -> None:
    """The command: writes the files of ``data_manifests/``."""
    parser = argparse.ArgumentParser(
        prog="python data_manifests/make.py",
        description="Make the canonical clip lists and actor folds again.",
    )
    parser.add_argument("--crema-d", metavar="CLONE", type=Path, help="clone of CREMA-D (no media)")
    parser.add_argument("--out", metavar="DIR", type=Path, default=Path(__file__).parent)
    args = parser.parse_args(argv)
    os.makedirs(args.out, exist_ok=True)
    make_ravdess(args.out)
    make_folds(args.out)
    if args.crema_d:
        make_crema_d(args.out, args.crema_d)
    else:
        print("crema_d: left as it is (--crema-d CLONE makes it again)")


if __name__ == "__main__":
    run_command(main)
