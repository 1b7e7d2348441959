"""A deploy form to ``.tflite`` files, by way of a SavedModel with named entry points."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from emotionnet.deploy.compact import compact
from emotionnet.deploy.litert import operators
from emotionnet.deploy.quantize import quantised_layers, to_dynamic, to_float16, to_int8
from emotionnet.deploy.recurrent import before_recurrence, with_ranges, with_unique_names
from emotionnet.deploy.signatures import Signature, entry_of, signatures, taken_apart
from emotionnet.errors import EmotionNetError
from emotionnet.inputs.kinds import STREAMS, present
from emotionnet.keras_private import only_calibrate


def save(form: keras.Model, folder: str | os.PathLike, system: str = "") -> dict[str, Callable]:
    """Writes a SavedModel with the entry points of ``form`` (of a ``system``), batch 1, every shape fixed.

    Returns:
        The entry points by name: concrete functions of TensorFlow.
    """
    return _save(folder, signatures(form, system))


def _save(folder: str | os.PathLike, entries: Sequence[Signature]) -> dict[str, Callable]:
    # Keras's own archive traces every entry point twice.
    traced = {entry.name: _traced(entry) for entry in entries}
    holder = tf.Module()
    holder.used = [function.variables for function in traced.values()]
    tf.saved_model.save(holder, os.fspath(folder), signatures=traced)
    return traced


def _traced(entry: Signature) -> Callable:
    inputs = [
        tf.TensorSpec(shape, dtype, name=name) for name, (shape, dtype) in entry.inputs.items()
    ]
    return tf.function(
        entry.function, input_signature=inputs, autograph=False
    ).get_concrete_function()


def write(
    form: keras.Model,
    folder: str | os.PathLike,
    precisions: Sequence[str],
    calibration: Mapping[str, np.ndarray] | None = None,
    say: Callable[[str], None] = lambda step: None,
    system: str = "",
) -> dict[str, list[str]]:
    """Writes ``<precision>.tflite`` for each precision, from ``folder/saved_model``.

    Args:
        form: the deploy form that was saved there.
        folder: where to write.
        precisions: of `emotionnet.deploy.convert.PRECISIONS`.
        calibration: the inputs of real clips, (clips, ...); for int8.
        say: called with what is done next.
        system: of the form; by default its name.

    Returns:
        The layers that int8 quantises, see `emotionnet.deploy.quantize.quantised_layers`.

    Raises:
        EmotionNetError: an operation that TensorFlow Lite's builtins do not have.
    """
    folder = Path(folder)
    names = [entry.name for entry in signatures(form, system)]
    layers = quantised_layers(form)
    if not layers and set(precisions) - {"float32"}:
        raise EmotionNetError(
            "this system has no network that is known to bear fewer bits. Export it with "
            "--precisions float32,onnx, or name the network in emotionnet/deploy/quantize.py."
        )
    files = {}
    part = before_recurrence(form)
    if set(precisions) - {"int8"} or part is not None:
        say("converting to float32")
        plain = _convert(folder / "saved_model", names)
        files["float32"] = compact(plain)
    for precision, make in (("float16", to_float16), ("dynamic", to_dynamic)):
        if precision in precisions:
            say(f"converting to {precision}")
            files[precision] = make(with_unique_names(plain), layers)
    if "int8" in precisions:
        say("calibrating int8")
        if part is None:
            samples = calibration_samples(form, calibration, system)
            calibrated = _convert(folder / "saved_model", names, lambda: samples)
        else:
            calibrated = with_ranges(plain, _calibrate_part(part, folder, calibration), layers)
        say("converting to int8")
        files["int8"] = compact(to_int8(calibrated, layers))
    for precision in precisions:
        check_builtin(files[precision])
        (folder / f"{precision}.tflite").write_bytes(files[precision])
    return layers


def _calibrate_part(part: keras.Model, folder: Path, clips: Mapping[str, np.ndarray]) -> bytes:
    """A float file of what stands before recurrent layers, with the ranges that whole clips gave."""
    whole = entry_of("classify", part)
    _save(folder / "before_recurrence", [whole])
    samples = [
        (whole.name, {name: clips[name][i : i + 1] for name in whole.inputs})
        for i in range(_count(clips))
    ]
    return _convert(folder / "before_recurrence", [whole.name], lambda: samples)


def _convert(saved: Path, names: Sequence[str], samples: Callable | None = None) -> bytes:
    converter = tf.lite.TFLiteConverter.from_saved_model(os.fspath(saved), signature_keys=names)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if samples is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = samples
        # Float operators that carry their ranges: quantising comes next, with names excluded.
        only_calibrate(converter)
    try:
        return converter.convert()
    except Exception as error:  # the converter raises several kinds, with the operators in the text
        flex = [line.strip() for line in str(error).splitlines() if "tf." in line or "Flex" in line]
        reason = (flex or str(error).splitlines() or [repr(error)])[0][:300]
        raise EmotionNetError(
            f"the model uses what TensorFlow Lite's builtin operators do not have: {reason}. Write "
            "the layer with other operations of keras.ops."
        ) from error


def check_builtin(content: bytes) -> None:
    """Raises EmotionNetError where a file needs Flex or other operators outside the builtins."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    strange = sorted({op["op"] for op in operators(model) if not op["builtin"]})
    if strange:
        raise EmotionNetError(
            f"the model needs {', '.join(strange)}, which is no builtin operator of TensorFlow "
            "Lite. Write that layer with other operations of keras.ops."
        )


def calibration_samples(
    form: keras.Model, clips: Mapping[str, np.ndarray], system: str = ""
) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """What calibration runs: every moment and every sound once, each through its own entry point.

    ``classify`` shares the ranges (see `emotionnet.deploy.quantize`), so it sees two clips only where all
    networks have entry points of their own.
    """
    entries = {entry.name: entry for entry in signatures(form, system)}
    apart = taken_apart(form, system)
    whole = [
        {name: values[i : i + 1] for name, values in clips.items()} for i in range(_count(clips))
    ]
    by_parts = apart is not None and bool(apart.windows)
    for clip in whole[:2] if by_parts else whole:
        yield "classify", clip
    seen = {"classify"}
    for clip in whole if apart else ():
        for step in apart.moments:
            for moment in _moments(form, clip):
                if any(np.any(moment[STREAMS[stream].moment[1]]) for stream in step.streams):
                    seen.add(step.name)
                    yield step.name, {name: moment[name] for name in entries[step.name].inputs}
        for name in ("front_end", *(step.name for step in apart.windows)):
            if name in entries and present(clip, "speech")[0]:
                seen.add(name)
                yield name, {key: clip[key] for key in entries[name].inputs}
    # A stream that no clip has (it was not trained) still needs ranges to become int8.
    for name in entries.keys() - seen:
        yield name, {key: np.zeros(*spec) for key, spec in entries[name].inputs.items()}


def _moments(form: keras.Model, clip: Mapping[str, np.ndarray]) -> Iterator[dict]:
    """The moments of a clip as its own model cuts them, each with batch 1."""
    parts = {}
    for kind in STREAMS.values():
        content, mask = kind.moment
        if kind.content.name in clip and len(kind.presence.shape):
            parts |= {content: clip[kind.content.name], mask: clip[kind.presence.name]}
    cutter = next((layer for layer in form.layers if layer.name == "windows"), None)
    if cutter is not None:
        windows, mask = cutter(clip["waveform"], clip["waveform_samples"])
        parts |= {"window": np.asarray(windows), "window_mask": np.asarray(mask)}
    for i in range(min(values.shape[1] for values in parts.values())):
        yield {name: values[:, i] for name, values in parts.items()}


def _count(clips: Mapping[str, np.ndarray]) -> int:
    return len(next(iter(clips.values())))
