"""Several runs on one page: numbers, what makes them incomparable, tests, and pictures."""

import json
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from emotionnet.evaluation import comparison_plots as pictures
from emotionnet.evaluation import comparison_sections as sections
from emotionnet.evaluation import html, plots
from emotionnet.evaluation.comparison import Candidate
from emotionnet.evaluation.comparison_sections import row_name
from emotionnet.evaluation.report import (
    LABEL_KINDS,
    TERMS,
    percent,
    spread,
    with_interval,
)
from emotionnet.files import write_text
from emotionnet.inputs.kinds import FUSED

#: Candidates whose pictures are shown; more could not be distinguished.
DETAILED = 8

_MORE_TERMS = (
    (
        "95 % over actors",
        "A bootstrap interval: whole actors are resampled, since the clips of one resemble each "
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
        "runs (or groups) that are compared with the first.",
    ),
)


def write_page(
    path: str | os.PathLike,
    candidates: Sequence[Candidate],
    differences: Sequence[str],
    pairs: Sequence[Mapping[str, Any]],
    first: Sequence[str] = (),
) -> None:
    """Writes the comparison as one HTML file that needs nothing else, whole or not at all.

    Args:
        path: the file.
        candidates: see `emotionnet.evaluation.comparison`.
        differences: sentences of `differences`.
        pairs: of `paired_tests`.
        first: pieces that stand before the result.
    """
    parts = [*_warnings(candidates, differences), *first]
    parts += _headline(candidates) + _setup(candidates) + _pairs(candidates, pairs)
    if len(candidates) > DETAILED:
        told = f"What follows is about the first {DETAILED} of {len(candidates)}."
        parts.append(html.paragraph(told))
    for section in sections.ALL:
        parts += section(candidates[:DETAILED])
    parts += [html.heading("The words"), html.definitions((*_MORE_TERMS, *TERMS))]
    write_text(path, html.page("EmotionNet: runs compared", parts))


def _warnings(candidates: Sequence[Candidate], differences: Sequence[str]) -> list[str]:
    boxes = []
    if differences:
        boxes.append(
            html.box("These numbers must not be compared as they stand.", " ".join(differences))
        )
    leaky = [one.name for one in candidates if one.leaky]
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
            s, people = one.scores[kind], one.uar_over_people[kind]
            uar, accuracy = one.over(kind, "uar"), one.over(kind, "accuracy")
            rows.append(
                [
                    row_name(one, kind),
                    one.config["protocol"],
                    spread(uar["mean"], uar["sd"]),
                    with_interval(s["uar"], people),
                    spread(accuracy["mean"], accuracy["sd"]),
                    with_interval(s["accuracy"], s["interval_95"]),
                ]
            )
        kind = one.main_kind
        runs = [run.metrics[kind]["uar"] for run in one.runs if kind in run.metrics]
        mean = sum(runs) / len(runs)
        interval = one.uar_over_people[kind]
        dots.append({"name": one.name, "runs": runs, "mean": mean, "interval": interval})
    header = [
        *("", "protocol", "UAR", "all together (95 % over actors)"),
        *("accuracy", "all together (95 %, Wilson)"),
    ]
    chance = 1 / len(candidates[0].labels)
    caption = (
        "UAR: mean (marker), each run (strokes), 95 % interval over actors (band); dotted: guessing"
    )
    return [
        html.heading("Result"),
        html.table(header, rows),
        html.paragraph(
            "UAR and accuracy: mean ± standard deviation over the runs (folds and seeds), and of all "
            "answers together. The interval over actors is a bootstrap of whole actors; Wilson's takes "
            "clips as independent.",
            small=True,
        ),
        html.figures([(plots.as_svg(pictures.plot_scores(dots, chance)), caption)], wide=True),
        *_spread(candidates),
    ]


def _spread(candidates: Sequence[Candidate]) -> list[str]:
    rows = []
    for one in candidates:
        o = one.over(one.main_kind, "uar")
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
            "seeds' means over folds (trainings differ). A dash: one of them, or not every seed has all the "
            "folds.",
            small=True,
        ),
    ]


def _points(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


def _setup(candidates: Sequence[Candidate]) -> list[str]:
    """States once what all runs share, and for each run what differs."""
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
    from emotionnet.training.run import besides_clips, division

    config, name = one.config, one.config["protocol"]
    configs = [run.config for run in one.runs]
    divided = division(configs)
    kind, seconds = config["label_kind"], sum(run.train_s for run in one.runs)
    return {
        "System": config["system"],
        "Setting": _setting(config),
        "Corpus": f"{config['corpus']}, labels {LABEL_KINDS.get(kind, kind)}",
        "Protocol": divided if divided.startswith(name) else f"{name}: {divided}",
        "Besides its clips": besides_clips(configs),
        "Folds": _many(one.each("fold")),
        "Seeds": _many(one.each("seed")),
        "Tested on": f"{_count(one.main_scores['clips'], 'clip')}, {one.main_scores['n']} answers",
        "Actors to learn from": _many(sorted({run.train_actors for run in one.runs})),
        "Training": f"{seconds:.0f} s in {_count(len(one.runs), 'run')}" if seconds else None,
        "Commit": _many(dict.fromkeys(run.metrics.get("commit", "") for run in one.runs)),
    }


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _setting(config: Mapping[str, Any]) -> str:
    """What tells settings of one system apart: what differs from the system's defaults."""
    import dataclasses

    from emotionnet.systems import make_config
    from emotionnet.training import plan

    default = json.loads(json.dumps(dataclasses.asdict(make_config(config["system"]))))
    changed = {k: v for k, v in config["system_config"].items() if default.get(k) != v}
    changed |= {key: config[key] for key in ("augment", "joint") if config.get(key)}
    told = [f"{key} {_many(value)}" for key, value in changed.items()]
    usual = plan.stream_settings(config["system"], config["corpus"], config=config["system_config"])
    words = [", ".join(told)]
    for stream, settings in plan.completed(config.get("settings", {})).items():
        if stream in (*config["streams"], "joint"):
            own = usual.get(stream, {})
            told = [
                f"{k} {_many(v)}" for k, v in settings.items() if k == "epochs" or own.get(k) != v
            ]
            words.append(f"{stream}: {', '.join(told)}")
    return "; ".join(words)


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
        of_several = pair["kind"] != FUSED and len(candidates[0].kinds) > 1
        name = row_name(other, pair["kind"], of_several)
        row = [name, f"{100 * clips['difference']:+.1f}"]
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
                f"{first}. McNemar: clips that only it had right : only {first}. Where a clip was answered more than "
                "once (several runs, changed copies), it counts by the share of right answers, and McNemar's "
                "test, which takes one answer a clip, is left out. Both p are adjusted for the number of "
                "runs that are compared with the first (Holm).",
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
