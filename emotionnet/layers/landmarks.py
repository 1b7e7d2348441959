"""Layers on the landmarks of a face over time: centred, a few key frames of them, regions weighed."""

import keras
import numpy as np
from keras import layers, ops

from emotionnet.errors import UsageError
from emotionnet.layers.configured import Configured

#: Distance of a frame from a cluster that has no members: no frame chooses it.
_NOWHERE = 1e9


@keras.saving.register_keras_serializable(package="emotionnet")
class CentredLandmarks(Configured):
    """Landmarks of each frame, relative to their middle and in units of their size.

    Where the face is and how large it is goes away, its shape stays: the mean of the points is 0, the
    mean square of their distances from it 1. float32 whatever the dtype policy.

    Call it with ``landmarks`` (batch, frames, points, 2), in any units, and ``valid`` (batch, frames),
    1 where there is a face. Other frames become 0 whatever stands there, NaN included.

    Returns:
        (batch, frames, points, 2).
    """

    def __init__(self, **kwargs):
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)

    def call(self, landmarks, valid):
        seen = ops.reshape(ops.cast(valid, "float32"), (-1, _frames(landmarks), 1, 1))
        x = ops.where(seen > 0, ops.cast(landmarks, "float32"), 0.0)
        x = x - ops.mean(x, axis=2, keepdims=True)
        square = ops.mean(ops.sum(ops.square(x), axis=3, keepdims=True), axis=2, keepdims=True)
        # Points that all lie in one place have no size: they stay there.
        return x / ops.sqrt(ops.maximum(square, 1e-12))

    def compute_output_shape(self, landmarks_shape, valid_shape):
        return landmarks_shape


@keras.saving.register_keras_serializable(package="emotionnet")
class KeyFrames(Configured):
    """The frames that represent a clip: k-means with a radial basis function for the distance.

    Kernel k-means with K = exp(-d^2 / mean d^2) over pairs of valid frames. It begins with equal pieces
    of time, so nothing is drawn; each round gives every frame to the nearest cluster. The member nearest
    to its cluster's centre is the key frame; they are given in order of time. Where clusters are empty
    (fewer frames than ``count``, or frames that are all alike) there are fewer key frames: the last
    ones are masked. There are no weights. float32 whatever the dtype policy.

    Call it with ``landmarks`` (batch, frames, points, 2) and ``valid`` (batch, frames), 1 for valid
    frames: others are never chosen and change nothing.

    Args:
        count: key frames of a clip.
        rounds: of the assignment; three or four are enough for a clip of 100 frames.

    Returns:
        (batch, count, points, 2), and a mask (batch, count), 1 for key frames.

    Source: system 5's paper, section II-B.1, which names k-means with radial basis functions; number
    of clusters, width of the kernel and start are ours. Kernel k-means: Dhillon, Guan and Kulis,
    "Kernel k-means, Spectral Clustering and Normalized Cuts" (KDD 2004), equation 1.
    """

    def __init__(self, count: int = 8, rounds: int = 10, **kwargs):
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        if count < 1 or rounds < 1:
            raise UsageError(f"KeyFrames: {count} key frames, {rounds} rounds; both at least 1.")
        self.count, self.rounds = count, rounds

    def call(self, landmarks, valid):
        frames, points = _frames(landmarks), landmarks.shape[2]
        members, distance = self.clusters(landmarks, valid)
        some = ops.max(members, axis=1)
        # The member nearest to its cluster's centre; none of an empty cluster.
        take = _nearest(distance + (1.0 - members) * _NOWHERE, axis=1) * ops.expand_dims(some, 1)
        # In order of time, which no two share; empty clusters come last.
        place = ops.expand_dims(ops.arange(frames, dtype="float32"), -1)
        empty = ops.cast(frames, "float32") + np.arange(self.count, dtype=np.float32)
        when = ops.sum(take * place, axis=1) + (1.0 - some) * empty
        earlier = ops.cast(ops.expand_dims(when, 1) < ops.expand_dims(when, 2), "float32")
        rank = ops.expand_dims(ops.sum(earlier, axis=2), 1)
        number = np.arange(self.count, dtype=np.float32)[:, None]
        order = ops.cast(ops.equal(rank, number), "float32")
        take = ops.matmul(order, ops.transpose(take, (0, 2, 1)))  # (batch, count, frames)
        x = ops.matmul(take, self._flat(landmarks, valid))
        return ops.reshape(x, (-1, self.count, points, 2)), ops.sum(take, axis=2)

    def clusters(self, landmarks, valid):
        """Which cluster each frame belongs to, and how far it is from every one.

        Returns:
            Members (batch, frames, count), 1 or 0; squared distances (batch, frames, count).
        """
        valid = ops.cast(valid, "float32")
        kernel = self._kernel(self._flat(landmarks, valid), valid)
        members = self._pieces_of_time(valid)
        for _ in range(self.rounds):
            nearest = _nearest(self._distance(kernel, members), axis=2)
            members = nearest * ops.expand_dims(valid, -1)
        return members, self._distance(kernel, members)

    def _flat(self, landmarks, valid):
        """Frames as vectors, 0 where not valid."""
        width = 2 * landmarks.shape[2]
        x = ops.reshape(ops.cast(landmarks, "float32"), (-1, _frames(landmarks), width))
        return ops.where(ops.expand_dims(ops.cast(valid, "float32"), -1) > 0, x, 0.0)

    def _kernel(self, x, valid):
        seen = ops.expand_dims(valid, -1)
        count = ops.maximum(ops.sum(seen, axis=1, keepdims=True), 1.0)
        # About the clip's mean: differences of frames are small beside what they have in common.
        x = (x - ops.sum(x, axis=1, keepdims=True) / count) * seen
        square = ops.sum(ops.square(x), axis=2, keepdims=True)
        product = ops.matmul(x, ops.transpose(x, (0, 2, 1)))
        distance = ops.maximum(square - 2.0 * product + ops.transpose(square, (0, 2, 1)), 0.0)
        pairs = seen * ops.expand_dims(valid, 1)
        mean = ops.sum(distance * pairs, axis=(1, 2), keepdims=True) / ops.square(count)
        return ops.exp(-distance / ops.maximum(mean, 1e-12)) * pairs

    def _pieces_of_time(self, valid):
        """The first memberships: how much of a frame lies in which of ``count`` equal pieces."""
        end = ops.expand_dims(ops.cumsum(valid, axis=1), -1)
        begin, length = end - ops.expand_dims(valid, -1), end[:, -1:]
        pieces = np.arange(self.count, dtype=np.float32) / self.count
        first, last = pieces * length, (pieces + np.float32(1.0 / self.count)) * length
        overlap = ops.minimum(end, last) - ops.maximum(begin, first)
        return ops.maximum(overlap, 0.0) * ops.expand_dims(valid, -1)

    def _distance(self, kernel, members):
        """Squared distance of each frame from the centre of each cluster: (batch, frames, count)."""
        size = ops.sum(members, axis=1, keepdims=True)
        share = members / ops.maximum(size, 1e-6)
        near = ops.matmul(kernel, share)
        within = ops.sum(share * near, axis=1, keepdims=True)
        return 1.0 - 2.0 * near + within + _NOWHERE * ops.cast(size <= 0, "float32")

    def compute_output_shape(self, landmarks_shape, valid_shape):
        batch, _, points, _ = landmarks_shape
        return (batch, self.count, points, 2), (batch, self.count)


def _frames(landmarks):
    """Their number, which live use leaves open."""
    return landmarks.shape[1] or ops.shape(landmarks)[1]


def _nearest(distance, axis: int):
    """1 at the smallest distance along an axis, the first of equal ones, and 0 elsewhere.

    Not `ops.argmin`, whose care for -0.0 under TensorFlow is no builtin of TensorFlow Lite.
    """
    place = ops.cumsum(ops.ones_like(distance), axis=axis)
    least = ops.min(distance, axis=axis, keepdims=True)
    first = ops.min(ops.where(distance <= least, place, _NOWHERE), axis=axis, keepdims=True)
    return ops.cast(ops.equal(first, place), "float32")


@keras.saving.register_keras_serializable(package="emotionnet")
class TakePoints(Configured):
    """One region of a face: (batch, frames, points, 2) to (batch, frames, 2 * points of the region).

    Args:
        first, last: its points, the last one exclusive.
    """

    def __init__(self, first: int, last: int, **kwargs):
        super().__init__(**kwargs)
        self.first, self.last = first, last

    def call(self, landmarks):
        width = 2 * (self.last - self.first)
        return ops.reshape(landmarks[:, :, self.first : self.last], (-1, landmarks.shape[1], width))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:2], 2 * (self.last - self.first))


@keras.saving.register_keras_serializable(package="emotionnet")
class RegionAttention(Configured):
    """Features of several regions of a face side by side, each weighed by how much it says.

    One dense layer scores every region; the softmax of the scores are the weights.

    Call it with a list of features (batch, width), one a region.

    Returns:
        (batch, regions * width).

    Source: system 5's paper, section II-B.3: features are connected first and weighed then; softmax and
    the scoring layer are ours.
    """

    def build(self, input_shape):
        self.score = layers.Dense(1, dtype=self.dtype_policy, name="score")
        self.score.build((input_shape[0][0], len(input_shape), input_shape[0][1]))
        self.built = True

    def call(self, inputs):
        x = ops.stack(inputs, axis=1)
        x = x * ops.softmax(self.score(x), axis=1)
        return ops.reshape(x, (-1, len(inputs) * inputs[0].shape[1]))

    def compute_output_shape(self, input_shape):
        return (input_shape[0][0], len(input_shape) * input_shape[0][1])
