# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Prepare a world
#
# A *world* says where images, phrases and boxes come from. This step makes one and writes it as a single table,
# `examples.parquet`: one row for each phrase about an image, with its finding and its boxes in pixels. Every later
# step reads that table and nothing else, so drawn phantoms and real radiographs go the same way from here on.

# %% tags=["parameters"]
scale = "toy"
world = "phantom"
data = ""  # the folder with real images, for worlds that are not drawn by code

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns

from plainsight import schema, worlds
from plainsight.workspace import open_workspace

space = open_workspace(scale)
folder = space.world(world)
worlds.build(world, space.size(world), space.scale, space.experiments, folder, Path(data) if data else None)
examples = schema.read(folder / "examples.parquet", worlds.findings(world))

# %% [markdown]
# ## How many, and of whom
#
# Splits share no patient: a model that has seen somebody's ribs in training must not be asked about them in the test.

# %%
examples.groupby("split")[["example_id", "image_id", "patient"]].nunique().rename(
    columns={"example_id": "phrases", "image_id": "images", "patient": "patients"}
)

# %% [markdown]
# Some findings are worded in few ways: with few distinct phrases, many test images ask the same words again.

# %%
asked = examples[examples["split"].isin(["validation", "grounding"])]
asked.groupby(["finding", "split"])["phrase"].agg(phrases="size", distinct="nunique").unstack("split")

# %%
shared = examples.groupby("patient")["split"].nunique().max()
print(f"{len(examples)} rows; no patient is in more than {shared} split.")

# %% [markdown]
# ## How large are the boxes?
#
# A small box is hard to hit and a large one is hit by chance: read every score beside the area of what it looks for.

# %%
boxed = examples[examples["split"] == "grounding"].reset_index(drop=True)
area = [sum(w * h for _, _, w, h in row.boxes) / (row.width * row.height) for row in boxed.itertuples()]
boxed = boxed.assign(area=pd.Series(area, index=boxed.index, dtype=float))
if len(boxed):
    axis = sns.boxplot(boxed, x="area", y="finding", color="0.8", fliersize=2)
    axis.set(xlabel="box area as a share of the image", ylabel="")
    print(f"The median box covers {boxed['area'].median():.1%} of its image.")

# %% [markdown]
# ## A few of them
#
# Box and phrase should agree at a glance; where they do not, that is a fault of the world, not of a model.

# %%
sample = boxed.groupby("finding", sort=True).head(1).head(8)
figure, axes = plt.subplots(2, 4, figsize=(13, 7.4), layout="constrained")
for axis in axes.flat:
    axis.set_axis_off()
for axis, (_, row) in zip(axes.flat, sample.iterrows(), strict=False):
    axis.imshow(schema.load_image(worlds.image_root(folder), row), cmap="gray", vmin=0, vmax=1)
    for x, y, width, height in row["boxes"]:
        axis.add_patch(plt.Rectangle((x, y), width, height, fill=False, color="#f9c74f"))
    axis.set_title(row["phrase"][:60], fontsize=8)
