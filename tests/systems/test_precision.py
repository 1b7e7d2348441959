"""The audio front-end is float32-accurate under every policy and on every device."""

import json
import os
import subprocess
from pathlib import Path

import keras
import numpy as np
import pytest

from emotionnet import layers

#: The layers that hear, and how they are made here.
FRONTS = {
    "MFCC": {"n_mfcc": 20, "n_fft": 512, "hop_length": 256},
    "LogMelSpectrogram": {"n_fft": 512, "hop_length": 256, "n_mels": 40},
    "Pitch": {},
}
#: Prints how many products each layer has, and of how many the factors are not rounded.
PRODUCTS = """
import json, sys
import jax, numpy as np
from emotionnet import layers
from emotionnet.precision import full_float32
full_float32()
said = {}
for name, fields in json.loads(sys.argv[1]).items():
    layer = getattr(layers, name)(**fields)
    layer.build((2, 4000))
    text = str(jax.make_jaxpr(layer.call)(np.ones((2, 4000), "float32")))
    asked = text.split("precision=")[1:]
    whole = [each for each in asked if each.lstrip("(").startswith(("HIGHEST", "Precision.HIGHEST"))]
    said[name] = [len(asked), len(whole)]
print(json.dumps(said))
"""


@pytest.mark.parametrize("name", FRONTS)
def test_a_front_end_answers_the_same_under_bfloat16(name):
    rng = np.random.default_rng(0)
    sound = (0.1 * rng.normal(size=(2, 4000))).astype("float32")

    def answer():
        waveform = keras.Input((4000,), name="waveform")
        heard = getattr(layers, name)(**FRONTS[name])(waveform)
        return np.asarray(keras.Model(waveform, heard)(sound))

    whole = answer()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = answer()
    finally:
        keras.config.set_dtype_policy("float32")
    assert mixed.dtype == np.float32
    np.testing.assert_array_equal(mixed, whole)


def test_models_are_made_and_loaded_with_whole_products(tmp_path):
    import tensorflow as tf

    from emotionnet.systems import build_model, load_model

    switch = tf.config.experimental
    switch.enable_tensor_float_32_execution(True)
    fields = {"frames": 1, "image_size": 32, "samples": 8000, "streams": ("speech",)}
    model = build_model("ghost_fan", 3, **fields)
    assert not switch.tensor_float_32_execution_enabled()
    model.save(tmp_path / "model.keras")
    switch.enable_tensor_float_32_execution(True)
    load_model(tmp_path / "model.keras")
    assert not switch.tensor_float_32_execution_enabled()


@pytest.mark.slow
@pytest.mark.skipif(
    not os.environ.get("EMOTIONNET_JAX_PYTHON"),
    reason="set EMOTIONNET_JAX_PYTHON to a Python with jax and keras",
)
def test_under_jax_every_product_of_the_front_end_is_whole():
    done = subprocess.run(
        [os.environ["EMOTIONNET_JAX_PYTHON"], "-c", PRODUCTS, json.dumps(FRONTS)],
        env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu",
             "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    for name, (products, whole) in json.loads(done.stdout).items():
        assert 0 < whole == products, name
