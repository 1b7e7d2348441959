"""How a weight is changed: under TensorFlow by one operation, elsewhere as Keras writes it.

Keras writes each update out in dozens of operations. For the 289 weights of a network of faces, TensorFlow took
as long to trace and to start them as the network itself.
"""

import keras

from emotionnet.keras_private import adam_moments, sgd_momentum


class _Plain:
    """Keras's updates, with rates and decay by layer; weights of frozen layers are left out."""

    def stateless_apply(self, optimizer_variables, grads, trainable_variables):
        # Keras's wants all the weights that the optimizer was built with; JAX gives those that learn now.
        learning = [weight for weight in self._trainable_variables if weight.trainable]
        states = [*zip(learning, trainable_variables), *zip(self.variables, optimizer_variables)]
        with keras.StatelessScope(state_mapping=states) as scope:
            self.apply(grads, learning)
        return [
            [scope.get_current_value(each) for each in some] for some in (learning, self.variables)
        ]

    def _update_model_variables_moving_average(self, trainable_variables):
        # As Keras does: the first step is the average's start.
        share = keras.ops.cast(self.iterations != 0, keras.config.floatx()) * self.ema_momentum
        for variable, average in self.averages():
            average.assign(share * average + (1 - share) * variable)

    def update_step(self, gradient, variable, learning_rate):
        scale = self.scale_of(variable)
        super().update_step(
            gradient, variable, learning_rate if scale == 1.0 else learning_rate * scale
        )

    def _apply_weight_decay(self, variables):
        if self.weight_decay is None:
            return
        for variable in filter(self._use_weight_decay, variables):
            share = self.learning_rate * self.weight_decay * self.scale_of(variable)
            variable.assign(variable - variable * keras.ops.cast(share, variable.dtype))


class _Fused:
    """The same by one operation for a weight; what several weights share is computed once."""

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        rates = self.scaled(self._rate(learning_rate))
        numbers = {name: keras.ops.convert_to_tensor(x) for name, x in self._numbers().items()}
        for gradient, variable in zip(grads, trainable_variables):
            state = [x.value for x in self._state(variable)]
            rate = rates[self.scale_of(variable)]
            self._on_each_device(variable.value, [*state, gradient, rate], numbers)

    def _on_each_device(self, variable, args, numbers):
        """Has the operation done wherever there is a copy of a weight."""
        import tensorflow as tf

        if isinstance(variable, tf.distribute.DistributedValues):
            extended = self._distribution_strategy.extended
            extended.update(variable, self._operation, args, numbers, group=False)
        else:
            self._operation(variable, *args, **numbers)

    def _apply_weight_decay(self, variables):
        if self.weight_decay is None:
            return
        shares = self.scaled(self.learning_rate * self.weight_decay)
        for variable in filter(self._use_weight_decay, variables):
            variable.value.assign_sub(variable.value * shares[self.scale_of(variable)])

    def _update_model_variables_moving_average(self, trainable_variables):
        # As Keras does: the first step is the average's start.
        new = 1 - keras.ops.cast(self.iterations != 0, keras.config.floatx()) * self.ema_momentum
        for variable, average in self.averages():
            average.value.assign_sub((average.value - variable.value) * new)


class _Adam(_Fused):
    def _rate(self, rate):
        step = keras.ops.cast(self.iterations + 1, keras.config.floatx())
        one, two = (1 - keras.ops.power(beta, step) for beta in (self.beta_1, self.beta_2))
        return rate * keras.ops.sqrt(two) / one

    def _numbers(self):
        return {"beta1": self.beta_1, "beta2": self.beta_2, "epsilon": self.epsilon, "zero": 0.0}

    def _state(self, variable):
        return adam_moments(self, variable)

    @staticmethod
    def _operation(variable, mean, square, gradient, rate, zero, **numbers):
        import tensorflow as tf

        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=mean.handle,
            v=square.handle,
            grad=gradient,
            lr=rate,
            # The correction that they stand for is in the rate, once for all weights.
            beta1_power=zero,
            beta2_power=zero,
            **numbers,
        )


class _Momentum(_Fused):
    def _rate(self, rate):
        return rate

    def _numbers(self):
        return {"momentum": self.momentum}

    def _state(self, variable):
        return sgd_momentum(self, variable)

    @staticmethod
    def _operation(variable, *args, momentum):
        import tensorflow as tf

        *before, gradient, rate = args
        if not before:
            tf.raw_ops.ResourceApplyGradientDescent(var=variable.handle, alpha=rate, delta=gradient)
            return
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=variable.handle, accum=before[0].handle, grad=gradient, lr=rate, momentum=momentum
        )


_FUSED = {
    keras.optimizers.Adam: _Adam,
    keras.optimizers.AdamW: _Adam,
    keras.optimizers.SGD: _Momentum,
}


def updating(optimizer: type) -> type:
    """What is mixed into an optimizer of Keras's; it asks for ``scale_of``, ``scaled`` and ``averages``."""
    return _FUSED[optimizer] if keras.backend.backend() == "tensorflow" else _Plain
