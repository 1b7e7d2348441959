"""``python colab/make.py``: makes the notebooks out of their sources, which are what is written and reviewed.

A source is a Python file with a comment before each cell (jupytext's percent format); lines that
only a notebook understands (``%pip``) are comments in it. The notebook beside it is what Colab
opens. ``tests/colab`` fails where the two do not agree.
"""

from pathlib import Path

import jupytext
import nbformat

HERE = Path(__file__).parent
SOURCES = sorted(path for path in HERE.glob("*.py") if path.name != "make.py")

#: Colab's names of the free kinds of runtime.
RUNTIMES = {"GPU": "T4", "TPU": "V5E1"}


def notebook(source: Path) -> str:
    """The notebook of a source, as JSON: the same text every time."""
    made = jupytext.read(source, fmt="py:percent")
    made.metadata.pop("jupytext", None)
    made.metadata["colab"] = {"provenance": [], "toc_visible": True}
    kind = RUNTIMES.get(made.metadata.get("accelerator"))
    if kind:
        made.metadata["colab"]["gpuType"] = kind
    made.nbformat, made.nbformat_minor = 4, 5
    for number, cell in enumerate(made.cells):
        cell["id"] = f"cell-{number:02d}"  # random ones would change with every making
    nbformat.validate(made)
    return nbformat.writes(made) + "\n"


if __name__ == "__main__":
    for path in SOURCES:
        path.with_suffix(".ipynb").write_text(notebook(path), encoding="utf-8")
        print(path.with_suffix(".ipynb"))
