"""float32 means float32: products of float32 numbers are not rounded on the way.

An NVIDIA GPU rounds the factors of a float32 product to TensorFloat-32 (10 bits of 23) unless it is told
otherwise, a TPU to bfloat16 (7 bits). Decibels of small energies do not survive that: MFCC, log-mel and
pitch are products of float32 numbers, in training and in prediction, and must be the same numbers in
both. No layer can ask for it by itself under TensorFlow, where it is one switch for the process; so it
is thrown where every model comes from (`emotionnet.environment.settle_keras`), for the front-end and all else. Who wants speed asks for it:
``--precision mixed_bfloat16`` makes the products of the networks ones of bfloat16 numbers, and those are
untouched by the switch; the front-end stays float32 under every policy.
"""


def full_float32() -> None:
    """Asks the present backend for whole float32 products; a CPU has no others."""
    import keras

    if keras.backend.backend() == "jax":
        import jax

        # For 32-bit inputs only, says its documentation.
        jax.config.update("jax_default_matmul_precision", "highest")
    elif keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_tensor_float_32_execution(False)
