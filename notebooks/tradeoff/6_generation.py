# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # How good are the images?
#
# *Trade-offs in Fine-tuned Diffusion Models Between Accuracy and Interpretability* (Dombrowski et al., AAAI 2024),
# "Generative Results": **Tables 4 and 5**.
#
# The paper's trade-off has two sides. That words localise worse in Finetune_L is one; the other is that it makes the
# better images. And within that there is a question of its own: better than real-looking, do the images show what was
# asked for?
#
# What you will learn here:
# - how like real images those of the three models are, by two networks that look at them, and how sure that is;
# - what FID alone does not say: are they realistic, are they diverse, how much of it is the number of images;
# - whether a classifier finds what the prompt asked for.
#
# This notebook only reads score rows.

# %% tags=["parameters"]
scale = "toy"
world = "phantom"

# %%
import pandas as pd
from IPython.display import Image, Markdown

from plainsight import (
    claims,
    figures,
    generation_scores,
    markdown,
    published,
    tables,
    tables_generation,
    tradeoff_generation,
    worlds,
)
from plainsight.generation_scores import CORRECTED, REAL, Made
from plainsight.workspace import open_workspace

space = open_workspace(scale)
folder = space.world(world)
out = folder / "tradeoff"
resamples = space.scale.bootstrap_resamples
findings = worlds.placed(world)
setting = tables.Setting(scale, world, world)
general = space.scale.foundation_world
paper = {number: published.read(space.tables, "tradeoff", number) for number in (4, 5)}


def read(kind, variants):
    wanted = [Made(variant, seed) for variant in variants for seed in space.seeds(variant)]
    return generation_scores.read(folder, kind, wanted)


# %% [markdown]
# ## Hypothesis
#
# If the paper is right, both fine-tuned models make far better images than the foundation, which has seen no
# radiograph, and L better ones than F: a lower FID, by a network that knows pictures in general and by one that knows
# this kind of image.
#
# FID fits a normal distribution to the features of real images and one to those of made ones, and measures how far
# apart they are. 0 is no distance, and only sets of equally many images can be compared: with few images it is too
# high. At toy scale the networks are classifiers that were trained here, because no pretrained weights come with
# the packages; at paper scale they are the paper's.
#
# ## Measurement: Table 4
#
# Two kinds of prompts: raw impressions, and curated phrases that name one finding. The real images are the same for
# both, those that the impressions belong to. MS-SSIM is how alike four images of one prompt are: lower is more diverse.
# Chest films are alike by nature; how much, four real ones of different patients show.

# %%
distances = read("distances", tables.VARIANTS)
table_04 = tables_generation.table_04(distances, read("similarity", tables.VARIANTS), resamples)
table_04 = tables_generation.beside(table_04, paper[4], general)
heading = tables_generation.caption_distances(4, table_04, setting)
text_04 = tables_generation.distances_markdown(table_04, heading, setting, general)
tables.write_table(table_04, out / "table_04.csv")
tables.write_table(table_04, out / "table_04.md", text_04)
Markdown(text_04)

# %%
shown = tables_generation.for_figure(table_04, world, general)
titles = {
    "fid": f"FID, squared units of the features\n(of {tables_generation.judge(general, 'Inception-v3')})",
    "fid_xrv": f"FID_XRV, squared units of the features\n(of {tables_generation.judge(world, 'radiographs')})",
    "ms_ssim": "MS-SSIM of images of a prompt\n(0 to 1)",
}
titles_of = (f"Ours: {scale}, {world}; bars: 95 % interval", "Published: MIMIC-CXR and MS-CXR, no intervals")
of_real = table_04[table_04["variant"] == REAL].set_index("metric")["value"]
note = f"scale {scale}, world {world}; the axes of ours and of the published values are not the same"
figures.save(figures.made_images(shown, titles, *titles_of, of_real), out / "figure_table_04", note)
Image(out / "figure_table_04.png")


# %% [markdown]
# ## The number, read aloud


# %%
def cell(table, **where):
    rows = table[(table[list(where)] == pd.Series(where)).all(axis=1)]
    return rows.iloc[0]


for prompts in ("impressions", "phrases"):
    for extractor in (general, world):
        where = {"prompts": prompts, "extractor": extractor, "reading": CORRECTED, "metric": "fid"}
        found = {variant: cell(table_04, variant=variant, **where)["value"] for variant in tables.VARIANTS}
        best = min(found, key=found.get)
        each = ", ".join(f"{tables.NAMES[variant]} {value:.3g}" for variant, value in found.items())
        print(f"{prompts}, features of {extractor}: {each}. The best images are those of {tables.NAMES[best]}.")


# %% [markdown]
# **Is L better than F?** The same halves of the patients for both, seed by seed. Above 0, F is further from real
# images than L.


# %%
def said(effect):
    found = effect.interval
    each = ", ".join(f"{value:+.3g}" for value in effect.seed_effects)
    return f"{found.estimate:+.3g} (95 % interval {found.low:+.3g} to {found.high:+.3g}; by seed {each})"


values = tables_generation.distance_values(distances)
for extractor in (general, world):
    for metric in ("fid", "kid"):
        where = {"prompts": "impressions", "extractor": extractor, "reading": CORRECTED, "metric": metric}
        mine = values[(values[list(where)] == pd.Series(where)).all(axis=1)]
        pair = [mine[mine["variant"] == variant] for variant in ("finetune_f", "finetune_l")]
        print(f"{metric.upper()} of F minus L, features of {extractor}: {said(tradeoff_generation.contrast(*pair))}.")

# %% [markdown]
# FID mixes two things. *Precision* and *density* ask whether made images lie where real ones do, *recall* and
# *coverage* whether all kinds of real images are made. KID is a distance that the number of images does not shift.

# %%
for variant in tables.VARIANTS:
    where = {"variant": variant, "prompts": "impressions", "extractor": world, "reading": CORRECTED}
    found = {name: cell(table_04, metric=name, **where)["value"] for name in tables_generation.BEYOND}
    print(f"{tables.NAMES[variant]}: precision {found['precision']:.2f}, density {found['density']:.2f},", end=" ")
    print(f"recall {found['recall']:.2f}, coverage {found['coverage']:.2f}; KID {found['kid']:.3g}.")

# %% [markdown]
# **Is one prompt always answered with the same image?** Then its images are more alike than real ones of different
# patients. A prompt narrows down what may be seen, so that somewhat more alike they may be.

# %%
found = table_04[(table_04["metric"] == "ms_ssim") & (table_04["reading"] == CORRECTED)]
found = found[found["prompts"] != "phrases"].set_index("variant")["value"]
each = ", ".join(f"{tables.NAMES[variant]} {found[variant]:.2f}" for variant in tables.VARIANTS)
print(f"MS-SSIM of four images of one impression: {each}; of four real ones of different patients {found[REAL]:.2f}.")

# %% [markdown]
# ## Table 5: is it what was asked for?
#
# A classifier that never saw a made image scores them all. The images that were to show a finding are told from the
# ones made for "No Finding". The first column is what the classifier can do on real images: no model can be expected
# to do better by being right.
#
# Hypothesis: L and F differ by far less here than in FID, and F is better for six findings of eight.

# %%
judged = read("judged", tables.VARIANTS)
recognised = tables_generation.auc_values(judged, findings, world, resamples // 100)
table_05 = tables_generation.beside(tables_generation.table_05(recognised), paper[5], general)
text_05 = tables_generation.auc_markdown(table_05, tables_generation.caption_05(table_05, setting))
tables.write_table(table_05, out / "table_05.csv")
tables.write_table(table_05, out / "table_05.md", text_05)
Markdown(text_05)

# %%
mine = table_05[table_05["prompts"].isin([REAL, "impressions"])].set_index(["variant", "finding"])["value"]
better = [name for name in findings if mine["finetune_f", name] > mine["finetune_l", name]]
print(f"F is better than L for {len(better)} of {len(findings)} findings: {', '.join(better) or 'none'}.")
print("The paper: 6 of 8, all but Edema and Pneumothorax.")
average = {name: mine[name, tables.MACRO] for name in ("real", "finetune_l", "finetune_f")}
print("Mean over findings:", ", ".join(f"{name} {value:.3f}" for name, value in average.items()))
for variant in ("finetune_l", "finetune_f"):
    unseen = [name for name in findings if mine[variant, name] < 0.5]
    print(f"{tables.NAMES[variant]}: images for {', '.join(unseen) or 'no finding'} look less like it than images")
    print("for No Finding do (below 0.5), and a mean over such findings and recognised ones says little about either.")

# %% [markdown]
# ## What holds
#
# The paper's sentences about made images, by the rule of `2_localization`. The ablations have a notebook of their own,
# `8_ablated_images`.

# %%
everything = pd.concat([values, recognised], ignore_index=True)
chosen = tradeoff_generation.contrasts(paper[4], paper[5], world, general)
ledger = tradeoff_generation.judge_generation(chosen, everything, paper, scale, world, general)
tables.write_table(ledger, out / "claims_generation.csv")
print(f"Here {claims.tally(ledger)}.")
Markdown(markdown.ledger(ledger))

# %% [markdown]
# ## What scale changes
#
# At toy scale, the default:
# - Some hundred images where the paper has 5,000: FID is far from what it would be of many, more so where a network
#   gives many features. Differences between models of equally many images suffer less; KID not at all.
# - The general network has seen drawn scenes, not a million photographs, and the domain's own is small.
# - A phantom has several findings at once, and a prompt may name only one of them, or none.
# - Images are 64 pixels wide and MS-SSIM has three scales in place of five: with fewer scales images look less alike.
