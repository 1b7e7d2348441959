"""``MODEL_CARD.md`` of a bundle, made from the run: data, licence, protocol, scores, limits."""

from collections.abc import Mapping
from typing import Any

#: Corpus → people, licence of the data, what follows from it.
DATA = {
    "demo": (
        "nobody: drawn faces and made-up voices",
        "made by EmotionNet, Apache-2.0",
        "The model has never seen or heard a person: its answers about people mean nothing.",
    ),
    "ravdess": (
        "24 actors of North American English",
        "CC BY-NC-SA 4.0",
        "Non-commercial use only, with attribution (Livingstone & Russo 2018), shared alike.",
    ),
    "crema_d": (
        "91 actors of North American English",
        "ODbL 1.0, contents DbCL 1.0",
        "Attribution (Cao et al. 2014); adapted databases are shared alike.",
    ),
    "iemocap": (
        "10 actors of North American English, in dialogs",
        "on request from the University of Southern California, for research",
        "Ask under your own agreement whether and how the model may be used (Busso et al. 2008).",
    ),
    "enterface": (
        "43 people, in English",
        "as its page says; this project knows of none",
        "Ask its authors before other uses than research (Martin et al. 2006).",
    ),
}
_OWN = ("as your own clips have them", "that of your own clips", "Check that licence and consents.")

_LIMITS = """\
## Limits

- Acted emotions are exaggerated. Accuracy on spontaneous ones is lower, and was not measured.
- Few actors: intervals over clips understate the uncertainty over people.
- Other languages, ages, skin tones, glasses, masks, beards, noise and far microphones are
  under-represented or absent.
- The answer is one of the labels, always. It does not know "none of these" or "nobody there".

## Forbidden uses

- Decisions about people: hiring, school, insurance, credit, police, border, justice, health care.
- Inferring emotions of people at work or in education: prohibited in the European Union by the AI
  Act (Regulation (EU) 2024/1689, Article 5(1)(f)), save for medical or safety reasons. Other emotion
  recognition is high-risk there (Annex III), with a duty to inform people (Article 50).
- Watching people who do not know of it or did not agree; lie detection; any claim of what somebody
  *feels*. The labels say what actors were asked to show, or what a crowd thought it saw.
"""


def model_card(
    contract: Mapping[str, Any],
    metrics: Mapping[str, Any] | None,
    accuracy: Mapping[str, Any] | None,
) -> str:
    """The card as Markdown.

    Args:
        contract: of the bundle.
        metrics: what the run's ``metrics.json`` says; None where it was not evaluated.
        accuracy: what the bundle's ``accuracy.json`` says; None where there is none.
    """
    origin = contract["provenance"]
    people, licence, follows = DATA.get(origin["corpus"], _OWN)
    streams = contract["fusion"]["streams"]
    lines = [
        f"# Model card: {contract['name']}",
        "",
        f"System `{contract['system']}`, streams: {' and '.join(streams)}. Labels: "
        f"{', '.join(contract['labels'])}.",
        "",
        "## Data",
        "",
        "| corpus | people | licence | labels |",
        "|---|---|---|---|",
        f"| {origin['corpus']} | {people} | {licence} | {origin['label_kind']} |",
        "",
        follows,
        "",
        "## Protocol",
        "",
        f"{origin['protocol_description']}. Seed {origin['seed']}.",
        "",
        *(
            ["**Test clips share people or recordings with the training.**", ""]
            if origin["leaky"]
            else []
        ),
        *_scores(metrics),
        *_precisions(accuracy),
        *_crops(contract["crop"].get("sensitivity")),
        _LIMITS,
    ]
    return "\n".join(lines)


def _scores(metrics: Mapping[str, Any] | None) -> list[str]:
    if not metrics:
        return ["## Scores", "", "The run was not evaluated (`python -m emotionnet.evaluate`).", ""]
    kinds = [kind for kind in ("fused", "faces", "speech") if kind in metrics]
    lines = [
        "## Scores",
        "",
        "| answer | accuracy | 95 % | UAR | ECE | temperature | ECE at it | clips |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for kind in kinds:
        m = metrics[kind]
        low, high = m["interval_95"]
        scaled = metrics.get("calibrated", {}).get(kind, {})
        lines.append(
            f"| {kind} | {_percent(m['accuracy'])} | {_percent(low)} to {_percent(high)} | "
            f"{_percent(m['uar'])} | {_number(m.get('ece'))} | "
            f"{_number(scaled.get('temperature'))} | {_number(scaled.get('ece'))} | {m['n']} |"
        )
    lines += [
        "",
        "ECE is the expected calibration error: how far probabilities are from shares. The files give "
        "probabilities as they are; divide their logarithms by the temperature (fitted on validation "
        "clips) and take the softmax again for ones that are nearer to shares.",
        "",
    ]
    lines += ["| emotion | precision | recall | F1 | clips |", "|---|---|---|---|---|"]
    for name, m in metrics[kinds[0]]["per_class"].items():
        values = " | ".join(_number(m[key]) for key in ("precision", "recall", "f1"))
        lines.append(f"| {name} | {values} | {m['support']} |")
    return [*lines, ""]


def _precisions(accuracy: Mapping[str, Any] | None) -> list[str]:
    if not accuracy:
        return []
    lines = [
        "## The files of this bundle",
        "",
        f"On {accuracy['clips']} test clips; agreement is the share of clips with Keras's answer.",
        "",
        "| file | accuracy | agreement | where Keras leads by 0.1 | largest difference |",
        "|---|---|---|---|---|",
    ]
    for name, kinds in accuracy.items():
        if name in ("clips", "margin"):
            continue
        m = kinds["fused"]
        more = [
            _percent(m.get("agreement")),
            _percent(m.get("agreement_clear")),
            _number(m.get("largest_difference")),
        ]
        lines.append(f"| {name} | {_percent(m['accuracy'])} | {' | '.join(more)} |")
    return [*lines, ""]


def _crops(sensitivity: Mapping[str, Any] | None) -> list[str]:
    if not sensitivity:
        return []
    lines = [
        "## If a face is cut out differently",
        "",
        f"{sensitivity['clips']} test clips, all crops of a clip moved alike; how many keep the answer "
        f"that they had from their faces. Of {sensitivity['clear']} clips the model was sure before "
        "(its answer led by 0.1). Cut as `contract.json` says.",
        "",
        "| crop | same answer | where it was sure |",
        "|---|---|---|",
    ]
    for kind, m in sensitivity.items():
        if isinstance(m, Mapping):
            same, sure = _percent(m["same_answer"]), _percent(m["same_answer_clear"])
            lines.append(
                f"| {kind.replace('_percent', ' %').replace('_', ' ')} | {same} | {sure} |"
            )
    return [*lines, ""]


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f} %"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
