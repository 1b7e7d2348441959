"""A network without its last step: what it has made of a clip, before that becomes classes."""

import keras

from emotionnet.errors import EmotionNetError
from emotionnet.keras_private import layers_inside
from emotionnet.layers import Committee
from emotionnet.systems.base import without_xla


def headless(model: keras.Model) -> keras.Model:
    """``model`` without the layers that turn features into classes, with the same weights.

    Those are called ``…classifier`` in every system. What follows them (means over time, masks) stays;
    the features of several networks that answer as one stand side by side. What else answers beside them is left out.

    Args:
        model: of inputs by name to logits.

    Returns:
        keras.Model of the same inputs to features (batch, width).

    Raises:
        EmotionNetError: it has no such layer.
    """
    taken = []

    def strip(network: keras.Model) -> keras.Model:
        for layer in network.layers:
            if isinstance(layer, Committee):  # what follows it takes answers
                network = keras.Model(network.input, layer.output, name=network.name)
        return keras.models.clone_model(
            network, clone_function=lambda layer: layer, call_function=call
        )

    def call(layer, *args, **kwargs):
        if layer.name.endswith("classifier"):
            taken.append(layer)
            return args[0]
        if isinstance(layer, Committee):
            return keras.layers.Concatenate(name=f"{layer.name}_features")(*args)
        inside = layers_inside(layer) if isinstance(layer, keras.Model) else ()
        if any(each.name.endswith("classifier") for each in inside):
            return strip(layer)(*args)
        return layer(*args, **kwargs)

    features = strip(model)
    if not taken:
        raise EmotionNetError(f"{model.name}: has no layer that turns features into classes.")
    return without_xla(features)
