"""The system of one picture network: published counts, and what absence and more frames change."""

import numpy as np
import pytest
from tiny_model import few_bottlenecks

keras = pytest.importorskip("keras")

from emotionnet.errors import EmotionNetError, UsageError  # noqa: E402
from emotionnet.systems import build_model, faces, ghost_fan, load_model, make_config  # noqa: E402

OUTPUTS = ["probabilities", "face_probabilities", "speech_probabilities"]


def pictures(clips=2, frames=1, size=32):
    faces = np.random.default_rng(0).integers(0, 256, (clips, frames, size, size, 3))
    return {
        "faces": faces.astype(np.float32),
        "frame_mask": np.ones((clips, frames), np.float32),
        "waveform": np.zeros((clips, 16000), np.float32),
        "waveform_samples": np.full(clips, 16000, np.int32),
    }


def answer(model, inputs):
    return {name: np.asarray(x) for name, x in model(inputs, training=False).items()}


def small(frames=1):
    config = {"backbone": "GhostNetTAM", "backbone_weights": "none", "image_size": 32}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ghost_fan, "BOTTLENECKS", few_bottlenecks())
        patch.setattr(faces, "HEAD", (64, 16))
        return build_model("faces", 7, **config, frames=frames)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    model = small()
    # Untrained, it would hardly answer one picture otherwise than another.
    classifier = model.get_layer("face_stream").get_layer("classifier")
    classifier.kernel.assign(classifier.kernel * 1e3)
    return model


@pytest.mark.parametrize("size", [33, 64])
def test_the_papers_head_for_efficientnet(size):
    model = build_model("faces", 7, image_size=size, backbone_weights="none")
    backbone = model.get_layer("face_stream").get_layer("backbone")
    assert backbone.count_params() == 5_919_312
    assert model.count_params() - backbone.count_params() == 30_157_831


@pytest.mark.parametrize("name", ["GhostNet", "GhostNetTAM", "MobileNet"])
def test_head_of_ours_is_small_and_momentum_reaches_the_backbone(name):
    model = build_model("faces", 7, backbone=name, backbone_weights="none", head="pool",
                        batch_norm_momentum=0.9)  # fmt: skip
    backbone = model.get_layer("face_stream").get_layer("backbone")
    width = backbone.output_shape[-1]
    assert model.count_params() - backbone.count_params() == 7 * (width + 1)
    norms = [x for x in backbone._flatten_layers()
             if isinstance(x, keras.layers.BatchNormalization)]  # fmt: skip
    assert len(norms) > 10
    assert {norm.momentum for norm in norms} == {0.9}


def test_ghostnets_are_those_of_the_first_system():
    sizes = {
        name: build_model("faces", 7, backbone=name, backbone_weights="none")
        .get_layer("face_stream").get_layer("backbone").count_params()
        for name in ("ghost-net", "GhostNet-TAM")
    }  # fmt: skip
    assert sizes == {"GhostNet-TAM": 316_898, "ghost-net": 316_898 - 27 * 102}


def test_vgg13_is_that_of_its_paper():
    """8.7 million numbers with the two dense layers of 1,024 and one class layer that the paper has on grey faces of 64 px."""
    model = build_model("faces", 8, backbone="VGG-13", backbone_weights="none", head="pool")
    backbone = model.get_layer("face_stream").get_layer("backbone")
    assert backbone.output_shape == (None, 4, 4, 256)
    assert backbone.count_params() == 3_505_728
    colours = 2 * 9 * 64  # of a grey picture's first convolution there are fewer
    dense = 4 * 4 * 256 * 1024 + 1024 + 1024 * 1024 + 1024 + 1024 * 8 + 8
    assert backbone.count_params() - colours + dense == 8_757_704
    # Ten layers without normalization: what comes out is neither nothing nor endless.
    answer = np.asarray(backbone(np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3))))
    assert 0.05 < answer.std() < 20
    with pytest.raises(UsageError, match="no imagenet weights of VGG13"):
        build_model("faces", 8, backbone="VGG13")


def test_answers_faces_and_is_uniform_about_what_it_does_not_see(model, tmp_path):
    inputs = pictures()
    inputs["frame_mask"][1] = 0
    found = answer(model, inputs)
    assert list(found) == OUTPUTS
    np.testing.assert_allclose(found["speech_probabilities"], 1 / 7, atol=1e-6)
    np.testing.assert_allclose(found["probabilities"][1], 1 / 7, atol=1e-6)
    np.testing.assert_allclose(found["probabilities"][0], found["face_probabilities"][0], atol=1e-6)
    assert np.ptp(found["probabilities"][0]) > 0.01
    model.save(tmp_path / "model.keras")
    again = answer(load_model(tmp_path / "model.keras"), inputs)
    for name in OUTPUTS:
        np.testing.assert_array_equal(again[name], found[name])


def test_a_clip_is_the_mean_of_the_faces_that_are_there(model):
    more = small(frames=3)
    more.set_weights(model.get_weights())
    stream, other = model.get_layer("face_stream"), more.get_layer("face_stream")
    three = pictures(clips=1, frames=3)
    three["frame_mask"][0, 1] = 0
    single = [
        np.asarray(stream({"faces": three["faces"][:, i : i + 1], "frame_mask": np.ones((1, 1))}))
        for i in (0, 2)
    ]
    mean = other({key: three[key] for key in ("faces", "frame_mask")})
    np.testing.assert_allclose(np.asarray(mean), sum(single) / 2, atol=1e-5)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"backbone": "AlexNet"}, "unknown backbone 'AlexNet'.*GhostNet"),
        ({"backbone": "GhostNet"}, "no imagenet weights of GhostNet"),
        ({"backbone": "Xception"}, "image_size is 64; at least 71"),
        ({"head": "none"}, "head is 'none'"),
        ({"streams": ("faces", "speech")}, "--streams faces"),
    ],
)
def test_bad_settings_are_said(fields, message):
    with pytest.raises(UsageError, match=message):
        make_config("faces", **fields)


def test_imagenet_weights_are_never_random_instead(tmp_path):
    with pytest.raises(EmotionNetError, match=r"vgg16_weights.*from https://"):
        build_model("faces", 7, backbone="VGG16", backbone_weights=str(tmp_path))
