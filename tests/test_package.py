"""What a user meets first: imports that load nothing heavy, help texts, exit codes."""

import subprocess
import sys

import pytest

import emotionnet

HEAVY = ("tensorflow", "keras", "jax", "mtcnn", "librosa", "sklearn", "matplotlib")

LIGHT = """
import contextlib, importlib, io, sys
import emotionnet, emotionnet.layers, emotionnet.systems
for verb in emotionnet.VERBS:
    module = importlib.import_module("emotionnet." + verb)
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):
        module.main(["--help"])
    assert "usage: python -m emotionnet." + verb in out.getvalue(), verb
    assert callable(getattr(emotionnet, verb)), verb
heavy = [name for name in {heavy} if name in sys.modules]
assert not heavy, heavy
"""


def test_import_and_help_load_nothing_heavy():
    code = LIGHT.replace("{heavy}", repr(HEAVY))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("verb", emotionnet.VERBS)
def test_bad_usage_is_exit_code_2_without_traceback(verb, tmp_path):
    words = {"prepare": ["--corpus", "ravdess", "--root", "nowhere", "--out", "x"],
             "fit": ["--records", "nowhere"]}.get(verb, ["--no-such-option"])  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", f"emotionnet.{verb}", *words],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.strip()
    assert not done.stdout
