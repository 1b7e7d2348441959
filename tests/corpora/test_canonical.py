"""The committed lists: their counts, their folds, and that the script makes exactly them."""

import csv
import importlib.util
import os
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from emotionnet.corpora import canonical
from emotionnet.emotions import EMOTIONS
from emotionnet.errors import UsageError
from emotionnet.files import read_csv

SCRIPT = Path(__file__).resolve().parents[2] / canonical.FOLDER / "make.py"


@pytest.fixture
def make():
    spec = importlib.util.spec_from_file_location("make_lists", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_ravdess_counts():
    rows = list(canonical.clip_list("ravdess").values())
    assert Counter(row["channel"] for row in rows) == {"speech": 1440, "song": 1012}
    songs = [row for row in rows if row["channel"] == "song"]
    assert {row["actor"] for row in rows} - {row["actor"] for row in songs} == {"18"}
    assert {row["emotion"] for row in songs} == set(EMOTIONS[:6])
    assert Counter(row["actor"] for row in songs)["01"] == 44
    speech = Counter(row["emotion"] for row in rows if row["channel"] == "speech")
    assert speech.pop("neutral") == 96
    assert set(speech.values()) == {192}


def test_crema_d_counts():
    rows = list(canonical.clip_list("crema_d").values())
    assert len(rows) == 7442
    assert Counter(row["emotion"] for row in rows) == {
        "angry": 1271, "disgust": 1271, "fearful": 1271, "happy": 1271, "sad": 1271, "neutral": 1087,
    }  # fmt: skip
    assert sorted(row["clip"] for row in rows if row["problem"]) == [
        "1040_ITH_SAD_XX",
        "1064_IEO_DIS_MD",
        "1064_TIE_SAD_XX",
        "1076_MTI_NEU_XX",
        "1076_MTI_SAD_XX",
    ]


@pytest.mark.parametrize(
    ("corpus", "sizes"), [("ravdess", [4] * 6), ("crema_d", [18, 18, 18, 18, 19])]
)
def test_folds_are_consecutive_actors(corpus, sizes):
    folds = canonical.actor_folds(corpus)
    assert set(folds) == {row["actor"] for row in canonical.clip_list(corpus).values()}
    in_order = [folds[actor] for actor in sorted(folds)]
    assert in_order == sorted(in_order)
    assert [in_order.count(fold) for fold in sorted(set(in_order))] == sizes


def test_lists_name_every_clip_once_in_order_with_its_emotion():
    for corpus in canonical.CORPORA:
        rows = read_csv(canonical.manifest_file(f"{corpus}.csv"))
        assert [row["clip"] for row in rows] == sorted(canonical.clip_list(corpus))
        assert {row["corpus"] for row in rows} == {corpus}
        assert {row["emotion"] for row in rows} <= set(EMOTIONS)


def test_copies_have_an_original():
    assert canonical.copies("ravdess") == {"01-03-01-02-02-07": "01-03-01-02-01-07"}
    for corpus in canonical.CORPORA:
        clips = canonical.clip_list(corpus)
        assert all(original in clips for original in canonical.copies(corpus).values())
    assert canonical.copies("folder") == {}


def test_script_makes_the_committed_files(make, tmp_path):
    """CREMA-D's tables are written here in their own form, from what the committed list says."""
    clone = tmp_path / "clone"
    (clone / "processedResults").mkdir(parents=True)
    letters = {name: letter for letter, name in make.CREMA_D_VOTES.items()}
    rows = canonical.clip_list("crema_d").values()
    with open(clone / "processedResults" / "summaryTable.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["", "FileName", "VoiceVote", "MultiModalVote"])
        for i, row in enumerate(reversed(rows)):
            votes = ":".join(sorted(letters[name] for name in row["perceived"].split(":")))
            writer.writerow([i, row["clip"], "N", votes])
    with open(clone / "VideoDemographics.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["ActorID", "Age", "Sex"])
        writer.writerows({(row["actor"], 30, row["sex"].title()) for row in rows})
    make.main(["--crema-d", str(clone), "--out", str(tmp_path / "made")])
    folds = [f"{corpus}_actor_folds" for corpus in canonical.FOLDED]
    for name in (*canonical.CORPORA, *folds):
        made = (tmp_path / "made" / f"{name}.csv").read_bytes()
        assert made == canonical.manifest_file(f"{name}.csv").read_bytes(), name


def test_script_names_the_missing_table(make, tmp_path):
    with pytest.raises(UsageError, match=r"summaryTable.csv"):
        make.main(["--crema-d", str(tmp_path), "--out", str(tmp_path / "made")])


@pytest.fixture
def facts() -> Path:
    data = os.environ.get("EMOTIONNET_DATA")
    if not data or not Path(data, "facts").is_dir():
        pytest.skip(
            "needs EMOTIONNET_DATA with facts/ravdess_clips.csv and facts/crema_d_clips.csv"
        )
    return Path(data, "facts")


def _facts(path: Path) -> dict[str, dict[str, str]]:
    with open(path, newline="") as file:
        return {row["clip"]: row for row in csv.DictReader(file)}


@pytest.mark.real_data
def test_ravdess_agrees_with_the_facts(facts):
    facts = _facts(facts / "ravdess_clips.csv")
    folds = canonical.actor_folds("ravdess")
    speech = {c: r for c, r in canonical.clip_list("ravdess").items() if r["channel"] == "speech"}
    assert set(speech) == set(facts)
    for clip, row in speech.items():
        for column in ("actor", "sex", "emotion", "intensity", "statement", "repetition"):
            assert row[column] == facts[clip][column], (clip, column)
        assert folds[row["actor"]] == int(facts[clip]["fold"])


@pytest.mark.real_data
def test_crema_d_agrees_with_the_facts(facts):
    facts = _facts(facts / "crema_d_clips.csv")
    clips = canonical.clip_list("crema_d")
    folds = canonical.actor_folds("crema_d")
    assert set(clips) == set(facts)
    names = dict(zip("ADFHNS", ("angry", "disgust", "fearful", "happy", "neutral", "sad")))
    for clip, row in clips.items():
        fact = facts[clip]
        assert (row["actor"], row["sex"]) == (fact["actor"], fact["sex"].lower())
        assert (row["statement"], row["intensity"]) == (fact["sentence"], fact["level"])
        assert row["emotion"] == names[fact["acted_emotion"][0]]
        votes = {names[letter] for letter in fact["perceived_multimodal_vote"].split(":")}
        assert set(row["perceived"].split(":")) == votes
        assert bool(row["problem"]) == (not fact["fold"])
        assert row["problem"] or folds[row["actor"]] == int(fact["fold"])


@pytest.mark.real_data
def test_crema_d_copies_agree_with_the_facts(facts):
    same = defaultdict(dict)
    for clip, row in _facts(facts / "crema_d_clips.csv").items():
        for part in row["note"].split("; "):
            kind, found, others = part.partition(" byte-identical to ")
            if found:
                same[kind][clip] = set(others.split())
    copies = canonical.copies("crema_d")
    assert {*copies, *copies.values()} == set(same["wav"])
    assert all(same["wav"][clip] == {original} for clip, original in copies.items())
    bad = {clip for clip, row in canonical.clip_list("crema_d").items() if row["bad_mp3"]}
    assert bad == set(same["mp3"]) - set(same["wav"])
