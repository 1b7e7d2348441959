"""Speech of people who were never heard: a small CNN on log-mels, then on from the validation people too.

    python -m emotionnet.fit --recipe ravdess_speech --root RAVDESS

RAVDESS speech, 8 classes, protocol `actor_folds`, 6 folds, 3 seeds: 123 minutes of one core, then 40 for the refit (6 minutes
a training). Expected: UAR 64.0 %, after the refit 66.3 ± 3.6 %, accuracy 66.6 ± 3.9 % (means over folds and seeds).

Measured: docs/results/speech.md.
"""

RUNS = (
    {
        "name": "logmel",
        "corpus": "ravdess",
        "streams": "speech",
        "speech": "logmel",
        "protocol": "actor_folds",
        "folds": "all",
        "seeds": (0, 1, 2),
    },
    {"refit": "logmel"},
)
