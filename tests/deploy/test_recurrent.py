"""A model with rolled recurrent layers in every precision: it converts, agrees, and its loops stay float."""

import json

import keras
import numpy as np
import pytest
from keras import layers

from emotionnet.layers import FoldFrames, UnfoldFrames
from emotionnet.systems.base import clip_inputs

pytest.importorskip("tensorflow")
pytest.importorskip("ai_edge_litert")

FRAMES, SIZE, CLIPS = 5, 16, 4


def recurrent_model() -> keras.Model:
    """Faces through a small network, a masked bidirectional GRU over time, an answer."""
    keras.utils.set_random_seed(3)
    picture = keras.Input((SIZE, SIZE, 3), name="picture")
    x = layers.Rescaling(1 / 255, name="scale")(picture)
    for number, maps in enumerate((8, 8, 16), start=1):
        x = layers.Conv2D(maps, 3, strides=2, padding="same", name=f"conv{number}")(x)
        x = layers.ReLU(name=f"relu{number}")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    encoder = keras.Model(picture, x, name="face_encoder")
    inputs = clip_inputs({"frames": FRAMES, "image_size": SIZE, "samples": 1600})
    x = UnfoldFrames(FRAMES, name="features")(encoder(FoldFrames(name="fold")(inputs["faces"])))
    x = layers.Bidirectional(layers.GRU(12), name="bi_gru")(x, mask=inputs["frame_mask"])
    x = layers.Dense(3, activation="softmax", name="probabilities")(x)
    return keras.Model(inputs, {"probabilities": x}, name="toy")


def toy_clips() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    mask = np.ones((CLIPS, FRAMES), np.float32)
    mask[1:, 2] = 0
    base = rng.integers(40, 216, (CLIPS, FRAMES, 1, 1, 3))
    faces = base + rng.integers(-40, 40, (CLIPS, FRAMES, SIZE, SIZE, 3))
    return {
        "faces": faces.astype(np.uint8),
        "frame_mask": mask,
        "waveform": np.zeros((CLIPS, 1600), np.float32),
        "waveform_samples": np.zeros(CLIPS, np.int32),
    }


def test_the_part_before_loops_has_no_loop():
    from emotionnet.deploy.recurrent import before_recurrence
    from emotionnet.keras_private import layers_inside

    model = recurrent_model()
    part = before_recurrence(model)
    assert not any(isinstance(x, layers.Bidirectional) for x in layers_inside(part))
    (features,) = part(toy_clips()).values()
    assert features.shape == (CLIPS, FRAMES, 16)
    assert before_recurrence(model.get_layer("face_encoder")) is None


@pytest.mark.slow
def test_every_precision_converts_and_agrees(tmp_path):
    from ai_edge_litert import schema_py_generated as schema

    from emotionnet.deploy.convert import convert
    from emotionnet.deploy.litert import LiteModel

    model, clips = recurrent_model(), toy_clips()
    model.save(tmp_path / "model.keras")
    np.savez(tmp_path / "calibration.npz", **clips)
    precisions = ("float32", "float16", "dynamic", "int8")
    job = {"model": str(tmp_path / "model.keras"), "precisions": precisions, "onnx": True}
    convert(tmp_path, job)
    expected = np.asarray(model(clips, training=False)["probabilities"])
    assert np.ptp(expected, axis=0).max() > 0.01
    for precision, far in zip(precisions, (1e-6, 2e-3, 0.02, 0.02)):
        lite = LiteModel(tmp_path / f"{precision}.tflite")
        assert all(op["builtin"] for op in lite.operators())
        assert "WHILE" in {op["op"] for op in lite.operators()}
        found = [
            lite.run("classify", {name: values[i : i + 1] for name, values in clips.items()})
            for i in range(CLIPS)
        ]
        found = np.concatenate([answer["probabilities"] for answer in found])
        np.testing.assert_allclose(found, expected, atol=far, err_msg=precision)
        # Only convolutions of the encoder hold small integers; what is in a loop holds none.
        loops = lite.graph.subgraphs[1:]
        small = {schema.TensorType.INT8, schema.TensorType.FLOAT16, schema.TensorType.UINT8}
        assert not any(t.type in small for loop in loops for t in loop.tensors), precision
        types = [set(op["types"]) for op in lite.operators() if op["op"] == "CONV_2D"]
        assert any("INT8" in kinds for kinds in types) == (precision == "int8")
    assert json.loads((tmp_path / "result.json").read_text())["quantised_layers"]


def test_names_in_loops_are_made_unique():
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    from emotionnet.deploy.recurrent import _graph, _packed, with_unique_names

    model = schema.ModelT()
    model.version, model.buffers = 3, [schema.BufferT()]
    model.operatorCodes, model.subgraphs = [], []
    for _ in range(3):
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = [], []
        for name in (b"arg0", b"arg1"):
            tensor = schema.TensorT()
            tensor.name, tensor.shape = name, [1]
            graph.tensors.append(tensor)
        graph.inputs, graph.outputs = [0], [1]
        model.subgraphs.append(graph)
    entry = schema.SignatureDefT()
    entry.signatureKey, entry.subgraphIndex, entry.inputs, entry.outputs = b"classify", 0, [], []
    model.signatureDefs = [entry]
    named = _graph(with_unique_names(_packed(model, 1024)))
    names = [t.name for graph in named.subgraphs for t in graph.tensors]
    assert names[:2] == [b"arg0", b"arg1"]
    assert len(set(names)) == 6
