# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What the recipe owes to its parts: the images
#
# *Trade-offs in Fine-tuned Diffusion Models Between Accuracy and Interpretability* (Dombrowski et al., AAAI 2024),
# supplement, "Ablation studies": **Table 10**, generation. `8_ablations` has the other half, localisation, and says
# what the four variants are: LnU and FnU without unconditional training, "L then F", and PA.
#
# What you will learn here:
# - what unconditional training, more steps with a frozen encoder, and one kind of film alone change in the images;
# - how little one training of each can decide.
#
# This notebook only reads score rows.

# %% tags=["parameters"]
scale = "toy"
world = "phantom"

# %%
import pandas as pd
from IPython.display import Markdown

from plainsight import claims, generation_scores, markdown, published, tables, tables_generation, tradeoff_generation
from plainsight.generation_scores import CORRECTED, Made
from plainsight.workspace import open_workspace

space = open_workspace(scale)
out = space.world(world) / "tradeoff"
shown = (*tables.VARIANTS[1:], *tables.ABLATIONS)
wanted = [Made(variant, seed) for variant in shown for seed in space.seeds(variant)]
distances = generation_scores.read(space.world(world), "distances", wanted)

# %% [markdown]
# ## Hypothesis
#
# Without unconditional training the empty prompt that guidance leads away from is seen in pretraining only, and never
# with a film: images get worse. More steps with a frozen encoder make L's images worse, too. PA films alone are an
# easier thing to draw: the best images of all. (The real images that they are compared with are of both kinds.)
#
# ## Measurement: Table 10
#
# What `6_generation` measures: of distances lower is better, of shares higher. Each ablation was trained once; the
# models they depart from are shown with them.

# %%
setting = tables.Setting(scale, world, world)
general = space.scale.foundation_world
paper_04, paper_10 = (published.read(space.tables, "tradeoff", number) for number in (4, 10))
table_10 = tables_generation.beside(tables_generation.table_10(distances), pd.concat([paper_10, paper_04]), general)
heading = tables_generation.caption_distances(10, table_10, setting)
text_10 = tables_generation.distances_markdown(table_10, heading, setting, general)
tables.write_table(table_10, out / "table_10.csv")
tables.write_table(table_10, out / "table_10.md", text_10)
Markdown(text_10)

# %% [markdown]
# ## The number, read aloud

# %%
fid = table_10[(table_10["metric"] == "fid") & (table_10["reading"] == CORRECTED)]
for (prompts, extractor), rows in fid.groupby(["prompts", "extractor"]):
    best = rows.loc[rows["value"].idxmin()]
    name = tables.NAMES[best["variant"]]
    print(f"{prompts}, features of {extractor}: the lowest FID is that of {name}, {best['value']:.3g}.")

# %% [markdown]
# ## What holds
#
# An ablation is compared with the training of F or L that had the same seed, on the same halves of the patients. One
# training decides no claim about ways of training: every row ends *inconclusive*, wherever its interval lies.

# %%
chosen = tradeoff_generation.ablation_contrasts(paper_04, paper_10, world, general)
values = tables_generation.distance_values(distances)
ledger = tradeoff_generation.judge_ablations(chosen, values, scale, world)
tables.write_table(ledger, out / "claims_ablated_images.csv")
print(f"Here {claims.tally(ledger)}.")
Markdown(markdown.ledger(ledger))

# %% [markdown]
# ## What scale changes
#
# At toy scale, the default, a sixth of L's steps is a few hundred, unconditional training touches few images, and half
# the batch means half the images seen; `8_ablations` says more.
