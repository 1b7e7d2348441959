"""Recipes: each can be run as it is written, and says what to expect of it."""

import re
from pathlib import Path

import pytest
from tiny_run import TOY, make_clip, write_records

from emotionnet.errors import UsageError
from emotionnet.fit import fit
from emotionnet.recipes import load, names
from emotionnet.training.config import RunConfig, asked
from emotionnet.training.plan import check
from emotionnet.training.run import Run

pytestmark = pytest.mark.usefixtures("plain_reports")

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("name", names())
def test_a_recipe_says_its_command_minutes_score_and_protocol(name):
    recipe = load(name)
    assert f"python -m emotionnet.fit --recipe {name}" in recipe.text
    for word in ("minutes", "Expected", "%", "protocol"):
        assert word in recipe.text, word
    (page,) = re.findall(r"Measured: (docs/\S+\.md)", recipe.text)
    text = (ROOT / page).read_text(encoding="utf-8")
    expected = recipe.text.partition("Expected")[2].partition("Measured")[0]
    for figure in re.findall(r"\d+\.\d", expected):
        assert figure in text, f"{figure} does not stand in {page}"


@pytest.mark.parametrize(
    "recipe",
    [*names(), *(ROOT / "benchmarks" / f"{n}.py" for n in ("paper_speech", "uncertainty"))],
)
def test_every_setting_of_a_recipe_is_one(recipe):
    for run in load(recipe).runs:
        if "refit" not in run:
            asked_for = RunConfig().changed(run)
            check(asked_for, asked_for.corpus)


def test_an_unknown_recipe_names_near_misses_and_a_broken_one_says_why(tmp_path):
    with pytest.raises(UsageError, match="Did you mean ravdess_speech"):
        load("ravdes_speech")
    file = tmp_path / "mine.py"
    for text, says in (
        ("RUNS = 3", "not iterable"),
        ("RUN = {}", "has no attribute"),
        ("RUNS = ()", "needs a run"),
        ("RUNS = ({'epochs': 1}, {'epochs': 2})", "each needs a name"),
    ):
        file.write_text(text)
        with pytest.raises(UsageError, match=says):
            load(file)


def test_a_recipe_and_an_earlier_run_at_once_are_refused():
    for name in ("racnn_speech", "fer2013_faces"):  # of one run, and of several
        with pytest.raises(UsageError, match="not both"):
            fit(recipe=name, config="people")


def test_a_recipe_of_several_runs_is_for_fit_alone():
    with pytest.raises(UsageError, match="only `fit`"):
        asked({"recipe": "ravdess_speech"})
    assert asked({"recipe": "racnn_speech", "epochs": 3}).train == {"epochs": 3}


def test_runs_of_a_recipe_begin_with_earlier_ones_and_continue(tmp_path, capsys):
    clips = [
        make_clip(f"{actor}-{emotion}", emotion, actor, seed=int(actor))
        for actor in ("01", "02", "03", "04")
        for emotion in ("neutral", "happy", "sad")
    ]
    records = write_records(tmp_path / "records", clips)
    base = {
        "records": str(records.folder), "system": TOY, "streams": "speech", "protocol": "actor_folds",
        "epochs": 1, "augment": "none",
    }  # fmt: skip
    runs = ({**base, "name": "a"}, {**base, "name": "b", "init": "a", "mixup": 0.2}, {"refit": "b"})
    file = tmp_path / "mine.py"
    file.write_text(f"RUNS = {runs!r}")
    last = fit(recipe=file, out=tmp_path)
    assert last == tmp_path / "mine" / "b-refit"
    config = Run.open(tmp_path / "mine" / "b").config
    assert config["init"]["run"] == str(tmp_path / "mine" / "a")
    assert config["settings"]["speech"]["mixup"] == 0.2
    capsys.readouterr()
    fit(recipe=file, out=tmp_path)
    assert capsys.readouterr().out.count("it is finished") == 3
