"""The five landmarks that cut the face out, in units of the crop."""

from dataclasses import dataclass

import numpy as np

from emotionnet.clips.crop import in_crop_units
from emotionnet.clips.fields.field import Field, FieldValues


@dataclass(frozen=True)
class Landmarks5(Field):
    """Left eye, right eye, nose, left and right mouth corner, as seen in the picture."""

    name = "landmarks5"
    shape = (5, 2)
    meaning = (
        "eyes, nose and mouth corners as x, y in units of the crop (0, 0 its upper left corner, 1, 1 its "
        "lower right)"
    )

    def compute(self, parsed, row) -> FieldValues:
        landmarks = parsed["landmarks"]
        values = [in_crop_units(points, points) for points in landmarks]
        return FieldValues(parsed["times_s"], np.reshape(values, landmarks.shape))


FIELD = Landmarks5
