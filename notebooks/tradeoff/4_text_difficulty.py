# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Does the text decide it?
#
# *Trade-offs in Fine-tuned Diffusion Models Between Accuracy and Interpretability* (Dombrowski et al., AAAI 2024),
# the discussion around **Table 7**.
#
# The paper blames the variability and complexity of report text for what happens to Finetune_L. If that is so, L should
# recover where the text is easy.
#
# What you will learn here:
# - how localisation develops over training, for texts of different difficulty about the very same images;
# - whether an easier text closes the distance between a frozen and a learnable text encoder in this world.

# %% tags=["parameters"]
scale = "toy"
world = "phantom"

# %%
from IPython.display import Image

from plainsight import figures, results, tables, tradeoff
from plainsight.workspace import open_workspace

space = open_workspace(scale)
folder = space.world(world)
out = folder / "tradeoff"
resamples = space.scale.bootstrap_resamples

# %% [markdown]
# ## What is compared
#
# Both recipes are trained on whole reports (those of `2_localization`) and on bare class names of everything that the
# image shows, without the silences, negations and asides of reports.

# %%
levels = {"reports": "whole reports", "labels": "class names"}
recipes = {name: recipe for name, recipe in space.experiments.variants.items() if recipe.text in levels}
rows = results.read(folder, [run for name in recipes for run in results.runs(space, [name], ["curve"])])
rows = tradeoff.by_text(rows, recipes)

# %% [markdown]
# ## Measurement
#
# Scored on validation phrases, which are the same for every text: report phrases about one finding.

# %%
curves = tables.summarise(rows, ["text", "variant", "step"], ("auc", "cnr"), (), resamples)
curves = curves[curves["finding"] == tables.WEIGHTED]
figures.save(figures.text_difficulty(curves, levels, ("auc", "cnr")), out / "figure_text_difficulty")
Image(out / "figure_text_difficulty.png")

# %% [markdown]
# ## The numbers, read aloud

# %%
last = curves[curves["metric"] == "auc"].sort_values("step").groupby(["text", "variant"]).tail(1)
for cell in last.sort_values(["text", "variant"]).to_dict("records"):
    print(f"{levels[cell['text']]}: {tables.NAMES[cell['variant']]} ends at AUC-ROC {cell['value']:.3f}", end=" ")
    print(f"({cell['low']:.3f} to {cell['high']:.3f}; training seeds: {cell['seeds']})")

# %% [markdown]
# ## What scale changes
#
# At toy scale the easy level is trained once, so that its line shows what one training did and not what trainings do.
# A difference between the panels can also come from the words themselves: the validation phrases are report phrases,
# which a model trained on class names has read only in part.
