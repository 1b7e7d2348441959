"""Each notebook, executed from a copy outside the checkout, on a setting that is tiny.

Only the choices in its forms are changed, and the clips of a corpus are there already, so that
nothing is downloaded. ``EMOTIONNET_NOTEBOOKS`` keeps what came of it, to be looked at.
"""

import dataclasses
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from colab_notebooks import CHECKOUT, COLAB, patched

from emotionnet.clips.records import META_FILE, SCHEMA_VERSION

#: The time is for machines that do other things too.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def execute(name: str, folder: Path, choices: dict) -> str:
    """Runs a notebook in ``folder``; gives all that its cells showed, as text."""
    pytest.importorskip("ipykernel", reason="ipykernel is in the extra [test]")
    nbclient = pytest.importorskip("nbclient", reason="nbclient is in the extra [test]")
    import nbformat

    text = (COLAB / f"{name}.ipynb").read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)
    left = dict(choices)
    for cell in notebook.cells:
        here = {key: value for key, value in left.items() if f"\n{key} = " in f"\n{cell.source}"}
        if cell.cell_type == "code" and here:
            cell.source = patched(cell.source, here)
            left = {key: value for key, value in left.items() if key not in here}
    assert not left, f"{name} has no choice {sorted(left)}"
    client = nbclient.NotebookClient(
        notebook,
        timeout=1800,
        kernel_name="python3",
        coalesce_streams=True,  # as Jupyter and Colab do
        resources={"metadata": {"path": str(folder)}},
    )
    try:
        client.execute()
    finally:
        if os.environ.get("EMOTIONNET_NOTEBOOKS"):
            kept = Path(os.environ["EMOTIONNET_NOTEBOOKS"])
            kept.mkdir(parents=True, exist_ok=True)
            nbformat.write(notebook, kept / f"{name}.ipynb")
    assert notebook.cells[-1].cell_type in ("code", "markdown")
    return "\n".join(
        output.get("text", "") + str(output.get("data", ""))
        for cell in notebook.cells
        for output in cell.get("outputs", ())
    )


def metrics(run: Path) -> dict:
    return json.loads((run / "metrics.json").read_text(encoding="utf-8"))


@pytest.fixture
def recordings(tmp_path):
    """Four actors of RAVDESS, five recordings each, as `download` leaves them."""
    data = os.environ.get("EMOTIONNET_DATA")
    if not data:
        pytest.skip("EMOTIONNET_DATA is not set: no real recordings")
    found = {}

    def put(folder: Path) -> None:
        for actor in range(1, 5):
            files = sorted(Path(data, "ravdess", f"Actor_{actor:02d}").glob("03-01-*.flac"))[::12]
            for file in files:
                target = folder / file.parent.name / file.name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, target)
                found[str(target.relative_to(folder))] = target.stat().st_size
        state = {"Audio_Speech_Actors_01-24.zip": found}
        (folder / ".downloaded.json").write_text(json.dumps(state))

    return put


@pytest.mark.real_data
def test_quickstart(tmp_path, recordings):
    from emotionnet.corpora import demo

    demo.make(tmp_path / "data" / "demo" / "clips", actors=4, takes=1, workers=2)
    recordings(tmp_path / "data" / "ravdess" / "clips")
    shown = execute(
        "quickstart",
        tmp_path,
        {
            "STREAMS": "speech",
            "VOICE_EPOCHS": 1,
            "REAL_EPOCHS": 1,
            "CLIP": "data/demo/clips/actor_03/demo-03-happy-1.mp4",
            "I_AGREE_TO_THE_LICENCE": True,
        },
    )
    assert metrics(tmp_path / "saved_models" / "quickstart-speech")["speech"]["n"] == 8
    assert "demo-03-happy-1.mp4" in shown
    assert (tmp_path / "quickstart_bundle" / "contract.json").is_file()
    assert "emotion_int8.tflite" in shown
    assert (tmp_path / "quickstart_bundle.html").is_file()
    assert 'allow="camera; microphone; autoplay"' in shown  # the page's frame
    assert "all of it is there already" in shown
    assert metrics(tmp_path / "saved_models" / "quickstart-voices")["label_kind"] == "acted"


@pytest.mark.real_data
def test_ravdess(tmp_path, recordings):
    recordings(tmp_path / "data" / "ravdess" / "speech-audio")
    shown = execute("ravdess", tmp_path, {"EPOCHS": 1, "I_AGREE_TO_THE_LICENCE": True})
    runs = tmp_path / "saved_models"
    assert metrics(runs / "ravdess-speech-1")["speech"]["n"]
    assert (tmp_path / "compare" / "compare.csv").is_file()
    assert "ravdess-speech-1-s2" in shown
    assert "was asked to be" in shown
    assert "emotion_int8.tflite" in shown


def test_your_own_clips(tmp_path):
    (tmp_path / "clips" / "happy").mkdir(parents=True)
    (tmp_path / "clips" / "happy" / "empty.mp4").write_bytes(b"")
    # Records of other clips, of an earlier time.
    earlier = tmp_path / "data" / "folder" / "records"
    earlier.mkdir(parents=True)
    meta = {"schema": SCHEMA_VERSION, "corpus": "folder", "root": str(tmp_path), "options": {}}
    (earlier / META_FILE).write_text(json.dumps(meta))
    shown = execute(
        "your_own_clips",
        tmp_path,
        {"DRAW_AN_EXAMPLE": True, "EPOCHS": 1, "STREAMS": "speech", "POOL": "clips/sad", "MOST": 1},
    )
    assert "33 clips of 4 people" in shown
    assert "empty.mp4" in shown
    assert metrics(tmp_path / "saved_models" / "your_own_clips")["label_kind"] == "given"
    assert "bits of doubt" in shown


def test_tpu_without_tensorflow(tmp_path):
    """Its source as a script, where there are JAX and Keras: from a cache that was made elsewhere."""
    python = os.environ.get("EMOTIONNET_JAX_PYTHON")
    if not python:
        pytest.skip("EMOTIONNET_JAX_PYTHON is not set: no Python with jax and keras")
    from tiny_run import clips_of, write_records

    from emotionnet.inputs.cache_writer import write_cache
    from emotionnet.training import plan
    from emotionnet.training.run import view_of

    clips = clips_of(("01", "02", "03", "04"), ("neutral", "happy", "sad"), faces=False)
    for clip in clips:
        clip.row = dataclasses.replace(clip.row, corpus="ravdess", label_kind="acted")
    records = write_records(tmp_path / "records", clips)
    wanted = plan.system_config(
        "ghost_fan", "ravdess", records.rows, ["speech"], {"speech": "logmel"}
    )
    view = view_of({"system": "ghost_fan", "system_config": wanted})
    write_cache(records, view, tmp_path / "cache" / "ravdess", ["speech"])

    choices = {"CORPUS": "ravdess", "I_AGREE_TO_THE_LICENCE": True, "EPOCHS": 1, "DEVICE": "cpu"}
    script = tmp_path / "tpu.py"
    script.write_text(patched((COLAB / "tpu.py").read_text(encoding="utf-8"), choices))
    done = subprocess.run(
        [python, str(script)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), "JAX_PLATFORMS": "cpu"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert "on jax" in done.stdout
    run = tmp_path / "saved_models" / "ravdess-jax"
    assert metrics(run)["speech"]["n"] == 3
    assert (run / "model.keras").is_file()
