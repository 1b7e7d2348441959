"""What other tools leave in a home or an environment changes no answer, or is named in one line."""

import json
import logging
import os
import subprocess
import sys

import numpy as np
import pytest
from tiny_run import LABELS, SYSTEM_CONFIG, make_run

from emotionnet import environment, layers
from emotionnet.errors import UsageError


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home whose ``keras.json`` is as other tools have left it."""

    def write(**fields):
        settings = {"floatx": "float32", "epsilon": 1e-7, "backend": "tensorflow"} | fields
        path = tmp_path / "keras" / "keras.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(settings))
        monkeypatch.setenv("KERAS_HOME", str(path.parent))
        monkeypatch.delenv("KERAS_BACKEND", raising=False)
        return path

    return write


def test_another_backend_of_keras_json_is_not_used_and_named(home, capsys):
    path = home(backend="torch")
    environment.own_process()
    assert os.environ.pop("KERAS_BACKEND") == "tensorflow"
    assert f"{path}: backend=torch is not used" in capsys.readouterr().err


def test_another_backend_of_the_environment_is_not_used_and_named(home, capsys, monkeypatch):
    home()
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    environment.own_process()
    assert os.environ["KERAS_BACKEND"] == "tensorflow"
    assert "KERAS_BACKEND=torch is not used" in capsys.readouterr().err


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_a_backend_of_ours_is_left_alone(home, capsys, monkeypatch, backend):
    home(backend=backend)
    environment.own_process()
    assert "KERAS_BACKEND" not in os.environ
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("content", ["", "[]", '{"floatx": "float32"}', "{"])
def test_a_keras_json_that_says_nothing_is_passed_over(home, content):
    home().write_text(content)
    environment.own_process()
    assert "KERAS_BACKEND" not in os.environ


def test_in_a_process_of_others_the_backend_is_refused(monkeypatch):
    import keras

    monkeypatch.setattr(keras.config, "backend", lambda: "torch")
    with pytest.raises(UsageError, match="Keras runs on torch here"):
        environment.settle_keras()


def test_every_layer_is_announced_by_the_name_it_registers():
    import keras

    for name in layers.__all__:
        layer = getattr(layers, name)
        assert keras.saving.get_registered_name(layer) == f"emotionnet>{name}"


PLAIN_LOAD = """
import sys
{imports}
model = keras.models.load_model(sys.argv[1])
assert model.output_names, model
heavy = [name for name in sys.modules if name.startswith("emotionnet.layers.wav")]
assert not heavy, heavy
print(keras.config.image_data_format())
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    from emotionnet.systems import build_model

    model = build_model("ghost_fan", len(LABELS), **SYSTEM_CONFIG)
    return make_run(tmp_path_factory.mktemp("runs") / "run", model=model).folder


def program(*words, **environment):
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.slow
@pytest.mark.parametrize("imports", ["import emotionnet\nimport keras", "import keras, emotionnet"])
def test_keras_itself_loads_a_run_once_both_are_imported(run, imports):
    program("-c", PLAIN_LOAD.format(imports=imports), run / "model.keras")


@pytest.mark.slow
def test_the_answer_is_the_same_whatever_was_left_in_the_home(run, home, tmp_path):
    from emotionnet.corpora.drawing import PROTOTYPES, background, draw_face, random_person
    from emotionnet.corpora.media import write_clip
    from emotionnet.predict import predict

    person = random_person(np.random.default_rng(0), female=True)
    canvas = background(180, 240, person)
    draw_face(canvas, (120, 90), 110, person, PROTOTYPES["happy"])
    sound = np.random.default_rng(0).normal(0, 0.1, 8000).astype(np.float32)
    clip = write_clip(tmp_path / "a.mp4", [canvas] * 6, 12, sound)
    (usual,) = predict(run, clip)
    assert usual["streams"] == "both"

    home(image_data_format="channels_first", floatx="float64", backend="torch")
    done = program("-m", "emotionnet.predict", run, clip, "--json", TF_USE_LEGACY_KERAS="1")
    found = json.loads(done.stdout)
    assert found["faces_found"] == usual["faces_found"]
    assert found["probabilities"] == pytest.approx(usual["probabilities"], abs=1e-4)

    # In a process of somebody else's, whose Keras stays on the backend that it is on.
    home(image_data_format="channels_first", floatx="float16")
    code = "import sys, json, emotionnet; print(json.dumps(emotionnet.predict(*sys.argv[1:])))"
    done = program("-c", code, run, clip, TF_USE_LEGACY_KERAS="1")
    (found,) = json.loads(done.stdout.splitlines()[-1])
    assert found["probabilities"] == pytest.approx(usual["probabilities"], abs=1e-4)


def test_what_keras_imports_in_a_graph_is_no_warning_of_ours(home):
    home()
    environment.own_process()
    logger = logging.getLogger("tensorflow")
    said = "AutoGraph could not transform %s and will run it as-is."
    for name, shown in (("<function _gcd_import>", False), ("<function mine>", True)):
        record = logger.makeRecord(logger.name, logging.WARNING, "", 0, said, (name,), None)
        assert bool(logger.filter(record)) == shown
