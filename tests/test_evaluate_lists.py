"""Lists as served, metrics of one's own, and calibration: against `evaluate`, scipy and figures by hand."""

from __future__ import annotations

from math import log
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.stats import entropy

import recae
from recae import metrics
from recae.comparison import compare
from recae.errors import DataError, ParameterError
from recae.evaluation import evaluate, evaluate_lists
from recae.evaluation.categories import category_shares
from recae.models import EASE, Popularity
from recae.ratings import RatingMatrix

SAMPLE = recae.load("sample")
PARTS = recae.split(SAMPLE, "per-user", test=0.2, rng=0)
MODEL = EASE(l2=50.0).fit(PARTS.train)
NAMES = ["recall@10", "ndcg@10", "map-plain@5", "coverage@10", "novelty@10", "diversity@5", "calibration@10"]


def served(n: int = 10) -> pd.DataFrame:
    return MODEL.recommend(SAMPLE.user_ids, n)


# ---------------------------------------------------------------- lists as served


def test_lists_of_a_model_give_its_report() -> None:
    """The frame of recommend, in any order of rows, has the figures of evaluate, intervals and users included."""
    wanted = evaluate(MODEL, PARTS, NAMES)
    found = evaluate_lists(served().sample(frac=1, random_state=0), PARTS, NAMES)
    assert dict(found) == pytest.approx(dict(wanted))
    assert found.interval("ndcg@10") == pytest.approx(wanted.interval("ndcg@10"))
    pd.testing.assert_frame_equal(found.per_user, wanted.per_user)
    alone = evaluate_lists(served(), PARTS.test, NAMES, train=PARTS.train)
    assert dict(alone) == pytest.approx(dict(wanted))


def test_figures_by_hand() -> None:
    """Two of three test users have a list; hits, an item that nobody knows, and a rank that is left out."""
    test = RatingMatrix.from_frame(
        pd.DataFrame({"user": ["a", "a", "b", "c"], "item": [1, 2, 3, 1], "rating": [5.0, 4, 3, 2]})
    )
    lists = pd.DataFrame(
        [("a", 99, 1), ("a", 1, 2), ("b", 3, 1), ("b", 1, 3), ("stranger", 1, 1)], columns=["user", "item", "rank"]
    )
    found = evaluate_lists(lists, test, ["hit@1", "mrr@3", "recall-plain@3", "coverage@3"])
    per_user = found.per_user
    assert per_user["hit@1"].to_dict() == {"a": 0, "b": 1, "c": 0}
    assert per_user["mrr@3"].to_dict() == {"a": 0.5, "b": 1, "c": 0}
    assert per_user["recall-plain@3"].to_dict() == {"a": 0.5, "b": 1, "c": 0}
    assert found["coverage@3"] == 3 / 4  # 1, 3 and 99 of 1, 2, 3 and 99
    assert evaluate_lists(lists, test, "hit@3", relevant_from=5)["hit@3"] == 1
    assert "without a training rating" not in str(found)


def test_buying_again_counts() -> None:
    """An item of train that is listed and tested is a hit: nothing is taken out of a list."""
    train = RatingMatrix.from_frame(pd.DataFrame({"user": ["a", "b"], "item": [1, 2], "rating": [1.0, 2.0]}))
    lists = pd.DataFrame({"user": ["a"], "item": [1], "rank": [1]})
    assert evaluate_lists(lists, train.select(np.array([True, False])), "hit@1", train=train)["hit@1"] == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rank": [0, 1]}, "row 1: rank 0 is no whole number from 1"), ({"rank": [1, 1.5]}, "row 2: rank 1.5"),
        ({"rank": [1, 1]}, "row 2: user 'a' has rank 1 twice"), ({"item": [1, 1]}, "row 2: user 'a' has item 1 twice"),
        ({"user": ["x", "y"]}, "none of the users of the lists"),
    ],
)  # fmt: skip
def test_lists_that_are_none(change: dict[str, Any], message: str) -> None:
    """Wrong ranks, entries that occur twice and strangers are refused, with the row."""
    test = RatingMatrix.from_frame(pd.DataFrame({"user": ["a"], "item": [1], "rating": [1.0]}))
    lists = pd.DataFrame({"user": ["a", "a"], "item": [1, 2], "rank": [1, 2]})
    with pytest.raises(DataError, match=message):
        evaluate_lists(lists.assign(**change), test, "hit@2")
    with pytest.raises(DataError, match="needs columns user, item, rank"):
        evaluate_lists(lists.drop(columns="rank"), test)
    with pytest.raises(DataError, match="no rows"):
        evaluate_lists(lists[:0], test)
    with pytest.raises(ParameterError, match="no predicted ratings"):
        evaluate_lists(lists, test, "rmse")
    with pytest.raises(ParameterError, match=r"novelty@5.*train="):
        evaluate_lists(lists, test, "novelty@5")


# ---------------------------------------------------------------- metrics of one's own


def first_is_relevant(items: list[Any], relevant: set[Any]) -> float:
    return float(items[0] in relevant)


def found_of_five(items: list[Any], relevant: set[Any]) -> float:
    assert len(items) <= 5
    return len(set(items) & relevant) / min(5, len(relevant))


found_of_five.k = 5


def test_own_metrics_are_measured_like_named_ones() -> None:
    """Functions that say what hit@1 and recall@5 say have their figures, from raw ids or raw lists."""
    own = [first_is_relevant, found_of_five]
    wanted = evaluate(MODEL, PARTS, ["hit@1", "recall@5"])
    for found in (evaluate(MODEL, PARTS, own), evaluate_lists(served(20), PARTS, own)):
        assert list(found) == ["first_is_relevant", "found_of_five"]
        assert list(found.values()) == pytest.approx(list(wanted.values()))
    table = compare(PARTS, [EASE(l2=50.0), Popularity()], metrics=[found_of_five, "hit@1"])
    assert table.metrics == ("found_of_five", "hit@1")
    assert table.reports["EASE(l2=50.0)"]["found_of_five"] == pytest.approx(wanted["recall@5"])
    assert evaluate(MODEL, PARTS, first_is_relevant)["first_is_relevant"] == wanted["hit@1"]


def test_own_metrics_that_are_none() -> None:
    """No number, or two of one name, are refused."""
    with pytest.raises(DataError, match="gave None; a number is needed"):
        evaluate(MODEL, PARTS, lambda items, relevant: None)
    with pytest.raises(ParameterError, match="two metrics are called '<lambda>'"):
        evaluate(MODEL, PARTS, [lambda items, relevant: 0.0, lambda items, relevant: 1.0])


# ---------------------------------------------------------------- calibration


def test_calibration_is_scipys_divergence() -> None:
    """For random lists, pasts and categories: scipy.stats.entropy(p, 0.99 q + 0.01 p)."""
    rng = np.random.default_rng(0)
    n_users, n_items, n_genres = 11, 17, 4
    of = rng.random((n_items, n_genres)) < 0.4
    shares = np.divide(of, of.sum(1, keepdims=True), out=np.zeros(of.shape), where=of.sum(1, keepdims=True) > 0)
    past = (rng.random((n_users, n_items)) < 0.4) * rng.integers(1, 6, (n_users, n_items))
    past[3] = 0
    ranked = np.array([rng.permutation(n_items)[:6] for _ in range(n_users)])
    ranked[5, 2:] = -1
    found = metrics.miscalibration(ranked, 4, sparse.csr_array(past.astype(np.float32)), sparse.csr_array(shares))
    for user in range(n_users):
        p = shares[past[user] > 0].sum(0)
        if p.sum() == 0:
            assert np.isnan(found[user])
            continue
        listed = ranked[user, :4]
        q = shares[listed[listed >= 0]].sum(0)
        q = q / q.sum() if q.sum() else q
        p = p / p.sum()
        assert found[user] == pytest.approx(entropy(p, 0.99 * q + 0.01 * p) if q.sum() else log(100), abs=1e-12)
    assert np.isnan(found[3])


def test_calibration_at_its_ends() -> None:
    """A list like the past has 0; one of another genre log(1 / 0.01); half and half against one genre log(1 / .505)."""
    table = pd.DataFrame({"item": [0, 1, 2, 3], "genres": ["War", "War", "Love", "War|Love"]})
    data = RatingMatrix.from_columns([0, 1], [0, 2], np.ones(2), item_table=table[table["item"].isin([0, 2])])
    shares = sparse.csr_array(np.array([[1.0, 0], [1, 0], [0, 1], [0.5, 0.5]]))
    past = sparse.csr_array(np.array([[1.0, 0, 0, 0]] * 3))
    found = metrics.miscalibration(np.array([[1], [2], [3]]), 1, past, shares)
    assert found == pytest.approx([0, log(100), log(1 / (0.99 * 0.5 + 0.01))])
    np.testing.assert_array_equal(category_shares(data).toarray(), [[1, 0], [0, 1]])


def test_categories_are_read_from_texts_and_lists() -> None:
    """Lists and texts with bars, missing cells, a column called Category; a table without one is refused."""
    cells = [["a", "b", "a"], "b| c", None, float("nan"), ""]
    table = pd.DataFrame({"item": range(5), "Category": pd.Series(cells, dtype=object)})
    data = RatingMatrix.from_columns([0] * 5, range(5), np.arange(5.0), item_table=table)
    np.testing.assert_array_equal(
        category_shares(data).toarray(), [[0.5, 0.5, 0], [0, 0.5, 0.5], [0] * 3, [0] * 3, [0] * 3]
    )
    with pytest.raises(DataError, match="calibration needs the items' categories"):
        category_shares(RatingMatrix.from_columns([0], [0], np.ones(1)))


def test_the_past_is_not_calibrated_by_popularity() -> None:
    """EASE follows a user's genres better than one list for all does; new users have no past and are left out."""
    popular = Popularity().fit(PARTS.train)
    one, other = (evaluate(model, PARTS, "calibration@10") for model in (MODEL, popular))
    assert one["calibration@10"] < other["calibration@10"]
