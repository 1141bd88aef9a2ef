# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Which words know the place?
#
# *Trade-offs in Fine-tuned Diffusion Models Between Accuracy and Interpretability* (Dombrowski et al., AAAI 2024),
# "Lack of interpretability" and the supplement: **Tables 6, 8 and 9**, **Figure 3**.
#
# Table 1 asks only the words that name a finding. Perhaps a model with a learnable text encoder (Finetune_L) has not
# forgotten where things are, but has moved it to other words? So every word is asked.
#
# What you will learn here:
# - which words of a phrase attend to the place of the finding, in each of the three models;
# - what the start and the end token know, which stand for no word at all;
# - what becomes of it when the text is a raw report in place of a curated phrase;
# - whether a word is localised better for having been read more often.
#
# This notebook only reads score rows and counts.

# %% tags=["parameters"]
scale = "toy"
world = "phantom"

# %%
import pandas as pd
from IPython.display import Image, Markdown

from plainsight import (
    claims,
    figures,
    markdown,
    published,
    results,
    statistics,
    tables,
    tables_words,
    tradeoff_words,
    words,
    worlds,
)
from plainsight.seeding import numpy_generator
from plainsight.workspace import open_workspace

space = open_workspace(scale)
folder = space.world(world)
out = folder / "tradeoff"
resamples = space.scale.bootstrap_resamples
findings = worlds.placed(world)
names = tables.one_to_one(worlds.NIH_TO_MSCXR) if world == "nih" else tables.same_names(findings)
home = space.size(world).models_from or world
setting = tables.Setting(scale, world, home)

# %% [markdown]
# ## The words that stand for a finding: Table 9
#
# How many phrases with boxes (N_D) and how many images for generation (N_G) there are of each finding, and the words
# that Table 1 reads. An image with several findings counts for each of them here; the paper's have one.

# %%
paper_09 = published.read(space.tables, "tradeoff", 9)
splits = pd.read_parquet(folder / words.SPLITS)
same = {**names, worlds.NO_FINDING: worlds.NO_FINDING}
table_09 = tables_words.table_09(splits, [*findings, worlds.NO_FINDING], worlds.KEYWORDS, paper_09, same)
text_09 = tables_words.table_09_markdown(table_09, tables_words.caption_09(setting), paper_09, same)
tables.write_table(table_09, out / "table_09.csv")
tables.write_table(table_09, out / "table_09.md", text_09)
Markdown(text_09)

# %% [markdown]
# ## The rows
#
# One row is one word of one phrase, asked of one model: its heat map (the mean over its sub-tokens, and over the places
# where it stands) against the boxes of the phrase's finding. No row says which phrase it is of: patients and
# examples are numbered anew for each word, so that single words can be published and phrases cannot be put together.

# %%
rows = words.read(folder, [(variant, seed) for variant in tables.VARIANTS for seed in space.seeds(variant)])
curated, raw = (rows[rows["raw"] == kind] for kind in (0, 1))
end = curated[curated["word"] == words.END]
phrases = end["example_id"].nunique()
more_than = tables_words.seen_more_than(phrases)
different = curated.loc[~curated["word"].isin(words.SPECIAL), "word"].nunique()
print(f"{phrases} phrases; {different} different words stand in those of {words.MIN_PATIENTS} patients or more.")
print(f"Asked about: words seen more than {more_than} times in the phrases about a finding; the paper's, of", end=" ")
print(f"{tables_words.OF} phrases, more than {tables_words.SEEN} times.")

# %% [markdown]
# ## Hypothesis
#
# If the paper is right, F's best words name the finding or its place ("atelectasis", "lung"), L's best is the end
# token, which has read the whole phrase and stands for none of its words, and L's other words know nothing: CNR
# about 0. CNR is the contrast of the heat map inside and outside of the boxes over the noise.
#
# ## Measurement: Table 6
#
# The best three of each finding. The best of many words looks good by chance, too: an interval says what other patients
# would change about *this* word, not that it would be the best again. Every word asked stands in `table_06.csv`.

# %%
paper_06 = published.read(space.tables, "tradeoff", 6)
counts = pd.read_parquet(folder / words.COUNTS)
table_06 = tables_words.words_table(curated, findings, resamples, more_than)
table_06 = tables_words.with_counts(tables_words.beside_words(table_06, paper_06, names), counts)
kinds = tables_words.token_kinds(curated, resamples)
caption = tables_words.caption_words(6, kinds, setting, more_than)
text_06 = tables_words.words_markdown(table_06, caption, paper_06, names, kinds)
tables.write_table(table_06, out / "table_06.csv")
tables.write_table(table_06, out / "table_06.md", text_06)
Markdown(text_06)

# %% [markdown]
# ## The number, read aloud

# %%
for variant in tables.VARIANTS:
    cnr = table_06[(table_06["variant"] == variant) & (table_06["metric"] == "cnr")]
    best = cnr[cnr["rank"] <= tables_words.BEST]
    named = [any(key in row.word for key in worlds.KEYWORDS[row.finding]) for row in best.itertuples()]
    held = best["finding"][named].nunique()
    ends = best["finding"][best["word"] == words.END].nunique()
    print(
        f"{tables.NAMES[variant]}: a keyword is among the best three for {held} of {best['finding'].nunique()}", end=" "
    )
    print(f"findings, the end token for {ends}.")
ranked = paper_06[paper_06["metric"] == "cnr"]
theirs = ranked[ranked["word"] == words.END].groupby("variant")["finding"].nunique()
print(
    "The paper's end token:", ", ".join(f"{tables.PUBLISHED_NAMES[v]} {theirs.get(v, 0)} of 8" for v in tables.VARIANTS)
)


# %% [markdown]
# Phrases repeat themselves: a word that is seen often may have been seen in few sentences, and then its CNR is as much
# theirs as its own. The intervals, over patients, know nothing of that.

# %%
asked = table_06[table_06["metric"] == "cnr"].drop_duplicates(["finding", "word"]).dropna(subset="wordings")
few = int((asked["wordings"] <= 3).sum())
print(f"{len(asked)} words of a finding were asked; {few} of them stand in three different phrases or fewer.")


# %%
def token(variant, word, metric="cnr", where=kinds):
    mine = (where["variant"] == variant) & (where["word"] == word) & (where["metric"] == metric)
    return where[mine & (where["finding"] == tables.WEIGHTED)].iloc[0]


kind = {words.END: "end token", words.START: "start token"}
kind |= {words.KEYWORDS: "words of the finding", words.PHRASE: "all words of the phrase"}
for variant in tables.VARIANTS:
    for word, name in kind.items():
        cell = token(variant, word)
        print(f"{tables.NAMES[variant]}, {name}: CNR {cell['value']:+.2f} ({cell['low']:+.2f} to {cell['high']:+.2f})")
prose = tradeoff_words.PROSE
print(f"The paper's end token: Finetune_L {prose['finetune_l']}, Finetune_F {prose['finetune_f']}.")

# %% [markdown]
# The words of the finding are those that Table 1 reads, in the phrases that hold one (`KEYWORDS` in the table); all
# words of the phrase are asked in every phrase (`PHRASE`). Where the latter know the place and the former do not, it
# is the sentence that was learned, not the words of the finding.
#
# **Has L moved what it knew to other tokens?** It has, if its words of the finding fall behind those of F and of the
# foundation, and its end token or the whole phrase do not.

# %%
for word, name in kind.items():
    cells = {variant: token(variant, word)["value"] for variant in tables.VARIANTS}
    gaps = [
        f"Finetune_L - {tables.NAMES[v]} {cells['finetune_l'] - cells[v]:+.2f}" for v in ("foundation", "finetune_f")
    ]
    print(f"CNR, {name}: {', '.join(gaps)}.")


# %% [markdown]
# **Does the end token of F know more than that of L?** The same phrases, seed by seed.


# %%
def said(effect):
    found = effect.interval
    each = ", ".join(f"{value:+.3f}" for value in effect.seed_effects)
    return f"{found.estimate:+.3f} (95 % interval {found.low:+.3f} to {found.high:+.3f}; by seed {each})"


sides = [[part for _, part in end[end["variant"] == v].groupby("seed")] for v in ("finetune_f", "finetune_l")]
gap = statistics.compare(*sides, "cnr", "sample", resamples, numpy_generator(0, "notebook", "end token"))
print(f"F minus L, CNR of the end token: {said(gap)}.")

# %% [markdown]
# ## Table 8: raw impressions
#
# The paper asks about the same boxes with the reports that the phrases were cut from. Hypothesis: among negations,
# asides and marks of anonymisation no word of the finding stands out. On phantoms the reports are written from real
# sentences that agree with the image (`plainsight.worlds.raw_impressions`). A world without reports has no Table 8.

# %%
if len(raw):
    paper_08 = published.read(space.tables, "tradeoff", 8)
    table_08 = tables_words.words_table(raw, findings, resamples, more_than)
    table_08 = tables_words.beside_words(table_08, paper_08, names)
    kinds_08 = tables_words.token_kinds(raw, resamples)
    caption = tables_words.caption_words(8, kinds_08, setting, more_than)
    text_08 = tables_words.words_markdown(table_08, caption, paper_08, names, kinds_08)
    tables.write_table(table_08, out / "table_08.csv")
    tables.write_table(table_08, out / "table_08.md", text_08)
Markdown(text_08 if len(raw) else "No raw impressions in this world.")

# %%
for variant in tables.VARIANTS if len(raw) else ():
    before, after = token(variant, words.KEYWORDS), token(variant, words.KEYWORDS, where=kinds_08)
    print(f"{tables.NAMES[variant]}, keywords: CNR {before['value']:+.2f} in curated phrases,", end=" ")
    print(f"{after['value']:+.2f} in raw impressions that hold one ({after['n']} of them).")

# %% [markdown]
# ## Figure 3: are common words localised better?
#
# The paper's first thought: a word that many training texts about a finding hold goes along with that finding, and so
# lights up where it is. Across: the share of the training texts about a finding that hold the word. Up: its CNR. The
# foundation has read none of these texts: what correlation it shows is not of their making. A word that the training
# texts of one to four patients hold has no dot, for no table may say so of real reports. ρ is Spearman's correlation
# with its 95 % interval, words resampled.

# %%
found = tables_words.points(curated, table_06, worlds.KEYWORDS) if home == world else None
if found is not None:
    figure_03 = tables_words.correlations(found, resamples)
    tables.write_table(figure_03, out / "figure_03.csv")
    figures.save(figures.figure_03(found, figure_03), out / "figure_03", f"scale {scale}, world {world}")
Image(out / "figure_03.png") if found is not None else None


# %%
def read_aloud(correlations):
    for cell in correlations.to_dict("records"):
        print(f"{tables.NAMES[cell['variant']]}: Spearman {cell['value']:+.2f}", end=" ")
        print(
            f"({cell['low']:+.2f} to {cell['high']:+.2f}; {cell['pairs']} pairs of {cell['words']} words and findings)"
        )


if found is not None and len(found):
    read_aloud(figure_03)
elif home == world:
    print(f"No word is held by the phrases of {words.MIN_PATIENTS} patients about a finding: nothing to correlate.")
else:
    print("The models have read another world's texts: nothing to correlate.")

# %% [markdown]
# A finding's own name is common in texts about it, and it is also what the model is to learn: a correlation can come
# from the names alone. Without the keywords:

# %%
if found is not None and len(found):
    read_aloud(tables_words.correlations(found[~found["keyword"]], resamples))

# %% [markdown]
# ## What holds
#
# The paper's sentences about words, and one beyond it (all words together), by the rule of `2_localization`. That other
# words than the keywords would do better for some findings is not among them: the best word is chosen on the phrases it
# is then tested on.

# %%
protocols = ("boxes", "boxes_end_token")
scores = pd.concat(
    [results.read(folder, results.runs(space, tables.VARIANTS, protocols)), tradeoff_words.word_rows(rows)]
)
chosen = tradeoff_words.comparisons(published.read(space.tables, "tradeoff", 1), paper_06, names)
ledger = tradeoff_words.judge_words(chosen, scores, found, scale, world, resamples)
tables.write_table(ledger, out / "claims_words.csv")
print(f"Here {claims.tally(ledger)}.")
Markdown(markdown.ledger(ledger))

# %% [markdown]
# ## What scale changes
#
# At toy scale, the default:
# - The phrases are few and repeat themselves.
# - The text encoder has two layers and was trained on captions of drawn scenes. Its end token summarises far less than
#   that of a CLIP trained on the web.
# - Raw impressions are composed of real sentences; no radiologist wrote them as a whole.
