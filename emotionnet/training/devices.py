"""Which devices a training uses.

One device: Keras's own ``train_step``, under TensorFlow as one graph for batches of any size. Several
GPUs of a machine, or several machines under TensorFlow: ``tf.distribute``, by a step of our own
(`emotionnet.training.replicas`). Several devices under JAX, TPUs among them:
``keras.distribution.DataParallel``.

A step over several devices is the same step as on one: each takes its share of the batch, gradients
are summed, then clipped and applied once; BatchNorm looks at the whole batch. So the devices are no
part of what a run is, and it may be resumed on others.
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
from emotionnet.inputs.source import own_slice
from emotionnet.training import replicas as spread
from emotionnet.training.norms import fused, synchronized

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

    def facts(self) -> dict[str, Any]:
        """What a run's ``versions.json`` says of them."""
        backend = keras.backend.backend()
        numbers = {"kind": self.kind, "replicas": self.replicas, "workers": self.workers}
        return {"backend": backend, **numbers, "why": self.why.partition(" (")[0]}

    def scope(self):
        """Where the model and its optimizer must be made."""
        return self.strategy.scope() if self.strategy else nullcontext()

    def check(self, batch_size: int, precision: str = "float32") -> None:
        """Makes sure that they can train so.

        Raises:
            UsageError: a batch cannot be shared evenly; or the precision needs one device.
        """
        if self.replicas > 1 and precision == "mixed_float16":
            raise UsageError(
                "--precision mixed_float16 trains on one device. On several use mixed_bfloat16."
            )
        # Two clips each, so that of a last batch, which is half a batch at least, all get one.
        least = 2 * self.replicas if self.strategy else self.replicas
        if batch_size % self.replicas or batch_size < least:
            fitting = max(least, self.replicas * round(batch_size / self.replicas))
            raise UsageError(
                f"--batch-size {batch_size} cannot be shared evenly by {self.replicas} devices; "
                f"{fitting} can."
            )

    def training_step(self, model: keras.Model) -> Callable[[dict, Any], dict[str, float]]:
        """How a compiled model learns from one batch; make it again when other layers learn.

        Args:
            model: made and compiled in `scope`, with categorical cross-entropy.

        Returns:
            ``step(inputs, targets)``, which gives ``clips`` of the batch and its means ``loss`` and
            ``accuracy``. Over several workers each gives its `own_part`, all get the same answer.
        """
        if self.strategy is None:
            return spread.one_step(model)
        return spread.ReplicatedStep(model, self.strategy, self.replicas // self.workers)

    def predictor(self, model: keras.Model) -> Callable[[Any], np.ndarray]:
        """How a model answers a batch; weights are the same on all devices, so one is enough."""
        return spread.answering(model)

    def norms(self, model: keras.Model):
        """Inside, normalization is as it trains best: in few operations, or over the whole batch, not a device's share.

        The layers are given back as they were, so that a saved model loads everywhere.
        """
        if self.strategy:
            return synchronized(model)
        # Under JAX XLA makes one of many, over all devices.
        return fused(model) if keras.backend.backend() == "tensorflow" else nullcontext()

    def own_part(self, batch: Any) -> Any:
        """This worker's clips of a whole batch of arrays, each (clips, ...)."""

        def own(each):
            return each[own_slice(len(each), self.worker, self.workers)]

        return keras.tree.map_structure(own, batch)

    def agreed(self, values: Any) -> np.ndarray:
        """The chief's ``values``, float64 of any shape, on every worker.

        What decides (the best epoch, which clips move) must be the same to the bit, or workers would
        wait for each other for ever.
        """
        values = np.asarray(values, np.float64)
        if self.workers == 1:
            return values
        return spread.summed(self.strategy, values if self.chief else np.zeros_like(values))

    @contextmanager
    def chief_first(self) -> Iterator[None]:
        """What is inside is done by the chief, and then by the others: for files that all share."""
        if not self.chief:
            self.agreed(0.0)
        yield
        if self.chief:
            self.agreed(0.0)


#: One device, as Keras finds it.
ONE = Devices("cpu", 1)


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
            spread.Shares(devices=names[:count], auto_shard_dataset=False)
        )
    elif keras.distribution.distribution() is not None:
        keras.distribution.set_distribution(None)  # of a training before, in the same process
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
    # Back to TensorFlow's own way: graphs as traced, see `emotionnet.environment`, were measured without a TPU.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})
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
