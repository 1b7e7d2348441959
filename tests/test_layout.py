"""Which folder of ``emotionnet/`` may import which: data flows one way.

Every import counts, those inside functions too. A new arrow is a decision: it is said here, or the code moves.
"""

import ast
import functools
import graphlib
import re
from collections import defaultdict
from pathlib import Path

import emotionnet

PACKAGE = Path(__file__).resolve().parents[1] / "emotionnet"
#: What anything may import, and what imports only these.
SHARED = {
    *("errors", "files", "progress", "command", "emotions", "classes", "votes", "locks"),
    *("environment", "precision", "values", "keras_private", "shipped", "templates", "interpreter"),
}
#: Folder to the folders (and verbs) that it may import beside `SHARED`.
ARROWS = {
    "corpora": set(),
    "downloads": {"corpora", "clips"},
    "clips": {"corpora"},
    "inputs": {"clips", "corpora"},
    "layers": set(),
    "systems": {"layers", "inputs", "clips"},
    "recipes": set(),
    "training": {"recipes", "systems", "layers", "inputs", "clips"},
    "evaluation": {"cards", "training", "systems", "inputs", "clips"},
    "attribution": {"evaluation", "layers", "inputs", "clips"},
    "streaming": {"deploy", "systems", "inputs", "clips"},
    "deploy": {"cards", "training", "systems", "layers", "inputs", "clips", "corpora"},
    "cards": {"inputs"},
    "runs": {"recipes", "training", "evaluation", "deploy", "systems", "inputs", "clips"},
    "prediction": {
        "attribution",
        "deploy",
        "evaluation",
        "training",
        "systems",
        "inputs",
        "clips",
        "corpora",
    },
    "labelling": {"deploy", "prediction", "training", "clips", "corpora"},
}
#: A module beside the folders may import any folder; of its like it may import these.
VERBS = {"__init__": set(emotionnet.VERBS)}


@functools.cache
def imports() -> dict[str, set[str]]:
    """Module to the modules of the package that it imports, as ``clips.records``."""
    files = {
        ".".join(p.relative_to(PACKAGE).with_suffix("").parts): p for p in PACKAGE.rglob("*.py")
    }
    known, found = {name.removesuffix(".__init__") for name in files}, defaultdict(set)
    for name, path in files.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}:{node.lineno}: a relative import"
                whole = [f"{node.module}.{alias.name}" for alias in node.names]
                named = [each if each[11:] in known else node.module for each in whole]
            elif isinstance(node, ast.Import):
                named = [alias.name for alias in node.names]
            else:
                continue
            own = {each[11:] for each in named if each.startswith("emotionnet.")}
            found[name.removesuffix(".__init__")] |= own
    return found


def test_folders_import_only_what_stands_before_them():
    new = set()
    for module, imported in imports().items():
        folder = module.partition(".")[0]
        for other in {name.partition(".")[0] for name in imported} - SHARED - {folder}:
            free = folder not in ARROWS and folder not in SHARED and other in ARROWS
            if not free and other not in (ARROWS | VERBS).get(folder, set()):
                new.add(f"{module} imports {other}")
    assert not new, f"move the code, or say it in ARROWS: {sorted(new)}"


def test_no_arrow_is_said_that_nothing_needs():
    there = {(a.partition(".")[0], b.partition(".")[0]) for a in imports() for b in imports()[a]}
    said = {(a, b) for a, others in (ARROWS | VERBS).items() for b in others}
    assert said <= there, sorted(said - there)


def test_modules_and_folders_import_each_other_in_no_circle():
    for arrows in (imports(), ARROWS):
        graphlib.TopologicalSorter(arrows).prepare()


def test_a_verb_parses_calls_and_prints():
    """What it does stands in the folder that it is about."""
    lines = {
        verb: len((PACKAGE / f"{verb}.py").read_text().splitlines()) for verb in emotionnet.VERBS
    }
    assert {verb: count for verb, count in lines.items() if count > 100} == {}


def test_the_page_about_the_layout_names_what_is_there():
    page = (PACKAGE.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w/]+(?:\.py|\.csv|\.md|/))`", page))
    there = [
        f"/{path.relative_to(PACKAGE.parent)}{'/' * path.is_dir()}"
        for part in ("emotionnet", "tests", "data_manifests", "docs")
        for path in (PACKAGE.parent / part).rglob("*")
    ]
    missing = {name for name in named if not any(path.endswith(f"/{name}") for path in there)}
    assert not missing, sorted(missing)
    assert {f"{folder}/" for folder in ARROWS} <= named
