"""The page of the demo bundle, made once, and browsers to open it in."""

import pytest
from browser import Browser, find_browser
from pages import BUNDLE, make_page


@pytest.fixture(scope="session")
def demo_page(tmp_path_factory):
    return make_page(BUNDLE, tmp_path_factory.mktemp("page") / "demo.html")


@pytest.fixture
def browse():
    """Opens a browser whose requests are watched."""
    if find_browser() is None:
        pytest.skip("no Chromium or Chrome here (apt-get install chromium)")
    browsers = []

    def start(*arguments, **size):
        browsers.append(Browser(arguments=arguments, **size))
        browsers[-1].watch_requests()
        return browsers[-1]

    yield start
    for browser in browsers:
        browser.close()
