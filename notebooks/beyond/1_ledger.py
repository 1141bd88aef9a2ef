# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The ledger: what holds
#
# Every sentence of the papers that states a result, and that can be asked here, is a row with a verdict by rule:
#
# - it **holds** when each training seed has the claimed sign and the 95 % interval over patients excludes 0;
# - it **fails** when each seed and the interval say the opposite;
# - it is **inconclusive** otherwise, and always with one training seed or fewer than ten patients.
#
# What you will learn here: which claims hold where, and which ones a larger test could still decide.

# %% tags=["parameters"]
scale = "toy"

# %%
import pandas as pd

from plainsight import claims
from plainsight.workspace import open_workspace

space = open_workspace(scale)
ledger = claims.gather(space.tables / scale)
print(f"At scale {scale}: {claims.summary(ledger)}")

# %%
pd.crosstab([ledger["world"], ledger["paper"]], ledger["verdict"]).reindex(columns=claims.VERDICTS, fill_value=0)

# %% [markdown]
# ## What holds and what fails
#
# Effects carry their sign: a claim that something is *lower* holds with a negative effect. The published effect comes
# from other images and a model of full size; compare signs, not sizes.

# %%
shown = ["world", "place", "statement", "published", "effect", "low", "high", "seeds_agreeing", "seeds"]
pd.set_option("display.max_colwidth", 90, "display.max_rows", 200)
ledger.loc[ledger["verdict"] == "holds", shown].round(3)

# %%
ledger.loc[ledger["verdict"] == "fails", shown].round(3)

# %% [markdown]
# ## What is not decided, and why
#
# An interval that holds 0 asks for more patients; seeds that disagree ask for more trainings.

# %%
open_claims = ledger[ledger["verdict"] == "inconclusive"]
disagree = (open_claims["seeds_agreeing"] % open_claims["seeds"] != 0).rename("seeds disagree")
spans = ((open_claims["low"] <= 0) & (open_claims["high"] >= 0)).rename("interval holds 0")
pd.crosstab([open_claims["world"], spans], disagree)

# %%
open_claims[shown].round(3)
