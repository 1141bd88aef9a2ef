# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Does the text decide it?
#
# *Trade-offs in Fine-tuned Diffusion Models Between Accuracy and Interpretability* (Dombrowski et al., AAAI 2024),
# "Influence of Complexity of Text Input": **Table 7**.
#
# The paper blames the variability and complexity of report text for what happens to Finetune_L. If that is so, L should
# recover where the text is easy.
#
# What you will learn here:
# - how localisation develops over training, for texts of different difficulty about the very same images;
# - whether an easier text closes the distance between a frozen and a learnable text encoder in this world;
# - why a table with one training a cell decides little.
#
# This notebook only reads score rows.

# %% tags=["parameters"]
scale = "toy"
world = "phantom"

# %%
import pandas as pd
from IPython.display import Image, Markdown

from plainsight import claims, figures, markdown, published, results, tables, tables_text, tradeoff, tradeoff_text
from plainsight.workspace import open_workspace
from plainsight.worlds import impressions

space = open_workspace(scale)
folder = space.world(world)
out = folder / "tradeoff"
resamples = space.scale.bootstrap_resamples
runs = {name: results.runs(space, [name], ["boxes"]) for name in tables_text.VARIANTS}
runs = {name: found for name, found in runs.items() if not results.missing(folder, found)}
curve = results.runs(space, runs, ["curve"])
curve = [] if results.missing(folder, curve) else curve
rows = results.read(folder, [*(run for found in runs.values() for run in found), *curve])
present = {tables_text.VARIANTS[name][1] for name in runs}
levels = {level: title for level, title in tables_text.LEVELS.items() if level in present}

# %% [markdown]
# ## What is compared
#
# Both recipes, F and L, trained on four texts about the same images, the most variable first:
# - **whole reports** (those of `2_localization`): several real sentences, negations, asides, silences;
# - **report sentences**: a real sentence for each finding and nothing else (not in the paper);
# - **composed impressions**: a hundred for each finding, written by a small grammar that varies structure as well as
#   words. The paper had ChatGPT write such a list;
# - **class names** of everything that the image shows.
#
# Whole reports have been trained on with every seed of the scale, the other texts once.

# %%
trained = tables_text.by_level(rows).groupby(["level", "variant"])["seed"].nunique()
for level, title in levels.items():
    each = ", ".join(f"{tables.NAMES[recipe]} {trained[level, recipe]}" for recipe in tables_text.RECIPES)
    print(f"{title}: trainings {each}")

# %% [markdown]
# Real sentences are few for some findings. How many distinct ones the reports hold that assert this finding alone and
# without a doubt, how many whole reports draw on in each split, and among how many a test phrase is chosen:

# %%
impressions.counts() if world == "phantom" else None

# %% [markdown]
# ## Over training
#
# Scored on validation phrases, which are the same for every text: report phrases about one finding. Bands are 95 %
# intervals over patients, thin lines single trainings where there are several.

# %%
if curve:
    scored = tables_text.by_level(rows[rows["protocol"] == "curve"])
    curves = tables.summarise(scored, ["level", "variant", "step"], ("auc", "cnr"), (), resamples)
    curves = curves[curves["finding"] == tables.WEIGHTED]
    by_seed = tables.by_seed(scored, ["level", "variant", "step"], ("auc", "cnr"))
    ratio = space.experiments.variants["finetune_l"].length
    note = f"scale {scale}, world {world}; bands: 95 % interval over patients, thin lines: single trainings; "
    note += f"L trains {ratio:g} times as long as F, as in the paper"
    figures.save(figures.text_difficulty(curves, by_seed, levels, ("auc", "cnr")), out / "figure_text_difficulty", note)
    auc = curves[curves["metric"] == "auc"].sort_values("step").groupby(["level", "variant"]).last()
else:
    print("No boxes on validation images here, so no curves over training.")
Image(out / "figure_text_difficulty.png") if curve else None

# %%
for level, title in levels.items() if curve else ():
    for recipe in tables_text.RECIPES:
        cell = auc.loc[level, recipe]
        print(f"{title}: {tables.NAMES[recipe]} ends at AUC-ROC {cell['value']:.3f}", end=" ")
        print(f"({cell['low']:.3f} to {cell['high']:.3f}; training seeds: {int(cell['seeds'])})")

# %% [markdown]
# ## Which phrases Table 7 asks
#
# A model that was trained on class names has read no other words, so the paper asks only the phrases "that have the
# label of the image" in them. Here: the phrases that hold the finding's name as it stands, whatever the case. For a
# finding that reports call otherwise, few or none are left.

# %%
examples = results.read_asked(folder)
named = examples.index[examples["names_finding"] == 1]
share = examples.groupby("finding")["names_finding"].agg(["sum", "size"])
print(f"{len(named)} of {len(examples)} phrases name their finding:")
print("; ".join(f"{row.Index} {row.sum} of {row.size}" for row in share.itertuples()), end=".\n")

# %% [markdown]
# ## Hypothesis
#
# If the paper's table is right, F stays above L whatever the text; F localises best when trained on impressions and
# worst on the composed ones; L is best where the text is easiest, comes closest to F on the composed ones, and fails
# everywhere. (The caption of the paper's table says that CNR rises with the variability of the text. It does so in
# neither of its columns.)
#
# ## Measurement: Table 7

# %%
paper_07 = published.read(space.tables, "tradeoff", 7)
asked = rows[(rows["protocol"] == "boxes") & rows["example_id"].isin(named)]
asked = tables_text.by_level(asked)
table_07 = tables_text.beside_07(tables_text.table_07(asked, resamples), paper_07)
setting = tables.Setting(scale, world, world)
text_07 = tables_text.markdown_07(table_07, paper_07, setting, len(examples))
tables.write_table(table_07, out / "table_07.csv")
tables.write_table(table_07, out / "table_07.md", text_07)
Markdown(text_07)

# %%
drawn = table_07[table_07["finding"] == tables.WEIGHTED]
drawn = drawn.assign(finding=drawn["level"].map(levels), published_std=float("nan"))
title = f"Ours: {scale} scale, {world}"
figure = figures.scores_by_finding(drawn, "cnr", title, "Published: MS-CXR, full size")
figures.save(figure, out / "figure_table_07", f"scale {scale}, world {world}")
figure


# %% [markdown]
# ## The numbers, read aloud


# %%
def order(column, recipe):
    """The levels of a column of Table 7 in the order of their CNR, the highest first."""
    cells = drawn[(drawn["metric"] == "cnr") & (drawn["variant"] == recipe)].dropna(subset=column)
    cells = cells.sort_values(column, ascending=False)
    return " > ".join(f"{cell['finding']} {cell[column]:.2f}" for cell in cells.to_dict("records"))


for recipe in tables_text.RECIPES:
    print(f"{tables.NAMES[recipe]}, CNR: {order('value', recipe)}.")
    print(f"In the paper: {order('published', recipe)}.")


# %%
def gaps(column):
    """F less L by level, in words."""
    cells = drawn[drawn["metric"] == "cnr"].pivot(index="level", columns="variant", values=column)
    gap = (cells["finetune_f"] - cells["finetune_l"]).loc[list(levels)].dropna()
    each = ", ".join(f"{levels[level]} {value:+.2f}" for level, value in gap.items())
    return f"{each}; above 0 for {int((gap > 0).sum())} of {len(gap)} texts"


print(f"F less L, CNR: {gaps('value')}.")
print(f"In the paper: {gaps('published')}.")

# %% [markdown]
# How much of this could be another training of the same recipe? On whole reports, where there are several, they lie
# this far apart:

# %%
single = tables.by_seed(asked[asked["level"] == "reports"], ["variant"], ["cnr"]).groupby("variant")["value"]
for recipe in tables_text.RECIPES:
    low, high = single.min()[recipe], single.max()[recipe]
    print(f"{tables.NAMES[recipe]}: CNR from {low:.2f} to {high:.2f} over {single.size()[recipe]} training(s).")

# %% [markdown]
# ## What holds
#
# "Fails" is taken as: localises worse than the foundation, which has read no word about chests. The levels other than
# whole reports were trained on once, so that what is said about them, level against level and F against L within a
# level, is *inconclusive* by rule, wherever the intervals lie: one training does not speak for a way of training.
# Levels are compared at the seed that both have.

# %%
foundation = results.read(folder, results.runs(space, ["foundation"], ["boxes"]))
foundation = foundation[foundation["example_id"].isin(named)]
chosen = tradeoff_text.comparisons(paper_07)
everything = pd.concat([asked.assign(protocol=asked["level"]), foundation])
ledger = tradeoff.judge_all(chosen, everything, (), scale, world, resamples, tradeoff_text.NOTEBOOK)
tables.write_table(ledger, out / "claims_text.csv")
print(f"Here {claims.tally(ledger)}.")
Markdown(markdown.ledger(ledger))

# %% [markdown]
# ## What scale changes
#
# At toy scale, the default:
# - The easier levels are trained once, so that their lines show what one training did and not what trainings do.
# - The test phrases are report phrases. A model trained on class names has read only the names in them; the paper
#   suspects the same of its own.
# - The grammar of the composed impressions is small, and ChatGPT's hundred sentences a class surely differ from it.
# - The toy's text encoder has never read a medical word before fine-tuning. What is easy for CLIP need not be for it.
