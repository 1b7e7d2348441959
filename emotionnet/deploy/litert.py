"""Reading and running ``.tflite`` and ``.onnx`` files: no TensorFlow, no Keras."""

import os
import re
from collections.abc import Iterable, Mapping
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from emotionnet.errors import EmotionNetError
from emotionnet.interpreter import interpreter, no_greeting


class LiteModel:
    """A ``.tflite`` file.

    Args:
        path: the file.
        threads: of the interpreter.

    Raises:
        EmotionNetError: LiteRT is not installed, or the file is not one it can run.
    """

    def __init__(self, path: str | os.PathLike, threads: int = 1):
        self.path = Path(path)
        if find_spec("ai_edge_litert") is None:
            raise EmotionNetError(
                "LiteRT is not installed: pip install ai-edge-litert (or emotionnet[tflite])."
            )
        try:
            self.content = self.path.read_bytes()
            if self.content[4:8] != b"TFL3":
                raise ValueError("no TFL3 mark at its beginning")
            self._interpreter = interpreter(self.content, threads)
        except (ValueError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
            raise EmotionNetError(
                f"{self.path}: LiteRT cannot load it ({reason[:200]})."
            ) from error
        self._runners: dict[str, Any] = {}

    @property
    def names(self) -> list[str]:
        """Names of the entry points."""
        return sorted(self._interpreter.get_signature_list())

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Calls an entry point; inputs and outputs by name."""
        runner = self._runner(signature)
        with no_greeting():
            outputs = runner(**inputs)
        return {name: np.array(value) for name, value in outputs.items()}

    def _runner(self, signature: str):
        if signature not in self._runners:
            self._runners[signature] = self._interpreter.get_signature_runner(signature)
        return self._runners[signature]

    def signatures(self) -> dict[str, dict[str, list[dict[str, Any]]]]:
        """Entry point → ``inputs`` and ``outputs``, each ``name``, ``shape``, ``dtype``, ``scale``,
        ``zero_point`` (None for tensors that are not quantised), sorted by name."""
        found = {}
        for name in self.names:
            runner = self._runner(name)
            found[name] = {
                "inputs": _tensors(runner.get_input_details()),
                "outputs": _tensors(runner.get_output_details()),
            }
        return found

    @cached_property
    def graph(self):
        """The flatbuffer as objects (``ModelT`` of LiteRT's schema)."""
        from ai_edge_litert import schema_py_generated as schema

        return schema.ModelT.InitFromObj(schema.Model.GetRootAs(self.content, 0))

    def operators(self) -> list[dict[str, Any]]:
        """Every operator: ``subgraph``, ``op``, ``output`` (name), ``types`` of activations in and
        out."""
        return list(operators(self.graph))

    def minimum_runtime(self) -> str:
        """The oldest TensorFlow Lite runtime that has all operators; "" where the file is silent."""
        for entry in self.graph.metadata or []:
            if entry.name == b"min_runtime_version":
                data = bytes(bytearray(self.graph.buffers[entry.buffer].data))
                return data.split(b"\0")[0].decode()
        return ""


class OnnxModel:
    """An ``.onnx`` file, called like a `LiteModel`; its one entry point is ``classify``.

    Args:
        path: the file.
        threads: of the runtime.

    Raises:
        EmotionNetError: ONNX Runtime is not installed, or the file is not one it can run.
    """

    names = ("classify",)

    def __init__(self, path: str | os.PathLike, threads: int = 1):
        self.path = Path(path)
        try:
            import onnxruntime
        except ImportError:
            raise EmotionNetError(
                "ONNX Runtime is not installed: pip install onnxruntime (or emotionnet[onnx])."
            ) from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        try:
            self._session = onnxruntime.InferenceSession(
                os.fspath(path), options, ["CPUExecutionProvider"]
            )
        except Exception as error:  # its own exception classes share no public base
            reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
            message = f"{path}: ONNX Runtime cannot load it ({reason[:200]})."
            raise EmotionNetError(message) from error

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Answers by name."""
        names = [output.name for output in self._session.get_outputs()]
        return dict(zip(names, self._session.run(names, dict(inputs))))

    def signatures(self) -> dict[str, dict[str, list[dict[str, Any]]]]:
        """As `LiteModel.signatures`."""
        sides = {"inputs": self._session.get_inputs(), "outputs": self._session.get_outputs()}
        return {
            "classify": {
                side: sorted((_onnx_tensor(t) for t in tensors), key=lambda t: t["name"])
                for side, tensors in sides.items()
            }
        }


def open_model(path: str | os.PathLike) -> LiteModel | OnnxModel:
    """Opens a model file by its suffix."""
    return OnnxModel(path) if Path(path).suffix == ".onnx" else LiteModel(path)


def runtime_for(models: Iterable[LiteModel]) -> str:
    """The oldest TensorFlow Lite runtime that has all operators of several files; "" where all are silent."""
    found = (model.minimum_runtime() for model in models)
    # By number: 2.14.0 is newer than 2.3.0.
    return max(found, key=lambda version: [*map(int, re.findall(r"\d+", version))], default="")


def _onnx_tensor(tensor) -> dict[str, Any]:
    kinds = {"tensor(float)": "float32", "tensor(uint8)": "uint8", "tensor(int32)": "int32"}
    return {
        "name": tensor.name,
        "shape": list(tensor.shape),
        "dtype": kinds.get(tensor.type, tensor.type),
        "scale": None,
        "zero_point": None,
    }


def operators(graph):
    """The operators of a ``ModelT``, see `LiteModel.operators`."""
    from ai_edge_litert import schema_py_generated as schema

    types = {v: k for k, v in vars(schema.TensorType).items() if isinstance(v, int)}
    for subgraph in graph.subgraphs:
        for operator in subgraph.operators:
            custom = (graph.operatorCodes[operator.opcodeIndex].customCode or b"").decode()
            tensors = [
                subgraph.tensors[i]
                for i in (*operator.inputs, *operator.outputs)
                if i >= 0 and not _constant(graph, subgraph.tensors[i])
            ]
            yield {
                "subgraph": (subgraph.name or b"").decode(),
                "op": operator_name(graph, operator),
                "builtin": not custom,
                "output": subgraph.tensors[operator.outputs[0]].name.decode(),
                "types": [types[tensor.type] for tensor in tensors],
            }


def operator_name(graph, operator) -> str:
    """The name of an operator of a ``ModelT``: "CONV_2D", or the name of a custom one."""
    from ai_edge_litert import schema_py_generated as schema

    code = graph.operatorCodes[operator.opcodeIndex]
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    custom = (code.customCode or b"").decode()
    return custom or _builtins(schema).get(number, f"unknown operator {number}")


@cache
def _builtins(schema) -> dict[int, str]:
    return {v: k for k, v in vars(schema.BuiltinOperator).items() if isinstance(v, int)}


def _constant(graph, tensor) -> bool:
    data = graph.buffers[tensor.buffer].data
    return data is not None and len(data) > 0


def _tensors(details: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    tensors = []
    for name, detail in sorted(details.items()):
        scale, zero_point = detail["quantization"]
        tensors.append(
            {
                "name": name,
                "shape": [int(d) for d in detail["shape"]],
                "dtype": np.dtype(detail["dtype"]).name,
                "scale": float(scale) or None,
                "zero_point": int(zero_point) if scale else None,
            }
        )
    return tensors
