"""The pictures of a comparison, a section each: candidates to pieces of HTML."""

import json
import math
from collections import defaultdict
from collections.abc import Sequence

from emotionnet.evaluation import comparison_plots as pictures
from emotionnet.evaluation import html, plots
from emotionnet.evaluation.comparison import Candidate
from emotionnet.evaluation.report import affect_table, interval, percent, temperatures
from emotionnet.inputs.kinds import TITLES
from emotionnet.training.run import besides_clips

#: Of a config what is the same in all runs of one learning curve, beside what they begin with.
_SETTING = (
    *("corpus", "label_kind", "labels", "system", "system_config", "protocol", "settings"),
    *("augment", "augmentation", "joint", "streams", "learning", "precision"),
)


def row_name(candidate: Candidate, kind: str, of_several: bool = False) -> str:
    """The name of a table's row about one kind of answer, which is told where there are several."""
    several = of_several or len(candidate.kinds) > 1
    return f"{candidate.name}, {TITLES[kind]}" if several else candidate.name


def confusions(candidates: Sequence[Candidate]) -> list[str]:
    """Confusion matrices side by side."""
    shown = [
        (plots.as_svg(plots.plot_confusion(one.labels, one.main_scores["confusion"])), one.name)
        for one in candidates
    ]
    return [html.heading("Which emotion is taken for which"), html.figures(shown)]


def classes(candidates: Sequence[Candidate]) -> list[str]:
    """Recall of each emotion, as table and picture."""
    labels = list(dict.fromkeys(label for one in candidates for label in one.labels))
    recalls = {
        one.name: {name: entry["recall"] for name, entry in one.main_scores["per_class"].items()}
        for one in candidates
    }
    rows = [[label, *(percent(recalls[o.name].get(label)) for o in candidates)] for label in labels]
    figure = pictures.plot_rates(recalls, {label: label for label in labels}, "recall")
    return [
        html.heading("Each emotion: how much of it is found (recall)"),
        html.table(["", *(one.name for one in candidates)], rows),
        html.figures([(plots.as_svg(figure), "Recall of each emotion")], wide=True),
    ]


def affect(candidates: Sequence[Candidate]) -> list[str]:
    """F1 by arousal and valence, by our table."""
    return affect_table({one.name: one.affect.get(one.main_kind, []) for one in candidates})


def people(candidates: Sequence[Candidate]) -> list[str]:
    """Accuracy of each actor, and by sex."""
    # Actor 01 of two corpora is two people.
    several = len({one.config["corpus"] for one in candidates}) > 1
    scores = {
        one.name: {
            f"{one.config['corpus']} {actor}" if several else actor: entry
            for actor, entry in (one.main_scores.get("per_actor") or {}).items()
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
        html.heading("Which people does it work for?"),
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
    sexes = sorted({sex for one in candidates for sex in one.main_scores.get("per_sex") or ()})
    if sexes:
        rows = []
        for one in candidates:
            by = one.main_scores.get("per_sex") or {}
            cells = [
                f"{percent(by[sex]['accuracy'])} ({interval(by[sex]['interval_95'])})"
                if sex in by
                else "–"
                for sex in sexes
            ]
            rows.append([one.name, *cells])
        parts.append(html.table(["accuracy (Wilson 95 %)", *sexes], rows))
    return parts


def calibration(candidates: Sequence[Candidate]) -> list[str]:
    """How sure the answers are, as they are and at their temperatures."""
    rows, figures = [], []
    for one in candidates:
        for kind in one.kinds:
            before, after = one.scores[kind], one.calibrated.get(kind)
            cells = [percent(before["ece"]), percent(after["ece"]) if after else "–"]
            for measured in ("nll", "brier"):
                cells += [f"{before[measured]:.2f}", f"{after[measured]:.2f}" if after else "–"]
            told = temperatures(after["temperature"]) if after else "–"
            rows.append([row_name(one, kind), told, *cells])
        kind, shown = one.main_kind, []
        for what, score in (("as it is", one.scores[kind]), ("scaled", one.calibrated.get(kind))):
            if score:
                picture = plots.as_svg(plots.plot_reliability(score["reliability"]))
                shown.append((picture, f"{one.name}, {what}: ECE {percent(score['ece'])}"))
        # A separate row for each, so that before and after are side by side.
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


def history(candidates: Sequence[Candidate]) -> list[str]:
    """UAR on validation clips, epoch by epoch."""
    streams = dict.fromkeys(row["stream"] for o in candidates for r in o.runs for row in r.history)
    shown = []
    for stream in streams:
        curves = {o.name: [r.validation_uar(stream) for r in o.runs] for o in candidates}
        # Of a refit no clip was left to validate on.
        curves = {
            name: [run for run in runs if run and not all(map(math.isnan, run))]
            for name, runs in curves.items()
        }
        curves = {name: runs for name, runs in curves.items() if runs}
        if not curves:
            continue
        picture = plots.as_svg(pictures.plot_validation(curves))
        shown.append((picture, f"UAR on validation clips, {TITLES.get(stream, stream)}"))
    if not shown:
        return []
    text = "The epoch that was kept was chosen on these validation clips, never on test clips."
    return [html.heading("Learning"), html.paragraph(text), html.figures(shown, wide=True)]


def learning(candidates: Sequence[Candidate]) -> list[str]:
    """The curve over training actors, where runs of one setting differ in their number."""
    curves: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    names: dict[str, str] = {}
    for one in candidates:
        for run in one.runs:
            setting = json.dumps(
                [besides_clips([run.config]), *(run.config.get(key) for key in _SETTING)],
                sort_keys=True,
            )
            name = names.setdefault(setting, f"{one.config['system']}, {one.name}")
            curves[name][run.train_actors].append(run.metrics[one.main_kind]["uar"])
    grown = {name: points for name, points in curves.items() if len(points) > 1}
    if not grown or 0 in {n for points in grown.values() for n in points}:
        return []
    picture = plots.as_svg(pictures.plot_learning(grown))
    caption = "UAR on test clips over the number of actors in training; small: each run"
    return [
        html.heading("How much do more people help?"),
        html.figures([(picture, caption)], wide=True),
    ]


ALL = (confusions, classes, affect, people, calibration, history, learning)
