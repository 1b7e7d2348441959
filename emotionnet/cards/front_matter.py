"""The YAML at the top of a card, as the Hugging Face Hub reads it: licence, task, results.

Source: the Hub's specification of model cards (``modelcard.md`` in its documentation); tests read it
back with the Hub's own library.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from emotionnet.cards.corpora import facts_of
from emotionnet.inputs.kinds import OUTPUTS, TITLES

#: The Hub's name of what models of these streams do.
_TASKS = {("faces",): "image-classification", ("speech",): "audio-classification"}
_RULE = "---\n"


def front_matter(about: Mapping[str, Any], metrics: Mapping[str, Any] | None) -> str:
    """The block of YAML, with its rules.

    Args:
        about: of the model, see `emotionnet.cards.card`.
        metrics: what the run's ``metrics.json`` says; None where it was not evaluated.
    """
    import yaml

    combined = (about.get("combined") or {}).values()
    facts = [facts_of(name) for name in dict.fromkeys(o["corpus"] for o in combined or [about])]
    fields: dict[str, Any] = {}
    if languages := [each.language for each in facts if each.language]:
        fields["language"] = languages[0] if len(languages) == 1 else languages
    identifiers = {each.identifier for each in facts}
    # Of two corpora with different licences the Hub has no name for what holds.
    fields["license"] = identifiers.pop() if len(identifiers) == 1 else "other"
    if fields["license"] == "other":
        link = facts[0].link if len(facts) == 1 else "LICENSE"
        fields |= {"license_name": about["corpus"], "license_link": link}
    fields |= {
        "library_name": "keras",
        "pipeline_tag": _task(about["streams"]),
        "tags": ["emotionnet", "emotion-recognition", about["system"], *about["streams"]],
    }
    if results := _results(about, metrics or {}):
        fields["metrics"] = sorted({m["type"] for result in results for m in result["metrics"]})
        fields["model-index"] = [{"name": about["name"], "results": results}]
    text = yaml.safe_dump(fields, sort_keys=False, allow_unicode=True, width=100)
    return f"{_RULE}{text}{_RULE}"


def without_front_matter(card: str) -> str:
    """A card's text for people alone."""
    if not card.startswith(_RULE):
        return card
    return card.partition(f"\n{_RULE}")[2].lstrip("\n")


def _task(streams: Sequence[str]) -> str:
    return _TASKS.get(tuple(streams), "video-classification")


def _results(about: Mapping[str, Any], metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A result for each kind of answer."""
    kinds = [kind for kind in OUTPUTS if kind in metrics]
    dataset = {
        "name": facts_of(about["corpus"]).title,
        "type": about["corpus"],
        "config": about["protocol"],
        "split": metrics.get("part", "test"),
        # The division is part of every number: it says who was tested, and what leaks.
        "args": {
            "protocol": about["protocol"],
            "division": about["protocol_description"],
            "leaky": bool(about["leaky"]),
            "fold": about["fold"],
            "seed": about["seed"],
            "labels": list(about["labels"]),
            "label_kind": about["label_kind"],
            **({"manifest_hash": h} if (h := about.get("manifest_hash")) else {}),
        },
    }
    return [
        {
            "task": {
                "type": _task(about["streams"]),
                "name": f"Emotion recognition, {TITLES[kind]}",
            },
            "dataset": dataset,
            "metrics": _metrics(metrics[kind]),
        }
        for kind in kinds
    ]


def _metrics(scores: Mapping[str, Any]) -> list[dict[str, Any]]:
    interval, clips = scores["interval_95"], scores["n"]
    found = [
        {
            "type": "accuracy",
            "value": scores["accuracy"],
            "name": "Accuracy (WAR)",
            "args": {"interval_95": list(interval), "clips": clips},
        },
        {
            "type": "recall",
            "value": scores["uar"],
            "name": "Unweighted average recall (UAR)",
            "args": {"average": "macro", "clips": clips},
        },
    ]
    found += [
        {"type": "f1", "value": mean["f1"], "name": f"F1, {kind}", "args": {"average": kind}}
        for kind, mean in scores.get("averages", {}).items()
    ]
    return found
