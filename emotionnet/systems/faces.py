"""A picture network alone: each face is answered by itself, a clip by the mean of its faces' logits.

What system 3's paper compares backbones with, on FER2013: a network of ``keras.applications``
without its ImageNet head, flattened, dense 5,120, dense 768, classes. For a map of 2 x 2 x 1280, as
EfficientNetV2-B0 gives for 33 to 64 px, the head has 30,157,831 parameters and 7 classes. Our
GhostNet, with and without triplet attention, is compared with them.

    python -m emotionnet.fit --system faces --corpus fer2013 --root DIR --set backbone=MobileNet
    python -m emotionnet.backbones --corpus fer2013 --root DIR        all of them, as a table
    emotionnet.systems.build_model("faces", num_classes=7, backbone_weights="none")

Reported for 3,589 FER2013 test pictures, ImageNet weights: 66.11 % (MobileNet) to 72.27 %
(ConvNeXt-XL); EfficientNetV2-B0, which system 3 takes, 70.00 %.
"""

from dataclasses import dataclass

import keras
from keras import layers

from emotionnet.errors import UsageError
from emotionnet.inputs.kinds import STREAMS as KINDS
from emotionnet.inputs.kinds import outputs_of
from emotionnet.layers import FoldFrames, LateFusion, MaskedMean, UnfoldFrames
from emotionnet.systems.backbones import backbone_of, check_backbone
from emotionnet.systems.base import check_fields, clip_inputs
from emotionnet.systems.stages import Learn
from emotionnet.systems.usual import Usual

NAME = "faces"

STREAMS = ("faces",)
#: The layers of a stream before its answer or the fusion: another run may start from them.
ENCODERS = {"faces": ("face_encoder", "backbone")}

#: Adam 1e-4, early stopping and plateaus are the paper's; the numbers beside them ours.
_TRAIN = {
    "epochs": 60, "batch_size": 64, "learning_rate": 1e-4,
    "decay": "plateau", "plateau_factor": 0.5, "plateau_patience": 3, "patience": 10, "clip_norm": 0.0,
}  # fmt: skip

#: What the paper names: rotation, shift, zoom, flip, brightness, contrast and random erasing, as
#: strong as we like. Resizing and cropping anew is the sampling that shift and zoom are done by.
_PAPER = {
    "rotation_degrees": 10.0, "shift": 0.1, "scale": 0.15, "flip": 0.5,
    "brightness": 0.15, "contrast": 0.2, "erase_share": 0.25, "copies": False,
}  # fmt: skip
USUAL = (
    Usual({"corpus": "!demo"}, train={"faces": _TRAIN}),
    Usual({"corpus": "demo"}, config={"backbone_weights": "none", "image_size": 64}),
    Usual({"augment": ("ours", "paper", "strong")}, augmentation=_PAPER),
)

#: Width of the two layers before the classes.
HEAD = (5120, 768)


@dataclass(frozen=True)
class Config:
    """Settings of the system. "(ours)": the paper does not say.

    Attributes:
        frames: faces of a clip.
        image_size: height and width of a face in pixels; what the paper takes is not printed.
        samples: of the sound, which is not used.
        backbone: a name of `emotionnet.systems.backbones.BACKBONES`, also as papers write it.
        backbone_weights: ``imagenet``, ``none``, or a file or folder of weights; see
            `emotionnet.systems.backbones.backbone_of`. GhostNets have none.
        head: "dense", the paper's; or "pool", mean over the map and classes (ours).
        dropout: rate before the classes (ours; 0 is the paper's).
        batch_norm_momentum: of every BatchNorm, also of the backbone.
        streams: ("faces",).
    """

    frames: int = 1
    image_size: int = 64
    samples: int = 16000
    backbone: str = "EfficientNetV2B0"
    backbone_weights: str | None = "imagenet"
    head: str = "dense"
    dropout: float = 0.0
    batch_norm_momentum: float = 0.99
    streams: tuple[str, ...] = STREAMS

    def __post_init__(self):
        # JSON has lists only.
        object.__setattr__(self, "streams", tuple(self.streams))
        if self.streams != STREAMS:
            raise UsageError(f"{NAME} sees faces only: --streams faces.")
        check_fields(
            NAME,
            self,
            known={"head": ("dense", "pool")},
            least={"frames": 1, "samples": 1},
            shares=("dropout", "batch_norm_momentum"),
        )
        check_backbone(NAME, self)


def stages(config: Config) -> tuple[Learn, ...]:
    """The one stream."""
    return (Learn("faces", "face_stream"),)


def build(config: Config, num_classes: int) -> keras.Model:
    """The whole model: inputs of `clip_inputs`, three outputs by name, the nested ``face_stream``."""
    inputs = clip_inputs(config)
    logits = face_stream(config, num_classes)({key: inputs[key] for key in KINDS["faces"].inputs})
    silent = layers.Rescaling(0.0, name="no_speech")(logits)
    presence = (inputs[KINDS[name].presence.name] for name in ("faces", "speech"))
    answers = LateFusion("GM", config.streams, name="fusion")(logits, silent, *presence)
    return keras.Model(inputs, dict(zip(outputs_of(("faces", "speech")), answers)), name=NAME)


def face_stream(config: Config, num_classes: int) -> keras.Model:
    """Faces and their mask to logits."""
    inputs = clip_inputs(config, ("faces",))
    x = FoldFrames(name="fold")(inputs["faces"])
    x = backbone_of(config)(x)
    if config.head == "dense":
        x = layers.Flatten(name="flatten")(x)
        for number, width in enumerate(HEAD, start=1):
            x = layers.Dense(width, activation="relu", name=f"hidden_{number}")(x)
    else:
        x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dropout(config.dropout, name="dropout")(x)
    x = layers.Dense(num_classes, name="classifier")(x)
    x = UnfoldFrames(config.frames, name="unfold")(x)
    x = MaskedMean(name="frame_pool")(x, inputs["frame_mask"])
    return keras.Model(inputs, x, name="face_stream")
