# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Ask a model where its words are
#
# Noise is put on an image and the model is asked to remove it while it reads a phrase about it. Nobody looks at what
# it paints: what counts is which places of the image the words of the finding attend to meanwhile. That gives a heat
# map for each phrase, and each heat map is scored against the boxes, or the exact masks, that the model never saw.
# The protocol (`workflow/experiments.yaml`) says which weights are asked, and how.

# %% tags=["parameters"]
scale = "toy"
world = "phantom"
variant = "finetune_f"
seed = 0
protocol = "boxes"

# %%
import pandas as pd
import seaborn as sns
import torch

from plainsight import latents, models, schema, worlds
from plainsight.files import atomic
from plainsight.grounding import score_examples
from plainsight.workspace import open_workspace

space = open_workspace(scale)
torch.set_num_threads(space.scale.threads)
asked = space.experiments.protocols[protocol]
device = "cuda" if torch.cuda.is_available() else "cpu"
print(asked)

# %% [markdown]
# ## What is asked
#
# The phrases of one split, each about one finding. `weights` lists what is scored: the finished model, the weights
# after as many steps as every other variant had, or each of those that were kept on the way.

# %%
examples = schema.read(space.world(world) / "examples.parquet", worlds.findings(world))
examples = examples[(examples["split"] == asked.split) & (examples["boxes"].map(len) > 0)].reset_index(drop=True)
folder = space.model(world, variant, seed)
steps = {
    "end": [asked.weights],
    "equal_steps": [f"step{space.scale.denoising.steps}"],
    "milestones": sorted((p.name for p in folder.glob("milestones/step*")), key=lambda name: int(name[4:])),
}[asked.at]
print(f"{len(examples)} phrases about {examples['image_id'].nunique()} images; weights: {', '.join(steps)}")

# %%
moments = latents.read(space.world(world) / "latents.safetensors")
parts = []
for weights in steps:
    model = models.load(folder, weights=weights, device=device)
    part = score_examples(
        model,
        moments,
        examples,
        worlds.image_root(space.world(world)),
        space.scale.resolution,
        space.scale.grounding,
        asked,
        worlds.KEYWORDS,
    )
    if asked.at == "milestones":
        part["step"] = int(weights.removeprefix("step"))
    parts.append(part)
scores = pd.concat(parts, ignore_index=True)
with atomic(space.scores(world, variant, seed, protocol)) as path:
    scores.to_parquet(path, index=False)

# %% [markdown]
# ## How well does it know?
#
# AUC is the chance that a place inside the box is attended to more than one outside: 0.5 is knowing nothing, less is
# looking away. Averages over findings hide much, so here they are one by one, at the last of the weights asked.

# %%
last = scores[scores["step"] == scores["step"].max()] if "step" in scores else scores
axis = sns.stripplot(last, x="auc", y="finding", size=2, color="0.6")
sns.pointplot(last, x="auc", y="finding", errorbar=None, linestyle="none", marker="D", ax=axis)
axis.axvline(0.5, color="0.5", linewidth=1)
axis.set(xlabel="AUC (0.5: chance)", ylabel="", xlim=(0, 1))
means = last[["auc", "top1", "cnr", "miou"]].mean()
print(f"{variant}, seed {seed}, on {world}, means over {len(last)} phrases:")
print(f"AUC {means['auc']:.3f}, top-1 {means['top1']:.2f}, CNR {means['cnr']:.2f}, mIoU {means['miou']:.3f}.")
