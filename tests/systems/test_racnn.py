"""System 5: the printed numbers of weights, RACNN as a 3-D network, and what is absent."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from keras import layers  # noqa: E402

from emotionnet.errors import UsageError  # noqa: E402
from emotionnet.inputs.kinds import STREAMS as KINDS  # noqa: E402
from emotionnet.inputs.kinds import without  # noqa: E402
from emotionnet.systems import (  # noqa: E402
    load_model,
    racnn,
    racnn_net,
)

SMALL = {
    "backbone": "GhostNet", "backbone_weights": "none", "image_size": 32, "picture_size": 32,
    "frames": 3, "landmarks": 12, "key_frames": 4, "samples": 16000, "klda_points": 8,
}  # fmt: skip
CLASSES = 4
OUTPUTS = {name: KINDS[name].output for name in racnn.STREAMS}
CONVOLUTIONS = (1_184, 2_080, 2_080, 12_384, 18_528, 110_880, 166_176)


def test_racnn_has_the_weights_and_the_steps_of_the_paper():
    network = racnn_net.racnn(224)
    by_name = {layer.name: layer.count_params() for layer in network.layers}
    assert tuple(by_name[f"conv{i}"] for i in range(1, 8)) == CONVOLUTIONS
    assert sum(CONVOLUTIONS) == 313_312
    assert sum(by_name[f"norm{i}"] for i in range(1, 8)) == 1_728
    assert network.count_params() == 358_144
    assert network.output_shape == (None, 147, 288)
    # Table I, with the 14 x 14 that its Conv6 must mean.
    shapes = [network.get_layer(f"relu{i}").output.shape[1:] for i in range(1, 8)]
    assert shapes == [
        (7, 112, 112, 32), (6, 56, 56, 32), (5, 56, 56, 32), (5, 28, 28, 96), (4, 28, 28, 96),
        (4, 14, 14, 288), (3, 14, 14, 288),
    ]  # fmt: skip


def test_the_parts_add_up_to_the_published_number():
    model = racnn.build(racnn.Config(backbone_weights="none"), 8)
    parts = {layer.name: layer.count_params() for layer in model.layers if layer.weights}
    regions = {x.name: x.count_params() for x in model.get_layer("regions").layers}
    last = {
        "speech_classifier": 288 * 8 + 8, "fused_classifier": 256 * 8 + 8,
        "projection": 256 * 256 + 1 + 256 * 7 + 7, "classifier": 64, "weighted_sum": 1,
    }  # fmt: skip
    assert parts == last | {
        "racnn": 358_144, "face_encoder": 4_049_571, "face_steps": 368_928,
        "bi_gru1": 321_024, "bi_gru2": 296_448, "regions": 229_825,
    }  # fmt: skip
    assert sum(regions[f"{name}_gru"] for name in racnn.REGIONS) == 114_816
    assert regions["attention"] == 65
    assert regions["dense"] == 114_944
    assert sum(parts.values()) - sum(last.values()) == 5_623_940


def test_every_landmark_is_in_one_region():
    ends = list(racnn.REGIONS.values())
    assert [i for first, last in ends for i in range(first, last)] == list(range(68))


def in_three_dimensions(size: int) -> keras.Model:
    """RACNN of Keras's 3-D layers, written from Table I; weights in the order of `racnn.racnn`."""

    def convolution(x, filters, depth, plane, number):
        x = layers.Conv3D(
            filters, (depth, plane, plane), strides=(1, plane, plane), name=f"conv{number}"
        )(x)
        x = layers.GroupNormalization(8, name=f"norm{number}")(x)
        return layers.ReLU()(x)

    def attention(x, number):
        channels = x.shape[-1]
        down = layers.Dense(channels // 16, activation="relu", name=f"ra{number}_down")
        up = layers.Dense(channels, name=f"ra{number}_up")
        pools = layers.GlobalAveragePooling3D()(x), layers.GlobalMaxPooling3D()(x)
        gate = keras.ops.sigmoid(up(down(pools[0])) + up(down(pools[1])))
        x = x * keras.ops.reshape(gate, (-1, 1, 1, 1, channels))
        maps = [f(x, axis=-1, keepdims=True) for f in (keras.ops.mean, keras.ops.max)]
        gate = layers.Conv3D(
            1, (1, 7, 7), padding="same", use_bias=False, activation="sigmoid",
            name=f"ra{number}_places",
        )(keras.ops.concatenate(maps, axis=-1))  # fmt: skip
        return x * gate

    pictures = keras.Input((9, size, size, 3))
    x = convolution(pictures, 32, 3, 2, 1)
    x = layers.MaxPooling3D((1, 2, 2))(x)
    for number, filters in enumerate((32, 96, 288), start=1):
        first = (2, 1) if number == 1 else (1, 2)
        short = layers.AveragePooling3D(
            (3, 1, 1) if number == 1 else (2, 2, 2), strides=(1, first[1], first[1])
        )(x)
        if number > 1:
            short = layers.Conv3D(filters, 1, use_bias=False, name=f"ra{number}_widen")(short)
        x = convolution(x, filters, *first, 2 * number)
        x = convolution(x, filters, 2, 1, 2 * number + 1)
        x = attention(x, number) + short
    x = layers.AveragePooling3D((1, 2, 2))(x)
    return keras.Model(pictures, layers.Reshape((-1, 288))(x))


def test_it_is_the_3d_network():
    keras.utils.set_random_seed(1)
    flat, deep = racnn_net.racnn(64), in_three_dimensions(64)
    assert deep.count_params() == flat.count_params()
    rng = np.random.default_rng(1)
    for layer in deep.layers:
        if not layer.weights:
            continue
        old = [w + rng.normal(0, 0.05, w.shape) for w in layer.get_weights()]
        layer.set_weights(old)
        name = layer.name
        if name.startswith("conv") or name.endswith(("places", "widen")):
            kernel, *bias = layer.get_weights()
            plane, filters = kernel.shape[1:3], kernel.shape[-1]
            kernel = kernel.transpose(1, 2, 0, 3, 4).reshape(*plane, -1, filters)
            kernel = kernel[0, 0] if name.endswith("widen") else kernel
            flat.get_layer(name).set_weights([kernel, *bias])
        elif name.endswith(("down", "up")):
            part = getattr(flat.get_layer(f"{name[:3]}_channels"), name[4:])
            part.set_weights(layer.get_weights())
        else:
            flat.get_layer(name).set_weights(layer.get_weights())
    pictures = rng.normal(size=(2, 9, 64, 64, 3)).astype(np.float32)
    wanted = np.asarray(deep(pictures, training=False))
    found = flat(pictures, training=False)
    assert np.std(wanted) > 0.1
    np.testing.assert_allclose(found, wanted, atol=1e-6 * np.abs(wanted).max())


@pytest.fixture(scope="module")
def model():
    """A small one whose kernel projection has numbers in it."""
    keras.utils.set_random_seed(0)
    model = racnn.build(racnn.Config(**SMALL), CLASSES)
    fill(model)
    return model


def fill(model) -> None:
    rng = np.random.default_rng(3)
    for layer in model._flatten_layers():
        if layer.name == "projection":
            shapes = [w.shape for w in layer.weights]
            layer.set_weights([rng.normal(size=s) if s else np.float32(0.01) for s in shapes])
    # What is not trained yet says nearly the same of every clip, and nothing is 0: the bias is seen.
    classifier = model.get_layer("fused_classifier")
    classifier.set_weights([classifier.get_weights()[0], rng.normal(size=CLASSES)])


def clips(seed=0, clips=2) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    mask = np.ones((clips, 3), np.float32)
    mask[:, 1] = 0
    seen = np.ones((clips, 12), np.float32)
    seen[:, 4:6] = 0
    return {
        "faces": rng.integers(0, 256, (clips, 3, 32, 32, 3)).astype(np.float32),
        "frame_mask": mask,
        "waveform": rng.normal(0, 0.1, (clips, 16000)).astype(np.float32),
        "waveform_samples": np.full(clips, 12000, np.int32),
        "landmarks": rng.uniform(0, 1, (clips, 12, 68, 2)).astype(np.float32),
        "landmark_mask": seen,
    }


def answers(model, inputs) -> dict[str, np.ndarray]:
    return {name: np.array(value) for name, value in model(inputs, training=False).items()}


MASKS = {"speech": "waveform_samples", "faces": "frame_mask", "geometry": "landmark_mask"}


def alone(present):
    """The clips with one stream, or with none."""
    return clips() | {m: 0 * clips()[m] for stream, m in MASKS.items() if stream != present}


def broken():
    """The clips with garbage wherever the masks say that nothing is there."""
    inputs = clips()
    inputs["waveform"][:, 12000:] = np.nan
    inputs["landmarks"][:, 4:6] = np.nan
    inputs["faces"][:, 1] = 200
    return inputs


def answers_by_case(model) -> dict:
    """Answers to the clips, whole and otherwise, by the name of the case: all in one batch, layer by layer."""
    cases = {"whole": clips(), "broken": broken()}
    cases |= {f"{stream} alone": alone(stream) for stream in (*MASKS, "nothing")}
    cases |= {f"without {stream}": without(clips(), stream) for stream in MASKS}
    together = {name: np.concatenate([each[name] for each in cases.values()]) for name in clips()}
    found = {name: np.split(x, len(cases)) for name, x in answers(model, together).items()}
    return {case: {name: x[i] for name, x in found.items()} for i, case in enumerate(cases)}


@pytest.fixture(scope="module")
def answered(model):
    return answers_by_case(model)


@pytest.fixture(scope="module")
def answered_after_another_fit(model):
    projection = model.get_layer("projection")
    points, *rest = projection.get_weights()
    projection.set_weights([points[::-1], *rest])
    after = answers_by_case(model)
    projection.set_weights([points, *rest])
    return after


def test_garbage_behind_the_masks_changes_nothing(answered):
    for name, value in answered["whole"].items():
        np.testing.assert_allclose(answered["broken"][name], value, atol=2e-6, err_msg=name)


@pytest.mark.parametrize("present", ["speech", "faces", "geometry", "nothing"])
def test_one_stream_alone_is_the_whole_answer(answered, present):
    found = answered[f"{present} alone"]
    for stream, output in OUTPUTS.items():
        if stream == present:
            assert np.ptp(found[output]) > 1e-4
            np.testing.assert_allclose(found["probabilities"], found[output], atol=1e-6)
        else:
            np.testing.assert_allclose(found[output], 1 / CLASSES, atol=1e-6)
    if present == "nothing":
        np.testing.assert_allclose(found["probabilities"], 1 / CLASSES, atol=1e-6)


@pytest.mark.parametrize("case", ["whole", "without speech", "without faces", "without geometry"])
def test_discriminants_answer_whole_clips_alone(answered, answered_after_another_fit, case):
    before, after = (x[case]["probabilities"] for x in (answered, answered_after_another_fit))
    assert (np.abs(after - before).max() > 1e-4) == (case == "whole")


def test_it_is_saved_and_loaded_in_safe_mode(model, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras")
    grus = [layer for layer in loaded._flatten_layers() if isinstance(layer, keras.layers.GRU)]
    # cuDNN's kernel stops where a mask has gaps: neither copies nor saved layers may take it.
    assert [layer.use_cudnn for layer in grus] == [False] * (7 + 2 * 2)
    again = answers(loaded, clips())
    for name, value in answers(model, clips()).items():
        np.testing.assert_array_equal(again[name], value)


@pytest.mark.parametrize("fields", [{"picture_size": 100}, {"klda_shrinkage": 1.0}, {"frames": 0}])
def test_settings_that_make_no_sense_are_refused(fields):
    with pytest.raises(UsageError):
        racnn.Config(backbone_weights="none", **fields)
