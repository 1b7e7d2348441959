"""Backbones of keras.applications: pixels, sizes, and that weights are never random by accident."""

import dataclasses
import hashlib

import keras
import numpy as np
import pytest

from emotionnet import layers, systems
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.systems import backbones


@pytest.fixture(scope="module")
def weights_folder(tmp_path_factory):
    """A folder with a file of MobileNet weights in the format of Keras's own, and the network."""
    folder = tmp_path_factory.mktemp("weights")
    network = keras.applications.MobileNet(include_top=False, weights=None, input_shape=(64, 64, 3))
    network.save(folder / backbones.WEIGHTS["MobileNet"].file)
    return folder, network


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("mobilenet", "MobileNet"),
        ("EfficientNetV2-B0", "EfficientNetV2B0"),
        ("convnext-xl", "ConvNeXtXLarge"),
        ("ConvNeXt-T", "ConvNeXtTiny"),
        ("vgg_16", "VGG16"),
    ],
)
def test_names_are_understood_as_papers_write_them(name, known):
    assert backbones.backbone_name(name) == known


def test_every_name_is_in_keras_and_its_pixels_are_those_of_keras():
    pixels = np.random.default_rng(0).uniform(0, 255, (1, 4, 4, 3)).astype("float32")
    modules = {
        "MobileNet": "mobilenet", "MobileNetV2": "mobilenet_v2", "ResNet101": "resnet",
        "ResNet152V2": "resnet_v2", "DenseNet201": "densenet", "InceptionV3": "inception_v3",
        "InceptionResNetV2": "inception_resnet_v2", "Xception": "xception", "VGG16": "vgg16",
        "VGG19": "vgg19", "EfficientNetB0": "efficientnet", "EfficientNetV2B0": "efficientnet_v2",
        "EfficientNetV2L": "efficientnet_v2", "ConvNeXtTiny": "convnext",
        "ConvNeXtSmall": "convnext", "ConvNeXtBase": "convnext", "ConvNeXtLarge": "convnext",
        "ConvNeXtXLarge": "convnext",
    }  # fmt: skip
    assert set(modules) == set(backbones.WEIGHTS)
    for name, about in backbones.WEIGHTS.items():
        assert callable(getattr(keras.applications, name))
        module = getattr(keras.applications, modules[name])
        wanted = np.asarray(module.preprocess_input(pixels.copy()))
        found = keras.ops.convert_to_numpy(
            backbones._scaled(keras.ops.convert_to_tensor(pixels), about.pixels)
        )
        np.testing.assert_allclose(found, wanted, atol=2e-5 * 255, err_msg=name)


def test_too_small_and_unknown_are_said():
    with pytest.raises(UsageError, match="at least 75 px, not 64"):
        backbones.application("InceptionV3", None, 64)
    with pytest.raises(UsageError, match="unknown backbone 'AlexNet'"):
        backbones.application("AlexNet", None, 64)


def test_efficientnet_without_head_and_a_saved_one(tmp_path):
    model = backbones.application("EfficientNetV2-B0", "none", 64)
    assert model.count_params() == 5_919_312
    assert model.output_shape == (None, 2, 2, 1280)
    model.save(tmp_path / "model.keras")
    pixels = np.random.default_rng(0).uniform(0, 255, (1, 64, 64, 3)).astype("float32")
    again = systems.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(pixels, training=False), model(pixels, training=False))


def test_efficientnet_b0_sees_pixels_as_keras_shows_them_to_its_imagenet_network(
    tmp_path, monkeypatch
):
    """Keras puts a layer without weights into that network only, which weights do not bring along."""
    about = backbones.WEIGHTS["EfficientNetB0"]
    assert about.url == "https://storage.googleapis.com/keras-applications/efficientnetb0_notop.h5"
    shape = {"include_top": False, "input_shape": (32, 32, 3)}
    network = keras.applications.EfficientNetB0(weights=None, **shape)
    assert network.count_params() == 4_049_571
    norm = next(x for x in network.layers if isinstance(x, keras.layers.Normalization))
    norm.set_weights([np.float32([0.485, 0.456, 0.406]), np.float32(about.deviation), np.int32(0)])
    network.save(tmp_path / about.file)
    monkeypatch.setitem(backbones.WEIGHTS, "EfficientNetB0", dataclasses.replace(about, digest=""))
    ours = backbones.application("EfficientNetB0", tmp_path, 32)
    from keras.src.applications import efficientnet

    monkeypatch.setattr(
        efficientnet.file_utils, "get_file", lambda *args, **kwargs: str(tmp_path / about.file)
    )
    theirs = keras.applications.EfficientNetB0(weights="imagenet", **shape)
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype("float32")
    wanted = np.asarray(theirs(pixels, training=False))
    assert np.ptp(wanted) > 0
    found = ours(pixels, training=False)
    np.testing.assert_allclose(found, wanted, atol=1e-4 * np.abs(wanted).max())


def test_reverse_channels_is_saved_and_bgr(tmp_path):
    picture = keras.Input((2, 2, 3))
    model = keras.Model(picture, layers.ReverseChannels()(picture))
    model.save(tmp_path / "model.keras")
    pixels = np.arange(12, dtype="float32").reshape(1, 2, 2, 3)
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(again.predict(pixels, verbose=0), pixels[..., ::-1])


@pytest.mark.parametrize("whole_folder", [True, False])
def test_local_weights_are_loaded(weights_folder, whole_folder):
    folder, network = weights_folder
    source = folder if whole_folder else folder / backbones.WEIGHTS["MobileNet"].file
    model = backbones.application("MobileNet", source, 64)
    assert len(model.get_weights()) > 100
    for found, wanted in zip(model.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_checksum_is_compared(weights_folder, monkeypatch):
    folder, _ = weights_folder
    about = backbones.WEIGHTS["MobileNet"]
    digest = hashlib.sha256((folder / about.file).read_bytes()).hexdigest()
    for text, good in ((digest, True), (digest[::-1], False)):
        monkeypatch.setitem(backbones.WEIGHTS, "MobileNet", dataclasses.replace(about, digest=text))
        if good:
            backbones.application("MobileNet", folder, 64)
        else:
            with pytest.raises(EmotionNetError, match="its sha256 is") as raised:
                backbones.application("MobileNet", folder, 64)
            assert len(str(raised.value).splitlines()) == 3


def test_weights_of_another_network_are_refused(weights_folder):
    folder, _ = weights_folder
    with pytest.raises(EmotionNetError, match="not weights of MobileNetV2"):
        backbones.application("MobileNetV2", folder / backbones.WEIGHTS["MobileNet"].file, 64)


def test_absent_weights_give_three_lines(tmp_path, monkeypatch):
    def unreachable(*args, **kwargs):
        raise Exception("URL fetch failure on https://…: None -- no route to host")

    monkeypatch.setattr(keras.utils, "get_file", unreachable)
    monkeypatch.setattr(keras.applications, "EfficientNetV2B0", None)  # it is not built for nothing
    for source in ("imagenet", tmp_path):
        with pytest.raises(EmotionNetError) as raised:
            backbones.application("EfficientNetV2B0", source, 64)
        lines = str(raised.value).splitlines()
        assert len(lines) == 3
        assert "efficientnetv2-b0_notop.h5 (md5 893217f2bb855e2983157299931e43ff)" in lines[1]
        assert "--backbone-weights none" in lines[2]
