"""How fast the page of a bundle is in a real browser, and whether it keeps its memory.

    python benchmarks/page_speed.py [PAGE.html] [--openings 5] [--minutes 10] [--json FILE]

Opens the page in headless Chromium (of the tests), lets a drawn person smile into a camera that is a
file, and reads the page's own figures. Without a page, that of ``saved_models/demo_bundle`` is made.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests"))
sys.path.append(str(Path(__file__).parents[1] / "tests" / "web"))

import fake_media
import psutil
from browser import Browser

from emotionnet.corpora import demo
from emotionnet.files import write_json
from emotionnet.page import page

BUNDLE = Path(__file__).resolve().parents[1] / "saved_models" / "demo_bundle"
FIGURES = (
    "Object.fromEntries([...document.querySelectorAll('#figures tr')]"
    ".map(r => [r.cells[0].textContent, r.cells[1].textContent]))"
)
ACTOR = demo.Take(0, 12, "happy", 1)


def renderer(browser: Browser) -> psutil.Process:
    """The process that shows the page: the largest of its kind."""
    children = psutil.Process(browser.pid).children(recursive=True)
    shows = [child for child in children if "--type=renderer" in " ".join(child.cmdline())]
    return max(shows, key=lambda child: child.memory_info().rss)


def opened(path: Path, arguments: list[str]) -> tuple[Browser, dict[str, float]]:
    """A browser with the page ready: after how many seconds it was, and the processor time of that."""
    browser = Browser(arguments=arguments)
    for name in ("camera", "microphone"):
        browser.send("Browser.setPermission", permission={"name": name}, setting="granted")
    browser.open(path.resolve().as_uri())
    browser.wait("document.body.dataset.state === 'ready'", 60)
    used = renderer(browser).cpu_times()
    figures = browser.run(FIGURES)
    return browser, {
        "wall": float(figures["Ready after"].split()[0]),
        "processor": round(used.user + used.system, 2),
        "of which": figures["Of which"],
    }


def memory_mb(browser: Browser) -> dict[str, float]:
    """Of the page's JavaScript, and of the process that shows it."""
    browser.send("Performance.enable")
    metrics = {m["name"]: m["value"] for m in browser.send("Performance.getMetrics")["metrics"]}
    return {
        "heap_mb": round(metrics["JSHeapUsedSize"] / 1e6, 1),
        "process_mb": round(renderer(browser).memory_info().rss / 1e6, 1),
    }


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("page", type=Path, nargs="?")
    p.add_argument("--openings", type=int, default=5)
    p.add_argument("--minutes", type=float, default=10)
    p.add_argument("--json", type=Path)
    args = p.parse_args()
    with tempfile.TemporaryDirectory() as work:
        path = args.page or page(BUNDLE, Path(work, "page.html"))
        arguments = [
            fake_media.DEVICES,
            fake_media.camera(Path(work, "camera.y4m"), ACTOR),
            fake_media.microphone(Path(work, "microphone.wav"), ACTOR),
        ]
        ready = []
        for _ in range(args.openings):
            browser, found = opened(path, arguments)
            ready.append(found)
            browser.close()
        browser, _ = opened(path, arguments)
        browser.press("c")
        rows, begun = [], time.monotonic()
        while time.monotonic() - begun < 60 * args.minutes:
            time.sleep(min(30, 60 * args.minutes))
            minute = round((time.monotonic() - begun) / 60, 1)
            rows.append({"minute": minute, **memory_mb(browser), **browser.run(FIGURES)})
            print(rows[-1], flush=True)
        browser.close()
    result = {
        "page_mb": round(path.stat().st_size / 1e6, 2) if args.page else None,
        "ready_s": {
            "each": ready,
            **{
                key: statistics.median(each[key] for each in ready) for key in ("wall", "processor")
            },
        },
        "live": rows,
    }
    print(json.dumps(result, indent=2))
    if args.json:
        write_json(args.json, result)


if __name__ == "__main__":
    main()
