# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Plainsight: does a diffusion model still know where its words are?
#
# A text-to-image model that was fine-tuned on chest X-rays paints convincing X-rays. Does it know *where* in them its
# words are? One can ask it: put noise on a real image, let the model remove it while it reads a phrase, and watch which
# places the words attend to. This compendium reruns papers that ask this question, table by table, and says claim by
# claim whether each holds here.
#
# What you will learn on this page:
# - the headline, as one figure and in words;
# - how many of the first paper's claims about localisation hold in this world, at this scale;
# - where to read on.
#
# Everything here comes from files that `./run_all.sh` made, or, where it has not run yet, from the committed ones in
# `paper_tables/`. Nothing is trained, and nothing is downloaded.

# %% tags=["parameters"]
scale = "toy"
world = "phantom"

# %%
import pandas as pd

from plainsight import claims, figures, results, tables
from plainsight.workspace import open_workspace

space = open_workspace(scale)
folder = results.paper_folder(space, world, "tradeoff")
table = pd.read_csv(folder / "table_01.csv", keep_default_na=True)
print(f"Read from {folder}: scale {scale}, world {world}.")

# %% [markdown]
# ## The headline
#
# *Trade-offs in Fine-tuned Diffusion Models Between Accuracy and Interpretability* (Dombrowski et al., AAAI 2024)
# fine-tunes one model in two ways. It finds: if the text encoder learns along (Finetune_L), the images get better and
# the words lose their places; if it stays frozen (Finetune_F), the words keep them. Table 1 of that paper as a figure:
# ours on the left, the published values on the right. They come from other images and another model; the order is what
# to compare, not the size.

# %%
title = f"Ours: {scale} scale, {world}"
figure = figures.scores_by_finding(table, "auc", title, "Published: MS-CXR, full size")

# %% [markdown]
# AUC-ROC is the chance that a pixel inside the finding's box gets more attention than one outside: 0.5 is knowing
# nothing.

# %%
average = table[(table["finding"] == tables.WEIGHTED) & (table["metric"] == "auc")].set_index("variant")
for variant in tables.VARIANTS:
    cell = average.loc[variant]
    print(
        f"{tables.NAMES[variant]}: {cell['value']:.3f}, 95 % interval {cell['low']:.3f} to {cell['high']:.3f}", end=" "
    )
    print(f"({cell['n']:.0f} phrases of {cell['patients']:.0f} patients; trainings: {cell['seeds']:.0f})")

# %% [markdown]
# ## What holds
#
# Every sentence of the papers that states a result is judged by one rule; here those about localisation, in
# `beyond/1_ledger` all of them. It *holds* when each training seed has the
# claimed sign and the 95 % interval over patients excludes 0; it *fails* when both say the opposite; all else is
# *inconclusive*. (A claim of equality holds when interval and seeds lie within its margin. One training, or fewer than
# ten patients, decide nothing; how far trainings lie apart takes ten of them.) No verdict is written by hand, and what
# fails at this scale is reported as failing at this scale.

# %%
ledger = claims.read(folder / "claims.csv")
print(f"About localisation: {claims.tally(ledger)}.")
averages = ledger[ledger["place"] == "Table 1, Average"]
for row in averages.to_dict("records"):
    print(f"- {row['statement']} ({row['statistic']}): {row['verdict']}, {row['effect']:+.3f}")
first = averages.iloc[0]
leads = "F leads" if first["effect"] > 0 else "L leads"
print(
    f"In a word: {leads} by {abs(first['effect']):.3f} in AUC-ROC; the paper's claim that F does: {first['verdict']}."
)

# %% [markdown]
# ## Where to read on
#
# | notebook | what it shows |
# |---|---|
# | `steps/prepare` | a world: its images, phrases and boxes |
# | `steps/autoencoder`, `text_encoder`, `latents`, `foundation` | the model before fine-tuning |
# | `steps/pretrained`, `pretrained_classifier` | the same at the papers' own size, where models are loaded |
# | `steps/train` | one fine-tuning |
# | `steps/classifier` | a judge of images that models make, trained on real ones alone |
# | `steps/ground` | asking one model where its words are; first of all the foundation, on drawn scenes |
# | `steps/words`, `word_counts` | asking it about every word; how common the words are |
# | `tradeoff/1_first_look` | F against L as soon as there is one pair: a picture, no verdict |
# | `steps/baselines` | what can be known without looking at the image |
# | `tradeoff/2_localization` | Tables 1 and 12 with all that belongs to them: curves over training, claims |
# | `tradeoff/3_maps` | Figures 1 and 2: how a model is asked, and what the models look at |
# | `tradeoff/4_text_difficulty` | Table 7: the same two recipes on easier text about the same images |
# | `tradeoff/5_words` | Tables 6, 8 and 9, Figure 3: which words know the place, and whether common ones do |
# | `steps/generate` | images of texts, and how like real ones they are |
# | `tradeoff/6_generation`, `6_samples` | Tables 4 and 5: how good the images are; some of them |
# | `tradeoff/7_in_domain` | Table 2: fine-tuning in the world that the foundation comes from |
# | `tradeoff/8_ablations`, `8_ablated_images` | Tables 11 and 10: what the recipe owes to its parts |
# | `tradeoff/9_benchmarks` | Table 3: beside models that were made for grounding, average against average |
# | `beyond/2_quality_and_grounding` | do models that ground better make better images? |
# | `beyond/3_cost` | what the papers' own size costs, table by table |
# | `beyond/1_ledger` | every claim, every world: what holds, what fails, what is open |
#
# Notebooks are text (`.py`, percent format): open them in JupyterLab with "Open With > Notebook". Executed copies lie
# in `runs/<scale>/<world>/notebooks/`, tables and figures in `paper_tables/`, beside the numbers of the papers in
# `paper_tables/published/`. All but this page read what a run of `./run_all.sh` left in `runs/`. Without one,
# `./run_all.sh --from scores` executes those that need no model in two minutes, into `runs/from_scores/runs/`.
#
# ## What scale changes
#
# The toy models are made and trained here, in minutes, on phantoms: drawn X-rays with exact lesion masks and real
# sentences. They are evidence about recipes and texts, not about patients, and their numbers are never to be read as
# those of a full-size model. Real radiographs are the world `nih`; there the models are carried over from the phantoms.
