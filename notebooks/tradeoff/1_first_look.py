# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A first look: F against L
#
# *Trade-offs in Fine-tuned Diffusion Models Between Accuracy and Interpretability* (Dombrowski et al., AAAI 2024),
# section "Localization Results": a glimpse of **Table 1**.
#
# The first fine-tuned pair of models is enough for a first picture of that paper's question, and this page is made as
# soon as they exist: one model whose text encoder stayed frozen (Finetune_F), one whose text encoder learned
# along (Finetune_L), and the foundation they both started from. Both are looked at after equally many steps, at small
# scales when F has done half of its training and L a quarter; in the tables they are done, L after twice as many steps,
# as in the paper.
#
# What you will learn here: what the question looks like as a picture. One pair says nothing about ways of training:
# another seed may turn it round. The tables, the claims and their verdicts need all seeds: see `2_localization`.

# %% tags=["parameters"]
scale = "toy"
world = "phantom"

# %%
from plainsight import figures, published, results, tables, worlds
from plainsight.workspace import open_workspace

space = open_workspace(scale)
folder = space.world(world)
findings = worlds.placed(world)
protocols = {"foundation": "boxes", "finetune_l": "first_look", "finetune_f": "first_look"}
runs = [results.Run(variant, space.seeds(variant)[0], protocol) for variant, protocol in protocols.items()]
rows = results.read(folder, runs).assign(protocol="boxes")
table = tables.table_01(rows, findings, space.scale.bootstrap_resamples)
table = tables.beside(table, published.read(space.tables, "tradeoff", 1), tables.same_names(findings))

# %% [markdown]
# ## Does the attention lie where the finding is?
#
# Hypothesis, from the paper: it does in F, and does not in L.
#
# AUC-ROC is the chance that a pixel inside the box gets more attention than one outside: 0.5 is knowing nothing, less
# is looking away. On the right are the paper's values, from real radiographs and a model of full size: compare the
# order, not the sizes.

# %%
steps = space.scale.denoising.first_look_steps
title = f"Ours: {scale} scale, {world}, seed {space.scale.seeds[0]}, {steps} steps"
figure = figures.scores_by_finding(table, "auc", title, "Published: MS-CXR, full size")
figures.save(figure, folder / "tradeoff" / "figure_first_look", f"scale {scale}, world {world}")
figure

# %%
whole = table[(table["finding"] == tables.WEIGHTED) & (table["metric"] == "auc")].set_index("variant")
for variant in tables.VARIANTS:
    cell = whole.loc[variant]
    print(f"{tables.NAMES[variant]}: {cell['value']:.3f}, 95 % interval {cell['low']:.3f} to {cell['high']:.3f}")

# %%
gap = whole["value"]["finetune_f"] - whole["value"]["finetune_l"]
print(f"F lies {'above' if gap > 0 else 'below'} L by {abs(gap):.3f}: one training each, after {steps} steps.")

# %% [markdown]
# ## What scale changes
#
# At toy scale, the default, models are small, trained for minutes, and looked at here before they are done. At the
# papers' own size both are looked at after as many steps as the paper gives F, which is half of what it gives L.
