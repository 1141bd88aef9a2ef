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
# **Figure 1**: how a diffusion model is asked where its words are; **Figure 2**: what the numbers of Table 1 look like.
#
# What you will learn here:
# - how a heat map comes about, from the tokens of a phrase to the map of its keyword;
# - where foundation, Finetune_L and Finetune_F look when they read a finding's words, on the same images;
# - how coarse these maps are, and what a median score looks like.
#
# Hypothesis, from the paper: F's maps are bright inside the boxes, those of the foundation and of L anywhere.
#
# This notebook grounds a handful of phrases once more, so that it needs the models and not only their scores.

# %% tags=["parameters"]
scale = "toy"
world = "phantom"

# %%
import numpy as np
import torch
from IPython.display import Image

from plainsight import (
    figure_method,
    figures,
    grounding,
    latents,
    models,
    results,
    schema,
    tables,
    token_maps,
    tradeoff,
    worlds,
)
from plainsight.tokens import token_weights
from plainsight.workspace import open_workspace
from plainsight.worlds import radiographs

space = open_workspace(scale)
folder = space.world(world)
findings = worlds.placed(world)
torch.set_num_threads(space.scale.threads)
device = "cuda" if torch.cuda.is_available() else "cpu"
seed = space.scale.seeds[0]
note = f"scale {scale}, world {world}, seed {seed}"

# %% [markdown]
# ## Which examples
#
# They were chosen by a rule fixed before any was seen: for every second finding of the world's list, and for the
# phrases with several boxes, the one with F's *median* CNR (first seed). Neither the best nor the worst.

# %%
asked = results.read_asked(folder)
first = results.read(folder, [results.Run("finetune_f", seed, "boxes")])
chosen = tradeoff.choose_examples(first, findings, set(asked.index[asked["n_boxes"] > 1]))
examples = schema.read(folder / "examples.parquet", worlds.findings(world))
shown = examples.set_index("example_id", drop=False).loc[chosen]
moments = latents.read(folder / "latents")
side = space.scale.resolution
root = worlds.image_root(folder)

# %% [markdown]
# ## Figure 1: the method, from real maps
#
# The image of the first example, and a phrase of our own about it, so that no report's words are printed. Noise is put
# on the image's latent, afresh for each timestep, and the U-Net is asked to remove it while it reads the phrase. In
# each of its layers every place of the image divides its attention among the tokens. The tokens of a keyword
# ("cardiomegaly" has four) share one heat map, their mean. In Finetune_F only the U-Net has learned, in Finetune_L the
# text encoder, too.

# %%
row = shown.iloc[0]
phrase, words = f"There is {row['finding'].lower()}", worlds.KEYWORDS[row["finding"]]
latent = grounding.sample_latents(moments, [row["image_id"]], 0)
asked_alike = (row["example_id"], space.scale.grounding, 0)
how = radiographs.fit(row["width"], row["height"], side)
seen, heat = {}, {}
for variant in figure_method.ROWS:
    model = models.load(space.model(world, variant, seed), device=device)
    seen[variant] = token_maps.token_maps(model, latent, phrase, words, *asked_alike, (side, side))
    heat[variant] = grounding.in_source_pixels(seen[variant].heatmap, how)

# %%
noised = token_maps.noised(model, latent, *asked_alike)
method = figure_method.Method(schema.load_image(root, row), row["boxes"], noised, phrase, seen, heat)
figures.save(figure_method.figure_01(method), folder / "tradeoff" / "figure_01", note)
Image(folder / "tradeoff" / "figure_01.png")

# %%
context = model.tokenizer.model_max_length
for variant, one in seen.items():
    keyword = one.weights > 0
    share, even = one.maps[keyword].mean(axis=(1, 2)).sum(), keyword.sum() / context
    print(f"{tables.NAMES[variant]}: the keyword's {keyword.sum()} tokens get {share:.1%} of the attention", end=" ")
    print(f"(divided evenly among the {context} tokens, padding included: {even:.1%}).")


# %% [markdown]
# ## Figure 2
#
# Phrases are not printed; the finding is. Boxes are white, bright is high attention, and each map has a scale of its
# own: what can be compared is where they are bright, not how bright.


# %%
@torch.inference_mode()
def heat_maps(variant):
    model = models.load(space.model(world, variant, seed), device=device)
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


# %%
maps = {variant: heat_maps(variant) for variant in tables.VARIANTS}
drawn = [picture(place, row) for place, (_, row) in enumerate(shown.iterrows())]
figures.save(figures.figure_02(drawn), folder / "tradeoff" / "figure_02", note)
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
