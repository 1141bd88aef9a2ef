# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The foundation
#
# The stand-in for Stable Diffusion: a U-Net learns to denoise drawn scenes while it reads their captions through the
# frozen text encoder. It has never seen a radiograph. It does have to know where its own words are, on scenes: a
# foundation that does not would make everything that is said about fine-tuning it empty. That is measured in the step
# `ground` with world `scenes`; read it before any other table.

# %% tags=["parameters"]
scale = "toy"

# %%
import pandas as pd
import seaborn as sns

from plainsight import models, schema, worlds
from plainsight.tokenizer import share_seen
from plainsight.training import launch
from plainsight.workspace import open_workspace

space = open_workspace(scale)
folder = launch(
    stage="foundation",
    scale=str(space.scale_file),
    experiments=str(space.experiments_file),
    runs=str(space.runs),
    world=space.scale.foundation_world,
)

# %% [markdown]
# ## Did it learn?
#
# The loss of single steps jumps, because the difficulty of a step depends on how much noise was drawn for it; the
# line is a running mean.

# %%
loss = pd.read_csv(folder / "loss.csv")
loss["running mean"] = loss["loss"].rolling(50, min_periods=1).mean()
axis = sns.scatterplot(loss, x="step", y="loss", s=4, color="0.7", linewidth=0)
sns.lineplot(loss, x="step", y="running mean", ax=axis)
axis.set(xlabel="training step", ylabel="denoising loss (MSE)")
model = models.load(folder)
size = sum(parameter.numel() for parameter in model.unet.parameters())
print(f"A U-Net of {size / 1e6:.2f} million parameters; last 50 losses on average {loss['loss'].tail(50).mean():.3f}.")

# %% [markdown]
# ## Which words has it ever seen?
#
# The tokenizer is CLIP's own: it splits rare words into pieces. A piece that never stood in a caption of a scene still
# has its random embedding; a frozen encoder will never do better with it than tell it from other pieces.


# %%
def phrases(world, split):
    examples = schema.read(space.world(world) / "examples.parquet", worlds.findings(world))
    return examples.loc[examples["split"] == split, "phrase"]


kinds, occurrences = share_seen(model.tokenizer, phrases("scenes", "train"), phrases("phantom", "grounding"))
print(f"Of the word pieces in the test phrases about phantoms, pretraining ever saw {kinds:.0%};")
print(f"weighted by how often they occur, {occurrences:.0%}.")
for word in ("consolidation", "cardiomegaly", "effusion"):
    print(f"{word}: {model.tokenizer.tokenize(word)}")
