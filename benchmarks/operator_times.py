"""Where the time of a ``.tflite`` file goes: every operator timed by itself, and the machine's peak."""

import copy
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

from emotionnet.deploy.graphs import tflite_graph
from emotionnet.deploy.operations import multiply_adds


def operator_times(path: Path, runs: int = 30, signature: str = "classify") -> list[dict]:
    """The CPU time of each operator of a file, run as a file of its own on one thread.

    Args:
        path: a ``.tflite`` file.
        runs: of each; the median counts.
        signature: which entry point.

    Returns:
        ``op``, ``layer`` (its tensor's name), ``shape`` out, ``multiply_adds``, ``ms``.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(Path(path).read_bytes(), 0))
    index = {s.signatureKey.decode(): s.subgraphIndex for s in model.signatureDefs}[signature]
    subgraph = model.subgraphs[index]
    counted = tflite_graph(path, signature).operations
    rows = []
    for operator, known in zip(list(subgraph.operators), counted):
        alone = copy.copy(model)
        alone.signatureDefs = []
        part = copy.copy(subgraph)
        part.operators = [operator]
        part.inputs = [i for i in operator.inputs if i >= 0 and not _held(model, subgraph, i)]
        part.outputs = list(operator.outputs)
        alone.subgraphs = [part]
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(alone.Pack(builder), b"TFL3")
        try:
            ms = _median_ms(bytes(builder.Output()), runs)
        except (RuntimeError, ValueError):
            ms = 0.0  # needs what another operator prepares; rare, and cheap
        name = (subgraph.tensors[operator.outputs[0]].name or b"").decode()
        rows.append({"op": known.layer.split()[1], "layer": name,
                     "shape": list(known.outputs[0].shape),
                     "multiply_adds": multiply_adds(known), "ms": ms})  # fmt: skip
    return rows


def _held(model, subgraph, index: int) -> bool:
    data = model.buffers[subgraph.tensors[index].buffer].data
    return data is not None and len(data) > 0


def _median_ms(content: bytes, runs: int) -> float:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    random = np.random.default_rng(0)
    for detail in interpreter.get_input_details():
        values = random.integers(0, 100, detail["shape"])
        if detail["dtype"] is np.float32:
            values = values / 100
        interpreter.set_tensor(detail["index"], values.astype(detail["dtype"]))
    times = []
    for _ in range(runs + 2):
        start = time.process_time()
        interpreter.invoke()
        times.append(time.process_time() - start)
    return 1000 * float(np.median(times[2:]))


def print_operators(name: str, rows: list[dict], peak_gmacs: float) -> None:
    """Prints the time by kind of operator, and the ten operators that take most."""
    total = sum(row["ms"] for row in rows)
    kinds: dict[str, list[dict]] = defaultdict(list)
    for row in rows:
        kinds[_group(row)].append(row)
    print(f"\n{name}: operators one by one, {total:.1f} ms CPU together")
    work = sum(row["multiply_adds"] for row in rows)
    print(f"all multiply-adds of the file: {work / 1e6:.0f} M, {work / total / 1e6:.1f} GMAC/s, "
          f"{100 * work / total / 1e6 / peak_gmacs:.1f} % of the int8 peak")  # fmt: skip
    print(f"{'kind':34}  count      ms  share   GMAC/s  of int8 peak")
    for kind, members in sorted(kinds.items(), key=lambda kv: -sum(r["ms"] for r in kv[1])):
        ms = sum(row["ms"] for row in members)
        work = sum(row["multiply_adds"] for row in members)
        speed = work / ms / 1e6 if ms else 0.0
        fast = f"{speed:8.1f} {100 * speed / peak_gmacs:8.1f} %" if work else ""
        print(f"{kind:34} {len(members):6} {ms:7.2f} {100 * ms / total:5.1f} % {fast}")
    print("the ten that take most:")
    for row in sorted(rows, key=lambda row: -row["ms"])[:10]:
        print(f"  {row['ms']:6.3f} ms  {row['op']:18} {row['shape']!s:22} {row['layer'][:70]}")


def _group(row: dict) -> str:
    """The kind of an operator; convolutions by what they are for."""
    if row["op"] != "CONV_2D":
        return row["op"]
    gates = ("height_width", "height_channels", "width_channels")
    if any(gate in row["layer"] for gate in gates):
        return "CONV_2D of gates"
    return "CONV_2D, stem" if "stem" in row["layer"] else "CONV_2D, 1x1"


def peak_macs(precision: str, folder: Path, seconds: float = 2.0) -> float:
    """The most multiply-adds a second (in G) that LiteRT reaches here with a large convolution.

    Args:
        precision: "float32" or "int8".
        folder: for the file.
        seconds: to measure; the fastest run counts.
    """
    import keras
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter

    shape = (1, 28, 28, 512)
    inputs = keras.Input(shape[1:], batch_size=1)
    outputs = keras.layers.Conv2D(512, 1)(inputs)
    model = keras.Model(inputs, outputs)
    model.export(folder / f"peak_{precision}", verbose=False)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder / f"peak_{precision}"))
    if precision == "int8":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        noise = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        converter.representative_dataset = lambda: iter([[noise]])
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    interpreter = Interpreter(model_content=converter.convert(), num_threads=1)
    interpreter.allocate_tensors()
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.process_time()
        interpreter.invoke()
        best = min(best, time.process_time() - start)
    return 28 * 28 * 512 * 512 / best / 1e9
