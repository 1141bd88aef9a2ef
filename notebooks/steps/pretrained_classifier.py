# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A judge for images that are made, loaded
#
# At paper scale the judges are the paper's own: on the foundation's world Inception-v3, which knows photographs, on
# radiographs torchxrayvision's DenseNet-121, trained on seven data sets. Their files come from the folder `weights`
# beside the data sets, or are downloaded; either way their checksums have to be right. The DenseNet is published as a
# pickled network, which could run any code; it is unpickled once, after the check, and kept as plain weights.

# %% tags=["parameters"]
scale = "paper"
world = "ms_cxr"
weights = ""  # a folder with published weights

# %%
import json

from plainsight import features
from plainsight.training import launch
from plainsight.workspace import open_workspace

space = open_workspace(scale)
folder = launch(
    stage="classifier",
    scale=str(space.scale_file),
    experiments=str(space.experiments_file),
    runs=str(space.runs),
    world=world,
    weights=weights,
)

# %% [markdown]
# ## What it can tell apart
#
# A finding that the judge cannot see in real images says nothing about made ones.

# %%
judge = features.load_classifier(folder)
size = sum(parameter.numel() for parameter in judge.network.parameters())
print(f"{size / 1e6:.1f} million parameters; findings: {', '.join(judge.findings) or 'none, features alone'}.")
measured = json.loads((folder / "run.json").read_text())["measured"]
if "auc" in measured:
    print(f"AUC on real images of this world, mean over its findings: {measured['auc']:.3f} (0.5: chance)")
