"""``python -m emotionnet.combine FACES_RUN SPEECH_RUN --out RUN``: one run out of two.

A face stream and a speech stream that were trained apart, on different corpora and with different classes,
answer as one: the fusion has no weights. How the classes are joined is printed, and can be changed.
"""

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from emotionnet.classes import Classes, add_options
from emotionnet.command import as_verb, command_line, command_text
from emotionnet.errors import UsageError


def combine(
    faces: str | os.PathLike,
    speech: str | os.PathLike,
    out: str | os.PathLike,
    *,
    merge: Mapping[str, Sequence[str]] | Sequence[str] | None = None,
    only: Sequence[str] | str | None = None,
    fusion: str = "GM",
    frames: int | None = None,
) -> Path:
    """Makes one run out of the face stream of one and the speech stream of another.

    Args:
        faces: run whose face stream is taken; of clips, or of single pictures.
        speech: run whose speech stream is taken.
        out: folder of the new run.
        merge: class → the labels of either that are joined in it, see `emotionnet.classes.Classes`. By default
            calm joins neutral, where only one of both knows it; ``neutral=neutral`` joins nothing.
        only: the classes that are answered.
        fusion: ``GM`` geometric or ``AM`` arithmetic mean of both answers. A class that one lacks it leaves
            to the other, see `emotionnet.layers.JoinedFusion`.
        frames: faces that are used of a clip; by default the run's number, and 15 where it was
            trained on single pictures.

    Returns:
        ``out``.

    Raises:
        UsageError: a run lacks its stream or cannot be combined, the two share no class, or they have
            different sound settings.
        EmotionNetError: a run is not trained to its end, or damaged.
    """
    from emotionnet.cards.card import run_card
    from emotionnet.files import write_text
    from emotionnet.systems import make_config
    from emotionnet.training.combining import combine_runs, table_of
    from emotionnet.training.run import Run

    if frames is not None and frames < 1:
        raise UsageError(f"--frames {frames}: at least one face is needed.")
    runs = {"faces": Run.open(faces), "speech": Run.open(speech)}
    run = combine_runs(runs, Path(out), Classes.of(merge, only), fusion, frames)
    for line in table_of(make_config(run.config["system"], **run.config["system_config"])):
        print(f"class      {line}")
    write_text(run.folder / "README.md", run_card(run.name, run.config, None))
    return run.folder


def parser() -> argparse.ArgumentParser:
    """The command line of ``python -m emotionnet.combine``."""
    p = command_line(
        "combine", "Make one run out of the face stream of one and the speech stream of another."
    )
    p.add_argument("faces", metavar="FACES_RUN", help="run whose face stream is taken")
    p.add_argument("speech", metavar="SPEECH_RUN", help="run whose speech stream is taken")
    p.add_argument("--out", required=True, metavar="RUN", help="the new run folder")
    p.add_argument("--fusion", default="GM", help="GM (default) or AM: mean of both answers")
    p.add_argument("--frames", type=int, metavar="N",
                   help="faces of a clip (default: those of FACES_RUN; 15 if it saw pictures)")  # fmt: skip
    add_options(p)
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the command line and combines."""
    folder = combine(**vars(parser().parse_args(argv)))
    print(f"run        {folder}")
    print(f"next       {command_text('evaluate', folder, '--records', 'DIR')}")
    print(f"           {command_text('predict', folder, 'YOUR_CLIP.mp4')}")
    return 0


as_verb(__name__, main)
