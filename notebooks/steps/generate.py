# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Make images of texts, and measure them
#
# `ground` asks a model where its words are. Here it does what it was trained for: from a text and noise it makes an
# image, pushed towards the text and away from the empty one (guidance). Every model gets the same texts and the same
# noise. Then classifiers that never saw a made image say how like real images these are, how like each other, and
# whether the finding that was asked for is there to be seen.

# %% tags=["parameters"]
scale = "toy"
world = "phantom"
variant = "finetune_f"
seed = 0
weights = "raw"  # or a kept milestone, such as step200
kinds = "distances"  # of score rows: one or several of distances, similarity, judged, separated by commas

# %%
import pandas as pd
import seaborn as sns
import torch

from plainsight import features, fidelity, generation, latents, models, schema, worlds
from plainsight.files import atomic
from plainsight.generation_scores import ALL, REAL, Made, place
from plainsight.tokenizer import longer_than_context
from plainsight.workspace import open_workspace

space = open_workspace(scale)
torch.set_num_threads(space.scale.threads)
device = "cuda" if torch.cuda.is_available() else "cpu"
folder = space.world(world)
made = Made(variant, seed, weights)
wanted = {kind: folder / place(kind, made) for kind in kinds.split(",")}

# %% [markdown]
# ## What is asked for
#
# Raw impressions of images that no model was trained on, and curated phrases; in a world of captions, captions. Real
# images are those that the impressions belong to, for both kinds of text: there are no others. Healthy ones are
# no more than the commonest finding has, as in the paper.

# %%
examples = schema.read(folder / "examples.parquet", worlds.findings(world))
asked = fidelity.prompt_examples(examples, world)
real = fidelity.real_examples(examples)
print({name: len(rows) for name, rows in asked.items()}, "texts,", len(real), "real images")

# %% [markdown]
# ## Making them
#
# One file an image; a run that was stopped goes on where it stopped. For the comparison of images of one text more are
# made of some texts.

# %%
model = models.load(space.model(world, variant, seed), weights=weights, device=device)
for name, rows in asked.items():
    cut = longer_than_context(model.tokenizer, rows["phrase"])
    print(f"{name}: {cut} of {len(rows)} texts are longer than the text encoder reads, and are cut off.")
images_of = folder / "generated" / variant / f"seed{seed}_{weights}"
how = space.scale.generation
paths = {name: fidelity.make(model, rows, images_of / name, how, [0]) for name, rows in asked.items()}
pixels = {name: generation.read(files) for name, files in paths.items()}
pixels[REAL] = latents.load_pixels(worlds.image_root(folder), real, space.scale.resolution)
everything = {**asked, REAL: real}


# %%
def more(name):
    """The first prompts of a set and all images of each: (P, K, 3, H, W)."""
    rows, numbers = asked[name].head(fidelity.REPEATED_PROMPTS), range(1, fidelity.REPETITIONS)
    again = fidelity.make(model, rows, images_of / f"{name}_repeated", how, numbers)
    others = generation.read(again).unflatten(0, (len(rows), -1))
    return rows, torch.cat([pixels[name][: len(rows), None], others], dim=1)


# %% [markdown]
# ## Measuring them
#
# The general extractor is a classifier of drawn scenes, the domain's own one of this world's images; on scenes they are
# the same. The halves of the patients are for the intervals.

# %%
general = space.scale.foundation_world
batch_size = how.batch_size
judges = {
    name: features.load_classifier(space.world(name) / "models" / "classifier" / "seed0", device)
    for name in dict.fromkeys([general, world])
}
scores = {}
if "distances" in wanted:
    extractors = {name: judge.extractor(name) for name, judge in judges.items()}
    halves = space.scale.bootstrap_resamples // 100
    scores["distances"] = fidelity.distances(pixels, everything, extractors, general, batch_size, halves)
if "similarity" in wanted:
    parts = [fidelity.similarity(images, rows, name) for name in asked for rows, images in [more(name)]]
    parts.append(fidelity.real_similarity(pixels[REAL], real))
    scores["similarity"] = pd.concat(parts, ignore_index=True)
if "judged" in wanted:
    scores["judged"] = fidelity.judged(pixels, everything, judges[world], batch_size)
for kind, path in wanted.items():
    with atomic(path) as temporary:
        scores[kind].to_parquet(temporary, index=False, compression="zstd")

# %% [markdown]
# ## How like real ones?
#
# The Frechet distance (FID) of the two sets of features: 0 for equal distributions, in squared units of the features,
# so that values from two extractors cannot be compared.

# %%
if "distances" in wanted:
    rows = scores["distances"]
    whole = rows[(rows["half"] == ALL) & (rows["metric"] != "fid_infinity")]
    print(whole.pivot(index=["prompts", "extractor", "reading"], columns="metric", values="value").round(3).to_string())
    fid = rows[(rows["half"] != ALL) & (rows["metric"] == "fid")]
    axis = sns.stripplot(fid, x="value", y="extractor", hue="prompts", dodge=True, size=3)
    axis.set(xlabel="FID of random halves (lower is better)", ylabel="extractor")

# %% [markdown]
# ## A look at them

# %%
name, images = next(iter(pixels.items()))
first = torch.cat(list(images[:8]), dim=2).permute(1, 2, 0)
axis = sns.mpl.pyplot.figure(figsize=(10, 1.6)).add_subplot()
axis.imshow(first.numpy())
axis.set(title=f"{variant}, {name}: the first {min(8, len(images))}", xticks=[], yticks=[])
axis.grid(False)
