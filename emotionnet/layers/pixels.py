"""What older ImageNet networks want of pixels, as a layer, so that a model always takes RGB 0...255."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="emotionnet")
class ReverseChannels(keras.layers.Layer):
    """RGB to BGR and back: (..., channels) with the channels in reverse order."""

    def call(self, pictures):
        return ops.flip(pictures, axis=-1)

    def compute_output_shape(self, input_shape):
        return input_shape
