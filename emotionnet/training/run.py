"""A run: one folder that says everything about one training.

``config.json`` what was asked for · ``versions.json`` what it ran on · ``split.csv`` which clip was
in which part · ``history.csv`` an epoch a line · ``model.keras`` · ``predictions.csv``,
``metrics.json``, ``report.html`` its results · ``logs/`` for TensorBoard · ``checkpoint/`` while it
trains.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from emotionnet.classes import Classes
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.files import read_csv, read_json, sha256, write_csv, write_json
from emotionnet.inputs.kinds import FUSED_OUTPUT
from emotionnet.shipped import shipped
from emotionnet.training.versions import versions

#: Raised when a run folder of an older layout can no longer be read.
FORMAT = 1
PARTS = ("train", "validation", "test")
#: Key of a config that names another run → the part of it that the run starts from.
_BEGINNINGS = {
    "refit": "all weights",
    "init": "what agrees",
    "init_faces": "the face encoder",
    "init_speech": "the speech encoder",
}
#: Shown with every number of a run that `emotionnet.refit` made.
LEARNT_ON = "after its epoch was chosen, the run was trained on the validation part too"


class Run:
    """An opened run folder. Make one with `Run.create`, open one with `Run.open`.

    Attributes:
        folder: where it is.
        config: what ``config.json`` says.
    """

    def __init__(self, folder: str | os.PathLike, config: dict[str, Any]):
        self.folder = Path(folder)
        self.config = config

    @classmethod
    def create(cls, folder: str | os.PathLike, config: dict[str, Any], split) -> "Run":
        """Makes the folder with its config, versions and split.

        Args:
            folder: must not hold a run yet.
            config: plain data; ``format`` is added.
            split: an `emotionnet.inputs.split.Split`.
        """
        folder = Path(folder)
        check_free(folder)
        run = cls(folder, {"format": FORMAT, **config})
        columns = ("clip", "corpus", "actor", "emotion")
        rows = [
            {**{name: getattr(row, name) for name in columns}, "part": part}
            for part in PARTS
            for row in getattr(split, part)
        ]
        write_csv(folder / "split.csv", rows, (*columns, "part"))
        write_json(folder / "versions.json", versions())
        write_json(folder / "config.json", run.config)
        return run

    @classmethod
    def open(cls, folder: str | os.PathLike) -> "Run":
        """Opens a run folder, or a run that comes with EmotionNet, by its name, see `emotionnet.shipped`.

        Raises:
            UsageError: there is none.
            EmotionNetError: it is damaged, or of another version.
        """
        folder = shipped(folder)
        path = folder / "config.json"
        if not path.is_file():
            raise UsageError(f"{folder}: no run here (no config.json). {_what_instead(folder)}")
        try:
            config = read_json(path)
        except (ValueError, OSError) as error:
            raise EmotionNetError(f"{path}: cannot be read ({error}).") from error
        if not isinstance(config, dict) or config.get("format") != FORMAT:
            found = config.get("format") if isinstance(config, dict) else None
            raise EmotionNetError(
                f"{folder}: a run of format {found!r}; this version of EmotionNet reads format "
                f"{FORMAT}. Train it again, or use the version that made it (see versions.json)."
            )
        return cls(folder, config)

    def note_devices(self, facts: dict[str, Any]) -> None:
        """Adds the run's devices to ``versions.json``, unless they are unchanged."""
        path = self.folder / "versions.json"
        known = read_json(path)
        used = known.setdefault("devices", [])
        if not used or used[-1] != facts:
            write_json(path, {**known, "devices": [*used, facts]})

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def labels(self) -> tuple[str, ...]:
        """Label names in the order of the model's outputs."""
        return tuple(self.config["labels"])

    @property
    def corpora(self) -> list[str]:
        """The corpus of its clips; of a run that was combined out of two, the corpora of both."""
        return self.config["corpus"].split("+")

    def split_lines(self) -> list[dict[str, str]]:
        """The lines of ``split.csv``: ``clip``, ``corpus``, ``actor``, ``emotion``, ``part``.

        Of a run from before the corpus was noted there is a line for each of its corpora.
        """
        return [
            {**line, "corpus": corpus}
            for line in read_csv(self.folder / "split.csv")
            for corpus in ([line["corpus"]] if line.get("corpus") else self.corpora)
        ]

    @property
    def classes(self) -> Classes:
        """Emotions that were merged or left out before the split."""
        return Classes.from_config(self.config)

    @property
    def checkpoint(self) -> Path:
        """The file of the training's state; gone when the training is done."""
        return self.folder / "checkpoint" / "state.npz"

    @property
    def finished(self) -> bool:
        """Whether the training came to its end."""
        return (self.folder / "model.keras").is_file()

    def discard(self) -> None:
        """Removes a run of which nothing is trained yet; whatever else is in its folder stays."""
        shutil.rmtree(self.checkpoint.parent, ignore_errors=True)
        for name in ("split.csv", "versions.json", "teachers.csv", "config.json"):
            (self.folder / name).unlink(missing_ok=True)
        if not any(self.folder.iterdir()):
            self.folder.rmdir()

    def fingerprint(self) -> str:
        """Hash of everything that decides the trained weights."""
        return sha256(json.dumps(self.config, sort_keys=True))

    def kind(self) -> str:
        """Hash of what it has in common with other folds and seeds of its group: network and settings among it."""
        own = {*_OF_SPLIT, "refit", "teachers"}  # other runs, for each fold
        common = {key: value for key, value in self.config.items() if key not in own}
        return sha256(json.dumps(common, sort_keys=True))

    def build(self):
        """A new model of the run's system, untrained."""
        from emotionnet.systems import build_model

        return build_model(self.config["system"], len(self.labels), **self.config["system_config"])

    def save_model(self, model) -> None:
        """Writes ``model.keras``, whole or not at all; how its parts were trained is not in it."""
        import keras

        from emotionnet.files import atomic_path
        from emotionnet.keras_private import layers_inside

        # Else a file would keep the optimizers of nested models, and ask for them when it is read.
        parts = [each for each in (model, *layers_inside(model)) if isinstance(each, keras.Model)]
        compiled = [part for part in parts if part.compiled]
        for part in compiled:
            part.compiled = False
        with atomic_path(self.folder / "model.keras") as temporary:
            model.save(temporary)
        for part in compiled:  # the next run of its kind may train in it
            part.compiled = True

    def model(self):
        """The trained model.

        Raises:
            EmotionNetError: there is none yet, or the file is damaged or not what it should be.
        """
        from emotionnet.systems import load_model

        path = self.folder / "model.keras"
        if not path.is_file():
            raise EmotionNetError(
                f"{self.folder}: not trained to the end yet. `python -m emotionnet.fit --name "
                f"{self.name} --resume` continues it."
            )
        model = load_model(path)
        inputs, outputs = model.input, model.output
        if not (
            isinstance(inputs, dict)
            and set(self.view().inputs) & set(inputs)
            and FUSED_OUTPUT in outputs
        ):
            raise EmotionNetError(f"{path}: not an EmotionNet model.")
        return model

    def answerer(self):
        """What answers clips by ``predict_on_batch``: the trained model, see `model`."""
        return self.model()

    def view(self):
        """The `emotionnet.inputs.views.View` of the run's system."""
        return view_of(self.config)

    def split_rows(self, records) -> dict[str, list]:
        """The rows of ``records`` in each part of the run's own split (``split.csv``).

        Raises:
            EmotionNetError: ``records`` lacks clips of the split.
        """
        by_clip = {(row.corpus, row.clip): row for row in self.classes.rows(records.rows)}
        parts: dict[str, list] = {part: [] for part in PARTS}
        missing = []
        for line in self.split_lines():
            row = by_clip.get((line["corpus"], line["clip"]))
            if row is None:
                missing.append(line["clip"])
            else:
                parts[line["part"]].append(row)
        # Of a run that was combined out of two, records hold the clips of one of them.
        if missing and not (self.config.get("combined") and any(parts.values())):
            raise EmotionNetError(
                f"{records.folder}: {len(missing)} clips of this run are not in these records, "
                f"{missing[0]} for one. Give the records it was trained on with --records; or "
                "evaluate with --part unseen, on the clips that the run was not trained on."
            )
        return parts

    def unseen_rows(self, records) -> list:
        """The rows of ``records`` that neither the run nor one that it begins with trained on or chose its epoch by.

        Nor are they copies of such.
        """
        # Here, since they load OpenCV, and most verbs only open a run.
        from emotionnet.clips.copies import original
        from emotionnet.inputs.split import name_of, recording_of

        part: dict[tuple[str, str], str] = {}
        learnt: set[tuple[str, str]] = set()
        for run in (*reversed([*beginnings(self.config)]), self):  # its own division counts last
            part |= {(line["corpus"], line["clip"]): line["part"] for line in run.split_lines()}
            learnt |= {name for name, its in part.items() if its == "train"}
        part |= dict.fromkeys(learnt, "train")  # though a later one tests on it
        seen = {name for name, its in part.items() if its != "test"}
        known = {recording_of(row) for row in records.rows if name_of(row) in seen}

        def unseen(row) -> bool:
            if name_of(row) in part:
                return part[name_of(row)] == "test"
            return (row.corpus, original(row.clip)) not in seen and recording_of(row) not in known

        return self.classes.rows(filter(unseen, records.rows))

    def learnt(self, what: str) -> set[tuple[str, str]]:
        """Corpus and name of each ``clip``, or of each ``actor``, that this run was trained on."""
        return {
            (line["corpus"], line[what]) for line in self.split_lines() if line["part"] == "train"
        }

    def has_other_test_clips(self, folder: str | os.PathLike) -> bool:
        """Whether a folder of records holds clips, but none of the run's test part."""
        from emotionnet.clips.remote import is_url
        from emotionnet.inputs.opening import open_clips

        if not is_url(folder) and not Path(folder).is_dir():
            return False
        split = self.split_lines()
        tested = {(line["corpus"], line["clip"]) for line in split if line["part"] == "test"}
        rows = open_clips(folder).rows
        # Records that were lost in part are another matter: those have some of them.
        return bool(tested) and tested.isdisjoint((row.corpus, row.clip) for row in rows)


def check_free(folder: Path) -> None:
    """Refuses a folder that holds a run."""
    if (folder / "config.json").exists():
        raise UsageError(
            f"{folder}: there is a run already. Give another --name, or --resume auto to continue it."
        )


def beginnings(config: dict[str, Any]) -> Iterator[Run]:
    """The runs that a run of this ``config`` begins with, and those that they begin with, as far as they are there.

    A combined run begins with the two that it was made of.
    """
    for source in (*map(config.get, _BEGINNINGS), *config.get("made_of", {}).values()):
        if source and (Path(source["run"]) / "config.json").is_file():
            run = Run.open(source["run"])
            yield run
            yield from beginnings(run.config)


def view_of(config: dict[str, Any]):
    """The `emotionnet.inputs.views.View` of the system in a run's ``config``."""
    from emotionnet.inputs.views import View
    from emotionnet.systems import get_system

    return View.of(get_system(config["system"]).Config(**config["system_config"]))


def group_members(folder: str | os.PathLike) -> list[Path]:
    """The run folders inside a folder that is no run itself, sorted; none where it is one."""
    folder = Path(folder)
    if not folder.is_dir() or (folder / "config.json").is_file():
        return []
    found = [path.parent for path in folder.glob("*/config.json")]
    # Fold 10 comes after fold 9.
    return sorted(found, key=lambda each: re.sub(r"\d+", lambda n: n[0].zfill(6), each.name))


def _what_instead(folder: Path) -> str:
    """What helps somebody who gave ``folder`` for a run."""
    if folder.parts[:1] == ("hf:",):
        return "predict alone fetches from the Hub: `hf download USER/NAME --local-dir DIR` first."
    if folder == Path("people"):
        return (
            "The run of that name comes with the source tree and the wheel, and this installation lacks it: "
            "install EmotionNet again."
        )
    members = group_members(folder)
    if members:
        return f"It is a group of runs: give one of them, such as {members[0]}."
    if (folder / "contract.json").is_file():
        return "It is a bundle, which only answers clips (predict, stream, label): give the run that it was made of."
    if folder.is_file():
        return f"It is a file: give the folder of the run, perhaps {folder.parent}."
    return "`python -m emotionnet.fit` makes one under saved_models/."


def besides_clips(configs: Sequence[dict[str, Any]]) -> str:
    """What runs were trained on besides their clips and labels, in words, each once."""
    return "; ".join(dict.fromkeys(filter(None, map(_besides_clips, configs))))


def _besides_clips(config: dict[str, Any]) -> str:

    def names(*sources: dict[str, str]) -> str:
        runs = [Path(source["run"]) for source in sources]
        # Of a fold's run its group says more.
        known = [run.parent.name if run.name.startswith("fold_") else run.name for run in runs]
        return " and ".join(dict.fromkeys(known))

    told = [
        f"begins with {what} of {names(config[key])}"
        for key, what in _BEGINNINGS.items()
        if config.get(key)
    ]
    if taught := config.get("teachers"):
        told.append(f"taught by {names(*taught['runs'])} ({taught['share']:.0%} of each target)")
    return "; ".join(told)


_OF_SPLIT = ("protocol_description", "split_warning", "leaky", "fold", "folds", "seed")


def about(split) -> dict[str, Any]:
    """The entries of a run's config about its split."""
    values = (split.description, split.warning, split.leaky, split.fold, split.folds, split.seed)
    return dict(zip(_OF_SPLIT, values, strict=True))


def division(configs: Sequence[dict[str, Any]]) -> str:
    """How the clips of runs were divided, in words: as each says it, or what all have in common."""
    from emotionnet.inputs.protocols import PROTOCOLS

    texts = {config.get("protocol_description", "") for config in configs}
    if len(texts) == 1:
        return texts.pop()
    protocol = PROTOCOLS.get(configs[0]["protocol"])
    if not protocol:
        return ""
    text, learnt_on = protocol.description, ""
    # A fold may leak by a protocol that does not.
    leaking = sorted({config["fold"] for config in configs if config["leaky"]})
    if leaking and not protocol.leaky:
        text = f"{protocol.summary}; leaks: in fold {', '.join(map(str, leaking))}"
    if any(config.get("refit") for config in configs):
        learnt_on = f"; {LEARNT_ON}"
    return f"{text}{classes_in_words(Classes.from_config(configs[0]))}{learnt_on}"


def classes_in_words(classes: Classes) -> str:
    """What the description of a division says of classes that were merged or left out before it."""
    return f"; classes: {classes}" if classes else ""
