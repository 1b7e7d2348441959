"""The page in a real browser: keys, undo, autosave, and answers that survive what can go wrong."""

import threading

import numpy as np
import pytest
from browser import Browser, find_browser

from emotionnet.corpora.media import write_clip
from emotionnet.files import read_csv
from emotionnet.labelling.queue import Scored
from emotionnet.labelling.server import LabelServer
from emotionnet.labelling.session import Session

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        find_browser() is None, reason="no Chromium or Chrome here (apt-get install chromium)"
    ),
]
LABELS = ("neutral", "happy", "sad")
FILES = ("anna/a.mp4", "anna/b.avi", "bob/c.wav")


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    pool = tmp_path_factory.mktemp("pool")
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 255, (12, 48, 64, 3), np.uint8)
    sound = rng.normal(0, 0.05, 16000)
    write_clip(pool / FILES[0], frames, 12, sound)
    write_clip(pool / FILES[1], frames, 12, sound, picture_codec="mpeg4", sound_codec="pcm_s16le")
    write_clip(pool / FILES[2], samples=sound, sound_codec="pcm_s16le")
    return pool


@pytest.fixture
def serve(pool, tmp_path):
    """Starts a server for the labels of this test; may be called again after it was stopped."""
    servers = []

    def start():
        clips = [Scored(file, "1", "1", "r", 1.5 - i / 10) for i, file in enumerate(FILES)]
        session = Session(pool, tmp_path / "labels.csv", clips, LABELS, "r")
        server = LabelServer(session, "python -m emotionnet.fit …")
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        return server

    def stop(server):
        servers.remove(server)
        server.shutdown()
        server.server_close()

    start.stop = stop
    yield start
    for server in list(servers):
        stop(server)


@pytest.fixture
def browse(tmp_path):
    """Opens browsers on one profile, as one person does."""
    browsers = []

    def start():
        browsers.append(Browser(tmp_path / "profile"))
        return browsers[-1]

    yield start
    for browser in browsers:
        if browser._process.poll() is None:
            browser.close()


def labels(tmp_path):
    path = tmp_path / "labels.csv"
    return {r["file"]: r["emotion"] for r in read_csv(path)} if path.exists() else {}


SAVED = "document.querySelector('#save').innerText === 'All answers are saved'"


def at(number):
    return f"document.querySelector('#where').innerText.startsWith('Clip {number} of 3')"


def test_one_key_a_label_with_undo_skip_and_all_kinds_of_clips(serve, browse, tmp_path):
    server, browser = serve(), browse()
    browser.open(server.url)
    for number, width in ((1, 64), (2, 64), (3, 0)):
        browser.wait(at(number))
        video = "document.querySelector('video')"
        browser.wait(f"{video}.readyState >= 2 && {video}.videoWidth === {width}", 60)
        browser.wait(f"{video}.currentTime > 0.1")  # it plays by itself
        if number < 3:
            browser.press(str(number + 1))
    assert labels(tmp_path) == {FILES[0]: "happy", FILES[1]: "sad"}
    assert "sound only" in browser.text("#over")

    browser.press("u")
    browser.wait(at(2))
    browser.wait(SAVED)
    assert labels(tmp_path) == {FILES[0]: "happy"}
    browser.press("s")  # skip: no row, but decided
    browser.wait(at(3))
    browser.press("p")
    browser.type("carla")
    browser.press("1")  # in the field a digit is text
    browser.press("Enter")
    browser.press("1")
    browser.wait("!document.querySelector('#done').hidden")
    browser.wait(SAVED)
    assert labels(tmp_path) == {FILES[0]: "happy", FILES[2]: "neutral"}
    actors = {r["file"]: r["actor"] for r in read_csv(tmp_path / "labels.csv")}
    assert actors == {FILES[0]: "anna", FILES[2]: "carla1"}
    assert "1 skipped" in browser.text("#summary")

    browser.press("ArrowLeft")
    browser.press("ArrowLeft")
    browser.wait(at(2))
    browser.press("1")  # an answer can be changed
    browser.wait(SAVED)
    assert labels(tmp_path)[FILES[1]] == "neutral"
    browser.run("document.querySelector('#finish').click()")
    assert server.finished.wait(10)


def test_a_person_that_was_taken_out_does_not_come_back(serve, browse, tmp_path):
    server, browser = serve(), browse()
    browser.open(server.url)
    browser.wait(at(1))
    assert browser.run("document.querySelector('#actor').value") == "anna"
    browser.run("document.querySelector('#actor').value = ''")
    browser.press("2")
    browser.wait(at(2))
    browser.press("ArrowLeft")
    browser.wait(at(1))
    assert browser.run("document.querySelector('#actor').value") == ""
    browser.press("3")
    browser.wait(at(2))
    browser.wait(SAVED)
    (row,) = read_csv(tmp_path / "labels.csv")
    assert (row["emotion"], row["actor"]) == ("sad", "")


def test_a_closed_tab_and_a_new_start_lose_nothing(serve, browse, tmp_path):
    server, browser = serve(), browse()
    browser.open(server.url)
    browser.wait(at(1))
    browser.press("2")
    browser.wait(at(2))
    browser.close()
    serve.stop(server)
    assert labels(tmp_path) == {FILES[0]: "happy"}
    server, browser = serve(), browse()
    browser.open(server.url)
    browser.wait(at(2))  # resumes where it was left
    browser.press("ArrowLeft")
    browser.wait(at(1))
    pressed = "document.querySelector('#labels [aria-pressed=true]').dataset.label"
    assert browser.run(pressed) == "happy"


def test_answers_given_while_the_server_is_gone_are_saved_later(serve, browse, tmp_path):
    server, browser = serve(), browse()
    browser.open(server.url)
    browser.wait(at(1))
    serve.stop(server)
    browser.press("3")
    browser.wait(at(2))
    browser.wait("document.querySelector('#save').innerText.includes('1 answer waits')")
    assert "start the same command again" in browser.text("#save")
    assert labels(tmp_path) == {}
    browser.close()  # and even the browser goes
    server, browser = serve(), browse()
    browser.open(server.url)
    browser.wait(SAVED)
    browser.wait(at(2))
    assert labels(tmp_path) == {FILES[0]: "sad"}


def test_the_page_names_its_parts_for_those_who_do_not_see_it(serve, browse):
    browser = browse()
    browser.open(serve().url)
    unnamed = browser.run(
        "[...document.querySelectorAll('button, input, video, progress')].filter(e => !(e.innerText"
        " || e.ariaLabel || e.labels?.length || e.closest('label') || e.tagName === 'VIDEO')).length"
    )
    assert unnamed == 0
    assert browser.run("document.querySelector('#save').getAttribute('role')") == "status"
