"""The one checkpoint state of a training: everything that it needs to resume after a kill.

Keras's own ``.keras`` file forgets the seed state of dropout layers and knows nothing of an epoch
half done. This file holds every variable (weights, optimizer, SeedGenerators), the running sums, the
best weights so far, the history and the cursor ``(stream, epoch, step)``. Since order and
augmentation are functions of (seed, epoch, clip), resuming from here gives the same bits as never
having stopped.
"""

import dataclasses
import io
import json
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from emotionnet.errors import EmotionNetError
from emotionnet.files import atomic_path, flush, is_full

FORMAT = 1
_UNREADABLE = (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile)


@dataclass
class TrainingState:
    """Where a training stands.

    Attributes:
        fingerprint: hash of the run's config; a state of another config is refused.
        stream: the stream being trained; "" before the first and after the last.
        epoch: epochs of it that are complete.
        step: steps of the next epoch that are complete.
        sums: running sums of the epoch under way (clips, loss, accuracy).
        wait: epochs since its best one.
        best: for each stream its best epoch so far, ``{"epoch": int, "score": [uar, -loss]}``.
        best_weights: for each stream the weights of that epoch.
        done: streams that are finished.
        history: one dict an epoch and stream.
        labelled: for each stream the clips that have moved out of its pool, see
            `emotionnet.training.uncertainty.LabelPool`.
    """

    fingerprint: str = ""
    stream: str = ""
    epoch: int = 0
    step: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    wait: int = 0
    best: dict[str, dict] = field(default_factory=dict)
    best_weights: dict[str, list[np.ndarray]] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    history: list[dict] = field(default_factory=list)
    labelled: dict[str, list[list]] = field(default_factory=dict)

    def begin(self, stream: str) -> None:
        """Moves the cursor to the start of ``stream``."""
        self.stream, self.epoch, self.step, self.wait, self.sums = stream, 0, 0, 0, {}
        self.labelled.setdefault(stream, []).clear()

    def save(self, path: str | Path, variables: Sequence = ()) -> None:
        """Writes the state and the values of ``variables``, whole or not at all.

        The state before stays beside it, see `recover`.

        Raises:
            EmotionNetError: the disk is full; the state before is untouched.
        """
        path = Path(path)
        arrays = {f"variable/{i:05d}": np.asarray(v) for i, v in enumerate(variables)}
        for stream, weights in self.best_weights.items():
            arrays |= {f"best/{stream}/{i:05d}": w for i, w in enumerate(weights)}
        plain = dataclasses.asdict(dataclasses.replace(self, best_weights={}))
        arrays["state"] = np.array(json.dumps({"format": FORMAT, **plain}))
        packed = io.BytesIO()  # a zip that is closed on a full disk would complain a second time
        np.savez(packed, **arrays)
        try:
            with atomic_path(path) as temporary:
                temporary.write_bytes(packed.getbuffer())
                flush(temporary)  # else a disk might be full only once the old name is gone
                if path.exists():
                    os.replace(path, previous_path(path))
        except OSError as error:
            if not is_full(error):
                raise
            size = packed.tell()
            raise EmotionNetError(
                f"{path}: the disk is full, {size / 1e6:,.0f} MB were to be written. The state "
                "before is kept: free some space, and the same command with --resume auto resumes."
            ) from None

    @classmethod
    def load(cls, path: str | Path, fingerprint: str) -> tuple["TrainingState", list[np.ndarray]]:
        """Reads a state and the values of its variables.

        Args:
            path: file that `save` wrote.
            fingerprint: what the run's config hashes to now.

        Raises:
            EmotionNetError: unreadable, of another format, or of another config.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                plain = json.loads(str(arrays["state"]))
                values = {name: arrays[name] for name in sorted(arrays.files) if name != "state"}
        except _UNREADABLE as error:
            raise EmotionNetError(
                f"{path}: this checkpoint cannot be read ({error}). Delete it to start again."
            ) from error
        if plain.pop("format", None) != FORMAT:
            raise EmotionNetError(f"{path}: written by another version. Delete it to start again.")
        state = cls(**plain)
        if state.fingerprint != fingerprint:
            raise EmotionNetError(
                f"{path}: belongs to a run with other settings or records. Give the same ones, "
                "or a new --name."
            )
        for name, value in values.items():
            if name.startswith("best/"):
                state.best_weights.setdefault(name.split("/")[1], []).append(value)
        return state, [v for name, v in values.items() if name.startswith("variable/")]


def previous_path(path: Path) -> Path:
    """Where the state before the one at ``path`` is kept."""
    return path.with_stem(f"{path.stem}.previous")


def recover(path: Path) -> str:
    """Makes sure that what is at ``path``, if anything, is a state that can be read.

    A local disk renames whole files in one step. A mounted one (Drive, a network) may lose the name
    in between, or keep a file of which not all had been sent when the machine went away; then the
    state before takes its place. Also clears away what killed writers left half done.

    Returns:
        Where the training stands, for people; "" where there is no state.
    """
    for leftover in path.parent.glob(".*.partial*"):
        leftover.unlink()
    for candidate in (path, previous_path(path)):
        try:
            with np.load(candidate, allow_pickle=False) as arrays:
                broken = arrays.zip.testzip()  # the checksums of all that it holds
                state = json.loads(str(arrays["state"]))
        except _UNREADABLE:
            continue
        if broken is None:
            os.replace(candidate, path)
            if not state["stream"]:
                return f"{' and '.join(state['done'])} done"
            epochs, steps = (f"{state[n]} {n}{'s' * (state[n] != 1)}" for n in ("epoch", "step"))
            return f"{state['stream']}: {epochs} and {steps} done"
    return ""


def training_variables(model) -> list:
    """Every variable of a compiled model: weights, seed states, optimizer."""
    return [*model.variables, *model.optimizer.variables]


def rewind(model) -> None:
    """Lets the random numbers of ``model``'s layers begin again, as they do in a new process.

    A layer may have drawn for an earlier stage; a training that resumes after that stage has only its weights.
    """
    weights = {id(variable) for variable in model.weights}
    for variable in model.variables:
        if id(variable) not in weights:  # a seed, and how often was drawn
            seed, _ = np.asarray(variable)
            variable.assign([seed, 0])


def assign(variables: Sequence, values: Sequence[np.ndarray], where: str | Path) -> None:
    """Gives ``variables`` the ``values``; refuses other counts or shapes."""
    if [tuple(v.shape) for v in variables] != [v.shape for v in values]:
        raise EmotionNetError(f"{where}: does not fit this model. Delete it to start again.")
    for variable, value in zip(variables, values):
        variable.assign(value)
