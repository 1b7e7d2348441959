"""The config of a run: typed, frozen, and every choice by its own name.

A recipe is a `RunConfig`; so is what `fit` is called with; and a run's ``config.json`` gives one back, so that
any run can be repeated. Where runs go and what they are trained on is not part of it.
"""

import dataclasses
import difflib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emotionnet.classes import Classes
from emotionnet.errors import UsageError
from emotionnet.recipes import load
from emotionnet.values import typed

AUGMENT = ("none", "light", "ours", "paper", "strong")
DEFAULT_SYSTEM = "ghost_fan"
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


@dataclass(frozen=True)
class RunConfig:
    """All choices of a run, or of a group of runs over folds and seeds.

    Args:
        name: of the folder; where there is one of that name, a number is added. By default made of system,
            corpus, protocol and what else is not as usual.
        corpus: a name of `emotionnet.corpora`; None for ``records``, or else the demo.
        corpus_options: passed to the corpus' ``scan``, such as ``labels``.
        records: folder of prepared records, instead of a corpus; or their address in a bucket
            (``s3://bucket/records``, ``gs://…``), see `emotionnet.clips.remote`.
        system: a name of `emotionnet.systems`, or the dotted name of a module of your own; None for
            `DEFAULT_SYSTEM`, or with ``init`` for that of its run, which is then fine-tuned on these clips and
            their classes: first the last layers alone, then all of it by small steps, see
            `emotionnet.training.tuning`.
        streams: ``both``: all that the system looks at and any clip has; or some of them, joined by "+".
        joint: train all through the fusion with one optimizer, instead of each stream by itself.
        protocol: a name of `emotionnet.inputs.protocols.PROTOCOLS`; None for the corpus' usual one.
        folds: fold numbers from 1, or ``"all"``.
        seeds: seeds; several folds or seeds make a group of runs.
        train_actors: the number of training actors to learn from, drawn by the seed; None for all.
        merge: class → the emotions that it stands for, before the clips are divided; see
            `emotionnet.classes.Classes`.
        only: the classes that are trained; clips of others are left out.
        augment: one of `AUGMENT`; None for the corpus' usual one.
        init: run folder; every part that agrees in name, kind and shapes starts from its weights, and
            what does not is reported, see `emotionnet.training.init`.
        init_faces, init_speech: run folder, with whose encoder of faces or of speech this run's begins.
        teachers: runs (or groups of them: those of the same fold) whose mean answers are training targets
            besides the labels, see `emotionnet.training.teachers`.
        teachers_share: share of a target that is their answer, above 0 and at most 1.
        precision: one of `PRECISIONS`.
        learning: ``all`` labels from the start; or those of some actors, and after each epoch those
            of the pool's clips that the model is least sure of (``uncertainty``) or of random ones
            (``random``), see `emotionnet.training.uncertainty`.
        start_fraction: share of the training actors whose labels are used from the start.
        per_epoch: clips that move out of the pool after each epoch.
        pool_every: epochs after which the pool is asked; as many times ``per_epoch`` clips move.
        system_config: field of the system's ``Config`` → value.
        train: field of `emotionnet.training.settings.Settings` → value, for every stream; or
            "stream.field" → value, for one.
        augmentation: field of `emotionnet.inputs.augmentation.Augmentation` → value, on top of ``augment``.

    Raises:
        UsageError: a value of another type, or one that is not among those there are.
    """

    name: str | None = None
    corpus: str | None = None
    corpus_options: Mapping[str, Any] = field(default_factory=dict)
    records: str | os.PathLike | None = None
    system: str | None = None
    streams: str = "both"
    joint: bool = False
    protocol: str | None = None
    folds: Sequence[int] | str = (1,)
    seeds: Sequence[int] = (0,)
    train_actors: int | None = None
    merge: Mapping[str, Sequence[str]] | Sequence[str] | None = None
    only: Sequence[str] | str | None = None
    augment: str | None = None
    init: str | os.PathLike | None = None
    init_faces: str | os.PathLike | None = None
    init_speech: str | os.PathLike | None = None
    teachers: Sequence[str | os.PathLike] = ()
    teachers_share: float = 0.5
    precision: str = "float32"
    learning: str = "all"
    start_fraction: float | str = "1/3"
    per_epoch: int = 20
    pool_every: int = 1
    system_config: Mapping[str, Any] = field(default_factory=dict)
    train: Mapping[str, Any] = field(default_factory=dict)
    augmentation: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        for each in dataclasses.fields(self):
            object.__setattr__(self, each.name, typed(each, getattr(self, each.name)))
        for name in ("folds", "seeds"):
            numbers = getattr(self, name)
            numbers = (numbers,) if isinstance(numbers, int | float) else numbers
            if numbers != "all" or name != "folds":
                whole = not isinstance(numbers, str) and all(type(each) is int for each in numbers)
                if not whole or not numbers or len({*numbers}) < len(numbers):
                    raise UsageError(
                        f"{name} is {numbers!r}; it needs whole numbers, each once, like 0,1,2."
                    )
                numbers = tuple(numbers)
            object.__setattr__(self, name, numbers)
        check_choices(precision=(self.precision, PRECISIONS))
        if self.augment:
            check_choices(augment=(self.augment, AUGMENT))

    @classmethod
    def of_run(cls, config: Mapping[str, Any]) -> "RunConfig":
        """The config of an existing run, with every default as it was then.

        Args:
            config: a run's ``config.json``, however old.

        Raises:
            UsageError: the run was not made by `fit` alone.
        """
        for made, verb in (("refit", "refit"), ("combined", "combine")):
            if config.get(made):
                raise UsageError(
                    f"this run was made by `python -m emotionnet.{verb}`, which repeats it too."
                )
        learning, taught = config.get("learning", {}), config.get("teachers", {})
        begun = {name: config[name]["run"] for name in BEGINNINGS if config.get(name)}
        fields = {"start_fraction", "per_epoch"} & set(learning)
        return cls(
            corpus=config["corpus"],
            corpus_options=config.get("corpus_options", {}),
            records=config["records"],
            system=config["system"],
            streams="+".join(config["streams"]),
            joint=config.get("joint", False),
            protocol=config["protocol"],
            folds=(config["fold"],),
            seeds=(config["seed"],),
            train_actors=config.get("train_actors"),
            **config.get("classes", {}),
            augment=config.get("augment"),
            **begun,
            teachers=tuple(each["run"] for each in taught.get("runs", ())),
            teachers_share=taught.get("share", 0.5),
            precision=config.get("precision", "float32"),
            learning=learning.get("scheme", "all"),
            **{name: learning[name] for name in fields},
            pool_every=learning.get("every", 1),
            system_config={k: v for k, v in config["system_config"].items() if k != "streams"},
            train={
                f"{stream}.{name}": value
                for stream, settings in config.get("settings", {}).items()
                for name, value in settings.items()
            },
            augmentation=config.get("augmentation", {}),
        )

    def changed(self, fields: Mapping[str, Any]) -> "RunConfig":
        """The same run with other values.

        Args:
            fields: setting → value; a field of this class (mappings are joined), of the system's
                ``Config``, of `Settings` (for every stream, or as "stream.field"), or of `Augmentation`.

        Raises:
            UsageError: there is no such setting (near misses are named), or it cannot have that value.
        """
        own = {name: value for name, value in fields.items() if name in FIELDS}
        rest = {name: value for name, value in fields.items() if name not in FIELDS}
        joined = {name: own.pop(name, None) or {} for name in _MAPPINGS}
        for name, values in joined.items():
            if not isinstance(values, Mapping):
                raise UsageError(f"{name} is {values!r}; it needs settings and their values.")
        joined = {name: dict(values) for name, values in joined.items()}
        system = dataclasses.replace(self, **own)._any_system() if rest else ""
        for name, value in rest.items():
            plain = os.fspath(value) if isinstance(value, os.PathLike) else value
            joined[home_of(name, system)][name] = plain
        # A setting for all streams replaces those of each.
        every = {f".{name}" for name in joined["train"]}
        kept = {k: v for k, v in self.train.items() if k[k.find(".") :] not in every}
        for name, base in (*((name, getattr(self, name)) for name in _MAPPINGS), ("train", kept)):
            own[name] = {**base, **joined[name]}
        return dataclasses.replace(self, **own)

    def _any_system(self) -> str:
        """The system whose settings are meant."""
        from emotionnet.training.run import Run

        if self.system is None and self.init is not None:
            return Run.open(self.init).config["system"]
        return self.system or DEFAULT_SYSTEM

    @property
    def classes(self) -> Classes:
        """What emotions are called, and which of them count."""
        return Classes.of(self.merge, self.only)


#: Names of the choices of a run.
FIELDS = tuple(each.name for each in dataclasses.fields(RunConfig))
#: Those of them that name a run which a new one begins with.
BEGINNINGS = ("init", "init_faces", "init_speech")
#: Options of `emotionnet.fit` that are no choice of a run.
_HOW = (
    *("config", "recipe", "root", "records_cache", "name", "out"),
    *("resume", "device", "replicas", "workers", "direct"),
)
_MAPPINGS = ("corpus_options", "system_config", "train", "augmentation")


def homes(system: str) -> dict[str, tuple[str, ...]]:
    """Mapping of `RunConfig` → the settings that it takes; no name is in two of them."""
    from emotionnet.inputs.augmentation import Augmentation
    from emotionnet.systems import get_system
    from emotionnet.training.settings import Settings

    def names(of: type, without: str) -> tuple[str, ...]:
        return tuple(each.name for each in dataclasses.fields(of) if each.name != without)

    return {
        "train": names(Settings, "seed"),
        "augmentation": names(Augmentation, ""),
        "system_config": names(get_system(system).Config, "streams"),
    }


def home_of(name: str, system: str, others: Sequence[str] = FIELDS) -> str:
    """Which of `homes` takes the setting ``name``.

    Args:
        name: of a setting; of one stream's training as "stream.field".
        system: name of the system.
        others: what might have been meant besides.

    Raises:
        UsageError: none does. Near misses are named.
    """
    takes = homes(system)
    stream, _, last = name.rpartition(".")
    for home, known in takes.items():
        if (last if stream and home == "train" else name) in known:
            return home
    known = sorted({each for names in (*takes.values(), others) for each in names})
    near = difflib.get_close_matches(last, known, n=3)
    meant = f"Did you mean {' or '.join(near)}?" if near else f"Known: {', '.join(known)}."
    raise UsageError(f"{name}: neither {system} nor fit has such a setting. {meant}")


def check_choices(**choices: tuple[str, Sequence[str]]) -> None:
    """Refuses a value of an option (name → value, those there are) that is not among them."""
    for option, (value, known) in choices.items():
        if value not in known:
            raise UsageError(f"--{option} {value}: not known. Choose one of {', '.join(known)}.")


def check_one(recipe: Any, config: Any) -> None:
    """Refuses a recipe and an earlier run at once."""
    if recipe is not None and config is not None:
        raise UsageError("give --recipe or --config, not both: either says all of a run.")


def asked(options: Mapping[str, Any]) -> RunConfig:
    """What the options of `emotionnet.fit` ask for.

    Args:
        options: name → value; None is as the ``recipe`` has it, or the run that is to be made again
            (``config``), else the default.

    Raises:
        UsageError: there is no such run or setting, or a setting cannot have that value.
    """
    given = {name: value for name, value in options.items() if value is not None}
    run = RunConfig()
    check_one(given.get("recipe"), given.get("config"))
    if "config" in given:
        run = given["config"]
        run = run if isinstance(run, RunConfig) else repeated(run)
    elif "recipe" in given:
        recipe = load(given["recipe"])
        if len(recipe.runs) > 1:
            raise UsageError(f"recipe {recipe.name} is several runs: only `fit` can follow it.")
        run = run.changed(recipe.runs[0])
    before = run.corpus
    run = run.changed({name: value for name, value in given.items() if name not in _HOW})
    if {"corpus", "root"} & set(given):
        options = run.corpus_options if run.corpus == before else given.get("corpus_options", {})
        return dataclasses.replace(run, records=given.get("records"), corpus_options=dict(options))
    records = run.records is not None or "records_cache" in given
    return dataclasses.replace(run, corpus=None) if records else run


def repeated(folder: str | os.PathLike) -> RunConfig:
    """What makes a run again, or a group of runs over folds and seeds.

    Raises:
        UsageError: there is no run, it was not made by `fit` alone, or the runs of the folder are no group.
    """
    from emotionnet.training.run import Run, group_members

    members = group_members(folder)
    found = [Run.open(each) for each in members or [folder]]
    asked = [RunConfig.of_run(each.config) for each in found]
    folds, seeds = (tuple(sorted({n for each in asked for n in getattr(each, name)}))
                    for name in ("folds", "seeds"))  # fmt: skip
    whole = [dataclasses.replace(each, folds=folds, seeds=seeds) for each in asked]
    if len(found) != len(folds) * len(seeds) or any(each != whole[0] for each in whole):
        raise UsageError(f"{folder}: its runs differ by more than fold and seed. Give one of them.")
    path = Path(os.path.abspath(found[0].folder))
    name = path.parent.name if members else path.name
    if name.startswith("fold_"):  # one of a group
        name = f"{path.parent.name}-{name}"
    return dataclasses.replace(whole[0], name=name)
