# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Where are the words? Localisation of frozen and learnable fine-tuning
#
# *Trade-offs in Fine-tuned Diffusion Models Between Accuracy and Interpretability* (Dombrowski et al., AAAI 2024),
# section "Localization Results": **Table 1**, **Table 12**. (Figure 2, the maps themselves, stands in `3_maps`.)
#
# A text-to-image model is fine-tuned on chest X-rays in two ways. **Finetune_F** keeps its text encoder frozen;
# **Finetune_L** trains the text encoder along. The paper finds that L paints better and no longer knows where its words
# are, while F does. The **foundation**, before any fine-tuning, stands for the paper's SDv2.
#
# What you will learn here:
# - what AUC-ROC, Top-1 and CNR say about a heat map, and what intervals and several trainings add;
# - whether F localises better than L in this world, and whether the number of steps decides it;
# - why the sign of CNR matters (Table 12), and what a map scores that never saw the image.
#
# This notebook only reads score rows.

# %% tags=["parameters"]
scale = "toy"
world = "phantom"

# %%
import itertools

import pandas as pd
from IPython.display import Image, Markdown

from plainsight import (
    claims,
    figures,
    markdown,
    provenance,
    published,
    results,
    statistics,
    tables,
    tradeoff,
    worlds,
)
from plainsight.seeding import numpy_generator
from plainsight.workspace import open_workspace

space = open_workspace(scale)
folder = space.world(world)
out = folder / "tradeoff"
resamples = space.scale.bootstrap_resamples
findings = worlds.placed(world)

# %% [markdown]
# ## The score rows
#
# One row is one phrase, asked of one model: the heat map of its finding's words, scored against the finding's boxes
# (a radiologist's on real images, tight around the lesion on phantoms). The three models of Table 1 must be there;
# everything else adds to the story and is named where it is missing.

# %%
rows = results.read(folder, results.runs(space, tables.VARIANTS, ["boxes"]))
pair = ("finetune_f", "finetune_l")
asked_too = ("masks", "boxes_equal_steps", "boxes_ema", "boxes_end_token", "curve")
extras = {name: results.runs(space, pair, [name]) for name in asked_too}
extras["foundation, end token"] = results.runs(space, ["foundation"], ["boxes_end_token"])
absent = {name: results.missing(folder, runs) for name, runs in extras.items()}
extra = [run for name, runs in extras.items() if not absent[name] for run in runs]
more = results.read(folder, extra) if extra else rows.head(0)
print("not run here:", ", ".join(name for name, files in absent.items() if files) or "nothing")

# %%
examples = results.read_asked(folder)
several = set(examples.index[examples["n_boxes"] > 1])
home = space.size(world).models_from or world
carried = home != world
setting = tables.Setting(scale, world, home)
seeds = space.seeds("finetune_f")
print(f"{len(examples)} phrases about {examples['finding'].nunique()} findings, {len(several)} with several boxes;")
print(f"{examples['patient'].nunique()} patients; training seeds {', '.join(map(str, seeds))}.")
print(f"The models were trained on {home}" + (", never on this world." if carried else ", this world."))

# %% [markdown]
# The paper reads the map of the words that name the finding (its Table 9), and of all words where none does: "enlarged
# heart" holds no keyword of cardiomegaly.

# %%
unnamed = rows[rows["variant"] == "finetune_f"].drop_duplicates("example_id").groupby("finding")["keyword_matched"]
unnamed = (1 - unnamed.mean())[lambda share: share > 0].sort_values(ascending=False)
print("Share of phrases that name their finding by none of its keywords:")
print("; ".join(f"{finding} {share:.0%}" for finding, share in unnamed.items()) or "none", end=".\n")

# %% [markdown]
# ## First of all: does the foundation know its own words?
#
# The paper's SDv2 does: on photographs (MS-COCO), the map of an object's word tells its mask well (Table 2, SDv2). Ours
# is asked the same of the images that it comes from, at toy scale drawn scenes. A foundation that did not know its
# own words could not lose them by fine-tuning, and its row in Table 1 would say nothing.

# %%
own = results.read(space.world(space.scale.foundation_world), [results.Run("foundation", 0, "masks")])
own = tables.summarise(own, ["variant"], ["auc", "cnr"], sorted(own["finding"].unique()), resamples)
own = own[own["finding"] == tables.WEIGHTED].set_index("metric")
sdv2 = published.read(space.tables, "tradeoff", 2).query("variant == 'foundation' and metric == 'auc'")["value"].item()
know = "knows its own words" if own["low"]["auc"] > 0.5 else "has not been shown to know its own words"
print(f"The foundation {know}: AUC-ROC {own['value']['auc']:.3f} (95 % interval {own['low']['auc']:.3f} to", end=" ")
print(f"{own['high']['auc']:.3f}, {own['n']['auc']:.0f} phrases); chance is 0.5. SDv2 in the paper: {sdv2:.3f}.")

# %% [markdown]
# ## Hypothesis
#
# If the paper is right, F's words point at the lesion and L's do not: AUC-ROC well above 0.5 for F and about 0.5 for L,
# for every finding but pneumothorax. AUC-ROC is the chance that a pixel inside the box gets more attention than one
# outside. Top-1 asks only whether the hottest pixel is inside. CNR is the mean inside less the mean outside, over the
# square root of the sum of the two variances; it is negative when the model looks elsewhere.
#
# ## Measurement: Table 1
#
# Ours and published stand in columns of their own. They come from other images and another model: compare what is
# above what, not the sizes.

# %%
names = tables.one_to_one(worlds.NIH_TO_MSCXR) if world == "nih" else tables.same_names(findings)
blind = results.read(folder, [results.Run(name, 0, "boxes") for name in ("centred_gaussian", "average_box")])
table_01 = tables.table_01(rows, findings, resamples)
paper_01, paper_12 = (published.read(space.tables, "tradeoff", number) for number in (1, 12))
table_01 = tables.beside(table_01, paper_01, names)
other = pd.concat([more[more["protocol"] != "curve"], blind], ignore_index=True)
beyond = tables.beyond_01(other, resamples)
text_01 = tables.to_markdown(table_01, tables.caption(1, table_01, setting), beyond)
tables.write_table(table_01, out / "table_01.csv")
tables.write_table(table_01, out / "table_01.md", text_01)
Markdown(text_01)

# %%
title = f"Ours: {scale} scale, {world}"
figure = figures.scores_by_finding(table_01, "auc", title, "Published: MS-CXR, full size")
figures.save(figure, out / "figure_table_01", f"scale {scale}, world {world}")
figure


# %% [markdown]
# ## The number, read aloud


# %%
def score(variant, metric, finding=tables.WEIGHTED):
    wanted = (table_01["variant"] == variant) & (table_01["metric"] == metric) & (table_01["finding"] == finding)
    return table_01[wanted].iloc[0]


def difference(a, b, metric, where=rows):
    sides = [[frame for _, frame in where[where["variant"] == v].groupby("seed")] for v in (a, b)]
    rng = numpy_generator(0, "notebook", a, b, metric)
    return statistics.compare(*sides, metric, "sample", resamples, rng)


def said(effect):
    found = effect.interval
    each = ", ".join(f"{value:+.3f}" for value in effect.seed_effects)
    return f"{found.estimate:+.3f} (95 % interval {found.low:+.3f} to {found.high:+.3f}; by seed {each})"


# %%
auc = {variant: score(variant, "auc")["value"] for variant in tables.VARIANTS}
gap = difference("finetune_f", "finetune_l", "auc")
side = "above" if gap.interval.estimate > 0 else "below"
print(f"AUC-ROC: foundation {auc['foundation']:.3f}, L {auc['finetune_l']:.3f}, F {auc['finetune_f']:.3f}.")
theirs = paper_01[(paper_01["finding"] == published.AVERAGE) & (paper_01["metric"] == "auc")].set_index("variant")
published_gap = theirs["value"]["finetune_f"] - theirs["value"]["finetune_l"]
print(f"F lies {side} L: {said(gap)}. In the paper, on MS-CXR at full size: {published_gap:+.2f}.")
for metric in ("top1", "cnr"):
    print(f"{tables.HEADINGS[metric].removesuffix(' (%)')}, F minus L: {said(difference(*pair, metric))}.")

# %% [markdown]
# **Phrases that name their finding, and phrases that do not.** The first are read by the words that the question is
# about, the others by all their words, and the average mixes both.

# %%
for named, words in ((1, "hold a keyword and are read by it"), (0, "hold none and are read by all words")):
    part = rows[rows["keyword_matched"] == named]
    each = part.groupby("variant")["auc"].mean().reindex(tables.VARIANTS).dropna()
    means = ", ".join(f"{tables.NAMES[variant]} {value:.3f}" for variant, value in each.items())
    print(f"{part['example_id'].nunique()} phrases {words}. AUC-ROC: {means or 'none'}.")

# %% [markdown]
# The interval says what other patients would change; the single seeds say what another training would. A claim needs
# both. Phrases repeat themselves, though, and what another set of *phrases* would change is a third question: the same
# difference with wordings resampled in place of patients.

# %%
distinct = examples.groupby("finding")["wording"].nunique()
reworded = difference(*pair, "auc", rows.assign(patient=rows["example_id"].map(examples["wording"])))
few, many = distinct.idxmin(), distinct.idxmax()
print(f"{len(examples)} phrases, {examples['wording'].nunique()} distinct wordings,", end=" ")
print(f"from {distinct[few]} ({few}) to {distinct[many]} ({many}) a finding.")
print(f"F minus L, AUC-ROC, wordings resampled: {said(reworded)}.")

# %% [markdown]
# **Against maps that never saw the image.** Lesions lie where lesions lie: a Gaussian in the middle of the image
# already scores well, and the average box of a finding (of all *other* patients) better still. Only what a model gains
# over them is sure to be knowledge about *this* image.

# %%
both = pd.concat([rows, blind], ignore_index=True)
for rival, words in (("centred_gaussian", "the Gaussian"), ("average_box", "the average box")):
    gain = {variant: difference(variant, rival, "auc", both) for variant in tables.VARIANTS}
    for variant, effect in gain.items():
        print(f"{tables.NAMES[variant]} over {words}, AUC-ROC: {said(effect)}")
    better = [tables.NAMES[variant] for variant, effect in gain.items() if effect.interval.low > 0]
    print(f"Above {words}, with an interval that leaves out 0: {', '.join(better) or 'none of them'}.")

# %%
means = both.groupby(["finding", "variant"])["auc"].mean().unstack()
for variant in tables.VARIANTS:
    below = int((means[variant] < means["centred_gaussian"]).sum())
    print(f"{tables.NAMES[variant]} lies below the Gaussian for {below} of {len(means)} findings.")

# %% [markdown]
# **How far the phrases reach.** With few phrases of a finding an interval is wide, and what lies inside it cannot be
# told apart.

# %%
width = table_01[(table_01["metric"] == "auc") & (table_01["variant"] == "finetune_f")].set_index("finding")
width = (width["high"] - width["low"]).drop([tables.MACRO, tables.WEIGHTED])
whole = score("finetune_f", "auc")
print(
    f"F's AUC-ROC over all {whole['n']} phrases is known to {whole['high'] - whole['low']:.3f} (width of the interval),"
)
print(f"by finding to between {width.min():.3f} ({width.idxmin()}) and {width.max():.3f} ({width.idxmax()}).")
if carried:
    print(f"Smaller differences than that cannot be told with {whole['n']} phrases. The models never saw such images")
    print("in training: a low score says as much about the step from world to world as about the text encoder.")

# %% [markdown]
# ## Does the number of steps decide it?
#
# The paper trains L twice as long as F. So that no budget chooses the verdict, both are scored on validation phrases
# along the whole training; dotted lines mark equal steps and the paper's own ratio.

# %%
curves = more[more["protocol"] == "curve"]
steps = space.scale.denoising.steps
ratio = space.experiments.variants["finetune_l"].length
if len(curves):
    mean = tables.summarise(curves, ["variant", "step"], ("auc", "cnr"), (), resamples)
    mean = mean[mean["finding"] == tables.WEIGHTED]
    marks = {"equal steps": steps, f"L at {ratio:g}:1": steps * ratio}
    by_seed = tables.by_seed(curves, ["variant", "step"], ("auc", "cnr"))
    note = f"scale {scale}, world {world}; bands: 95 % interval over patients, thin lines: single trainings"
    figures.save(figures.learning_curves(mean, by_seed, ("auc", "cnr"), marks), out / "figure_curves", note)
    equal = mean[(mean["metric"] == "auc") & (mean["step"] == steps)].set_index("variant")["value"]
    print(f"At equal steps ({steps}): F {equal['finetune_f']:.3f}, L {equal['finetune_l']:.3f} AUC-ROC on validation.")
else:
    print("No curves over training for this world: they are scored where the models were trained.")

# %% [markdown]
# **How long is long enough?** That is judged by F alone, so that no number of steps is chosen for what L does there:
# long enough is where another stretch of training gains F nothing on the validation phrases.

# %%
if len(curves):
    frozen = curves[curves["variant"] == "finetune_f"].assign(variant=curves["step"].astype(int))
    for before, after in itertools.pairwise(sorted(frozen["variant"].unique().tolist())):
        gain = difference(after, before, "auc", frozen)
        print(f"F, from {before} to {after} steps, gains {said(gain)} AUC-ROC.")
    still = "still gains by it, so that more steps might say more" if gain.interval.low > 0 else "gains nothing by it"
    print(f"The last stretch: F {still}.")

# %% [markdown]
# Bands are 95 % intervals over patients, thin lines single trainings.

# %%
Image(out / "figure_curves.png") if len(curves) else None

# %% [markdown]
# ## Table 12: the sign of CNR
#
# Other papers take the absolute value of CNR. A model that looks everywhere *but* at the lesion then scores as well as
# one that looks at it. Hypothesis: CNR_abs flatters the models that do not localise, and leaves F alone.

# %%
table_12 = tables.table_12(rows, findings, resamples)
table_12 = tables.beside(table_12, paper_12, names)
text_12 = tables.to_markdown(table_12, tables.caption(12, table_12, setting))
tables.write_table(table_12, out / "table_12.csv")
tables.write_table(table_12, out / "table_12.md", text_12)
Markdown(text_12)

# %%
flattered = table_12[(table_12["metric"] == "overestimate") & (table_12["finding"] == tables.WEIGHTED)]
for cell in flattered.to_dict("records"):
    print(f"CNR_abs overestimates {tables.NAMES[cell['variant']]} by {cell['value']:.2f}", end=" ")
    print(f"(95 % interval {cell['low']:.2f} to {cell['high']:.2f}).")
means = paper_12[paper_12["finding"] == published.AVERAGE].pivot(index="variant", columns="metric", values="value")
theirs = means["cnr_abs"] - means["cnr"]
print("In the paper:", ", ".join(f"{tables.PUBLISHED_NAMES[v]} {theirs[v]:.2f}" for v in tables.VARIANTS))

# %% [markdown]
# ## What holds
#
# Each sentence of the paper that states a result about localisation is judged by one rule: it *holds* when every
# training seed has the claimed sign and the 95 % interval over patients excludes 0, *fails* when every seed and the
# interval say the opposite, and is *inconclusive* otherwise. A claim of equality holds when the interval and every seed
# lie within its margin. One training seed can never decide a claim about training, fewer than ten patients none at all;
# and how far trainings lie apart takes ten of them.

# %%
chosen = tradeoff.comparisons(paper_01, paper_12, names)
judged_rows = pd.concat([rows, more[more["protocol"] != "curve"]], ignore_index=True)
ledger = tradeoff.judge_all(chosen, judged_rows, several, scale, world, resamples)
tables.write_table(ledger, out / "claims.csv")
print(f"Here {claims.tally(ledger)}.")
Markdown(markdown.ledger(ledger))

# %%
of = [one.claim.id for one in chosen if one.finding and (one.a, one.b) == pair]
by_finding = ledger[ledger["id"].isin(of)].assign(finding=lambda frame: frame["place"].str.removeprefix("Table 1, "))
above = by_finding[by_finding["effect"] > 0].groupby("finding").size()
print(
    f"F lies above L in all three metrics for {int((above == 3).sum())} of {by_finding['finding'].nunique()} findings."
)
print("That is by the sign of the effect alone; which of them are decided is in the ledger above.")
print("The paper: in seven of eight, all but pneumothorax.")

# %% [markdown]
# ## What scale changes
#
# At toy scale, the default:
# - The models are small, made here, and trained for minutes; the foundation has seen drawn scenes, not the web. Its row
#   says what such a model does before it has seen an X-ray, not what Stable Diffusion does.
# - All trainings start from that one foundation. From another one the order of F and L can be another: neither
#   intervals nor seeds here say anything of that, `benchmarks/foundations.py` does (numbers: `benchmarks/results/`).
# - Heat maps have the resolution of the latents, 8 by 8, so that a small lesion is a cell or two: Top-1 suffers first.
# - Phantoms are drawn. Their masks are exact and their sentences real, but nobody's lungs are in them. What happens to
#   L here is evidence about the recipe and the text, not about patients.
# - What fails here fails at this scale, in this world. That is what the tables say, and no more.

# %%
read = {name: set(part["seed"]) for name, part in pd.concat([rows, more]).groupby("variant")}
provenance.committed(out / "provenance.json", scale, world, read, "tradeoff/2_localization.py")
