"""A model card: YAML for the Hub, then data, licence, protocol, scores, limits, for people.

What a card is *about* is plain data: ``name``, ``system``, ``streams``, ``labels``, ``corpus``,
``label_kind``, ``protocol``, ``protocol_description``, ``leaky``, ``fold``, ``seed``, ``manifest_hash``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from emotionnet.cards.combined import origins, scores
from emotionnet.cards.corpora import CorpusFacts, facts_of
from emotionnet.cards.front_matter import front_matter
from emotionnet.inputs.kinds import OUTPUTS

_ORIGIN = (
    *("corpus", "label_kind", "protocol", "protocol_description", "leaky", "fold", "seed"),
    *("manifest_hash", "combined"),
)

_LIMITS = """\
## Limits

- Acted emotions are exaggerated. Accuracy on spontaneous ones was not measured; expect less.
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


_USE = """\
## Use

```
pip install 'emotionnet[cpu,hub] @ git+https://github.com/emotionnet/emotionnet'
python -m emotionnet.predict RUN clip.mp4
```

`RUN` is this folder, or `hf://USER/NAME` once it is on the Hub. `keras.models.load_model("model.keras")`
loads the network alone, after `import emotionnet`. The order of its outputs is that of the labels above.

"""


def bundle_card(
    contract: Mapping[str, Any],
    metrics: Mapping[str, Any] | None,
    accuracy: Mapping[str, Any] | None,
    results: Sequence[Mapping[str, Any]] = (),
) -> str:
    """The card of a bundle, as Markdown.

    Args:
        contract: of the bundle.
        metrics: what the run's ``metrics.json`` says; None where its model was not evaluated.
        accuracy: what the bundle's ``accuracy.json`` says; None where there is none.
        results: of a run combined out of two, see `emotionnet.training.measured.on_other_clips`.
    """
    about = {
        **{key: contract["provenance"].get(key) for key in _ORIGIN},
        **{key: contract[key] for key in ("name", "system", "labels")},
        "streams": contract["fusion"]["streams"],
    }
    more = [*_precisions(accuracy), *_crops(contract["crop"].get("sensitivity"))]
    return _card(about, metrics, more, results)


def run_card(
    name: str,
    config: Mapping[str, Any],
    metrics: Mapping[str, Any] | None,
    results: Sequence[Mapping[str, Any]] = (),
) -> str:
    """The card of a run, as Markdown.

    Args:
        name: of the run.
        config: of the run.
        metrics: what its ``metrics.json`` says; None where its model was not evaluated.
        results: of a run combined out of two, see `emotionnet.training.measured.on_other_clips`.
    """
    about = {key: config.get(key) for key in (*_ORIGIN, "system", "labels", "streams")}
    return _card({"name": name, **about}, metrics, _USE.splitlines(), results)


def _card(
    about: Mapping[str, Any],
    metrics: Mapping[str, Any] | None,
    more: Sequence[str],
    results: Sequence[Mapping[str, Any]],
) -> str:
    combined = about.get("combined")
    sources = list(combined.values()) if combined else [about]
    told = {
        source["corpus"]: (facts_of(source["corpus"]), source["label_kind"]) for source in sources
    }
    lines = [
        f"# Model card: {about['name']}",
        "",
        f"System `{about['system']}`, streams: {' and '.join(about['streams'])}. Labels: "
        f"{', '.join(about['labels'])}.",
        "",
        *_research_only([facts for facts, _ in told.values()]),
        "## Data",
        "",
        "| corpus | people | licence | labels |",
        "|---|---|---|---|",
        *(
            f"| {corpus} | {f.people} | {f.licence} | {kind} |"
            for corpus, (f, kind) in told.items()
        ),
        "",
        *(f"{line}\n" for facts, _ in told.values() for line in [facts.follows]),
        *(origins(combined) if combined else ()),
        "## Protocol",
        "",
        f"{about['protocol_description']}. Seed {about['seed']}.",
        "",
        *(
            ["**Test clips share people or recordings with the training.**", ""]
            if about["leaky"]
            else []
        ),
        *(scores(results) if combined else _scores(metrics)),
        *more,
        _LIMITS,
    ]
    return front_matter(about, metrics) + "\n" + "\n".join(lines)


def _research_only(facts: Sequence[CorpusFacts]) -> list[str]:
    closed = " and ".join(each.title for each in facts if each.research_only)
    if not closed:
        return []
    return [f"**Research only**: no open licence covers what it was learnt from ({closed}).", ""]


def _scores(metrics: Mapping[str, Any] | None) -> list[str]:
    if not metrics:
        return [
            "## Scores",
            "",
            "This model was not evaluated (`python -m emotionnet.evaluate`).",
            "",
        ]
    kinds = [kind for kind in OUTPUTS if kind in metrics]
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
        "ECE is the expected calibration error: how far the probability of an answer is from how often such "
        "answers are right. The model gives probabilities as they are. To bring them closer, divide their "
        "logarithms by the temperature (fitted on validation clips) and take the softmax again.",
        "",
    ]
    lines += ["| emotion | precision | recall | F1 | clips |", "|---|---|---|---|---|"]
    scores = metrics[kinds[0]]
    rows = [(name, m, m["support"]) for name, m in scores["per_class"].items()]
    means = scores.get("averages", {})
    rows += [(f"{name} average", m, scores["n"]) for name, m in means.items()]
    for name, m, support in rows:
        values = " | ".join(_number(m[key]) for key in ("precision", "recall", "f1"))
        lines.append(f"| {name} | {values} | {support} |")
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
