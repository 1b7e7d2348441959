"""What a run is: any choice by its own name, and given back by a run's config."""

import dataclasses
import json
from pathlib import Path

import pytest
from tiny_run import TOY, make_clip, make_run, write_records

from emotionnet.errors import UsageError
from emotionnet.files import write_json
from emotionnet.fit import arguments, fit, parser
from emotionnet.training.config import RunConfig, asked, homes, repeated
from emotionnet.training.run import Run

pytestmark = pytest.mark.usefixtures("plain_reports")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("config")
    clips = [
        make_clip(f"{actor}-{emotion}", emotion, actor, seed=int(actor))
        for actor in ("01", "02", "03", "04")
        for emotion in ("neutral", "happy", "sad")
    ]
    records = write_records(folder / "records", clips)
    return fit(
        records=records.folder, out=folder, name="a", system=TOY, streams="speech", protocol="actor_folds",
        folds=(2,), seeds=(3,), epochs=1, augment="none", merge=["low=neutral+sad"], mixup=0.1,
    )  # fmt: skip


def test_any_setting_is_changed_by_its_name():
    found = RunConfig().changed(
        {"variant": "F1", "faces.mixup": 0.2, "noise_share": 0, "folds": "all", "seeds": range(2)}
    )
    assert found.system_config == {"variant": "F1"}
    assert found.train == {"faces.mixup": 0.2}
    assert found.augmentation == {"noise_share": 0}
    assert (found.folds, found.seeds) == ("all", (0, 1))


def test_a_place_is_plain_text_in_a_config():
    found = asked({"system": "cross_modal", "backbone_weights": Path("weights")})
    assert found.system_config == {"backbone_weights": "weights"}


def test_what_is_said_for_every_stream_later_is_meant_for_each():
    before = RunConfig(train={"faces.epochs": 3, "faces.mixup": 0.1})
    assert before.changed({"epochs": 1}).train == {"epochs": 1, "faces.mixup": 0.1}
    assert before.changed({"train": {"epochs": 1, "faces.epochs": 2}}).train["faces.epochs"] == 2


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"varient": "F1"}, "Did you mean variant"),
        ({"faces.lerning_rate": 1}, "Did you mean learning_rate"),
        ({"seed": 1}, "Did you mean seeds"),
        ({"seeds": "many"}, "needs whole numbers"),
        ({"seeds": 1.5}, "needs whole numbers"),
        ({"folds": (1, 2, 1)}, "each once"),
        ({"system_config": "F1"}, "needs settings and their values"),
        ({"joint": "yes"}, "joint is 'yes'; it needs true or false"),
        ({"per_epoch": 0.5}, "needs a whole number"),
        ({"system": -1}, "system is -1; it needs a word"),
        ({"augment": "heavy"}, "Choose one of none, light"),
        ({"precision": "float8"}, "Choose one of float32"),
    ],
)
def test_what_is_no_setting_or_no_value_is_explained(fields, says):
    with pytest.raises(UsageError, match=says):
        RunConfig().changed(fields)


@pytest.mark.parametrize(
    ("words", "option"),
    [(["--epochs", "5", "--set", "epochs=7"], "epochs"), (["--seed", "1", "--set", "seeds=2"], "seeds")],
)  # fmt: skip
def test_one_setting_is_not_asked_for_twice(words, option, capsys):
    with pytest.raises(SystemExit) as end:
        arguments(parser(), words)
    assert end.value.code == 2
    assert f"give --{option} or --set {option}, not both" in capsys.readouterr().err
    assert arguments(parser(), words[2:])[option]


def test_no_setting_has_two_places():
    for system in ("ghost_fan", "racnn"):
        names = [name for known in homes(system).values() for name in known]
        names += [each.name for each in dataclasses.fields(RunConfig)]
        assert len(names) == len(set(names))


def test_a_run_is_made_again_from_its_config(run, tmp_path):
    again = fit(config=run, out=tmp_path)
    assert again.name == "a"
    assert json.loads((again / "config.json").read_text()) == Run.open(run).config
    for file in ("split.csv", "predictions.csv"):
        assert (again / file).read_text() == (run / file).read_text()


def test_what_else_is_given_changes_the_run_that_is_made_again(run):
    words = ["--config", str(run), "--set", "mixup=0.3", "--seed", "5", "--corpus", "demo"]
    found = asked(arguments(parser(), words))
    assert (found.seeds, found.corpus, found.records, found.name) == ((5,), "demo", None, "a")
    settings = {key: value for key, value in found.train.items() if key.endswith("mixup")}
    assert settings == {"mixup": 0.3}


def test_other_recordings_of_a_run_that_is_made_again_are_labelled_as_its_own(run, tmp_path):
    own = {"corpus": "crema_d", "corpus_options": {"labels": "votes"}}
    write_json(tmp_path / "config.json", Run.open(run).config | own)
    again = asked({"config": tmp_path, "root": "elsewhere", "corpus_options": {}})
    assert (again.corpus, again.corpus_options) == ("crema_d", {"labels": "votes"})
    acted = {"config": tmp_path, "root": "elsewhere", "corpus_options": {"labels": "acted"}}
    assert asked(acted).corpus_options == {"labels": "acted"}
    other = asked({"config": tmp_path, "root": "elsewhere", "corpus": "emodb"})
    assert (other.corpus, other.corpus_options) == ("emodb", {})


def test_a_group_is_made_again_as_a_group(run, tmp_path):
    config = Run.open(run).config
    for seed in (0, 1):
        folder = tmp_path / "group" / f"fold_1_seed_{seed}"
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps({**config, "fold": 1, "seed": seed}))
    found = repeated(tmp_path / "group")
    assert (found.folds, found.seeds, found.name) == ((1,), (0, 1), "group")
    (folder / "config.json").write_text(json.dumps({**config, "joint": True, "fold": 1, "seed": 1}))
    with pytest.raises(UsageError, match="differ by more"):
        repeated(tmp_path / "group")


def test_what_fit_did_not_make_is_made_again_by_its_own_verb(tmp_path):
    made = make_run(tmp_path / "run", refit={"run": "x", "sha256": ""}, settings={}, augment="none")
    with pytest.raises(UsageError, match=r"emotionnet\.refit"):
        repeated(made.folder)
