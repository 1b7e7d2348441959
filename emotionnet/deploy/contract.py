"""``contract.json``: all that a developer must know to call the model, as data."""

from collections.abc import Mapping, Sequence
from typing import Any

from emotionnet.clips import SAMPLE_RATE
from emotionnet.clips.sound import SILENCE_STEPS
from emotionnet.deploy.bundle import FORMAT
from emotionnet.deploy.detectors import DETECTORS
from emotionnet.inputs.kinds import FUSED_OUTPUT, INPUTS, STREAMS

#: What every tensor of every entry point means, and its range.
MEANING: dict[str, tuple[str, Sequence[float] | None]] = {
    **{each.name: (each.meaning, each.bounds) for each in INPUTS.values()},
    "face": ("RGB pixels of one face crop", (0, 255)),
    "face_mask": ("1 where the segment has a face, else 0", (0, 1)),
    "window": (
        "mono sound at 16 kHz around the segment's middle; zeros where there is none",
        (-1, 1),
    ),
    "window_mask": ("1 where the segment has sound, else 0", (0, 1)),
    "embedding": ("features of one face, or of one segment", None),
    "embeddings": ("features of the faces, in the order of time; any number where masked", None),
    "speech_logits": ("answer of the speech stream before softmax, over its own classes", None),
    "features": ("audio features (frame, coefficient), float32 in every precision", None),
    "points": ("68 points (x, y) of one face in units of its crop", None),
    "points_mask": ("1 where the points are known, else 0", (0, 1)),
    FUSED_OUTPUT: ("fused answer, in the order of the labels", (0, 1)),
    **{
        kind.output: (f"answer from {kind.alone}; uniform where there is none", (0, 1))
        for kind in STREAMS.values()
    },
}

_FUSION = {
    "GM": "geometric mean: softmax of the mean of the streams' log probabilities",
    "AM": "arithmetic mean of the streams' probabilities",
}
#: Of streams that were trained apart, see `emotionnet.layers.JoinedFusion`.
_JOINED = (
    "; before, a stream takes the other's probability for a class that it does not know, and shares what "
    "remains of 1 among its own"
)
_ABSENT = "a stream that is absent has no say: the fused answer is the other's"


def make_contract(
    *,
    name: str,
    labels: Sequence[str],
    system: str,
    system_config: Mapping[str, Any],
    front_end: Mapping[str, Any] | None,
    files: Mapping[str, Mapping[str, Any]],
    signatures: Mapping[str, Mapping[str, Any]],
    tolerances: Mapping[str, Mapping[str, float]],
    provenance: Mapping[str, Any],
    versions: Mapping[str, str],
    minimum_runtime: str,
    crop_sensitivity: Mapping[str, Any] | None = None,
    faces_hz: float = 0.0,
) -> dict[str, Any]:
    """The contract as plain data.

    Args:
        name: of the run.
        labels: in the order of the outputs.
        system, system_config: what the model is.
        front_end: configuration of the audio front-end; None where the model has none.
        files: precision → ``file``, ``bytes``, ``float32_parts``.
        signatures: as `emotionnet.deploy.litert.LiteModel.signatures` gives them; the same in all files.
        tolerances: precision → the largest difference allowed on the golden clips.
        provenance: corpus, licence, protocol and what else says where the model comes from.
        versions: of the packages that made the files.
        minimum_runtime: the oldest TensorFlow Lite runtime that has the operators.
        crop_sensitivity: of `emotionnet.deploy.jitter`; None where it was not measured.
        faces_hz: ``frame_hz`` of the `emotionnet.inputs.views.View` of the run.
    """
    shapes = {tensor["name"]: tensor["shape"] for tensor in signatures["classify"]["inputs"]}
    (_, frames, size, *_), (_, samples) = shapes["faces"], shapes["waveform"]
    return {
        "format": FORMAT,
        "name": name,
        "system": system,
        "labels": list(labels),
        "files": {key: dict(value) for key, value in files.items()},
        "signatures": {key: _described(value) for key, value in signatures.items()},
        "faces": {
            "frames": frames,
            "size": size,
            "colour": "RGB",
            "dtype": "uint8",
            "scaling": "none: the model scales 0...255 by itself",
            "rate_hz": faces_hz,
            "pick": _pick(frames, faces_hz),
        },
        "sound": {
            # Of records and clips, whatever rate a system's filters were built for.
            "sample_rate_hz": SAMPLE_RATE,
            "channels": 1,
            "samples": samples,
            "window_s": samples / SAMPLE_RATE,
            "padding": "zeros after the end; the true length goes into waveform_samples",
            "scaling": "16-bit samples divided by 32768",
            "silence": f"no sample above {SILENCE_STEPS}/32768 (a microphone that is off) is no sound: "
            "waveform_samples 0",
        },
        "crop": {
            **crop_rule(size),
            "detectors": [dict(row) for row in DETECTORS],
            "sensitivity": dict(crop_sensitivity) if crop_sensitivity else None,
        },
        "fusion": {
            "mode": system_config.get("fusion"),
            "rule": _fusion(system_config),
            "absent": _ABSENT,
            "streams": list(system_config.get("streams", ("faces", "speech"))),
        },
        "front_end": dict(front_end) if front_end else None,
        "tolerances": {key: dict(value) for key, value in tolerances.items()},
        "system_config": {
            k: list(v) if isinstance(v, tuple) else v for k, v in system_config.items()
        },
        "provenance": dict(provenance),
        "versions": dict(versions),
        "minimum_runtime": minimum_runtime,
    }


def _fusion(system_config: Mapping[str, Any]) -> str:
    rule = _FUSION.get(system_config.get("fusion"), "inside the model")
    called = [system_config.get(stream) for stream in STREAMS]
    known = [set(each["called"].values()) - {""} for each in called if isinstance(each, Mapping)]
    return rule + _JOINED if any(each != known[0] for each in known) else rule


def _pick(frames: int, faces_hz: float) -> str:
    end = "the window's end, or the last frame's where that is sooner"
    cut = f"cut the window, up to {end}, into {frames} equal segments"
    none = "no face within half a segment, or half a frame where that is longer"
    if faces_hz:
        cut = f"{frames} segments of {1 / faces_hz:.4g} s from the window's beginning on, however short the clip is"
        none += f", or a segment's middle beyond {end}"
    return (
        f"{cut}; of each, the frame with a face whose middle is nearest to the segment's, of two the earlier; "
        "a frame lasts the mean distance of the clip's frames, a single one 1/30 s, and frames further apart "
        f"than segments stand for several; {none}: mask 0"
    )


def _meaning(name: str) -> tuple[str, Sequence[float] | None]:
    return MEANING.get(name, ("passed on from one entry point to the next", None))


def crop_rule(size: int) -> dict[str, Any]:
    """The rule of `emotionnet.clips.crop`, as numbers and word for word, for faces of ``size``."""
    from emotionnet.clips import crop

    text = crop.__doc__.split("\n\n", 1)[1].strip()
    return {
        **crop.CROP_CONFIG,
        "size": size,
        "margin": "none beyond the side: it reaches from the forehead to below the chin",
        "points": ["left eye", "right eye", "left mouth corner", "right mouth corner"],
        "points_are": "as seen in the upright picture: the left eye is the one at smaller x",
        "rule": text.replace(f"{crop.CROP_SIZE} by {crop.CROP_SIZE}", f"{size} by {size}"),
    }


def _described(signature: Mapping[str, Any]) -> dict[str, Any]:
    return {
        side: [
            {
                **tensor,
                "range": list(bounds) if (bounds := _meaning(tensor["name"])[1]) else None,
                "meaning": _meaning(tensor["name"])[0],
            }
            for tensor in signature[side]
        ]
        for side in ("inputs", "outputs")
    }
