"""A run becomes a bundle: models, contract, golden answers, what each precision is worth, Kotlin, a page if wanted."""

import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emotionnet.deploy.bundle import is_bundle, write_sums
from emotionnet.deploy.convert import PRECISIONS
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.files import file_sha256, write_json, write_text
from emotionnet.inputs.kinds import FUSED, OUTPUTS, has

ONNX = "onnx"
KNOWN = (*PRECISIONS, ONNX)
#: Test clips whose crops are moved, each ten times.
MOVED_CLIPS = 24
#: Clips that the Keras model answers together.
_AT_ONCE = 8

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
    from emotionnet.deploy.web.build import build_page
    from emotionnet.training.run import Run

    unknown = sorted(set(precisions) - set(KNOWN))
    if unknown or not precisions:
        raise UsageError(f"--precisions {','.join(unknown)}: choose some of {', '.join(KNOWN)}.")
    if not set(precisions) - {ONNX}:
        raise UsageError(
            "--precisions onnx: phones and browsers need a .tflite file too. Add int8 or another."
        )
    out = Path(out)
    if out.exists() and any(out.iterdir()) and not is_bundle(out):
        raise UsageError(f"{out}: there is something else in it. Give a new folder with --out.")
    if out.resolve() == Path.cwd():
        raise UsageError(f"--out {out}: is the folder you are in, and is replaced: give a new one.")
    opened = Run.open(run)
    place = out.resolve()  # a link stays one
    place.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, so that the last step is a rename; and made first, so that a folder that may
    # not be written to is known at once.
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=f".{place.name}.") as work:
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
        if place.exists():
            shutil.rmtree(place)
        os.replace(bundle, place)
    return out


def _check_page(job: "Export") -> None:
    """Fails where a page could not be made of it, before the work begins."""
    from emotionnet.deploy.signatures import signatures
    from emotionnet.deploy.web.build import check_live
    from emotionnet.deploy.web.node import packages

    system = job.run.config["system"]
    takes = {each.name: each.inputs for each in signatures(job.model, system)}
    check_live(job.run.folder, system, takes)
    packages()


class Export:
    """The steps of one export; `write` takes them in order.

    Args:
        run: an `emotionnet.training.run.Run`.
        work: folder for what is made on the way.
        bundle: folder for the files.
        precisions: some of `KNOWN`, in their order.
        records, timeout_s: as of `emotionnet.export`.

    Raises:
        UsageError: the run cannot be exported, or its records are not there.
        EmotionNetError: NaN in the weights.
    """

    def __init__(self, run, work: Path, bundle: Path, precisions, records, timeout_s: float):
        from emotionnet.deploy.rewrite import check_finite

        self.run, self.work, self.bundle = run, work, bundle
        self.precisions, self.timeout_s = precisions, timeout_s
        if run.view().skip_frames:
            raise UsageError(
                f"{run.folder}: was trained with skip_frames={run.view().skip_frames}, which devices do not "
                "do: what they see has no beginning. Train with skip_frames=0."
            )
        self.model = run.model()
        check_finite(self.model)
        self.sources = self._open_sources(records)

    def write(self, clips: int, calibration_clips: int) -> None:
        """Writes every file of the bundle but its checksums.

        Args:
            clips, calibration_clips: as of `emotionnet.export`.
        """
        from emotionnet.cards.card import bundle_card
        from emotionnet.deploy import golden
        from emotionnet.deploy.handoff_files import write_android_files
        from emotionnet.deploy.litert import open_model
        from emotionnet.deploy.measure import accuracy, benchmark
        from emotionnet.training.measured import on_other_clips, read_metrics

        layers = self._convert(calibration_clips)
        say("comparing with Keras")
        files = self._files(layers)
        models = {name: open_model(self.bundle / entry["file"]) for name, entry in files.items()}
        inputs = golden.variants(self._golden_clips())
        reference = {name: self._keras(clip) for name, clip in inputs.items()}
        features = self._features(inputs["whole_1"])
        tolerances = golden.write(self.bundle, inputs, reference, models, features)
        names = next(iter(models.values())).names
        say("moving the crops")
        tested = self._clips("test", clips, seed=3)
        contract = self._contract(files, models, tolerances, self._crop_sensitivity(tested))
        write_json(self.bundle / "contract.json", contract)
        write_text(self.bundle / "labels.txt", "\n".join(self.run.labels) + "\n")
        compared = self._accuracy(models, tested, accuracy)
        if compared:
            write_json(self.bundle / "accuracy.json", compared)
        say("timing")
        write_json(self.bundle / "benchmark.json", benchmark(self.bundle, files, names))
        metrics = read_metrics(self.run.folder / "metrics.json")
        results = on_other_clips(self.run.folder)
        write_text(self.bundle / "MODEL_CARD.md", bundle_card(contract, metrics, compared, results))
        if not write_android_files(self.bundle, contract):
            print(
                "no Android files: the Kotlin gives faces and sound, this model takes other inputs",
                file=sys.stderr,
            )

    def _open_sources(self, records) -> list[tuple[Any, dict[str, list]]]:
        """Records, each with the run's parts of them; none where they are not needed and not there."""
        from emotionnet.clips.remote import is_url
        from emotionnet.inputs.opening import open_clips

        places = [records] if isinstance(records, str | os.PathLike) else list(records or ())
        places = places or [self.run.config["records"]]
        if all(place and (is_url(place) or Path(place).is_dir()) for place in places):
            opened = [open_clips(place) for place in places]
            for each in opened:
                each.check_streams(self.run.config["streams"])
            return [(each, self.run.split_rows(each)) for each in opened]
        if records or "int8" in self.precisions:
            raise UsageError(
                f"{', '.join(map(str, places))}: the records of this run are not there, and int8 takes its "
                "ranges from their training clips. Give their folder with --records (of a run combined out "
                "of two both), or leave int8 out with --precisions float32,float16,dynamic,onnx."
            )
        return []

    def _clips(self, part: str, count: int, seed: int) -> list[tuple[list, dict]]:
        """Of each source up to ``count`` rows of a part, with their inputs; those with all streams first.

        Args:
            part: of the run.
            count: of clips.
            seed: decides which.
        """
        from emotionnet.deploy.clips import load, spread

        found = []
        for records, parts in self.sources:
            whole, others = self._by_streams(records, parts[part])
            rows = spread(whole, count, seed)
            rows += spread(others, count - len(rows), seed)
            if rows:
                found.append((rows, load(self.run, records, rows)))
        return found

    def _convert(self, calibration_clips: int) -> dict[str, list[str]]:
        import numpy as np

        from emotionnet.deploy.clips import whole
        from emotionnet.deploy.convert import convert

        if "int8" in self.precisions:
            clips = [inputs for _, inputs in self._clips("train", calibration_clips, seed=1)]
            if not clips:
                raise EmotionNetError(
                    f"{self.run.folder}: no training clip to calibrate int8 with. Raise "
                    "--calibration-clips, or leave int8 out (--precisions float32,onnx)."
                )
            calibration = whole(clips, self.run.config["streams"])
            np.savez(self.work / "calibration.npz", **calibration)
        say(f"converting to {', '.join(self.precisions)}")
        job = {
            "model": str((self.run.folder / "model.keras").resolve()),
            "precisions": [p for p in self.precisions if p != ONNX],
            "onnx": ONNX in self.precisions,
            "system": self.run.config["system"],
        }
        return convert(self.work, job, self.timeout_s)["quantised_layers"]

    def _by_streams(self, records, rows: Sequence) -> tuple[list, list]:
        """Rows that have all the streams the run was trained on, and the others."""
        streams = self.run.config["streams"]
        whole, others = [], []
        for row in rows:
            complete = all(has(records, row, each) for each in streams)
            (whole if complete else others).append(row)
        return whole, others

    def _files(self, layers: dict[str, list[str]]) -> dict[str, dict[str, Any]]:
        everything = "everything"
        quantised = {name: len(parts) for name, parts in layers.items()}
        float_parts = {
            "float32": everything,
            ONNX: everything,
            "float16": "all computation; the networks' weights are stored in 16 bits",
            "dynamic": "all but the products of the networks' weights",
            "int8": "all layers but those that quantised_layers counts, the audio front-end first of all",
        }
        files = {}
        for precision in self.precisions:
            name = "model.onnx" if precision == ONNX else f"emotion_{precision}.tflite"
            made = "model.onnx" if precision == ONNX else f"{precision}.tflite"
            shutil.move(self.work / made, self.bundle / name)
            files[precision] = {
                "file": name,
                "bytes": (self.bundle / name).stat().st_size,
                "float32_parts": float_parts[precision],
            }
            if precision == "int8":
                files[precision]["quantised_layers"] = quantised
        return files

    def _golden_clips(self) -> dict:
        """Of the demo corpus, whose clips are free to ship."""
        from emotionnet.deploy.clips import demo_clips

        drawn = self.run.config["label_kind"] == "drawn"
        found = self._clips("test", 2, seed=2) if drawn else []
        return found[0][1] if found else demo_clips(self.run)

    def _keras(self, inputs: dict) -> dict:
        import numpy as np

        # `predict` makes a data pipeline each time, which takes longer than to answer a few clips.
        parts = [
            self.model.predict_on_batch({name: x[i : i + _AT_ONCE] for name, x in inputs.items()})
            for i in range(0, len(next(iter(inputs.values()))), _AT_ONCE)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _features(self, clip: dict):
        import numpy as np

        layer = self._front_end()
        if layer is None:
            return None
        found = layer(clip["waveform"], clip["waveform_samples"])
        return np.array(found[0] if layer.return_mask else found)

    def _front_end(self):
        from emotionnet.keras_private import layers_inside
        from emotionnet.layers.audio import LogMelSpectrogram

        for layer in layers_inside(self.model):
            if isinstance(layer, LogMelSpectrogram):
                return layer
        return None

    def _crop_sensitivity(self, tested: list[tuple[list, dict]]) -> dict[str, Any] | None:
        """Of the answer from faces, on few of the clips on which the precisions are compared, see `_clips`."""
        from emotionnet.deploy.jitter import crop_sensitivity
        from emotionnet.deploy.measure import MARGIN

        output = OUTPUTS["faces" if "faces" in self.run.config["streams"] else FUSED]
        if set(self.run.config["streams"]) == {"speech"}:
            return None
        for rows, inputs in tested:
            seen = [i for i, row in enumerate(rows[:MOVED_CLIPS]) if row.faces_found > 0]
            if seen:
                few = {name: values[seen] for name, values in inputs.items()}
                return crop_sensitivity(lambda clips: self._keras(clips)[output], few, MARGIN)
        return None

    def _contract(self, files, models, tolerances, crop_sensitivity) -> dict[str, Any]:
        from emotionnet import __version__
        from emotionnet.deploy.contract import make_contract
        from emotionnet.deploy.litert import runtime_for
        from emotionnet.training.versions import versions

        config = self.run.config
        lite = [model for model in models.values() if hasattr(model, "minimum_runtime")]
        first = lite[0] if lite else next(iter(models.values()))
        front_end = self._front_end()
        told = versions()
        kept = ("corpus", "label_kind", "protocol", "protocol_description", "leaky", "fold", "seed")
        return make_contract(
            name=self.run.name,
            labels=self.run.labels,
            system=config["system"],
            system_config=config["system_config"],
            front_end=front_end
            and {"kind": type(front_end).__name__, **front_end._settings(), "dtype": "float32"},
            files=files,
            signatures=first.signatures(),
            tolerances=tolerances,
            provenance={
                **{key: config.get(key) for key in kept},
                **({"combined": config["combined"]} if "combined" in config else {}),
                "manifest_hash": config.get("manifest_hash"),
                "model_sha256": file_sha256(self.run.folder / "model.keras"),
                "classes": self.run.classes.plain(),
                "commit": told["commit"],
            },
            versions={"emotionnet": __version__, "python": told["python"], **told["packages"]},
            minimum_runtime=runtime_for(lite),
            crop_sensitivity=crop_sensitivity,
            faces_hz=self.run.view().frame_hz,
        )

    def _accuracy(self, models, tested, accuracy) -> dict[str, Any] | None:
        import numpy as np

        if not tested:
            return None
        rows = [row for rows, _ in tested for row in rows]
        inputs = {name: np.concatenate([each[name] for _, each in tested]) for name in tested[0][1]}
        targets = np.array([self.run.labels.index(row.emotion) for row in rows])
        return accuracy(models, inputs, targets, self._keras(inputs), self.run.config["streams"])


def say(step: str) -> None:
    """Prints what is done now."""
    print(f"{step} …", file=sys.stderr, flush=True)
