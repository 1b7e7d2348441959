"""Where something moves in a clip of faces: space-time interest points, and a histogram of them.

Every blur is a product with a constant matrix, so borders are exact, nothing needs a 3-D convolution
(which TFLite's builtins lack), and the same lines run under JAX. Neither layer has weights.
"""

import keras
import numpy as np
from keras import ops

from emotionnet.errors import UsageError
from emotionnet.layers.segments import LUMA

#: Least deviation of a clip's grey values (of 255), and least floor of its traces: of a picture
#: without anything in it, so that nothing is divided by zero.
_FLAT, _NO_STRUCTURE = 1.0, 1e-6
#: Least mean square of a slope.
_FAINTEST = 1e-8


@keras.saving.register_keras_serializable(package="emotionnet")
class InterestPoints(keras.layers.Layer):
    """How much of a corner in space *and* time each pixel of each frame is.

    The clip is made grey, with mean 0 and deviation 1, and blurred by a Gaussian over x, y and t.
    From its first derivatives (central, in units of the blur) comes the second-moment matrix of every
    pixel, blurred again with ``integration`` times both variances. With its determinant, its trace T
    and a floor e, a tenth of the clip's mean T,

        H = det / (T + e)^3 - k (T / (T + e))^3,

    the response of Harris and Stephens, divided by the trace's cube: it is then between -k and 1/27,
    the same under any gain and offset of the light, and silent where there is no structure. Without
    that nearly all of the response lies on collars and hair. Outside an oval it is 0.

    Call it with ``faces`` (batch, frames, S, S, 3), 0...255, at a fixed rate, and ``frame_mask``
    (batch, frames), 1 where there is a face. Masked frames count as not there: a blur over time is
    divided by the weight of the frames that it saw, and a derivative stops where they begin, as it
    does at the ends of the clip. Borders in space repeat the edge. float32 whatever the policy.

    Args:
        spatial_variance, temporal_variance: of the first blur, in pixels and frames squared.
        integration: the second blur's variances are that many times the first's.
        k: weight of the trace.
        floor: e as a share of the clip's mean T inside the oval.
        oval: semi-axes across and down, as shares of the side; ``None`` takes the whole picture.
        moments: also return the matrix's diagonal.

    Returns:
        H (batch, frames, S, S), 0 in masked frames; with ``moments`` also (batch, frames, S, S, 3),
        the blurred squares of the derivatives over x, y and t.

    Source: DV EmotionNet, equations 1 to 8 (8 lacks a cube), after Harris and Stephens (1988) and
    Laptev (2005). The paper normalises "against illumination" and does not say how: ours; so are all
    constants and the oval.
    """

    def __init__(
        self,
        spatial_variance: float = 4.0,
        temporal_variance: float = 2.0,
        integration: float = 2.0,
        k: float = 0.005,
        floor: float = 0.1,
        oval: tuple[float, float] | None = (0.40, 0.48),
        moments: bool = False,
        **kwargs,
    ):
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        for name, value in (
            ("spatial_variance", spatial_variance),
            ("temporal_variance", temporal_variance),
            ("integration", integration),
            ("floor", floor),
        ):
            if value <= 0:
                raise UsageError(f"InterestPoints: {name} must be positive. Received: {value}")
        if oval is not None and not all(axis > 0 for axis in oval):
            raise UsageError(f"InterestPoints: oval is two positive shares. Received: {oval}")
        self.spatial_variance, self.temporal_variance = spatial_variance, temporal_variance
        self.integration, self.k, self.floor, self.moments = integration, k, floor, moments
        self.oval = None if oval is None else tuple(oval)

    # Not by name: Keras 3.13 gives no shape for an argument of `call` that is named a mask.
    def build(self, faces_shape, *others):
        _, _, size, width, _ = faces_shape
        if size != width:
            raise UsageError(f"InterestPoints: takes square faces. Received: {size} x {width}")
        space = self.spatial_variance
        blur = blur_matrix(size, space)
        self._blur = np.float32(blur)
        self._slope = np.float32(np.sqrt(space) * slope_matrix(size) @ blur)
        self._more_blur = np.float32(blur_matrix(size, self.integration * space))
        self._oval = oval_mask(size, self.oval).reshape(1, 1, -1)
        self._luma = np.array(LUMA, np.float32)[:, None]
        self.size = size
        self.built = True

    def call(self, faces, frame_mask):
        seen = ops.cast(ops.cast(frame_mask, "float32") > 0, "float32")
        seen = ops.expand_dims(seen, -1)
        x = _over_time(self._grey(faces, seen), seen, self.temporal_variance)
        x = self._pictures(x)
        across = ops.matmul(x, self._blur.T)
        slopes = (
            self._lines(ops.matmul(self._blur, ops.matmul(x, self._slope.T)), seen),
            self._lines(ops.matmul(self._slope, across), seen),
            self._over_t(self._lines(ops.matmul(self._blur, across), seen), seen),
        )
        xx, yy, tt, xy, xt, yt = (
            self._integrated(slopes[i] * slopes[j], seen)
            for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))
        )
        trace = xx + yy + tt
        inside = seen * self._oval
        pixels = ops.maximum(ops.sum(inside, axis=(1, 2), keepdims=True), 1.0)
        mean = ops.sum(inside * trace, axis=(1, 2), keepdims=True) / pixels
        scale = inside / (trace + ops.maximum(self.floor * mean, _NO_STRUCTURE))
        # Divided before they are multiplied: cubes of small numbers leave float32.
        a, b, c, d, e, f, t = (each * scale for each in (xx, yy, tt, xy, xt, yt, trace))
        determinant = a * (b * c - f * f) - d * (d * c - e * f) + e * (d * f - b * e)
        response = self._clips(determinant - self.k * t * t * t, seen)
        if not self.moments:
            return response
        return response, ops.stack(
            [self._clips(seen * each, seen) for each in (xx, yy, tt)], axis=-1
        )

    def _grey(self, faces, seen):
        """Grey values of mean 0 and deviation 1 in each clip, (batch, frames, pixels)."""
        x = ops.matmul(ops.reshape(ops.cast(faces, "float32"), (-1, 3)), self._luma)
        x = ops.where(seen > 0, self._lines(x, seen), 0.0)
        count = ops.maximum(ops.sum(seen, axis=1, keepdims=True), 1.0) * self.size**2
        x = seen * (x - ops.sum(x, axis=(1, 2), keepdims=True) / count)
        variance = ops.sum(ops.square(x), axis=(1, 2), keepdims=True) / count
        return x / ops.sqrt(ops.maximum(variance, _FLAT**2))

    def _over_t(self, x, seen):
        """Slope over time, in units of the blur; 0 from a frame to one that is not there."""
        step = (x[:, 1:] - x[:, :-1]) * seen[:, 1:] * seen[:, :-1]
        step = ops.pad(step, [[0, 0], [1, 1], [0, 0]])
        return (step[:, 1:] + step[:, :-1]) * (0.5 * float(np.sqrt(self.temporal_variance)))

    def _integrated(self, x, seen):
        x = ops.matmul(self._pictures(x), self._more_blur.T)
        x = self._lines(ops.matmul(self._more_blur, x), seen)
        return _over_time(x, seen, self.integration * self.temporal_variance)

    def _pictures(self, x):
        return ops.reshape(x, (-1, self.size, self.size))

    def _lines(self, x, seen):
        return ops.reshape(x, (-1, _frames(seen), self.size**2))

    def _clips(self, x, seen):
        return ops.reshape(x, (-1, _frames(seen), self.size, self.size))

    def compute_output_shape(self, faces_shape, *others):
        response = tuple(faces_shape[:4])
        return (response, (*response, 3)) if self.moments else response

    def get_config(self):
        names = ("spatial_variance", "temporal_variance", "integration", "k", "floor", "moments")
        settings = {name: getattr(self, name) for name in names}
        return {**super().get_config(), **settings, "oval": self.oval and list(self.oval)}


@keras.saving.register_keras_serializable(package="emotionnet")
class CellHistogram(keras.layers.Layer):
    """What interest points there are in each cell of each frame, in numbers.

    The picture is divided into ``cells`` x ``cells`` squares. Of each: the share of its pixels with a
    response above each threshold, and the mean of the positive responses.

    Call it with ``response`` (batch, frames, S, S), and optionally with the second output of
    `InterestPoints`, ``moments`` (batch, frames, S, S, 3): then also the logarithm of the mean of each
    of these, since points alone say nothing about a face at rest (ours).

    Args:
        cells: in a row; divides S.
        thresholds: of the response.

    Returns:
        (batch, frames, cells * cells * (thresholds + 1, or + 4 with moments)) float32: cell by
        cell, from the top left, row by row.

    Source: DV EmotionNet has "a vector of each frame" and no more: ours.
    """

    def __init__(
        self,
        cells: int = 8,
        thresholds: tuple[float, ...] = (0.0, 0.001, 0.002, 0.004, 0.008, 0.016),
        **kwargs,
    ):
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        self.cells, self.thresholds = cells, tuple(thresholds)

    def build(self, response_shape, moments_shape=None):
        self.size = response_shape[2]
        if self.cells < 1 or self.size % self.cells:
            raise UsageError(
                f"CellHistogram: {self.size} px cannot be divided into {self.cells} cells."
            )
        cell = self.size // self.cells
        self._mean = np.float32(np.repeat(np.eye(self.cells), cell, axis=0) / cell)
        self.built = True

    def call(self, response, moments=None):
        response = ops.cast(response, "float32")
        maps = [ops.cast(response > threshold, "float32") for threshold in self.thresholds]
        maps.append(ops.maximum(response, 0.0))
        means = [self._cell_means(each) for each in maps]
        if moments is not None:
            moments = ops.cast(moments, "float32")
            each = [self._cell_means(moments[..., i]) for i in range(3)]
            means += [ops.log(ops.maximum(mean, _FAINTEST)) for mean in each]
        frames = response.shape[1] or ops.shape(response)[1]
        means = ops.stack(means, axis=-1)
        return ops.reshape(means, (-1, frames, self.cells**2 * means.shape[-1]))

    def _cell_means(self, x):
        """(batch, frames, S, S) to (batch * frames, cells * cells)."""
        x = ops.matmul(ops.reshape(x, (-1, self.size)), self._mean)
        x = ops.reshape(x, (-1, self.cells, self.size // self.cells, self.cells))
        return ops.reshape(ops.mean(x, axis=2), (-1, self.cells**2))

    def compute_output_shape(self, response_shape, moments_shape=None):
        width = len(self.thresholds) + (1 if moments_shape is None else 4)
        return (*response_shape[:2], self.cells**2 * width)

    def get_config(self):
        settings = {"cells": self.cells, "thresholds": list(self.thresholds)}
        return {**super().get_config(), **settings}


def _frames(seen):
    """Number of frames of ``seen`` (batch, frames, 1): a tensor where it is open."""
    return seen.shape[1] or ops.shape(seen)[1]


def _over_time(x, seen, variance: float):
    """Blur (batch, frames, pixels) over the frames that are there."""
    frames, reach = _frames(seen), int(4.0 * np.sqrt(variance) + 0.5)
    if isinstance(frames, int):
        place = np.arange(frames, dtype=np.float32)
        apart = np.abs(place[:, None] - place)
        near = np.where(apart <= reach, np.exp(-0.5 * apart**2 / variance), 0).astype(np.float32)
    else:
        place = ops.arange(frames, dtype="float32")
        apart = ops.abs(ops.expand_dims(place, 1) - place)
        near = ops.where(apart <= reach, ops.exp(-0.5 * apart * apart / variance), 0.0)
    weight = ops.maximum(ops.matmul(near, seen), 1e-12)
    return ops.matmul(near, seen * x) / weight


def blur_matrix(size: int, variance: float) -> np.ndarray:
    """A Gaussian blur of a line whose ends repeat, as a matrix (size, size) float64.

    Args:
        size: of the line.
        variance: of the Gaussian, which is cut off at four deviations.
    """
    reach = int(4.0 * np.sqrt(variance) + 0.5)
    offsets = np.arange(-reach, reach + 1)
    kernel = np.exp(-0.5 * offsets**2 / variance)
    matrix, row = np.zeros((size, size)), np.arange(size)
    for offset, weight in zip(offsets, kernel / kernel.sum(), strict=True):
        matrix[row, np.clip(row + offset, 0, size - 1)] += weight
    return matrix


def slope_matrix(size: int) -> np.ndarray:
    """Central differences along a line whose ends repeat, as a matrix (size, size) float64."""
    row = np.arange(size)
    matrix = np.zeros((size, size))
    matrix[row, np.minimum(row + 1, size - 1)] += 0.5
    matrix[row, np.maximum(row - 1, 0)] -= 0.5
    return matrix


def oval_mask(size: int, axes: tuple[float, float] | None) -> np.ndarray:
    """1 inside an oval in the middle of a square, (size, size) float32.

    Args:
        size: of the square in pixels.
        axes: semi-axes across and down, as shares of ``size``; ``None`` is all of the square.
    """
    if axes is None:
        return np.ones((size, size), np.float32)
    place = (np.arange(size) + 0.5) / size - 0.5
    return np.float32((place / axes[0]) ** 2 + (place[:, None] / axes[1]) ** 2 <= 1)
