"""The cost of a network: parameters, multiply-adds, bytes moved and memory, by layer and in total."""

from dataclasses import asdict, dataclass
from typing import Any

from emotionnet.deploy.operations import Graph, Operation, floating_operations, multiply_adds

#: How the two counts are meant; printed with every table.
CONVENTIONS = {
    "multiply_adds": "convolutions and matrix products only (equation 13 of system 1's paper)",
    "profiler": "TensorFlow profiler's FLOPs / 2: also BatchNorm, pooling, sums and products",
    "bytes": "each layer reads its inputs and weights once and writes its outputs once",
}
_FRONT_ENDS = ("MFCC", "LogMelSpectrogram", "SoundVector")


@dataclass(frozen=True)
class LayerCost:
    """The cost of one layer (or of a group of layers) for one clip.

    Attributes:
        layer: its path.
        kind: its class, or the operation of a file.
        parameters: weights, with BatchNorm statistics.
        multiply_adds: of convolutions and matrix products.
        flops: floating-point operations as TensorFlow's profiler counts them.
        weight_bytes: weights that it reads.
        moved_bytes: inputs and weights read, outputs written.
        front_end: whether it turns sound into features (stated apart from the networks).
    """

    layer: str
    kind: str
    parameters: int
    multiply_adds: int
    flops: int
    weight_bytes: int
    moved_bytes: int
    front_end: bool = False

    @property
    def intensity(self) -> float:
        """Arithmetic intensity: floating-point operations a byte moved."""
        return self.flops / self.moved_bytes if self.moved_bytes else 0.0


@dataclass(frozen=True)
class Cost:
    """The cost of a network for one clip (batch 1).

    Attributes:
        name: of the model or file.
        layers: in order of computation.
        live_bytes: most bytes of intermediate results that are needed at one time.
        boundary_bytes: inputs and outputs of the whole.
        notes: what could not be counted.
    """

    name: str
    layers: tuple[LayerCost, ...]
    live_bytes: int
    boundary_bytes: int
    notes: tuple[str, ...] = ()

    def sum(self, front_end: bool | None = None) -> LayerCost:
        """The whole; only the front-end (True) or only the networks (False)."""
        chosen = [x for x in self.layers if front_end is None or x.front_end == front_end]
        name = {None: "all", True: "audio front-end", False: "networks"}[front_end]
        return _add(name, "", chosen)

    def grouped(self, depth: int) -> list[LayerCost]:
        """The layers summed over paths of at most ``depth`` names, in order."""
        groups: dict[str, list[LayerCost]] = {}
        for layer in self.layers:
            groups.setdefault("/".join(layer.layer.split("/")[:depth]), []).append(layer)
        return [
            _add(path, members[0].kind if len(members) == 1 else "", members)
            for path, members in groups.items()
        ]

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        parts = {"all": self.sum(), "networks": self.sum(False), "front_end": self.sum(True)}
        return {
            "name": self.name,
            "conventions": CONVENTIONS,
            "sum": {name: _plain(part) for name, part in parts.items()},
            "live_bytes": self.live_bytes,
            "boundary_bytes": self.boundary_bytes,
            "layers": [_plain(layer) for layer in self.layers],
            "notes": list(self.notes),
        }


def count(graph: Graph) -> Cost:
    """Counts a network."""
    members: dict[str, list[Operation]] = {path: [] for path in graph.parameters}
    order: list[str] = []
    users: dict[str, set[str]] = {tensor.name: {""} for tensor in graph.outputs}
    for op in graph.operations:
        members.setdefault(op.layer, []).append(op)
        if op.layer not in order:
            order.append(op.layer)
        for tensor in op.inputs:
            users.setdefault(tensor.name, set()).add(op.layer)
    # Layers without an operation (containers) only matter where they hold weights.
    order += [p for p, n in graph.parameters.items() if n and p not in order]
    layers = [
        _layer(path, members[path], graph, users)
        for path in order
        if members[path] or graph.parameters.get(path)
    ]
    # The whole model ("") copies its results, which no runtime does.
    layers = [x for x in layers if x.parameters or x.flops or (x.moved_bytes and x.layer)]
    boundary = sum(tensor.nbytes for tensor in (*graph.inputs, *graph.outputs))
    return Cost(graph.name, tuple(layers), _live_bytes(graph), boundary, tuple(graph.notes))


def _layer(path: str, ops: list[Operation], graph: Graph, users: dict[str, set[str]]) -> LayerCost:
    made = {tensor.name: tensor for op in ops for tensor in op.outputs}
    read = {t.name: t for op in ops for t in op.inputs if t.name not in made}
    written = [t for t in made.values() if users.get(t.name, set()) - {path}]
    weights = sum(tensor.nbytes for tensor in read.values() if tensor.constant)
    inputs = sum(tensor.nbytes for tensor in read.values() if not tensor.constant)
    kind = graph.layer_kinds.get(path, "")
    return LayerCost(
        layer=path,
        kind=kind,
        parameters=graph.parameters.get(path, 0),
        multiply_adds=sum(multiply_adds(op) for op in ops),
        flops=sum(floating_operations(op) for op in ops),
        weight_bytes=weights,
        moved_bytes=weights + inputs + sum(tensor.nbytes for tensor in written),
        front_end=kind in _FRONT_ENDS,
    )


def _live_bytes(graph: Graph) -> int:
    """Most bytes of results alive at once, computed in order and freed after their last use."""
    last = {t.name: i for i, op in enumerate(graph.operations) for t in op.inputs}
    last |= {tensor.name: len(graph.operations) for tensor in graph.outputs}
    alive = {t.name: t.nbytes for t in graph.inputs}
    peak = total = sum(alive.values())
    for i, op in enumerate(graph.operations):
        for tensor in op.outputs:
            if tensor.name not in alive:
                alive[tensor.name] = tensor.nbytes
                total += tensor.nbytes
        peak = max(peak, total)
        for name in [t.name for t in (*op.inputs, *op.outputs) if last.get(t.name, -1) <= i]:
            total -= alive.pop(name, 0)
    return peak


def _add(name: str, kind: str, parts: list[LayerCost]) -> LayerCost:
    fields = ("parameters", "multiply_adds", "flops", "weight_bytes", "moved_bytes")
    sums = {field: sum(getattr(part, field) for part in parts) for field in fields}
    return LayerCost(name, kind, **sums, front_end=bool(parts) and all(p.front_end for p in parts))


def _plain(layer: LayerCost) -> dict[str, Any]:
    return {**asdict(layer), "profiler_multiply_adds": layer.flops // 2,
            "intensity": round(layer.intensity, 3)}  # fmt: skip


@dataclass(frozen=True)
class GhostCheck:
    """A Ghost module by the paper's equations 10 and 14, and as it is.

    The equations count the cheap operation as if each of its kernels saw all base maps
    (k² C₁ C_out); it is depthwise and makes only the other C₁ maps: k² C₁.

    Attributes:
        layer: path of the module.
        equation_10, parameters: weights of both convolutions (equation: with C₁ biases).
        equation_14, multiply_adds: of both convolutions.
    """

    layer: str
    equation_10: int
    parameters: int
    equation_14: int
    multiply_adds: int


def check_ghosts(graph: Graph) -> list[GhostCheck]:
    """Equations 10 and 14 of system 1's paper beside the true count, for every Ghost module.

    Each convolution enters with its own kernel size (the paper writes one k for both).
    """
    by_layer = {op.layer: op for op in graph.operations if op.terms}
    modules = [path for path, kind in graph.layer_kinds.items() if kind == "GhostModule"]
    checks = []
    for path in modules:
        primary, cheap = by_layer.get(f"{path}/primary"), by_layer.get(f"{path}/cheap")
        if primary is None or cheap is None:
            continue
        base = primary.outputs[0].shape[-1]
        positions = cheap.outputs[0].size // base  # frames x height x width
        as_full = cheap.terms * base * 2 * base
        checks.append(
            GhostCheck(
                layer=path,
                equation_10=primary.terms * base + base + as_full,
                parameters=primary.terms * base + cheap.terms * base,
                equation_14=positions * (primary.terms * base + as_full),
                multiply_adds=multiply_adds(primary) + multiply_adds(cheap),
            )
        )
    return checks
