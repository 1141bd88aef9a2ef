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
# The protocol (`workflow/experiments.yaml`) says which weights are asked, and how. Where this is stopped, the rows of
# weights that were asked are kept below `runs/<scale>/checkpoints/` and not made again.

# %% tags=["parameters"]
scale = "toy"
world = "phantom"
variant = "finetune_f"
seed = 0
protocols = "boxes"  # one or several, separated by commas

# %%
import shutil

import pandas as pd
import seaborn as sns
import torch

from plainsight import latents, models, schema, worlds
from plainsight.files import atomic
from plainsight.grounding import kept_scores
from plainsight.workspace import open_workspace

space = open_workspace(scale)
torch.set_num_threads(space.scale.threads)
device = "cuda" if torch.cuda.is_available() else "cpu"
folder, thus_far = (space.model(world, variant, seed, first_look) for first_look in (False, True))
places = {protocol: space.scores(world, variant, seed, protocol) for protocol in protocols.split(",")}
kept = space.runs / "checkpoints" / f"ground-{world}-{variant}-seed{seed}-{protocols}"

# %% [markdown]
# ## What is asked
#
# The phrases of one split, each about one finding. What is scored is the finished model, or the weights after as many
# steps as every other variant had, or those of a first look, or each of the weights that were kept on the way.

# %%
examples = schema.read(space.world(world) / "examples.parquet", worlds.findings(world))
examples = examples[examples["boxes"].map(len) > 0]
moments = latents.read(space.world(world) / "latents")


def score(protocol, weights):
    rows = examples[examples["split"] == protocol.split].reset_index(drop=True)
    root, resolution = worlds.image_root(space.world(world)), space.scale.resolution
    trained = thus_far if protocol.at == "first_look" and thus_far.is_dir() else folder
    model = models.load(trained, weights=weights, device=device)
    return kept_scores(kept, model, moments, rows, root, resolution, space.scale.grounding, protocol, worlds.KEYWORDS)


# %%
training = space.scale.denoising
at = {"first_look": f"step{training.first_look_steps}", "equal_steps": f"step{training.steps}"}
scores = {}
for name, path in places.items():
    protocol = space.experiments.protocols[name]
    print(f"{name}: {protocol}")
    if protocol.at == "milestones":
        steps = sorted(int(path.name.removeprefix("step")) for path in folder.glob("milestones/step*"))
        scores[name] = pd.concat([score(protocol, f"step{n}").assign(step=n) for n in steps], ignore_index=True)
    else:
        scores[name] = score(protocol, at.get(protocol.at, protocol.weights))
    with atomic(path) as temporary:
        scores[name].to_parquet(temporary, index=False)

# %% [markdown]
# ## How well does it know?
#
# AUC is the chance that a place inside the box is attended to more than one outside: 0.5 is knowing nothing, less is
# looking away. Averages over findings hide much, so here they are one by one, for the first protocol.

# %%
first = next(iter(scores.values()))
axis = sns.stripplot(first, x="auc", y="finding", size=2, color="0.6")
sns.pointplot(first, x="auc", y="finding", errorbar=None, linestyle="none", marker="D", ax=axis)
axis.axvline(0.5, color="0.5", linewidth=1)
axis.set(xlabel="AUC (0.5: chance)", ylabel="", xlim=(0, 1))
means = first[["auc", "top1", "cnr", "miou"]].mean()
print(f"{variant}, seed {seed}, on {world}, means over {len(first)} phrases:")
print(f"AUC {means['auc']:.3f}, top-1 {means['top1']:.2f}, CNR {means['cnr']:.2f}, mIoU {means['miou']:.3f}.")
lost = first.loc[first["words_lost"] > 0, "finding"].value_counts()
cut = int((~first["area_fraction"].between(0, 1, inclusive="neither")).sum())
print(f"The target of {cut} phrases lies outside the square that the model sees, or fills it: they have no score.")
unnamed = int((first["keyword_matched"] == 0).sum())
print(f"{unnamed} phrases have no keyword; {lost.sum()} are longer than the model reads", end="")
print("".join(f", {finding}: {count}" for finding, count in lost.items()), end=".\n")
shutil.rmtree(kept)
