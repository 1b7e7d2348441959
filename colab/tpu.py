# ---
# jupyter:
#   accelerator: TPU
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # EmotionNet with JAX, on a TPU
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/emotionnet/emotionnet/blob/main/colab/tpu.ipynb)
#
# You get the training of the other notebooks through JAX: on a TPU (*Runtime → Change runtime type → v5e-1
# TPU*), and as well on a GPU or a CPU. The model file is the same, and TensorFlow reads it.
# The drawn corpus is a matter of minutes.
#
# It has not been run on a TPU by its authors yet; what has been run, and where, is in
# [distribution.md](https://github.com/emotionnet/emotionnet/blob/main/docs/distribution.md).
#
# What such models must not be used for, and what the EU AI Act prohibits:
# [model card](https://github.com/emotionnet/emotionnet/blob/main/docs/model_card.md).

# %% cellView="form"
# @title Setup { display-mode: "form" }
# @markdown Colab forgets its files. On Google Drive results stay, and a training that was cut off goes on.
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
# ## JAX
#
# Keras asks for its backend when it is first imported, so this comes before all else. After a change, restart
# the runtime.

# %%
import os

os.environ["KERAS_BACKEND"] = "jax"

import jax
import keras

print(f"Keras {keras.__version__} on {keras.backend.backend()}: {jax.devices()}")

# %% [markdown]
# ## What to learn from
#
# `demo` is drawn by the project. `ravdess` are the speech recordings of RAVDESS
# ([Zenodo 1188976](https://zenodo.org/records/1188976), Livingstone & Russo 2018): 208 MB, about 0.6 GB unpacked,
# under **CC BY-NC-SA 4.0** (name the authors, no commercial use, pass adaptations on under the same licence),
# voices of identifiable people. Choosing it needs the tick.

# %%
CORPUS = "demo"  # @param ["demo", "ravdess"]
I_AGREE_TO_THE_LICENCE = False  # @param {type:"boolean"}

if CORPUS == "ravdess" and not I_AGREE_TO_THE_LICENCE:
    raise SystemExit("Tick the box to agree to the licence, and run this cell again.")

streams = "speech" if CORPUS == "ravdess" else "both"
cache = HOME / "cache" / CORPUS

# %% [markdown]
# ## Clips as arrays
#
# Clips are decoded, and their faces found, with TensorFlow, which a TPU runtime does not have. So this happens
# once, and what the network sees is kept as plain arrays (`cache`): with Drive, later trainings need no TensorFlow.
# You may as well write them on another machine, by `python -m emotionnet.fit --records-cache DIR …`, and copy the
# folder here.
#
# The next cell installs `tensorflow-cpu` where it is needed and missing, and leaves JAX as it is. It takes no TPU
# and trains nothing.

# %%
import importlib.util

import numpy

to_prepare = not (cache / "cache.json").is_file()
if to_prepare and importlib.util.find_spec("tensorflow") is None:
    stays = f"jax=={jax.__version__} numpy=={numpy.__version__}"
    print(f"installing tensorflow-cpu beside {stays}")
    # %pip install -q "tensorflow-cpu>=2.17,<2.22" {stays}

# %%
import emotionnet

source = {}
if to_prepare and CORPUS == "ravdess":
    clips = emotionnet.download("ravdess", part="speech-audio", yes=I_AGREE_TO_THE_LICENCE)
    source = {"corpus": "ravdess", "root": clips}
elif to_prepare:
    source = {"corpus": "demo"}

# %% [markdown]
# ## Train
#
# The first lines say which device is used, and why. `EPOCHS` 0 means what the system's own recipe says. Cut off? Run
# all cells again: with Drive the training goes on where it was.

# %%
DEVICE = "auto"  # @param ["auto", "tpu", "gpu", "cpu"]
EPOCHS = 0  # @param {type:"integer"}

run = emotionnet.fit(
    **source,
    records_cache=cache,
    streams=streams,
    system_config={"speech": "logmel"} if CORPUS == "ravdess" else None,
    epochs=EPOCHS or None,
    device=DEVICE,
    name=f"{CORPUS}-jax",
    out=HOME / "saved_models",
    resume="auto",
)

# %%
from emotionnet.notebook import show_run

show_run(run)

# %% [markdown]
# ## The same model under TensorFlow
#
# `model.keras` in the run's folder holds no trace of the backend. In a runtime with TensorFlow (the default one, with
# the same Drive) it answers and is exported as any other:
#
# ```
# python -m emotionnet.predict  RUN CLIP
# python -m emotionnet.export   RUN --out BUNDLE --records RECORDS
# ```

# %%
print(run / "model.keras")
