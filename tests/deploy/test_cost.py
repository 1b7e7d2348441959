"""The counts, against the figures of system 1's paper, TensorFlow's own profiler and known files."""

import json

import numpy as np
import pytest

from emotionnet import cost as cost_verb
from emotionnet.deploy.operations import Operation, Tensor, einsum_terms, floating_operations
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.systems import SYSTEMS


def counted(model):
    from emotionnet.deploy.cost import count
    from emotionnet.deploy.graphs import keras_graph

    return count(keras_graph(model))


@pytest.fixture(scope="module")
def whole():
    from emotionnet.systems import build_model

    return build_model("ghost_fan", 8)


@pytest.fixture(scope="module")
def whole_graph(whole):
    from emotionnet.deploy.graphs import keras_graph

    return keras_graph(whole)


@pytest.fixture(scope="module")
def whole_cost(whole_graph):
    from emotionnet.deploy.cost import count

    return count(whole_graph)


def profiled(function, *shape) -> int:
    """FLOPs of a call as TensorFlow's own profiler counts them."""
    import tensorflow as tf

    traced = tf.function(function, autograph=False).get_concrete_function(tf.TensorSpec(shape))
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation() | {"output": "none"}
    return tf.compat.v1.profiler.profile(traced.graph, options=options).total_float_ops


@pytest.mark.parametrize(
    ("depthwise", "parameters", "megas", "giga"),
    [("faithful", 316_898, 47.43, 0.760), ("stride2", 279_202, 42.65, 0.684)],
)
def test_face_encoder_has_the_published_figures_and_those_of_the_profiler(
    depthwise, parameters, megas, giga
):
    from emotionnet.systems import ghost_fan

    encoder = ghost_fan.face_encoder(ghost_fan.Config(depthwise=depthwise))
    total = counted(encoder).sum()
    assert total.parameters == parameters
    assert round(total.multiply_adds / 1e6, 2) == megas
    theirs = profiled(lambda x: encoder(x, training=False), 1, 224, 224, 3)
    assert total.flops == pytest.approx(theirs, rel=1e-3)
    assert 15 * theirs / 2e9 == pytest.approx(giga, abs=1e-3)


def test_fifteen_frames_and_the_whole_have_the_papers_figures(whole, whole_cost):
    import keras

    encoder = [x for x in whole_cost.layers if x.layer.startswith("face_stream/face_encoder")]
    faces = sum(x.flops for x in encoder) / 2e9
    assert round(faces, 3) == 0.760
    networks = whole_cost.sum(front_end=False)
    assert networks.parameters == 920_756
    assert round(networks.flops / 2e9, 3) == 0.767
    speech = [x.multiply_adds for x in whole_cost.layers
              if x.layer.startswith("speech_stream") and not x.front_end]  # fmt: skip
    assert round(sum(speech) / 1e6, 2) == 6.80
    # The front-end has no weights, and is not among the published 0.77 G.
    stream = whole.get_layer("speech_stream")
    behind_mean = keras.Model(stream.get_layer("as_sequence").output, stream.output)
    sound = profiled(lambda x: behind_mean(x, training=False), 1, 40, 1) / 2e9
    assert sound == pytest.approx(0.00680, abs=5e-5)
    assert faces + sound <= 0.77


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_system_is_counted_with_all_its_weights(system, whole, whole_cost, monkeypatch):
    from tiny_model import few_bottlenecks

    from emotionnet.systems import build_model, ghost_fan, without_weights

    if system == "ghost_fan":
        model, cost = whole, whole_cost
    else:
        config = without_weights(system)
        if system == "cross_modal":  # `faces` has the same backbone
            config["backbone"] = "GhostNet"
            monkeypatch.setattr(ghost_fan, "BOTTLENECKS", few_bottlenecks())
        model = build_model(system, 6, **config)
        cost = counted(model)
    assert cost.sum().parameters == model.count_params()
    assert cost.sum(front_end=False).multiply_adds > model.count_params()
    assert not cost.notes


def test_a_convolution_in_groups_is_counted():
    import keras

    picture = keras.Input((8, 8, 16))
    depthwise = keras.layers.Conv2D(16, 7, padding="same", groups=16)
    assert counted(keras.Model(picture, depthwise(picture))).sum().multiply_adds == 8 * 8 * 16 * 49


def test_front_end_is_apart_and_the_parts_add_up(whole_cost):
    parts = [whole_cost.sum(front_end=x) for x in (True, False)]
    assert parts[0].parameters == 0
    assert parts[0].multiply_adds > 1e6
    assert sum(p.flops for p in parts) == whole_cost.sum().flops
    assert sum(g.flops for g in whole_cost.grouped(2)) == whole_cost.sum().flops


def test_a_layer_moves_its_inputs_weights_and_outputs():
    import keras

    inputs = keras.Input((6, 6, 4))
    outputs = keras.layers.Conv2D(8, 3, padding="valid", name="only")(inputs)
    (layer,) = counted(keras.Model(inputs, outputs)).layers
    weights = 4 * (3 * 3 * 4 * 8 + 8)
    assert layer.weight_bytes == weights
    assert layer.moved_bytes == weights + 4 * (6 * 6 * 4 + 4 * 4 * 8)
    assert layer.multiply_adds == 4 * 4 * 8 * 3 * 3 * 4
    assert layer.flops == 2 * layer.multiply_adds + 4 * 4 * 8  # the bias


def test_shared_layers_count_their_work_twice_and_their_weights_once():
    import keras

    dense = keras.layers.Dense(3, use_bias=False, name="shared")
    a, b = keras.Input((5,), name="a"), keras.Input((5,), name="b")
    outputs = keras.layers.Add(name="sum")([dense(a), dense(b)])
    total = counted(keras.Model({"a": a, "b": b}, outputs)).sum()
    assert (total.parameters, total.multiply_adds) == (15, 30)


def test_names_that_look_like_another_layers_second_call():
    import keras

    inputs = keras.Input((5,))
    x = keras.layers.Dense(2, use_bias=False, name="dense")(inputs)
    x = keras.layers.Dense(7, use_bias=False, name="dense_1")(x)
    work = {x.layer: x.multiply_adds for x in counted(keras.Model(inputs, x)).layers}
    assert work["dense"] == 10
    assert work["dense_1"] == 14


def test_unknown_own_layers_are_counted_by_what_they_do():
    import keras

    class Own(keras.layers.Layer):
        def build(self, shape):
            self.w = self.add_weight(shape=(shape[-1], 4))

        def call(self, x):
            return keras.ops.einsum("btc,cd->btd", x, self.w)

    inputs = keras.Input((3, 5))
    layer = counted(keras.Model(inputs, Own(name="own")(inputs))).layers[0]
    assert (layer.layer, layer.parameters, layer.multiply_adds) == ("own", 20, 3 * 5 * 4)


def test_every_round_of_a_loop_is_counted():
    import keras

    steps, width, units = 11, 4, 6
    sequence, mask = keras.Input((steps, width)), keras.Input((steps,))
    x = keras.layers.Bidirectional(keras.layers.GRU(units), name="both")(sequence, mask=mask)
    cost = counted(keras.Model([sequence, mask], x))
    assert cost.sum().multiply_adds == 2 * steps * 3 * units * (width + units)
    assert cost.sum().parameters == 2 * 3 * units * (width + units + 2)
    assert not cost.notes


def test_counting_leaves_the_model_as_it_was(monkeypatch):
    from tiny_model import few_bottlenecks

    from emotionnet.systems import ghost_fan

    monkeypatch.setattr(ghost_fan, "BOTTLENECKS", few_bottlenecks())
    small = ghost_fan.face_encoder(ghost_fan.Config(image_size=32))
    picture = np.random.default_rng(0).random((1, 32, 32, 3), np.float32) * 255
    before = np.asarray(small(picture))
    counted(small)
    assert "call" not in vars(small.layers[3])
    np.testing.assert_array_equal(np.asarray(small(picture)), before)


def test_ghost_equations_count_the_cheap_operation_as_full(whole_graph):
    from emotionnet.deploy.cost import check_ghosts

    checks = {c.layer.rpartition("bottleneck_")[2]: c for c in check_ghosts(whole_graph)}
    assert len(checks) == 22
    # Row 2 expands 16 maps to 72 at 56 x 56: C1 = 36.
    first = checks["2/expand"]
    assert first.parameters == 16 * 36 + 9 * 36
    assert first.equation_10 == 16 * 36 + 36 + 9 * 36 * 72
    assert first.multiply_adds == 15 * 56 * 56 * first.parameters
    assert first.equation_14 == 15 * 56 * 56 * (16 * 36 + 9 * 36 * 72)


@pytest.mark.parametrize(
    ("equation", "shapes", "terms"),
    [
        ("ij,jk->ik", [(2, 3), (3, 4)], 3),
        ("...ij,...jk->...ik", [(9, 2, 3), (9, 3, 4)], 3),
        ("aecd,abcd->acbe", [(1, 5, 2, 8), (1, 6, 2, 8)], 8),
        ("ij->ji", [(2, 3)], 0),
    ],
)
def test_einsum_terms(equation, shapes, terms):
    assert einsum_terms(equation, shapes) == terms


def test_profiler_rules_of_single_operations():
    map4, one = Tensor("x", (1, 2, 2, 4), 4), Tensor("y", (1, 4), 4)
    assert floating_operations(Operation("mean", "", (map4,), (one,))) == 16 + 4
    assert floating_operations(Operation("addv2".removesuffix("v2"), "", (map4,), (map4,))) == 16
    assert floating_operations(Operation("maxpool", "", (map4,), (one,), terms=4)) == 16
    assert floating_operations(Operation("reshape", "", (map4,), (map4,))) == 0


def test_report_and_json_of_the_command(capsys, monkeypatch):
    from emotionnet.deploy import roofline
    from emotionnet.deploy.cost_text import report

    measure = roofline.measure_machine
    monkeypatch.setattr(roofline, "measure_machine", lambda: measure(seconds=0.05))
    command = ["ghost_fan", "--no-latency", "--set", "image_size=32", "--set", "frames=2"]
    assert cost_verb.main([*command, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["sum"]["networks"]["parameters"] == 920_756
    text = report(result)
    assert "equation 13" in text
    assert "profiler" in text
    assert "equation 10" in text
    assert all(board in text for board in ("Raspberry Pi 4B", "Raspberry Pi 5", "Zenbo Junior II"))


@pytest.mark.parametrize("target", ["no_such_system", "nothing.keras", "nothing.onnx"])
def test_unknown_targets_are_named(target):
    with pytest.raises(EmotionNetError, match=target):
        cost_verb.cost(target, threads=())


def test_broken_files_are_named(tmp_path):
    for name in ("a.tflite", "a.onnx"):
        (tmp_path / name).write_bytes(b"no network, only some text")
        with pytest.raises(EmotionNetError, match=name):
            cost_verb.cost(tmp_path / name, threads=())


def test_settings_are_for_systems():
    with pytest.raises(UsageError, match="no setting 'colour'"):
        cost_verb.cost("ghost_fan", threads=(), colour=1)


@pytest.fixture(scope="module")
def small_files(tmp_path_factory):
    """One small network as Keras model, .tflite and .onnx."""
    pytest.importorskip("tf2onnx")
    import keras
    import tensorflow as tf
    import tf2onnx

    inputs = keras.Input((8, 8, 3), name="picture")
    x = keras.layers.Conv2D(4, 3, strides=2, padding="same", activation="relu")(inputs)
    x = keras.layers.DepthwiseConv2D(5, padding="same")(x)
    x = keras.layers.Flatten()(x)
    model = keras.Model(inputs, keras.layers.Dense(2, name="out")(x))
    # Biases that are zero, or equal, would be optimised away.
    random = np.random.default_rng(0)
    model.set_weights([random.normal(size=w.shape) for w in model.get_weights()])
    folder = tmp_path_factory.mktemp("files")
    archive = keras.export.ExportArchive()
    archive.track(model)
    spec = tf.TensorSpec((1, 8, 8, 3), name="picture")
    archive.add_endpoint("serve", lambda picture: {"out": model(picture)}, [spec])
    archive.write_out(folder / "saved", verbose=False)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder / "saved"))
    (folder / "small.tflite").write_bytes(converter.convert())
    function = tf.function(lambda picture: model(picture), input_signature=[spec])
    tf2onnx.convert.from_function(function, [spec], output_path=str(folder / "small.onnx"))
    return model, folder


def test_weights_in_float16_are_parameters():
    """They are widened by an operation of their own, and the convolution takes its result."""
    from emotionnet.deploy.graphs import _file_graph

    stored, wide = Tensor("stored", (4, 3, 3, 2), 2, constant=True), Tensor("wide", (4, 3, 3, 2), 4)
    picture, maps = Tensor("picture", (1, 8, 8, 2), 4), Tensor("maps", (1, 8, 8, 4), 4)
    rows = [("DEQUANTIZE", (stored,), (wide,), 0), ("CONV_2D", (picture, wide), (maps,), 18)]
    graph = _file_graph("float16", rows, [picture], [maps])
    assert sum(graph.parameters.values()) == 72


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["tflite", "onnx"])
def test_files_count_as_the_model_they_were_made_of(small_files, suffix):
    model, folder = small_files
    truth = counted(model).sum()
    result = cost_verb.cost(folder / f"small.{suffix}", threads=(1,), runs=5)
    found = result["sum"]["all"]
    assert found["multiply_adds"] == truth.multiply_adds
    assert found["parameters"] == truth.parameters
    assert result["file_bytes"] > 4 * truth.parameters
    (latency,) = result["latency"]
    assert 0 < latency["p50_ms"] <= latency["p95_ms"]
    assert latency["runs"] == 5


@pytest.mark.slow
def test_a_signature_that_is_not_there_is_named(small_files):
    with pytest.raises(UsageError, match="no signature 'other'"):
        cost_verb.cost(small_files[1] / "small.tflite", threads=(), signature="other")
