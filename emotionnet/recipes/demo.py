"""The whole line on drawn, talking faces: that it works, and nothing about people.

    python -m emotionnet.fit --recipe demo

About 5 minutes on two idle cores, with 224 clips to be drawn and their faces to be found. Expected: 95 to 100 % fused, 67 to 73 %
from faces, 73 to 77 % from speech (seeds 0 to 2), on 64 clips of four drawn people who were never
seen; protocol `holdout`. By design either stream alone has a ceiling of 75 %.

Measured: docs/results.md, "The demo corpus".
"""

RUNS = ({"corpus": "demo", "system": "ghost_fan"},)
