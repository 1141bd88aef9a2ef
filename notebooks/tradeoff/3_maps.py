# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A look at the maps
#
# *Trade-offs in Fine-tuned Diffusion Models Between Accuracy and Interpretability* (Dombrowski et al., AAAI 2024),
# **Figure 2**: what the numbers of Table 1 look like.
#
# What you will learn here:
# - where foundation, Finetune_L and Finetune_F look when they read a finding's words, on the same images;
# - how coarse these maps are, and what a median score looks like.
#
# This notebook grounds a handful of phrases once more, so that it needs the models and not only their scores.

# %% tags=["parameters"]
scale = "toy"
world = "phantom"

# %%
import numpy as np
import torch
from IPython.display import Image

from plainsight import figures, grounding, latents, models, results, schema, tables, tradeoff, worlds
from plainsight.tokens import token_weights
from plainsight.workspace import open_workspace
from plainsight.worlds import radiographs

space = open_workspace(scale)
folder = space.world(world)
findings = [name for name in worlds.findings(world) if name != "No Finding"]
torch.set_num_threads(space.scale.threads)

# %% [markdown]
# ## Which examples
#
# They were chosen by a rule fixed before any was seen: for every second finding of the world's list, and for the
# phrases with several boxes, the one with F's *median* CNR (seed 0). Neither the best nor the worst.

# %%
asked = results.read_asked(folder)
first = results.read(folder, [results.Run("finetune_f", 0, "boxes")])
chosen = tradeoff.choose_examples(first, findings, set(asked.index[asked["n_boxes"] > 1]))
examples = schema.read(folder / "examples.parquet", worlds.findings(world))
shown = examples.set_index("example_id", drop=False).loc[chosen]
moments = latents.read(folder / "latents")
side = space.scale.resolution
root = worlds.image_root(folder)


# %%
@torch.inference_mode()
def heat_maps(variant):
    model = models.load(space.model(world, variant, 0))
    phrases, ids = shown["phrase"].tolist(), shown["example_id"].tolist()
    words = [worlds.KEYWORDS[finding] for finding in shown["finding"]]
    tokens = [token_weights(model.tokenizer, p, "keyword", w).weights for p, w in zip(phrases, words, strict=True)]
    images = grounding.sample_latents(moments, shown["image_id"].tolist(), 0)
    weights = torch.from_numpy(np.stack(tokens))
    asked = (model, images, model.encode_text(phrases), weights, ids, space.scale.grounding)
    return grounding.ground(*asked, noise_seed=0, size=(side, side)).numpy()


def picture(place, row):
    how = radiographs.fit(row["width"], row["height"], side)
    count = f" ({len(row['boxes'])} boxes)" if len(row["boxes"]) > 1 else ""
    seen = {tables.NAMES[v]: grounding.in_source_pixels(maps[v][place], how) for v in tables.VARIANTS}
    return figures.Grounded(row["finding"] + count, schema.load_image(root, row), row["boxes"], seen)


# %% [markdown]
# ## Figure 2
#
# Phrases are not printed; the finding is. Boxes are white, bright is high attention, and each map has a scale of its
# own: what can be compared is where they are bright, not how bright.

# %%
maps = {variant: heat_maps(variant) for variant in tables.VARIANTS}
drawn = [picture(place, row) for place, (_, row) in enumerate(shown.iterrows())]
figures.save(figures.figure_02(drawn), folder / "tradeoff" / "figure_02")
Image(folder / "tradeoff" / "figure_02.png")

# %%
scores = first.set_index("example_id").loc[chosen, ["finding", "auc", "cnr"]]
for row in scores.to_dict("records"):
    print(f"{row['finding']}: Finetune_F scores AUC-ROC {row['auc']:.2f} and CNR {row['cnr']:+.2f} here.")

# %% [markdown]
# ## What scale changes
#
# A heat map has the resolution of the latents. At toy scale that is 8 by 8 cells over the whole image, so that a small
# lesion is a cell or less; at the paper's scale it is 64 by 64.
