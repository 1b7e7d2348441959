"""Recipes: one file each, whose docstring says the command, how long it takes and what score to expect, by which protocol.

A recipe is a module with ``RUNS``: for each run a mapping of settings, any of them by its own name (see
`emotionnet.training.config`). Several runs are trained one after another, in their own folder: where a run names an
earlier one (``init_faces``, ``teachers`` …), that one is meant. ``{"refit": NAME}`` is `emotionnet.refit` of an earlier run.
So a list of runs that differ in one setting is a sweep.
"""

import difflib
import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emotionnet.errors import UsageError

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Recipe:
    """How one run, or several one after another, are made.

    Attributes:
        name: of the recipe.
        text: its docstring.
        runs: setting → value, for each run.
    """

    name: str
    text: str
    runs: tuple[Mapping[str, Any], ...]

    @property
    def about(self) -> str:
        """The first line of its docstring."""
        return self.text.strip().partition("\n")[0]


def names() -> list[str]:
    """Recipes that come with EmotionNet."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))


def load(recipe: str | os.PathLike) -> Recipe:
    """A recipe by its name, or that of a file ``.py``; the file is run.

    Raises:
        UsageError: there is none (near misses are named), or it is not one.
    """
    path = Path(recipe)
    if path.suffix != ".py":
        path = FOLDER / f"{recipe}.py"
    if not path.is_file() or path.stem.startswith("_"):
        near = difflib.get_close_matches(path.stem, names(), n=3)
        meant = f"Did you mean {' or '.join(near)}?" if near else f"Known: {', '.join(names())}."
        raise UsageError(
            f"--recipe {recipe}: there is none. {meant} A file of your own ends in .py."
        )
    spec = importlib.util.spec_from_file_location(f"{__name__}.{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        runs = tuple(dict(run) for run in module.RUNS)
    except (SyntaxError, NameError, AttributeError, TypeError, ValueError) as error:
        raise UsageError(
            f"--recipe {path}: cannot be read ({error}). A recipe says RUNS = ({{setting: value}},); see "
            f"{FOLDER / 'demo.py'}."
        ) from error
    unnamed = [run for run in runs if not {"name", "refit"} & set(run)]
    if not runs or (len(runs) > 1 and unnamed):
        raise UsageError(f"--recipe {path}: needs a run; and of several each needs a name.")
    return Recipe(path.stem, module.__doc__ or "", runs)


def at(run: Mapping[str, Any], top: Path, earlier: list[str]) -> dict[str, Any]:
    """The settings of ``run``, with the folder of each earlier run of the recipe in place of its name.

    Args:
        run: setting → value.
        top: folder of the recipe's runs.
        earlier: names of its runs so far.
    """

    def place(value: Any) -> Any:
        if isinstance(value, tuple | list):
            return [place(each) for each in value]
        return str(top / value) if isinstance(value, str) and value in earlier else value

    beginnings = ("init", "init_faces", "init_speech", "teachers", "refit")
    return {key: place(value) if key in beginnings else value for key, value in run.items()}
