# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Ask a model where each of its words is
#
# `ground` asks about the words that name the finding. Here every word of a phrase is asked about, and the start and the
# end token too: one heat map a word, all from the same passes through the model, each scored against the boxes of
# the phrase's finding. Which words light up where the finding is, and is the finding's name among them?
#
# Where the world has reports, the same is asked of raw impressions about the same images: several sentences, negations,
# asides, marks of anonymisation.

# %% tags=["parameters"]
scale = "toy"
world = "phantom"
variant = "finetune_f"
seed = 0

# %%
import pandas as pd
import seaborn as sns
import torch

from plainsight import latents, models, schema, words, worlds
from plainsight.files import atomic
from plainsight.word_maps import score_words
from plainsight.workspace import open_workspace
from plainsight.worlds.raw_impressions import raw_impressions

space = open_workspace(scale)
torch.set_num_threads(space.scale.threads)
device = "cuda" if torch.cuda.is_available() else "cpu"
folder = space.world(world)

# %% [markdown]
# ## What is asked
#
# The phrases that have boxes, once as they are and once as raw impressions.

# %%
examples = schema.read(folder / "examples.parquet", worlds.findings(world))
examples = examples[(examples["split"] == "grounding") & (examples["boxes"].map(len) > 0)].reset_index(drop=True)
kinds = [examples]
if len(reported := raw_impressions(world, examples, folder, space.experiments)):
    kinds.append(reported)
model = models.load(space.model(world, variant, seed), device=device)
moments = latents.read(folder / "latents")
how = (space.scale.resolution, space.scale.grounding, space.experiments.protocols["boxes"], worlds.KEYWORDS)
rows = pd.concat(
    [
        score_words(model, moments, kind, worlds.image_root(folder), *how).assign(raw=raw)
        for raw, kind in enumerate(kinds)
    ],
    ignore_index=True,
)

# %% [markdown]
# ## What is kept
#
# Rows of one phrase side by side would be the phrase. So patients and examples are numbered anew for each word, and
# what fewer than five patients' texts hold is left out: what remains says how well a word localises, and of no report
# what it says.

# %%
kept = words.detach(rows)
path = folder / "scores" / variant / f"seed{seed}" / "words.parquet"
with atomic(path) as temporary:
    kept.to_parquet(temporary, index=False, compression="zstd")
for raw, asked in enumerate(kinds):
    mine = rows[rows["raw"] == raw]
    print(f"{'raw impressions' if raw else 'curated phrases'}: {mine['example_id'].nunique()} of {len(asked)}", end=" ")
    print(f"fit the text encoder's context; {mine['word'].nunique()} words, {len(mine)} heat maps.")
print(f"{kept['word'].nunique()} words are held by {words.MIN_PATIENTS} patients' texts or more.")

# %% [markdown]
# ## Which words know the place?
#
# The curated phrases' words with the highest CNR over all findings. Below 0 a word is attended to *less* where the
# finding is. `EOS` and `SOS` are the end and the start token, `KEYWORDS` the names of the finding taken together,
# `PHRASE` all words.

# %%
means = kept[kept["raw"] == 0].groupby("word")["cnr"].agg(["mean", "size"])
best = means[means["size"] >= words.MIN_PATIENTS].sort_values("mean", ascending=False)
shown = pd.concat([best.drop(list(words.SPECIAL), errors="ignore").head(12), best.loc[best.index.isin(words.SPECIAL)]])
axis = sns.barplot(shown.reset_index(), x="mean", y="word", color="0.6")
axis.axvline(0, color="0.3", linewidth=1)
axis.set(xlabel="CNR (0: no contrast), mean over phrases", ylabel="")
for word, row in shown.iterrows():
    print(f"{word}: CNR {row['mean']:+.2f} over {row['size']:.0f} phrases")
