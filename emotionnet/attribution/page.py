"""Explanations as a page: one HTML file that needs nothing but itself."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from emotionnet.attribution import pictures
from emotionnet.attribution.explainer import Why
from emotionnet.evaluation import html, plots
from emotionnet.evaluation.report import percent
from emotionnet.files import printable, write_text
from emotionnet.inputs.kinds import STREAMS, TITLES

_TERMS = (
    (
        "Attribution",
        "How much of the probability a pixel, a coefficient or a moment makes, compared with a "
        "baseline (integrated gradients). Red speaks for the answer, blue against it. All of them add "
        "up to the difference between the answer and that to the baseline: that is checked.",
    ),
    (
        "Baseline",
        "What a clip is compared with: black faces, silence, or the mean of training clips. Silence lies "
        "far below any voice in coefficient 0, which then takes nearly all; the training mean shows "
        "the others.",
    ),
    (
        "What this does not say",
        "That the network is right, or that the part was needed: it says what this answer was computed "
        "from. Such maps can look right for wrong reasons (Adebayo et al., 2018).",
    ),
)


def write_page(
    path: str | os.PathLike,
    run: str,
    labels: Sequence[str],
    clips: Sequence[Mapping[str, Any]],
    warning: str = "",
) -> None:
    """Writes the page.

    Args:
        path: the HTML file, written whole or not at all.
        run: its name.
        labels: of its classes.
        clips: ``clip`` and ``why``, or ``error``, of each.
        warning: what must be known of the run, or "".
    """
    parts = [html.box("Mind this.", warning)] if warning else []
    for each in clips:
        parts.append(html.heading(printable(each["clip"])))
        parts += [html.box("Not explained.", printable(each["error"]))] if "error" in each else (
            _clip(each["why"], labels)
        )  # fmt: skip
    parts += [html.heading("The words"), html.definitions(_TERMS)]
    write_text(path, html.page(f"EmotionNet explains: {run}", parts))


def _clip(why: Why, labels: Sequence[str]) -> list[str]:
    number = labels.index(why.emotion)
    facts = [("Explained", f"{why.emotion}, {percent(why.probabilities[number])} of the answer")]
    for name, each in why.streams.items():
        own = labels[int(np.argmax(each.probabilities))]
        facts.append((TITLES[name], f"{why.emotion} {percent(each.probabilities[number])} "
                      f"(answers {own})"))  # fmt: skip
        for baseline, one in each.by.items():
            facts.append((f"Check, {STREAMS[name].thing}, {baseline}", one.in_words()))
    parts = [html.facts(facts), *(html.paragraph(note, small=True) for note in why.notes)]
    for name, section in (("faces", _faces), ("speech", _speech), ("geometry", _geometry)):
        parts += section(why) if name in why.streams else []
    return parts


def _faces(why: Why) -> list[str]:
    shown = [
        (plots.as_svg(pictures.plot_faces(why, baseline)),
         f"Faces in the order of time, compared with {baseline}; above each what it makes of {why.emotion}")
        for baseline in why.streams["faces"].by
    ]  # fmt: skip
    parts = [html.figures(shown, wide=True)]
    if why.regions:
        rows = [
            [name, f"{each['sum']:+.4f}", percent(each["share"]), percent(each["area"])]
            for name, each in why.regions.items()
        ]
        text = (
            f"Regions from {why.regions_from}, left and right as seen in the picture. Share: of all "
            "attribution, whatever its sign. A region that matters has a share above its area."
        )
        parts += [html.table(["region", "sum", "share", "area"], rows)]
        parts += [html.paragraph(text, small=True)]
    return parts


def _speech(why: Why) -> list[str]:
    own, shown = why.streams["speech"], []
    for part, name in enumerate(own.parts):
        values = own.values[part]
        if name == "waveform":
            continue
        if values.size // values.shape[-1] > 1:
            picture = pictures.plot_over_time(own, part, why.seconds, why.window_s)
            shown.append((plots.as_svg(picture), f"{name} over time"))
        if values.shape[-1] > 1:
            picture = pictures.plot_width(own, part)
            shown.append((plots.as_svg(picture), f"{name}, summed over time"))
    return [html.figures(shown, wide=True)] if shown else _seconds(why, "speech")


def _geometry(why: Why) -> list[str]:
    from emotionnet.attribution.regions import POINTS_68

    (one,) = why.streams["geometry"].by.values()
    points = one.values[0][0].sum(axis=(0, 2))
    rows = [[name, f"{points[list(of)].sum():+.4f}"] for name, of in POINTS_68.items()]
    return [html.table(["landmarks", "sum"], rows)]


def _seconds(why: Why, stream: str) -> list[str]:
    """Samples cannot be read, so this shows what each second contributes."""
    rows = []
    for baseline, one in why.streams[stream].by.items():
        sums = one.values[0].reshape(-1)
        sums = np.add.reduceat(sums, np.arange(0, len(sums), 16000))
        rows += [[f"second {i + 1}, {baseline}", f"{each:+.4f}"] for i, each in enumerate(sums)]
    return [html.table(["sound", "sum"], rows)]
