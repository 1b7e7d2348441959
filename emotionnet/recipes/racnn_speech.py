"""RACNN on sound alone: how far half an hour goes, on people who were never heard.

    python -m emotionnet.fit --recipe racnn_speech --root RAVDESS

RAVDESS speech, 8 classes, 12 epochs of the up to 100 of the paper, no augmentation; 34 minutes of two shared cores. Expected: UAR
34.8 %, accuracy 37.1 % (Wilson 95 % 31.2 to 43.4) on 240 clips of four actors; protocol `actor_folds`, fold 1 of 6, one seed. The paper's
81.76 % is of another protocol.

Measured: docs/results/racnn.md.
"""

RUNS = (
    {
        "corpus": "ravdess",
        "system": "racnn",
        "streams": "speech",
        "protocol": "actor_folds",
        "folds": (1,),
        "seeds": (0,),
        "augment": "none",
        "epochs": 12,
    },
)
