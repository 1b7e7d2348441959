"""The embeddings of a window: the outputs of a run's networks before the classes."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from emotionnet.inputs.kinds import FUSED, present, without
from emotionnet.systems.headless import headless
from emotionnet.training.unit import Learn, Unit, run_stages, unit_of


class Embedder:
    """Gives the features of windows, a vector for each stream and one for all together.

    A stream's vector comes from its own network where it has one; else from the network of all
    streams, shown this one alone. The fused vector comes from the network of all streams; where each
    stream has its own, it is theirs side by side, zeros for a stream that is not there.

    Args:
        model: of a run.
        config: of the run.
    """

    def __init__(self, model: keras.Model, config: Mapping[str, Any]):
        self.streams = tuple(config["streams"])
        stages = run_stages({**config, "joint": False})
        units = [unit_of(model, config, each) for each in stages if isinstance(each, Learn)]
        self._own = {
            unit.streams[0]: _Part(unit)
            for unit in units
            if len(unit.streams) == 1 and unit.streams[0] in self.streams
        }
        whole = [unit for unit in units if set(unit.streams) == set(self.streams)]
        self._whole = _Part(whole[-1]) if whole and len(self.streams) > 1 else None

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Kind → (windows, width) float32; NaN where a window lacks what it is made of.

        Args:
            inputs: of the model, by name.
        """
        there = {stream: present(inputs, stream) for stream in self.streams}
        alone = {stream: self._alone(inputs, stream) for stream in self.streams}
        if self._whole:
            fused = self._whole(inputs)
        else:
            fused = np.concatenate(
                [np.where(there[s][:, None], alone[s], 0) for s in self.streams], axis=1
            )
        any_there = np.any(list(there.values()), axis=0)
        found = {FUSED: np.where(any_there[:, None], fused, np.nan)}
        for stream, features in alone.items():
            found[stream] = np.where(there[stream][:, None], features, np.nan)
        return {kind: features.astype(np.float32) for kind, features in found.items()}

    def _alone(self, inputs: Mapping[str, np.ndarray], stream: str) -> np.ndarray:
        if stream in self._own:
            return self._own[stream](inputs)
        for other in self.streams:
            inputs = inputs if other == stream else without(inputs, other)
        return self._whole(inputs)


class _Part:
    """The network of a unit without its classifier."""

    def __init__(self, unit: Unit):
        self._inputs, self._network = unit.inputs, headless(unit.model)

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        given = {name: inputs[name] for name in self._inputs}
        features = np.asarray(self._network.predict_on_batch(given), np.float32)
        return features.reshape(len(features), -1)
