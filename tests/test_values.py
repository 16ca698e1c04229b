"""`values`: what a row holds is said in one place, and every model that reads it reads the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contract import small
from linear_toys import ratings_of

import recae
from recae.errors import DataError
from recae.models import MODELS
from recae.ratings import RatingMatrix
from recae.recommender.params import as_input, declared

PARAMS = {name: {one.name for one in declared(entry.model_class)} for name, entry in MODELS.items()}
READS = [name for name in PARAMS if "values" in PARAMS[name]]


def plays() -> RatingMatrix:
    """Counts from 1 to thousands of a third of 41 x 30 pairs."""
    rng = np.random.default_rng(5)
    return ratings_of((rng.random((41, 30)) < 0.35) * np.ceil(np.exp(rng.normal(2, 2, (41, 30)))))


def logarithms(ratings: RatingMatrix) -> RatingMatrix:
    rows = ratings.user_rows.copy()
    rows.data = np.log1p(rows.data)
    return ratings.with_rows(rows, None, scale=(float(rows.data.min()), float(rows.data.max())))


def quick(name: str, values: str) -> Any:
    return small(name, values=values, **({"epochs": 2} if "epochs" in PARAMS[name] else {}))


@pytest.mark.parametrize("name", READS)
def test_logarithms_are_those_of_the_counts(name: str) -> None:
    """values="log" of counts gives the scores of values="ratings" of log(1 + count), of known users and of others."""
    counts, logs = plays(), logarithms(plays())
    ours, theirs = quick(name, "log").fit(counts), quick(name, "ratings").fit(logs)
    np.testing.assert_allclose(ours.score_users(np.arange(41)), theirs.score_users(np.arange(41)), rtol=1e-4, atol=1e-5)
    rows = slice(3, 9)
    np.testing.assert_allclose(
        ours.score(counts.user_rows[rows]), theirs.score(logs.user_rows[rows]), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("lowest", [0.0, -2.0])
def test_what_is_no_count_has_no_logarithm(lowest: float) -> None:
    """Values of 0 and less are refused, when a model is fitted and of a row that it is asked about; 0.5 is fine."""
    dense, stored = np.array([[lowest, 2.0, 0.0], [3.0, 5.0, 1.0]]), np.array([[True, True, False], [True] * 3])
    odd = ratings_of(dense, stored)
    with pytest.raises(DataError, match=rf"values='log' reads counts.*lowest value is {lowest:g}; leave .*'binary'"):
        recae.EASE(l2=1.0, values="log").fit(odd)
    half = ratings_of(np.where(dense > 0, dense / 2, 0))
    model = recae.EASE(l2=1.0, values="log").fit(half)
    with pytest.raises(DataError, match="lowest value is"):
        model.score(odd.user_rows)
    np.testing.assert_allclose(as_input(half.user_rows, "log").data, np.log1p(half.user_rows.data), rtol=1e-6)


def test_an_explanation_is_of_the_logarithms() -> None:
    """What each play adds sums up to the score of a linear model that reads logarithms."""
    model: Any = recae.EASE(l2=5.0, values="log").fit(plays())
    user = model.ratings_.user_ids[0]
    item = model.recommend([user], 1)["item"].iloc[0]
    parts = recae.explain(model, user, item)
    assert parts["contribution"].sum() + parts.attrs["base"] == pytest.approx(parts.attrs["score"], abs=1e-4)
    assert parts["rating"].max() > 100  # shown as they were counted


def test_a_file_keeps_it(tmp_path: Path) -> None:
    """A model of logarithms is read back as one."""
    model = recae.EASE(l2=5.0, values="log").fit(plays())
    loaded = recae.load_model(model.save(tmp_path / "m.recae"))
    assert loaded.get_params()["values"] == "log"
    np.testing.assert_array_equal(loaded.score(plays().user_rows), model.score(plays().user_rows))
