# ---
# jupyter:
#   accelerator: GPU
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # EmotionNet on RAVDESS
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/emotionnet/emotionnet/blob/main/colab/ravdess.ipynb)
#
# You get a model of how 24 actors show eight emotions, tested on actors that it has never seen; its
# accuracy without picture or sound; a comparison with another speech network; and a file for a phone.
#
# With sound alone, training takes minutes. With picture and sound, 13 GB are downloaded, every face of
# 1,440 clips is found, and the training needs a GPU (*Runtime → Change runtime type*). That takes long, so switch
# Drive on: nothing is lost when Colab disconnects.
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
# ## Download
#
# RAVDESS is at [Zenodo, record 1188976](https://zenodo.org/records/1188976) (Livingstone & Russo 2018), under
# **CC BY-NC-SA 4.0**: name the authors, no commercial use, share adaptations under the same licence. The
# recordings show identifiable people.
#
# | part | what | download | on disk |
# |---|---|---|---|
# | `speech-audio` | sound, 24 actors | 208 MB | about 0.6 GB |
# | `speech-video` | picture and sound, 24 actors | 13.4 GB | about 14 GB |
#
# Checksums are compared with those of the record. An interrupted download continues where it stopped.

# %%
PART = "speech-audio"  # @param ["speech-audio", "speech-video"]
I_AGREE_TO_THE_LICENCE = False  # @param {type:"boolean"}

import emotionnet

clips = Path("data/ravdess") / PART
kept = HOME / "records" / PART
if (kept / "summary.txt").is_file():
    print(f"The records of an earlier time are there, nothing is downloaded: {kept}")
elif I_AGREE_TO_THE_LICENCE:
    emotionnet.download("ravdess", clips, part=PART, yes=True)
else:
    raise SystemExit("Tick the box to agree to the licence, and run this cell again.")

# %% [markdown]
# ## Prepare
#
# Each clip is decoded once, its faces are found, its sound is kept. Finished work stays: after a break the
# same cell continues. Training reads the records, not the clips, so keep the records.

# %%
from emotionnet.notebook import show_answer, show_page, show_records, show_run

if not (kept / "summary.txt").is_file():
    emotionnet.prepare("ravdess", clips, kept)
show_records(kept)

# %% [markdown]
# Reading from Drive is slow, so the training reads a copy on this machine.

# %%
import shutil

records = Path("data/ravdess/records") / PART
print("read from", shutil.copytree(kept, records, dirs_exist_ok=True))

# %% [markdown]
# ## Train
#
# Sixteen actors train, four choose the epoch, four test: nobody is in two parts. `FOLDS` says
# which four; `all` trains six times and tests on everybody once, which is the number to quote. `EPOCHS` 0
# takes the system's usual number. `logmel` is this project's speech network.
#
# The first lines say which device is used. After an interruption, run all cells again: with Drive the training continues.
# For other epochs, give another `name` in the cell.

# %%
FOLDS = "1"  # @param ["1", "2", "3", "4", "5", "6", "all"]
EPOCHS = 0  # @param {type:"integer"}

streams = "speech" if PART == "speech-audio" else "both"
common = {
    "records": records,
    "streams": streams,
    "folds": "all" if FOLDS == "all" else [int(FOLDS)],
    "epochs": EPOCHS or None,
    "out": HOME / "saved_models",
    "resume": "auto",
}
run = emotionnet.fit(
    system_config={"speech": "logmel"}, name=f"ravdess-{streams}-{FOLDS}", **common
)

# %%
show_run(run)

# %% [markdown]
# ## Without picture, without sound
#
# The accuracy when the camera is covered or the microphone is muted. It needs a model of both.

# %%
if streams == "both":
    for gone in ("audio", "faces"):
        print(emotionnet.evaluate.summary(emotionnet.evaluate(run, mask=gone)))

# %% [markdown]
# ## Is it better than another?
#
# The same training with `S2`, the speech network of the paper that this system follows. Both answer the same clips,
# so a paired test can say whether the difference is more than chance. Switch it off to save the
# second training.

# %%
COMPARE = True  # @param {type:"boolean"}

if COMPARE:
    other = emotionnet.fit(
        system_config={"speech": "S2"}, name=f"ravdess-{streams}-{FOLDS}-s2", **common
    )
    emotionnet.compare([run, other], out=HOME / "compare")
show_page(HOME / "compare" / "compare.html") if COMPARE else None

# %% [markdown]
# ## Ask it about a clip
#
# Without a name, a recording of one of the actors of the test. Any video or sound file will do, and one is needed
# where the records are of an earlier time, since nothing was downloaded then.

# %%
CLIP = ""  # @param {type:"string"}

from emotionnet.clips.records import Records
from emotionnet.training.run import Run

trained = run if (run / "model.keras").is_file() else sorted(run.glob("fold_*"))[0]
row = Run.open(trained).split_rows(Records.open(records))["test"][0]
print(f"{row.clip}: actor {row.actor} was asked to be {row.emotion}")
answer = emotionnet.predict(trained, CLIP or clips / (row.picture or row.sound))[0]
show_answer(answer)

# %% [markdown]
# ## To a phone
#
# TFLite files (which phones run) with a description of inputs and outputs, clips with the answers that they must get, and
# checksums; `verify` checks them. With Drive the folder is there; otherwise download it from the files on the left.

# %%
bundle = emotionnet.export(
    trained, HOME / "ravdess_bundle", precisions=("float32", "int8"), clips=32
)
print(emotionnet.verify.table(emotionnet.verify(bundle)))
