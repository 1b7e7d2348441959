"""The notebooks as files: what Colab opens is what was reviewed, and calls what exists."""

import argparse
import ast
import importlib
import inspect
import json
import re

import pytest
from colab_notebooks import CHECKOUT, COLAB, NAMES, PARAM, load, repository, sources

import emotionnet
from emotionnet.errors import UsageError
from emotionnet.training.config import DEFAULT_SYSTEM, home_of

each = pytest.mark.parametrize("name", NAMES)


def code(name: str) -> str:
    """A notebook's source: Python, in which lines for the notebook alone are comments."""
    return (COLAB / f"{name}.py").read_text(encoding="utf-8")


def test_these_are_all_of_them():
    assert {path.stem for path in COLAB.glob("*.ipynb")} == set(NAMES)
    assert {path.stem for path in COLAB.glob("*.py")} == {*NAMES, "make"}


@each
def test_a_notebook_is_what_its_source_makes(name):
    pytest.importorskip("jupytext", reason="jupytext is in the extra [test]")
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("make_notebooks", COLAB / "make.py")
    make = module_from_spec(spec)
    spec.loader.exec_module(make)
    made = make.notebook(COLAB / f"{name}.py")
    assert made == (COLAB / f"{name}.ipynb").read_text(encoding="utf-8"), "python colab/make.py"


@each
def test_nothing_of_a_run_is_in_it(name):
    for cell in load(name)["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@each
def test_it_begins_with_a_title_and_a_badge(name):
    first = sources(load(name), "markdown")[0]
    assert first.startswith("# ")
    owner = repository().removeprefix("https://github.com/")
    link = f"https://colab.research.google.com/github/{owner}/blob/main/colab/{name}.ipynb"
    badge = f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({link})"
    assert badge in first
    assert badge in (CHECKOUT / "README.md").read_text(encoding="utf-8")
    assert f"{repository()}/blob/main/docs/model_card.md" in first
    assert "AI Act" in first


@each
def test_links_into_the_repository_lead_somewhere(name):
    text = "\n".join(sources(load(name), "markdown"))
    inside = re.escape(repository()) + r"/blob/main/([\w./]+)"
    for path in re.findall(inside, text):
        assert (CHECKOUT / path).is_file(), path
    # A link without an address leads nowhere in Colab.
    assert not re.findall(r"\]\((?!https://)", text)
    for path in re.findall(r"colab\.research\.google\.com/[^)]*/(colab/\w+\.ipynb)\)", text):
        assert (CHECKOUT / path).is_file(), path


@each
def test_setup_is_one_cell_and_does_nothing_elsewhere(name):
    cells = sources(load(name), "code")
    setup = cells[0]
    assert setup.startswith("# @title Setup")
    assert setup == sources(load("quickstart"), "code")[0]
    assert f'REPOSITORY = "{repository()}"' in setup
    assert sum("google.colab" in cell for cell in cells) == 1
    guarded = setup.split('if "google.colab" in sys.modules:\n')[1]
    assert all(line.startswith("    ") for line in guarded.splitlines() if line.strip())
    assert "%pip" not in setup.split("google.colab")[0]
    assert "USE_DRIVE = False" in setup
    # It must not bring a TensorFlow of its own where there is one.
    assert not re.search(r"emotionnet\[[^]]*(cpu|gpu)", setup)


@each
def test_forms_say_what_can_be_chosen(name):
    lines = [line for cell in sources(load(name), "code") for line in cell.splitlines()]
    assert [line for line in lines if "@param" in line and not PARAM.match(line)] == []
    fields = [PARAM.match(line) for line in lines if "@param" in line]
    assert len({field["name"] for field in fields}) == len(fields)
    for field in fields:
        choices = field["form"].partition("@param ")[2]
        if choices.startswith("["):
            assert ast.literal_eval(field["value"]) in json.loads(choices)


def names_of(tree: ast.AST) -> dict[str, object]:
    """What a notebook's imports of this project bind."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {a.name: emotionnet for a in node.names if a.name == "emotionnet"}
        elif isinstance(node, ast.ImportFrom) and node.module.startswith("emotionnet"):
            module = importlib.import_module(node.module)
            for alias in node.names:
                if not hasattr(module, alias.name):
                    importlib.import_module(f"{node.module}.{alias.name}")
                names[alias.name] = getattr(module, alias.name)
    return names


def called(node: ast.expr, names: dict[str, object]):
    """The function of this project that an expression names; None for others."""
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Attribute):
        owner = called(node.value, names)
        if owner is emotionnet or inspect.ismodule(owner) or inspect.isclass(owner):
            return getattr(owner, node.attr)
    return None


def check_call(function, args, keywords: dict[str, None], whole: bool = True) -> None:
    """Binds the arguments; what is no argument of `fit` has to be a setting."""
    signature = inspect.signature(function)
    bound = (signature.bind if whole else signature.bind_partial)(*args, **keywords)
    for name in bound.arguments.get("fields", ()):
        home_of(name, DEFAULT_SYSTEM)


@each
def test_every_call_of_the_package_has_arguments_that_exist(name):
    tree = ast.parse(code(name))
    names = names_of(tree)
    checked = 0
    for node in ast.walk(tree):
        function = called(node.func, names) if isinstance(node, ast.Call) else None
        if function is None:
            continue
        if inspect.ismodule(function):  # a verb: `emotionnet.fit` is module and function
            function = getattr(function, function.__name__.rpartition(".")[2])
        keywords = {k.arg: None for k in node.keywords if k.arg}
        # What comes in by ** is not known here: only that what is written fits.
        check_call(function, node.args, keywords, whole=len(keywords) == len(node.keywords))
        checked += 1
    assert checked >= 3


@each
def test_every_command_it_tells_of_exists(name):
    notebook = load(name)
    text = "\n".join(sources(notebook, "markdown") + sources(notebook, "code"))
    for verb, words in re.findall(r"python -m emotionnet\.(\w+)([^\n`]*)", text):
        parser: argparse.ArgumentParser = getattr(emotionnet, verb).parser()
        known = {option for action in parser._actions for option in action.option_strings}
        assert {word for word in words.split() if word.startswith("--")} <= known


def test_the_check_of_calls_finds_an_argument_that_does_not_exist():
    broken = ast.parse("import emotionnet\nemotionnet.fit(no_such_argument=1)")
    call = next(node for node in ast.walk(broken) if isinstance(node, ast.Call))
    assert called(call.func, names_of(broken)) is emotionnet.fit
    with pytest.raises(UsageError, match="no_such_argument"):
        check_call(emotionnet.fit.fit, (), {"no_such_argument": None})
    with pytest.raises(TypeError):
        check_call(emotionnet.evaluate.evaluate, (), {"no_such_argument": None}, whole=False)
