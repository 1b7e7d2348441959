"""``python -m emotionnet.verify DIR``: checks everything that a bundle promises.

Needs ai-edge-litert, onnxruntime, NumPy and wrapt, no TensorFlow. Checks the checksums, the contract
against the real tensors, that only builtin operators are used, that the audio front-end is float32,
and the golden clips in every precision. It stops at the first error, with exit code 1.
"""

import argparse
import os
from collections.abc import Sequence
from typing import Any

from emotionnet.command import as_verb, command_line, text_table
from emotionnet.deploy.bundle import SUMS
from emotionnet.errors import UsageError
from emotionnet.shipped import shipped_bundle


def verify(folder: str | os.PathLike) -> list[dict[str, Any]]:
    """Checks a bundle.

    Args:
        folder: of the bundle.

    Returns:
        A row a model file: ``precision``, ``file``, ``mb``, ``operators``, ``clips``,
        ``off_expected`` and ``off_keras`` (largest differences in probability), ``off_front_end``.

    Raises:
        UsageError: no bundle there.
        EmotionNetError: the first thing that is not as the bundle says.
    """
    folder = shipped_bundle(folder)
    if not (folder / SUMS).is_file():
        raise UsageError(
            f"{folder}: no bundle here (no {SUMS}). `python -m emotionnet.export` makes one."
        )
    from emotionnet.deploy.checking import check_bundle

    return check_bundle(folder)


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows of `verify` as text."""
    lines = [
        ("precision", "file", "MB", "operators", "clips", "off expected", "off Keras", "features")
    ]
    for row in rows:
        lines.append((
            row["precision"], row["file"], f"{row['mb']:.2f}",
            "" if row["operators"] is None else str(row["operators"]), str(row["clips"]),
            f"{row['off_expected']:.2g}", f"{row['off_keras']:.2g}",
            "" if row["off_front_end"] is None else f"{row['off_front_end']:.2g}",
        ))  # fmt: skip
    return text_table(lines, left=2)


def parser() -> argparse.ArgumentParser:
    """The command line of ``python -m emotionnet.verify``."""
    p = command_line("verify", "Check that everything a bundle says is true. Needs no TensorFlow.")
    p.add_argument("folder", metavar="DIR", help="a bundle of `python -m emotionnet.export`")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the command line and verifies."""
    args = parser().parse_args(argv)
    print(table(verify(args.folder)))
    print(f"{args.folder}: all true")
    return 0


as_verb(__name__, main)
