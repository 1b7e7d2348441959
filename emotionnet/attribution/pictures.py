"""Pictures of attributions: heat over faces, features of sound over time, shares of each second."""

import numpy as np

from emotionnet.attribution.explainer import StreamWhy, Why
from emotionnet.attribution.moments import length_of
from emotionnet.evaluation.plots import COLOURS, make_figure, styled

#: Red speaks for the answer, blue against it: told apart by colour-blind readers too.
HEAT = "RdBu_r"
#: Heat is spread over its neighbours by this share of a face's side, to be seen: sums stay.
BLUR = 0.02
#: Heat as strong as this percentile of all of a clip's has full colour: one pixel must not pale the rest.
FULL = 99.5
ACROSS = 5


@styled
def plot_faces(why: Why, baseline: str):
    """Each face in the window, and over it a map of what speaks for and against the answer."""
    from scipy.ndimage import gaussian_filter

    heat = why.streams["faces"].by[baseline].values[0][0].sum(axis=-1)
    sums, blur = heat.sum(axis=(1, 2)), BLUR * heat.shape[1]
    heat = gaussian_filter(heat, (0, blur, blur), mode="reflect")
    shown = np.flatnonzero(why.found)
    full = max(np.percentile(np.abs(heat[shown]), FULL), 1e-12)
    rows = -(-len(shown) // ACROSS)
    figure, axes = make_figure(7.4, 1.55 * rows, rows, ACROSS, squeeze=False)
    for ax in axes.flat:
        ax.axis("off")
    for ax, i in zip(axes.flat, shown):
        ax.imshow(why.faces[i].mean(axis=-1), cmap="gray", vmin=0, vmax=255)
        strength = np.clip(np.abs(heat[i]) / full, 0, 1)
        ax.imshow(heat[i], cmap=HEAT, vmin=-full, vmax=full, alpha=0.85 * np.sqrt(strength))
        ax.set_title(f"{sums[i]:+.3f}", fontsize=8, pad=2)
    return figure


def by_width(values: np.ndarray) -> np.ndarray:
    """Attributions (n, …, width) of a layer, summed over time: (width,)."""
    return values.reshape(-1, values.shape[-1]).sum(axis=0)


@styled
def plot_width(why: StreamWhy, part: int):
    """What each coefficient, or band, makes of the answer: a row of bars for each baseline."""
    rows = len(why.by)
    figure, axes = make_figure(7.4, 1.7 * rows, rows, 1, squeeze=False, sharex=True)
    for ax, (name, one) in zip(axes.flat, why.by.items()):
        sums = by_width(one.values[part])
        ax.bar(range(len(sums)), sums, color=np.where(sums < 0, COLOURS[0], COLOURS[1]))
        ax.axhline(0, color="black", linewidth=0.6)
        ax.set_title(f"compared with {name}", loc="left")
    axes[-1, 0].set_xlabel(why.parts[part])
    return figure


@styled
def plot_over_time(why: StreamWhy, part: int, seconds: float, window_s: float):
    """Attributions over time, a panel for each baseline.

    Args:
        why: of sound.
        part: number of the layer.
        seconds: of sound.
        window_s: length of the model's window, which a layer that takes it whole describes.
    """
    length_s = length_of(why.values[part], seconds, window_s)
    rows = len(why.by)
    figure, axes = make_figure(7.4, 1.9 * rows, rows, 1, squeeze=False, sharex=True)
    for ax, (name, one) in zip(axes.flat, why.by.items()):
        values = one.values[part]
        image = values.reshape(-1, values.shape[-1]).T
        full = max(np.percentile(np.abs(image), FULL), 1e-12)
        ax.imshow(
            image, cmap=HEAT, vmin=-full, vmax=full, aspect="auto", origin="lower",
            interpolation="nearest", extent=(0, length_s, -0.5, len(image) - 0.5),
        )  # fmt: skip
        ax.set_title(f"compared with {name}", loc="left")
        ax.set_ylabel(why.parts[part])
        ax.set_xlim(0, seconds)
    axes[-1, 0].set_xlabel("seconds")
    return figure
