# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The text encoder
#
# Stable Diffusion reads with CLIP's text encoder, which had learned from image-caption pairs long before. This step
# is its small stand-in: a text encoder and an image tower learn to tell which caption of a batch belongs to which
# scene; then the image tower is thrown away, and the encoder's last layer with it, as in Stable Diffusion 2. The
# paper's question is what happens to this encoder later: left as it is (Finetune_F), or trained along with the rest
# (Finetune_L).

# %% tags=["parameters"]
scale = "toy"

# %%
import json

import pandas as pd
import seaborn as sns

from plainsight.training import launch
from plainsight.workspace import open_workspace

space = open_workspace(scale)
folder = launch(
    stage="text_encoder",
    scale=str(space.scale_file),
    experiments=str(space.experiments_file),
    runs=str(space.runs),
    world=space.scale.foundation_world,
)

# %% [markdown]
# ## Did it learn?

# %%
axis = sns.lineplot(pd.read_csv(folder / "loss.csv"), x="step", y="loss", linewidth=0.8)
axis.set(xlabel="training step", ylabel="contrastive loss")
measured = json.loads((folder / "run.json").read_text())["measured"]
print(f"It finds the right caption among those of other scenes in {measured['retrieval_accuracy']:.0%} of cases;")
print(f"guessing would in {measured['retrieval_chance']:.0%}.")
