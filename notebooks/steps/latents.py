# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Latents
#
# The autoencoder is finished, so each image is encoded once. What is kept is the mean and the variance of its latent,
# not one sample of it: training still draws a fresh sample each time, as it would without the cache.

# %% tags=["parameters"]
scale = "toy"
world = "phantom"

# %%
import matplotlib.pyplot as plt
import torch

from plainsight import latents
from plainsight.training import launch
from plainsight.workspace import open_workspace

space = open_workspace(scale)
path = launch(
    stage="latents",
    scale=str(space.scale_file),
    experiments=str(space.experiments_file),
    runs=str(space.runs),
    world=world,
)
moments = latents.read(path)

# %% [markdown]
# ## What a latent looks like
#
# One image a row, one channel a column. It is still a picture: where something lies in the image, it lies in the
# latent, and that is why attention over the latent says something about places in the image.

# %%
count, channels, height, width = moments.mean.shape
shown = moments.mean[torch.arange(min(3, count))]
figure, axes = plt.subplots(len(shown), channels, figsize=(2 * channels, 2 * len(shown)), squeeze=False)
for line, code in zip(axes, shown, strict=True):
    for axis, channel in zip(line, code, strict=True):
        axis.imshow(channel.numpy(), cmap="gray")
        axis.set_axis_off()
spread = moments.std[torch.arange(min(1000, count))].mean()
print(f"{count} images, {channels} channels of {height} x {width}; mean standard deviation {spread:.2g}.")
