# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The foundation, loaded
#
# At paper scale nothing is built: the foundation is Stable Diffusion 2 base, as in the paper, at a pinned revision. Its
# weights come from the folder `weights` beside the data sets, or from the Hugging Face hub; `HF_HUB_OFFLINE=1` keeps to
# what the hub's cache holds. Weights are read from safetensors alone, because other formats can run code.

# %% tags=["parameters"]
scale = "paper"
weights = ""  # a folder with published weights, <owner>/<name> each as on the hub

# %%
import json

from diffusers.models.attention_processor import Attention

from plainsight import models
from plainsight.training import launch
from plainsight.workspace import open_workspace

space = open_workspace(scale)
folder = launch(
    stage="foundation",
    scale=str(space.scale_file),
    experiments=str(space.experiments_file),
    runs=str(space.runs),
    world=space.scale.foundation_world,
    weights=weights,
)
origin = json.loads((folder / "run.json").read_text())["measured"]
print(f"{origin['repo']}, commit {origin['revision'] or 'not said by the folder it comes from'};")
print(f"the fingerprint of weights, settings and tokens is {origin['fingerprint']}.")

# %% [markdown]
# ## What it is
#
# What counts for grounding: how many layers of the U-Net read the text, and into how many pieces words fall.

# %%
model = models.load(folder)
layers = [m for m in model.unet.modules() if isinstance(m, Attention) and m.is_cross_attention]
for name in ("unet", "text_encoder", "vae"):
    size = sum(parameter.numel() for parameter in getattr(model, name).parameters())
    print(f"{name}: {size / 1e6:.1f} million parameters")
print(f"{len(layers)} cross-attention layers; latents of {model.unet.config.sample_size} x", end=" ")
print(f"{model.unet.config.sample_size}; texts of up to {model.tokenizer.model_max_length} tokens.")
for word in ("consolidation", "cardiomegaly", "effusion"):
    print(f"{word}: {model.tokenizer.tokenize(word)}")
