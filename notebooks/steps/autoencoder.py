# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The autoencoder
#
# A latent diffusion model does not paint pixels: it works on a small code of the image, one eighth as wide and as
# high, that an autoencoder makes and turns back into pixels. It is trained first, on scenes and on phantoms alike and
# without a single word, and is never touched again. Whatever it blurs away, no later model can point at.

# %% tags=["parameters"]
scale = "toy"

# %%
import json

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
import torch

from plainsight import latents, schema, worlds
from plainsight.models import AutoencoderKL
from plainsight.training import launch
from plainsight.workspace import open_workspace

space = open_workspace(scale)
folder = launch(
    stage="autoencoder",
    scale=str(space.scale_file),
    experiments=str(space.experiments_file),
    runs=str(space.runs),
    world=space.scale.foundation_world,
)

# %% [markdown]
# ## Did it learn?

# %%
axis = sns.lineplot(pd.read_csv(folder / "loss.csv"), x="step", y="loss", linewidth=0.8)
axis.set(xlabel="training step", ylabel="reconstruction loss", yscale="log")
measured = json.loads((folder / "run.json").read_text())["measured"]
print("Peak signal-to-noise ratio on images not trained on: ", end="")
print(", ".join(f"{name.removeprefix('psnr_').removesuffix('_db')} {value:.1f} dB" for name, value in measured.items()))

# %% [markdown]
# ## What it loses
#
# Above, what went in; below, what came back. The edges of a lesion must survive this.

# %%
examples = schema.read(space.world("phantom") / "examples.parquet", worlds.findings("phantom"))
rows = examples[examples["split"] == "validation"].drop_duplicates("image_id").head(5)
pixels = latents.load_pixels(worlds.image_root(space.world("phantom")), rows, space.scale.resolution)
vae = AutoencoderKL.from_pretrained(folder).eval()
with torch.inference_mode():
    again = vae(latents.to_model_range(pixels)).sample.clamp(-1, 1) / 2 + 0.5
figure, axes = plt.subplots(2, len(rows), figsize=(2.4 * len(rows), 5), layout="constrained", squeeze=False)
for column, (before, after) in enumerate(zip(pixels / 255, again, strict=True)):
    for axis, image in zip(axes[:, column], (before, after), strict=True):
        axis.imshow(image.permute(1, 2, 0).numpy())
        axis.set_axis_off()
