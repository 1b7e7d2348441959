"""The run that comes with EmotionNet: whole, small, without anybody's face or voice, under its own licence."""

import configparser
import json
import subprocess
import sys
from pathlib import Path

import pytest
from test_predict import pictures, voice

from emotionnet import shipped
from emotionnet.corpora.media import write_clip
from emotionnet.deploy.bundle import open_run
from emotionnet.errors import UsageError
from emotionnet.runs.continued import refit
from emotionnet.training.measured import on_other_clips
from emotionnet.verify import verify

HOME = Path(__file__).parents[1]
PEOPLE = HOME / "saved_models" / "people"
FILES = sorted(path for path in PEOPLE.rglob("*") if path.is_file())


def test_it_is_small_and_holds_no_recording():
    assert sum(path.stat().st_size for path in FILES) <= 8e6
    kinds = {path.suffix for path in FILES}
    assert kinds <= {"", ".json", ".csv", ".keras", ".md", ".kt", ".tflite", ".txt", ".npz"}
    # Golden clips are drawn; pictures of people are not shipped, and neither are pages that could hold some.
    assert {path.parent.name for path in FILES if path.suffix == ".npz"} == {"golden"}
    assert not [path for path in FILES if path.name.startswith(("predictions", "report"))]


def test_its_numbers_are_of_its_model():
    assert [each["on"] for each in on_other_clips(PEOPLE)] == ["ravdess"]


def test_it_says_whose_it_is_and_for_what():
    for folder in (PEOPLE, PEOPLE / shipped.BUNDLE):
        licence = (folder / "LICENSE").read_text(encoding="utf-8")
        assert "RESEARCH ONLY" in licence
        assert "CC BY-NC-SA 4.0" in licence
    for card in (PEOPLE / "README.md", PEOPLE / shipped.BUNDLE / "MODEL_CARD.md"):
        text = card.read_text(encoding="utf-8")
        for words in ("Research only", "ravdess", "fer2013", "Forbidden uses", "license: other"):
            assert words in text, (card, words)
    assert "saved_models/people/LICENSE" in (HOME / "LICENSE").read_text(encoding="utf-8")


def test_a_wheel_carries_all_of_it():
    config = configparser.ConfigParser()
    config.read(HOME / "setup.cfg")
    carried = set()
    for place, files in config["options.data_files"].items():
        if place.startswith("share/emotionnet/saved_models"):
            found = {path for pattern in files.split() for path in HOME.glob(pattern)}
            assert {path.parent for path in found} == {
                HOME / place.removeprefix("share/emotionnet/")
            }
            carried |= found
    assert carried == set(FILES)


def test_a_clone_on_windows_keeps_the_bytes_of_bundles():
    rules = (HOME / ".gitattributes").read_text(encoding="utf-8").splitlines()
    for bundle in ("demo_bundle", "people/bundle"):
        assert (HOME / "saved_models" / bundle / "SHA256SUMS").is_file()
        assert f"saved_models/{bundle}/** -text" in rules


def test_what_looks_inside_opens_the_run_itself(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert open_run("people").folder == PEOPLE / shipped.BUNDLE
    assert open_run("people", inside=True).folder == PEOPLE
    with pytest.raises(UsageError, match=r"is combined out of two runs\. Refit these"):
        refit("people")


def test_only_a_run_of_its_name_hides_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "people" / "anna").mkdir(parents=True)  # of somebody's clips
    assert shipped.shipped("people") == PEOPLE
    for name in ("config.json", "anna/config.json", "contract.json"):
        (tmp_path / "people" / name).touch()
        assert shipped.shipped("people") == Path("people")
        (tmp_path / "people" / name).unlink()


@pytest.mark.slow
def test_its_bundle_is_as_it_says_and_answers_anywhere(tmp_path):
    assert [row["precision"] for row in verify(PEOPLE / shipped.BUNDLE)] == ["int8"]
    clip = write_clip(tmp_path / "a.mp4", pictures(12), 12, voice(1.0))
    words = [sys.executable, "-m", "emotionnet.predict", "people", clip, "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-3)
