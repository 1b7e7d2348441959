"""Which devices a training uses, and how one step is spread over them.

One device: Keras's own ``train_on_batch``. Several GPUs of a machine, or several machines under
TensorFlow: ``tf.distribute``, by a step of our own, since ``Model.fit`` fails under
MultiWorkerMirroredStrategy with Keras 3 (keras issue 20585) and ``train_on_batch`` gives every replica
the whole batch. Several devices under JAX, TPUs among them: ``keras.distribution.DataParallel``.

A step over several replicas is the same step as on one: every replica takes its share of the batch,
gradients are summed, then clipped and applied once; BatchNorm looks at the whole batch.
"""

import importlib.util
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from emotionnet.errors import UsageError

KINDS = ("auto", "cpu", "gpu", "tpu")


@dataclass(frozen=True)
class Devices:
    """What was chosen.

    Attributes:
        kind: ``cpu``, ``gpu`` or ``tpu``.
        replicas: how many copies of the model share a batch, over all workers.
        workers: processes that train together.
        worker: number of this one.
        why: one line for people.
        strategy: of ``tf.distribute``, or None.
    """

    kind: str
    replicas: int
    workers: int = 1
    worker: int = 0
    why: str = ""
    strategy: Any = field(default=None, repr=False, compare=False)

    @property
    def chief(self) -> bool:
        """Whether this process writes the run's files."""
        return self.worker == 0

    def scope(self):
        """Where the model and its optimizer must be made."""
        return self.strategy.scope() if self.strategy else nullcontext()

    def check_batch(self, batch_size: int) -> None:
        """Makes sure that a batch can be shared evenly.

        Raises:
            UsageError: it cannot.
        """
        if batch_size % self.replicas:
            fitting = self.replicas * max(1, round(batch_size / self.replicas))
            raise UsageError(
                f"--batch-size {batch_size} cannot be shared evenly by {self.replicas} devices; "
                f"{fitting} can."
            )

    def training_step(self, model: keras.Model) -> Callable[[dict, Any], dict[str, float]]:
        """How a compiled model learns from one batch.

        Args:
            model: made and compiled in `scope`, with categorical cross-entropy.

        Returns:
            ``step(inputs, targets)``, which gives ``loss`` and ``accuracy``, the batch's means. Over
            several workers each gives its own part of the batch, all get the same answer.
        """
        if self.strategy is None:
            return lambda inputs, targets: _on_batch(model, inputs, targets)
        return _ReplicatedStep(model, self)

    def predictor(self, model: keras.Model) -> Callable[[dict], np.ndarray]:
        """How a model answers a batch on one device; weights are the same on all."""
        if self.strategy is None:
            return lambda inputs: np.asarray(model.predict_on_batch(inputs))
        import tensorflow as tf

        answer = tf.function(lambda inputs: model(inputs, training=False), autograph=False)
        return lambda inputs: np.asarray(answer(inputs))


def choose(kind: str = "auto", replicas: int | None = None) -> Devices:
    """Looks at what there is and decides; called once, before any model is made.

    Args:
        kind: one of `KINDS`; ``auto`` takes TPUs before GPUs before the CPU.
        replicas: devices to use; by default all GPUs or TPUs, and 1 on a CPU, which more only divide.

    Raises:
        UsageError: what is asked for is not there; the message says what is.
    """
    if kind not in KINDS:
        raise UsageError(f"--device {kind}: not known. Choose one of {', '.join(KINDS)}.")
    if keras.backend.backend() == "jax":
        return _choose_jax(kind, replicas)
    if keras.backend.backend() == "tensorflow":
        return _choose_tensorflow(kind, replicas)
    raise UsageError(
        f"KERAS_BACKEND={keras.backend.backend()}: EmotionNet trains under tensorflow or jax."
    )


def _choose_jax(kind: str, replicas: int | None) -> Devices:
    import jax

    found = jax.default_backend()
    there = found if found in KINDS else "cpu"
    if kind not in ("auto", there):
        raise UsageError(_absent(kind, f"JAX sees {', '.join(map(str, jax.devices()))}"))
    names = keras.distribution.list_devices()
    several = len(names) if there != "cpu" else 1
    count = _count(replicas or several, len(names), there)
    if count > 1:
        keras.distribution.set_distribution(
            keras.distribution.DataParallel(devices=names[:count], auto_shard_dataset=False)
        )
    how = f", keras.distribution.DataParallel over {count}" if count > 1 else ""
    return Devices(there, count, why=f"{there}: {len(names)} seen by JAX{how}")


def _choose_tensorflow(kind: str, replicas: int | None) -> Devices:
    import tensorflow as tf

    cluster = _cluster()
    if cluster and kind != "tpu":
        # Before anything else: its channels must be there when TensorFlow starts.
        return _several_workers(kind, replicas, *cluster)
    if kind == "tpu" or (kind == "auto" and importlib.util.find_spec("libtpu")):
        devices = _tensorflow_tpu(asked=kind == "tpu")
        if devices:
            return devices
    gpus = tf.config.list_physical_devices("GPU")
    if kind == "gpu" and not gpus:
        raise UsageError(_absent("gpu", "TensorFlow sees only the CPU"))
    there = "gpu" if gpus and kind != "cpu" else "cpu"
    if there == "gpu":
        count = _count(replicas or len(gpus), len(gpus), "gpu")
        names = [f"GPU:{i}" for i in range(count)]
    else:
        count = replicas or 1
        names = _divided_cpu(count)
    if count == 1:
        what = "no GPU was asked for" if kind == "cpu" else "no GPU was found"
        return Devices(there, 1, why=f"{names[0]}" if there == "gpu" else f"cpu: {what}")
    strategy = tf.distribute.MirroredStrategy(names)
    return Devices(
        there, count, why=f"{there}: MirroredStrategy over {', '.join(names)}", strategy=strategy
    )


def _tensorflow_tpu(asked: bool) -> Devices | None:
    """TPUs of this machine under TensorFlow, where it was built for them."""
    import tensorflow as tf

    try:
        # "local" is what the runtimes of today need; where there is no TPU either error may come.
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu="local")
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        strategy = tf.distribute.TPUStrategy(resolver)
    except (ValueError, tf.errors.OpError, RuntimeError) as error:
        if asked:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise UsageError(
                _absent("tpu", f"TensorFlow {tf.__version__} finds no TPU ({reason})")
            ) from None
        return None
    count = strategy.num_replicas_in_sync
    return Devices("tpu", count, why=f"tpu: TPUStrategy over {count}", strategy=strategy)


def _cluster() -> tuple[int, int] | None:
    """Number of workers and this one's number, from ``TF_CONFIG``; None for one machine."""
    text = os.environ.get("TF_CONFIG", "")
    if not text:
        return None
    try:
        config = json.loads(text)
        workers = config["cluster"]["worker"]
        task = config["task"]
        kind, number = task["type"], int(task["index"])
    except (ValueError, KeyError, TypeError):
        raise UsageError(
            'TF_CONFIG: expected {"cluster": {"worker": ["host:port", ...]}, '
            '"task": {"type": "worker", "index": 0}}'
        ) from None
    if kind != "worker" or not 0 <= number < len(workers):
        raise UsageError(f"TF_CONFIG: task {kind} {number} is none of {len(workers)} workers.")
    return (len(workers), number) if len(workers) > 1 else None


def _several_workers(kind: str, replicas: int | None, workers: int, worker: int) -> Devices:
    import tensorflow as tf

    if replicas is not None:
        raise UsageError("--replicas: several workers use all the devices that each of them has.")
    if kind == "cpu":
        tf.config.set_visible_devices([], "GPU")
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    count = strategy.num_replicas_in_sync
    there = "gpu" if tf.config.list_logical_devices("GPU") else "cpu"
    if kind == "gpu" and there == "cpu":
        raise UsageError(_absent("gpu", f"worker {worker} sees only its CPU"))
    why = f"{there}: worker {worker} of {workers} (MultiWorkerMirroredStrategy, {count} devices)"
    return Devices(there, count, workers, worker, why, strategy)


def _divided_cpu(count: int) -> list[str]:
    """Names of ``count`` devices that the CPU is divided into: to try what several devices do."""
    import tensorflow as tf

    names = [f"CPU:{i}" for i in range(count)]
    if count > 1:
        cpu = tf.config.list_physical_devices("CPU")[0]
        parts = [tf.config.LogicalDeviceConfiguration() for _ in names]
        try:
            tf.config.set_logical_device_configuration(cpu, parts)
        except RuntimeError:  # TensorFlow has started; it may have been divided before
            if len(tf.config.list_logical_devices("CPU")) < count:
                raise UsageError(
                    f"--replicas {count}: TensorFlow has started already with one CPU device."
                ) from None
    return names


def _count(asked: int, there: int, kind: str) -> int:
    if not 1 <= asked <= there:
        raise UsageError(f"--replicas {asked}: there are {there} {kind} devices.")
    return asked


def _absent(kind: str, found: str) -> str:
    help_ = {
        "tpu": "On a TPU machine use JAX: set KERAS_BACKEND=jax (Colab's TPU runtime has it).",
        "gpu": "Install emotionnet[gpu] and look at nvidia-smi; or use --device cpu.",
        "cpu": "Set JAX_PLATFORMS=cpu.",
    }
    return f"--device {kind}: {found}. {help_[kind]}"


def _on_batch(model: keras.Model, inputs: dict, targets: Any) -> dict[str, float]:
    model.reset_metrics()  # the epoch's sums are the caller's: they must survive a kill
    logs = model.train_on_batch(inputs, targets, return_dict=True)
    return {key: float(logs[key]) for key in ("loss", "accuracy")}


class _ReplicatedStep:
    """One step under ``tf.distribute``."""

    def __init__(self, model: keras.Model, devices: Devices):
        import tensorflow as tf

        self._model, self._strategy = model, devices.strategy
        self._pieces = devices.replicas // devices.workers
        self._first = devices.worker * self._pieces
        self._losses = keras.losses.CategoricalCrossentropy.from_config(
            {**model.loss.get_config(), "reduction": "none"}
        )
        self._step = tf.function(self._graph, autograph=False)

    def __call__(self, inputs: dict, targets: Any) -> dict[str, float]:
        clips, loss, right = self._step(self._share((inputs, targets)))
        return {"loss": float(loss) / float(clips), "accuracy": float(right) / float(clips)}

    def _share(self, batch):
        """Cuts this worker's part of the batch into one piece for each of its replicas."""
        import tensorflow as tf

        def piece(context):
            number = context.replica_id_in_sync_group - self._first

            def cut(values):
                begin, end = (round(i * len(values) / self._pieces) for i in (number, number + 1))
                return tf.convert_to_tensor(values[begin:end])

            return tf.nest.map_structure(cut, batch)

        return self._strategy.experimental_distribute_values_from_function(piece)

    def _graph(self, batch):
        import tensorflow as tf

        strategy, model = self._strategy, self._model
        total = tf.distribute.ReduceOp.SUM
        clips = strategy.reduce(
            total,
            strategy.run(lambda _, targets: tf.cast(tf.shape(targets)[0], tf.float32), batch),
            None,
        )

        def replica(inputs, targets):
            with tf.GradientTape() as tape:
                answers = model(inputs, training=True)
                losses = self._losses(targets, answers)
                loss = tf.reduce_sum(losses) / tf.cast(clips, losses.dtype)
                scaled = model.optimizer.scale_loss(loss)
            gradients = tape.gradient(scaled, model.trainable_weights)
            hits = tf.argmax(answers, -1) == tf.argmax(targets, -1)
            return gradients, tf.reduce_sum(losses), tf.reduce_sum(tf.cast(hits, tf.float32))

        gradients, losses, right = strategy.run(replica, batch)
        # Summed first and applied by all at once: what clips or accumulates them sees the whole.
        gradients = [strategy.reduce(total, each, None) for each in gradients]
        model.optimizer.apply(gradients, model.trainable_weights)
        return clips, strategy.reduce(total, losses, None), strategy.reduce(total, right, None)


@contextmanager
def whole_batch_norm(model: keras.Model, devices: Devices) -> Iterator[None]:
    """Inside, every BatchNorm of ``model`` looks at the whole batch, not at a replica's share.

    Under JAX it does so by itself. The layers are given back as they were, so that the saved model
    loads everywhere.
    """
    layers = model._flatten_layers() if devices.strategy is not None else ()
    norms = [x for x in layers if isinstance(x, keras.layers.BatchNormalization)]
    before = [norm.synchronized for norm in norms]
    for norm in norms:
        norm.synchronized = True
    try:
        yield
    finally:
        for norm, value in zip(norms, before):
            norm.synchronized = value
