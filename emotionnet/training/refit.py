"""Training continues on the validation people too, once they have chosen the epoch.

Until then a run has not used a fifth of the people that it may be trained on. With few actors
that is much to give away: so the chosen weights are trained a while longer, on training and validation
part together. No test clip is seen, and nothing is chosen any more: how long is fixed beforehand,
and the last epoch counts. What was fitted in closed form is fitted again, but for what networks were trained behind.
"""

import math
from typing import Any

from emotionnet.errors import UsageError
from emotionnet.inputs.protocols import PROTOCOLS
from emotionnet.inputs.split import Split, check_disjoint
from emotionnet.training import plan
from emotionnet.training.init import INIT_STREAMS, init_source
from emotionnet.training.run import LEARNT_ON, Run

#: The run's epochs are divided by the first, its learning rate is multiplied by the second.
FEWER_EPOCHS, RATE_SHARE, WARMUP_EPOCHS = 4, 0.5, 0.5


def refit_config(
    run: Run, epochs: int | None = None, learning_rate: float | None = None
) -> dict[str, Any]:
    """The config of the run that continues ``run``, less what its split says.

    Args:
        run: trained to its end.
        epochs: by default a quarter of the run's, of each stream.
        learning_rate: by default half of the run's, of each stream.

    Raises:
        UsageError: the run is one that was continued already, or it learns from few labels.
        EmotionNetError: it is not trained to its end.
    """
    config = run.config
    if config.get("combined"):
        raise UsageError(f"{run.folder}: is combined out of two runs. Refit these, then combine.")
    if config.get("refit"):
        raise UsageError(f"{run.folder}: was already trained on its validation part.")
    if config.get("learning", {}).get("scheme", "all") != "all":
        raise UsageError(
            f"{run.folder}: learns from few labels, and a refit needs those of all clips."
        )
    settings = {
        stream: {
            **each,
            # What has thawed goes on learning; what was to thaw later than it ended stays as it is.
            "frozen": [] if 0 < each["frozen_epochs"] < each["epochs"] else each["frozen"],
            "frozen_epochs": 0,
            "epochs": epochs or math.ceil(each["epochs"] / FEWER_EPOCHS),
            "learning_rate": learning_rate or each["learning_rate"] * RATE_SHARE,
            "warmup_epochs": WARMUP_EPOCHS,
            "patience": 0,
        }
        for stream, each in plan.completed(config["settings"]).items()
    }
    # The weights are those of the run: what it began with itself does not matter any more.
    begun = ("format", "init", *INIT_STREAMS)
    kept = {key: value for key, value in config.items() if key not in begun}
    return {**kept, "settings": plan.completed(settings), "refit": init_source(run.folder)}


def refit_split(run: Run, records) -> Split:
    """The split of ``run`` with its validation part among what it learns from.

    Args:
        run: any run.
        records: opened, those of the run.

    Raises:
        UsageError: the run has no validation part.
    """
    config, parts = run.config, run.split_rows(records)
    if not parts["validation"]:
        raise UsageError(f"{run.folder}: has no validation part to continue training on.")
    protocol = PROTOCOLS[config["protocol"]]
    split = Split(
        train=sorted([*parts["train"], *parts["validation"]], key=lambda row: row.clip),
        validation=[],
        test=parts["test"],
        protocol=config["protocol"],
        fold=config["fold"],
        folds=config["folds"],
        seed=config["seed"],
        leaky=config["leaky"],
        by_actor=protocol.by_actor,
        whole=protocol.whole,
        description=f"{config['protocol_description']}; {LEARNT_ON}",
        warning=config.get("split_warning", ""),
    )
    check_disjoint(split)
    return split
