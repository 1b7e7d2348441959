"""Pictures reach an int8 convolution bit by bit, whatever calibration has seen of them."""

import keras
import numpy as np
import pytest

from emotionnet.deploy.litert import LiteModel
from emotionnet.deploy.quantize import to_int8

SIZE = 8


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A network in float32 and int8, calibrated on nearly grey pictures."""
    # Kernels of one sign: what is wrong with each pixel adds up.
    kernel = np.full((3, 3, 3, 4), 1 / 27)
    grey = [_picture(p) for p in range(124, 132)]
    return _files(tmp_path_factory.mktemp("pixels"), kernel, 1, grey)


def _files(folder, kernel, strides: int, pictures) -> dict[str, LiteModel]:
    from emotionnet.deploy import tflite

    shape = pictures[0].shape
    picture = keras.Input(shape[1:], name="picture")
    x = keras.layers.Rescaling(1 / 127.5, -1.0, name="scale")(picture)
    x = keras.layers.Conv2D(4, 3, strides, "same", activation="relu", name="stem")(x)
    x = keras.layers.Conv2D(4, 1, use_bias=False, name="as_it_is")(
        x
    )  # what comes last is an output
    encoder = keras.Model(picture, x, name="face_encoder")
    encoder.get_layer("stem").set_weights([kernel, np.arange(4) / 1000])
    encoder.get_layer("as_it_is").set_weights([np.eye(4)[None, None]])

    archive = keras.export.ExportArchive()
    archive.track(encoder)
    spec = keras.InputSpec(shape=shape, dtype="uint8", name="face")
    call = lambda face: {"maps": encoder(keras.ops.cast(face, "float32"))}  # noqa: E731
    archive.add_endpoint("encode_face", call, input_signature=[spec])
    archive.write_out(str(folder / "saved_model"), verbose=False)
    samples = [("encode_face", {"face": picture}) for picture in pictures]
    plain = tflite._convert(folder / "saved_model", ["encode_face"])
    calibrated = tflite._convert(folder / "saved_model", ["encode_face"], lambda: samples)
    found = {}
    for name, content in (
        ("float32", plain),
        ("int8", to_int8(calibrated, {"face_encoder": ["stem"]})),
    ):
        path = folder / f"{name}.tflite"
        path.write_bytes(content)
        found[name] = LiteModel(path)
    return found


def _picture(value: int) -> np.ndarray:
    return np.full((1, SIZE, SIZE, 3), value, np.uint8)


def test_every_value_of_a_pixel_counts(files):
    """The maps go up to 0.04, in steps of 0.00015; half a step of a pixel is 0.004."""
    for value in (0, 126, 127, 128, 129, 131):
        want, got = (
            files[name].run("encode_face", {"face": _picture(value)})["maps"] for name in files
        )
        inside = (slice(None), slice(1, -1), slice(1, -1))
        np.testing.assert_allclose(got[inside], want[inside], atol=0.0003, err_msg=str(value))
        np.testing.assert_allclose(got, want, atol=0.004, err_msg=str(value))


def test_nothing_is_computed_with_floats(files):
    kinds = [operator["op"] for operator in files["int8"].operators()]
    assert kinds == ["RESHAPE", "DEQUANTIZE", "QUANTIZE", "CONV_2D", "DEQUANTIZE", "CONV_2D"]
    pixels = files["int8"].signatures()["encode_face"]["inputs"][0]
    assert (pixels["dtype"], pixels["scale"]) == ("uint8", None)


@pytest.mark.parametrize("size", [(8, 8), (8, 7)], ids=["even", "odd"])
def test_every_other_pixel_is_taken_in_pairs(tmp_path, size):
    """Where the width has pairs; with another weight for each pixel, maps up to 1."""
    random = np.random.default_rng(0)
    kernel = random.normal(0, 0.2, (3, 3, 3, 4)).astype(np.float32)
    pictures = random.integers(0, 256, (4, 1, *size, 3)).astype(np.uint8)
    files = _files(tmp_path, kernel, 2, pictures)
    (graph,) = files["int8"].graph.subgraphs
    paired = (1, 8, 4, 6) in {tuple(tensor.shape) for tensor in graph.tensors}
    assert paired == (size == (8, 8))
    for picture in pictures:
        want, got = (files[name].run("encode_face", {"face": picture})["maps"] for name in files)
        assert np.ptp(want) > 0.5
        np.testing.assert_allclose(got, want, atol=0.02)
