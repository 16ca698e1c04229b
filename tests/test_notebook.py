"""Results in a notebook: tables of HTML, escaped and well-formed; users that are alike."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from contract import USERS, fitted, own_films

import recae


def cells(shown: Any) -> list[list[str]]:
    """The rows of the table that an object shows, as text; the HTML must be well-formed."""
    root = ElementTree.fromstring(f"<div>{shown._repr_html_()}</div>")
    return [["".join(cell.itertext()) for cell in row] for row in root.iter("tr")]


def test_each_result_shows_a_table() -> None:
    """Ratings, a split, a history, a report, a comparison and models show what their text says, in rows."""
    ratings = recae.load("sample")
    split = recae.split(ratings, "random", test=0.1, validation=0.1, rng=0)
    model = recae.MultDAE(hidden=4, epochs=2).fit(split.train, split.validation, progress=False)
    report = recae.evaluate(model, split, "ndcg@20")
    assert ["ratings", "80,000"] in cells(ratings)
    assert [row[0] for row in cells(split)] == ["part", "train", "validation", "test"]
    assert [row[0] for row in cells(model.history_)] == ["epoch", "1", "2"]
    assert ["hidden", "4"] in cells(model)
    assert "learnt from" in model._repr_html_()
    assert "nothing learnt yet" in recae.EASE()._repr_html_()
    ((name, value, *_),) = cells(report)[1:]
    assert (name, float(value)) == ("ndcg@20", pytest.approx(report["ndcg@20"], abs=1e-4))
    comparison = recae.compare(split, ["popularity"], metrics="ndcg@20")
    assert [row[0] for row in cells(comparison)] == ["model", "popularity"]


def test_names_are_escaped() -> None:
    """A data set named by markup is shown as text."""
    frame = pd.DataFrame({"user": [1, 1], "item": [1, 2], "rating": [1, 2]})
    shown = recae.RatingMatrix.from_frame(frame, name="<script>x</script>")._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown


@pytest.mark.parametrize("name", ["i-autorec", "u-autorec", "ease", "mult-vae"])
def test_users_of_one_taste_are_alike(name: str) -> None:
    """Of two groups who rate two catalogues, a user's three nearest are of the same group, and others."""
    model = fitted(name)
    found = model.similar_users([USERS[2], USERS[20]], 3)
    assert found["rank"].tolist() == [1, 2, 3] * 2
    for user, nearest in found.groupby("user")["similar"]:
        assert user not in set(nearest)
        assert {own_films(USERS.index(other)) for other in nearest} == {own_films(USERS.index(user))}
    vectors = model.user_vectors()
    assert vectors.shape[0] == model.ratings_.n_users
    if name != "ease" and isinstance(vectors, np.ndarray):
        assert np.isfinite(vectors).all()
