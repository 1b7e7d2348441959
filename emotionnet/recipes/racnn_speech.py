"""RACNN on sound alone, on people who were never heard.

    python -m emotionnet.fit --recipe racnn_speech --root RAVDESS

RAVDESS speech, 8 classes, up to 36 epochs (the paper: 100), of which 34 are trained until it stops early, no augmentation; 72 minutes of one of two
cores. Expected: UAR 34.0 %, accuracy 35.8 % (Wilson 95 % 30.0 to 42.1) on 240 clips of four actors; protocol `actor_folds`,
fold 1 of 6, one seed. The paper's 81.76 % is of another protocol.

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
        "epochs": 36,
    },
)
