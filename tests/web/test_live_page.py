"""The page in a real browser: camera and microphone, files, and all that can be missing."""

import json
import shutil

import cv2
import fake_media
import numpy as np
import pytest
from pages import BUNDLE, make_page

from emotionnet.corpora import demo
from emotionnet.corpora.media import write_clip
from emotionnet.notebook import show_page

pytestmark = pytest.mark.slow
HAPPY = demo.Take(0, 12, "happy", 1)


def state(*names):
    return f"{list(names)}.includes(document.body.dataset.state)"


def says(selector, text):
    return f"document.querySelector({selector!r}).textContent.includes({json.dumps(text)})"


def open_page(browser, path):
    browser.open(path.as_uri())
    browser.wait(state("ready", "refused"), 60)


def permit(browser, setting):
    for name in ("camera", "microphone"):
        browser.send("Browser.setPermission", permission={"name": name}, setting=setting)


def open_with_devices(browse, page, folder):
    """A browser in which the page may use a camera and a microphone, of files in ``folder``."""
    browser = browse(
        fake_media.DEVICES,
        fake_media.camera(folder / "camera.y4m", HAPPY),
        fake_media.microphone(folder / "microphone.wav", HAPPY),
    )
    permit(browser, "granted")
    open_page(browser, page)
    return browser


def go_away_and_return(browser):
    other = browser.send("Target.createTarget", url="about:blank")["targetId"]
    browser.wait("document.hidden", 20)
    assert "in the background" in browser.text("#notes")
    browser.send("Target.closeTarget", targetId=other)
    browser.send("Page.bringToFront")
    browser.wait("!document.hidden")


def nothing_was_sent(browser):
    return all(url.startswith(("file:", "blob:", "data:")) for url in browser.requests.values())


def test_camera_and_microphone(demo_page, browse, tmp_path):
    browser = open_with_devices(browse, demo_page, tmp_path)
    assert browser.text("#check").startswith("Answers as on the PC: largest difference")
    assert "This model has seen no people" in browser.text("header")
    assert "nothing is sent" in browser.text("#start")

    browser.press("c")
    browser.wait(says("#headline", "happy"), 30)
    browser.wait("document.querySelectorAll('#bars .bar').length === 24")
    # Both, the face and the voice, each by itself.
    bars = "document.querySelectorAll('#bars tr.best .bar')"
    browser.wait(f"[...{bars}].every(bar => parseFloat(bar.style.width) > 30)")
    assert browser.text("#notes") == ""
    crop = "[...document.querySelector('#crop').getContext('2d').getImageData(0, 0, 112, 112).data]"
    assert np.std(browser.run(crop)) > 20
    browser.wait(says("#summary", "happy"))

    # One stream by itself.
    browser.run("document.querySelector('input[value=speech]').click()")
    browser.wait("document.querySelectorAll('#bars .bar.speech.chosen').length === 8")
    browser.run("document.querySelector('input[value=probabilities]').click()")

    # In the background it pauses, and afterwards starts anew.
    go_away_and_return(browser)
    browser.wait("document.querySelector('#notes').textContent === ''")
    browser.wait(says("#headline", "happy"))

    # The browser itself keeps the page from sending, whatever the page tries.
    with pytest.raises(RuntimeError, match="Failed to fetch"):
        browser.run("fetch('https://example.org/')")
    browser.run("new Image().src = 'https://example.org/face.png'")
    browser.press("s")
    browser.wait(state("ready"))
    assert "https://example.org/face.png" in browser.blocked
    assert nothing_was_sent(browser)


def test_what_of_camera_and_microphone_is_missing(demo_page, browse, tmp_path):
    browser = open_with_devices(browse, demo_page, tmp_path)
    keep = "self.real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);"
    lose = (
        "navigator.mediaDevices.getUserMedia = (wish) => %s in wish"
        " ? Promise.reject(new DOMException('', %r)) : self.real(wish)"
    )
    browser.run(keep)
    browser.run(lose % ("'audio'", "NotFoundError"))
    browser.press("c")
    browser.wait(says("#notes", "There is no microphone. Answers come from the face alone."))
    browser.wait(says("#headline", "happy"), 20)
    browser.press("s")
    browser.run(lose % ("'video'", "NotReadableError"))
    browser.press("c")
    browser.wait(says("#notes", "The camera is taken by another program."))
    browser.wait(says("#headline", "%"), 20)  # from the voice
    browser.press("s")
    browser.run("navigator.mediaDevices.getUserMedia = (wish) => self.real(wish)")
    permit(browser, "denied")
    browser.press("c")
    browser.wait(says("#trouble", "The browser refused camera and microphone."))
    assert browser.run(state("ready"))


def test_files(demo_page, browse, tmp_path):
    clip, sound = tmp_path / "happy.mp4", tmp_path / "voice.wav"
    write_clip(clip, demo.frames(HAPPY), demo.FPS, demo.samples(HAPPY), demo.SAMPLE_RATE)
    fake_media.microphone(sound, HAPPY)
    face = list(demo.frames(HAPPY))[15][..., ::-1]
    cv2.imwrite(str(tmp_path / "face.png"), face)
    small = cv2.resize(face, None, fx=0.6, fy=0.6)
    two = np.hstack([face, cv2.copyMakeBorder(small, 0, 72, 0, 0, cv2.BORDER_REPLICATE)])
    cv2.imwrite(str(tmp_path / "two.png"), two)
    cv2.imwrite(str(tmp_path / "none.png"), np.full((90, 120, 3), 128, np.uint8))
    (tmp_path / "broken.mp4").write_bytes(b"no video" * 99)
    (tmp_path / "broken.png").write_bytes(b"no picture" * 99)

    browser = browse()
    open_page(browser, demo_page)
    browser.press("c")
    browser.wait(says("#trouble", "There is no camera. There is no microphone."))

    browser.choose_file("#file", clip)
    browser.wait(state("ended"), 30)
    assert "happy" in browser.text("#headline")
    assert browser.text("#source") == "happy.mp4"
    assert browser.run("document.querySelector('#trouble').hidden")
    browser.press("r")  # once more, from a closed file
    browser.wait(state("running"))
    browser.press(" ")
    browser.wait("document.querySelector('#play video').paused")
    go_away_and_return(browser)
    assert browser.run("document.querySelector('#play video').paused")
    browser.press(" ")
    browser.wait(state("ended"), 30)

    browser.choose_file("#file", sound)
    browser.wait(state("ended"), 30)
    assert "No face lately" in browser.text("#notes")
    assert "sound only" in browser.text("#play")
    assert "%" in browser.text("#headline")

    browser.choose_file("#file", tmp_path / "face.png")
    browser.wait(says("#notes", "No sound: the answer is the face's."))
    assert "%" in browser.text("#headline")
    browser.choose_file("#file", tmp_path / "two.png")
    browser.wait(says("#notes", "More than one face: the largest one counts."))
    browser.choose_file("#file", tmp_path / "none.png")
    browser.wait(says("#notes", "Neither a face nor sound"))
    assert "Nothing to answer from" in browser.text("#headline")

    for name in ("broken.mp4", "broken.png"):
        browser.choose_file("#file", tmp_path / name)
        browser.wait(says("#trouble", f"{name}: this browser cannot"))
        assert browser.run(state("ready"))
    assert nothing_was_sent(browser)


def test_what_is_taken_while_the_last_thing_begins(demo_page, browse, tmp_path):
    """At the very moment at which the page shows the last thing."""
    cv2.imwrite(str(tmp_path / "face.png"), list(demo.frames(HAPPY))[15][..., ::-1])
    browser = open_with_devices(browse, demo_page, tmp_path)
    once = """new MutationObserver((_, observer) => {
      if (document.body.dataset.state !== "running") return;
      observer.disconnect();
      %s;
    }).observe(document.body, {attributes: true})"""
    # A picture after a picture: the second is answered from its own face.
    browser.run(
        """document.querySelector("#file").addEventListener("change", (event) => {
          self.chosen = event.target.files[0];
        }, {capture: true})"""
    )
    drop = """const data = new DataTransfer();
      data.items.add(self.chosen);
      dispatchEvent(new DragEvent("drop", {dataTransfer: data}))"""
    browser.run(once % drop)
    browser.choose_file("#file", tmp_path / "face.png")
    browser.wait(says("#notes", "No sound: the answer is the face's."))
    browser.wait(state("running"))
    assert browser.text("#trouble") == ""

    # A camera that is stopped before its first picture.
    browser.press("s")
    browser.run(once % 'document.querySelector("#stop").click()')
    browser.press("c")
    browser.wait("document.querySelector('#play video')", 20)
    browser.run("new Promise((resolve) => setTimeout(resolve, 1000))")
    assert browser.run(state("ready"))
    assert browser.text("#trouble") == ""


def test_a_wrong_bundle_and_an_old_browser_are_refused_and_a_notebook_is_not(
    demo_page, browse, tmp_path
):
    shutil.copytree(BUNDLE, tmp_path / "wrong")
    expected = tmp_path / "wrong" / "golden" / "expected.json"
    told = json.loads(expected.read_text())
    told["whole_1"]["expected"]["int8"]["live"]["probabilities"][0] += 0.2
    expected.write_text(json.dumps(told))
    browser = browse()
    open_page(browser, make_page(tmp_path / "wrong", tmp_path / "wrong.html"))
    assert browser.run(state("refused"))
    assert "on the golden clip whole_1 it is 0.2 off, and 0.05 is allowed" in browser.text(
        "#trouble"
    )
    assert browser.run("document.querySelector('#start').hidden")
    browser.press("c")
    assert browser.run(state("refused"))

    frame = tmp_path / "notebook.html"
    frame.write_text(f"<!doctype html>{show_page(demo_page)._repr_html_()}", encoding="utf-8")
    browser.open(frame.as_uri())
    inside = "document.querySelector('iframe').contentDocument.body"
    browser.wait(f"{inside}.dataset.state === 'ready'", 60)

    old = "WebAssembly.validate = () => false"
    browser.send("Page.addScriptToEvaluateOnNewDocument", source=old)
    open_page(browser, demo_page)
    assert "This browser is too old" in browser.text("#trouble")
