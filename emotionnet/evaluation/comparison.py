"""Runs, or groups of runs, side by side: the score of each, and whether the difference is real.

A candidate is a run or a group of runs (folds, seeds) of one setting. All is read from the run
folders; nothing here needs a model.
"""

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from emotionnet.clips.copies import original
from emotionnet.command import command_text
from emotionnet.errors import EmotionNetError
from emotionnet.evaluation.affect import affect_of
from emotionnet.evaluation.answers import OUTPUTS, Answers, measure
from emotionnet.evaluation.intervals import mean_and_sd
from emotionnet.evaluation.paired import bootstrap_difference, holm, mcnemar
from emotionnet.evaluation.provenance import unlike
from emotionnet.evaluation.temperature import pool_calibrated
from emotionnet.files import read_csv, read_json
from emotionnet.inputs.kinds import FUSED
from emotionnet.training.run import Run

KINDS = tuple(OUTPUTS)
#: What must be the same for numbers to be comparable, and how it is called.
ALIKE = {
    "corpus": "corpus",
    "label_kind": "kind of labels",
    "labels": "emotions",
    "protocol": "protocol",
    "manifest_hash": "list of clips (manifest)",
}


@dataclass(frozen=True)
class RunResult:
    """An evaluated run as its folder tells it: config, answers, numbers, history, training actors."""

    config: dict[str, Any]
    answers: Answers
    metrics: dict[str, Any]
    history: list[dict[str, str]]
    train_actors: int

    @classmethod
    def read(cls, folder: str | os.PathLike) -> "RunResult":
        """Reads an evaluated run folder.

        Raises:
            EmotionNetError: a file is missing or cannot be read.
        """
        run = Run.open(folder)
        folder, config = run.folder, run.config
        try:
            metrics = read_json(folder / "metrics.json")
            history = folder / "history.csv"
            people = {actor for _, actor in run.learnt("actor") if actor}
            return cls(
                config,
                Answers.read(folder / "predictions.csv", run.labels),
                metrics,
                read_csv(history) if history.is_file() else [],
                len(people),
            )
        except (ValueError, KeyError, OSError) as error:
            # A combined run has no records of its own.
            records = ("--records", "DIR") if config.get("combined") else ()
            raise EmotionNetError(
                f"{folder}: cannot be compared ({error!r}). Evaluate it again with "
                f"`{command_text('evaluate', folder, *records)}`."
            ) from error

    @property
    def train_s(self) -> float:
        """Seconds that the training steps took."""
        return sum(float(row.get("seconds") or 0) for row in self.history)

    def validation_uar(self, stream: str) -> list[float]:
        """UAR on the validation clips after each epoch of ``stream``."""
        return [float(row["val_uar"]) for row in self.history if row["stream"] == stream]


@dataclass(frozen=True)
class PerClip:
    """How often each of n clips was answered rightly, in the order of their names.

    Attributes:
        clips, actors, targets: names, actors and label numbers (n,) of the clips.
        right: (n,) share of the answers to each that are right.
        answers: (n,) number of answers to each.
    """

    clips: list[str]
    actors: list[str]
    targets: np.ndarray
    right: np.ndarray
    answers: np.ndarray

    @property
    def once(self) -> bool:
        """Whether each clip was answered once."""
        return bool((self.answers == 1).all())


@dataclass(frozen=True)
class Candidate:
    """One run, or runs of one setting over folds and seeds, under a name."""

    name: str
    runs: list[RunResult]

    @property
    def config(self) -> dict[str, Any]:
        """The first run's."""
        return self.runs[0].config

    @property
    def labels(self) -> tuple[str, ...]:
        """Label names in the order of the probabilities."""
        return self.runs[0].answers.labels

    @property
    def leaky(self) -> bool:
        """Whether train and test of any run share anything."""
        return any(run.config["leaky"] for run in self.runs)

    def each(self, key: str) -> list[Any]:
        """The different values that the runs' configs have, in order of the runs."""
        values = [run.config.get(key) for run in self.runs]
        return [value for i, value in enumerate(values) if value not in values[:i]]

    @cached_property
    def scores(self) -> dict[str, Any]:
        """All answers taken together, as `emotionnet.evaluation.answers.measure` gives it."""
        return measure(Answers.pool(run.answers for run in self.runs))

    @property
    def kinds(self) -> list[str]:
        """The kinds of answers (fused, faces, speech) that there are numbers of."""
        streams = self.config["streams"]
        # With one stream, fused would repeat it.
        return [k for k in (streams if len(streams) == 1 else KINDS) if k in self.scores]

    @property
    def main_kind(self) -> str:
        """The kind of answer that is compared: fused, or of its one stream."""
        return self.kinds[0]

    @property
    def main_scores(self) -> dict[str, Any]:
        """The scores of `main_kind`."""
        return self.scores[self.main_kind]

    @cached_property
    def affect(self) -> dict[str, list[dict[str, Any]]]:
        """F1 by arousal and valence of each kind of answer, by our table."""
        return affect_of(self.scores, self.labels)

    @cached_property
    def calibrated(self) -> dict[str, Any]:
        """See `emotionnet.evaluation.temperature.pool_calibrated`."""
        each = [run.metrics.get("calibrated", {}) for run in self.runs]
        return pool_calibrated([run.answers for run in self.runs], each)

    def over(self, kind: str, measured: str) -> dict[str, Any]:
        """Mean of a number over the runs, and how far it spreads over runs, folds and seeds.

        Returns:
            ``runs``, ``mean``, ``sd`` over all runs; ``sd_folds`` of the folds' means over seeds,
            ``sd_seeds`` of the seeds' means over folds. None where there is one value; the latter two also
            where not every seed has all the folds, whose difference would count as that of the seeds.
        """
        having = [run for run in self.runs if kind in run.metrics]
        mean, sd = mean_and_sd([run.metrics[kind][measured] for run in having])
        result = {"runs": len(having), "mean": mean, "sd": sd}
        cells = [(run.config["fold"], run.config["seed"]) for run in having]
        folds, seeds = map(set, zip(*cells))
        whole = len(cells) == len(set(cells)) == len(folds) * len(seeds)
        for by in ("fold", "seed"):
            groups = defaultdict(list)
            for run in having:
                groups[run.config[by]].append(run.metrics[kind][measured])
            means = [float(np.mean(each)) for each in groups.values()]
            result[f"sd_{by}s"] = mean_and_sd(means)[1] if whole else None
        return result

    @cached_property
    def per_clip(self) -> dict[str, PerClip]:
        """Of each kind of answer how often the runs had each clip, or its changed copies, right.

        Clips without such an answer are left out.
        """
        return {kind: self._per_clip(kind) for kind in KINDS if kind in self.scores}

    def _per_clip(self, kind: str) -> PerClip:
        rights, facts = defaultdict(list), {}
        for run in self.runs:
            answers = run.answers
            for clip, row in zip(answers.clips, answers.probabilities[kind]):
                if not np.isnan(row).any():
                    target = answers.labels.index(clip.emotion)
                    name = original(clip.clip)
                    rights[name].append(row.argmax() == target)
                    facts[name] = (clip.actor, target)
        clips = sorted(rights)
        return PerClip(
            clips,
            [facts[clip][0] for clip in clips],
            np.array([facts[clip][1] for clip in clips], int),
            np.array([np.mean(rights[clip]) for clip in clips]),
            np.array([len(rights[clip]) for clip in clips]),
        )

    @cached_property
    def uar_over_people(self) -> dict[str, list[float] | None]:
        """Of each of `kinds` the 95 % interval of the UAR of all answers, actors resampled.

        None where actors are unknown or one.
        """
        return {kind: self._over_people(self.per_clip[kind]) for kind in self.kinds}

    @staticmethod
    def _over_people(mine: PerClip) -> list[float] | None:
        if not all(mine.actors):
            return None
        # As often as it was answered: runs may be of unequal numbers of seeds.
        targets, right, actors = (
            np.repeat(each, mine.answers) for each in (mine.targets, mine.right, mine.actors)
        )
        found = bootstrap_difference(targets, right, np.zeros(len(right)), actors)
        return found["uar"]["interval_95"]


def differences(candidates: Sequence[Candidate]) -> list[str]:
    """What makes the candidates' numbers incomparable, a sentence each; none where nothing does."""
    said, first = [], candidates[0]
    for key, what in ALIKE.items():
        values: dict[str, list[str]] = defaultdict(list)
        for one in candidates:
            for value in one.each(key):
                values[_short(value)].append(one.name)
        if len(values) > 1:
            said.append(
                f"They differ in {what}: "
                + "; ".join(f"{value} ({', '.join(names)})" for value, names in values.items())
                + "."
            )
    for one in candidates:
        if found := unlike([run.config for run in one.runs]):
            said.append(
                f"The runs of {one.name} were trained otherwise from each other ({', '.join(found)})."
            )
    tested = {clip.clip for run in first.runs for clip in run.answers.clips}
    for other in candidates[1:]:
        others = {clip.clip for run in other.runs for clip in run.answers.clips}
        if others != tested:
            said.append(
                f"They are tested on different clips: {first.name} on {len(tested)}, {other.name} "
                f"on {len(others)}, {len(tested & others)} of them the same."
            )
    return said


def pair_problem(first: Candidate, other: Candidate, across_protocols: bool = False) -> str:
    """Why two candidates cannot be tested as a pair; "" where they can.

    Args:
        first, other: the two.
        across_protocols: a difference in protocol alone is no hindrance: it is what is asked about.
    """
    ignored = "protocol" if across_protocols else None
    for key, what in ALIKE.items():
        if key != ignored and first.each(key) != other.each(key):
            return f"they differ in {what}"
    one, two = (
        {clip.clip for run in candidate.runs for clip in run.answers.clips}
        for candidate in (first, other)
    )
    return "" if one == two else "they are tested on different clips"


def paired_tests(
    candidates: Sequence[Candidate], across_protocols: bool = False
) -> list[dict[str, Any]]:
    """Tests every candidate against the first, for each kind of answer that both have.

    Args:
        candidates: the first is what the others are compared with.
        across_protocols: see `pair_problem`.

    Returns:
        A dict a pair and kind (``fused`` too where their streams differ: each as a whole):
        ``first``, ``other``, ``kind``, ``problem``; and where there is none
        ``clips``, ``by_clips`` and ``by_actors`` (other less first, see
        `emotionnet.evaluation.paired.bootstrap_difference`; the latter None where actors are
        unknown) and ``mcnemar`` (None where several runs answered a clip). ``p_holm`` of the
        latter two is adjusted for the number of candidates.
    """
    first, tests = candidates[0], []
    for other in candidates[1:]:
        problem = pair_problem(first, other, across_protocols)
        for kind in _paired_kinds(first, other):
            one, two = first.per_clip[kind], other.per_clip[kind]
            why = problem or (
                "" if set(one.clips) & set(two.clips) else "no clip was answered by both"
            )
            test = {"first": first.name, "other": other.name, "kind": kind, "problem": why}
            tests.append(test if why else test | _pair(one, two))
    for kind in KINDS:
        for adjusted in (
            [t["mcnemar"] for t in tests if t["kind"] == kind and t.get("mcnemar")],
            [t["by_actors"]["uar"] for t in tests if t["kind"] == kind and t.get("by_actors")],
        ):
            adjusted = [entry for entry in adjusted if entry["p_value"] is not None]
            for entry, p in zip(adjusted, holm([entry["p_value"] for entry in adjusted])):
                entry["p_holm"] = p
    return tests


def _paired_kinds(first: Candidate, other: Candidate) -> list[str]:
    kinds = [kind for kind in first.kinds if kind in other.kinds]
    # A run of one stream is fused, too: that is its stream.
    return kinds if first.main_kind == other.main_kind else [FUSED, *kinds]


def _pair(first: PerClip, other: PerClip) -> dict[str, Any]:
    shared = sorted(set(first.clips) & set(other.clips))
    places = [np.searchsorted(p.clips, shared) for p in (first, other)]  # both are sorted
    a, b = first.right[places[0]], other.right[places[1]]
    targets = first.targets[places[0]]
    actors = [first.actors[i] for i in places[0]]
    return {
        "clips": len(shared),
        "by_clips": bootstrap_difference(targets, b, a),
        "by_actors": bootstrap_difference(targets, b, a, actors) if all(actors) else None,
        "mcnemar": mcnemar(b, a) if first.once and other.once else None,
    }


def table(candidates: Sequence[Candidate]) -> list[dict[str, Any]]:
    """Everything as rows of a CSV: one a candidate and kind of answer."""
    rows = []
    for one in candidates:
        for kind in one.kinds:
            s, c = one.scores[kind], one.calibrated.get(kind, {})
            people = one.uar_over_people[kind] or (None, None)
            over = {m: one.over(kind, m) for m in ("accuracy", "uar")}
            row = {
                **{"name": one.name, "kind": kind, "system": one.config["system"]},
                **{"corpus": one.config["corpus"], "label_kind": one.config["label_kind"]},
                **{"protocol": one.config["protocol"], "leaky": int(one.leaky)},
                "folds": _listed(one.each("fold")),
                "seeds": _listed(one.each("seed")),
                "augment": _listed(one.each("augment")),
                "train_actors": _listed(dict.fromkeys(run.train_actors for run in one.runs)),
                "runs": len(one.runs),
                **{"clips": s["clips"], "answers": s["n"], "accuracy": s["accuracy"]},
                **dict(zip(("accuracy_low", "accuracy_high"), s["interval_95"])),
                "uar": s["uar"],
                **dict(zip(("uar_low_actors", "uar_high_actors"), people)),
                **{f"{m}_{k}": v for m, o in over.items() for k, v in o.items() if k != "runs"},
                **{m: s[m] for m in ("macro_f1", "nll", "brier", "ece")},
                **{f"{m}_calibrated": c.get(m) for m in ("nll", "brier", "ece")},
                "temperature": _listed(f"{t:.4g}" for t in _several(c.get("temperature"))),
                "train_s": round(sum(run.train_s for run in one.runs), 1),
                "commit": _listed(dict.fromkeys(r.metrics.get("commit", "") for r in one.runs)),
            }
            row |= {
                f"f1_{e['mapping']}_{e['dimension']}_{e['group']}": e["f1"]
                for e in one.affect.get(kind, ())
            }
            row |= {f"recall_{name}": p["recall"] for name, p in s["per_class"].items()}
            rows.append({k: "" if v is None else v for k, v in row.items()})
    return rows


def _several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _listed(values) -> str:
    return " ".join(str(value) for value in values if value is not None)


def _short(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    text = str(value)
    return f"{text[:12]}…" if len(text) == 64 else text
