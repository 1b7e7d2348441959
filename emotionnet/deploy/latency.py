"""How long a ``.tflite`` or ``.onnx`` file takes on this machine, and how much memory.

Each measurement runs in a separate process (``python -m emotionnet.deploy.latency``), so that the
number of threads is its own, the memory is the model's, and a crash is a message.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from emotionnet.errors import EmotionNetError

#: Runs before the clock starts, seconds that a measurement takes at most.
WARM_UP, MOST_S = 3, 60.0


@dataclass(frozen=True)
class Latency:
    """Times of one file.

    Attributes:
        threads: that the runtime was given.
        p50_ms, p95_ms: median and 95th percentile of a run.
        cpu_ms: median CPU time of a run, over all threads: what other programs do not disturb.
        runs: number of runs.
        memory_mb: peak resident memory over that of the runtime with a model of one addition, in
            MB; None where the system does not say.
    """

    threads: int
    p50_ms: float
    p95_ms: float
    cpu_ms: float
    runs: int
    memory_mb: float | None


def measure(
    path: str | os.PathLike,
    threads: int = 1,
    runs: int = 30,
    signature: str | None = None,
    timeout_s: float = 300,
) -> Latency:
    """Times a file with LiteRT (``.tflite``) or ONNX Runtime (``.onnx``) on this machine's CPU.

    Args:
        path: the file.
        threads: of the runtime.
        runs: timed runs, after a few to warm up; fewer where a minute is over.
        signature: of a ``.tflite``; by default ``classify``, else the first.
        timeout_s: after which it is given up.

    Raises:
        EmotionNetError: the runtime is missing, crashed, or took too long.
    """
    command = [sys.executable, "-m", "emotionnet.deploy.latency", os.fspath(path)]
    command += ["--threads", str(threads), "--runs", str(runs)]
    command += ["--signature", signature] if signature else []
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        raise EmotionNetError(
            f"{path}: no answer from the runtime in {timeout_s:.0f} s."
        ) from error
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise EmotionNetError(f"{path}: the runtime could not run it ({reason[:300]}).")
    return Latency(**json.loads(done.stdout.splitlines()[-1]))


def example_input(name: str, shape: Sequence[int], dtype: np.dtype, samples: int) -> np.ndarray:
    """Plausible numbers for an input, by its name: noise for pictures and sound, all present."""
    random = np.random.default_rng(0)
    dtype = np.dtype(dtype)
    if "mask" in name:
        return np.ones(shape, dtype)
    if name.endswith("_samples"):
        return np.full(shape, samples, dtype)
    if "face" in name and len(shape) >= 4:
        return random.integers(0, 256, shape).astype(dtype)
    if dtype.kind in "iu":
        return random.integers(0, 64, shape).astype(dtype)
    return random.normal(0, 0.1, shape).astype(dtype)


def litert_runner(
    path: str | os.PathLike, threads: int = 1, signature: str | None = None
) -> Callable[[], None]:
    """A function that runs the file once; its inputs are filled with `example_input`."""
    from ai_edge_litert.compiled_model import CompiledModel
    from ai_edge_litert.hardware_accelerator import HardwareAccelerator
    from ai_edge_litert.options import CpuOptions, Options

    options = Options(
        hardware_accelerators=HardwareAccelerator.CPU, cpu_options=CpuOptions(num_threads=threads)
    )
    model = CompiledModel.from_file(os.fspath(path), options=options)
    keys = model.get_signature_list()
    key = signature or ("classify" if "classify" in keys else next(iter(keys)))
    details = model.get_input_tensor_details(key)
    samples = max([d["shape"][-1] for n, d in details.items() if n == "waveform"], default=0)
    index = model.get_signature_index(key)
    inputs = model.create_input_buffers(index)
    outputs = model.create_output_buffers(index)
    for buffer, name in zip(inputs, keys[key]["inputs"]):
        detail = details[name]
        buffer.write(example_input(name, detail["shape"], detail["dtype"], samples))
    return lambda: model.run_by_index(index, inputs, outputs)


def onnx_runner(path: str | os.PathLike, threads: int = 1) -> Callable[[], None]:
    """As `litert_runner`, for ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(os.fspath(path), options, ["CPUExecutionProvider"])
    dtypes = {"tensor(float)": "float32", "tensor(int32)": "int32", "tensor(uint8)": "uint8",
              "tensor(int64)": "int64"}  # fmt: skip
    shapes = {
        i.name: [d if isinstance(d, int) else 1 for d in i.shape] for i in session.get_inputs()
    }
    samples = shapes.get("waveform", [0])[-1]
    feed = {
        i.name: example_input(i.name, shapes[i.name], np.dtype(dtypes[i.type]), samples)
        for i in session.get_inputs()
    }
    return lambda: session.run(None, feed)


def time_runs(run: Callable[[], None], runs: int) -> tuple[list[float], list[float]]:
    """Wall and CPU seconds of each of ``runs`` runs, fewer where a minute is over."""
    for _ in range(WARM_UP):
        run()
    wall: list[float] = []
    cpu: list[float] = []
    end = time.perf_counter() + MOST_S
    while len(wall) < runs and (len(wall) < 5 or time.perf_counter() < end):
        starts = time.perf_counter(), time.process_time()
        run()
        wall.append(time.perf_counter() - starts[0])
        cpu.append(time.process_time() - starts[1])
    return wall, cpu


def _memory_mb(peak: bool) -> float | None:
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    word = "VmHWM:" if peak else "VmRSS:"
    return float(status.split(word)[1].split()[0]) / 1024


def _start_litert() -> None:
    """Runs a model of one addition, which loads all that LiteRT has beside a model."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model, subgraph = schema.ModelT(), schema.SubGraphT()
    code, operator = schema.OperatorCodeT(), schema.OperatorT()
    code.version = 1
    operator.inputs, operator.outputs = [0, 0], [1]  # of the first code, 0: ADD
    operator.builtinOptionsType = schema.BuiltinOptions.AddOptions
    operator.builtinOptions = schema.AddOptionsT()
    subgraph.tensors = [schema.TensorT(), schema.TensorT()]
    for tensor in subgraph.tensors:
        tensor.shape = [1]
    subgraph.inputs, subgraph.outputs, subgraph.operators = [0], [1], [operator]
    model.version, model.operatorCodes = 3, [code]
    model.subgraphs, model.buffers = [subgraph], [schema.BufferT()]
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "one_addition.tflite"
        path.write_bytes(builder.Output())
        litert_runner(path)()


def main(argv: Sequence[str] | None = None) -> int:
    """Times one file in this process and prints a `Latency` as JSON."""
    parser = argparse.ArgumentParser(prog="python -m emotionnet.deploy.latency")
    parser.add_argument("path")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--signature")
    args = parser.parse_args(argv)
    onnx = Path(args.path).suffix == ".onnx"
    if onnx:
        import onnxruntime  # noqa: F401  (the bare runtime is not the model's memory)
    else:
        _start_litert()
    before = _memory_mb(peak=False)
    run = (
        onnx_runner(args.path, args.threads)
        if onnx
        else litert_runner(args.path, args.threads, args.signature)
    )
    wall, cpu = time_runs(run, args.runs)
    after = _memory_mb(peak=True)
    used = None if before is None or after is None else round(after - before, 2)
    p50, p95 = (round(1000 * float(x), 3) for x in np.percentile(wall, [50, 95]))
    latency = Latency(
        args.threads, p50, p95, round(1000 * float(np.median(cpu)), 3), len(wall), used
    )
    print(json.dumps(asdict(latency)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
