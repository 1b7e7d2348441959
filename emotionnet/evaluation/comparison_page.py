"""Several runs on one page: numbers, what makes them incomparable, tests, and pictures."""

import json
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from emotionnet.evaluation import comparison_plots as pictures
from emotionnet.evaluation import html, plots
from emotionnet.evaluation.comparison import Candidate
from emotionnet.evaluation.report import (
    LABEL_KINDS,
    STREAMS,
    TERMS,
    interval,
    percent,
    spread,
    temperatures,
)
from emotionnet.files import write_text

_MORE_TERMS = (
    (
        "95 % over actors",
        "A bootstrap interval: whole actors are drawn anew, since the clips of one resemble each "
        "other. It says how far the number would move with other people of this kind. The interval "
        "over clips draws clips, and is too narrow where the question is about new people.",
    ),
    (
        "McNemar's test",
        "Counts the clips that only one of two systems had right. Were both equally good, either "
        "would have about half of them. Exact below 25 such clips, else chi-squared with continuity "
        "correction. It takes one answer a clip, and clips as independent.",
    ),
    (
        "p (Holm)",
        "How often chance alone would give a difference as large, adjusted for the number of "
        "comparisons on this page.",
    ),
)


def write_page(
    path: str | os.PathLike,
    candidates: Sequence[Candidate],
    differences: Sequence[str],
    pairs: Sequence[Mapping[str, Any]],
) -> None:
    """Writes the comparison as one HTML file that needs nothing else, whole or not at all.

    Args:
        path: the file.
        candidates: see `emotionnet.evaluation.comparison`.
        differences: sentences of `differences`.
        pairs: of `paired_tests`.
    """
    parts = _warnings(candidates, differences)
    parts += _headline(candidates) + _setup(candidates) + _pairs(candidates, pairs)
    for section in (_confusions, _classes, _people, _calibration, _history, _learning):
        parts += section(candidates)
    parts += [html.heading("The words"), html.definitions((*_MORE_TERMS, *TERMS))]
    write_text(path, html.page("EmotionNet: runs compared", parts))


def main_kind(candidate: Candidate) -> str:
    """The kind of answer that a candidate stands for: fused, or of its one stream."""
    return candidate.kinds[0]


def _row_name(candidate: Candidate, kind: str) -> str:
    return f"{candidate.name}, {STREAMS[kind]}" if len(candidate.kinds) > 1 else candidate.name


def _main(candidate: Candidate) -> Mapping[str, Any]:
    return candidate.scores[main_kind(candidate)]


def _warnings(candidates: Sequence[Candidate], differences: Sequence[str]) -> list[str]:
    boxes = []
    if differences:
        boxes.append(
            html.box("These numbers must not be compared as they stand.", " ".join(differences))
        )
    leaky = [one.name for one in candidates if one.config["leaky"]]
    if leaky:
        many = "These protocols leak" if len(leaky) > 1 else "This protocol leaks"
        boxes.append(
            html.box(
                f"{many}: {', '.join(leaky)}.",
                "The same people (or copies of a clip) are in training and test: the number says how "
                "well known people are recognised, not new ones.",
            )
        )
    if any(one.config["label_kind"] == "drawn" for one in candidates):
        boxes.append(
            html.box("Drawn faces, no real person.", "Such numbers say nothing about people.")
        )
    notes = {note: None for one in candidates for run in one.runs for note in run.metrics["notes"]}
    boxes += [html.paragraph(note, small=True) for note in notes]
    return boxes


def _headline(candidates: Sequence[Candidate]) -> list[str]:
    rows, dots = [], []
    for one in candidates:
        for kind in one.kinds:
            s, people = one.scores[kind], one.uar_over_people(kind)
            uar, accuracy = one.over(kind, "uar"), one.over(kind, "accuracy")
            rows.append(
                [
                    _row_name(one, kind),
                    one.config["protocol"],
                    spread(uar["mean"], uar["sd"]),
                    interval(people) if people else "–",
                    spread(accuracy["mean"], accuracy["sd"]),
                    interval(s["interval_95"]),
                ]
            )
        kind = main_kind(one)
        runs = [run.metrics[kind]["uar"] for run in one.runs if kind in run.metrics]
        mean = sum(runs) / len(runs)
        people = one.uar_over_people(kind)
        dots.append({"name": one.name, "runs": runs, "mean": mean, "interval": people})
    header = ["", "protocol", "UAR", "95 % over actors", "accuracy", "Wilson 95 %"]
    chance = 1 / len(candidates[0].labels)
    caption = (
        "UAR: mean (marker), each run (strokes), 95 % interval over actors (band); dotted: guessing"
    )
    return [
        html.heading("Result"),
        html.table(header, rows),
        html.paragraph(
            "UAR and accuracy: mean ± standard deviation over the runs (folds and seeds). The interval "
            "over actors is of the UAR of all answers together, a bootstrap of whole actors; Wilson's "
            "is of the accuracy, and takes clips as independent.",
            small=True,
        ),
        html.figures([(plots.as_svg(pictures.plot_scores(dots, chance)), caption)], wide=True),
        *_spread(candidates),
    ]


def _spread(candidates: Sequence[Candidate]) -> list[str]:
    rows = []
    for one in candidates:
        o = one.over(main_kind(one), "uar")
        if o["sd_folds"] is not None or o["sd_seeds"] is not None:
            shown = [_points(o[key]) for key in ("sd", "sd_folds", "sd_seeds")]
            rows.append([one.name, percent(o["mean"]), *shown])
    if not rows:
        return []
    header = ["UAR", "mean", "sd over runs", "over folds", "over seeds"]
    return [
        html.table(header, rows),
        html.paragraph(
            "Over folds: between the folds' means over seeds (people differ). Over seeds: between the "
            "seeds' means over folds (trainings differ).",
            small=True,
        ),
    ]


def _points(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


def _setup(candidates: Sequence[Candidate]) -> list[str]:
    """What all have in common is said once; what they differ in, for each."""
    values: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for one in candidates:
        for name, value in _facts(one).items():
            if value not in ("", None):
                values[name][str(value)].append(one.name)
    pairs = []
    for name, told in values.items():
        for value, having in told.items():
            everyone = len(having) == len(candidates)
            pairs.append((name if everyone else f"{name}: {', '.join(having)}", value))
    return [html.heading("What was run"), html.facts(pairs)]


def _facts(one: Candidate) -> dict[str, Any]:
    config, descriptions = one.config, one.each("protocol_description")
    kind, seconds = config["label_kind"], sum(run.train_s for run in one.runs)
    return {
        "System": config["system"],
        "Setting": _setting(config),
        "Corpus": f"{config['corpus']}, labels {LABEL_KINDS.get(kind, kind)}",
        "Protocol": descriptions[0] if len(descriptions) == 1 else _protocol(one),
        "Folds": _many(one.each("fold")),
        "Seeds": _many(one.each("seed")),
        "Tested on": f"{_count(_main(one)['clips'], 'clip')}, {_main(one)['n']} answers",
        "Actors to learn from": _many(sorted({run.train_actors for run in one.runs})),
        "Training": f"{seconds:.0f} s in {_count(len(one.runs), 'run')}" if seconds else None,
        "Commit": _many(dict.fromkeys(run.metrics.get("commit", "") for run in one.runs)),
    }


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _protocol(one: Candidate) -> str:
    from emotionnet.inputs.protocols import PROTOCOLS

    known = PROTOCOLS.get(one.config["protocol"])
    return f"{one.config['protocol']}: {known.description}" if known else one.config["protocol"]


def _setting(config: Mapping[str, Any]) -> str:
    """What tells settings of one system apart: what differs from the system's defaults."""
    import dataclasses

    from emotionnet.systems import make_config

    default = json.loads(json.dumps(dataclasses.asdict(make_config(config["system"]))))
    changed = {k: v for k, v in config["system_config"].items() if default.get(k) != v}
    changed |= {key: config[key] for key in ("augment", "joint") if config.get(key)}
    told = [f"{key} {_many(value)}" for key, value in changed.items()]
    settings = config.get("settings", {})
    for stream in config["streams"]:
        told += [f"{stream}: {k} {v}" for k, v in settings.get(stream, {}).items() if k == "epochs"]
    return ", ".join(told)


def _many(values: Any) -> str:
    if isinstance(values, str) or not hasattr(values, "__iter__"):
        return str(values)
    return ", ".join(map(str, values))


def _pairs(candidates: Sequence[Candidate], pairs: Sequence[Mapping[str, Any]]) -> list[str]:
    if not pairs:
        return []
    rows, refused = [], {}
    for pair in pairs:
        if pair["problem"]:
            refused[f"{pair['other']}: {pair['problem']}"] = None
            continue
        people, clips, m = pair["by_actors"], pair["by_clips"]["uar"], pair["mcnemar"]
        other = next(one for one in candidates if one.name == pair["other"])
        row = [_row_name(other, pair["kind"]), f"{100 * clips['difference']:+.1f}"]
        row += [_ends(people and people["uar"]), _ends(clips)]
        row += [f"{m['only_a']} : {m['only_b']}, {_p(m)}" if m else "–"]
        rows.append(row)
    first = candidates[0].name
    parts = [html.heading(f"Is the difference real? Each against {first}")]
    if rows:
        header = [
            "",
            "UAR, points",
            "95 % over actors",
            "95 % over clips",
            "McNemar",
        ]
        parts.append(html.table(header, rows))
        parts.append(
            html.paragraph(
                "Paired: both systems on the same clips. Points of UAR by which each is ahead of "
                f"{first}. McNemar: clips that only it had right : only {first}. Where several runs "
                "answered a clip, it counts by the share of them that were right, and McNemar's test, "
                "which takes one answer a clip, is left out. Both p are adjusted for the number of "
                "comparisons (Holm).",
                small=True,
            )
        )
    if refused:
        parts.append(html.box("Not tested against the first.", "; ".join(refused) + "."))
    return parts


def _ends(entry: Mapping[str, Any] | None) -> str:
    ends = entry and entry["interval_95"]
    if not ends:
        return "–"
    p = f", {_p(entry)}" if "p_holm" in entry else ""
    return f"{100 * ends[0]:+.1f} to {100 * ends[1]:+.1f}{p}"


def _p(entry: Mapping[str, Any]) -> str:
    return "p < 0.001" if entry["p_holm"] < 0.001 else f"p = {entry['p_holm']:.3f}"


def _confusions(candidates: Sequence[Candidate]) -> list[str]:
    shown = [
        (plots.as_svg(plots.plot_confusion(one.labels, _main(one)["confusion"])), one.name)
        for one in candidates
    ]
    return [html.heading("What is taken for what"), html.figures(shown)]


def _classes(candidates: Sequence[Candidate]) -> list[str]:
    labels = list(dict.fromkeys(label for one in candidates for label in one.labels))
    recalls = {
        one.name: {name: entry["recall"] for name, entry in _main(one)["per_class"].items()}
        for one in candidates
    }
    rows = [[label, *(percent(recalls[o.name].get(label)) for o in candidates)] for label in labels]
    figure = pictures.plot_rates(recalls, {label: label for label in labels}, "recall")
    return [
        html.heading("Each emotion: how much of it is found (recall)"),
        html.table(["", *(one.name for one in candidates)], rows),
        html.figures([(plots.as_svg(figure), "Recall of each emotion")], wide=True),
    ]


def _people(candidates: Sequence[Candidate]) -> list[str]:
    # Actor 01 of two corpora is two people.
    several = len({one.config["corpus"] for one in candidates}) > 1
    scores = {
        one.name: {
            f"{one.config['corpus']} {actor}" if several else actor: entry
            for actor, entry in (_main(one).get("per_actor") or {}).items()
        }
        for one in candidates
    }
    people = {actor: entry for one in scores.values() for actor, entry in one.items()}
    if len(people) < 2:
        return []
    rates = {name: {a: e["accuracy"] for a, e in one.items()} for name, one in scores.items()}

    def mean(actor: str) -> float:
        found = [one[actor] for one in rates.values() if actor in one]
        return sum(found) / len(found)

    ticks = {}
    for actor in sorted(people, key=lambda actor: (-mean(actor), actor)):
        sex = people[actor].get("sex")
        ticks[actor] = f"{actor} ({sex})" if sex else actor
    parts = [
        html.heading("For whom does it work?"),
        html.figures(
            [
                (
                    plots.as_svg(pictures.plot_rates(rates, ticks, "accuracy")),
                    "Accuracy of each actor; the actors best answered at the top",
                )
            ],
            wide=True,
        ),
    ]
    sexes = sorted({sex for one in candidates for sex in _main(one).get("per_sex") or ()})
    if sexes:
        rows = []
        for one in candidates:
            by = _main(one).get("per_sex") or {}
            cells = [
                f"{percent(by[sex]['accuracy'])} ({interval(by[sex]['interval_95'])})"
                if sex in by
                else "–"
                for sex in sexes
            ]
            rows.append([one.name, *cells])
        parts.append(html.table(["accuracy (Wilson 95 %)", *sexes], rows))
    return parts


def _calibration(candidates: Sequence[Candidate]) -> list[str]:
    rows, figures = [], []
    for one in candidates:
        for kind in one.kinds:
            before, after = one.scores[kind], one.calibrated.get(kind)
            cells = [percent(before["ece"]), percent(after["ece"]) if after else "–"]
            for measured in ("nll", "brier"):
                cells += [f"{before[measured]:.2f}", f"{after[measured]:.2f}" if after else "–"]
            told = temperatures(after["temperature"]) if after else "–"
            rows.append([_row_name(one, kind), told, *cells])
        kind, shown = main_kind(one), []
        for what, score in (("as it is", one.scores[kind]), ("scaled", one.calibrated.get(kind))):
            if score:
                picture = plots.as_svg(plots.plot_reliability(score["reliability"]))
                shown.append((picture, f"{one.name}, {what}: ECE {percent(score['ece'])}"))
        # A row of its own for each, so that before and after stand side by side.
        figures.append(html.figures(shown))
    header = ["", "temperature", "ECE", "scaled", "NLL", "scaled", "Brier", "scaled"]
    return [
        html.heading("Does it know when it is right?"),
        html.paragraph(
            "As it is, and with a temperature fitted on each run's validation clips: one number for "
            "each kind of answer, which changes how sure an answer sounds and never the answer."
        ),
        html.table(header, rows),
        *figures,
    ]


def _history(candidates: Sequence[Candidate]) -> list[str]:
    streams = dict.fromkeys(row["stream"] for o in candidates for r in o.runs for row in r.history)
    shown = []
    for stream in streams:
        curves = {o.name: [r.validation_uar(stream) for r in o.runs] for o in candidates}
        curves = {name: [run for run in runs if run] for name, runs in curves.items()}
        curves = {name: runs for name, runs in curves.items() if runs}
        picture = plots.as_svg(pictures.plot_validation(curves))
        shown.append((picture, f"UAR on validation clips, {STREAMS.get(stream, stream)}"))
    if not shown:
        return []
    text = "The epoch that was kept was chosen on these validation clips, never on test clips."
    return [html.heading("Learning"), html.paragraph(text), html.figures(shown, wide=True)]


def _learning(candidates: Sequence[Candidate]) -> list[str]:
    """The curve over training actors, where runs of one setting differ in their number."""
    curves: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    names: dict[str, str] = {}
    for one in candidates:
        for run in one.runs:
            keys = (
                "system",
                "system_config",
                "protocol",
                "settings",
                "augment",
                "joint",
                "streams",
            )
            setting = json.dumps([run.config.get(key) for key in keys], sort_keys=True)
            name = names.setdefault(setting, f"{one.config['system']}, {one.name}")
            curves[name][run.train_actors].append(run.metrics[main_kind(one)]["uar"])
    grown = {name: points for name, points in curves.items() if len(points) > 1}
    if not grown or 0 in {n for points in grown.values() for n in points}:
        return []
    picture = plots.as_svg(pictures.plot_learning(grown))
    caption = "UAR on test clips over the number of actors in training; small: each run"
    return [
        html.heading("How much do more people help?"),
        html.figures([(picture, caption)], wide=True),
    ]
