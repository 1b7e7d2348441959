"""wav2vec 2.0 against a plain NumPy reading of PyTorch's weights, and the loading of its files."""

import json
import math

import numpy as np
import pytest

pytest.importorskip("keras")

import keras

from emotionnet.errors import EmotionNetError
from emotionnet.layers import Wav2Vec2
from emotionnet.layers.wav2vec2_weights import load_weights, read_safetensors
from emotionnet.systems import build_model

SMALL = {
    "channels": (6, 6, 8),
    "kernels": (10, 3, 2),
    "strides": (5, 2, 2),
    "width": 12,
    "blocks": 2,
    "heads": 3,
    "hidden": 20,
    "position_kernel": 6,
    "position_groups": 4,
}


def random_tensors(seed=0) -> dict[str, np.ndarray]:
    """Weights in PyTorch's names and layouts, of the sizes of `SMALL`."""
    rng = np.random.default_rng(seed)

    def some(*shape):
        return rng.normal(0, 0.4, shape).astype(np.float32)

    tensors = {"masked_spec_embed": some(12)}
    before = 1
    for i, (channels, kernel) in enumerate(zip(SMALL["channels"], SMALL["kernels"])):
        tensors[f"feature_extractor.conv_layers.{i}.conv.weight"] = some(channels, before, kernel)
        before = channels

    def add(name, *shape):
        tensors[f"{name}.weight"] = some(*shape)
        tensors[f"{name}.bias"] = some(shape[0])

    add("feature_extractor.conv_layers.0.layer_norm", 6)
    add("feature_projection.layer_norm", 8)
    add("feature_projection.projection", 12, 8)
    tensors["encoder.pos_conv_embed.conv.weight_g"] = some(1, 1, 6)
    tensors["encoder.pos_conv_embed.conv.weight_v"] = some(12, 3, 6)
    tensors["encoder.pos_conv_embed.conv.bias"] = some(12)
    add("encoder.layer_norm", 12)
    for i in range(2):
        layer = f"encoder.layers.{i}"
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            add(f"{layer}.attention.{name}", 12, 12)
        add(f"{layer}.layer_norm", 12)
        add(f"{layer}.feed_forward.intermediate_dense", 20, 12)
        add(f"{layer}.feed_forward.output_dense", 12, 20)
        add(f"{layer}.final_layer_norm", 12)
    return tensors


def reference(waveform: np.ndarray, t: dict[str, np.ndarray]) -> np.ndarray:
    """One clip (samples,) to (steps, width): PyTorch's layouts, float64, a step at a time."""
    t = {name: value.astype(np.float64) for name, value in t.items()}
    erf = np.vectorize(math.erf)

    def gelu(x):
        return x * 0.5 * (1 + erf(x / np.sqrt(2)))

    def normal(x, axis):
        deviation = x - x.mean(axis=axis, keepdims=True)
        return deviation / np.sqrt((deviation**2).mean(axis=axis, keepdims=True) + 1e-5)

    def layer_norm(x, name):
        return normal(x, -1) * t[f"{name}.weight"] + t[f"{name}.bias"]

    def linear(x, name):
        return x @ t[f"{name}.weight"].T + t[f"{name}.bias"]

    sound = waveform.astype(np.float64)
    x = ((sound - sound.mean()) / np.sqrt(sound.var() + 1e-7))[None]  # (channels, time)
    for i, (kernel, stride) in enumerate(zip(SMALL["kernels"], SMALL["strides"])):
        weight = t[f"feature_extractor.conv_layers.{i}.conv.weight"]
        steps = (x.shape[1] - kernel) // stride + 1
        x = np.stack(
            [
                np.einsum("oik,ik->o", weight, x[:, s * stride : s * stride + kernel])
                for s in range(steps)
            ],
            axis=1,
        )
        if i == 0:
            name = "feature_extractor.conv_layers.0.layer_norm"
            x = normal(x, 1) * t[f"{name}.weight"][:, None] + t[f"{name}.bias"][:, None]
        x = gelu(x)
    x = linear(layer_norm(x.T, "feature_projection.layer_norm"), "feature_projection.projection")

    name = "encoder.pos_conv_embed.conv"
    v, g = t[f"{name}.weight_v"], t[f"{name}.weight_g"]
    weight = g * v / np.sqrt((v**2).sum(axis=(0, 1), keepdims=True))
    padded = np.pad(x, [(3, 3), (0, 0)])
    positions = np.zeros_like(x)
    for step in range(len(x)):
        for out in range(12):
            group = 3 * (out // 3)
            seen = padded[step : step + 6, group : group + 3]
            positions[step, out] = (weight[out].T * seen).sum() + t[f"{name}.bias"][out]
    x = layer_norm(x + gelu(positions), "encoder.layer_norm")

    for i in range(2):
        layer = f"encoder.layers.{i}"
        query, key, value = (linear(x, f"{layer}.attention.{n}_proj") for n in "qkv")
        attended = np.zeros_like(x)
        for head in range(3):
            part = slice(4 * head, 4 * head + 4)
            scores = query[:, part] @ key[:, part].T / 2.0
            weights = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
            attended[:, part] = weights @ value[:, part]
        x = layer_norm(x + linear(attended, f"{layer}.attention.out_proj"), f"{layer}.layer_norm")
        y = gelu(linear(x, f"{layer}.feed_forward.intermediate_dense"))
        y = linear(y, f"{layer}.feed_forward.output_dense")
        x = layer_norm(x + y, f"{layer}.final_layer_norm")
    return x


def write_safetensors(path, tensors) -> None:
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, tensor in tensors.items():
        raw = np.ascontiguousarray(tensor).tobytes()
        kind = {"float32": "F32", "float16": "F16"}[str(tensor.dtype)]
        header[name] = {
            "dtype": kind,
            "shape": list(tensor.shape),
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


@pytest.fixture
def layer():
    layer = Wav2Vec2(**SMALL)
    layer.build((None, 400))
    return layer


def test_it_computes_what_the_reference_computes(layer, tmp_path):
    tensors = random_tensors()
    write_safetensors(tmp_path / "w.safetensors", tensors)
    load_weights(layer, tmp_path / "w.safetensors")
    waveform = np.random.default_rng(1).normal(size=(2, 400)).astype(np.float32)
    found = np.asarray(layer(waveform))
    assert found.shape == (2, 19, 12) == layer.compute_output_shape(waveform.shape)
    for one, clip in zip(found, waveform):
        np.testing.assert_allclose(one, reference(clip, tensors), atol=2e-5)


def test_pretraining_files_and_newer_names_are_understood(layer, tmp_path):
    tensors = random_tensors()
    names = {"weight_g": "original0", "weight_v": "original1"}
    renamed = {"quantizer.codevectors": np.zeros((1, 4), np.float32)}
    for name, tensor in tensors.items():
        stem, _, last = name.rpartition(".")
        if last in names:
            name = f"{stem}.parametrizations.weight.{names[last]}"
        renamed[f"wav2vec2.{name}"] = tensor
    write_safetensors(tmp_path / "old.safetensors", tensors)
    write_safetensors(tmp_path / "new.safetensors", renamed)
    load_weights(layer, tmp_path / "old.safetensors")
    before = [np.array(w) for w in layer.trainable_weights]
    for weight in layer.trainable_weights:
        weight.assign(np.zeros(weight.shape))
    load_weights(layer, tmp_path / "new.safetensors")
    for weight, old in zip(layer.trainable_weights, before):
        np.testing.assert_array_equal(weight, old)


def _lacks_one(t):
    del t["encoder.layers.1.attention.q_proj.bias"]


def _has_one_more(t):
    t["encoder.layers.7.attention.q_proj.bias"] = np.zeros(12, np.float32)


def _has_another_shape(t):
    t["feature_projection.projection.weight"] = np.zeros((12, 9), np.float32)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_lacks_one, r"1 missing \(first encoder.layers.1.attention.q_proj.bias\)"),
        (_has_one_more, r"1 unknown \(first encoder.layers.7.attention.q_proj.bias\)"),
        (_has_another_shape, r"projection.weight has shape \(12, 9\)"),
    ],
)
def test_weights_of_another_model_are_refused_and_change_nothing(layer, tmp_path, spoil, message):
    tensors = random_tensors()
    spoil(tensors)
    write_safetensors(tmp_path / "w.safetensors", tensors)
    before = [np.array(w) for w in layer.trainable_weights]
    with pytest.raises(EmotionNetError, match=message):
        load_weights(layer, tmp_path / "w.safetensors")
    for weight, old in zip(layer.trainable_weights, before):
        np.testing.assert_array_equal(weight, old)


def test_damaged_files_are_explained(tmp_path):
    path = tmp_path / "w.safetensors"
    write_safetensors(path, random_tensors())
    whole = path.read_bytes()
    for content in (b"", whole[:5], whole[:200], whole[:-10], b"\x02" + bytes(7) + b"{]"):
        path.write_bytes(content)
        with pytest.raises(EmotionNetError, match="not a safetensors file"):
            read_safetensors(path)
    with pytest.raises(EmotionNetError, match="no such file"):
        read_safetensors(tmp_path / "nothing")


def test_steps_are_masked_in_training_only(layer):
    keras.utils.set_random_seed(0)
    waveform = np.random.default_rng(1).normal(size=(1, 400)).astype(np.float32)
    still = Wav2Vec2(**{**SMALL, "dropout": 0.0, "mask_share": 0.0})
    masked = Wav2Vec2(**{**SMALL, "dropout": 0.0, "mask_share": 0.9, "mask_length": 2})
    for other in (still, masked):
        other.build((None, 400))
        for own, weight in zip(other.trainable_weights, layer.trainable_weights, strict=True):
            own.assign(weight)
    wanted = np.asarray(layer(waveform))
    np.testing.assert_allclose(still(waveform, training=True), wanted, atol=1e-6)
    np.testing.assert_allclose(masked(waveform), wanted, atol=1e-6)
    assert not np.allclose(masked(waveform, training=True), wanted, atol=1e-3)


def test_it_comes_back_from_a_file_and_learns(tmp_path):
    inputs = keras.Input((400,))
    outputs = keras.layers.GlobalAveragePooling1D()(Wav2Vec2(**SMALL)(inputs))
    model = keras.Model(inputs, outputs)
    waveform = np.random.default_rng(1).normal(size=(4, 400)).astype(np.float32)
    before = [np.array(w) for w in model.trainable_weights]
    model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
    for _ in range(8):  # the mask embedding learns where a mask was drawn
        model.train_on_batch(waveform, np.ones((4, 12), np.float32))
    for weight, old in zip(model.trainable_weights, before):
        if "key/bias" not in weight.path:  # softmax cancels it
            assert np.abs(np.array(weight) - old).max() > 0, weight.path
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(
        again.predict_on_batch(waveform), model.predict_on_batch(waveform)
    )


@pytest.mark.slow
@pytest.mark.parametrize(("classes", "wanted"), [(6, 97_119_462), (8, 97_120_744)])
def test_the_published_count(classes, wanted):
    model = build_model("segments", classes, audio="wav2vec2", image_size=64)
    assert sum(int(np.prod(w.shape)) for w in model.trainable_weights) == wanted
    network = model.get_layer("segment_encoder").get_layer("audio_net").get_layer("wav2vec2")
    assert sum(int(np.prod(w.shape)) for w in network.trainable_weights) == 94_371_712
