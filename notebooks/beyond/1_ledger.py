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
# Every sentence of the papers that states a result, and that can be asked here, is a row with a verdict by rule; so are
# some that go beyond the papers, and say so in their place:
#
# - it **holds** when each training seed has the claimed sign and the 95 % interval over patients excludes 0;
# - it **fails** when each seed and the interval say the opposite;
# - it is **inconclusive** otherwise, and always with one training seed or fewer than ten patients.
#
# What you will learn here: which claims hold where, how many of them luck alone would decide, and which ones a larger
# test could still decide.

# %% tags=["parameters"]
scale = "toy"

# %%
import pandas as pd
from IPython.display import Markdown

from plainsight import claims, markdown
from plainsight.workspace import open_workspace

space = open_workspace(scale)
ledger = claims.gather(space.tables / scale)
print(f"At scale {scale}: {claims.summary(ledger)}")

# %%
pd.crosstab([ledger["world"], ledger["paper"]], ledger["verdict"]).reindex(columns=claims.VERDICTS, fill_value=0)

# %% [markdown]
# ## How much of it could be luck?
#
# The interval says what other patients would change. What another *training* would change shows in the signs of single
# trainings alone, and three coins fall alike in one toss of four. Where trainings differ more than patients do, so many
# verdicts may be luck:

# %%
claims.by_luck(ledger)

# %% [markdown]
# ## What holds and what fails
#
# Effects carry their sign: a claim that something is *lower* holds with a negative effect. The published effect comes
# from other images and a model of full size; compare signs, not sizes.

# %%
Markdown(markdown.ledger(ledger[ledger["verdict"] == "holds"]))

# %%
Markdown(markdown.ledger(ledger[ledger["verdict"] == "fails"]))

# %% [markdown]
# ## What is not decided, and why
#
# An interval that holds 0 asks for more patients; trainings that disagree, or a single one, ask for more trainings.

# %%
undecided = ledger[ledger["verdict"] == "inconclusive"]
pd.crosstab(undecided["world"], claims.reasons(undecided).rename("why")).reindex(columns=claims.REASONS, fill_value=0)

# %%
Markdown(markdown.ledger(undecided))

# %% [markdown]
# ## What scale changes
#
# More patients narrow the intervals, more trainings make agreement by luck rare. A verdict is one about its scale: what
# fails at toy scale fails at toy scale.
