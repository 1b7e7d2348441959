"""What a user meets first: imports that load nothing heavy, help texts, exit codes, one version."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import emotionnet

HOME = Path(__file__).parents[1]
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
with contextlib.suppress(emotionnet.errors.UsageError):  # a misspelt folder is told at once
    emotionnet.fit(records="nowhere")
heavy = [name for name in {heavy} if name in sys.modules]
assert not heavy, heavy
"""


def test_import_and_help_load_nothing_heavy():
    code = LIGHT.replace("{heavy}", repr(HEAVY))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


ALL = """
import sys
sys.argv = ["emotionnet"]
from emotionnet.__main__ import main
try:
    main()
except SystemExit as done:
    assert done.code == 0
heavy = [name for name in (*{heavy}, "numpy") if name in sys.modules]
assert not heavy, heavy
"""


def test_one_command_lists_all_verbs_and_runs_them(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", ALL.replace("{heavy}", repr(HEAVY))], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    for verb, line in emotionnet.VERBS.items():
        assert f"{verb} " in done.stdout
        assert line in done.stdout
    for words, said in ((["fitt"], "Did you mean fit"), (["fit", "--epochs", "x"], "--epochs")):
        done = subprocess.run(
            [sys.executable, "-m", "emotionnet", *words],
            capture_output=True,
            text=True,
            cwd=tmp_path,
        )
        assert (done.returncode, done.stdout) == (2, "")
        assert said in done.stderr
        assert "Traceback" not in done.stderr


def test_every_verb_is_a_file_and_has_a_signature():
    folder = Path(emotionnet.__file__).parent
    main = {
        path.stem for path in folder.glob("*.py") if "as_verb(__name__, main)" in path.read_text()
    }
    assert main == set(emotionnet.VERBS)
    for verb in emotionnet.VERBS:
        parameters = inspect.signature(getattr(emotionnet, verb)).parameters
        assert "args" not in parameters
        assert parameters, verb


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


def test_the_version_is_that_of_the_citation_and_of_the_changelogs_last_section():
    cited = yaml.safe_load((HOME / "CITATION.cff").read_text(encoding="utf-8"))
    changes = (HOME / "CHANGELOG.md").read_text(encoding="utf-8")
    version, date = re.search(r"^## (\d\S*) \((\S+)\)$", changes, re.MULTILINE).groups()
    assert emotionnet.__version__ == version == cited["version"]
    assert str(cited["date-released"]) == date
    assert re.findall("^## .*", changes, re.MULTILINE)[0] == "## Unreleased"
