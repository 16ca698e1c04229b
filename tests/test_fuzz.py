"""Every model that ranks, on sets that no loader would make: no NaN, no infinity, or an error that says why."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest
from contract import small
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from linear_toys import assert_sane, random_ratings, ratings_of, sparse_sets
from property_examples import examples

from recae.errors import DataError, DivergenceError, ParameterError
from recae.models import MODELS
from recae.models.linear.closed_form import ClosedForm
from recae.ratings import RatingMatrix
from recae.recommender.params import declared

RANKING = [name for name, entry in MODELS.items() if not entry.model_class.predicts_ratings]
PARAMS = {name: {p.name for p in declared(MODELS[name].model_class)} for name in RANKING}
CLOSED = [
    name for name in RANKING
    if "l2" in PARAMS[name] and (issubclass(MODELS[name].model_class, ClosedForm) or "min_common" in PARAMS[name])
]  # fmt: skip

ONES = np.ones((3, 4), bool)
HARD: dict[str, RatingMatrix] = {
    "one rating": ratings_of([[1, 0, 0]]),
    "stored zeros only": ratings_of(np.zeros((3, 4)), ONES),
    "a row of stored zeros": ratings_of([[0, 0, 0, 0], [1, 5, 0, 2], [0, 1, 1, 0]], ONES),
    "the same user many times": ratings_of(np.tile([[1.0, 0.0, 5.0, 5.0]], (6, 1))),
    "the same item many times": ratings_of(np.tile([[1.0], [0.0], [3.0]], (1, 5))),
    "empty rows and columns": ratings_of([[0, 0, 0, 0], [0, 3, 4, 0], [0, 0, 0, 0], [0, 2, 0, 0]]),
    "everything rated": ratings_of(np.full((4, 3), 2.0)),
}


def quick(name: str, **more: Any) -> Any:
    """The model of the contract, trained for two epochs where it trains."""
    return small(name, **({"epochs": 2} if "epochs" in PARAMS[name] else {}), **more)


@st.composite
def with_twins(draw: Any) -> RatingMatrix:
    """Any small set, some of its users two or three times."""
    ratings = draw(sparse_sets())
    rows = [user for user in range(ratings.n_users) for _ in range(draw(st.integers(1, 3)))]
    user_rows = ratings.user_rows[rows]
    return RatingMatrix(user_rows, np.arange(len(rows)) + 100, ratings.item_ids, ratings.scale)


def sane_or_said(model: Any, ratings: RatingMatrix) -> None:
    """It fits and gives finite scores, or raises an error of ours that says why it cannot."""
    with contextlib.suppress(DataError, DivergenceError):
        assert_sane(model.fit(ratings, progress=False), ratings)


@pytest.mark.parametrize("values", ["binary", "ratings", "log"])
@pytest.mark.parametrize("case", HARD)
@pytest.mark.parametrize("name", RANKING)
def test_hard_sets(name: str, case: str, values: str) -> None:
    """Rows of nothing, of zeros and of twins, whether ones or ratings are read."""
    given_values = {"values": values} if "values" in PARAMS[name] else {}
    sane_or_said(quick(name, **given_values), HARD[case])


@pytest.mark.parametrize("name", RANKING)
@settings(max_examples=examples(8), deadline=None, suppress_health_check=list(HealthCheck))
@given(ratings=with_twins())
@example(ratings=HARD["empty rows and columns"])
def test_any_set(name: str, ratings: RatingMatrix) -> None:
    """Whatever is rated, scores of known, unseen and empty rows are finite."""
    sane_or_said(quick(name), ratings)


@pytest.mark.parametrize("l2", [1e-30, 1e-9, 1e-3])
@pytest.mark.parametrize("name", CLOSED)
def test_a_ridge_next_to_nothing(name: str, l2: float) -> None:
    """With the lowest ridge a closed form is finite, or says that it is too low."""
    for ratings in (random_ratings(), *HARD.values()):
        sane_or_said(quick(name).set_params(l2=l2), ratings)


@pytest.mark.parametrize("l2", [0.0, -1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("name", CLOSED)
def test_no_ridge_is_refused(name: str, l2: float) -> None:
    """A ridge of 0 or below, or no number, is named before anything is solved."""
    with pytest.raises(ParameterError, match="l2"):
        quick(name).set_params(l2=l2).fit(random_ratings())


@pytest.mark.parametrize("name", [name for name in RANKING if "memory_limit" in PARAMS[name]])
def test_a_catalogue_too_large_is_refused(name: str) -> None:
    """A matrix beyond the memory allowed is refused, and what may be done instead is named."""
    with pytest.raises(ParameterError, match="GiB") as refused:
        quick(name).set_params(memory_limit=1e-9).fit(random_ratings())
    assert "elsa" in str(refused.value)
