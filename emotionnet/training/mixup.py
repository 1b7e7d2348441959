"""Mixup: each clip of a batch is mixed with another one, and so is its target.

Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018. What is drawn is a function of
(seed, epoch, step), so that a training which resumes mixes the same.
"""

from typing import Any

import numpy as np

from emotionnet.inputs.kinds import STREAMS

#: Keeps these draws apart from those of the order of clips.
_MIXUP = 0x3140
#: Inputs that say what is there, beside all masks: a mixture has what either of its clips has.
_PRESENCE = tuple(kind.presence.name for kind in STREAMS.values())
#: How the mask of a front's features is called, see `emotionnet.training.front.Cut`.
_MASK = "_mask"


def mix(
    inputs: Any, targets: Any, alpha: float, key: tuple[int, int, int]
) -> tuple[Any, np.ndarray]:
    """A batch, mixed with itself in another order.

    Args:
        inputs: an array, or a dict of arrays by name; each (batch, ...).
        targets: (batch, classes).
        alpha: both parameters of the Beta distribution that the share of a clip is drawn from.
        key: seed, epoch and step.

    Returns:
        Inputs of the same structure and targets. Whole numbers (pictures) become float32; masks
        and lengths are the larger of both.
    """
    draw = np.random.default_rng([*key, _MIXUP])
    targets = np.asarray(targets)
    share = draw.beta(alpha, alpha, len(targets)).astype(np.float32)
    other = draw.permutation(len(targets))

    def mixed(x) -> np.ndarray:
        x = np.asarray(x)
        x = x.astype(np.float32) if x.dtype.kind in "iu" else x
        own = share.reshape(-1, *[1] * (x.ndim - 1)).astype(x.dtype)
        return own * x + (1 - own) * x[other]

    def united(x) -> np.ndarray:
        x = np.asarray(x)
        return np.maximum(x, x[other])

    if not isinstance(inputs, dict):
        return mixed(inputs), mixed(targets)
    made = {
        name: united(x) if name in _PRESENCE or name.endswith(_MASK) else mixed(x)
        for name, x in inputs.items()
    }
    return made, mixed(targets)
