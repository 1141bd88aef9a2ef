# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What can be known without looking
#
# Lesions lie where lesions lie: a map that never saw the image, only the finding's name, already scores above chance.
# This step scores two such maps as if they were a model's, a Gaussian in the middle and the average box of the finding
# over all *other* patients, and writes down what is asked: which patient, which finding, how many boxes, which phrases
# are worded alike. Tables need no more than that and the score rows.

# %% tags=["parameters"]
scale = "toy"
world = "phantom"

# %%
from IPython.display import display

from plainsight import results, schema, worlds
from plainsight.files import atomic
from plainsight.metrics.baselines import score_blind
from plainsight.workspace import open_workspace

space = open_workspace(scale)
folder = space.world(world)
examples = schema.read(folder / "examples.parquet", worlds.findings(world))
examples = examples[(examples["split"] == "grounding") & (examples["boxes"].map(len) > 0)]

# %%
asked = results.asked(examples)
blind = score_blind(examples, space.scale.resolution)
places = {folder / results.EXAMPLES: asked}
places |= {space.scores(world, name, 0, "boxes"): rows for name, rows in blind.items()}
for path, frame in places.items():
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as temporary:
        frame.to_parquet(temporary, index=False)

# %% [markdown]
# ## What is asked
#
# Reports repeat themselves: a finding may be asked about in many images and few wordings.

# %%
display(
    asked.groupby("finding").agg(phrases=("wording", "size"), wordings=("wording", "nunique"), boxes=("n_boxes", "sum"))
)

# %% [markdown]
# ## What a blind map scores
#
# AUC is the chance that a place inside the box is brighter than one outside. Whatever a model scores above the average
# box is what it knows about *this* image.

# %%
for name, rows in blind.items():
    by_finding = rows.groupby("finding")["auc"].mean()
    print(f"{name}: AUC {rows['auc'].mean():.3f}, from {by_finding.min():.3f} ({by_finding.idxmin()})", end=" ")
    print(f"to {by_finding.max():.3f} ({by_finding.idxmax()}).")
