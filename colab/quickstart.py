# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # EmotionNet: from clips to an answer
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/emotionnet/emotionnet/blob/main/colab/quickstart.ipynb)
#
# You get a trained audio-visual emotion recogniser, its report, its answer to a clip, and a file for a
# phone. A CPU runtime is enough: on two idle cores it took three to five minutes to the report.
# Choose *Runtime → Run all*.
#
# The faces are **drawn** and the voices are made up: this shows that everything works, and knows nothing
# of people. The second half, which you switch on, learns from real voices.
#
# What such models must not be used for, and what the EU AI Act prohibits:
# [model card](https://github.com/emotionnet/emotionnet/blob/main/docs/model_card.md).

# %% cellView="form"
# @title Setup { display-mode: "form" }
# @markdown Colab deletes its files. On Google Drive results stay, and an interrupted training continues.
USE_DRIVE = False  # @param {type:"boolean"}

import sys
from pathlib import Path

HOME = Path()
if "google.colab" in sys.modules:
    import logging

    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # else it warns of every new model
    REPOSITORY = "https://github.com/emotionnet/emotionnet"
    # What the runtime has stays as it is, its TensorFlow first of all.
    # %pip list --format=freeze > runtime.txt
    # %pip install -q "emotionnet[tflite] @ git+{REPOSITORY}" -c runtime.txt
    if USE_DRIVE:
        from google.colab import drive

        drive.mount("/content/drive")
        HOME = Path("/content/drive/MyDrive/emotionnet")

# %% [markdown]
# ## Train
#
# `fit` draws the corpus, finds the faces once, trains a network for faces and one for speech, fuses them,
# and tests on "actors" that neither has seen. `speech` alone takes a fraction of the time. After an interruption, run
# the cell again: it continues. For other epochs, give another `name` in the cell.

# %%
STREAMS = "both"  # @param ["both", "faces", "speech"]
FACE_EPOCHS = 12  # @param {type:"integer"}
VOICE_EPOCHS = 30  # @param {type:"integer"}

import emotionnet

run = emotionnet.fit(
    corpus="demo",
    streams=STREAMS,
    train={"faces.epochs": FACE_EPOCHS, "speech.epochs": VOICE_EPOCHS},
    name=f"quickstart-{STREAMS}",
    out=HOME / "saved_models",
    resume="auto",
)

# %% [markdown]
# The training clips: a row of faces for each emotion. Two pairs of emotions look the same, and two others
# sound the same, so faces or voices alone are right in about 75 % at best.

# %%
from emotionnet.notebook import show_answer, show_records, show_run

show_records("data/demo/records")

# %% [markdown]
# ## How good is it?
#
# *UAR* is the share found of each emotion, averaged: guessing among eight gives 12.5 %. The interval says how far
# chance alone may have moved the accuracy. The dotted line marks the epoch that was kept; it was chosen on other
# actors than those of the test.

# %%
show_run(run)

# %% [markdown]
# ## Ask it about a clip
#
# A clip of an actor that it never saw. You can put the name of any video or sound file below; and of a person,
# ask `"people"` in place of `run`: a model that knows real people, for research only.

# %%
CLIP = "data/demo/clips/actor_12/demo-12-happy-1.mp4"  # @param {type:"string"}

answer = emotionnet.predict(run, CLIP)[0]
show_answer(answer)

# %% [markdown]
# ## To a phone
#
# The same network as TFLite files (which phones run; int8 is the small one), with everything needed to call them.
# `verify` checks the folder without TensorFlow: how far the answers are from those that it expects, and from Keras.

# %%
bundle = emotionnet.export(
    run, HOME / "quickstart_bundle", precisions=("float32", "int8"), clips=16, calibration_clips=16
)
print(emotionnet.verify.table(emotionnet.verify(bundle)))

# %% [markdown]
# ## In your browser
#
# The int8 file, in a page that runs it on your machine, with your camera and your microphone. Nothing is sent: the
# browser lets the page connect to nothing. The file `quickstart_bundle.html` is the same page, to keep or to share.
# (This model knows drawn faces only.)

# %%
from emotionnet.notebook import show_page

show_page(emotionnet.page(bundle))

# %% [markdown]
# ## Real voices
#
# The speech recordings of RAVDESS: 24 actors, eight emotions, 1,440 recordings
# ([Zenodo 1188976](https://zenodo.org/records/1188976), Livingstone & Russo 2018). They are under
# **CC BY-NC-SA 4.0**: name the authors, no commercial use, share adaptations under the same licence. They
# contain the voices of identifiable people. The archive has 208 MB, unpacked about 0.6 GB.
#
# Tick the box to agree; then this and the next cells train a small network on 16 actors, choose the epoch on
# 4, and test on 4 that it never heard.

# %%
I_AGREE_TO_THE_LICENCE = False  # @param {type:"boolean"}

recordings = Path("data/ravdess/clips")
if I_AGREE_TO_THE_LICENCE:
    emotionnet.download("ravdess", recordings, part="speech-audio", yes=True)
else:
    print("Nothing is downloaded. Tick the box above and run from here on.")

# %%
REAL_EPOCHS = 20  # @param {type:"integer"}

if I_AGREE_TO_THE_LICENCE:
    voices = emotionnet.fit(
        corpus="ravdess",
        root=recordings,
        streams="speech",
        system_config={"speech": "logmel"},
        epochs=REAL_EPOCHS,
        name="quickstart-voices",
        out=HOME / "saved_models",
        resume="auto",
    )

# %%
show_run(voices) if I_AGREE_TO_THE_LICENCE else None

# %% [markdown]
# On another division of the actors the number may be several points higher or lower: four people are few.
# `folds="all"` tests on each of them once; [the results](https://github.com/emotionnet/emotionnet/blob/main/docs/results/speech.md).
#
# ## Next
#
# - [ravdess.ipynb](https://colab.research.google.com/github/emotionnet/emotionnet/blob/main/colab/ravdess.ipynb): RAVDESS, sound alone or (on a GPU) with faces.
# - [your_own_clips.ipynb](https://colab.research.google.com/github/emotionnet/emotionnet/blob/main/colab/your_own_clips.ipynb): your recordings, your classes.
# - [tpu.ipynb](https://colab.research.google.com/github/emotionnet/emotionnet/blob/main/colab/tpu.ipynb): the same training with JAX on a TPU.
