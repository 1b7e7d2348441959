"""Several small networks that answer as one."""

import keras
from keras import ops

from emotionnet.errors import UsageError


@keras.saving.register_keras_serializable(package="emotionnet")
class Committee(keras.layers.Layer):
    """The mean of its members' logits, trained so that each member learns by itself.

    With member logits z_k and z = mean(z_k), the softmax of z is the members' geometric mean. The
    cross-entropy of z alone would let members lean on each other; what this layer adds to the loss,

        mean(logsumexp(z_k)) - logsumexp(z) >= 0,

    makes of it the mean of the members' own cross-entropies, whatever the targets. So members that
    see other augmentations and begin from other weights err in other places, and their mean errs
    less. In inference it is a plain mean.

    Call it with a list of logits (batch, classes).

    Returns:
        (batch, classes).

    Raises:
        UsageError: less than two members.

    Source: the loss of independent members is that of Lakshminarayanan et al., "Simple and
    Scalable Predictive Uncertainty Estimation using Deep Ensembles" (NeurIPS 2017); one network
    of them, with the mean taken of logits, is ours.
    """

    def build(self, input_shape):
        if not isinstance(input_shape, list | tuple) or len(input_shape) < 2:
            raise UsageError("Committee: it takes a list of the logits of two members at least.")
        self.built = True

    def call(self, logits, training=None):
        mean = sum(logits[1:], logits[0]) * (1.0 / len(logits))
        if training:
            alone = ops.mean(ops.stack([ops.logsumexp(each, axis=-1) for each in logits]), axis=0)
            self.add_loss(ops.mean(alone - ops.logsumexp(mean, axis=-1)))
        return mean

    def compute_output_shape(self, input_shape):
        return input_shape[0]
