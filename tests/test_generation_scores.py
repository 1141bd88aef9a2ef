"""Score rows of made images: where they lie and how they are read."""

from __future__ import annotations

import pandas as pd
import pytest

from plainsight import generation_scores
from plainsight.config import DenoisingConfig
from plainsight.errors import InputError
from plainsight.generation_scores import Made


def test_kinds_and_weights_have_files_of_their_own():
    raw, early = Made("finetune_f", 1), Made("finetune_f", 1, "step200")
    assert str(generation_scores.place("distances", raw)) == "scores/finetune_f/seed1/distances.parquet"
    assert str(generation_scores.place("judged", early)) == "scores/finetune_f/seed1/judged_step200.parquet"
    with pytest.raises(InputError, match="no score rows of kind 'fid'; known: distances, similarity, judged"):
        generation_scores.place("fid", raw)


def test_the_first_milestone_is_that_of_training():
    from plainsight.training.denoising import milestone_steps

    sizes = {"batch_size": 1, "learning_rate": 0.1, "warmup_steps": 1, "max_grad_norm": 1.0, "ema_decay": 0.9}
    for steps, fractions in ((800, (0.25, 0.5, 2.0)), (5, (1.0, 0.5))):
        sizes |= {"steps": steps, "milestones": fractions, "first_look": fractions[0]}
        config = DenoisingConfig(**sizes, checkpoint_every=1, foundation_steps=1)
        assert generation_scores.first_milestone(config) == f"step{milestone_steps(config, 2 * steps)[0]}"


def test_rows_come_back_with_what_made_them_in_front(tmp_path):
    wanted = [Made("foundation", 0), Made("finetune_l", 2), Made("finetune_l", 2, "step3")]
    for number, made in enumerate(wanted):
        path = tmp_path / generation_scores.place("distances", made)
        path.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame({"metric": ["fid"], "value": [float(number)]}).to_parquet(path)
    rows = generation_scores.read(tmp_path, "distances", wanted)
    assert list(rows.columns) == ["variant", "seed", "weights", "metric", "value"]
    assert [tuple(row) for row in rows[["variant", "seed", "weights"]].to_numpy()] == [tuple(made) for made in wanted]
    assert rows["value"].tolist() == [0.0, 1.0, 2.0]
    with pytest.raises(InputError) as caught:
        generation_scores.read(tmp_path, "judged", wanted[:2])
    assert str(caught.value).count("judged.parquet") == 2 and "make them with ./run_all.sh" in str(caught.value)
