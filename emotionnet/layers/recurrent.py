"""A recurrent layer whose masks may have gaps, on a GPU too."""

import keras


@keras.saving.register_keras_serializable(package="emotionnet")
class MaskedGRU(keras.layers.GRU):
    """`keras.layers.GRU` that never takes cuDNN's kernel, which a GPU offers.

    That kernel stops with an error where a mask has gaps, or where no step of a clip is valid: a face
    that is lost for a moment, or a clip without sound. Keras does not keep ``use_cudnn`` in the
    configuration, so copies (the backward half of a `Bidirectional`) and saved models would forget it.

    Args:
        units: width of the state.
        **kwargs: the other arguments of `keras.layers.GRU`.
    """

    def __init__(self, units: int, **kwargs):
        super().__init__(units, **{**kwargs, "use_cudnn": False})
