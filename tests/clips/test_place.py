"""Records of another folder go elsewhere; records of a folder that was moved stay."""

import shutil

import pytest

from emotionnet.clips.place import claim, default_place, folder_name, unusual_options
from emotionnet.clips.records import META_FILE, SCHEMA_VERSION, read_meta
from emotionnet.corpora import corpus_options
from emotionnet.errors import UsageError
from emotionnet.files import write_csv, write_json


def config_of(root, corpus="folder"):
    return {
        "schema": SCHEMA_VERSION,
        "corpus": corpus,
        "root": str(root),
        "options": corpus_options(corpus),
    }


@pytest.fixture
def first(tmp_path):
    """A root of two clips, and the records made of it at the default place."""
    root = tmp_path / "first"
    for name in ("happy/a.wav", "sad/b.wav"):
        (root / name).parent.mkdir(parents=True)
        (root / name).touch()
    place = tmp_path / "data" / "folder" / "records"
    write_json(place / META_FILE, config_of(root))
    rows = [{"picture": "", "sound": name} for name in ("happy/a.wav", "sad/b.wav")]
    write_csv(place / "manifest.csv", rows, ("picture", "sound"))
    return root, place


def test_a_second_root_has_a_place_of_its_own(first, tmp_path, capsys):
    root, place = first
    home = tmp_path / "data" / "folder"
    assert default_place(home, config_of(root)) == place
    assert capsys.readouterr().err == ""
    other = tmp_path / "interviews"
    assert default_place(home, config_of(other)) == tmp_path / "data/folder-interviews/records"
    said = capsys.readouterr().err
    assert str(root) in said
    assert "folder-interviews" in said


@pytest.mark.parametrize(
    ("option", "name"),
    [
        ("labels.csv", "folder-labels.csv"),
        ("*/emotion", "folder-_-emotion"),
        ("/data/a.csv", "folder--data-a.csv"),
        (r"C:\data\a.csv", "folder-C--data-a.csv"),
    ],
)
def test_an_option_that_is_a_path_names_one_folder(option, name):
    assert folder_name("folder", option) == name


def test_a_place_that_is_taken_says_what_helps(first, tmp_path):
    _, place = first
    other = tmp_path / "interviews"
    with pytest.raises(UsageError, match="holds records of root") as error:
        claim(place, config_of(other))
    assert f"prepare --corpus folder --root {other} --out DIR" in str(error.value)
    assert "fit --records DIR" in str(error.value)


def test_a_root_that_was_moved_keeps_its_records(first, tmp_path):
    root, place = first
    moved = tmp_path / "moved"
    root.rename(moved)
    assert default_place(tmp_path / "data" / "folder", config_of(moved)) == place
    claim(place, config_of(moved))


def test_a_copy_beside_the_original_is_another_root(first, tmp_path):
    root, place = first
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    with pytest.raises(UsageError, match="holds records of root"):
        claim(place, config_of(copy))


def test_another_folder_does_not_take_the_place_of_one_that_is_gone(first, tmp_path):
    root, place = first
    shutil.rmtree(root)
    other = tmp_path / "other" / "happy"
    other.mkdir(parents=True)
    (other / "a.wav").touch()
    with pytest.raises(UsageError, match="holds records of root"):
        claim(place, config_of(other.parent))
    assert read_meta(place)["root"] == str(root)


def test_what_a_corpus_was_asked_for_is_noted_where_it_is_not_the_usual():
    options = {"labels": "votes", "table": ""}
    assert unusual_options("crema_d", {"options": options}) == {"labels": "votes"}
    assert unusual_options("crema_d", {"options": {**options, "labels": "acted"}}) == {}
    assert unusual_options("crema_d", {}) == unusual_options("mine", {"options": options}) == {}
