"""Explains a run's answers: to a recording, or to a part of its own clips."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from emotionnet.attribution.part import chosen, spread, summarize
from emotionnet.attribution.part_page import write_summary
from emotionnet.command import explain_os_error
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.evaluation.asked import open_part
from emotionnet.inputs.opening import open_source
from emotionnet.progress import progress

#: Training clips whose mean is a baseline.
MEAN_OF = 16


def explain_part(
    predictor, explainer, records, part: str, each: int | None, folder: Path, warning: str
):
    """Sums over a part of the run's clips, written as table, pictures and page."""
    opened, rows = open_part(predictor.run, records, part)
    if not hasattr(opened, "dataset"):
        raise UsageError(
            f"{opened.folder}: is a cache. Give the records themselves with --records."
        )
    several, rows = len(rows), chosen(rows, each)
    wanted = {*explainer.view.fields, "landmarks68"}
    fields = [name for name in opened.fields if name in wanted]
    text = f"{len(rows)} of the {several} clips of the {part} part of {predictor.run.name}."

    def clips():
        bar = progress(rows, what="explain", unit="clips")
        for row, serialized in zip(bar, opened.dataset(rows, fields)):
            yield row.clip, row.emotion, opened.parse(serialized, fields)

    with opened.guard():
        summary = summarize(explainer, clips())
    write_summary(folder, f"explain_{part}", predictor.run.name, summary, text, warning)
    return summary


def training_batches(run, records: str | os.PathLike | None, model) -> Iterator[dict[str, Any]]:
    """Some training clips of ``run``, evenly spread; none where its own records are not there.

    Raises:
        UsageError, EmotionNetError: ``records`` that are given cannot be used.
    """
    try:
        opened, rows = open_part(run, records, "train")
    except EmotionNetError:
        if records is not None:
            raise
        return
    names = tuple(model.input)
    source = open_source(opened, run.view(), run.labels, names)
    with opened.guard():
        yield from map(dict, source.inference_batches(spread(rows, MEAN_OF), 8))


def explain_file(predictor, explainer, file: Path, emotion: str | None) -> dict[str, Any]:
    """A clip and why it is answered so; what goes wrong with it stops no other."""
    try:
        clip, parsed = predictor.record(file)
        why = explainer.explain(parsed, emotion=emotion)
    except EmotionNetError as error:
        return {"clip": os.fspath(file), "error": str(error)}
    except OSError as error:
        return {"clip": os.fspath(file), "error": explain_os_error(error)}
    why.notes.extend(clip.notes)
    return {"clip": os.fspath(file), "why": why}
