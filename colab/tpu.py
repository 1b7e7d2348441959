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
# The training of the other notebooks through JAX: on a TPU (*Runtime → Change runtime type → v5e-1
# TPU*), a GPU or a CPU. The model file is the same, and TensorFlow reads it.
# The drawn corpus takes minutes.
#
# Its authors have not run it on a TPU yet; what was run, and where, is in
# [distribution.md](https://github.com/emotionnet/emotionnet/blob/main/docs/distribution.md).
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
# ## JAX
#
# Keras chooses its backend when it is first imported, so this comes first. After a change, restart
# the runtime.

# %%
import os

os.environ["KERAS_BACKEND"] = "jax"

import jax
import keras

print(f"Keras {keras.__version__} on {keras.backend.backend()}: {jax.devices()}")

# %% [markdown]
# ## The training data
#
# `demo` is drawn by the project. `ravdess` are the speech recordings of RAVDESS
# ([Zenodo 1188976](https://zenodo.org/records/1188976), Livingstone & Russo 2018): 208 MB, about 0.6 GB unpacked,
# under **CC BY-NC-SA 4.0** (name the authors, no commercial use, share adaptations under the same licence),
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
# Decoding clips and finding faces needs TensorFlow, which a TPU runtime does not have. So it is done
# once, and the network's inputs are kept as plain arrays (`cache`): with Drive, later trainings need no TensorFlow.
# You can also write them on another machine, by `python -m emotionnet.fit --records-cache DIR …`, and copy the
# folder here.
#
# The next cell installs `tensorflow-cpu` if it is needed and missing, and leaves JAX as it is. TensorFlow then only
# prepares clips: it trains nothing and does not use the TPU.

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
# The first lines say which device is used, and why. `EPOCHS` 0 takes the system's usual number. After an interruption, run
# all cells again: with Drive the training continues. For other epochs, give another `name` in the cell.

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
# `model.keras` in the run's folder does not depend on the backend. In a runtime with TensorFlow (the default one, with
# the same Drive) it answers and is exported like any other:
#
# ```
# python -m emotionnet.predict  RUN CLIP
# python -m emotionnet.export   RUN --out BUNDLE --records RECORDS
# ```

# %%
print(run / "model.keras")
