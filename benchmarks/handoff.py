"""Speed and size of the hand-off: the deploy form in int8 against what it could have been.

    python benchmarks/handoff.py [--set depthwise=stride2] [--runs 30] [--profile] [--json FILE]

All on one thread, the same clip, the files taking turns in one process, so that whatever else the
machine does hits all of them. Times are medians; CPU time stands beside wall time, since it does not
see other programs. Weights are random: they decide no time.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from keras import layers, ops
from operator_times import operator_times, peak_macs, print_operators

from emotionnet.deploy import latency, onnx, rewrite, tflite
from emotionnet.layers.attention import FrameAttention, TripletAttention
from emotionnet.layers.ghost import GhostBottleneck, GhostModule
from emotionnet.systems import build_model
from emotionnet.values import field_value


class PublishedTriplet(layers.Layer):
    """Triplet attention step by step as published: the whole map is turned for each branch.

    Args:
        source: the layer whose weights it takes.
    """

    def __init__(self, source: TripletAttention, **kwargs):
        super().__init__(**kwargs)
        self.source = source
        # (batch, H, W, C) so that the reduced axis stands last; and back.
        self.turns = {3: (0, 1, 2, 3), 2: (0, 1, 3, 2), 1: (0, 2, 3, 1)}
        self.backs = {3: (0, 1, 2, 3), 2: (0, 1, 3, 2), 1: (0, 3, 1, 2)}

    def call(self, x):
        branches = []
        parts = zip(self.source.axes.values(), self.source.convolutions, self.source.norms)
        for axis, convolution, norm in parts:
            turned = ops.transpose(x, self.turns[axis])
            pooled = [ops.max(turned, -1, keepdims=True), ops.mean(turned, -1, keepdims=True)]
            gate = ops.sigmoid(norm(convolution(ops.concatenate(pooled, -1)), training=False))
            branches.append(ops.transpose(turned * gate, self.backs[axis]))
        mean = (branches[0] + branches[1] + branches[2]) / 3.0
        return x + mean if self.source.residual else mean


class PublishedFrames(layers.Layer):
    """Frame attention as published: the anchor is repeated beside each frame.

    Args:
        source: the layer whose weights it takes.
    """

    def __init__(self, source: FrameAttention, **kwargs):
        super().__init__(**kwargs)
        self.source = source

    def call(self, features, valid):
        valid = ops.expand_dims(valid, -1)
        alpha = valid * ops.sigmoid(self.source.alpha(features))
        anchor = ops.sum(alpha * features, 1) / (ops.sum(alpha, 1) + 1e-7)
        repeated = ops.repeat(ops.expand_dims(anchor, 1), features.shape[1], axis=1)
        both = ops.concatenate([features, repeated], -1)
        kernel = ops.concatenate([self.source.beta_frame.kernel, self.source.beta_anchor.kernel], 0)
        beta = ops.sigmoid(ops.matmul(both, kernel) + self.source.beta_frame.bias)
        weights = alpha * beta
        return ops.sum(weights * both, 1) / (ops.sum(weights, 1) + 1e-7)


def published_form(model: keras.Model) -> keras.Model:
    """The trained model with both attentions written out as in their papers, nothing folded."""

    def written_out(kind):
        def make(rewriter, layer, *args):
            return kind(layer, name=rewriter.name(layer.name))(*args)

        return make

    table = {
        GhostModule: rewrite.joined_ghost,
        GhostBottleneck: rewrite.REWRITES[GhostBottleneck],
        TripletAttention: written_out(PublishedTriplet),
        FrameAttention: written_out(PublishedFrames),
    }
    with mock.patch.dict(rewrite.REWRITES, table, clear=True):
        return rewrite.Rewriter().model(model)


def clip(model: keras.Model) -> dict[str, np.ndarray]:
    """Inputs of a clip of noise, batch 1."""
    shapes = {name: (1, *tensor.shape[1:]) for name, tensor in model.input.items()}
    kinds = {"faces": np.uint8, "waveform_samples": np.int32}
    samples = shapes["waveform"][1]
    return {
        name: latency.example_input(name, shape, kinds.get(name, np.float32), samples)
        for name, shape in shapes.items()
    }


def make_files(model: keras.Model, folder: Path) -> dict[str, Path]:
    """All the files that are compared."""
    files, inputs = {}, clip(model)
    as_float = {k: v.astype(np.float32) for k, v in inputs.items()}
    as_float["waveform_samples"] = inputs["waveform_samples"]
    expected = model(as_float, training=False)
    forms = {"published": published_form(model), "deploy": rewrite.deploy_form(model)}
    for name, form in forms.items():
        found = form(as_float, training=False)
        for key, value in expected.items():
            gap = float(np.abs(np.asarray(value) - np.asarray(found[key])).max())
            assert gap <= 1e-5, f"{name} form differs in {key} by {gap}"
        where = folder / name
        entries = tflite.save(form, where / "saved_model")
        tflite.write(form, where, ["float32", "int8"], inputs)
        files |= {f"{name} {p}": where / f"{p}.tflite" for p in ("float32", "int8")}
        if name == "published":
            onnx.write(entries["classify"], folder / "published.onnx")
    files["published ONNX Runtime float32"] = folder / "published.onnx"
    return files


def take_turns(runners: dict[str, Callable[[], None]], runs: int) -> dict[str, dict[str, float]]:
    """Median wall and CPU time in ms of each runner; they run one after the other, ``runs`` times."""
    wall = {name: [] for name in runners}
    cpu = {name: [] for name in runners}
    for number in range(-3, runs):
        for name, run in runners.items():
            starts = time.perf_counter(), time.process_time()
            run()
            if number >= 0:
                wall[name].append(1000 * (time.perf_counter() - starts[0]))
                cpu[name].append(1000 * (time.process_time() - starts[1]))
    return {
        name: {"wall_ms": statistics.median(wall[name]), "cpu_ms": statistics.median(cpu[name])}
        for name in runners
    }


def main() -> None:
    """Makes the files, times them and prints tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", dest="config", type=field_value, action="append", default=[])
    parser.add_argument("--runs", type=int, default=30, help="of each file (default: 30)")
    parser.add_argument("--profile", action="store_true", help="time every operator by itself")
    parser.add_argument("--json", metavar="FILE", help="write the numbers there too")
    args = parser.parse_args()
    keras.utils.set_random_seed(0)
    model = build_model("ghost_fan", 8, **dict(args.config))
    result = {"command": " ".join(["python", *sys.argv]), "runs": args.runs}
    with tempfile.TemporaryDirectory() as scratch:
        files = make_files(model, Path(scratch))
        best = files["deploy int8"]
        runners = {
            name: latency.onnx_runner(path)
            if path.suffix == ".onnx"
            else latency.litert_runner(path)
            for name, path in files.items()
        }
        runners |= {
            f"deploy int8 {key}": latency.litert_runner(best, signature=key)
            for key in ("encode_face", "encode_speech", "fuse")
        }
        times = take_turns(runners, args.runs)
        result["times"] = times
        result["bytes"] = {name: path.stat().st_size for name, path in files.items()}
        result["memory_mb"] = latency.measure(best, runs=5).memory_mb
        result["peak_gmacs"] = {p: peak_macs(p, Path(scratch)) for p in ("float32", "int8")}
        result |= summary(result)
        report(result)
        if args.profile:
            for name in ("deploy int8", "published int8"):
                rows = operator_times(files[name], runs=args.runs)
                result[f"operators, {name}"] = rows
                print_operators(name, rows, result["peak_gmacs"]["int8"])
    if args.json:
        Path(args.json).write_text(json.dumps(result, indent=1), encoding="utf-8")


def summary(result: dict) -> dict:
    """The ratios that were asked for, by wall and by CPU time."""
    times, found = result["times"], {}
    for clock in ("wall_ms", "cpu_ms"):
        best = times["deploy int8"][clock]
        live = sum(times[f"deploy int8 {key}"][clock] for key in ("encode_face", "fuse"))
        found[f"ratios, {clock}"] = {
            "published int8 / deploy int8": times["published int8"][clock] / best,
            "deploy float32 / deploy int8": times["deploy float32"][clock] / best,
            "published ONNX Runtime float32 / deploy int8":
                times["published ONNX Runtime float32"][clock] / best,
            "clip / (encode_face + fuse)": best / live,
        }  # fmt: skip
    return found


def report(result: dict) -> None:
    """Prints the tables."""
    print(f"\n{'1 thread, medians of ' + str(result['runs']):44}  wall ms   CPU ms       MB")
    for name, row in result["times"].items():
        size = result["bytes"].get(name)
        print(f"{name:44} {row['wall_ms']:8.2f} {row['cpu_ms']:8.2f} "
              f"{'' if size is None else f'{size / 1e6:8.3f}'}")  # fmt: skip
    print(f"\n{'ratio':44}     wall      CPU")
    for name, ratio in result["ratios, wall_ms"].items():
        print(f"{name:44} {ratio:8.2f} {result['ratios, cpu_ms'][name]:8.2f}")
    peaks = ", ".join(f"{name} {peak:.0f}" for name, peak in result["peak_gmacs"].items())
    print(f"\nmemory over the runtime: {result['memory_mb']} MB; peak of this machine in GMAC/s, "
          f"1 thread, large convolution: {peaks}")  # fmt: skip


if __name__ == "__main__":
    main()
