# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Does knowing the place make the picture?
#
# Beyond *Trade-offs in Fine-tuned Diffusion Models Between Accuracy and Interpretability* (Dombrowski et al., AAAI
# 2024). In its discussion the paper argues that interpretability indicates how well a model generates: Finetune_F
# localises better and, on six of eight findings, also makes images in which a classifier sees the finding better; the
# two exceptions are those where Finetune_L localises at least a little. But its title speaks of a trade-off, because
# F's images as a whole are further from real ones.
#
# What you will learn here:
# - whether variants that localise better (CNR) make images that are more like real ones (FID);
# - whether findings that are localised better are easier to see in made images, for each model and for F against L;
# - how little a correlation of a handful of points can say, by number.
#
# This notebook only reads score rows and the paper's own tables.

# %% tags=["parameters"]
scale = "toy"
world = "phantom"

# %%
from IPython.display import Image, Markdown

from plainsight import (
    claims,
    figures,
    generation_scores,
    markdown,
    published,
    results,
    statistics,
    tables,
    tables_generation,
    worlds,
)
from plainsight import quality_and_grounding as quality
from plainsight.workspace import open_workspace

space = open_workspace(scale)
folder = space.world(world)
out = folder / "beyond"
note = f"scale {scale}, world {world}"
resamples = space.scale.bootstrap_resamples
findings = worlds.placed(world)
variants = (*tables.VARIANTS, *tables.ABLATIONS)

# %% [markdown]
# ## The points
#
# **Over trainings.** One point is one training of one variant: the three models of Table 1 and the ablations of Tables
# 10 and 11. How well it localises is the mean over all phrases with boxes; how good its images are is FID, the distance
# of images made of raw impressions from the real images that the impressions belong to (0: alike), by a general
# extractor (a classifier of drawn scenes) and by one of this domain.

# %%
rows = results.read(folder, results.runs(space, variants, ["boxes"]))
made = {name: [generation_scores.Made(name, seed) for seed in space.seeds(name)] for name in variants}
distances = generation_scores.read(folder, "distances", [one for name in variants for one in made[name]])
trainings = quality.of_trainings(rows, distances, space.scale.foundation_world, resamples)
quality.points(trainings).round(3)

# %% [markdown]
# **Over findings.** One point is one finding, averaged over the trainings of F, or of L: how well its phrases are
# localised (Table 1) against how well a classifier tells images made for it from images made for "No Finding" (Table
# 5).

# %%
pair = (quality.F, quality.L)
judged = generation_scores.read(folder, "judged", [one for name in pair for one in made[name]])
seen = tables_generation.auc_values(judged, findings, world, resamples // 100)
by_finding = quality.of_findings(rows, seen, findings, resamples)
print(f"{len(quality.points(trainings))} trainings of {len(variants)} variants;", end=" ")
print(f"{by_finding['finding'].nunique()} findings; trainings of F and of L: {len(made[quality.F])}.")
means = by_finding[by_finding["seed"] == quality.MEAN]
quality.points(means).drop(columns="seed").round(3)

# %% [markdown]
# ## Hypothesis
#
# If the paper's argument carries over, variants with a higher CNR have a lower FID (a negative correlation), and
# findings with a higher CNR are easier to see in made images (a positive one). Its strongest form is about differences:
# where F localises better than L by much, F's images show the finding better by much.
#
# ## Measurement
#
# Spearman's correlation compares orders, not sizes. Trainings of one variant are alike, so variants are resampled as
# wholes, and what counts is how many of *these* there are. The column `beyond_chance` says what a correlation of so few
# must reach before no more than one in twenty random orders does as well. The paper's own tables are asked the same.

# %%
paper = {number: published.read(space.tables, "tradeoff", number) for number in (1, 4, 5, 10, 11)}
ours = quality.effects(trainings, by_finding, resamples)
theirs = quality.effects(*quality.published_cells(paper), resamples=0)
correlations = quality.table(ours, theirs)
tables.write_table(correlations, out / "quality_and_grounding.csv")
correlations.round(2)


# %%
def titled(name, variant, metric):
    found = correlations.set_index(["variant", "metric"]).loc[(variant, metric)]
    units = "variants" if variant == quality.ALL else "findings"
    return f"{name}\nρ {found['value']:.2f} [{found['low']:.2f}, {found['high']:.2f}], {found['units']:.0f} {units}"


drawn = {
    titled(name, quality.ALL, f"cnr_{metric}"): quality.panel(trainings, "cnr", metric)
    for name, metric in (("General features", "fid"), ("Features of the domain", "fid_domain"))
}
drawn = {title: points.assign(name=points["variant"].map(tables.NAMES)) for title, points in drawn.items()}
labels = ([figures.LABELS["cnr"]] * 2, [f"{figures.LABELS['fid']}, logarithmic"] * 2)
figures.save(figures.against_grounding(drawn, *labels, log=True), out / "figure_quality_and_grounding", note)
Image(out / "figure_quality_and_grounding.png")

# %% [markdown]
# Each mark is a training; bars are 95 % intervals over patients. Below, findings: of L, of F, and the difference of the
# two, means over trainings.

# %%
drawn = {}
for variant, name in ((quality.L, "Finetune_L"), (quality.F, "Finetune_F"), (quality.GAIN, "Difference, F - L")):
    points = quality.panel(means[means["variant"] == variant], "cnr", quality.JUDGED)
    drawn[titled(name, variant, "cnr_judged")] = points.assign(name=points["finding"])
images = "classifier's AUC-ROC on made images (0 to 1)"
labels = ([figures.LABELS["cnr"]] * 2 + ["difference of CNR"], [images, images, "difference of AUC-ROC"])
figures.save(figures.against_grounding(drawn, *labels), out / "figure_quality_by_finding", note)
Image(out / "figure_quality_by_finding.png")

# %% [markdown]
# ## The numbers, read aloud

# %%
said = {
    (quality.ALL, "cnr_fid"): ("CNR and FID, general features", "variants"),
    (quality.ALL, "cnr_fid_domain"): ("CNR and FID, features of the domain", "variants"),
    (quality.L, "cnr_judged"): ("Finetune_L, CNR and classifier", "findings"),
    (quality.F, "cnr_judged"): ("Finetune_F, CNR and classifier", "findings"),
    (quality.GAIN, "cnr_judged"): ("F minus L, CNR and classifier", "findings"),
}
for row in correlations.to_dict("records"):
    if (row["variant"], row["metric"]) in said:
        print(quality.sentence(row, *said[row["variant"], row["metric"]]))

# %%
tuned = quality.points(trainings).query("variant != 'foundation'")
for metric in ("fid", "fid_domain"):
    alone = statistics.spearman(tuned["cnr"], tuned[metric])
    print(f"Without the foundation, CNR and {metric}: Spearman {alone:+.2f} over {len(tuned)} points.")

# %% [markdown]
# And the paper's own numbers, of which only AUC-ROC stands for all seven models (CNR for three):

# %%
for row in correlations.to_dict("records"):
    if row["metric"].startswith("auc"):
        least = statistics.least_correlation(row["published_pairs"])
        side = "beyond" if abs(row["published"]) >= least else "within"
        print(f"{row['variant']}, {row['metric'].replace('_', ' and ', 1)}: Spearman {row['published']:+.2f}", end=" ")
        print(f"of {row['published_pairs']} pairs, {side} chance ({least:.2f}).")

# %% [markdown]
# ## What holds
#
# The argument as comparisons by the rule of the ledger. A claim needs ten units and two trainings: with eight findings
# and fewer than ten variants nothing can be decided here, whatever the correlation. The rows stand in the ledger so
# that a world with more findings, or more variants, can decide them.

# %%
ledger = quality.judge_all(ours, theirs, scale, world)
tables.write_table(ledger, out / "claims_quality.csv")
print(f"Here {claims.tally(ledger)}.")
Markdown(markdown.ledger(ledger))

# %% [markdown]
# ## What scale changes
#
# - The foundation has seen no radiograph: it may stand far off in FID and make a correlation by itself (without it: see
#   above). It is one of the variants all the same, as it is one of the paper's rows.
# - Ablations are trained once, F and L several times, so that F and L weigh more in the correlation over trainings.
# - FID has a bias that depends on the number of images, the same for every variant here, and on what is in them.
# - A correlation over variants says nothing about cause: whoever trains longer may get better at both.
