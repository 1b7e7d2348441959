"""Pictures reach an int8 convolution bit by bit, whatever calibration has seen of them."""

import keras
import numpy as np
import pytest

from emotionnet.deploy.litert import LiteModel
from emotionnet.deploy.quantize import to_int8

SIZE = 8


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The same network in float32 and int8, calibrated on nearly grey pictures."""
    from emotionnet.deploy import tflite

    picture = keras.Input((SIZE, SIZE, 3), name="picture")
    x = keras.layers.Rescaling(1 / 127.5, -1.0, name="scale")(picture)
    x = keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="stem")(x)
    x = keras.layers.Conv2D(4, 1, use_bias=False, name="as_it_is")(
        x
    )  # what comes last is an output
    encoder = keras.Model(picture, x, name="face_encoder")
    # Kernels of one sign: what is wrong with each pixel adds up.
    encoder.get_layer("stem").set_weights([np.full((3, 3, 3, 4), 1 / 27), np.arange(4) / 1000])
    encoder.get_layer("as_it_is").set_weights([np.eye(4)[None, None]])

    folder = tmp_path_factory.mktemp("pixels")
    archive = keras.export.ExportArchive()
    archive.track(encoder)
    spec = keras.InputSpec(shape=(1, SIZE, SIZE, 3), dtype="uint8", name="face")
    call = lambda face: {"maps": encoder(keras.ops.cast(face, "float32"))}  # noqa: E731
    archive.add_endpoint("encode_face", call, input_signature=[spec])
    archive.write_out(str(folder / "saved_model"), verbose=False)
    grey = [("encode_face", {"face": _picture(p)}) for p in range(124, 132)]
    plain = tflite._convert(folder / "saved_model", ["encode_face"])
    calibrated = tflite._convert(folder / "saved_model", ["encode_face"], lambda: grey)
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
