"""Every benchmark starts: its module is imported, and so is all that its functions import later."""

import ast
import importlib
import os
from pathlib import Path
from unittest import mock

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.py")))
def test_a_benchmark_finds_all_that_it_imports(name, monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    tree = ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"))
    with mock.patch.dict(os.environ):
        importlib.import_module(name)
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    importlib.import_module(alias.name)
            elif isinstance(node, ast.ImportFrom):
                _find(node.module, [alias.name for alias in node.names])


def _find(module: str, names: list[str]) -> None:
    """Fails where ``from module import names`` would."""
    found = importlib.import_module(module)
    for name in names:
        if not hasattr(found, name):
            importlib.import_module(f"{module}.{name}")


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.py")))
def test_a_benchmark_says_how_it_is_called(name):
    text = ast.get_docstring(ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8")))
    assert name == "operator_times" or f"python benchmarks/{name}.py" in text
