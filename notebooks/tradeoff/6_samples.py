# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What the images look like
#
# *Trade-offs in Fine-tuned Diffusion Models Between Accuracy and Interpretability* (Dombrowski et al., AAAI 2024),
# "Generative Results". The paper prints no made images; the numbers of `6_generation` say how far they are from real
# ones, and these are what they are about.
#
# What you will learn here:
# - what each of the three models makes of the same impression and the same noise;
# - how that compares with the real image which the impression belongs to.
#
# Hypothesis, from the paper's numbers: L's images look most like real ones, F's nearly so, the foundation's not at all.

# %% tags=["parameters"]
scale = "toy"
world = "phantom"

# %%
import numpy as np
from IPython.display import Image
from PIL import Image as Picture

from plainsight import fidelity, figures, latents, schema, tables, worlds
from plainsight.workspace import open_workspace

space = open_workspace(scale)
folder = space.world(world)
out = folder / "tradeoff"

# %% [markdown]
# ## Which ones
#
# A rule fixed beforehand, so that nobody picks the pretty ones: of every second finding the first impression, in the
# order of the table, about it alone, and the first healthy one.

# %%
examples = fidelity.real_examples(schema.read(folder / "examples.parquet", worlds.findings(world)))
wanted = [*worlds.findings(world)[1:-1:2], worlds.NO_FINDING]
chosen = examples[examples["finding"].isin(wanted)].drop_duplicates("finding")
chosen = chosen.set_index("finding").loc[[name for name in wanted if name in set(chosen["finding"])]].reset_index()
real = latents.load_pixels(worlds.image_root(folder), chosen, space.scale.resolution).permute(0, 2, 3, 1).numpy()


# %%
def picture(variant, example):
    path = folder / "generated" / variant / f"seed{space.seeds(variant)[0]}_raw" / "impressions" / f"{example}.0.png"
    return np.asarray(Picture.open(path))


rows = {
    row.finding: [real[row.Index], *(picture(variant, row.example_id) for variant in tables.VARIANTS)]
    for row in chosen.itertuples()
}
columns = ["Test image", *(tables.NAMES[variant] for variant in tables.VARIANTS)]
figures.save(figures.samples(rows, columns), out / "figure_samples", f"scale {scale}, world {world}")
Image(out / "figure_samples.png")

# %% [markdown]
# ## How to read it
#
# The foundation has hardly seen a radiograph; at toy scale, none: what it makes of these words is a drawn scene. A made
# image is not meant to look like the real one beside it, only as real, and to show the finding; where it is, the
# impression may not say.

# %%
difference = [np.abs(images[2].astype(float) - images[3]).mean() for images in rows.values()]
print(f"From the same impression and noise L and F make images that differ by {np.mean(difference):.0f} of 255 grey")
print("values a pixel, on average.")

# %% [markdown]
# ## What scale changes
#
# At toy scale, the default: 64 pixels, some minutes of training, and few steps of sampling. Fine detail that a reader
# of radiographs looks for cannot be there.
