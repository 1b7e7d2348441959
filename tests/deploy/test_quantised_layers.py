"""Which tensors int8 may take, by their names."""

import re

import keras
import pytest

pytest.importorskip("ai_edge_litert")
pytest.importorskip("tensorflow")


@pytest.fixture(scope="module")
def inside():
    """The names that belong to the layers that int8 takes of a face encoder in three storeys."""
    from emotionnet.deploy.quantize import quantised_layers, scope

    picture = keras.Input((8, 8, 3))
    x = keras.layers.Rescaling(1 / 255, name="rescaling")(picture)
    x = keras.layers.Rescaling([1.0, 2.0, 3.0], name="normalization")(x)
    x = keras.layers.Conv2D(4, 3, name="stem")(x)
    network = keras.Model(picture, keras.layers.Conv2D(4, 3, name="top")(x), name="net-b0")
    backbone = keras.Model(picture, network(picture), name="backbone")
    pooled = keras.layers.GlobalAveragePooling2D(name="pool")(backbone(picture))
    encoder = keras.Model(picture, pooled, name="face_encoder")
    layers = quantised_layers(keras.Model(picture, encoder(picture)))
    return re.compile(scope(layers)).search


@pytest.mark.parametrize(
    "name",
    [
        "functional_1/face_encoder_1/backbone_1/net-b0_1/stem_1/convolution",
        "whole/face_encoder/backbone/net-b0/top/BiasAdd",
        "face_encoder/pool/Mean;other",
        "face_encoder_2/backbone_1/net-b0_1/concat",
    ],
)
def test_a_face_encoder_is_taken_at_every_depth(inside, name):
    assert inside(name)


@pytest.mark.parametrize(
    "name",
    [
        "functional_1/face_encoder_1/backbone_1/net-b0_1/rescaling_1/mul",
        "functional_1/face_encoder_1/backbone_1/net-b0_1/normalization_1/add",
        "functional_1/fusion_1/classifier/MatMul",
        "functional_1/fold_1/Reshape",
    ],
)
def test_the_scaling_of_its_pixels_is_not(inside, name):
    assert not inside(name)


def test_of_racnn_neither_normalization_nor_attention_is():
    from emotionnet.deploy.quantize import quantised_layers, scope
    from emotionnet.systems.racnn_net import racnn

    pictures = keras.Input((9, 32, 32, 3))
    whole = keras.Model(pictures, racnn(32)(pictures))
    search = re.compile(scope(quantised_layers(whole))).search
    for name, taken in (
        ("conv1", False), ("conv2", True), ("conv6", True), ("relu3", True), ("norm3", False),
        ("ra1_channels/down", False), ("ra2_places/gate", False),
    ):  # fmt: skip
        assert bool(search(f"whole/racnn_1/{name}_1/op")) == taken, name


def test_a_tensor_has_one_name_in_all_entry_points():
    """Else each would have the range of what calibration has shown to it alone: two clips, of whole ones."""
    from emotionnet.deploy.quantize import canonical

    merged = "{0}/stem_relu_1/Relu;{0}/stem_1/BiasAdd;{0}/stem_1/convolution;"
    whole = merged.format("pair_1/face_stream_1/face_encoder_1")
    once = merged.format("encode_face_1/face_codes_1/face_encoder_1")
    # A converter names, or does not, what it has taken in besides.
    once += "encode_face_1/face_codes_1/face_encoder_1/stem_1/Squeeze"
    assert canonical(whole, ["face_encoder"]) == canonical(once, ["face_encoder"])
    other = whole.replace("stem", "bottleneck")
    assert canonical(other, ["face_encoder"]) != canonical(whole, ["face_encoder"])
    # Pieces of one operation are numbered.
    assert canonical(f"{whole[:-1]};1", ["face_encoder"]) != canonical(whole, ["face_encoder"])
