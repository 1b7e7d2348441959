"""The sound network of DV EmotionNet on unseen people.

    python -m emotionnet.fit --recipe dv_emotionnet_speech --root RAVDESS

RAVDESS speech, 8 classes, one seed, six folds of people, 3.0 to 3.2 minutes of two shared cores each. Expected: accuracy
41.1 ± 6.5 %, UAR 39.6 ± 6.8 % (protocol `actor_folds`, mean over folds). With `--set protocol=random --set folds=1`, where the same people are in
both parts, 58.0 %; with `protocol=random_copies`, where copies of the test clips are in the training, 83.0 %.

Measured: docs/results/dv_emotionnet.md.
"""

RUNS = (
    {
        "corpus": "ravdess",
        "system": "dv_emotionnet",
        "streams": "speech",
        "protocol": "actor_folds",
        "folds": "all",
    },
)
