# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What the papers' own sizes cost
#
# For whoever has the data and a cluster: GPU hours, time and storage for each table of *Trade-offs in Fine-tuned
# Diffusion Models* at scale `paper`. Nothing of it was run here. Operations are counted on the real networks without
# their weights; how fast a GPU does them comes from two published trainings of the same network. All else is
# arithmetic.
#
# What you will learn here: which tables are dear, what makes them so, and how much a faster training recipe would save.

# %% tags=["parameters"]
scale = "paper"

# %%

from plainsight import cost
from plainsight.workspace import open_workspace

space = open_workspace(scale)
settings, experiments = space.scale, space.experiments

# %% [markdown]
# ## What one image costs
#
# Forward passes, in billions of floating-point operations (a multiplication and an addition are two).

# %%
count, size = cost.operations(), cost.parameters()
for name, part in {"unet": "U-Net, one step", "encode": "autoencoder, to latents", "decode": "and back"}.items():
    print(f"{part}: {count[name] / 1e9:,.0f} billion")
print(f"text encoder: {count['text'] / 1e9:,.0f} billion; parameters of the U-Net: {size['unet'] / 1e6:.1f} million")
passes = cost.GUIDED * (settings.generation.num_inference_steps + 1)
print(f"Making an image takes {passes} passes of the U-Net, grounding a phrase {settings.grounding.last_n};")
print(f"training on an image is as dear as {cost.BACKWARD} passes.")

# %% [markdown]
# ## How fast
#
# The paper states the GPU hours of its two trainings on A100s. Over the operations of those trainings that is the share
# of the A100's peak that a plain implementation reaches. The tuned one is the best that is public for this network.

# %%
plain, tuned = cost.efficiencies(settings, experiments)
for variant, hours in cost.PAPER_HOURS.items():
    recipe = experiments.variants[variant]
    images = settings.steps(variant, recipe) * settings.batch_size(variant, recipe)
    print(f"{variant}: {images / 1e6:.2f} million images in {hours:.0f} hours, {images / hours / 3600:.1f} a second")
print(f"Share of the peak: {plain:.1%} in the paper, {tuned:.1%} tuned ({cost.TUNED_IMAGES:.0f} images a second).")

# %% [markdown]
# ## Table by table
#
# GPU hours, days and storage that each table adds; operations in thousands of billions of billions (10²¹). Trainings
# with several seeds count as often, and so do their images, which a model makes of both kinds of prompts. What stands
# as `tuned` is what the same work would take at the tuned share.

# %%
table = cost.table_of_cost(settings, experiments)
shown = table.assign(operations=table["operations"] / 1e21).set_index("table")
shown[f"days on {settings.processes} A100"] = shown["A100"] / settings.processes / 24
shown.round({"operations": 2, "gigabytes": 0, **dict.fromkeys(shown.filter(regex="|".join(cost.PEAKS)), 1)})

# %% [markdown]
# ## The numbers, read aloud

# %%
whole = shown.loc["sum"]
dearest = shown.drop("sum")["operations"].idxmax()
share = shown.loc[dearest, "operations"] / whole["operations"]
print(f"Everything: {whole['trainings']:.0f} trainings, {whole['A100']:,.0f} A100 hours as the paper trained,", end=" ")
print(f"{whole['A100 tuned']:,.0f} tuned; on H100s {whole['H100']:,.0f} and {whole['H100 tuned']:,.0f}.")
print(f"{share:.0%} of it is for the dearest row (Tables {dearest}).")
days = whole[f"days on {settings.processes} A100"]
print(f"On {settings.processes} A100s that is {days:.0f} days, with nothing waiting for anything.")
state = cost.BYTES * (size["unet"] + size["text_encoder"])
print(f"What is kept: {whole['gigabytes'] / 1e3:.1f} TB, most of it weights. While a training runs, its checkpoint is")
print(f"up to {4 * state / 1e9:.0f} GB more (weights, their average, two moments of the optimiser).")

# %% [markdown]
# ## What is not in it
#
# - Reading images: radiographs of MIMIC-CXR-JPG are larger than what the model sees; decoding them takes CPU time.
# - Further protocols, and weights kept on the way: each way of asking a model again costs what the first did
#   (grounding is a small part). Of photographs every caption that names an object is asked: several times the 5,000
#   that are counted.
# - Precision: maps and made images are computed in single precision, which GPUs do more slowly than they train.
# - Waiting in queues, start-up, and what a preempted job repeats since its last checkpoint.
# - The share of its peak that *your* GPU reaches. A day of `finetune_f` says more than this page.
