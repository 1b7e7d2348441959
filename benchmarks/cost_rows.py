"""One row a system: parameters, multiply-adds, size, and time in float32 and int8, beside the papers' figures.

    python benchmarks/cost_rows.py [NAME …] [--runs 10] [--json FILE]

Each system as it is built for a paper's corpus, with random weights (they decide no time), converted as `export`
does, and run by LiteRT on one thread, batch 1. int8 takes its ranges from a clip of noise. Times are medians of
processor time. A system whose conversion or run fails has its reason in the row. Printed is a table in Markdown.
"""

import argparse
import json
import os
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from emotionnet.deploy import graphs
from emotionnet.deploy.convert import convert
from emotionnet.deploy.cost import count
from emotionnet.deploy.latency import example_input, measure
from emotionnet.errors import EmotionNetError
from emotionnet.systems import build_model, without_weights

#: Name → system, classes, fields of its config, and what its paper prints of it.
ROWS = {
    "ghost_fan": ("ghost_fan", 8, {}, "0.92 M, 0.77 G, 58 ms"),
    "segments, CREMA-D (N = 5)": (
        *("segments", 6, {"segments": 5}),
        "2.7 M, 10.3 MB, 5.1 ms (RTX 3080 Ti), 1.8 ms (RTX 4090), 440 ms (Jetson Nano)",
    ),
    "segments, RAVDESS (N = 12)": (
        *("segments", 8, {"segments": 12}),
        "2.7 M, 10.3 MB, 13.1 ms (RTX 3080 Ti), 4.1 ms (RTX 4090), 840 ms (Jetson Nano)",
    ),
    "cross_modal, baseline": ("cross_modal", 8, {"variant": "baseline"}, "13.1 M"),
    "cross_modal, sa": ("cross_modal", 8, {"variant": "sa"}, "14.9 M"),
    "racnn": ("racnn", 8, {}, "5.61 M, 390.73 G, 12,500 ms (as system 1's paper prints)"),
    "dv_emotionnet": ("dv_emotionnet", 8, {}, "none"),
}
HEAD = (
    "| | parameters | multiply-adds, M (front-end) | float32: MB | ms | int8: MB | ms | the paper |\n"
    "|---|---|---|---|---|---|---|---|"
)


def noise(model) -> dict[str, np.ndarray]:
    """Inputs of a clip of noise, batch 1."""
    whole = {"faces": np.uint8, "waveform_samples": np.int32}
    shapes = {name: (1, *tensor.shape[1:]) for name, tensor in model.input.items()}
    samples = shapes["waveform"][1]
    return {
        name: example_input(name, shape, whole.get(name, np.float32), samples)
        for name, shape in shapes.items()
    }


def row(name: str, runs: int) -> dict:
    """What is known of a system."""
    system, classes, config, printed = ROWS[name]
    model = build_model(system, classes, **(without_weights(system) | config))
    counted = count(graphs.keras_graph(model))
    networks, front = (counted.sum(front_end=part) for part in (False, True))
    found = {
        "name": name,
        "parameters": networks.parameters + front.parameters,
        "multiply_adds": networks.multiply_adds,
        "front_end": front.multiply_adds,
        "printed": printed,
        "files": {},
    }
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        model.save(folder / "model.keras")
        np.savez(folder / "calibration.npz", **noise(model))
        for precision in ("float32", "int8"):
            job = {"model": str(folder / "model.keras"), "precisions": [precision], "onnx": False}
            try:
                convert(folder, {**job, "system": system})
                file = folder / f"{precision}.tflite"
                found["files"][precision] = {
                    "mb": file.stat().st_size / 1e6,
                    "ms": measure(file, 1, runs).cpu_ms,
                }
            except EmotionNetError as error:
                found["files"][precision] = {"failed": str(error)}
    return found


def line(found: dict) -> str:
    """A row of the table."""
    cells = [found["name"], f"{found['parameters']:,}",
             f"{found['multiply_adds'] / 1e6:,.0f} ({found['front_end'] / 1e6:,.0f})"]  # fmt: skip
    for each in found["files"].values():
        cells += ["–", "–"] if "failed" in each else [f"{each['mb']:.2f}", f"{each['ms']:.1f}"]
    return f"| {' | '.join([*cells, found['printed']])} |"


def main() -> int:
    """Measures and prints."""
    p = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    p.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(ROWS)}; default: all")
    p.add_argument("--runs", type=int, default=10, help="timed runs of each file (default: 10)")
    p.add_argument("--json", type=Path, metavar="FILE")
    args = p.parse_args()
    unknown = [name for name in args.names if name not in ROWS]
    if unknown:
        p.error(f"{unknown[0]}: not known. Known: {'; '.join(ROWS)}")
    print(HEAD, flush=True)
    found = []
    for name in args.names or ROWS:
        found.append(row(name, args.runs))
        print(line(found[-1]), flush=True)
    for each in found:
        for precision, file in each["files"].items():
            if "failed" in file:
                print(f"\n{each['name']}, {precision}: {file['failed']}")
    if args.json:
        args.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
