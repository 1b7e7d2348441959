# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # EmotionNet on your own clips
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/emotionnet/emotionnet/blob/main/colab/your_own_clips.ipynb)
#
# From a folder of recordings (video, sound or both) with your own classes, you get a model, an honest
# accuracy, and answers to new clips. A CPU runtime is enough for some hundred short clips: minutes with faces,
# less with speech alone. For thousands, use a GPU (*Runtime → Change runtime type*).
#
# Record and use people only with their consent. What such models must not be used for, and what the EU AI Act
# prohibits: [model card](https://github.com/emotionnet/emotionnet/blob/main/docs/model_card.md).

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
# ## Where your clips are
#
# One folder a class, with a folder a person inside if you know who it is (upload them on the left, or name a
# folder on Drive, `/content/drive/MyDrive/clips`):
#
# ```
# clips/
#   happy/anna/1.mp4
#   happy/ben/1.mp4
#   bored/anna/1.wav
# ```
#
# Or a CSV in the folder with the columns `file` and `emotion` and, as far as known, `actor`:
#
# ```
# file,emotion,actor
# recordings/0001.mp4,happy,anna
# recordings/0002.mp4,bored,ben
# ```
#
# **Who is in a clip matters more than anything else here.** Without it, the same people are in training and test, and the
# number says how well the model works on people that it knows.
#
# If you have no clips, tick the second box: a few are drawn.

# %%
CLIPS = "clips"  # @param {type:"string"}
DRAW_AN_EXAMPLE = False  # @param {type:"boolean"}

import shutil

from emotionnet.corpora import demo

if DRAW_AN_EXAMPLE:
    drawn = demo.make("data/drawn", actors=4, takes=1)
    for row in demo.scan(drawn):
        folder = Path(CLIPS, row.emotion, f"person_{row.actor}")
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(drawn / row.picture, folder)

# %% [markdown]
# ## What is found
#
# One clip a line, as the training will use it. Leave `TABLE` empty if folders name the class. Files that are
# not used are listed with the reason.

# %%
TABLE = ""  # @param {type:"string"}

from collections import Counter

from emotionnet.corpora import scan

ignored = []
rows = scan("folder", CLIPS, ignored, table=TABLE)
people = {row.actor for row in rows if row.actor}
print(f"{len(rows)} clips of {len(people) or 'unknown'} people")
for emotion, count in Counter(row.emotion for row in rows).most_common():
    print(f"  {emotion:<12} {count}")
for file, reason in ignored:
    print(f"  left out: {file}: {reason}")

# %% [markdown]
# ## Find the faces
#
# Every clip is decoded once and its faces are cut out. **Look at them.** A wall in place of a face, the wrong
# person, or the wrong row is cheaper to fix now than after a training.

# %%
import emotionnet
from emotionnet.notebook import show_answer, show_records, show_run

# Each folder of clips, and each table, has records of its own.
records = emotionnet.prepare("folder", CLIPS, **({"table": TABLE} if TABLE else {}))
show_records(records)

# %% [markdown]
# ## Train
#
# `actor_folds` tests on people that the training has not seen. If you do not know who is who, use `stratified`;
# every number then says that it leaks. `EPOCHS` 0 takes the system's usual number.
#
# With few clips, set `START_FROM` to a trained run: its folder, or `people`, the run that comes with
# EmotionNet (research only, see its licence). It is fine-tuned on your clips and classes:
# [how many it takes](https://github.com/emotionnet/emotionnet/blob/main/docs/make_it_yours.md).

# %%
PROTOCOL = "actor_folds"  # @param ["actor_folds", "stratified"]
STREAMS = "both"  # @param ["both", "faces", "speech"]
EPOCHS = 0  # @param {type:"integer"}
START_FROM = ""  # @param {type:"string"}

run = emotionnet.fit(
    records=records,
    init=START_FROM or None,
    protocol=PROTOCOL,
    streams=STREAMS,
    system_config={"speech": "logmel"} if STREAMS != "faces" and not START_FROM else None,
    epochs=EPOCHS or None,
    name="your_own_clips",
    out=HOME / "saved_models",
    resume="auto",
)

# %%
show_run(run)

# %% [markdown]
# With few clips the interval is wide: the accuracy cannot be known better yet. More
# *people* help more than more clips of the same people.
#
# To train again with other clips or settings, give another `name` in the cell above.
#
# ## Which clips to label next
#
# The model answers each recording without a label. Those that it is least sure of come first.

# %%
POOL = ""  # @param {type:"string"}
MOST = 5  # @param {type:"integer"}

from IPython.display import display

from emotionnet.labelling.queue import most_uncertain, score_pool

if POOL:
    scored = score_pool(run, POOL, Path(POOL) / "labels.scores.csv")
    unsure = most_uncertain(scored, MOST)
    answers = emotionnet.predict(run, [Path(POOL) / clip.file for clip in unsure])
    for clip, answer in zip(unsure, answers):
        print(f"{clip.file}: {clip.entropy_bits:.2f} bits of doubt")
        display(show_answer(answer))

# %% [markdown]
# On a computer with a browser, one key a clip, everything saved at once (the page does not open inside Colab):
#
# ```
# python -m emotionnet.label saved_models/your_own_clips --pool recordings
# ```
#
# It writes `labels.csv`; name that as `TABLE` above, with the folder of the recordings as `CLIPS`.
#
# ## Ask it about a clip
#
# Without a name, a test clip, which the model was not trained on. A whole folder at once:
# `emotionnet.predict(run, "folder")`.

# %%
CLIP = ""  # @param {type:"string"}

from emotionnet.clips.records import Records
from emotionnet.training.run import Run

row = Run.open(run).split_rows(Records.open(records))["test"][0]
answer = emotionnet.predict(run, CLIP or Path(CLIPS) / (row.picture or row.sound))[0]
show_answer(answer)
