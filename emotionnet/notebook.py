"""Shows records, runs and answers in a notebook, as the last line of a cell in Jupyter or Colab.

Each function gives a `Page`. Nothing is drawn that is not in the folders already: these are the
figures of the report and of ``predict --plot``, inline.
"""

import base64
import os
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

from emotionnet.command import command_text
from emotionnet.errors import UsageError

#: Pictures of a clip, side by side, and the longer side of each in pixels.
STRIP, STRIP_PIXELS = 6, 150
#: A recording up to this many bytes can be played in the page.
PLAYABLE_BYTES = 8_000_000
#: What browsers play, and as what.
_PLAYERS = {
    ".mp4": ("video", "video/mp4"),
    ".webm": ("video", "video/webm"),
    ".wav": ("audio", "audio/wav"),
    ".mp3": ("audio", "audio/mpeg"),
    ".flac": ("audio", "audio/flac"),
    ".ogg": ("audio", "audio/ogg"),
}


class Page:
    """A piece of HTML that a notebook draws; as text, where there is no notebook.

    Args:
        parts: of the HTML, one below the other.
        text: the same in short.
    """

    def __init__(self, parts: Iterable[str], text: str):
        self._html, self._text = "\n".join(parts), text

    def _repr_html_(self) -> str:
        return self._html

    def __repr__(self) -> str:
        return self._text


def show_run(run: str | os.PathLike) -> Page:
    """The headline of a run or group, its confusions, and its learning curves.

    Args:
        run: a run folder, or a folder of run folders, that was evaluated.

    Raises:
        UsageError: it was not evaluated yet, or trained again since.
    """
    from emotionnet.evaluation import plots
    from emotionnet.evaluation.headline import summary
    from emotionnet.evaluation.learning import learning_curves
    from emotionnet.inputs.kinds import TITLES
    from emotionnet.training.measured import read_metrics

    metrics = read_metrics(Path(run) / "metrics.json")
    if metrics is None:
        raise UsageError(
            f"{run}: not evaluated yet, or trained again since. `{command_text('evaluate', run)}` does it."
        )
    text = f"{summary(metrics)}\n\nthe whole report: {Path(run) / 'report.html'}"
    scored = [name for name in TITLES if metrics.get(name)]
    if len(scored) == 2:  # fused from one stream: the same once more
        scored.remove("fused")
    confusions = [
        (plots.plot_confusion(metrics["labels"], metrics[name]["confusion"]), TITLES[name])
        for name in scored
    ]
    curves = [
        (plots.plot_history(name, each["curves"], each["best_epoch"]), "")
        for name, each in learning_curves(Path(run) / "history.csv").items()
    ]
    return Page([_pre(text), _figures(confusions), _figures(curves)], text)


def show_answer(answer: Mapping[str, Any]) -> Page:
    """A clip and what a run answered: some of its pictures, a player, the probabilities.

    Args:
        answer: one of those that `emotionnet.predict` gives.
    """
    from emotionnet.evaluation import plots
    from emotionnet.prediction.text import describe

    text = describe(answer)
    if "error" in answer:
        return Page([_pre(text)], text)
    path = Path(answer["clip"])
    parts = [_strip(path, answer["duration_s"]), _player(path)]
    return Page([*parts, _figures([(plots.plot_timelines([answer]), "")])], text)


def show_records(records: str | os.PathLike) -> Page:
    """What became of a corpus: a summary, faces of each emotion, and all clips that were left out.

    Args:
        records: a folder that `emotionnet.prepare` has made.

    Raises:
        UsageError: there are no prepared records.
    """
    from emotionnet.clips.summary import SHOWN
    from emotionnet.evaluation import html
    from emotionnet.files import read_csv

    folder = Path(records)
    if not (folder / "summary.txt").is_file():
        raise UsageError(
            f"{folder}: no prepared records. `python -m emotionnet.prepare` makes them."
        )
    text = (folder / "summary.txt").read_text(encoding="utf-8")
    parts = [_pre(text)]
    sheet = folder / "contact_sheet.png"
    if sheet.is_file():
        parts.append(_image(sheet.read_bytes(), "image/png", "max-width: 100%"))
    skipped = read_csv(folder / "skipped.csv")
    if len(skipped) > SHOWN:  # fewer are in the summary
        rows = [(row["file"] or row["clip"], row["reason"]) for row in skipped]
        parts.append(html.table(["left out", "why"], rows))
    return Page(parts, text)


def show_page(path: str | os.PathLike, height: int = 700) -> Page:
    """A report, or any page that needs nothing but itself, in a frame.

    The page of `emotionnet.page` asks for the camera and the microphone of whoever looks at it.

    Args:
        path: the HTML file.
        height: of the frame in pixels.
    """
    document = Path(path).read_text(encoding="utf-8")
    style = f"width: 100%; height: {height}px; border: 1px solid #ccc"
    allowed = 'allow="camera; microphone; autoplay"'
    frame = f'<iframe srcdoc="{escape(document)}" {allowed} style="{style}"></iframe>'
    return Page([frame], str(path))


def _pre(text: str) -> str:
    return f'<pre style="white-space: pre-wrap; font-family: monospace">{escape(text)}</pre>'


def _image(data: bytes, kind: str, style: str = "", alternative: str = "") -> str:
    source = f"data:{kind};base64,{base64.b64encode(data).decode()}"
    return f'<img src="{source}" style="{style}" alt="{escape(alternative)}">'


def _figures(figures: Iterable[tuple[Any, str]]) -> str:
    """Figures with a caption each, side by side as far as there is room."""
    from emotionnet.evaluation import plots

    items = [
        f'<figure style="margin: 0"><figcaption>{escape(caption)}</figcaption>'
        f"{_image(plots.as_svg(figure), 'image/svg+xml', 'max-width: 100%', caption)}</figure>"
        for figure, caption in figures
    ]
    return f'<div style="display: flex; flex-wrap: wrap; gap: 1rem">{"".join(items)}</div>'


def _strip(path: Path, duration_s: float) -> str:
    """Pictures of a clip, evenly over its length; nothing where it has none."""
    from emotionnet.clips.clip import encode_jpeg
    from emotionnet.clips.decode import read_frames
    from emotionnet.errors import BadClip

    wanted = [i * duration_s / STRIP for i in range(STRIP)]
    images = []
    try:
        start_s = None
        for frame in read_frames(path):
            start_s = frame.time_s if start_s is None else start_s
            if frame.time_s - start_s >= wanted[len(images)]:
                images.append(_image(encode_jpeg(frame.picture(STRIP_PIXELS)), "image/jpeg"))
            if len(images) == STRIP:
                break
    except BadClip:  # it was answered from its sound
        pass
    return f'<div style="display: flex; flex-wrap: wrap; gap: 4px">{"".join(images)}</div>'


def _player(path: Path) -> str:
    tag, kind = _PLAYERS.get(path.suffix.lower(), ("", ""))
    if not tag or path.stat().st_size > PLAYABLE_BYTES:
        return ""
    source = f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
    return f'<{tag} controls src="{source}" style="max-width: 360px; margin: 8px 0"></{tag}>'
