"""``python -m emotionnet.export RUN --out DIR``: a run becomes a folder that runs on a phone.

The folder holds the model in several precisions with named entry points, a contract that says all
there is to know to call it, golden inputs and answers, what every precision is worth, and Kotlin
source. ``python -m emotionnet.verify DIR`` proves it on any machine, without TensorFlow.
"""

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from emotionnet.command import as_verb
from emotionnet.deploy.bundle import is_bundle, write_sums
from emotionnet.deploy.exporting import KNOWN, ONNX, Export, say
from emotionnet.errors import UsageError
from emotionnet.files import write_text

PAGE = "page.html"


def export(
    run: str | os.PathLike,
    out: str | os.PathLike,
    *,
    precisions: Sequence[str] = KNOWN,
    records: str | os.PathLike | Sequence[str | os.PathLike] | None = None,
    clips: int = 64,
    calibration_clips: int = 64,
    timeout_s: float = 900,
    page: bool = False,
) -> Path:
    """Writes the bundle of a trained run, whole or not at all.

    Args:
        run: a run folder.
        out: folder to make; a bundle that is there already is replaced.
        precisions: of ``float32``, ``float16``, ``dynamic``, ``int8`` and ``onnx``.
        records: the records the run was trained on, where they have moved; of a run that was combined out
            of two those of both.
        clips: test clips on which the precisions are compared.
        calibration_clips: training clips that int8 takes its ranges from.
        timeout_s: after which the conversion is given up.
        page: put ``page.html`` into it, see `emotionnet.page`.

    Returns:
        The folder.

    Raises:
        UsageError: no run, an unknown precision, a folder with something else in it, or a page of a
            model that cannot be used live.
        EmotionNetError: no clips to calibrate with, NaN in the weights, or a model that cannot be
            converted. Nothing is left half-written.
    """
    from emotionnet.training.run import Run
    from emotionnet.web.build import build_page

    unknown = sorted(set(precisions) - set(KNOWN))
    if unknown or not precisions:
        raise UsageError(f"--precisions {','.join(unknown)}: choose some of {', '.join(KNOWN)}.")
    out = Path(out)
    if out.exists() and any(out.iterdir()) and not is_bundle(out):
        raise UsageError(f"{out}: there is something else in it. Give a new folder with --out.")
    opened = Run.open(run)
    out.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, so that the last step is a rename; and made first, so that a folder that may
    # not be written to is known at once.
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as work:
        bundle = Path(work) / "bundle"
        bundle.mkdir()
        wanted = [precision for precision in KNOWN if precision in precisions]
        job = Export(opened, Path(work), bundle, wanted, records, timeout_s)
        if page:
            _check_page(job)
        job.write(clips, calibration_clips)
        write_sums(bundle)
        if page:
            say("making the page")
            write_text(bundle / PAGE, build_page(bundle))
            write_sums(bundle)
        if out.exists():
            shutil.rmtree(out)
        os.replace(bundle, out)
    return out


def _check_page(job: Export) -> None:
    """Fails where a page could not be made of it, before the work begins."""
    from emotionnet.deploy.signatures import signatures
    from emotionnet.web.build import check_live
    from emotionnet.web.node import packages

    system = job.run.config["system"]
    check_live(job.run.folder, system, [s.name for s in signatures(job.model, system)])
    if not set(job.precisions) - {ONNX}:
        raise UsageError("--page: a browser runs a .tflite file. Add int8 to --precisions.")
    packages()


def parser() -> argparse.ArgumentParser:
    """The command line of ``python -m emotionnet.export``."""
    p = argparse.ArgumentParser(
        prog="python -m emotionnet.export",
        description="Export a trained run as a folder that runs on a phone.",
    )
    p.add_argument("run", metavar="RUN", help="a run folder")
    p.add_argument("--out", required=True, metavar="DIR", help="the folder to make")
    p.add_argument(
        "--precisions",
        type=lambda text: [part for part in text.split(",") if part],
        default=list(KNOWN),
        help=f"some of {','.join(KNOWN)} (default: all)",
    )
    p.add_argument("--records", metavar="DIR", nargs="+", help="the run's records, where they have moved; "
                   "both of a run that was combined out of two")  # fmt: skip
    p.add_argument("--clips", type=int, default=64, help="test clips to compare on (%(default)s)")
    p.add_argument(
        "--calibration-clips", type=int, default=64, help="clips for int8's ranges (%(default)s)"
    )
    p.add_argument("--timeout", dest="timeout_s", type=float, default=900, help="seconds")
    p.add_argument("--page", action="store_true", help="with page.html, which runs in a browser")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the command line and exports."""
    begun = time.monotonic()
    args = vars(parser().parse_args(argv))
    folder = export(args.pop("run"), args.pop("out"), **args)
    print(f"bundle     {folder} (in {time.monotonic() - begun:.0f} s)")
    for path in sorted(folder.iterdir()):
        if path.suffix in (".tflite", ".onnx"):
            print(f"           {path.name}  {path.stat().st_size / 1e6:.2f} MB")
    print(f"next       python -m emotionnet.verify {folder}")
    return 0


as_verb(__name__, main)
