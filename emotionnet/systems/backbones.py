"""Picture networks as backbones: those of ``keras.applications`` and our own, and their weights.

`backbone_of` gives the one that a system's config names, from RGB pixels 0...255 to a feature map,
without its head and whatever the network wants of its pixels. Nothing falls back to random
weights: they are asked for by name.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers

from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.files import file_hash
from emotionnet.keras_private import layers_inside
from emotionnet.layers import ReverseChannels
from emotionnet.systems import ghost_fan
from emotionnet.systems.base import check_fields
from emotionnet.systems.vgg13 import vgg13

_URL = "https://storage.googleapis.com/tensorflow/keras-applications/"
_OTHER_URL = "https://storage.googleapis.com/keras-applications/"
_KERNELS = "weights_tf_dim_ordering_tf_kernels"
#: ``weights`` that mean: random ones.
RANDOM = (None, "", "none")
IMAGENET = "imagenet"


@dataclass(frozen=True)
class Weights:
    """The file of ImageNet weights that Keras loads into a network without its head.

    Attributes:
        file: its name.
        folder: of the address that it comes from; a complete address begins with ``https://``.
        digest: MD5 (32 hex digits) or SHA-256 (64) that Keras holds for it; "" where it holds none.
        pixels: what the network wants: ``tf`` -1...1, ``torch`` 0...1 normalised, ``caffe`` BGR less
            the mean, or "" where scaling is part of the network.
        least: smallest height and width.
        deviation: of red, green and blue; by its root Keras divides once more behind the network's own
            normalization, in a layer that only its ImageNet network has. () for none.
    """

    file: str
    folder: str
    digest: str = ""
    pixels: str = ""
    least: int = 32
    deviation: tuple[float, ...] = ()

    @property
    def url(self) -> str:
        """Where the file is to be had."""
        whole = self.folder.startswith("https://")
        return f"{self.folder}{self.file}" if whole else f"{_URL}{self.folder}/{self.file}"


#: The networks by their name in ``keras.applications``: the 16 of system 3's paper, MobileNetV2, and
#: EfficientNetB0 of system 5's.
WEIGHTS = {
    "MobileNet": Weights("mobilenet_1_0_224_tf_no_top.h5", "mobilenet", pixels="tf"),
    "MobileNetV2": Weights(
        f"mobilenet_v2_{_KERNELS}_1.0_224_no_top.h5", "mobilenet_v2", pixels="tf"
    ),
    "ResNet101": Weights(
        f"resnet101_{_KERNELS}_notop.h5", "resnet", "88cf7a10940856eca736dc7b7e228a21", "caffe"
    ),
    "ResNet152V2": Weights(
        f"resnet152v2_{_KERNELS}_notop.h5", "resnet", "ed17cf2e0169df9d443503ef94b23b33", "tf"
    ),
    "DenseNet201": Weights(
        f"densenet201_{_KERNELS}_notop.h5", "densenet", "c13680b51ded0fb44dff2d8f86ac8bb1", "torch"
    ),
    "InceptionV3": Weights(
        f"inception_v3_{_KERNELS}_notop.h5",
        "inception_v3", "bcbd6486424b2319ff4ef7d526e38f63", "tf", 75,
    ),
    "InceptionResNetV2": Weights(
        f"inception_resnet_v2_{_KERNELS}_notop.h5",
        "inception_resnet_v2", "d19885ff4a710c122648d3b5c3b684e4", "tf", 75,
    ),
    "Xception": Weights(
        f"xception_{_KERNELS}_notop.h5", "xception", "b0042744bf5b25fce3cb969f33bebb97", "tf", 71
    ),
    "VGG16": Weights(
        f"vgg16_{_KERNELS}_notop.h5", "vgg16", "6d6bbae143d832006294945121d1f1fc", "caffe"
    ),
    "VGG19": Weights(
        f"vgg19_{_KERNELS}_notop.h5", "vgg19", "253f8cb515780f3b799900260a226db6", "caffe"
    ),
    "EfficientNetB0": Weights(
        "efficientnetb0_notop.h5", _OTHER_URL, "50bc09e76180e00e4465e1a485ddc09d",
        deviation=(0.229, 0.224, 0.225),
    ),
    "EfficientNetV2B0": Weights(
        "efficientnetv2-b0_notop.h5", "efficientnet_v2", "893217f2bb855e2983157299931e43ff"
    ),
    "EfficientNetV2L": Weights(
        "efficientnetv2-l_notop.h5", "efficientnet_v2", "b0b66b5c863aef5b46e8608fe1711615"
    ),
    "ConvNeXtTiny": Weights(
        "convnext_tiny_notop.h5",
        "convnext", "d547c096cabd03329d7be5562c5e14798aa39ed24b474157cef5e85ab9e49ef1",
    ),
    "ConvNeXtSmall": Weights(
        "convnext_small_notop.h5",
        "convnext", "6fc8009faa2f00c1c1dfce59feea9b0745eb260a7dd11bee65c8e20843da6eab",
    ),
    "ConvNeXtBase": Weights(
        "convnext_base_notop.h5",
        "convnext", "40a20c5548a5e9202f69735ecc06c990e6b7c9d2de39f0361e27baeb24cb7c45",
    ),
    "ConvNeXtLarge": Weights(
        "convnext_large_notop.h5",
        "convnext", "96f02b6f0753d4f543261bc9d09bed650f24dd6bc02ddde3066135b63d23a1cd",
    ),
    "ConvNeXtXLarge": Weights(
        "convnext_xlarge_notop.h5",
        "convnext", "de3f8a54174130e0cecdc71583354753d557fcf1f4487331558e2a16ba0cfe05",
    ),
}  # fmt: skip
#: Our own networks by name: which of system 1's face encoders they are.
GHOSTNETS = {"GhostNet": {"variant": "F1"}, "GhostNetTAM": {"variant": "F2"}}
#: All that a config may name. Those outside `WEIGHTS` have random weights only.
BACKBONES = (*WEIGHTS, *GHOSTNETS, "VGG13")
_SHORT = {"T": "Tiny", "S": "Small", "B": "Base", "L": "Large", "XL": "XLarge"}


def backbone_name(name: str) -> str:
    """The name in `BACKBONES` of a network, also as papers write it (``ConvNeXt-T``).

    Raises:
        UsageError: no such network.
    """
    family, _, size = name.rpartition("-")
    if family.lower() == "convnext":
        name = family + _SHORT.get(size.upper(), size)
    plain = name.lower().replace("-", "").replace("_", "")
    for known in BACKBONES:
        if known.lower() == plain:
            return known
    raise UsageError(f"unknown backbone {name!r}. Known: {', '.join(BACKBONES)}.")


def smallest_picture(name: str) -> int:
    """Height and width in pixels below which a network of `BACKBONES` cannot be built."""
    name = backbone_name(name)
    return WEIGHTS[name].least if name in WEIGHTS else 32


def check_backbone(system: str, config: Any) -> None:
    """Checks the fields ``backbone``, ``backbone_weights`` and ``image_size`` of a system's config.

    ``backbone`` becomes the name in `BACKBONES`.

    Raises:
        UsageError: an unknown network, weights that there are none of, or pictures too small for it.
    """
    name = backbone_name(config.backbone)
    object.__setattr__(config, "backbone", name)
    if name not in WEIGHTS and config.backbone_weights not in RANDOM:
        raise UsageError(
            f"{system}: there are no {config.backbone_weights} weights of {name}: "
            "--backbone-weights none."
        )
    check_fields(f"{system}, {name}", config, least={"image_size": smallest_picture(name)})


def backbone_of(config: Any) -> keras.Model:
    """The network that a config names: a face (image_size, image_size, 3; 0...255) to a feature map.

    Args:
        config: fields ``backbone``, ``backbone_weights``, ``image_size``, ``batch_norm_momentum``.

    Returns:
        keras.Model named ``backbone``.

    Raises:
        EmotionNetError: see `application`.
    """
    size, momentum = config.image_size, config.batch_norm_momentum
    if config.backbone in GHOSTNETS:
        encoder = ghost_fan.face_encoder(
            ghost_fan.Config(
                image_size=size, batch_norm_momentum=momentum, **GHOSTNETS[config.backbone]
            )
        )
        return keras.Model(encoder.input, encoder.get_layer("head_relu").output, name="backbone")
    if config.backbone == "VGG13":
        return vgg13(size)
    return application(config.backbone, config.backbone_weights, size, momentum)


def face_encoder(config: Any) -> keras.Model:
    """One picture (S, S, 3; 0...255) to the mean features (n,) of the network that a config names."""
    picture = keras.Input((config.image_size,) * 2 + (3,), name="picture", dtype="float32")
    x = keras.layers.GlobalAveragePooling2D(name="pool")(backbone_of(config)(picture))
    return keras.Model(picture, x, name="face_encoder")


def application(
    name: str,
    weights: str | os.PathLike | None,
    image_size: int,
    batch_norm_momentum: float | None = None,
) -> keras.Model:
    """A network without its ImageNet head: pictures (S, S, 3; RGB 0...255) to feature maps.

    Args:
        name: one of `WEIGHTS`.
        weights: ``imagenet``, which Keras fetches once and keeps; a file or folder that holds them;
            ``none`` or None for random ones.
        image_size: S in pixels.
        batch_norm_momentum: of every BatchNorm; None leaves Keras's, 0.9 to 0.999 by network.

    Returns:
        keras.Model named ``backbone``, (batch, S, S, 3) to (batch, h, w, features). Scaling of
        pixels is part of it.

    Raises:
        UsageError: an unknown network, or pictures too small for it.
        EmotionNetError: the weights are missing, damaged or of another network; never random instead.
    """
    name = backbone_name(name)
    if name not in WEIGHTS:
        raise UsageError(f"{name} is no network of keras.applications, see `backbone_of`.")
    about = WEIGHTS[name]
    if image_size < about.least:
        raise UsageError(f"{name} needs pictures of at least {about.least} px, not {image_size}.")
    path = None if weights in RANDOM else weights_file(name, weights)
    network = getattr(keras.applications, name)(
        include_top=False, weights=None, input_shape=(image_size, image_size, 3)
    )
    if path is not None:
        load_backbone_weights(network, name, path)
    if batch_norm_momentum is not None:
        for layer in layers_inside(network):
            if isinstance(layer, layers.BatchNormalization):
                layer.momentum = batch_norm_momentum
    picture = keras.Input((image_size, image_size, 3), name="picture")
    return keras.Model(picture, network(_scaled(picture, about.pixels)), name="backbone")


def weights_file(name: str, source: str | os.PathLike = IMAGENET) -> Path:
    """The file that holds the weights of a network of ``keras.applications`` without its head.

    Args:
        name: one of `WEIGHTS`.
        source: ``imagenet`` (fetched by Keras into its own folder, where it is not there yet); a
            folder with the file that `WEIGHTS` names; or a file. A file of that name must have the
            checksum; one of another name (somebody's own weights) only has to fit.

    Raises:
        EmotionNetError: three lines that say which file to put where.
    """
    about = WEIGHTS[name]
    return _fetched(name, about) if source == IMAGENET else _local(Path(source), name, about)


def load_backbone_weights(network: keras.Model, name: str, path: Path) -> None:
    """Gives a network of ``keras.applications`` without its head its weights.

    Args:
        network: as ``keras.applications`` built it, ``include_top=False``.
        name: one of `WEIGHTS`.
        path: of `weights_file`.

    Raises:
        EmotionNetError: they do not fit.
    """
    about = WEIGHTS[name]
    try:
        network.load_weights(str(path))
    except Exception as error:  # h5py and Keras raise many kinds for a file that does not fit
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise EmotionNetError(
            f"{path}: these are not weights of {name} without its head ({reason}).\n"
            f"Put {about.file} there, from {about.url}."
        ) from error
    if about.deviation:
        norm = next(x for x in network.layers if isinstance(x, layers.Normalization))
        mean, variance, *count = norm.get_weights()
        norm.set_weights([mean, variance * np.float32(about.deviation), *count])
        norm.finalize_state()


def _fetched(name: str, about: Weights) -> Path:
    """The file in Keras's own folder; fetched where it is absent."""
    try:
        return Path(
            keras.utils.get_file(
                about.file, about.url, cache_subdir="models", file_hash=about.digest or None
            )
        )
    except Exception as error:  # Keras raises bare Exception where the network is absent
        # Keras repeats the address before " -- ".
        reason = (str(error).strip().rpartition(" -- ")[2] or type(error).__name__).splitlines()[0]
        raise EmotionNetError(
            _where_to_put(name, about, f"could not be fetched ({reason})")
        ) from error


def _local(path: Path, name: str, about: Weights) -> Path:
    if path.is_dir():
        path = path / about.file
    if not path.is_file():
        raise EmotionNetError(_where_to_put(name, about, f"are not at {path}"))
    if path.name == about.file and about.digest:
        kind = "md5" if len(about.digest) == 32 else "sha256"
        found = file_hash(path, kind)
        if found != about.digest:
            raise EmotionNetError(
                f"{path}: its {kind} is {found}, not {about.digest}: the file is damaged or another.\n"
                f"Fetch it again from {about.url},\n"
                "or, if these are weights of your own, give the file another name."
            )
    return path


def _where_to_put(name: str, about: Weights, what: str) -> str:
    kind = {32: "md5 ", 64: "sha256 "}.get(len(about.digest), "")
    digest = f" ({kind}{about.digest})" if kind else ""
    return (
        f"the ImageNet weights of {name} {what}.\n"
        f"Put {about.file}{digest}, from {about.url}, into "
        "$KERAS_HOME/models (~/.keras/models), or give its folder with --backbone-weights FOLDER.\n"
        "Or start from random weights: --backbone-weights none."
    )


def _scaled(picture, pixels: str):
    """RGB 0...255 as a network wants it."""
    if pixels == "tf":
        return layers.Rescaling(1 / 127.5, offset=-1.0, name="scale")(picture)
    if pixels == "torch":
        deviation, mean = (0.229, 0.224, 0.225), (0.485, 0.456, 0.406)
        return layers.Rescaling(
            [1 / (255 * d) for d in deviation],
            [-m / d for m, d in zip(mean, deviation, strict=True)],
            name="scale",
        )(picture)
    if pixels == "caffe":
        x = ReverseChannels(name="bgr")(picture)
        return layers.Rescaling(1.0, [-103.939, -116.779, -123.68], name="scale")(x)
    return picture
