# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A judge for images that are made
#
# Whether made images look like real ones is asked of a network that was trained on real ones: how far apart are the two
# sets in its features, and does it find in a made image what the prompt asked for? The papers take Inception-v3 and a
# DenseNet trained on hundreds of thousands of radiographs. No such weights come with the packages, so a DenseNet of the
# same package is trained here, on the images of one world. It never sees an image that a model made, and the models
# that make them never see it.

# %% tags=["parameters"]
scale = "toy"
world = "phantom"

# %%
import json

import pandas as pd
import seaborn as sns
import torch

from plainsight import features, latents, schema, worlds
from plainsight.training import launch
from plainsight.workspace import open_workspace

space = open_workspace(scale)
torch.set_num_threads(space.scale.threads)
folder = launch(
    stage="classifier",
    scale=str(space.scale_file),
    experiments=str(space.experiments_file),
    runs=str(space.runs),
    world=world,
)

# %% [markdown]
# ## Did it learn?

# %%
axis = sns.lineplot(pd.read_csv(folder / "loss.csv"), x="step", y="loss", linewidth=0.8)
axis.set(xlabel="training step", ylabel="binary cross-entropy a finding")
measured = json.loads((folder / "run.json").read_text())["measured"]
print(f"AUC on images not trained on, mean over findings: {measured['auc']:.3f} (0.5: chance)")

# %% [markdown]
# ## What it can tell apart
#
# A finding that the judge cannot see in real images says nothing about made ones. The images here are those whose
# reports will be the prompts.

# %%
examples = schema.read(space.world(world) / "examples.parquet", worlds.findings(world))
rows = examples[examples["split"] == "generation"].drop_duplicates("image_id")
pixels = latents.load_pixels(worlds.image_root(space.world(world)), rows, space.scale.resolution)
judge = features.load_classifier(folder)
scores = judge.scores(pixels, space.scale.classifier.batch_size)
auc = pd.Series(features.auc_by_finding(scores, rows["finding"], judge.findings, healthy=None), name="auc")
axis = sns.stripplot(x=auc, y=auc.index, size=8)
axis.axvline(0.5, color="0.5", linewidth=1)
axis.set(xlabel="AUC against images without the finding (0.5: chance)", ylabel="", xlim=(0, 1))
print(auc.round(3).to_string())
