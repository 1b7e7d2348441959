"""Faces from single pictures, from nothing: ever larger, ever harder, then taught by its own kind.

    python -m emotionnet.fit --recipe fer2013_faces --root fer2013.zip

FER2013, 7 classes, 280,487 parameters, no pretraining, no other data; protocol `given`, the 3,589 public-test pictures. 184 minutes of
one core. Expected accuracy on the test pictures, stage by stage: 56.6, 63.4, 65.1, 65.1 (with mixup), 66.1 (taught), 66.5 % (refit; Wilson 95 %
64.9 – 68.0); `evaluate --mirror` of the last 67.3 %.

Measured: docs/results/fer2013.md; one seed.
"""

_FACES = {"corpus": "fer2013", "streams": "faces", "protocol": "given"}
_LATER = {**_FACES, "learning_rate": 3e-3, "warmup_epochs": 0.5, "epochs": 30}
_LARGE = {**_LATER, "image_size": 96, "augment": "strong", "init_faces": "f1_48_72_96"}

RUNS = (
    {**_FACES, "name": "f1_48", "epochs": 20},
    {**_LATER, "name": "f1_48_72", "init_faces": "f1_48", "image_size": 72},
    {**_LARGE, "name": "f1_48_72_96", "init_faces": "f1_48_72"},
    {**_LARGE, "name": "f1_mixup", "epochs": 11, "learning_rate": 2e-3, "mixup": 0.3},
    {**_LARGE, "name": "f1_96_taught", "epochs": 40, "teachers": ("f1_48_72_96", "f1_mixup")},
    {"refit": "f1_96_taught"},
)
