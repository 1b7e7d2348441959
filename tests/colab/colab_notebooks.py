"""What the tests of notebooks share: their cells, and a copy with other choices in its forms."""

import configparser
import json
import re
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
COLAB = CHECKOUT / "colab"
NAMES = ("quickstart", "ravdess", "your_own_clips", "tpu")
#: A choice of a form: ``EPOCHS = 12  # @param {type:"integer"}``.
PARAM = re.compile(r"^(?P<name>[A-Z_]+) = (?P<value>.+?)(?P<form>  # @param .+)$", re.M)


def repository() -> str:
    """The one address of the project."""
    config = configparser.ConfigParser()
    config.read(CHECKOUT / "setup.cfg")
    return config["metadata"]["url"]


def load(name: str) -> dict:
    """The notebook as JSON."""
    return json.loads((COLAB / f"{name}.ipynb").read_text(encoding="utf-8"))


def sources(notebook: dict, kind: str) -> list[str]:
    """The text of its cells of one kind, ``code`` or ``markdown``."""
    return ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == kind]


def patched(text: str, choices: dict) -> str:
    """The text with other values in its forms; every choice must be there, once."""
    left = dict(choices)

    def other(match: re.Match) -> str:
        name = match["name"]
        if name not in choices:
            return match[0]
        return f"{name} = {left.pop(name)!r}{match['form']}"

    text = PARAM.sub(other, text)
    assert not left, f"no such form field, or twice: {sorted(left)}"
    return text
