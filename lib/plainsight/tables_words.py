"""Tables 6, 8 and 9 and the numbers of Figure 3 of seed 000: which words localise, and which are common.

Tidy as in ``plainsight.tables``, with ``word`` among the row keys. Tables 6 and 8 hold every word that is seen often
enough, not only the best three: which three are best may change with the last digits, the rows do not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
import pandas as pd

from plainsight import markdown, statistics
from plainsight.seeding import numpy_generator
from plainsight.tables import (
    NAMES,
    PUBLISHED_NAMES,
    VARIANTS,
    WEIGHTED,
    Setting,
    caption,
    summarise,
)
from plainsight.words import END, MIN_PATIENTS, SEVERAL, SPECIAL, plain

BEST = 3
SEEN, OF = 25, 1162
"""Seed 000 asks about words that occur more than 25 times a finding, among the 1162 phrases of MS-CXR (its Table 9)."""
RHO = "spearman"


def seen_more_than(phrases: int) -> int:
    """The threshold of seed 000 for another number of phrases: the same share of them, at least 1."""
    return max(1, round(SEEN * phrases / OF))


def words_table(rows: pd.DataFrame, findings: Sequence[str], resamples: int, more_than: int) -> pd.DataFrame:
    """Tables 6 and 8: how well each word of the phrases about a finding localises it, by finding and variant.

    A word is asked about where the phrases about the finding hold it more than ``more_than`` times, and those that do
    come from ``MIN_PATIENTS`` patients or more; `SPECIAL` ones always are.

    Args:
        rows: rows by word of one kind of text (``plainsight.words.read``) of the variants to show.
        findings: those to show, in order.
        resamples: bootstrap resamples of patients.
        more_than: the threshold, see ``seen_more_than``.

    Returns:
        The tidy columns with ``word``; metrics ``occurrences`` (the word counted as often as it stands in a phrase;
        ``n`` counts phrases), ``cnr`` and ``auc``; ``rank`` of the word by CNR within finding and variant, 1 the best,
        missing for `SEVERAL`, which are no word of their own.
    """
    rows = rows[rows["finding"].isin(findings)]
    first = rows[rows["variant"].eq(rows["variant"].iloc[0]) & rows["seed"].eq(rows["seed"].iloc[0])]
    first = first[first["noise_seed"] == first["noise_seed"].min()]
    seen = first.groupby(["finding", "word"]).agg(
        value=("times", "sum"), n=("times", "size"), patients=("patient", "nunique")
    )
    special = seen.index.get_level_values("word").isin(SPECIAL)
    seen = seen[special | ((seen["value"] > more_than) & (seen["patients"] >= MIN_PATIENTS))]
    rows = rows[pd.MultiIndex.from_frame(rows[["finding", "word"]]).isin(seen.index)]
    parts = []
    for finding in findings:
        mine = rows[rows["finding"] == finding]
        if len(mine):
            scores = summarise(mine, ["variant", "word"], ("cnr", "auc"), [finding], resamples, averages=())
            counts = seen.loc[[finding]].reset_index().assign(metric="occurrences")
            counts = counts.merge(pd.DataFrame({"variant": scores["variant"].unique()}), how="cross")
            parts.append(pd.concat([counts, scores], ignore_index=True))
    return _ranked(pd.concat(parts, ignore_index=True), findings)


def _ranked(table: pd.DataFrame, findings: Sequence[str]) -> pd.DataFrame:
    """The table with ``rank``, in the order of findings, variants, ranks and metrics."""
    keys = ["finding", "variant", "word"]
    scores = table[(table["metric"] == "cnr") & ~table["word"].isin(SEVERAL)].sort_values("word")
    ranks = scores.groupby(keys[:2])["value"].rank(ascending=False, method="first").rename("rank")
    table = table.merge(pd.concat([scores[keys], ranks], axis=1), how="left", on=keys)
    order = {"finding": list(findings), "variant": VARIANTS, "metric": ["occurrences", "cnr", "auc"]}
    by = table.assign(**{name: table[name].map(names.index) for name, names in order.items()})
    by = by.sort_values(["finding", "variant", "rank", "word", "metric"], na_position="last").index
    columns = [*keys, "metric", "rank", "value", "std", "low", "high", "n", "patients", "seeds"]
    return table.loc[by, columns].reset_index(drop=True)


def beside_words(table: pd.DataFrame, published: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """A table of words with the paper's values of the same words in new columns: ``published``, ``printed``, ``note``.

    ``published`` is the paper's Table 6 or 8, which holds its best three words only; ``names`` as in
    ``plainsight.tables.beside``. Words that the paper prints in two cases ("Small", "small") stand beside nothing.
    """
    theirs = published.assign(word=[_folded(word) for word in published["word"]], published=published["value"])
    keys = ["finding", "variant", "word", "metric"]
    theirs = theirs[[*keys, "published", "printed", "note"]].drop_duplicates(keys, keep=False)
    wanted = table[keys].assign(finding=table["finding"].map(dict(names)))
    found = wanted.merge(theirs, how="left", on=keys, validate="many_to_one")
    return pd.concat([table.reset_index(drop=True), found[["published", "printed", "note"]]], axis=1)


def _folded(word: str) -> str:
    return word if word in SPECIAL else plain(word)


def caption_words(number: int, kinds: pd.DataFrame, setting: Setting, more_than: int) -> str:
    """The caption of Table 6 or 8: that of ``plainsight.tables``, and which words are shown."""
    return (
        f"{caption(number, kinds[kinds['word'] == END], setting)} Asked: every word seen more than {more_than} times "
        f"in the phrases about a finding, and in those of {MIN_PATIENTS} patients; shown: the {BEST} of the highest "
        "CNR. Case and punctuation at the ends of a word are folded here, not in the paper. SOS and EOS: start and end "
        "token; KEYWORDS: the words of the finding, in phrases that hold one; PHRASE: all words of a phrase."
    )


def caption_09(setting: Setting) -> str:
    """The caption of Table 9."""
    return (
        f"{setting.title(9)}: phrases with boxes (N_D) and images for generation (N_G) by finding, and the words that "
        "stand for it. Ours: an image with several findings counts for each; of images without a finding no more are "
        "made than of the commonest one. Published: MS-CXR and the p19 part of MIMIC-CXR, one finding each."
    )


def words_markdown(
    table: pd.DataFrame, heading: str, published: pd.DataFrame, names: Mapping[str, str], kinds: pd.DataFrame
) -> str:
    """A table of words for reading: a block a model, the best three words of each finding, the paper's beside them.

    ``table`` from ``words_table``, ``published`` and ``names`` as in ``beside_words``, ``kinds`` from ``token_kinds``.
    """
    parts = [heading]
    for variant in table["variant"].unique():
        ours = table[(table["variant"] == variant) & (table["rank"] <= BEST)]
        theirs = published[published["variant"] == variant]
        rows = []
        for finding in ours["finding"].unique():
            for rank in range(1, BEST + 1):
                mine = _cells(ours[(ours["finding"] == finding) & (ours["rank"] == rank)])
                other = theirs[(theirs["finding"] == names.get(finding)) & (theirs["rank"] == str(rank))]
                rows.append({"Category": finding if rank == 1 else "", **mine, **_printed(other)})
        parts += [
            f"### {NAMES[variant]} (published: {PUBLISHED_NAMES[variant]})",
            markdown.table(pd.DataFrame(rows)),
        ]
    if notes := [note for note in dict.fromkeys(published["note"]) if note]:
        parts += [f"† {'; '.join(notes)}."]
    parts += ["### Beyond the paper: kinds of token, sample-weighted", markdown.table(_kinds_block(kinds))]
    return "\n\n".join(parts) + "\n"


def _cells(rows: pd.DataFrame) -> dict[str, object]:
    """Word, occurrences, CNR and AUC of one of our words; dashes where a finding has fewer."""
    cells = {row["metric"]: row for row in rows.to_dict("records")}
    if not cells:
        return dict.fromkeys(("Word", "Occ.", "CNR", "AUC-ROC (%)"), "–")
    count = f"{cells['occurrences']['value']:.0f}"
    return {
        "Word": cells["cnr"]["word"],
        "Occ.": count,
        "CNR": markdown.ours(cells["cnr"]),
        "AUC-ROC (%)": markdown.ours(cells["auc"]),
    }


def _printed(rows: pd.DataFrame) -> dict[str, str]:
    cells = {row["metric"]: row for row in rows.to_dict("records")}
    names = {"Word, published": "word", "Occ., published": "occurrences", "CNR, published": "cnr"}
    if not cells:
        return dict.fromkeys(names, "–")
    word = cells["cnr"]["word"]
    return {name: word if key == "word" else markdown.theirs(cells[key]) for name, key in names.items()}


def token_kinds(rows: pd.DataFrame, resamples: int) -> pd.DataFrame:
    """Averages of the `SPECIAL` ones over all findings, by variant: some of them stand in the paper's prose."""
    special = rows[rows["word"].isin(SPECIAL)]
    return summarise(special, ["variant", "word"], ("cnr", "auc"), (), resamples)


def _kinds_block(kinds: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for (variant, word), cells in kinds[kinds["finding"] == WEIGHTED].groupby(["variant", "word"], sort=False):
        scores = {cell["metric"]: markdown.ours(cell) for cell in cells.to_dict("records")}
        row = {"Model": NAMES[variant], "Token": word, "Phrases": int(cells["n"].max())}
        rows.append({**row, "CNR": scores["cnr"], "AUC-ROC (%)": scores["auc"]})
    order = [name for name in NAMES.values() if name in {row["Model"] for row in rows}]
    return pd.DataFrame(sorted(rows, key=lambda row: (order.index(row["Model"]), row["Token"])))


def table_09(
    splits: pd.DataFrame,
    findings: Sequence[str],
    keywords: Mapping[str, Sequence[str]],
    published: pd.DataFrame,
    names: Mapping[str, str],
) -> pd.DataFrame:
    """Table 9: how many phrases and images there are of each finding, and its keywords, the paper's counts beside.

    Args:
        splits: the step ``word_counts``'s table: finding, split, ``images`` and whose they are, ``patients``; an image
            with several findings counts for each.
        findings: those to show, in order.
        keywords: ours (``plainsight.worlds.KEYWORDS``).
        published: the paper's Table 9.
        names: the paper's name of each of our findings that is the same one.
    """
    metrics = {"grounding": "n_discriminative", "generation": "n_generative"}
    counts = splits.set_index(["finding", "split"]).loc[list(product(findings, metrics))].reset_index()
    counts["keywords"] = counts["finding"].map(lambda name: ", ".join(keywords[name]) or "–")
    counts["metric"] = counts["split"].map(metrics)
    table = counts.rename(columns={"images": "value"})[["finding", "keywords", "metric", "value", "patients"]]
    theirs = published.set_index(["finding", "metric"])["value"]
    found = zip(table["finding"].map(dict(names)), table["metric"], strict=True)
    return table.assign(published=[theirs.get(key, np.nan) for key in found])


def table_09_markdown(table: pd.DataFrame, heading: str, published: pd.DataFrame, names: Mapping[str, str]) -> str:
    """Table 9 for reading: findings down; counts and keywords, ours and the paper's."""
    theirs = published.drop_duplicates("finding").set_index("finding")["keywords"]
    rows = []
    for finding, cells in table.groupby("finding", sort=False):
        row: dict[str, object] = {"Category": finding}
        for cell, label in zip(cells.to_dict("records"), ("N_D", "N_G"), strict=True):
            printed = "–" if np.isnan(cell["published"]) else f"{cell['published']:.0f}"
            row |= {f"{label}, ours": int(cell["value"]), f"{label}, published": printed}
        row["Keywords, ours"] = cells["keywords"].iloc[0]
        rows.append({**row, "Keywords, published": theirs.get(names.get(finding), "–")})
    return f"{heading}\n\n{markdown.table(pd.DataFrame(rows))}\n"


def with_counts(table: pd.DataFrame, counts: pd.DataFrame) -> pd.DataFrame:
    """A table of words with three more columns, missing for the `SPECIAL` ones.

    ``training_share``: of the training texts about the finding, the share that holds the word; ``training_patients``:
    whose texts those are; both are missing where those are some, but fewer than ``MIN_PATIENTS``. ``wordings``: how
    many different test phrases about it hold the word. ``counts`` is what the step ``word_counts`` makes (finding,
    word, ``with_word``, ``training_patients``, ``texts``, ``wordings``).
    """
    shares = counts.assign(training_share=counts["with_word"] / counts["texts"])
    rare = shares["training_patients"].between(1, MIN_PATIENTS - 1)
    told = ["training_share", "training_patients"]
    shares[told] = shares[told].mask(rare)
    return table.merge(shares[["finding", "word", *told, "wordings"]], how="left", on=["finding", "word"])


def points(rows: pd.DataFrame, table: pd.DataFrame, keywords: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Figure 3: a row for each finding, word, variant and training seed.

    Args:
        rows: what ``table`` was made of.
        table: from ``with_counts``; its words that have a ``training_share`` are taken.
        keywords: words of each finding, as they are matched in phrases.

    Returns:
        Columns finding, word, ``training_share``, ``keyword`` (whether it is one of the finding's), variant, seed,
        ``cnr`` (mean over phrases).
    """
    kept = table[["finding", "word", "training_share"]].dropna().drop_duplicates()
    pairs = zip(kept["finding"], kept["word"], strict=True)
    kept["keyword"] = np.array([any(key in word for key in keywords[finding]) for finding, word in pairs], dtype=bool)
    means = rows.groupby(["finding", "word", "variant", "seed"])["cnr"].mean().reset_index()
    return kept.merge(means, on=["finding", "word"])


def correlation(found: pd.DataFrame, resamples: int) -> statistics.Effect:
    """Spearman's correlation of share and CNR over the points of one variant.

    The estimate is that of CNRs averaged over training seeds; words are resampled, with all findings they were asked
    for, because a word that is common in texts about one finding is common in others. Each seed's own stands beside.
    """
    whole = found.groupby(["finding", "word"]).agg({"training_share": "first", "cnr": "mean"}).reset_index()
    columns = (whole[name].to_numpy() for name in ("training_share", "cnr", "word"))
    interval = statistics.rank_correlation(*columns, resamples=resamples, rng=numpy_generator(0, "figure_03"))
    alone = [part[["training_share", "cnr"]] for _, part in found.groupby("seed")]
    return statistics.Effect(interval, tuple(statistics.spearman(*part.to_numpy().T) for part in alone))


def correlations(found: pd.DataFrame, resamples: int) -> pd.DataFrame:
    """``correlation`` of every variant, tidy: variant, metric, value, std, low, high, ``words``, ``pairs``, seeds."""
    rows = []
    for variant in VARIANTS:
        effect = correlation(found[found["variant"] == variant], resamples)
        inside = effect.interval
        row = {"variant": variant, "metric": RHO, "value": inside.estimate, "std": effect.spread}
        row |= {"low": inside.low, "high": inside.high, "words": inside.n_patients, "pairs": inside.n_rows}
        rows.append({**row, "seeds": len(effect.seed_effects)})
    return pd.DataFrame(rows)
