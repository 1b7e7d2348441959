"""A bundle becomes one HTML file: runtime, models, golden clips and all, nothing fetched."""

import base64
import gzip
import hashlib
import json
import os
from collections.abc import Collection, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from emotionnet.cards.front_matter import without_front_matter
from emotionnet.deploy.bundle import Bundle
from emotionnet.deploy.detectors import detector_row
from emotionnet.deploy.golden import LIVE, inputs_of, is_live
from emotionnet.deploy.handoff_files import best_precision
from emotionnet.deploy.measure import MARGIN
from emotionnet.deploy.web import node
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.templates import render, script_data

#: The golden clips that go along: one with all, one without sound, one without a face.
GOLDEN = ("whole_1", "no_sound", "no_face")
#: LiteRT.js's build that runs in every browser with WebAssembly SIMD.
RUNTIME = "@litertjs/core/wasm/litert_wasm_compat_internal"
FINDER = "@mediapipe/face_detection/face_detection_short_range.tflite"


def build_page(bundle: str | os.PathLike) -> str:
    """The page of a bundle.

    Args:
        bundle: folder that `emotionnet.export` made.

    Returns:
        An HTML document that needs nothing but itself.

    Raises:
        UsageError: no bundle there, or one that a page cannot use live.
        EmotionNetError: the bundle is damaged, or there is no Node to make the page with.
    """
    folder = Path(bundle)
    opened = Bundle.open(folder)
    contract = opened.contract
    check_live(folder, contract["system"], inputs_of(contract["signatures"]))
    precision = best_precision(contract["files"])
    arrays, golden = golden_clips(folder, precision)
    modules = node.packages()
    files = {
        "runtime.js": modules / f"{RUNTIME}.js",
        "runtime.wasm": modules / f"{RUNTIME}.wasm",
        "finder": modules / FINDER,
    }
    parts = {name: packed(_read(path)) for name, path in files.items()}
    parts["model"] = packed(opened.read(contract["files"][precision]["file"]))
    parts |= {name: packed(plain(array)) for name, array in arrays.items()}
    facts = {
        "contract": contract,
        "golden": golden,
        "arrays": {name: str(array.dtype) for name, array in arrays.items()},
        "tolerance": contract["tolerances"][precision]["own"],
        "detector": detector_row(contract, "BlazeFace"),
        "margin": MARGIN,
    }
    with resources.as_file(resources.files("emotionnet.deploy.web") / "js") as scripts:
        script = node.one_script(scripts / "page.js")
    return _document(folder, contract, parts, facts, script)


def check_live(place: Path, system: str, takes: Mapping[str, Collection[str]]) -> None:
    """Fails where a page cannot use a model live.

    Args:
        place, system: of the model, for the message.
        takes: entry point → names of its inputs.

    Raises:
        UsageError: names what is missing.
    """
    if is_live(takes):
        return
    missing = [name for name in LIVE if name not in takes]
    wrong = f"has no {', '.join(missing)}" if missing else "takes other inputs there"
    raise UsageError(
        f"{place}: a page needs the entry points of live use, and system {system} {wrong}. "
        "ghost_fan has them all."
    )


def golden_clips(
    folder: Path, precision: str
) -> tuple[dict[str, np.ndarray], list[dict[str, Any]]]:
    """Arrays by name, each once, and the golden clips that are made of them."""
    from emotionnet.deploy import golden

    try:
        told = golden.read(folder)
        clips, arrays, names = [], {}, {}
        for clip in (name for name in GOLDEN if name in told):
            inputs = {}
            with np.load(folder / told[clip]["inputs"], allow_pickle=False) as file:
                for key, array in file.items():
                    digest = hashlib.sha256(array.tobytes() + str(array.dtype).encode()).hexdigest()
                    inputs[key] = names.setdefault(digest, f"golden.{len(names)}")
                    arrays[inputs[key]] = array
            expected = told[clip]["expected"][precision]["live"]
            clips.append({"name": clip, "inputs": inputs, "expected": expected})
    except (OSError, ValueError, KeyError) as error:
        raise EmotionNetError(f"{folder / golden.FOLDER}: cannot be read ({error}).") from None
    if not clips:
        raise EmotionNetError(f"{folder / golden.EXPECTED}: holds none of {', '.join(GOLDEN)}.")
    return arrays, clips


def plain(array: np.ndarray) -> bytes:
    """Little-endian; of colours the difference to the pixel before, which packs better."""
    values = np.ravel(array).astype(array.dtype.newbyteorder("<"))
    if array.dtype == np.uint8:
        values[3:] = values[3:] - np.ravel(array)[:-3]
    return values.tobytes()


def packed(data: bytes) -> str:
    """Bytes as text of a page: `payload.js` reads it."""
    return base64.b85encode(gzip.compress(data, 9, mtime=0)).decode()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise EmotionNetError(f"{path}: cannot be read ({error.strerror}).") from None


def _document(
    folder: Path,
    contract: Mapping[str, Any],
    parts: Mapping[str, str],
    facts: Mapping[str, Any],
    script: str,
) -> str:
    style = render("look.css") + render("page.css")
    card, forbidden = _card(folder)
    script = script.replace("</script", "<\\/script")
    streams = contract["fusion"]["streams"]
    senses = {"faces": "face", "speech": "voice"}
    return render(
        "page.html",
        name=contract["name"],
        senses=" and ".join(senses.get(stream, stream) for stream in streams),
        drawn=contract["provenance"].get("label_kind") == "drawn",
        face_size=contract["faces"]["size"],
        policy=_policy(style, script),
        style=Markup(style),
        card=card,
        forbidden=forbidden,
        parts={name: Markup(text) for name, text in parts.items()},
        facts=script_data(json.dumps(facts, allow_nan=False)),
        script=Markup(script),
    )


def _policy(style: str, script: str) -> str:
    """The Content-Security-Policy: no connection of any kind, and no code but the page's own."""

    def checksum(text: str) -> str:
        return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

    return "; ".join(
        [
            "default-src 'none'",
            "connect-src 'none'",
            # LiteRT.js's own loader is started as a blob, what listens to the sound as data.
            f"script-src 'sha256-{checksum(script)}' 'wasm-unsafe-eval' blob: data:",
            f"style-src 'sha256-{checksum(style)}'",
            "img-src data: blob:",
            "media-src blob: mediastream:",
            "form-action 'none'",
            "base-uri 'none'",
        ]
    )


def _card(folder: Path) -> tuple[Markup, Markup]:
    """The model card as HTML, and its part about forbidden uses."""
    from markdown_it import MarkdownIt

    text = without_front_matter(_read(folder / "MODEL_CARD.md").decode("utf-8"))
    before, heading, after = text.partition("\n## Forbidden uses")
    # HTML in the card stays text.
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    forbidden = heading + after if heading else "## Forbidden uses\n\nThe model card names none."
    return Markup(markdown.render(before)), Markup(markdown.render(forbidden))
