"""Nothing of credentialed data leaves ``runs/``: recognisable text, numbers and pixels are sent the whole way.

The world is made by the readers from a tree in MIMIC's layout, scored with made-up numbers, put into tables by the very
notebooks, and published. No model is trained: what could leak is told by examples and tables, not by how good maps are.
"""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mimic_tree import Box, Film, write_counts, write_tree
from plainsight import claims, publish, results, schema, words, worlds
from plainsight.config import WorldSize
from plainsight.errors import InputError
from plainsight.tables import ABLATIONS, VARIANTS
from plainsight.workspace import open_workspace
from recognisable import rare, readable
from score_rows import score_rows

ROOT = Path(__file__).parents[1]
NOTEBOOKS = ("1_first_look", "2_localization", "5_words", "8_ablations", "9_benchmarks")
"""Whatever makes tables, figures and claims about phrases from score rows alone."""
PATIENTS = 24


def film(number: int, finding: str, impression: str) -> Film:
    return Film(10_000_200 + number, 50_000_200 + number, ("PA", "AP")[number // 2 % 2], (finding,), impression)


def finding_of(number: int) -> str:
    return ("Edema", "Pneumonia")[number % 2]


FILMS = [film(n, finding_of(n), f"{finding_of(n)} abutting {rare(n)}.") for n in range(PATIENTS + 6)]
ASKED = FILMS[:PATIENTS]
PHRASES = {one: f"left {finding_of(n).lower()} alongside {rare(n)}" for n, one in enumerate(ASKED)}
SECRETS = {
    *(str(number) for one in FILMS for number in (one.patient, one.study, one.dicom)),
    *(rare(number) for number in range(len(FILMS))),
    *("edema abutting", "pneumonia abutting", "left edema alongside", "left pneumonia alongside"),
    *(f"mimic-{number:05d}" for number in range(len(FILMS))),
}


def found_in(content: str) -> set[str]:
    return {secret for secret in SECRETS if secret.lower() in content.lower()}


def word_rows(examples: pd.DataFrame) -> pd.DataFrame:
    """Rows by word as the step ``words`` keeps them."""
    rows = [
        {"example_id": row.example_id, "patient": row.patient, "finding": row.finding, "word": word}
        for row in examples.itertuples()
        for word in (*sorted(words.distinct(row.phrase)), *words.SPECIAL)
    ]
    return words.detach(pd.DataFrame(rows).assign(raw=0, noise_seed=0, times=1, auc=0.6, cnr=0.3))


def write_scores(folder: Path, examples: pd.DataFrame) -> None:
    """What the steps ``ground``, ``words`` and ``baselines`` make of the examples."""
    places = [f"{name}/seed0/{kind}" for name in VARIANTS for kind in ("boxes", "boxes_end_token", "words")]
    places += [f"{name}/seed0/boxes" for name in (*ABLATIONS, "centred_gaussian", "average_box")]
    places += [f"{name}/seed0/first_look" for name in ("finetune_f", "finetune_l")]
    places += ["finetune_l/seed0/boxes_equal_steps"]
    names = examples[["example_id", "patient", "finding"]].reset_index(drop=True)
    scores = score_rows(0.6, 0, phrases=1, findings=["Edema"] * len(examples))
    for number, place in enumerate(places):
        path = folder / "scores" / f"{place}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        drawn = scores.assign(**names, keyword_matched=1, auc=scores["auc"] + 0.01 * number)
        (word_rows(examples) if place.endswith("words") else drawn).to_parquet(path)
    results.asked(examples).to_parquet(folder / results.EXAMPLES)


def execute(notebook: str) -> None:
    """A notebook's code for this world, in this process."""
    code = (ROOT / "notebooks" / f"{notebook}.py").read_text(encoding="utf-8")
    code = re.sub(r'^scale = ".*"$', 'scale = "smoke"', code, count=1, flags=re.MULTILINE)
    code = re.sub(r'^world = ".*"$', 'world = "ms_cxr"', code, count=1, flags=re.MULTILINE)
    exec(compile(code, notebook, "exec"), {"__name__": notebook})


@pytest.fixture(scope="module")
def ran(tmp_path_factory) -> tuple[Path, str]:
    """The checkout after the run, and everything that was said."""
    checkout = tmp_path_factory.mktemp("checkout")
    for name in ("workflow", "paper_tables"):
        (checkout / name).symlink_to(ROOT / name)
    boxes = [Box(one, one.labels[0], phrase) for one, phrase in PHRASES.items()]
    data = write_tree(checkout / "data", FILMS, boxes)
    counted = ("boxes", "images", "patients", "phrases", "unions", "merged")
    write_counts(data / "ms_cxr", dict.fromkeys(counted, len(boxes)))
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(record=True) as caught:
        patch.chdir(checkout)
        space = open_workspace("smoke")
        home, trained = space.world("ms_cxr"), space.world(space.size("ms_cxr").models_from)
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            size = WorldSize(train=PATIENTS, validation=0, grounding=0, generation=0)
            worlds.build("ms_cxr", size, space.scale, space.experiments, home, data)
            examples = schema.read(home / "examples.parquet", worlds.findings("ms_cxr"))
            asked = examples[examples["split"] == "grounding"].reset_index(drop=True)
            write_scores(home, asked)
            schema.write(
                examples[examples["split"] == "train"], trained / "examples.parquet", worlds.findings("phantom")
            )
            (home / "texts.parquet").rename(trained / "texts.parquet")
            own = space.world("scenes") / "scores" / "foundation" / "seed0" / "masks.parquet"
            own.parent.mkdir(parents=True)
            score_rows(0.7, 1).to_parquet(own)
            for notebook in ("steps/word_counts", *(f"tradeoff/{name}" for name in NOTEBOOKS)):
                execute(notebook)
    return checkout, said.getvalue() + "".join(str(one.message) for one in caught)


@pytest.fixture(scope="module")
def published(ran, tmp_path_factory) -> Path:
    """The tables of the run with a picture of a patient among them, published."""
    fresh = ran[0] / "runs" / "smoke" / "ms_cxr" / "tradeoff"
    schema.write_image(np.asarray(Image.open(ran[0] / "data" / "mimic_cxr_jpg" / ASKED[0].file)) / 255, fresh / "a.png")
    committed = tmp_path_factory.mktemp("tables") / "ms_cxr"
    publish.publish(fresh, committed, "ms_cxr")
    return committed


def test_the_secrets_are_there_to_be_found(ran):
    examples = schema.read(ran[0] / "runs" / "smoke" / "ms_cxr" / "examples.parquet", worlds.findings("ms_cxr"))
    assert found_in(examples.to_csv()) == SECRETS


def test_nothing_of_them_is_in_what_is_published_nor_in_what_was_said(ran, published):
    names = {path.name for path in published.iterdir()}
    tables = [f"table_{number}.{kind}" for number in ("01", "03", "06", "09", "11", "12") for kind in ("csv", "md")]
    pictures = [f"figure_{name}.{kind}" for name in ("first_look", "table_01", "table_11") for kind in ("png", "svg")]
    claimed = ["claims.csv", "claims_words.csv", "claims_ablations.csv"]
    assert names >= {*tables, *pictures, *claimed, "provenance.json"}
    assert "a.png" not in names and {path.suffix for path in published.iterdir()} <= set(publish.SUFFIXES)
    for path in published.iterdir():
        assert not found_in(readable(path)), path.name
    assert "phrases" in ran[1] and not found_in(ran[1])


def test_only_words_that_many_share_stand_in_tables(published):
    told = pd.read_csv(published / "table_06.csv")
    assert {"left", "alongside", "edema", "pneumonia"} <= set(told["word"])
    assert (told["patients"] >= words.MIN_PATIENTS).all()


def test_score_rows_stay(ran, tmp_path):
    with pytest.raises(InputError, match="world 'ms_cxr' is not open") as caught:
        publish.publish_scores(ran[0] / "runs" / "smoke" / "ms_cxr" / "scores", tmp_path / "scores", "ms_cxr")
    assert not (tmp_path / "scores").exists() and not found_in(str(caught.value))


def test_claims_are_judged(published):
    assert set(claims.read(published / "claims.csv")["verdict"]) <= set(claims.VERDICTS)
