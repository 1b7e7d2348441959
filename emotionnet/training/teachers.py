"""Learning from what other runs answer, besides the labels: knowledge distillation.

A label names one emotion. A trained run says which others it could have been, and doubts labels that
are wrong, of which perceived emotions have many. So a small model may learn more from the answers of a
large one, or of several of its own kind, than from the labels alone.

Source: Hinton et al., "Distilling the Knowledge in a Neural Network" (2015), at temperature 1; teachers
that are no larger than the learner: Furlanello et al., "Born-Again Neural Networks" (ICML 2018).
"""

import os
from collections.abc import Sequence

import numpy as np

from emotionnet.errors import UsageError
from emotionnet.files import read_csv, write_csv
from emotionnet.inputs import opening
from emotionnet.inputs.kinds import FUSED_OUTPUT, OUTPUTS, STREAMS
from emotionnet.inputs.split import NAMED
from emotionnet.progress import progress
from emotionnet.systems.base import answer_batch
from emotionnet.systems.stages import Learn
from emotionnet.training.init import init_source, open_source
from emotionnet.training.run import Run, beginnings, group_members
from emotionnet.training.unit import rows_for, run_stages

#: Clips that a teacher answers at a time.
_BATCH = 32


def config_of(
    folders: Sequence[str | os.PathLike], share: float, split, config: dict
) -> dict[str, dict]:
    """The entry ``teachers`` of a run's config; empty where there are none.

    Args:
        folders, split: as of `teachers_of`.
        share: of a target that is their answer, above 0 and at most 1.
        config: of the run, so far.

    Raises:
        UsageError: a share out of range, a run that learns from few labels, or as `teachers_of`.
    """
    if not folders:
        return {}
    if not 0 < share <= 1:
        raise UsageError(f"--teachers-share {share}: it needs a number above 0, at most 1.")
    if config["learning"]["scheme"] != "all":
        raise UsageError("--teachers know all labels, and --learning is about few: leave one out.")
    runs = teachers_of(folders, split, config["labels"])
    return {"teachers": {"runs": runs, "share": share}}


def teachers_of(folders: Sequence[str | os.PathLike], split, labels: Sequence[str]) -> list[dict]:
    """What a run's config says of its teachers.

    Args:
        folders: of runs; of a group of runs those of the same fold are meant, whatever their seed.
        split: the run's own `emotionnet.inputs.split.Split`.
        labels: the run's labels.

    Returns:
        For each teacher what `init_source` gives.

    Raises:
        UsageError: there is no such run, it knows other labels, or it was trained on clips or people
            on which this run is to be measured.
        EmotionNetError: a teacher is not trained to its end.
    """
    runs = []
    for folder in folders:
        members = [Run.open(each) for each in group_members(folder)]
        chosen = [run for run in members if run.config["fold"] == split.fold]
        if members and not chosen:
            raise UsageError(f"--teachers {folder}: this group has no run of fold {split.fold}.")
        runs += chosen or [Run.open(folder)]
    for run in runs:
        if run.labels != tuple(labels):
            raise UsageError(
                f"--teachers {run.folder}: its labels are {', '.join(run.labels)}, this run's are "
                f"{', '.join(labels)}. A teacher needs the same ones."
            )
        _check_unseen(run, split)
    return [init_source(run.folder) for run in runs]


def _check_unseen(run: Run, split) -> None:
    """Refuses a teacher that would tell what is to be measured: it, or a run that it begins with, learnt that."""
    hidden = (*split.validation, *split.test)
    for each in (run, *beginnings(run.config)):
        for field in ("clip", "actor") if split.by_actor else ("clip",):
            known = sorted(each.learnt(field).intersection(map(NAMED[field], hidden)))
            if known:
                by = "" if each is run else f", by way of {each.folder}, which it begins with,"
                raise UsageError(
                    f"--teachers {run.folder}: was trained{by} on {len(known)} {field}s that this run validates "
                    f"or tests on, {known[0][1]} for one. A teacher needs the same protocol and fold (and "
                    "seed, where clips are divided by it)."
                )


def taught_targets(run: Run, records, names: Sequence[str]) -> dict[str, dict[str, np.ndarray]]:
    """A run's targets: what its clips say by themselves (a crowd's votes, or the one label) mixed with the answers.

    The teachers are asked once; the mean of their answers stays in the run folder, as
    ``teachers.csv``. Faces are shown to them mirrored too.

    Args:
        run: whose config names ``teachers``.
        records: opened, those of the run.
        names: of the stages that are trained.

    Returns:
        Name → clip → target (classes,) float32. A clip without faces or sound is absent.

    Raises:
        UsageError: a teacher does not answer what is trained.
        EmotionNetError: a teacher is gone, or was trained anew since.
    """
    table = run.folder / "teachers.csv"
    if not table.is_file():
        _ask_all(run, records, names, table)
    share = run.config["teachers"]["share"]
    rows = run.split_rows(records)["train"]
    untaught = opening.open_source(records, run.view(), run.labels).training_targets(rows)
    own = {row.clip: target for row, target in zip(rows, untaught)}
    targets: dict[str, dict[str, np.ndarray]] = {name: {} for name in names}
    for line in read_csv(table):
        for name in names:
            answer = [line[f"{name}_{label}"] for label in run.labels]
            if "" not in answer:
                clip, answer = line["clip"], np.array(answer, np.float32)
                targets[name][clip] = share * answer + (1 - share) * own[clip]
    return targets


def _ask_all(run: Run, records, names: Sequence[str], table) -> None:
    rows = run.split_rows(records)["train"]
    lines = {row.clip: {"clip": row.clip, "emotion": row.emotion} for row in rows}
    columns = ["clip", "emotion", *(f"{name}_{label}" for name in names for label in run.labels)]
    teachers = [open_source(each) for each in run.config["teachers"]["runs"]]
    stages = {stage.name: stage for stage in run_stages(run.config)}
    for name in names:
        stage = stages.get(name, Learn(name, ""))  # by default all that the run looks at, at once
        # What looks at one stream alone learns what they answer to that.
        kind = stage.streams[0] if len(stage.streams) == 1 else name
        answerable = rows_for(stage, run.config["streams"], records, rows)
        bar = progress(total=len(answerable) * len(teachers), what=f"teachers {name}", unit="clips")
        with bar, records.guard():
            mean = np.mean([_ask(each, kind, records, answerable, bar) for each in teachers], 0)
        for row, answer in zip(answerable, mean):
            cells = zip(run.labels, answer)
            lines[row.clip] |= {f"{name}_{label}": f"{p:.7g}" for label, p in cells}
    write_csv(table, lines.values(), columns)


def _ask(teacher: Run, name: str, records, rows: Sequence, bar) -> np.ndarray:
    """The teacher's probabilities (n, classes) for ``rows``."""
    streams = teacher.config["streams"]
    if name in STREAMS and name not in streams:
        raise UsageError(
            f"--teachers {teacher.folder}: was trained on {' and '.join(streams)}, so it cannot teach {name}."
        )
    records.check_streams(streams)
    model, output = teacher.model(), OUTPUTS.get(name, FUSED_OUTPUT)
    batches = opening.open_source(records, teacher.view(), teacher.labels)
    answers = []
    for batch in batches.inference_batches(rows, _BATCH):
        inputs = {key: np.asarray(value) for key, value in batch.items()}
        outputs = answer_batch(model, inputs, mirror=name != "speech")
        answers.append(np.asarray(outputs[output], np.float64))
        bar.update(len(answers[-1]))
    return np.concatenate(answers)
