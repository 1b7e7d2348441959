"""Keras layers in ``keras.ops`` alone: the same layer runs under TensorFlow and JAX, and exports.

Nothing is imported before it is asked for, so ``import emotionnet.layers`` loads no Keras.
`announce` is called as soon as Keras is imported by anybody, so that it can load saved models.
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
    "fitted": ("KernelProjection", "Projection", "Standardize"),
    "frame_audio": ("Derivatives", "Energy", "NeighbourContext"),
    "frames": ("AnyStep", "FoldFrames", "JoinSteps", "MaskedMean", "StepsPresent", "UnfoldFrames"),
    "fusion": ("LateFusion", "MeanLogProbability", "Otherwise", "WeightedSum"),
    "ghost": ("GhostBottleneck", "GhostModule"),
    "interest_points": ("CellHistogram", "InterestPoints"),
    "joined": ("JoinedFusion",),
    "landmarks": ("CentredLandmarks", "KeyFrames", "RegionAttention", "TakePoints"),
    "pitch": ("Pitch",),
    "pitch_statistics": ("PitchStatistics",),
    "pixels": ("ReverseChannels",),
    "pooling": ("AttentivePooling",),
    "recurrent": ("MaskedGRU",),
    "segments": ("GreyFaces", "KeepFeatures", "SegmentWindows", "TakeSegment"),
    "sound_vector": ("SoundVector",),
    "specaugment": ("SpectrogramAugment",),
    "spectrogram_statistics": ("SpectrogramStatistics",),
    "spectrogram_windows": ("SpectrogramWindows",),
    "speech_window": ("SpeechWindow",),
    "volume": ("ChannelAttention", "DepthMean", "DepthNeighbours", "SpatialAttention"),
    "wav2vec2": ("Wav2Vec2",),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [*_HOME]


def announce(keras) -> None:
    """Tells Keras the registered name of every layer, for ``keras.models.load_model``.

    A stand-in is registered that imports the layer when a saved model asks for it; the layer's own
    registration then takes its place. (To import the layers themselves would be too early: it may
    be one of them that imports Keras just now.)
    """
    for name in _HOME:
        keras.saving.register_keras_serializable("emotionnet", name)(_stand_in(name))


def _stand_in(name: str) -> type:
    class StandIn:
        @classmethod
        def from_config(cls, config):
            return __getattr__(name).from_config(config)

        def get_config(self):
            raise NotImplementedError

    return StandIn


def __getattr__(name: str):
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *__all__])
