"""Ids that a model does not know: one among many need not end the request, in Python and on the command line."""

from __future__ import annotations

import csv
import io
import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cli_helpers import done, inline, parsed

import recae
from recae.errors import DataWarning, ParameterError, UnknownIdError
from recae.recommender.biases import USER_L2
from recae.recommender.cold_regression import PULL

FRAME = pd.DataFrame(
    {"user": [1, 1, 2, 2, 3, 3, 3], "item": list("abacbcd"), "rating": [5.0, 3.0, 4.0, 2.0, 1.0, 5.0, 4.0]}
)
RATES = recae.Bias().fit(recae.load(FRAME))
RANKS = recae.EASE(l2=1.0).fit(recae.load(FRAME))
each = pytest.mark.parametrize("model", [RATES, RANKS], ids=["rates", "ranks"])


@contextmanager
def said(unknown: str) -> Iterator[None]:
    """A context in which `warn` has to warn of what is unknown, and `ignore` must not."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        yield
    assert all(issubclass(one.category, DataWarning) for one in found)
    assert (unknown == "warn") == any("unknown to the model, such as" in str(one.message) for one in found)


@each
@pytest.mark.parametrize("unknown", ["warn", "ignore"])
def test_lists_of_the_known_are_what_they_are(model: recae.Recommender, unknown: Any) -> None:
    """Unknown users get no list, and unknown items change nothing, whether they are candidates or excluded."""
    with said(unknown):
        pd.testing.assert_frame_equal(
            model.recommend([9, 2, 99, 1], n=3, unknown=unknown), model.recommend([2, 1], n=3)
        )
    for name in ("candidates", "exclude"):
        with said(unknown):
            found = model.recommend([2, 1], n=3, unknown=unknown, **{name: ["9", "b", "d"]})
        pd.testing.assert_frame_equal(found, model.recommend([2, 1], n=3, **{name: ["b", "d"]}))
    with said(unknown):
        assert model.recommend([9], unknown=unknown).columns.tolist() == ["user", "item", "score", "rank"]
    with said(unknown):
        assert len(model.recommend([1], candidates=["9"], unknown=unknown)) == 0


@each
@pytest.mark.parametrize("unknown", ["warn", "ignore"])
def test_similar_items_of_the_known(model: recae.Recommender, unknown: Any) -> None:
    """Unknown items get no list, and the others theirs."""
    with said(unknown):
        found = model.similar_items(["a", "9", "c"], n=2, unknown=unknown)
    pd.testing.assert_frame_equal(found, model.similar_items(["a", "c"], n=2))
    with pytest.raises(UnknownIdError, match="'9'"):
        model.similar_items(["a", "9"])


@each
def test_popular_lists_pass_unknown_items_over(model: recae.Recommender) -> None:
    """With unknown="popular" an item that was never sold ends nothing either, and is said."""
    with pytest.warns(DataWarning, match="1 of 2 items are unknown"):
        found = model.recommend([1, 9], n=4, exclude=["9", "a"], unknown="popular")
    assert found.loc[found["user"] == 9, "item"].tolist() == ["b", "c", "d"]


@each
@pytest.mark.parametrize("unknown", ["warn", "ignore"])
def test_new_users_and_unknown_items(model: recae.Recommender, unknown: Any) -> None:
    """`recommend_new`: unknown items in ratings, candidates and exclusions are passed over."""
    new = pd.DataFrame({"user": ["x", "x"], "item": ["a", "9"], "rating": [5.0, 4.0]})
    with said(unknown):
        found = model.recommend_new(new, n=3, exclude=["9", "b"], unknown=unknown)
    pd.testing.assert_frame_equal(found, model.recommend_new(new[:1], n=3, exclude=["b"]))
    with pytest.raises(UnknownIdError, match="'9'"), pytest.warns(DataWarning):
        model.recommend_new(new, n=3, exclude=["9"])


@pytest.mark.parametrize("unknown", ["warn", "ignore"])
def test_predictions_keep_their_places(unknown: Any) -> None:
    """`predict` and `predict_new` give NaN for a pair with an unknown id, and the others as they are."""
    users, items = [1, 9, 2, 3], ["c", "a", "9", "a"]
    with said(unknown):
        found = RATES.predict(users, items, unknown=unknown)
    assert np.isnan(found).tolist() == [False, True, True, False]
    np.testing.assert_array_equal(found[[0, 3]], RATES.predict([1, 3], ["c", "a"]))
    new = pd.DataFrame({"user": ["x", "x"], "item": ["a", "b"], "rating": [5.0, 4.0]})
    pairs = pd.DataFrame({"user": ["x", "9", "x"], "item": ["c", "a", "9"]})
    with said(unknown):
        found = RATES.predict_new(new, pairs, unknown=unknown)
    assert np.isnan(found).tolist() == [False, True, True]
    assert found[0] == RATES.predict_new(new, pairs[:1])[0]


def test_new_pairs_by_the_baseline() -> None:
    """predict_new(unknown="baseline"): of a user without ratings nothing is known, of one with ratings the level is."""
    new = pd.DataFrame({"user": ["x"], "item": ["a"], "rating": [5.0]})
    found = RATES.predict_new(new, pd.DataFrame({"user": ["9", "x"], "item": ["a", "9"]}), unknown="baseline")
    of_a, mean = RATES.predict([9, 9], ["a", "9"], unknown="baseline")
    film = RATES._baseline().item[RATES.ratings_.item_index(["a"])[0]]
    level, usual = (5 - mean - film) / (1 + USER_L2), RATES._of_cold("item")[0].level[-1]
    expected = mean + level + usual + (5 - mean - level - usual) / (1 + PULL)
    np.testing.assert_allclose(found, [of_a, min(expected, RATES.ratings_.scale[1])], rtol=1e-6)


@pytest.mark.parametrize("method", ["recommend_new", "similar_items", "predict_new"])
def test_what_unknown_may_be(method: str) -> None:
    """Another word is refused with those that there are."""
    new = pd.DataFrame({"user": ["x"], "item": ["a"], "rating": [5.0]})
    more = {"recommend_new": [], "similar_items": [], "predict_new": [new[["user", "item"]]]}[method]
    with pytest.raises(ParameterError, match=r"unknown='skip'.*'warn' or 'ignore'"):
        getattr(RATES, method)(["a"] if method == "similar_items" else new, *more, unknown="skip")


# ---------------------------------------------------------------- the command line


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unknown")
    RATES.save(folder / "rates.recae")
    RANKS.save(folder / "ranks.recae")
    (folder / "new.csv").write_text("user,item,rating\nx,a,5\nx,zz,4\ny,b,2\n")
    (folder / "pairs.csv").write_text("user,item\n1,c\n9,a\n2,zz\n3,a\n")
    (folder / "new_pairs.csv").write_text("user,item\nx,c\nw,a\ny,zz\n")
    return folder


@pytest.mark.parametrize("kind", ["rates", "ranks"])
@pytest.mark.parametrize("unknown", ["warn", "ignore"])
def test_lists_for_whom_they_can_be_made(folder: Path, kind: str, unknown: str) -> None:
    """One unknown user, one item never sold: the others are served, and `warn` says what was passed over."""
    ask = ["recommend", folder / f"{kind}.recae", "--user", 9, "--user", 2, "--exclude", "zz,d", "--json"]
    result = inline(*ask, "--unknown", unknown)
    rows = json.loads(done(result))
    assert rows == parsed("recommend", folder / f"{kind}.recae", "--user", 2, "--exclude", "d")
    assert [text in result.stderr for text in ("1 of 2 users are unknown", "1 of 2 items are unknown")] == (
        [unknown == "warn"] * 2
    )
    assert inline(*ask).exit_code == 1


@pytest.mark.parametrize("unknown", ["warn", "ignore", "popular"])
def test_lists_for_new_users(folder: Path, unknown: str) -> None:
    """--new-ratings with --user: one of them without ratings in the file ends nothing."""
    ask = ["recommend", folder / "ranks.recae", "--new-ratings", folder / "new.csv", "--user", "y", "--json"]
    assert json.loads(done(inline(*ask, "--user", "w", "--unknown", unknown))) == json.loads(done(inline(*ask)))


def test_an_empty_field_for_what_cannot_be_predicted(folder: Path) -> None:
    """`predict --unknown warn`: as many rows as pairs; those of unknown ids have no prediction, in csv and in JSON."""
    for pairs, more in (("pairs.csv", []), ("new_pairs.csv", ["--new-ratings", folder / "new.csv"])):
        ask = ["predict", folder / "rates.recae", folder / pairs, *more, "--unknown", "warn"]
        result = inline(*ask)
        rows = list(csv.DictReader(io.StringIO(done(result))))
        empty = [row["rating"] == "" for row in rows]
        assert empty == [row["user"] in "9w" or row["item"] == "zz" for row in rows]
        assert "unknown to the model" in result.stderr
        assert [row["rating"] is None for row in parsed(*ask)] == empty


def test_items_like_those_that_are_known(folder: Path) -> None:
    """`similar --unknown ignore` lists for the items that the model knows."""
    ask = ["similar", folder / "ranks.recae", "--item", "zz", "--item", "a"]
    assert {row["item"] for row in parsed(*ask, "--unknown", "ignore")} == {"a"}
    assert "--unknown warn" in inline(*ask).stderr


def test_a_catalogue_smaller_than_a_list(folder: Path) -> None:
    """Lists of the usual ten items from a catalogue of four have what there is."""
    rows = parsed("recommend", folder / "ranks.recae", "--user", 1, "--include-seen")
    assert sorted(row["item"] for row in rows) == ["a", "b", "c", "d"]
