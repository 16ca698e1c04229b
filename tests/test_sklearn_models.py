"""Recommenders and scikit-learn's tools: what works, and that what does not is refused."""

from __future__ import annotations

import numpy as np
import pytest
from contract import MODELS
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

import recae
from recae.errors import ParameterError


@pytest.mark.parametrize("name", list(MODELS))
def test_models_are_cloned(name: str) -> None:
    """`sklearn.base.clone` gives the same hyper-parameters, in an object of its own that has learnt nothing."""
    model = recae.make_model(name)
    cloned = clone(model)
    assert type(cloned) is type(model)
    assert cloned is not model
    assert repr(cloned.get_params()) == repr(model.get_params())
    assert not hasattr(cloned, "ratings_")


def test_a_fitted_model_is_cloned_without_what_it_learnt() -> None:
    """Changed settings are kept, ratings are not; a setting of the copy changes nothing in the original."""
    model = recae.EASE(l2=7.0).fit(recae.load("sample"))
    cloned = clone(model).set_params(l2=8.0)
    assert (model.l2, cloned.l2, hasattr(cloned, "ratings_")) == (7.0, 8.0, False)


def test_a_grid_search_over_ratings_is_refused() -> None:
    """Folds of rows are not what a recommender learns from: an error, and no figure, for a matrix and for an array."""
    data = recae.load("sample")
    search = GridSearchCV(recae.EASE(), {"l2": [5.0, 50.0]}, cv=2, scoring=lambda *_: 0.0)
    with pytest.raises(TypeError, match="RatingMatrix"):
        search.fit(data)
    with pytest.raises(ParameterError, match=r"EASE learns from a RatingMatrix.*recae\.tune"):
        search.fit(data.user_rows.toarray(), np.zeros(data.n_users))
    with pytest.raises(TypeError, match="implement fit and transform"):
        make_pipeline(recae.EASE(), recae.EASE()).fit(data.user_rows.toarray())
