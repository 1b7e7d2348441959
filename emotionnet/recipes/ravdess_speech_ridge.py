"""Speech of people who were never heard: three small CNNs and a kernel machine on statistics of log-mels and pitch.

    python -m emotionnet.fit --recipe ravdess_speech_ridge --root RAVDESS

RAVDESS speech, 8 classes, protocol `actor_folds`, 6 folds, 3 seeds: 7 minutes of one core a training, then 2 for the refit, 162 in all.
Expected: UAR 67.5 %, after the refit 69.4 ± 4.2 % (means over folds and seeds), accuracy 69.0 % of all clips.

Measured: docs/results/speech.md.
"""

RUNS = (
    {
        "name": "ridge",
        "corpus": "ravdess",
        "streams": "speech",
        "speech": "logmel_ridge",
        "protocol": "actor_folds",
        "folds": "all",
        "seeds": (0, 1, 2),
    },
    {"refit": "ridge"},
)
