# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # How common are the words?
#
# A model may know where "effusion" is because it has read it often. So the words of the test phrases are counted in
# the training texts, finding by finding; and the images and phrases of each finding are counted by split (Table 9 of
# the trade-off paper). Tables need no more text than these counts.

# %% tags=["parameters"]
scale = "toy"
world = "phantom"

# %%
import pandas as pd
from IPython.display import display

from plainsight import schema, words, worlds
from plainsight.files import atomic
from plainsight.workspace import open_workspace

space = open_workspace(scale)
folder = space.world(world)
home = space.size(world).models_from or world
examples = schema.read(folder / "examples.parquet", worlds.findings(world))

# %% [markdown]
# ## Images and phrases
#
# An image with several findings counts for each of them.

# %%
about = examples.assign(finding=examples["finding"].str.split("|")).explode("finding")
splits = about.groupby(["finding", "split"]).agg(images=("image_id", "size"), patients=("patient", "nunique"))
every = pd.MultiIndex.from_product([worlds.findings(world), schema.SPLITS], names=["finding", "split"])
splits = splits.reindex(every, fill_value=0).reset_index()
display(splits.pivot(index="finding", columns="split", values="images").loc[worlds.findings(world), schema.SPLITS])

# %% [markdown]
# ## Words
#
# Of the words that the phrases of five patients or more hold: in how many training texts about each finding do they
# stand, and in how many different test phrases about it? The texts are those that the models read, also where the
# models come from another world.

# %%
asked = examples[(examples["split"] == "grounding") & (examples["boxes"].map(len) > 0)]
held = asked.assign(word=asked["phrase"].map(words.distinct)).explode("word")
patients = held.groupby("word")["patient"].nunique()
patients = patients[patients >= words.MIN_PATIENTS]

# %%
trained = schema.read(space.world(home) / "examples.parquet", worlds.findings(home))
texts = schema.read_texts(space.world(home) / "texts.parquet")
texts = texts[texts["text"] == space.experiments.variants["finetune_f"].text]
texts = texts.merge(trained[["image_id", "finding", "patient"]], on="image_id")
named = worlds.NIH_TO_MSCXR if world == "nih" else {name: name for name in worlds.findings(world)}
counts = words.count_texts(texts, dict.fromkeys(named.values()), patients.index)
ours = pd.DataFrame(named.items(), columns=["finding", "theirs"])
counts = ours.merge(counts.rename(columns={"finding": "theirs"}), on="theirs").drop(columns="theirs")
counts["patients"] = counts["word"].map(patients).astype(int)
held["wording"] = held["phrase"].str.lower().str.rstrip(".")
wordings = held.groupby(["finding", "word"])["wording"].nunique().rename("wordings").reset_index()
counts = counts.merge(wordings, how="left", on=["finding", "word"]).fillna({"wordings": 0})

# %%
for name, frame in {words.SPLITS: splits, words.COUNTS: counts}.items():
    with atomic(folder / name) as temporary:
        frame.to_parquet(temporary, index=False)
unread = int(counts.groupby("word")["with_word"].sum().eq(0).sum())
print(f"{len(patients)} words of the test phrases; {unread} of them stand in no training text about a finding.")
