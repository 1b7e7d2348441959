"""Keras layers in ``keras.ops`` alone: the same layer runs under TensorFlow and JAX, and exports.

Nothing is imported before it is asked for, so ``import emotionnet.layers`` loads no Keras.
`register` imports everything, which loading a saved model needs.
"""

import importlib

_MODULES = {
    "attention": ("FrameAttention", "TripletAttention"),
    "audio": ("LogMelSpectrogram", "MFCC"),
    "committee": ("Committee",),
    "cross_attention": (
        "AbsentSteps",
        "CrossAttentionBlock",
        "MaskedAttention",
        "SelfAttentionBlock",
    ),
    "fitted": ("Projection", "Standardize"),
    "frame_audio": ("Derivatives", "Energy", "NeighbourContext"),
    "frames": ("FoldFrames", "MaskedMean", "UnfoldFrames"),
    "fusion": ("LateFusion",),
    "ghost": ("GhostBottleneck", "GhostModule"),
    "pitch": ("Pitch",),
    "pixels": ("ReverseChannels",),
    "pooling": ("AttentivePooling",),
    "segments": ("GreyFaces", "KeepFeatures", "SegmentWindows", "TakeSegment"),
    "specaugment": ("SpectrogramAugment",),
    "speech_window": ("SpeechWindow",),
    "wav2vec2": ("Wav2Vec2",),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [*_HOME, "register"]


def register() -> None:
    """Makes every layer known to Keras by its registered name, as loading a model needs it."""
    for module in _MODULES:
        importlib.import_module(f"{__name__}.{module}")


def __getattr__(name: str):
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *__all__])
