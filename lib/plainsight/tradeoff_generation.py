"""What seed 000 states about made images (Tables 4, 5 and 10), as comparisons whose outcome is computed.

"Better images" is a lower FID, asked of both extractors and both kinds of prompts, as the tables are. Of MS-SSIM the
paper states nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from plainsight.claims import Claim, judge, ledger
from plainsight.generation_scores import AS_PUBLISHED, CORRECTED
from plainsight.published import AVERAGE
from plainsight.statistics import Effect, compare_halves
from plainsight.tables import MACRO, NAMES
from plainsight.tables_generation import KEYS, NONE, PAPER_PROMPTS, by_half
from plainsight.tradeoff import PAPER
from plainsight.workspace import FOUNDATION

NOTEBOOK = "notebooks/tradeoff/6_generation.py"
ABLATIONS_NOTEBOOK = "notebooks/tradeoff/8_ablated_images.py"
PROMPTS = ("impressions", "phrases")
METRICS = {"fid": "FID", "kid": "KID", "fid_infinity": "FID extrapolated to infinitely many images", "auc": "AUC-ROC"}
GAP = "gap"
"""Key of the claim that compares two differences."""


@dataclass(frozen=True)
class Contrast:
    """A claim and the values by half that decide it: those of variant ``a`` minus those of variant ``b``."""

    claim: Claim
    a: str
    b: str
    where: Mapping[str, str]
    """The cell, as ``plainsight.tables_generation.KEYS``."""


def contrasts(table_04: pd.DataFrame, table_05: pd.DataFrame, world: str, general: str) -> list[Contrast]:
    """Every claim that compares one number of foundation, F and L, in the order of the paper.

    Args:
        table_04, table_05: the published tables (``plainsight.published.read``).
        world, general: the worlds of the domain's own extractor and of the general one.
    """
    fid = table_04.set_index(["variant", "prompts", "metric"])["value"]
    auc = table_05.set_index(["finding", "variant"])["value"]
    return [*_table_04(fid, world, general), *_table_05(auc, world), *_beyond(world, general)]


def ablation_contrasts(table_04: pd.DataFrame, table_10: pd.DataFrame, world: str, general: str) -> list[Contrast]:
    """Every claim about images of the ablations (Table 10); arguments as `contrasts`."""
    fid = pd.concat([table_04, table_10]).set_index(["variant", "prompts", "metric"])["value"]
    return list(_table_10(fid, world, general))


def _table_04(published: pd.Series, world: str, general: str) -> Iterator[Contrast]:
    said = {
        ("finetune_f", "finetune_l"): "A learnable text encoder gives better images than a frozen one",
        (
            "foundation",
            "finetune_l",
        ): "Fine-tuning with a learnable text encoder gives better images than the foundation",
        ("foundation", "finetune_f"): "Fine-tuning with a frozen text encoder gives better images than the foundation",
    }
    for (worse, better), statement in said.items():
        yield from _distances("Table 4", worse, better, statement, published, world, general)


def _table_10(published: pd.Series, world: str, general: str) -> Iterator[Contrast]:
    said = {
        ("finetune_l_nouncond", "finetune_l"): "Without unconditional training images get worse (Finetune_L)",
        ("finetune_f_nouncond", "finetune_f"): "Without unconditional training images get worse (Finetune_F)",
        ("finetune_l_then_f", "finetune_l"): "More steps with a frozen text encoder make Finetune_L's images worse",
        ("finetune_l", "finetune_f_pa"): "Training on PA films alone gives the best images, better than Finetune_L's",
    }
    for (worse, better), statement in said.items():
        yield from _distances("Table 10", worse, better, statement, published, world, general)


def _distances(
    place: str, worse: str, better: str, statement: str, published: pd.Series, world: str, general: str
) -> Iterator[Contrast]:
    """FID of ``worse`` minus FID of ``better``, by both extractors and for both kinds of prompts."""
    for (metric, extractor), prompts in itertools.product(_extractors(world, general).items(), PROMPTS):
        theirs = (PAPER_PROMPTS[prompts], metric)
        effect = published[worse, *theirs] - published[better, *theirs]
        key = f"{worse}_{better}_{metric}_{prompts}"
        where = {"prompts": prompts, "extractor": extractor}
        yield _contrast(key, place, statement, effect, worse, better, where)


def _extractors(world: str, general: str) -> dict[str, str]:
    """The extractor that stands for each of the paper's two, by its name of the distance."""
    return {"fid": general, "fid_xrv": world}


def _table_05(published: pd.Series, world: str) -> Iterator[Contrast]:
    """ "Finetune_F even outperforms the other method in six out of eight classes"; the average is Finetune_L's."""
    for finding in published.index.get_level_values("finding").unique():
        gap = published[finding, "finetune_l"] - published[finding, "finetune_f"]
        better, other = ("finetune_l", "finetune_f") if gap > 0 else ("finetune_f", "finetune_l")
        ours = MACRO if finding == AVERAGE else finding
        statement = f"{finding}: what was asked for is better recognised in images of {NAMES[better]}"
        if finding == AVERAGE:
            statement = f"On average over findings, what was asked for is best recognised in images of {NAMES[better]}"
        where = {"prompts": "impressions", "extractor": world, "metric": "auc", "finding": ours}
        key = f"{better}_{other}_auc_{finding.lower().replace(' ', '_')}"
        yield _contrast(key, f"Table 5, {finding}", statement, abs(gap), better, other, where)


def _beyond(world: str, general: str) -> Iterator[Contrast]:
    """The first comparison of Table 4 by other measures, and as the paper's code computes FID."""
    pair, place = ("finetune_f", "finetune_l"), "Table 4, beyond the paper"
    statement = "A learnable text encoder gives better images than a frozen one"
    for metric, extractor, prompts in itertools.product(
        ("kid", "fid_infinity"), _extractors(world, general).values(), PROMPTS
    ):
        where = {"prompts": prompts, "extractor": extractor, "metric": metric}
        name = "general" if extractor == general else "domain"
        key = f"{'_'.join(pair)}_{metric}_{name}_{prompts}"
        yield _contrast(key, place, f"{statement}, by {METRICS[metric]}", np.nan, *pair, where)
    for prompts in PROMPTS:
        where = {"prompts": prompts, "extractor": general, "reading": AS_PUBLISHED}
        key = f"{'_'.join(pair)}_fid_as_published_{prompts}"
        yield _contrast(key, place, f"{statement}, by FID as the code computes it", np.nan, *pair, where)


def _contrast(
    key: str, place: str, statement: str, published: float, a: str, b: str, where: Mapping[str, str]
) -> Contrast:
    """A claim that ``a`` lies above ``b``; ``where`` leaves out what is the rule."""
    where = {"reading": CORRECTED, "metric": "fid", "finding": NONE, **where}
    details = [f"{where['extractor']} features" if where["metric"] != "auc" else "", where["prompts"]]
    details += [where["finding"]] * (where["finding"] != NONE)
    statistic = ", ".join(filter(None, [METRICS[where["metric"]], *details, f"{NAMES[a]} - {NAMES[b]}"]))
    claim = Claim(f"{PAPER}_generation_{key}", PAPER, place, statement, float(published), statistic, 1)
    return Contrast(claim, a, b, where)


def judge_generation(
    chosen: list[Contrast],
    values: pd.DataFrame,
    tables: Mapping[int, pd.DataFrame],
    scale: str,
    world: str,
    general: str,
) -> pd.DataFrame:
    """The ledger of the claims about Tables 4 and 5 (columns of ``plainsight.claims``).

    Args:
        chosen: from `contrasts`; a claim one of whose models is not there is left out.
        values: values by half (``plainsight.tables_generation``) of distances and AUC.
        tables: the published Tables 4 and 5, by number, for the claim about both.
        scale, world: where they come from.
        general: the general extractor.
    """
    cells = _cells(values)
    about_both = judge(_gap_claim(tables), gap(cells, world, general), scale, world, NOTEBOOK)
    return ledger([*_judge(chosen, cells, scale, world, NOTEBOOK), about_both])


def judge_ablations(chosen: list[Contrast], values: pd.DataFrame, scale: str, world: str) -> pd.DataFrame:
    """The ledger of the claims of `ablation_contrasts`; arguments as `judge_generation`, values of distances alone."""
    return ledger(list(_judge(chosen, _cells(values), scale, world, ABLATIONS_NOTEBOOK)))


def _cells(values: pd.DataFrame) -> dict[tuple[str, ...], pd.DataFrame]:
    return {key: rows for key, rows in values.groupby(["variant", *KEYS], sort=False)}


def _judge(
    chosen: list[Contrast], cells: Mapping[tuple[str, ...], pd.DataFrame], scale: str, world: str, notebook: str
) -> Iterator[dict[str, Any]]:
    for one in chosen:
        where = [one.where[name] for name in KEYS]
        if (one.a, *where) in cells and (one.b, *where) in cells:
            effect = contrast(cells[one.a, *where], cells[one.b, *where])
            yield judge(one.claim, effect, scale, world, notebook)


def contrast(a: pd.DataFrame, b: pd.DataFrame) -> Effect:
    """How much higher the values by half of one model are than those of another, in one cell.

    Where two fine-tuned variants have not the same seeds, only those that both have: a training is compared with the
    other of its seed. The foundation, trained once, is compared with every seed.
    """
    if FOUNDATION not in (a["variant"].iloc[0], b["variant"].iloc[0]):
        shared = set(a["seed"]) & set(b["seed"])
        a, b = (rows[rows["seed"].isin(shared)] for rows in (a, b))
    return compare_halves(by_half(a), by_half(b), int(a["patients"].iloc[0]), int(a["n"].iloc[0]))


def _gap_claim(tables: Mapping[int, pd.DataFrame]) -> Claim:
    fid = tables[4].set_index(["variant", "prompts", "metric"])["value"]
    auc = tables[5].set_index(["finding", "variant"])["value"]
    published = relative(*(fid[name, "mimic_cxr", "fid"] for name in ("finetune_f", "finetune_l")))
    published -= relative(*(auc[AVERAGE, name] for name in ("finetune_f", "finetune_l")))
    statement = "The two models differ very little in how well findings are recognised, compared with their FID"
    statistic = "relative difference of F and L, in FID minus in AUC-ROC (macro), impressions"
    return Claim(f"{PAPER}_generation_{GAP}", PAPER, "Table 5", statement, float(published), statistic, 1)


def gap(cells: Mapping[tuple[str, ...], pd.DataFrame], world: str, general: str) -> Effect:
    """How much more F and L differ in FID (general extractor) than in AUC, each relative to the mean of both.

    ``cells``: values by half, by variant and `KEYS`. Both are of the same halves of the patients.
    """
    where = {
        "fid": ("impressions", general, CORRECTED, "fid", NONE),
        "auc": ("impressions", world, CORRECTED, "auc", MACRO),
    }
    found = {
        metric: relative(*(by_half(cells[variant, *key]) for variant in ("finetune_f", "finetune_l")))
        for metric, key in where.items()
    }
    counts = cells["finetune_f", *where["fid"]].iloc[0]
    return compare_halves(found["fid"] - found["auc"], 0.0, int(counts["patients"]), int(counts["n"]))


def relative(a: np.ndarray | float, b: np.ndarray | float) -> np.ndarray | float:
    """The absolute difference over the mean."""
    return abs(a - b) / ((a + b) / 2)
