"""The cost of a backbone: parameters, bytes and multiply-adds, exactly, without training; and time."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

#: Size of a face in clips, at which a backbone is counted besides its own.
CLIP_SIZE = 224
_BACKBONE = "face_stream/backbone"


@dataclass(frozen=True)
class BackboneCost:
    """The cost of system ``faces`` with one backbone, for one picture.

    Attributes:
        image_size: height and width of the pictures.
        parameters: of the whole network, with its head and the statistics of BatchNorm.
        backbone_parameters: without the head.
        weights_mb: the parameters in float32, 4 bytes each, in 10⁶ bytes.
        multiply_adds: of convolutions and matrix products, of the whole at ``image_size``.
        backbone_multiply_adds: of those, the backbone's.
        backbone_multiply_adds_224: the backbone's at `CLIP_SIZE`.
        file_mb: the float32 ``.tflite``, in 10⁶ bytes; None where none was made.
        cpu_ms: median CPU time of a picture, with LiteRT on one thread of this machine; None likewise.
    """

    image_size: int
    parameters: int
    backbone_parameters: int
    weights_mb: float
    multiply_adds: int
    backbone_multiply_adds: int
    backbone_multiply_adds_224: int
    file_mb: float | None = None
    cpu_ms: float | None = None


def backbone_cost(
    backbone: str, image_size: int, head: str = "dense", num_classes: int = 7, timed: bool = False
) -> BackboneCost:
    """Counts system ``faces`` with a backbone of random weights.

    Args:
        backbone: name of the network, see `emotionnet.systems.backbones.BACKBONES`.
        image_size: of the pictures; one that is too small for the network is made large enough.
        head: "dense" or "pool".
        num_classes: of the head.
        timed: whether to make the float32 ``.tflite`` and time it.

    Raises:
        UsageError: an unknown network or head.
        EmotionNetError: the file could not be made or run.
    """
    from emotionnet.systems.backbones import smallest_picture

    image_size = max(image_size, smallest_picture(backbone))
    model = _model(backbone, image_size, head, num_classes)
    whole, own = _counts(model)
    file_mb, cpu_ms = _timed(model) if timed else (None, None)
    del model
    _, at_clip_size = _counts(_model(backbone, CLIP_SIZE, "pool", num_classes))
    return BackboneCost(
        image_size=image_size,
        parameters=whole[0],
        backbone_parameters=own[0],
        weights_mb=4 * whole[0] / 1e6,
        multiply_adds=whole[1],
        backbone_multiply_adds=own[1],
        backbone_multiply_adds_224=at_clip_size[1],
        file_mb=file_mb,
        cpu_ms=cpu_ms,
    )


def _model(backbone: str, image_size: int, head: str, num_classes: int):
    import keras

    from emotionnet.systems import build_model

    keras.backend.clear_session()  # the largest networks take 1.5 GB each
    return build_model(
        "faces", num_classes, backbone=backbone, backbone_weights="none", image_size=image_size,
        head=head,
    )  # fmt: skip


def _counts(model) -> tuple[tuple[int, int], tuple[int, int]]:
    """Parameters and multiply-adds of the whole, and of its backbone."""
    from emotionnet.deploy.cost import count
    from emotionnet.deploy.graphs import keras_graph

    layers = count(keras_graph(model)).layers
    own = [x for x in layers if x.layer == _BACKBONE or x.layer.startswith(f"{_BACKBONE}/")]
    whole, backbone = (
        (sum(x.parameters for x in part), sum(x.multiply_adds for x in part))
        for part in (layers, own)
    )
    return whole, backbone


def _timed(model) -> tuple[float, float]:
    """Size and time of the float32 file that goes to a phone."""
    from emotionnet.deploy.latency import measure
    from emotionnet.deploy.target import float32_file

    with tempfile.TemporaryDirectory() as scratch:
        file = float32_file(model, Path(scratch))
        return file.stat().st_size / 1e6, measure(file, threads=1).cpu_ms
