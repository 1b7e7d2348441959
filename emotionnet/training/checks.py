"""What would stop a training halfway, found before its first step."""

from collections import Counter
from collections.abc import Sequence

from emotionnet.errors import EmotionNetError
from emotionnet.systems.stages import Fit
from emotionnet.training.optimizer import find_layers
from emotionnet.training.run import Run
from emotionnet.training.settings import settings_of
from emotionnet.training.stream_data import augmentation, leaking_rows
from emotionnet.training.unit import Unit


def check_units(run: Run, records, parts: dict[str, list], units: Sequence[Unit]) -> None:
    """Refuses a run one of whose stages could not be trained, or not be fitted.

    Args:
        run: which is to be trained.
        records: opened records or a cache of a view of them.
        parts: rows of ``train``, ``validation`` and ``test``.
        units: of the run's stages.

    Raises:
        UsageError: the settings name a layer that a stage does not have.
        EmotionNetError: no clip has what a stage needs; too few, or none of a class, where it is fitted.
    """
    config = run.config
    for unit in units:
        rows = unit.rows(records, parts["train"])
        if not rows:
            raise EmotionNetError(
                f"{records.folder}: no training clip has {unit.needs}. Train the other stream with "
                "--streams."
            )
        if isinstance(unit.stage, Fit):
            rows += leaking_rows(unit, records, parts, config, augmentation(config))
            known = Counter(row.emotion for row in rows)
            _check_counts(unit, config["system"], {label: known[label] for label in run.labels})
        else:
            settings = settings_of(config, unit.name)
            for name in (*settings.frozen, *settings.rate_scales):
                find_layers(unit.model, name)


def _check_counts(unit: Unit, system: str, counts: dict[str, int]) -> None:
    """Refuses to fit ``unit`` to that many clips of each class."""
    what, clips = f"stage {unit.name!r} of system {system}", sum(counts.values())
    if clips < len(counts):
        raise EmotionNetError(
            f"{what}: {clips} training clips have {unit.needs}, fewer than the {len(counts)} "
            "classes. It needs more of them."
        )
    absent = [label for label, count in counts.items() if not count]
    if unit.stage.supervised and absent:
        raise EmotionNetError(
            f"{what}: no training clip of this fold with {unit.needs} is {' or '.join(absent)}, and it "
            "tells classes apart. Choose another fold, or leave the class out (--only)."
        )
