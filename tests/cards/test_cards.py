"""Cards, read back by the library of the Hugging Face Hub itself."""

import configparser
import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from emotionnet.cards.card import bundle_card, run_card
from emotionnet.cards.corpora import facts_of
from emotionnet.cards.front_matter import without_front_matter
from emotionnet.evaluation.metrics import score

LABELS = ("neutral", "happy", "sad")
CONFIG = {
    "system": "ghost_fan",
    "streams": ["faces", "speech"],
    "labels": list(LABELS),
    "corpus": "ravdess",
    "label_kind": "acted",
    "protocol": "actor_folds",
    "protocol_description": 'actor_folds, fold 1 of 6: "test" actors 1; leaks: nothing',
    "leaky": False,
    "fold": 1,
    "seed": 0,
    "manifest_hash": "abc",
}


def metrics():
    rng = np.random.default_rng(0)
    rows = [SimpleNamespace(clip=f"c{i}", sex="", actor="") for i in range(12)]
    scored = {
        kind: score(LABELS, np.arange(12) % 3, rng.dirichlet(np.ones(3), 12), rows)
        for kind in ("fused", "faces", "speech")
    }
    # As it comes from metrics.json.
    return json.loads(json.dumps({"part": "test", **scored}))


def parsed(text):
    hub = pytest.importorskip("huggingface_hub")
    return hub.ModelCard(text)


def test_the_hub_reads_results_licence_and_protocol():
    scores = metrics()
    card = parsed(run_card("my-run", CONFIG, scores))
    data = card.data
    assert (data.license, data.language, data.library_name) == ("cc-by-nc-sa-4.0", "en", "keras")
    assert data.pipeline_tag == "video-classification"
    assert data.model_name == "my-run"
    found = {
        (r.task_name, r.metric_type, (r.metric_args or {}).get("average")): r
        for r in data.eval_results
    }
    for kind, title in (("fused", "fused"), ("faces", "faces only"), ("speech", "speech only")):
        task = f"Emotion recognition, {title}"
        assert found[task, "accuracy", None].metric_value == scores[kind]["accuracy"]
        assert found[task, "recall", "macro"].metric_value == scores[kind]["uar"]
        for mean in ("macro", "weighted"):
            wanted = scores[kind]["averages"][mean]["f1"]
            assert found[task, "f1", mean].metric_value == wanted
    assert len(found) == 12
    one = data.eval_results[0]
    assert (one.dataset_name, one.dataset_type, one.dataset_split) == ("RAVDESS", "ravdess", "test")
    assert one.dataset_args["division"] == CONFIG["protocol_description"]
    assert one.dataset_args["protocol"] == one.dataset_config == "actor_folds"
    assert one.dataset_args["leaky"] is False
    assert one.dataset_args["labels"] == list(LABELS)


def test_whoever_finds_a_run_on_the_hub_can_install_what_it_needs():
    setup = configparser.ConfigParser()
    setup.read(Path(__file__).parents[2] / "setup.cfg")
    text = run_card("my-run", CONFIG, metrics())
    extras, address = re.search(r"pip install 'emotionnet\[(.+)\] @ git\+(.+)'", text).groups()
    assert address == setup["metadata"]["url"]
    assert set(extras.split(",")) <= set(setup["options.extras_require"])


def test_what_the_hub_writes_again_is_the_same():
    card = parsed(run_card("my-run", CONFIG, metrics()))
    again = parsed(str(card))
    assert again.data.to_dict() == card.data.to_dict()


@pytest.mark.parametrize(
    "corpus", ["demo", "ravdess", "crema_d", "fer2013", "iemocap", "enterface", "emodb", "folder"]
)
def test_every_corpus_has_a_licence_that_the_hub_accepts(corpus):
    card = parsed(run_card("my-run", CONFIG | {"corpus": corpus}, metrics()))
    # https://huggingface.co/docs/hub/repositories-licenses
    assert card.data.license in ("apache-2.0", "cc-by-nc-sa-4.0", "odbl", "unknown", "other")
    if card.data.license == "other":
        assert card.data.license_name
        assert card.data.license_link.startswith("https://")
    assert facts_of(corpus).licence in card.text


def test_a_run_that_was_not_evaluated_has_a_card_without_results():
    card = parsed(run_card("my-run", CONFIG, None))
    assert card.data.eval_results is None
    assert "This model was not evaluated" in card.text


def test_the_card_of_a_bundle():
    kept = ("corpus", "label_kind", "protocol", "protocol_description", "leaky", "fold", "seed")
    contract = {
        "name": "my-run",
        "system": "ghost_fan",
        "labels": list(LABELS),
        "fusion": {"streams": ["speech"]},
        "crop": {"sensitivity": None},
        "provenance": {key: CONFIG[key] for key in kept},
    }
    text = bundle_card(contract, metrics(), None)
    card = parsed(text)
    assert card.data.pipeline_tag == "audio-classification"
    assert card.data.eval_results[0].dataset_args["fold"] == 1
    assert "macro average" in card.text
    assert without_front_matter(text).startswith("# Model card: my-run")
    assert without_front_matter("# no block") == "# no block"


@pytest.mark.parametrize("name", ["yes", "1e3", "a: b", "#x", "ü–ñ", "null"])
def test_odd_names_stay_text(name):
    config = CONFIG | {"labels": [name, "no"], "corpus": name}
    data = parsed(run_card(name, config, metrics())).data
    assert data.model_name == name
    assert data.eval_results[0].dataset_type == name
    assert data.eval_results[0].dataset_args["labels"] == [name, "no"]
