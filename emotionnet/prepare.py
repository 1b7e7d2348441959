"""``python -m emotionnet.prepare``: turns a folder of clips into a folder of records.

Also ``emotionnet.prepare(corpus, root, out)``. `emotionnet.clips.records` describes the folder.
``--fields`` adds side fields (`emotionnet.clips.fields`), also to existing records (``--records``).
"""

import argparse
import shlex
from collections.abc import Sequence

from emotionnet.clips.preparing import prepare
from emotionnet.command import as_verb, command_line

#: Options of side fields.
_OF_FIELDS = ("landmark_model", "openface")


def parser() -> argparse.ArgumentParser:
    """The command line of ``python -m emotionnet.prepare``."""
    p = command_line(
        "prepare",
        "Decode the clips of a corpus, find their faces, and write all as records. "
        "Can be stopped at any moment; the same command resumes.",
    )
    p.add_argument("--corpus", help="demo (default), ravdess, crema_d, iemocap, enterface, emodb, fer2013, or "
                   "folder (your clips)")  # fmt: skip
    p.add_argument("--root", metavar="DIR", help="folder of the corpus (demo: made where missing)")
    p.add_argument("--out", metavar="DIR",
                   help="folder of the records (default: data/CORPUS/records)")  # fmt: skip
    p.add_argument("--workers", type=int, metavar="N",
                   help="processes (default: one a core; 0: this one alone)")  # fmt: skip
    p.add_argument("--runner", default="local", help="local (default); beam: an Apache Beam pipeline; tf.data: "
                   "sound is read by tensorflow-io")  # fmt: skip
    p.add_argument("--beam-options", metavar="WORDS", type=shlex.split, default=[], help="of the pipeline: "
                   '"--runner=… --…" (default: --workers processes of this machine)')  # fmt: skip
    p.add_argument("--records", metavar="DIR",
                   help="add --fields to these finished records; no clip is read")  # fmt: skip
    p.add_argument("--fields", nargs="+", metavar="NAME", default=(), help="side fields to add: landmarks68 (68 "
                   "landmarks of the face), landmarks5")  # fmt: skip
    p.add_argument("--copies", nargs="+", metavar="KIND", help="with --records and --out: new records in which "
                   "changed copies of the sound are clips too, for the protocol rows (noise15, "
                   "stretch_pitch+0.7, …)")  # fmt: skip
    g = p.add_argument_group("options of one field")
    g.add_argument("--openface", metavar="DIR", help="landmarks68: take OpenFace's tables (CSV)")
    g.add_argument("--landmark-model", metavar="FILE", help="landmarks68: the model, or the wheel that holds it "
                   "(default: what `download landmarks` got)")  # fmt: skip
    g = p.add_argument_group("options of one corpus")
    g.add_argument("--channel", help="ravdess: speech (default), song or all")
    g.add_argument("--keep-copies", action="store_true", default=None,
                   help="ravdess: keep the take whose sound is a copy of another's")  # fmt: skip
    g.add_argument("--labels", help="crema_d: acted (default), perceived or votes; "
                   "fer2013: fer2013 (default) or ferplus")  # fmt: skip
    g.add_argument("--happy", help="iemocap: merged with excited (default) or alone")
    g.add_argument(
        "--parts", help="fer2013: some of train,test,private (default: all that are there)"
    )
    g.add_argument("--table", metavar="CSV",
                   help="folder: the file that lists the clips; fer2013: the votes of FER+")  # fmt: skip
    g.add_argument("--layout", metavar="LEVELS", help="folder: what each level of folders is, e.g. "
                   "actor/emotion (default: found out)")  # fmt: skip
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    arguments = vars(parser().parse_args(argv))
    given = {name: value for name, value in arguments.items() if value is not None}
    of_fields = {name: given.pop(name) for name in _OF_FIELDS if name in given}
    out = prepare(**given, field_options=of_fields)
    if "records" not in given:
        print((out / "summary.txt").read_text(encoding="utf-8"), end="")
    return 0


as_verb(__name__, main)
