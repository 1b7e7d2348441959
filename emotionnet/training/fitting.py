"""A layer's numbers in closed form, from the clips that a run trains on and from no other."""

import keras
import numpy as np

from emotionnet.errors import EmotionNetError
from emotionnet.inputs.opening import open_source
from emotionnet.systems.base import without_xla
from emotionnet.training.features import computed, given
from emotionnet.training.front import Cut, Front
from emotionnet.training.run import Run
from emotionnet.training.stream_data import augmentation, copied_rows, with_copies
from emotionnet.training.unit import Unit


def fit_unit(run: Run, records, parts: dict, unit: Unit, layer: keras.Layer) -> list[np.ndarray]:
    """The weights that ``unit``'s stage computes for ``layer``.

    Args:
        run: which is trained.
        records: opened records or a cache of a view of them.
        parts: rows of ``train``, ``validation`` and ``test``; what the training rows give is looked
            at, and nothing of the others.
        unit: of a `emotionnet.systems.stages.Fit`; its model gives the data.
        layer: that will have the weights.

    Returns:
        Arrays in the order and of the shapes of ``layer.weights``, float32.

    Raises:
        EmotionNetError: values that are not finite, or a fit that gives what the layer cannot take.
    """
    config, stage = run.config, unit.stage
    what = f"stage {stage.name!r} of system {config['system']}"
    source = open_source(records, run.view(), run.labels, unit.inputs)
    everything = unit.rows(records, run.classes.rows(records.rows))
    sets, copies, leaked = copied_rows(
        source, unit, everything, parts, config, augmentation(config)
    )
    rows = with_copies(unit.rows(records, parts["train"]), copies) + leaked
    targets = np.asarray(source.targets(rows))
    values, targets = _flat(_data(unit, source, rows, {"clips": everything, **sets}), targets)
    if not np.isfinite(values).all():
        raise EmotionNetError(
            f"{what}: {int((~np.isfinite(values)).any(axis=1).sum())} of {len(values)} training rows "
            f"are not finite behind the layer {stage.on!r}: the training diverged, or the recordings "
            "are odd. Train with a smaller --learning-rate, or look at them."
        )
    try:
        numbers = [np.asarray(each, np.float32) for each in stage.by(values, targets)]
    except EmotionNetError as error:
        raise EmotionNetError(f"{what}: {error}") from error
    wanted = [tuple(weight.shape) for weight in layer.weights]
    if [each.shape for each in numbers] != wanted:
        raise EmotionNetError(
            f"{what}: gives numbers of the shapes {[each.shape for each in numbers]}, and the layer "
            f"{layer.name!r} has {wanted}."
        )
    if not all(np.isfinite(each).all() for each in numbers):
        raise EmotionNetError(
            f"{what}: has no solution for {len(values)} training rows (a result is not finite). "
            "More clips, or a stronger regularisation, help."
        )
    return numbers


def _data(unit: Unit, source, rows, sets: dict) -> list[np.ndarray]:
    """The unit's output for ``rows``: features, or features and a mask."""
    if unit.stage.front:
        # Where a stage is fitted on its front itself nothing would stand behind the cut.
        behind = [keras.layers.Identity()(each) for each in keras.tree.flatten(unit.model.output)]
        whole = keras.Model(unit.model.input, behind)
        front = Front(Cut(whole, unit.stage.front), source, {k: v for k, v in sets.items() if v})
        behind = [
            keras.tree.flatten(front.rest.predict_on_batch(batch))
            for batch in front.inference_batches(rows)
        ]
        return [np.concatenate(each) for each in zip(*behind, strict=True)]
    names = [f"value_{i}" for i in range(len(keras.tree.flatten(unit.model.output)))]
    model = keras.Model(unit.model.input, dict(zip(names, keras.tree.flatten(unit.model.output))))
    without_xla(model)
    if model.weights:  # they are this run's: no other run needs these features
        found = given(model, source, rows, "training clips")
        return [found[name] for name in names]
    places = {row.clip: (kind, i) for kind, mine in sets.items() for i, row in enumerate(mine)}
    kept = {kind: computed(model, source, mine, kind) for kind, mine in sets.items() if mine}
    return [
        np.stack([kept[kind][name][i] for kind, i in (places[row.clip] for row in rows)])
        for name in names
    ]


def _flat(data: list[np.ndarray], targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows (n, features) float64 and their targets; of steps those that the mask lets through."""
    values = np.asarray(data[0], np.float64)
    if values.ndim == 2:
        return values, targets
    mask = np.asarray(data[1]) > 0 if len(data) > 1 else np.ones(values.shape[:2], bool)
    return values[mask], np.repeat(targets, mask.sum(axis=1))
