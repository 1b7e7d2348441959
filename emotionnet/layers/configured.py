"""A layer that keeps its arguments under their own names."""

import inspect

import keras


class Configured(keras.layers.Layer):
    """A layer whose configuration is what its ``__init__`` takes: each argument is an attribute of its name."""

    def __init__(self, **kwargs):  # of a layer that takes nothing of its own
        super().__init__(**kwargs)

    def get_config(self):
        taken = inspect.signature(type(self).__init__).parameters
        own = [name for name in taken if name not in ("self", "args", "kwargs")]
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}
