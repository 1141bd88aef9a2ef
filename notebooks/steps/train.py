# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Fine-tune a variant
#
# One foundation, one world, one recipe, one seed. The recipe (`workflow/experiments.yaml`) says what learns, which
# text it reads and for how long. Weights are kept on the way, so that localisation can be followed over training
# instead of being read off at one moment that somebody chose.

# %% tags=["parameters"]
scale = "toy"
world = "phantom"
variant = "finetune_f"
seed = 0
stops_early = False  # for a first look; the whole training goes on from there

# %%
import json

import pandas as pd
import seaborn as sns

from plainsight.training import launch
from plainsight.workspace import open_workspace

space = open_workspace(scale)
folder = launch(
    stage="finetune",
    scale=str(space.scale_file),
    experiments=str(space.experiments_file),
    runs=str(space.runs),
    world=world,
    variant=variant,
    seed=seed,
    stops_early=stops_early,
)
print(space.experiments.variants[variant])
measured = json.loads((folder / "run.json").read_text(encoding="utf-8"))["measured"]
print(f"{measured['train_images']} training texts, of which {measured['texts_cut']} are longer than the text encoder")
print("reads: their last words are cut off.")

# %% [markdown]
# ## Did it learn?
#
# A low loss says that the model draws such images well. It does not say that it knows where its words are: in the
# trials behind this compendium, localisation still changed much after the loss had become flat.

# %%
loss = pd.read_csv(folder / "loss.csv")
loss["running mean"] = loss["loss"].rolling(50, min_periods=1).mean()
axis = sns.scatterplot(loss, x="step", y="loss", s=4, color="0.7", linewidth=0)
sns.lineplot(loss, x="step", y="running mean", ax=axis)
axis.set(xlabel="training step", ylabel="denoising loss (MSE)")
kept = sorted((path.name for path in (folder / "milestones").glob("step*")), key=lambda name: int(name[4:]))
print(f"{len(loss)} steps; last 50 losses: mean {loss['loss'].tail(50).mean():.3f}; weights kept at {', '.join(kept)}.")
