"""Recordings are answered, one after another, and their answers go to the files that are asked for."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from emotionnet.classes import Classes
from emotionnet.command import not_empty
from emotionnet.errors import UsageError
from emotionnet.prediction.outputs import Outputs
from emotionnet.prediction.predictor import Predictor, iterate


def predict(
    run: str | os.PathLike,
    clips: str | os.PathLike | Sequence[str | os.PathLike],
    *,
    merge: Mapping[str, Sequence[str]] | Sequence[str] | None = None,
    only: Sequence[str] | str | None = None,
    embeddings: bool = False,
    people: bool = False,
    moments: bool = False,
    csv: str | os.PathLike | None = None,
    vtt: str | os.PathLike | None = None,
    features: str | os.PathLike | None = None,
) -> list[dict[str, Any]]:
    """Answers for one clip or several; see `Predictor.answer` for what an answer holds.

    Args:
        run: a run folder, or ``hf://USER/NAME``: one on the Hugging Face Hub; or a bundle, which needs neither
            TensorFlow nor Keras and gives no embeddings.
        clips: a file, a folder (all recordings in it), or several of them.
        merge: class → the emotions whose probabilities are summed, see `emotionnet.classes.Classes`.
        only: the classes that count; the probabilities of the others are left out.
        embeddings: whether answers hold what the networks have made of the clip, before it became
            classes.
        people: whether each person in the picture is answered, by the face alone.
        moments: whether answers hold ``moments``, the share of each second, see
            `emotionnet.attribution.moments`: takes many times as long.
        csv, vtt, features: files to write, see `emotionnet.prediction.outputs.Outputs`.

    Returns:
        An answer a clip, in order. A clip that cannot be used gives ``clip`` and ``error``.

    Raises:
        UsageError: no run there, an empty name for a clip, a file of another kind, or an emotion that
            the run does not know.
        EmotionNetError: the run cannot be used.
    """
    if isinstance(clips, str | os.PathLike):
        clips = [clips]
    outputs = outputs_for(clips, csv=csv, vtt=vtt, features=features)
    embeddings = embeddings or features is not None
    predictor = Predictor(run, Classes.of(merge, only), embeddings, people, moments)
    answers = list(answer_all(predictor, clips, outputs))
    outputs.write(predictor.labels)
    return answers


def answer_all(
    predictor: Predictor,
    clips: Sequence[str | os.PathLike],
    outputs: Outputs,
    ignored: list[tuple[str, str]] | None = None,
) -> Iterator[dict[str, Any]]:
    """Answers clips in order, and adds each answer to ``outputs``; after Ctrl-C, writes what was answered.

    Args:
        predictor: of the run.
        clips: files and folders.
        outputs: of `outputs_for`; whoever takes the last answer writes them.
        ignored: takes what in the folders is no recording, and why.
    """
    try:
        for answer in iterate(predictor, clips, ignored):
            outputs.add(answer)
            yield answer
    except KeyboardInterrupt as error:
        if written := outputs.write(predictor.labels):
            places = ", ".join(map(str, written.values()))
            error.add_note(f"the answers so far are in {places}")
        raise


def outputs_for(clips: Sequence[str | os.PathLike], **places: str | os.PathLike | None) -> Outputs:
    """The files that are asked for; refuses those that these clips cannot go to."""
    for clip in clips:
        not_empty(clip, "a clip")
    vtt, several = places["vtt"], len(clips) > 1 or any(Path(clip).is_dir() for clip in clips)
    one_file = vtt is not None and Path(vtt).suffix.lower() == ".vtt"
    if one_file and several:
        raise UsageError(f"--vtt {vtt}: is one file, and clips are several: give a folder.")
    if vtt is not None and not one_file and Path(vtt).is_file():
        raise UsageError(f"--vtt {vtt}: is a file. Give a folder, or a name that ends in .vtt.")
    return Outputs(**places)
